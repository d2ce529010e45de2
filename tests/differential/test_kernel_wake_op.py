"""WAKE_OP: what is written, what is compared and who is woken, for hand-picked and for generated operations.

Deliberate difference, which no script here asks about: with a count of 0 or less the kernel wakes one waiter all the
same; a Manager wakes nobody for 0 and refuses negative counts.
"""

from errno import EAGAIN, EINVAL, ENOSYS

import pytest
from differential import kernel
from differential.kernelworld import KernelWorld
from differential.managerworlds import PreparedWorld
from differential.worlds import ALL
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

A = 64
B = 128
SHIFT = 8
SET, ADD, OR, ANDN, XOR = range(5)
EQ, NE, LT, LE, GT, GE = range(6)


def encode(op, cmp, oparg=0, cmparg=0):
    """FUTEX_OP: four bits, four bits, twelve bits, twelve bits."""
    return op << 28 | cmp << 24 | (oparg & 0xFFF) << 12 | cmparg & 0xFFF


class Pair:
    """One kernel word and one Manager word, with one waiter behind each, so that a comparison can be seen."""

    def __init__(self):
        self.worlds = KernelWorld(), PreparedWorld()

    def run(self, old, op):
        """Apply `op` to `old` in both worlds; of each the result, the word after, and who was woken."""
        return [self.run_in(world, old, op) for world in self.worlds]

    def run_in(self, world, old, op):
        if "sleeper" not in world.blocked:
            world.store(B, 0)
            world.wait("sleeper", B, 0)
        world.store(B, old)
        result = world.wake_op(A, B, op, 1, 1)
        return result, world.load(B), world.ended()

    def close(self):
        for world in self.worlds:
            world.wake(B, ALL)
            world.close()


@pytest.fixture(scope="module")
def pair():
    if not kernel.usable():
        pytest.skip("no futex(2) that can be watched on this machine")
    made = Pair()
    yield made
    made.close()


EDGE_WORDS = [0, 1, 2, 0x7FF, 0x800, 0xFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_F7FF, 0xFFFF_FFFF]
EDGE_ARGUMENTS = [0, 1, 31, 32, 0x3F, 0x7FF, 0x800, 0xFE1, 0xFFF]


@pytest.mark.parametrize("op", [SET, ADD, OR, ANDN, XOR], ids=["SET", "ADD", "OR", "ANDN", "XOR"])
@pytest.mark.parametrize("shift", [0, SHIFT], ids=["plain", "shifted"])
def test_every_operation_on_edge_words(pair, op, shift):
    for old in EDGE_WORDS:
        for oparg in EDGE_ARGUMENTS:
            word = encode(op | shift, EQ, oparg, 0)
            oracle, ours = pair.run(old, word)
            assert ours == oracle, f"old {old:#x}, op {word:#010x}"


@pytest.mark.parametrize("cmp", [EQ, NE, LT, LE, GT, GE], ids=["EQ", "NE", "LT", "LE", "GT", "GE"])
def test_every_comparison_on_edge_words(pair, cmp):
    for old in EDGE_WORDS:
        for cmparg in EDGE_ARGUMENTS:
            word = encode(OR, cmp, 0, cmparg)
            oracle, ours = pair.run(old, word)
            assert ours == oracle, f"old {old:#x}, op {word:#010x}"


@pytest.mark.parametrize(
    ("old", "op", "new"),
    [
        (5, encode(SET, EQ, 0xFFF), 0xFFFF_FFFF),
        (5, encode(ADD, EQ, 0xFFF), 4),
        (0xFFFF_FFFF, encode(ADD, EQ, 1), 0),
        (0, encode(ADD, EQ, 0x800), 0xFFFF_F800),
        (0, encode(SET | SHIFT, EQ, 0x20), 1),
        (0, encode(SET | SHIFT, EQ, 0x3F), 0x8000_0000),
        (0, encode(SET | SHIFT, EQ, 0xFE1), 2),
        (0xFFFF_FFFF, encode(ANDN | SHIFT, EQ, 4), 0xFFFF_FFEF),
    ],
)
def test_operands_are_sign_extended_and_shifts_wrap(pair, old, op, new):
    oracle, ours = pair.run(old, op)
    assert ours == oracle
    assert ours[1] == new


