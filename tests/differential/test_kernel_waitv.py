"""futex_waitv(2): which entries a wake counts, which index it gives, what is refused, as the kernel has it.

Of several entries woken at once the kernel gives the last one; scripts wake them by one call, so that there is no race.
"""

from errno import EAGAIN, EINVAL, ETIMEDOUT

import pytest
from differential import kernel
from differential.worlds import ALL, BLOCKED

pytestmark = pytest.mark.skipif(
    not kernel.usable() or not kernel.has_waitv(), reason="the kernel has no futex_waitv(2)"
)

A = 64
B = 128
C = 192


def on(*addrs, private=True):
    """Items for words that hold 0."""
    return [(addr, 0, private) for addr in addrs]


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize(("addr", "index"), [(A, 0), (B, 1), (C, 2)])
def test_the_index_is_that_of_the_word_woken(agree, addr, index, private):
    def script(w):
        began = w.waitv("a", on(A, B, C, private=private))
        return began, w.wake(addr, private=private), w.ended()

    assert agree(script) == (BLOCKED, 1, {"a": index})


@pytest.mark.parametrize(("n", "woken", "index"), [(10, 3, 3), (ALL, 3, 3)])
def test_each_entry_counts_and_the_last_one_is_the_index(agree, n, woken, index):
    def script(w):
        w.waitv("a", on(A, A, B, A))
        return w.wake(A, n), w.ended()

    assert agree(script) == (woken, {"a": index})


def test_nothing_stays_queued(agree):
    def script(w):
        w.waitv("a", on(A, B, C))
        return w.wake(B), w.ended(), w.wake(A, ALL), w.wake(B, ALL), w.wake(C, ALL)

    assert agree(script) == (1, {"a": 1}, 0, 0, 0)


def test_vectors_and_single_waits_stand_in_one_queue(agree):
    def script(w):
        w.wait("a", A, 0)
        w.waitv("b", on(B, A))
        w.wait("c", A, 0)
        return [(w.wake(A), w.ended()) for _ in range(3)]

    assert agree(script) == [(1, {"a": 0}), (1, {"b": 1}), (1, {"c": 0})]


def test_private_and_shared_words_mix(agree):
    def script(w):
        w.waitv("a", [(A, 0, True), (A, 0, False)])
        return w.wake(A, private=False), w.ended(), w.wake(A, private=True)

    assert agree(script) == (1, {"a": 1}, 0)


def test_requeue_moves_an_entry(agree):
    def script(w):
        w.waitv("a", on(A, B))
        return w.requeue(B, C, 0, 1), w.wake(B), w.wake(C), w.ended(), w.wake(A)

    assert agree(script) == (1, 0, 1, {"a": 1}, 0)


def test_cmp_requeue_wakes_an_entry(agree):
    def script(w):
        w.waitv("a", on(A, B))
        return w.cmp_requeue(B, C, 0, 1, ALL), w.ended()

    assert agree(script) == (1, {"a": 1})


def test_wake_op_takes_entries_of_both_words(agree):
    def script(w):
        w.waitv("a", on(A, B))
        w.waitv("b", on(C, A))
        return w.wake_op(B, A, 0, 1, ALL), w.ended()

    woken, ended = agree(script)
    assert woken >= 1
    assert ended["a"] in (0, 1)


@pytest.mark.parametrize("bitset", [1, 1 << 31])
def test_every_bitset_reaches_an_entry(agree, bitset):
    def script(w):
        w.waitv("a", on(A, B))
        return w.wake(B, bitset=bitset), w.ended()

    assert agree(script) == (1, {"a": 1})


@pytest.mark.parametrize("differs", [0, 1, 2])
def test_a_word_that_differs_is_eagain(agree, differs):
    def script(w):
        w.store((A, B, C)[differs], 1)
        return w.waitv("a", on(A, B, C)), w.wake(A, ALL), w.wake(B, ALL), w.wake(C, ALL)

    assert agree(script) == (-EAGAIN, 0, 0, 0)


def test_it_times_out(agree):
    assert agree(lambda w: (w.waitv("a", on(A, B), 0.02), w.wake(A, ALL))) == (-ETIMEDOUT, 0)


def test_a_word_that_differs_comes_before_the_timeout(agree):
    assert agree(lambda w: w.waitv("a", [(A, 0, True), (B, 1, True)], 0)) == -EAGAIN


def test_no_entries_are_einval(agree):
    assert agree(lambda w: w.waitv("a", [], 0)) == -EINVAL


def test_as_many_entries_as_the_kernel_takes(agree):
    def script(w):
        w.waitv("a", on(*range(0, 512, 4)))
        return w.wake(508), w.ended()

    assert agree(script) == (1, {"a": 127})


def test_a_misaligned_word_is_einval_before_one_that_differs(agree):
    assert agree(lambda w: w.waitv("a", [(A, 1, True), (B + 2, 0, True)], 0)) == -EINVAL
