"""Waking, moving and sleeping through the table of pyfutex.h, on words of every size and in every target."""

import ctypes
import errno
import mmap

import pytest
from capi.capi import ALL, ANY, PRIVATE, QUEUED, SHARED, Counts, Deadline, Item, Place, WakeItem, Words, soon

from pyfutex import AddressSpace, Manager, Mappable, Memory, Waiter

EVERY_SIZE = pytest.mark.parametrize("size", [1, 2, 4, 8])


@EVERY_SIZE
def test_wait_and_wake(api, m, size, spawn, wait_until):
    words = Words(api, size)
    sleeper = spawn(api.wait, m, words.at(3), 0, ANY, None)
    wait_until(lambda: api.manager_waiters(m) == 1)
    assert api.wake(m, words.at(4), ALL, ANY) == 0
    assert api.wake(m, words.at(3), ALL, ANY) == 1
    assert sleeper.result() == 0


@EVERY_SIZE
def test_wait_for_another_value(api, m, size):
    words = Words(api, size)
    words[1] = 256**size - 1
    assert api.wait(m, words.at(1), 0, ANY, None) == -errno.EAGAIN
    assert api.wait(m, words.at(1), 256**size - 1, ANY, soon(api)) == -errno.ETIMEDOUT
    if size < 8:
        assert api.wait(m, words.at(1), 256**size, ANY, None) == -errno.EINVAL


@pytest.mark.parametrize("clock", [0, 1])
def test_deadlines_on_either_clock(api, m, words, clock):
    until = soon(api, clock=clock)
    assert api.wait(m, words.at(0), 0, ANY, until) == -errno.ETIMEDOUT
    assert api.now(clock) >= until.ns
    assert api.wait(m, words.at(0), 0, ANY, Deadline(0, clock, 0)) == -errno.ETIMEDOUT


@pytest.mark.parametrize("deadline", [Deadline(-1, 1, 0), Deadline(0, 2, 0), Deadline(0, -1, 0)])
def test_bad_deadlines(api, m, words, deadline):
    assert api.wait(m, words.at(0), 0, ANY, deadline) == -errno.EINVAL
    assert api.waitv(m, words.items([(0, 0)]), 1, deadline) == -errno.EINVAL
    assert api.lock_pi(m, words.at(0), 7, deadline) == -errno.EINVAL
    assert api.manager_waiters(m) == 0
    assert api.now(7) == -errno.EINVAL


def calls(api, m, place, other, wakev=0):
    """Every operation on a place."""
    counts = Counts()
    yield api.wait(m, place, 0, ANY, Deadline(0, 1, 0))
    yield api.wake(m, place, 1, ANY)
    yield api.requeue(m, place, other, 1, 1, counts)
    yield api.requeue(m, other, place, 1, 1, counts)
    yield api.cmp_requeue(m, place, other, 0, 1, 1, None)
    yield api.wake_op(m, place, other, 0, 1, 1)
    yield api.wake_op(m, other, place, 0, 1, 1)
    yield api.wake_wait(m, place, 1, other, 0, Deadline(0, 1, 0), None)
    yield api.wake_wait(m, other, 1, place, 0, Deadline(0, 1, 0), None)
    item = Item(place if place is not None else Place(), 0)
    yield api.waitv(m, item, 1, Deadline(0, 1, 0))
    wakes = WakeItem(place if place is not None else Place(), 1, ANY, 7, 0)
    assert api.wakev(m, wakes, 1) == wakev
    yield wakes.result if wakev == 0 else wakev


@pytest.mark.parametrize("spoilt", ["null", "no target", "size", "sharing", "misaligned"])
def test_what_is_no_place(api, m, words, spoilt):
    place = words.at(0)
    if spoilt == "null":
        place = None
    elif spoilt == "no target":
        place.target = None
    elif spoilt == "size":
        place.size = 3
    elif spoilt == "sharing":
        place.sharing = 3
    else:
        place.addr += 2
    assert set(calls(api, m, place, words.at(8))) == {-errno.EINVAL}
    assert api.manager_waiters(m) == 0


def test_no_manager(api, words):
    assert set(calls(api, None, words.at(0), words.at(8), wakev=-errno.EINVAL)) == {-errno.EINVAL}


def test_a_null_address_is_a_fault(api, m, words):
    place = Place(words.target, 0, 4, 0)
    assert set(calls(api, m, place, words.at(8))) == {-errno.EFAULT}


def test_outside_a_memory(api, m, words):
    memory = Memory(bytearray(64), 0x1000)
    place = Place(api.target_of(memory), 0x1040, 4, 0)
    assert set(calls(api, m, place, words.at(8))) == {-errno.EFAULT}


