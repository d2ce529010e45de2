"""PI words through the table of pyfutex.h."""

import errno

import pytest
from capi.capi import ANY, QUEUED, Counts, Deadline, Heard, OwnerAlive, PIWait, Words, soon

import pyfutex

WAITERS, OWNER_DIED = 0x8000_0000, 0x4000_0000
A, B, C = 11, 12, 13


def test_lock_and_unlock(api, m, words):
    assert api.lock_pi(m, words.at(0), A, None) == 0
    assert words[0] == A
    assert api.lock_pi(m, words.at(0), A, None) == -errno.EDEADLK
    assert api.unlock_pi(m, words.at(0), B) == -errno.EPERM
    assert api.trylock_pi(m, words.at(0), B) == -errno.EBUSY
    assert words[0] == A | WAITERS
    assert api.lock_pi(m, words.at(0), B, soon(api)) == -errno.ETIMEDOUT
    assert api.unlock_pi(m, words.at(0), A) == 0
    assert words[0] == 0
    assert api.trylock_pi(m, words.at(0), B) == 0
    assert words[0] == B


def test_a_sleeping_thread_inherits(api, m, words, spawn, wait_until):
    api.lock_pi(m, words.at(0), A, None)
    sleeper = spawn(api.lock_pi, m, words.at(0), B, None)
    wait_until(lambda: api.manager_waiters(m) == 1)
    assert api.unlock_pi(m, words.at(0), A) == 0
    assert sleeper.result() == 0
    assert words[0] == B | WAITERS


def test_waiters_inherit_by_priority(api, m, words):
    heard, waits = Heard(), [PIWait(), PIWait()]
    low, high = heard.waiter(api, 1), heard.waiter(api, 2)
    assert api.lock_pi_prepare(m, low, waits[0], words.at(0), A, 0) == 0
    assert api.lock_pi_prepare(m, low, waits[0], words.at(0), B, 0) == QUEUED
    assert api.lock_pi_prepare(m, low, waits[0], words.at(0), B, 0) == -errno.EBUSY
    assert api.lock_pi_prepare(m, high, waits[1], words.at(0), C, 9) == QUEUED
    assert api.unlock_pi(m, words.at(0), A) == 0
    assert heard.calls == [(2, 0)]
    assert words[0] == C | WAITERS
    assert api.waiter_cancel(low) == 1
    assert api.unlock_pi(m, words.at(0), C) == 0
    assert words[0] == 0


def test_a_circle_of_owners(api, m, words):
    waiter, wait = Heard().waiter(api), PIWait()
    api.lock_pi(m, words.at(0), A, None)
    api.lock_pi(m, words.at(1), B, None)
    assert api.lock_pi_prepare(m, waiter, wait, words.at(1), A, 0) == QUEUED
    assert api.lock_pi(m, words.at(0), B, None) == -errno.EDEADLK
    assert api.waiter_cancel(waiter) == 1


def test_a_dead_owner_is_found_out_and_inherited(api, m, words):
    dead = set()
    alive = OwnerAlive(lambda _context, tid: tid not in dead)
    api.manager_owner_alive(m, alive, None)
    heard, wait = Heard(), PIWait()
    waiter = heard.waiter(api)
    api.lock_pi(m, words.at(0), A, None)
    assert api.lock_pi_prepare(m, waiter, wait, words.at(0), B, 0) == QUEUED
    assert api.owner_exit(m, A) == 1
    assert heard.calls == [(0, 0)]
    assert words[0] == B | WAITERS | OWNER_DIED
    assert api.owner_exit(m, A) == 0
    words[1] = C
    dead.add(C)
    assert api.lock_pi(m, words.at(1), A, None) == -errno.ESRCH
    assert api.trylock_pi(m, words.at(1), A) == -errno.ESRCH


