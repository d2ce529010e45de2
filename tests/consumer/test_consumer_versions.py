"""Who was built against another pyfutex: an older binary works, one that cannot is refused with what to do."""

import errno
import re
from pathlib import Path

import pytest
from consumer.compilers import HERE, INSTALLED

import pyfutex

SMALL = HERE / "c_extension" / "small.c"
SIZES = HERE / "c_extension" / "sizes.c"
LITTLE = HERE / "cython_project" / "little.pyx"
HEADER = Path(pyfutex.get_include(), "pyfutex.h").read_text(encoding="utf-8")
N_SLOTS = int(re.search(r"#define PYFUTEX_SLOTS (\d+)", HEADER)[1])
WORKS = (-errno.EAGAIN, 0)


def header_with(n_slots):
    """The header as it was when the table had fewer functions."""
    last = re.search(rf"^ +/\* {n_slots}\. .*?(?=^}} pyfutex_api;)", HEADER, flags=re.DOTALL | re.MULTILINE)
    return (HEADER[: last.start()] + HEADER[last.end() :]).replace(
        f"#define PYFUTEX_SLOTS {N_SLOTS}", f"#define PYFUTEX_SLOTS {n_slots}"
    )


def test_sizes_are_frozen(builder):
    builder.check_c(SIZES)


def test_sizes_are_frozen_for_cxx(builder):
    builder.check_cxx(SIZES)


def test_sizes_are_checked(builder, tmp_path):
    (tmp_path / "pyfutex.h").write_text(HEADER.replace("opaque[8]", "opaque[9]"), encoding="utf-8")
    with pytest.raises(AssertionError) as raised:
        builder.check_c(SIZES, first_includes=(tmp_path,))
    assert "pyfutex_vector" in str(raised.value)


def test_a_binary_of_today(builder, imported):
    assert imported(builder.extension(SMALL)).answers() == WORKS


@pytest.mark.parametrize("n_slots", [17, 20, N_SLOTS - 1])
def test_a_binary_from_when_there_were_fewer_functions(builder, imported, tmp_path, n_slots):
    (tmp_path / "pyfutex.h").write_text(header_with(n_slots), encoding="utf-8")
    assert imported(builder.extension(SMALL, first_includes=(tmp_path,))).answers() == WORKS


@pytest.mark.parametrize(
    ("abi", "n_slots", "advice"),
    [
        (2, N_SLOTS, "install a newer pyfutex"),
        (1, 1000, "install a newer pyfutex"),
        (0, N_SLOTS, "build this module again"),
    ],
)
@pytest.mark.parametrize("language", ["C", "Cython"])
def test_an_incompatible_binary_is_refused_with_what_to_do(
    builder, fails_to_import, language, abi, n_slots, advice
):
    build, source = {"C": (builder.extension, SMALL), "Cython": (builder.cython_extension, LITTLE)}[language]
    assert fails_to_import(build(source, f"-DPYFUTEX_ABI={abi}", f"-DPYFUTEX_SLOTS={n_slots}")) == (
        f"ImportError: built for interface {abi} of pyfutex with {n_slots} functions; the pyfutex that is installed "
        f"has interface 1 with {N_SLOTS} functions: {advice}"
    )


def test_a_cython_binary_of_today(builder, imported):
    assert imported(builder.cython_extension(LITTLE)).answers() == WORKS


def test_a_cython_binary_from_when_there_were_fewer_functions(builder, imported):
    assert imported(builder.cython_extension(LITTLE, "-DPYFUTEX_SLOTS=20")).answers() == WORKS


@pytest.fixture
def edited(tmp_path):
    """A folder of the declarations with a change: ``edited(pattern, replacement)``."""

    def edit(old, new):
        package = tmp_path / "pyfutex"
        package.mkdir()
        (package / "__init__.pxd").touch()
        declarations = (INSTALLED / "pyfutex" / "cyfutex.pxd").read_text(encoding="utf-8")
        assert old in declarations
        (package / "cyfutex.pxd").write_text(declarations.replace(old, new), encoding="utf-8")
        return tmp_path

    return edit


def test_a_used_function_with_another_signature_is_refused(builder, fails_to_import, edited):
    folder = edited(
        "const pyfutex_place *word, uint32_t n, uint32_t bitset) noexcept nogil",
        "const pyfutex_place *word, uint64_t n, uint64_t bitset) noexcept nogil",
    )
    said = fails_to_import(builder.cython_extension(LITTLE, first_includes=(folder,)))
    assert said.startswith("TypeError: C function pyfutex.cyfutex.wake has wrong signature")


def test_an_unused_function_with_another_signature_does_no_harm(builder, imported, edited):
    folder = edited(
        "unlock_pi(pyfutex_manager *m, const pyfutex_place *word, uint32_t tid)",
        "unlock_pi(pyfutex_manager *m, const pyfutex_place *word, uint64_t tid)",
    )
    assert imported(builder.cython_extension(LITTLE, first_includes=(folder,))).answers() == WORKS


def test_a_used_function_that_is_not_there_yet_is_refused(builder, fails_to_import, edited, tmp_path):
    folder = edited("cdef int wakev(", "cdef int wake_all() noexcept nogil\ncdef int wakev(")
    source = tmp_path / "early.pyx"
    source.write_text(LITTLE.read_text(encoding="utf-8") + "\n\nfutexes.wake_all()\n", encoding="utf-8")
    said = fails_to_import(builder.cython_extension(source, first_includes=(folder,)))
    assert said == "ImportError: pyfutex.cyfutex does not export expected C function wake_all"