def test_bitset_0(api, m, words, polled):
    assert api.wait(m, words.at(0), 0, 0, None) == -errno.EINVAL
    assert api.wake(m, words.at(0), 1, 0) == -errno.EINVAL
    assert api.wait_prepare(m, polled()[0], words.at(0), 0, 0, 0) == -errno.EINVAL
    item = WakeItem(words.at(0), 1, 0, 0, 0)
    assert api.wakev(m, item, 1) == 0
    assert item.result == -errno.EINVAL


def test_bitsets_and_order(api, m, words, polled):
    waiters = polled(4)
    for waiter, bitset in zip(waiters, (1, 2, 1, 3), strict=True):
        assert api.wait_prepare(m, waiter, words.at(0), 0, bitset, 0) == QUEUED
    assert api.wake(m, words.at(0), 0, ANY) == 0
    assert api.wake(m, words.at(0), 2, 1) == 2
    assert [api.waiter_result(waiter) for waiter in waiters] == [0, QUEUED, 0, QUEUED]
    assert api.wake(m, words.at(0), ALL, 2) == 2


def test_requeue_says_what_it_did(api, m, words, polled):
    for waiter in (waiters := polled(5)):
        assert api.wait_prepare(m, waiter, words.at(0), 0, ANY, 0) == QUEUED
    counts = Counts()
    assert api.requeue(m, words.at(0), words.at(9), 1, 2, counts) == 0
    assert (counts.woken, counts.requeued) == (1, 2)
    assert api.cmp_requeue(m, words.at(0), words.at(9), 1, 1, 1, counts) == -errno.EAGAIN
    assert (counts.woken, counts.requeued) == (0, 0)
    assert api.cmp_requeue(m, words.at(0), words.at(9), 0, 0, ALL, None) == 0
    assert api.wake(m, words.at(9), ALL, ANY) == 4
    assert [api.waiter_result(waiter) for waiter in waiters] == [0] * 5


def test_wake_op(api, m, words, polled):
    first, second = polled(2)
    api.wait_prepare(m, first, words.at(0), 0, ANY, 0)
    api.wait_prepare(m, second, words.at(1), 0, ANY, 0)
    add_5_if_0 = 1 << 28 | 5 << 12
    assert api.wake_op(m, words.at(0), words.at(1), add_5_if_0, ALL, ALL) == 2
    assert words[1] == 5
    assert api.wake_op(m, words.at(0), words.at(1), 7 << 28, 1, 1) == -errno.ENOSYS
    assert api.wake_op(m, words.at(0), words.at(1), 1 << 28 | 15 << 24 | 1 << 12, 1, 1) == -errno.ENOSYS
    assert words[1] == 6


def test_wake_wait_hands_over(api, m, words, spawn, wait_until):
    first = spawn(api.wait, m, words.at(0), 0, ANY, None)
    wait_until(lambda: api.manager_waiters(m) == 1)
    woken = ctypes.c_uint32()
    second = spawn(api.wake_wait, m, words.at(0), 1, words.at(1), 0, None, woken)
    assert first.result() == 0
    wait_until(lambda: api.manager_waiters(m) == 1)
    assert api.wake(m, words.at(1), 1, ANY) == 1
    assert (second.result(), woken.value) == (0, 1)
    words[1] = 1
    assert api.wake_wait(m, words.at(0), 1, words.at(1), 0, None, woken) == -errno.EAGAIN
    assert woken.value == 0


@pytest.mark.parametrize("n", [1, 3, 300])
def test_waitv_of_any_length(api, m, n, spawn, wait_until):
    words = Words(api, n=300)
    sleeper = spawn(api.waitv, m, words.items((i, 0) for i in range(n)), n, None)
    wait_until(lambda: api.manager_waiters(m) == n)
    assert api.wake(m, words.at(n - 1), 1, ANY) == 1
    assert sleeper.result() == n - 1
    words[n - 1] = 1
    items = words.items((i, 0) for i in range(n))
    assert api.waitv(m, items, n, None) == -errno.EAGAIN
    words[n - 1] = 0
    assert api.waitv(m, items, n, soon(api)) == -errno.ETIMEDOUT
    assert api.waitv(m, items, 0, None) == -errno.EINVAL