def test_from_a_plain_word_to_a_lock(api, m, words, spawn, wait_until):
    sleeper = spawn(api.wait_requeue_pi, m, words.at(0), words.at(1), 0, A, None)
    wait_until(lambda: api.manager_waiters(m) == 1)
    heard, wait, counts = Heard(), PIWait(), Counts()
    waiter = heard.waiter(api)
    assert api.wait_requeue_pi_prepare(m, waiter, wait, words.at(0), words.at(1), 0, B, 0) == QUEUED
    assert api.wake(m, words.at(0), 1, ANY) == -errno.EINVAL
    assert api.cmp_requeue_pi(m, words.at(0), words.at(1), 1, 9, counts) == -errno.EAGAIN
    assert api.cmp_requeue_pi(m, words.at(0), words.at(1), 0, 9, counts) == 0
    assert (counts.woken, counts.requeued) == (1, 1)
    assert sleeper.result() == 0
    assert words[1] == A | WAITERS
    assert api.unlock_pi(m, words.at(1), A) == 0
    assert heard.calls == [(0, 0)]
    assert words[1] == B | WAITERS


def test_requeue_pi_ends_early(api, m, words):
    words[0] = 1
    assert api.wait_requeue_pi(m, words.at(0), words.at(1), 0, A, None) == -errno.EAGAIN
    assert api.wait_requeue_pi(m, words.at(0), words.at(1), 1, A, soon(api)) == -errno.ETIMEDOUT
    assert api.wait_requeue_pi(m, words.at(0), words.at(0), 1, A, None) == -errno.EINVAL
    assert api.cmp_requeue_pi(m, words.at(0), words.at(0), 1, 1, None) == -errno.EINVAL
    assert api.manager_waiters(m) == 0


@pytest.mark.parametrize("tid", [0, 1 << 30, 0xFFFF_FFFF])
def test_what_is_no_thread(api, m, words, tid):
    waiter, wait = Heard().waiter(api), PIWait()
    answers = {
        api.lock_pi(m, words.at(0), tid, None),
        api.trylock_pi(m, words.at(0), tid),
        api.lock_pi_prepare(m, waiter, wait, words.at(0), tid, 0),
        api.wait_requeue_pi(m, words.at(0), words.at(1), 0, tid, Deadline(0, 1, 0)),
        api.wait_requeue_pi_prepare(m, waiter, wait, words.at(0), words.at(1), 0, tid, 0),
        api.owner_exit(m, tid),
        api.unlock_pi(m, words.at(0), tid),
    }
    assert answers == {-errno.EINVAL}


@pytest.mark.parametrize("size", [1, 2, 8])
def test_a_pi_word_has_four_bytes(api, m, size):
    words = Words(api, size)
    assert api.lock_pi(m, words.at(0), A, None) == -errno.EINVAL
    assert api.trylock_pi(m, words.at(0), A) == -errno.EINVAL
    assert api.unlock_pi(m, words.at(0), A) == -errno.EINVAL
    assert api.wait_requeue_pi(m, words.at(1), words.at(0), 0, A, None) == -errno.EINVAL


def test_python_and_c_wait_for_one_lock(api, words):
    manager, memory = pyfutex.Manager(), pyfutex.Memory(bytearray(64))
    m, place = api.manager_of(manager), words.at(0)
    place.addr = memory.host_address
    assert manager.lock_pi(memory, 0, tid=A)
    heard, wait = Heard(), PIWait()
    waiter = heard.waiter(api)
    assert api.lock_pi_prepare(m, waiter, wait, place, B, 0) == QUEUED
    mine = pyfutex.Waiter()
    assert manager.lock_pi_prepare(mine, memory, 0, tid=C) is None
    manager.unlock_pi(memory, 0, tid=A)
    assert heard.calls == [(0, 0)]
    assert api.unlock_pi(m, place, B) == 0
    assert mine.result == 0
    assert memory.load(0) == C | WAITERS


def test_an_owner_whose_words_python_alone_can_reach(api):
    manager = pyfutex.Manager()

    class Cells(pyfutex.Target):
        word = A

        def load(self, addr, size=4, /):
            return self.word

        def swap(self, addr, new, size=4, /):
            old, self.word = self.word, new
            return old

        def compare_and_swap(self, addr, old, new, size=4, /):
            seen = self.word
            if seen == old:
                self.word = new
            return seen

    mem, waiter = Cells(), pyfutex.Waiter()
    assert manager.lock_pi_prepare(waiter, mem, 0, tid=B) is None
    assert api.owner_exit(api.manager_of(manager), A) == -errno.ENOTSUP
    assert manager.owner_exit(A) == 1
    assert mem.word == B | WAITERS | OWNER_DIED
