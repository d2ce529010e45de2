"""WAIT, WAKE and their bitset forms: what a Manager answers is what the kernel answers.

Deliberate differences, which no script here asks about:

- The kernel's WAKE with a count of 0 or less wakes one waiter. A Manager wakes nobody for 0 and refuses a negative
  count (`test_counts_below_one_differ_on_purpose`).
- The kernel's private WAKE of an address it cannot read is 0. A Manager knows its memory and answers EFAULT
  (`test_wake_outside_memory_differs_on_purpose`).
"""

from errno import EAGAIN, EFAULT, EINVAL, ETIMEDOUT

import pytest
from differential import kernel
from differential.kernelworld import KernelWorld
from differential.managerworlds import PreparedWorld
from differential.worlds import ALL, ANY, BLOCKED

WORD = 64
OTHER = 128


def test_wake_with_nobody_waiting(agree):
    assert agree(lambda w: [w.wake(WORD, n) for n in (1, 2, ALL)]) == [0, 0, 0]


@pytest.mark.parametrize("n", [1, 2, 3, ALL])
def test_wake_takes_at_most_n_in_order(agree, n):
    def script(w):
        asleep = [w.wait(name, WORD, 0) for name in "abc"]
        woken = w.wake(WORD, n)
        first = sorted(w.ended())
        return asleep, woken, first, w.wake(WORD, ALL), sorted(w.ended())

    asleep, woken, first, rest, last = agree(script)
    assert asleep == [BLOCKED] * 3
    assert (woken, rest) == (min(n, 3), 3 - min(n, 3))
    assert first + last == ["a", "b", "c"]


def test_wake_order_is_first_come_first_served(agree):
    def script(w):
        for name in "edcba":
            w.wait(name, WORD, 0)
        return [(w.wake(WORD), w.ended()) for _ in range(6)]

    assert agree(script) == [(1, {name: 0}) for name in "edcba"] + [(0, {})]


def test_wake_reaches_its_own_word_only(agree):
    def script(w):
        w.wait("a", WORD, 0)
        w.wait("b", OTHER, 0)
        return w.wake(WORD, ALL), w.ended(), w.wake(OTHER, ALL), w.ended()

    assert agree(script) == (1, {"a": 0}, 1, {"b": 0})


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (0, 0),
        (0, 1),
        (1, 0),
        (0xFFFF_FFFF, 0xFFFF_FFFF),
        (0x8000_0000, 0x8000_0000),
        (0x8000_0000, 0x7FFF_FFFF),
    ],
)
def test_wait_compares_all_32_bits(agree, stored, expected):
    def script(w):
        w.store(WORD, stored)
        result = w.wait("a", WORD, expected)
        return result, w.wake(WORD, ALL), w.ended(), w.load(WORD)

    asleep = stored == expected
    assert agree(script) == (BLOCKED if asleep else -EAGAIN, int(asleep), {"a": 0} if asleep else {}, stored)


@pytest.mark.parametrize("timeout", [0.0, 1e-9, 0.002])
def test_wait_times_out_and_leaves_nobody_behind(agree, timeout):
    assert agree(lambda w: (w.wait("a", WORD, 0, timeout), w.wake(WORD, ALL))) == (-ETIMEDOUT, 0)


@pytest.mark.parametrize("timeout", [0.0, 0.002])
def test_wait_bitset_times_out_and_leaves_nobody_behind(agree, timeout):
    assert agree(lambda w: (w.wait("a", WORD, 0, timeout, bitset=1), w.wake(WORD, ALL))) == (-ETIMEDOUT, 0)


@pytest.mark.parametrize("bitset", [None, 1])
def test_wait_checks_the_value_before_the_time(agree, bitset):
    assert agree(lambda w: w.wait("a", WORD, 1, 0.0, bitset=bitset)) == -EAGAIN


@pytest.mark.parametrize("addr", [WORD + 1, WORD + 2, WORD + 3])
def test_misaligned_word(agree, addr):
    def script(w):
        return w.wait("a", addr, 0), w.wait("a", addr, 1), w.wake(addr), w.wake(addr, bitset=1)

    assert agree(script) == (-EINVAL,) * 4


def test_misaligned_word_comes_before_value_and_time(agree):
    assert agree(lambda w: w.wait("a", WORD + 2, 1, 0.0)) == -EINVAL


@pytest.mark.parametrize("waits", [1, 2, 3, 0x8000_0000, ANY])
@pytest.mark.parametrize("wakes", [1, 2, 0x8000_0001, ANY])
def test_bitsets_meet_where_they_intersect(agree, waits, wakes):
    def script(w):
        w.wait("a", WORD, 0, bitset=waits)
        return w.wake(WORD, ALL, bitset=wakes), w.ended(), w.wake(WORD, ALL), w.ended()

    meet = bool(waits & wakes)
    assert agree(script) == (int(meet), {"a": 0} if meet else {}, int(not meet), {} if meet else {"a": 0})


def test_waiters_of_another_bitset_do_not_count(agree):
    def script(w):
        for name, bitset in zip("abcdef", [1, 2, 1, 2, 3, None], strict=True):
            w.wait(name, WORD, 0, bitset=bitset)
        return [
            (w.wake(WORD, n, bitset=bitset), w.ended())
            for n, bitset in ((2, 2), (1, 2), (1, 4), (9, 4), (9, 1))
        ]

    assert agree(script) == [
        (2, {"b": 0, "d": 0}),
        (1, {"e": 0}),
        (1, {"f": 0}),
        (0, {}),
        (2, {"a": 0, "c": 0}),
    ]


def test_zero_bitset(agree):
    def script(w):
        w.wait("a", WORD, 0)
        return (
            w.wait("b", WORD, 0, bitset=0),
            w.wait("b", WORD, 1, bitset=0),
            w.wait("b", WORD + 2, 0, bitset=0),
            w.wake(WORD, 1, bitset=0),
            w.ended(),
            w.wake(WORD, ALL),
            w.ended(),
        )

    assert agree(script) == (-EINVAL, -EINVAL, -EINVAL, -EINVAL, {}, 1, {"a": 0})


def test_wait_outside_memory(agree):
    if_unmapped = 1 << 62
    assert agree(lambda w: w.wait("a", if_unmapped, 0)) == -EFAULT


def test_counts_below_one_differ_on_purpose():
    counts = (0, -1, -0x8000_0000)

    def script(w):
        answers = []
        for n in counts:
            w.wait("a", WORD, 0)
            answers.append((w.wake(WORD, n), w.ended(), w.wake(WORD, ALL), w.ended()))
        return answers

    kernel_world, manager_world = KernelWorld(), PreparedWorld()
    assert script(kernel_world) == [(1, {"a": 0}, 0, {})] * 3
    assert script(manager_world) == [(answer, {}, 1, {"a": 0}) for answer in (0, -EINVAL, -EINVAL)]
    kernel_world.close()
    manager_world.close()


def test_wake_outside_memory_differs_on_purpose():
    manager_world = PreparedWorld()
    assert kernel.wake(0, 1) == 0
    assert manager_world.wake(1 << 40) == -EFAULT
    manager_world.close()
