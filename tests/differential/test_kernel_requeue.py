"""REQUEUE and CMP_REQUEUE: counts, who is woken, who is moved, and what is refused, as the kernel has it.

Scripts do not mix waiters that were moved to a word with waiters that queued there themselves: where those stand in
the kernel's queue depends on a hash collision. A Manager puts the moved ones behind the others, always.
"""

from errno import EAGAIN, EFAULT, EINVAL

import pytest
from differential.worlds import ALL

A = 64
B = 128


def crowd(w, names="abcde", addr=A, **options):
    for name in names:
        w.wait(name, addr, 0, **options)


def drain(w, addr):
    """Wake one at a time: the names in their order in the queue."""
    order = []
    while w.wake(addr):
        order.extend(w.ended())
    return "".join(order)


@pytest.mark.parametrize(
    ("n_wake", "n_requeue", "answer", "woken", "left", "moved"),
    [
        (0, 0, 0, "", "abcde", ""),
        (1, 0, 1, "a", "bcde", ""),
        (0, 1, 1, "", "bcde", "a"),
        (1, 2, 3, "a", "de", "bc"),
        (2, 2, 4, "ab", "e", "cd"),
        (5, 5, 5, "abcde", "", ""),
        (1, ALL, 5, "a", "", "bcde"),
        (0, ALL, 5, "", "", "abcde"),
        (ALL, ALL, 5, "abcde", "", ""),
    ],
)
@pytest.mark.parametrize("compare", [False, True])
def test_requeue_wakes_the_first_and_moves_the_next(
    agree, compare, n_wake, n_requeue, answer, woken, left, moved
):
    def script(w):
        crowd(w)
        result = w.cmp_requeue(A, B, 0, n_wake, n_requeue) if compare else w.requeue(A, B, n_wake, n_requeue)
        return result, "".join(sorted(w.ended())), drain(w, A), drain(w, B)

    assert agree(script) == (answer, woken, left, moved)


@pytest.mark.parametrize("compare", [False, True])
@pytest.mark.parametrize(("n_wake", "n_requeue"), [(0, 0), (1, 0), (1, ALL)])
def test_requeue_with_nobody_waiting(agree, compare, n_wake, n_requeue):
    def script(w):
        return w.cmp_requeue(A, B, 0, n_wake, n_requeue) if compare else w.requeue(A, B, n_wake, n_requeue)

    assert agree(script) == 0


@pytest.mark.parametrize(
    ("n_wake", "n_requeue", "answer", "woken"), [(1, ALL, 4, "a"), (0, ALL, 4, ""), (2, 1, 3, "ab")]
)
@pytest.mark.parametrize("compare", [False, True])
def test_requeue_to_the_same_word_moves_nobody(agree, compare, n_wake, n_requeue, answer, woken):
    def script(w):
        crowd(w, "abcd")
        result = w.cmp_requeue(A, A, 0, n_wake, n_requeue) if compare else w.requeue(A, A, n_wake, n_requeue)
        return result, "".join(sorted(w.ended())), drain(w, A)

    assert agree(script) == (answer, woken, "abcd"[len(woken) :])


@pytest.mark.parametrize(
    ("n_wake", "n_requeue"), [(-1, 0), (0, -1), (-1, -1), (-0x8000_0000, 1), (1, -0x8000_0000)]
)
def test_negative_counts(agree, n_wake, n_requeue):
    def script(w):
        crowd(w, "ab")
        return (
            w.requeue(A, B, n_wake, n_requeue),
            w.cmp_requeue(A, B, 0, n_wake, n_requeue),
            w.cmp_requeue(A, B, 1, n_wake, n_requeue),
            w.ended(),
            drain(w, A),
        )

    assert agree(script) == (-EINVAL, -EINVAL, -EINVAL, {}, "ab")


@pytest.mark.parametrize("stored", [1, 0x8000_0000, 0xFFFF_FFFF])
def test_cmp_requeue_of_a_changed_word_does_nothing(agree, stored):
    def script(w):
        crowd(w, "ab")
        w.store(A, stored)
        refused = w.cmp_requeue(A, B, 0, 1, ALL)
        return (
            refused,
            w.ended(),
            w.cmp_requeue(A, B, stored, 1, ALL),
            "".join(w.ended()),
            drain(w, B),
            w.load(A),
        )

    assert agree(script) == (-EAGAIN, {}, 2, "a", "b", stored)


def test_cmp_requeue_compares_before_it_looks_for_waiters(agree):
    assert agree(lambda w: (w.cmp_requeue(A, B, 1, 0, 0), w.cmp_requeue(A, A, 1, 1, 1))) == (-EAGAIN, -EAGAIN)


@pytest.mark.parametrize(("addr", "addr2"), [(A + 2, B), (A, B + 2), (A + 1, A + 1)])
def test_misaligned_words(agree, addr, addr2):
    def script(w):
        crowd(w, "a")
        answers = (
            w.requeue(addr, addr2, 1, 1),
            w.cmp_requeue(addr, addr2, 0, 1, 1),
            w.cmp_requeue(addr, addr2, 7, 1, 1),
        )
        return answers, drain(w, A)

    assert agree(script) == ((-EINVAL,) * 3, "a")


def test_cmp_requeue_outside_memory(agree):
    assert agree(lambda w: w.cmp_requeue(1 << 62, B, 0, 1, 1)) == -EFAULT


def test_bitsets_do_not_matter_to_requeue_and_travel_along(agree):
    def script(w):
        crowd(w, "ab", bitset=1)
        crowd(w, "cd", bitset=2)
        counts = w.requeue(A, B, 1, 2), "".join(sorted(w.ended()))
        return (
            counts,
            (w.wake(B, ALL, bitset=2), w.ended()),
            (w.wake(B, ALL, bitset=1), w.ended()),
            (w.wake(A, ALL, bitset=2), w.ended()),
        )

    assert agree(script) == ((3, "a"), (1, {"c": 0}), (1, {"b": 0}), (1, {"d": 0}))


def test_a_moved_waiter_moves_on_and_back(agree):
    def script(w):
        crowd(w, "abc")
        return (
            w.requeue(A, B, 0, ALL),
            w.requeue(B, 192, 0, 2),
            w.requeue(192, A, 0, ALL),
            drain(w, A),
            drain(w, B),
        )

    assert agree(script) == (3, 2, 2, "ab", "c")


def test_requeue_needs_no_value_at_the_target(agree):
    def script(w):
        crowd(w, "ab")
        w.store(B, 12345)
        return w.requeue(A, B, 0, ALL), w.ended(), drain(w, B), w.load(B)

    assert agree(script) == (2, {}, "ab", 12345)


def test_waiters_that_were_at_the_target_stay_there(agree):
    def script(w):
        w.wait("x", B, 0)
        crowd(w, "ab")
        counts = w.requeue(A, B, 1, ALL), "".join(w.ended())
        return counts, w.wake(B, ALL), sorted(w.ended())

    assert agree(script) == ((2, "a"), 2, ["b", "x"])
