"""Where C waiters, Python calls, changing maps and hostile memory meet: each was wrong once."""

import ctypes
import errno
import gc
import os
import select
import weakref

import pytest
from capi.capi import ALL, ANY, QUEUED, Heard, OwnerAlive, PIWait, Place, Waiter
from capi.test_capi_targets import BASE, MMU

import pyfutex
from pyfutex import AddressSpace, Manager, Mappable, Memory, WaitResult

WAITERS, OWNER_DIED = 0x8000_0000, 0x4000_0000


def test_wake_wait_calls_back_a_c_waiter(api, words):
    manager, memory, heard = Manager(), Memory(bytearray(64)), Heard()
    place = words.at(0)
    place.addr = memory.host_address
    waiter = heard.waiter(api, 3)
    for _ in range(2):
        assert api.wait_prepare(api.manager_of(manager), waiter, place, 0, ANY, 0) == QUEUED
        assert manager.wake_wait(memory, 0, 8, 0, 0) == (1, WaitResult.TIMEOUT)
    assert heard.calls == [(3, 0)] * 2


@pytest.mark.parametrize("pushed", [1, 2, 3])
def test_a_bell_made_late_rings_for_what_is_left(api, m, words, pushed):
    queue, waiters = api.queue_new(), [Waiter() for _ in range(pushed)]
    for waiter in waiters:
        api.waiter_init_queue(waiter, queue, None)
        api.wait_prepare(m, waiter, words.at(0), 0, ANY, 0)
    api.wake(m, words.at(0), ALL, ANY)
    api.queue_pop(queue)  # takes all off, hands out one
    fd = api.queue_fileno(queue)
    assert bool(select.select([fd], [], [], 0)[0]) == (pushed > 1)
    while api.queue_pop(queue):
        pass
    assert select.select([fd], [], [], 0)[0] == []
    api.queue_free(queue)


def test_an_empty_queue_is_hushed_though_it_rang_late(api):
    """A pusher rings after what it pushed was taken off."""
    queue = pyfutex.CompletionQueue()
    fd = queue.fileno()
    os.eventfd_write(fd, 1)
    assert queue.drain() == []
    assert select.select([fd], [], [], 0)[0] == []


@pytest.fixture
def space():
    """An address space with a region for words and one that may be unmapped meanwhile."""
    made = AddressSpace()
    made.map(0x10000, bytearray(4096))
    made.map(0x20000, bytearray(4096))
    return made


def test_a_callback_of_a_requeue_may_unmap(api, m, space, polled):
    """It would wait for ever for the readers of the map if its waker were one."""
    target = api.target_of(space)
    word, word2 = Place(target, 0x10000, 4, 0), Place(target, 0x10008, 4, 0)
    calls = []

    def unmap(_context, _result):
        space.unmap(0x20000, 4096)
        calls.append(len(space.regions()))

    heard = Heard()
    heard.callback = type(heard.callback)(unmap)
    waiter = heard.waiter(api)
    assert api.wait_prepare(m, waiter, word, 0, ANY, 0) == QUEUED
    assert api.cmp_requeue(m, word, word2, 0, 1, 1, None) == 0
    assert calls == [1]


@pytest.mark.parametrize("call", ["lock_pi", "trylock_pi", "lock_pi_prepare", "cmp_requeue_pi"])
def test_who_is_asked_about_an_owner_may_unmap(api, m, space, call):
    target = api.target_of(space)
    word, plain = Place(target, 0x10000, 4, 0), Place(target, 0x10008, 4, 0)
    asked = []

    def alive(_context, tid):
        if not asked:
            space.unmap(0x20000, 4096)
        asked.append(tid)
        return 0

    held = OwnerAlive(alive)
    api.manager_owner_alive(m, held, None)
    space.swap(0x10000, 77)
    waiter, waiting, wait = Heard().waiter(api), Heard().waiter(api), PIWait()
    if call == "cmp_requeue_pi":
        assert api.wait_requeue_pi_prepare(m, waiting, wait, plain, word, 0, 8, 0) == QUEUED
        assert api.cmp_requeue_pi(m, plain, word, 0, 1, None) == -errno.ESRCH
        assert api.waiter_cancel(waiting) == 1
    else:
        more = {"lock_pi": (None,), "trylock_pi": (), "lock_pi_prepare": (0,)}[call]
        before = (waiter, wait) if call == "lock_pi_prepare" else ()
        assert getattr(api, call)(m, *before, word, 8, *more) == -errno.ESRCH
    assert asked == [77]
    assert len(space.regions()) == 1


