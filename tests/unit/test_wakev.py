"""Waking on many words in one call."""

import errno

import pytest
from expect import oserror

from pyfutex import ALL, AddressSpace, InvalidArgument, Manager, Mappable, Memory, Target, Waiter, WakeItem


@pytest.fixture
def large():
    return Memory(bytearray(4096), 0)


def queue(manager, mem, addr, n=1, **kwargs):
    waiters = [Waiter() for _ in range(n)]
    for waiter in waiters:
        assert manager.wait_prepare(waiter, mem, addr, 0, **kwargs) is None
    return waiters


def test_nobody_waits(manager, large):
    assert manager.wakev([]) == []
    assert manager.wakev([(large, 0), (large, 4)]) == [0, 0]


def test_each_item_says_how_many(manager, large):
    for addr, n in ((0, 1), (64, 3), (128, 2)):
        queue(manager, large, addr, n)
    items = [(large, 0), WakeItem(large, 64, 2), (large, 128, ALL), (large, 192, ALL), (large, 64, 0)]
    assert manager.wakev(items) == [1, 2, 2, 0, 0]
    assert len(manager) == 1


def test_a_word_that_is_listed_twice_is_woken_twice(manager, large):
    first, second, third = queue(manager, large, 0, 3)
    assert manager.wakev([(large, 0)] * 2) == [1, 1]
    assert (first.woken, second.woken, third.woken) == (True, True, False)
    third.cancel()


@pytest.mark.parametrize("n", [63, 64, 65, 200, 1000])
def test_any_number_of_words(manager, large, n):
    waiters = [queue(manager, large, 4 * i, 1 + i % 2) for i in range(n)]
    assert manager.wakev((large, 4 * i, ALL) for i in range(n)) == [1 + i % 2 for i in range(n)]
    assert all(waiter.woken for word in waiters for waiter in word)


def test_words_that_are_emptied_leave_the_others_their_waiters(manager, large):
    n = 64
    for i in range(n):
        queue(manager, large, 4 * i, 1 + i % 2)
    assert manager.wakev((large, 4 * i) for i in range(n)) == [1] * n
    assert [manager.wake(large, 4 * i) for i in range(n)] == [i % 2 for i in range(n)]


@pytest.mark.parametrize("twice", ["private", "shared"])
def test_a_word_that_is_listed_on_both_sides_of_one_of_another_table(manager, large, twice):
    """Its bucket is locked once, whichever of the two tables has the lower addresses."""
    shared = Memory(bytearray(4096), mappable=Mappable())
    outer, inner = (large, shared) if twice == "private" else (shared, large)
    for addr in range(0, 256, 4):
        queue(manager, outer, addr, 2)
        queue(manager, inner, 256 - addr)
        assert manager.wakev([(outer, addr), (inner, 256 - addr), (outer, addr)]) == [1, 1, 1]


def test_words_of_all_kinds_of_memory(manager, large):
    class Dictionary(Target):
        def load(self, addr, size=4, /):
            return 0

    mappable, python, space = Mappable(), Dictionary(), AddressSpace()
    space.map(0x1000, bytearray(4096), mappable=mappable)
    shared = Memory(bytearray(4096), mappable=mappable)
    waiters = [
        *queue(manager, large, 8, size=8),
        *queue(manager, python, 64),
        *queue(manager, space, 0x1010, private=False),
        *queue(manager, space, 0x1010, private=True),
        *queue(manager, large, 16, bitset=6),
    ]
    items = [
        WakeItem(large, 8),
        WakeItem(large, 8, size=8),
        WakeItem(python, 64),
        WakeItem(shared, 0x10),
        WakeItem(space, 0x1010, private=True),
        WakeItem(large, 16, bitset=1),
        WakeItem(large, 16, bitset=2),
    ]
    assert manager.wakev(items) == [0, 1, 1, 1, 1, 0, 1]
    assert all(waiter.woken for waiter in waiters)


def test_callbacks_run_in_the_order_of_the_items(manager, large):
    order = []
    for addr in (0, 4, 8):
        waiter = Waiter(lambda w: order.append(w.tag), tag=addr)
        assert manager.wait_prepare(waiter, large, addr, 0) is None
    assert manager.wakev([(large, 8), (large, 0), (large, 4)]) == [1, 1, 1]
    assert order == [8, 0, 4]


def test_sleeping_threads_are_woken(manager, memory, spawn, wait_until):
    sleepers = [spawn(manager.wait, memory, 4 * i, 0) for i in range(5)]
    wait_until(lambda: len(manager) == 5)
    assert manager.wakev([(memory, 4 * i) for i in range(5)]) == [1] * 5
    assert all(sleeper.result() for sleeper in sleepers)


def test_what_is_wrong_is_found_before_anybody_is_woken(manager, large):
    queue(manager, large, 0)
    wrong = {
        InvalidArgument: [(large, 2), (large, 0, -1), (large, 0, 1, 0), (large, 0, 1, 1, None, 3)],
        OSError: [(large, 4096)],
        TypeError: [None, (large,), (object(), 0), (large, "0"), (large, 0, 1, 1, None, 4, 4), [large, 0]],
        OverflowError: [(large, 0, 1, 2**32)],
    }
    for kind, items in wrong.items():
        for item in items:
            with pytest.raises(kind):
                manager.wakev([(large, 0), item])
    assert len(manager) == 1
    with pytest.raises(TypeError):
        manager.wakev(None)


def test_pi_waiters_are_passed_over_and_told(manager, large):
    plain = queue(manager, large, 8)[0]
    large.store(0, 77)
    blocked = Waiter()
    assert manager.lock_pi_prepare(blocked, large, 0, tid=78) is None
    with oserror(errno.EINVAL, InvalidArgument) as caught:
        manager.wakev([(large, 0), (large, 8)])
    assert caught.value.woken == 1
    assert plain.woken
    assert not blocked.woken


def test_managers_of_a_family(large):
    mappable = Mappable()
    shared = Memory(bytearray(64), mappable=mappable)
    parent = Manager()
    child = parent.fork()
    waiter = queue(child, shared, 0)[0]
    other = queue(child, large, 0)[0]
    assert parent.wakev([(shared, 0), (large, 0)]) == [1, 0]
    assert waiter.woken
    other.cancel()