@pytest.mark.parametrize(
    ("old", "op", "true"),
    [
        (0xFFFF_FFFF, encode(OR, LT, 0, 0), True),
        (0x8000_0000, encode(OR, LE, 0, 0), True),
        (0x7FFF_FFFF, encode(OR, GT, 0, 0), True),
        (0xFFF, encode(OR, EQ, 0, 0xFFF), False),
        (0xFFFF_FFFF, encode(OR, EQ, 0, 0xFFF), True),
    ],
)
def test_comparison_is_signed(pair, old, op, true):
    oracle, ours = pair.run(old, op)
    assert ours == oracle
    assert ours[0] == int(true)


@pytest.mark.parametrize("op", [5, 6, 7, 5 | SHIFT, 7 | SHIFT])
def test_unknown_operation_leaves_the_word_alone(pair, op):
    oracle, ours = pair.run(77, encode(op, EQ, 1, 77))
    assert ours == oracle == (-ENOSYS, 77, {})


@pytest.mark.parametrize("cmp", range(6, 16))
def test_unknown_comparison_has_operated_already_and_wakes_nobody(pair, cmp):
    oracle, ours = pair.run(77, encode(ADD, cmp, 1, 77))
    assert ours == oracle == (-ENOSYS, 78, {})


@given(old=st.integers(0, 0xFFFF_FFFF), op=st.integers(0, 0xFFFF_FFFF))
@example(old=0x8000_0000, op=encode(ADD, LT, 0xFFF, 0xFFF))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_generated_operations(pair, old, op):
    oracle, ours = pair.run(old, op)
    assert ours == oracle


@given(
    old=st.integers(-0x900, 0x900).map(lambda value: value & 0xFFFF_FFFF),
    op=st.builds(encode, st.integers(0, 15), st.integers(0, 6), st.integers(0, 0xFFF), st.integers(0, 0xFFF)),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_generated_operations_near_the_sign(pair, old, op):
    oracle, ours = pair.run(old, op)
    assert ours == oracle


@pytest.mark.parametrize(
    ("n_wake", "n_wake2", "old", "answer", "woken"),
    [
        (1, 1, 0, 2, "ax"),
        (2, 1, 0, 3, "abx"),
        (1, 2, 0, 3, "axy"),
        (ALL, ALL, 0, 4, "abxy"),
        (1, 1, 1, 1, "a"),
        (ALL, ALL, 1, 2, "ab"),
    ],
)
def test_first_word_always_second_only_if_true(agree, n_wake, n_wake2, old, answer, woken):
    def script(w):
        for name, addr in zip("abxy", (A, A, B, B), strict=True):
            w.wait(name, addr, 0)
        w.store(B, old)
        result = w.wake_op(A, B, encode(ADD, EQ, 5, 0), n_wake, n_wake2)
        first = "".join(sorted(w.ended()))
        return result, first, w.load(A), w.load(B), w.wake(A, ALL) + w.wake(B, ALL), sorted(w.ended())

    expected = agree(script)
    assert expected[:4] == (answer, woken, 0, old + 5)


@pytest.mark.parametrize(("old", "answer", "woken"), [(0, 3, "abc"), (1, 1, "a")])
def test_same_word_twice(agree, old, answer, woken):
    def script(w):
        for name in "abcd":
            w.wait(name, A, 0)
        w.store(A, old)
        result = w.wake_op(A, A, encode(SET, EQ, 9, 0), 1, 2)
        return result, "".join(sorted(w.ended())), w.load(A), w.wake(A, ALL), len(w.ended())

    assert agree(script)[:3] == (answer, woken, 9)


@pytest.mark.parametrize(("addr", "addr2"), [(A + 2, B), (A, B + 2)])
def test_misaligned_words_are_not_operated_on(agree, addr, addr2):
    def script(w):
        return w.wake_op(addr, addr2, encode(SET, EQ, 9, 0), 1, 1), w.load(A), w.load(B)

    assert agree(script) == (-EINVAL, 0, 0)


def test_waiters_see_the_word_after_the_operation(agree):
    def script(w):
        w.wake_op(A, B, encode(SET, EQ, 9, 0), 1, 1)
        return w.wait("a", B, 0), w.wait("a", B, 9, 0.001)

    assert agree(script)[0] == -EAGAIN


def test_bitsets_do_not_matter(agree):
    def script(w):
        w.wait("a", A, 0, bitset=4)
        w.wait("x", B, 0, bitset=8)
        return w.wake_op(A, B, encode(ADD, EQ, 1, 0), 1, 1), sorted(w.ended())

    assert agree(script) == (2, ["a", "x"])