def test_an_unlock_goes_by_one_look_at_the_word(api, m):
    """Memory that changes its mind between two looks hands nothing over unguarded."""
    mmu = MMU()
    target = api.target_new(mmu.functions, None)
    word, waiter, wait = Place(target, BASE, 4, 0), Heard().waiter(api), PIWait()
    api.lock_pi(m, word, 7, None)
    assert api.lock_pi_prepare(m, waiter, wait, word, 8, 0) == QUEUED
    truth, looks = mmu.load, []

    def load(context, addr, size, value):
        looks.append(addr)
        error = truth(context, addr, size, value)
        if len(looks) == 1:
            value[0] = 99 | WAITERS
        return error

    mmu.functions.load = type(mmu.functions.load)(load)
    assert api.unlock_pi(m, word, 7) == -errno.EPERM
    assert len(looks) == 1
    assert api.unlock_pi(m, word, 7) == 0
    assert mmu.word(BASE) == 8 | WAITERS
    api.target_free(target)


def test_an_heir_in_memory_without_shared_keys(api, m):
    mmu, heard, wait = MMU(), Heard(), PIWait()
    mmu.functions.shared_key = type(mmu.functions.shared_key)(lambda *_: errno.EIO)
    target = api.target_new(mmu.functions, None)
    word, waiter = Place(target, BASE, 4, 1), heard.waiter(api)
    api.lock_pi(m, word, 7, None)
    assert api.lock_pi_prepare(m, waiter, wait, word, 8, 0) == QUEUED
    assert api.owner_exit(m, 7) == 1
    assert heard.calls == [(0, 0)]
    assert mmu.word(BASE) == 8 | WAITERS | OWNER_DIED
    api.target_free(target)


def test_the_result_of_a_lock_outlives_what_it_waited_with(api, m, words):
    waiter, wait = Heard().waiter(api), PIWait()
    api.lock_pi(m, words.at(0), 7, None)
    assert api.lock_pi_prepare(m, waiter, wait, words.at(0), 8, 0) == QUEUED
    assert api.unlock_pi(m, words.at(0), 7) == 0
    ctypes.memset(ctypes.addressof(wait), 0xAA, ctypes.sizeof(wait))
    assert api.waiter_result(waiter) == 0


@pytest.mark.parametrize("kind", ["wait", "waitv"])
def test_a_target_that_fails_after_c_woke_its_waiter_leaks_nothing(api, words, kind):
    manager, mappable = Manager(), Mappable()
    memory = Memory(bytearray(64), mappable=mappable)
    place = words.at(0)
    place.target, place.addr = api.target_of(memory), 8

    class Failing(pyfutex.Target):
        def load(self, addr, size=4, /):
            assert api.wake(api.manager_of(manager), place, 1, ANY) == 1
            raise KeyError(addr)

        def shared_key(self, addr, /):
            return pyfutex.Key(pyfutex.KeyKind.SHARED_MAPPABLE, addr, mappable)

    mem = Failing()
    gone = weakref.ref(mem)
    with pytest.raises(KeyError):
        if kind == "wait":
            manager.wait(mem, 8, 0, private=False)
        else:
            manager.waitv([(mem, 8, 0, False)])
    assert manager.completions().empty()
    del mem
    gc.collect()
    assert gone() is None


def test_a_new_member_of_a_family_in_the_child_of_a_fork(api, words):
    """It does not find the parent's waiters in the table that the family shares."""
    manager, memory = Manager(), Memory(bytearray(64), mappable=Mappable())
    heard = Heard()
    waiter = heard.waiter(api)
    place = words.at(0)
    place.target, place.addr = api.target_of(memory), 0
    m = api.manager_of(manager)
    assert api.wait_prepare(m, waiter, place, 0, ANY, 0) == QUEUED
    child = os.fork()
    if child == 0:
        try:
            made = api.manager_new(m)
            woken = api.wake(made, place, ALL, ANY), manager.fork().wake(memory, 0, ALL), len(heard.calls)
            os._exit(
                0 if woken == (0, 0, 0) and api.manager_waiters(m) == 0 and api.manager_free(made) == 0 else 1
            )
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert api.wake(m, place, 1, ANY) == 1