def test_wakev_on_many_words(api, m, polled):
    words = Words(api, n=200)
    waiters = polled(400)
    for i, waiter in enumerate(waiters):
        assert api.wait_prepare(m, waiter, words.at(i % 200), 0, ANY, 0) == QUEUED
    items = (WakeItem * 150)(*(WakeItem(words.at(i), i % 3, ANY, -1, 0) for i in range(150)))
    assert api.wakev(m, items, 150) == 0
    assert [item.result for item in items] == [i % 3 for i in range(150)]
    assert api.manager_waiters(m) == 400 - sum(i % 3 for i in range(150))
    assert api.wakev(m, items, 0) == 0
    rest = (WakeItem * 400)(*(WakeItem(words.at(i // 2), 1, ANY, -1, 0) for i in range(400)))
    assert api.wakev(m, rest, 400) == 0
    assert sum(item.result for item in rest) == 250
    assert all(api.waiter_result(waiter) == 0 for waiter in waiters)


def test_wakev_with_one_bad_item(api, m, words, polled):
    waiter = polled()[0]
    api.wait_prepare(m, waiter, words.at(2), 0, ANY, 0)
    items = (WakeItem * 3)(*(WakeItem(words.at(i), 1, ANY, -1, 0) for i in range(3)))
    items[1].place.size = 5
    assert api.wakev(m, items, 3) == 0
    assert [item.result for item in items] == [0, -errno.EINVAL, 1]


def test_python_and_c_meet_in_one_manager(api, words, wait_until, spawn):
    manager = Manager()
    m = api.manager_of(manager)
    buffer = bytearray(64)
    memory = Memory(buffer)
    place = Place(words.target, memory.host_address + 8, 4, 0)
    sleeper = spawn(api.wait, m, place, 0, ANY, None)
    wait_until(lambda: len(manager) == 1)
    assert manager.wake(memory, 8) == 1
    assert sleeper.result() == 0
    waiter = Waiter()
    assert manager.wait_prepare(waiter, memory, 8, 0) is None
    assert api.wake(m, place, 1, ANY) == 1
    assert waiter.woken


def test_a_family_shares_the_keys_of_mappables(api, m, polled):
    mappable = Mappable()
    page = mmap.mmap(-1, mmap.PAGESIZE)
    space = AddressSpace()
    space.map(0x10000, page, mappable=mappable, mappable_offset=0)
    memory = Memory(page, mappable=mappable)
    child = api.manager_new(m)
    waiter = polled()[0]
    here, there = (Place(api.target_of(t), addr, 4, 0) for t, addr in ((memory, 64), (space, 0x10040)))
    space_number, offset = ctypes.c_uint64(), ctypes.c_uint64()
    assert api.key_of(here, space_number, offset) == 0
    assert (space_number.value >> 4, offset.value) == (api.mappable_of(mappable), 64)
    assert api.wait_prepare(child, waiter, there, 0, ANY, 0) == QUEUED
    private = Place(here.target, here.addr, 4, PRIVATE)
    assert api.wake(m, private, 1, ANY) == 0
    assert api.manager_free(child) == -errno.EBUSY
    assert api.wake(m, here, 1, ANY) == 1
    assert api.manager_free(child) == 0


def test_shared_without_a_mappable_meets_shared_alone(api, m, words, polled):
    waiter = polled()[0]
    assert api.wait_prepare(m, waiter, words.at(0, SHARED), 0, ANY, 0) == QUEUED
    assert api.wake(m, words.at(0), 1, ANY) == 0
    assert api.wake(m, words.at(0, PRIVATE), 1, ANY) == 0
    assert api.wake(m, words.at(0, SHARED), 1, ANY) == 1


def test_prefetch_changes_nothing(api, m, words, polled):
    waiter = polled()[0]
    api.prefetch(m, words.at(0), waiter)
    assert api.wait_prepare(m, waiter, words.at(0), 0, ANY, 0) == QUEUED
    api.prefetch(m, words.at(0), None)
    for manager, place in ((None, words.at(0)), (m, None), (m, Place(words.target, 0, 3, 9))):
        api.prefetch(manager, place, None)
    assert api.manager_waiters(m) == 1
    assert api.wake(m, words.at(0), 1, ANY) == 1


def test_stats(api, m, words, polled):
    from capi.capi import Stats

    stats = Stats()
    waiters = polled(3)
    for i, waiter in enumerate(waiters):
        api.wait_prepare(m, waiter, words.at(i // 2), 0, ANY, 0)
    assert api.manager_stats(m, stats) == 0
    assert (stats.waiters, stats.keys, stats.growths) == (3, 2, 0)
    assert stats.buckets >= 64
    assert stats.table_bytes > 0
    assert stats.longest_chain >= 1
    for waiter in waiters:
        assert api.waiter_cancel(waiter) == 1


def test_mappables_have_numbers_of_their_own(api):
    numbers = {api.mappable_new() for _ in range(100)} | {api.mappable_of(Mappable())}
    assert len(numbers) == 101
    assert 0 not in numbers
