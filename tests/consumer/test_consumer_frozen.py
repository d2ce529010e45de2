"""Today's pyfutex.h has all that the frozen one of its interface has, and what was built against that one works.

`interface_1/pyfutex.h` is the header as it was when interface 1 was frozen, and is not edited. What this interface gains
later need not be in it.
"""

import re
from pathlib import Path

import pytest
from consumer.compilers import HERE

import pyfutex

TODAY = Path(pyfutex.get_include(), "pyfutex.h").read_text(encoding="utf-8")
ABI = re.search(r"#define PYFUTEX_ABI (\d+)", TODAY)[1]
FOLDER = HERE / f"interface_{ABI}"
EXAMPLES = HERE / "c_extension"
WHAT_TO_DO = (
    "binaries that are built already rely on it. Undo that, and put new functions at the end of the table under new names; "
    f"or, if those binaries are to be refused, raise PYFUTEX_ABI to {int(ABI) + 1} and put the new header into "
    f"tests/consumer/interface_{int(ABI) + 1}/"
)


def declarations(header):
    """The functions of the table in order, and everything else that the header declares, by name; no comments."""
    lines = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    text = " ".join(lines.split())
    others = dict(re.findall(r"^#define (PYFUTEX_\w+) (\S+)", lines, re.MULTILINE))
    others |= re.findall(r"\b(PYFUTEX_\w+) = (\d+)", text)
    others |= {name: body for body, name in re.findall(r"typedef struct \w+ (\{[^}]*\}) (\w+);", text)}
    for kind, name, arguments in re.findall(r"typedef (\w+) \(\*(\w+)\)(\([^)]*\));", text):
        others[name] = f"{kind} (*){arguments}"
    # How many there are is for the table to say.
    del others["PYFUTEX_SLOTS"]
    table = others.pop("pyfutex_api").strip("{} ").split("; ")
    return [function.strip(" ;") for function in table], others


def frozen():
    header = FOLDER / "pyfutex.h"
    assert header.exists(), f"no frozen header of interface {ABI}: put today's into {FOLDER}"
    return header.read_text(encoding="utf-8")


def keeps(found, was):
    """What is reserved may get a name and a use: sizes.c sees to it that nothing moves."""
    return found == was or (" reserved" in was and found.startswith(re.split(r" \w+ reserved", was)[0]))


def check(then, now):
    """AssertionError, which says what to do, unless `now` has all that `then` has."""
    (functions_then, others_then), (functions_now, others_now) = declarations(then), declarations(now)
    # abi and n_slots come first.
    for slot, was in enumerate(functions_then, -2):
        found = functions_now[slot + 2] if slot + 2 < len(functions_now) else "gone"
        assert found == was, f"slot {slot} was `{was}` and is `{found}`: {WHAT_TO_DO}"
    for name, was in others_then.items():
        found = others_now.get(name, "gone")
        assert keeps(found, was), f"{name} was `{was}` and is `{found}`: {WHAT_TO_DO}"


def test_the_header_is_understood():
    functions, others = declarations(TODAY)
    assert len(functions) == 2 + int(re.search(r"#define PYFUTEX_SLOTS (\d+)", TODAY)[1])
    assert all(re.fullmatch(r"[\w ]+\*?\(\*\w+\)\(.*\)", function) for function in functions[2:])
    assert set(re.findall(r"\b(?:PYFUTEX_[A-Z_]+|pyfutex_\w+)\b", frozen())) - set(others) == {
        *("PYFUTEX_H", "PYFUTEX_SLOTS", "pyfutex_api", "pyfutex_import"),
        *("pyfutex_manager", "pyfutex_target", "pyfutex_queue", "pyfutex_waiter_result"),
    }


def test_todays_header_has_all_of_the_frozen_one():
    check(frozen(), TODAY)


@pytest.mark.parametrize(
    ("old", "new"),
    [("} pyfutex_api;", "int (*novelty)(void); } pyfutex_api;"), ("int32_t reserved;", "int32_t novelty;")],
)
def test_what_nobody_relies_on_may_come(old, new):
    assert old in frozen()
    check(frozen(), frozen().replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("int (*wake)(", "int (*novelty)(void);\n    int (*wake)(", "slot 11 was `int (*wake)"),
        ("uint32_t n, uint32_t bitset);", "uint64_t n, uint32_t bitset);", "slot 11 was `int (*wake)"),
        ("(*waiter_cancel)", "(*waiter_take_back)", "slot 23 was `int (*waiter_cancel)"),
        ("PYFUTEX_PRIVATE = 1", "PYFUTEX_PRIVATE = 3", "PYFUTEX_PRIVATE was `1` and is `3`"),
        ("PYFUTEX_QUEUED 0x40000000", "PYFUTEX_QUEUED 0x20000000", "PYFUTEX_QUEUED was `0x40000000`"),
        ("uint64_t opaque[8]", "uint64_t opaque[9]", "pyfutex_vector was `{ uint64_t opaque[8]; }`"),
        (
            "(*pyfutex_callback)(void *context, int",
            "(*pyfutex_callback)(void *context, long",
            "pyfutex_callback was",
        ),
    ],
)
def test_a_change_is_noticed(old, new, said):
    assert old in frozen()
    with pytest.raises(AssertionError) as raised:
        check(frozen(), frozen().replace(old, new, 1))
    assert said in str(raised.value)
    assert "raise PYFUTEX_ABI to" in str(raised.value)


def test_a_binary_built_against_the_frozen_header_works(builder, imported):
    def build(name):
        return imported(builder.extension(EXAMPLES / name, first_includes=(FOLDER,)))

    assert build("small.c").answers()[1] == 0
    assert build("forked.c").fork_with_waiters() == (0, 0)
    assert build("consumer.c").count(4, 500, 4) == (2000, 0, 0)
