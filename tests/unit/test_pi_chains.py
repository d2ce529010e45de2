"""Chains of PI owners: deadlocks, hand-over by priority, priority lent along the chain, on memory of both kinds."""

import errno

import pytest
from expect import oserror
from model import OWNER_DIED, WAITERS

from pyfutex import AddressSpace, Manager, Mappable, Memory, Target, Waiter

A, B, C = 0, 4, 8


class ListTarget(Target):
    """Words in a dict, 0 where nothing was stored."""

    def __init__(self):
        self.words = {}

    def load(self, addr, size=4, /):
        return self.words.get(addr, 0)

    def store(self, addr, value):
        """Set a word, as `Memory.store` does."""
        self.words[addr] = value

    def swap(self, addr, new, size=4, /):
        old = self.load(addr)
        self.words[addr] = new
        return old

    def compare_and_swap(self, addr, old, new, size=4, /):
        seen = self.load(addr)
        if seen == old:
            self.words[addr] = new
        return seen


@pytest.fixture(params=["memory", "target"])
def words(request):
    """Words that the engine reads by itself, and such that only Python can read."""
    return Memory(bytearray(64)) if request.param == "memory" else ListTarget()


@pytest.fixture
def lock(manager, words):
    """Lock or queue: ``lock(tid, addr, priority=0)`` gives the Waiter, None where the word was free."""

    def prepare(tid, addr, priority=0):
        w = Waiter(tag=tid)
        answer = manager.lock_pi_prepare(w, words, addr, tid=tid, priority=priority)
        assert answer in (0, None)
        return None if answer == 0 else w

    return prepare


def order(manager, words, addr=None):
    """Thread ids in the order in which they wait."""
    return [info.tid for info in manager.waiters(words, addr)]


def test_two_who_wait_for_each_other(manager, words, lock):
    lock(1, A)
    lock(2, B)
    lock(1, B)
    assert manager.lock_pi_prepare(Waiter(), words, A, tid=2) == -errno.EDEADLK
    with oserror(errno.EDEADLK):
        manager.lock_pi(words, A, tid=2)
    # The kernel says so to those alone who would wait.
    assert manager.trylock_pi(words, A, tid=2) is False
    assert words.load(A) == WAITERS | 1


def test_three_in_a_circle(manager, words, lock):
    for tid, addr in ((1, A), (2, B), (3, C)):
        lock(tid, addr)
    lock(1, B)
    lock(2, C)
    assert manager.lock_pi_prepare(Waiter(), words, A, tid=3) == -errno.EDEADLK


def test_the_circle_is_open_once_somebody_has_left(manager, words, lock):
    lock(1, A)
    lock(2, B)
    lock(1, B).cancel()
    assert lock(2, A) is not None


def test_the_chain_follows_a_hand_over(manager, words, lock):
    lock(1, A)
    lock(2, B)
    w = lock(3, A)
    manager.unlock_pi(words, A, tid=1)
    assert w.woken
    lock(3, B)
    # 3 owns A now, and waits for 2.
    assert manager.lock_pi_prepare(Waiter(), words, A, tid=2) == -errno.EDEADLK


def test_the_chain_crosses_managers_of_a_family():
    mem = Memory(bytearray(64), mappable=Mappable())
    manager = Manager()
    child = manager.fork()
    assert manager.lock_pi_prepare(Waiter(), mem, A, tid=1) == 0
    assert child.lock_pi_prepare(Waiter(), mem, B, tid=2) == 0
    w = Waiter()
    assert manager.lock_pi_prepare(w, mem, B, tid=1) is None
    assert child.lock_pi_prepare(Waiter(), mem, A, tid=2) == -errno.EDEADLK
    assert w.cancel()


def test_hand_over_by_priority_then_as_they_came(manager, words, lock):
    lock(1, A)
    for tid, priority in ((2, 0), (3, 10), (4, 50), (5, 10), (6, 0), (7, 99)):
        lock(tid, A, priority)
    assert order(manager, words, A) == [7, 4, 3, 5, 2, 6]
    owner, owners = 1, []
    while len(manager):
        manager.unlock_pi(words, A, tid=owner)
        owner = words.load(A) & ~WAITERS
        owners.append(owner)
    assert owners == [7, 4, 3, 5, 2, 6]


@pytest.mark.parametrize("priority", [-1, 100, 2**40])
def test_priority_out_of_range(manager, words, priority):
    with pytest.raises((ValueError, OverflowError)):
        manager.lock_pi_prepare(Waiter(), words, A, tid=1, priority=priority)


def test_priority_is_lent_along_the_chain_and_taken_back(manager, words, lock):
    lock(1, A)
    lock(2, B)
    lock(9, C)
    lock(8, C, 20)
    lock(2, C)
    lock(1, B)
    assert order(manager, words, C) == [8, 2]
    urgent = lock(7, A, 50)
    # 7 waits for 1, who waits for 2, who therefore stands before 8.
    assert order(manager, words, C) == [2, 8]
    assert urgent.cancel()
    assert order(manager, words, C) == [8, 2]


@pytest.fixture
def circle(manager, words, lock):
    """9 has C and may not wait for B: 2, whose it is, waits for A, before 3; its owner 1 waits for C."""
    for tid, addr in ((1, A), (2, B), (9, C), (2, A), (3, A), (1, C), (4, C)):
        lock(tid, addr)
    assert order(manager, words, A) == [2, 3]


@pytest.mark.parametrize(("priority", "expected"), [(0, [2, 3]), (5, [3, 2])])
def test_priority_lent_in_vain_costs_a_place(manager, words, circle, priority, expected):
    """The kernel lends before it sees the circle, and takes back what it lent; not so beyond."""
    assert manager.lock_pi_prepare(Waiter(), words, B, tid=9, priority=priority) == -errno.EDEADLK
    assert order(manager, words, A) == expected
    assert order(manager, words, C) == [1, 4]


@pytest.mark.parametrize(("priority", "expected"), [(0, [2, 3]), (5, [3, 2])])
def test_priority_lent_in_vain_by_a_requeue(manager, words, circle, priority, expected):
    w = Waiter()
    assert manager.wait_requeue_pi_prepare(w, words, 16, B, 0, tid=9, priority=priority) is None
    with oserror(errno.EDEADLK):
        manager.cmp_requeue_pi(words, 16, B, 0)
    assert order(manager, words, A) == expected
    assert w.cancel()


def test_priority_falls_to_that_of_the_next_waiter(manager, words, lock):
    lock(1, A)
    lock(9, C)
    lock(8, C, 20)
    lock(1, C)
    urgent = lock(7, A, 50)
    lock(6, A, 10)
    assert order(manager, words, C) == [1, 8]
    assert urgent.cancel()
    assert order(manager, words, C) == [8, 1]


def test_requeued_waiters_lend_their_priority(manager, words, lock):
    lock(1, A)
    lock(9, C)
    lock(8, C, 20)
    lock(1, C)
    w = Waiter()
    assert manager.wait_requeue_pi_prepare(w, words, B, A, 0, tid=7, priority=50) is None
    assert order(manager, words, C) == [8, 1]
    assert manager.cmp_requeue_pi(words, B, A, 0) == (0, 1)
    assert order(manager, words, C) == [1, 8]
    assert w.cancel()
    assert order(manager, words, C) == [8, 1]


def test_lent_priority_comes_with_a_thread_that_goes_to_wait(manager, words, lock):
    lock(1, A)
    lock(7, A, 50)
    lock(9, C)
    lock(8, C, 20)
    lock(1, C)
    assert order(manager, words, C) == [1, 8]


def test_owner_exit_hands_every_word_on(manager, words, lock):
    lock(1, A)
    lock(1, B)
    lock(1, C)
    heirs = [lock(2, A), lock(3, B), lock(4, B)]
    assert manager.owner_exit(1) == 2
    assert [w.woken for w in heirs] == [True, True, False]
    assert [w.result for w in heirs] == [0, 0, None]
    assert words.load(A) == WAITERS | OWNER_DIED | 2
    assert words.load(B) == WAITERS | OWNER_DIED | 3
    assert words.load(C) == 1
    assert manager.owner_exit(1) == 0
    manager.unlock_pi(words, B, tid=3)
    assert heirs[2].woken
    assert words.load(B) == WAITERS | 4


def test_owner_exit_prefers_priority_over_age(manager, words, lock):
    lock(1, A)
    lock(2, A)
    lock(3, A, 5)
    assert manager.owner_exit(1) == 1
    assert words.load(A) == WAITERS | OWNER_DIED | 3


def test_owner_exit_of_a_sleeping_threads_lock(manager, words, spawn, wait_until):
    assert manager.lock_pi(words, A, tid=1)
    sleeper = spawn(manager.lock_pi, words, A, tid=2)
    wait_until(lambda: len(manager) == 1)
    assert manager.owner_exit(1) == 1
    assert sleeper.result() is True
    assert words.load(A) == WAITERS | OWNER_DIED | 2


def test_owner_exit_of_a_stranger(manager, words, lock):
    assert manager.owner_exit(1) == 0
    lock(1, A)
    lock(2, A)
    assert manager.owner_exit(2) == 0
    with pytest.raises(TypeError):
        manager.owner_exit(None)


@pytest.mark.parametrize("call", ["lock_pi_prepare", "lock_pi", "cmp_requeue_pi"])
def test_owner_that_dies_right_after_it_was_said_to_live(words, call):
    """The answer is out of date when it arrives: whoever queued on it would wait for ever."""
    alive = {9}

    def owner_alive(tid):
        answer = tid in alive
        if answer:
            alive.discard(tid)
            assert manager.owner_exit(tid) == 0
        return answer

    manager = Manager(owner_alive=owner_alive)
    words.store(A, 9)
    if call == "lock_pi_prepare":
        assert manager.lock_pi_prepare(Waiter(), words, A, tid=1) == -errno.ESRCH
    elif call == "lock_pi":
        with oserror(errno.ESRCH):
            manager.lock_pi(words, A, tid=1)
    else:
        w = Waiter()
        assert manager.wait_requeue_pi_prepare(w, words, B, A, 0, tid=1) is None
        with oserror(errno.ESRCH):
            manager.cmp_requeue_pi(words, B, A, 0)
        assert w.cancel()
    assert len(manager) == 0


def test_heir_of_memory_that_is_gone_hears_of_a_fault(manager):
    space = AddressSpace()
    space.map(0x1000, bytearray(4096))
    assert manager.lock_pi_prepare(Waiter(), space, 0x1000, tid=1) == 0
    heirs = [Waiter(), Waiter()]
    for tid, w in enumerate(heirs, 2):
        assert manager.lock_pi_prepare(w, space, 0x1000, tid=tid) is None
    space.unmap(0x1000, 4096)
    assert manager.owner_exit(1) == 0
    assert [w.result for w in heirs] == [-errno.EFAULT, -errno.EFAULT]
    assert len(manager) == 0


def test_heir_whose_target_raises_hears_of_a_fault(manager):
    target = ListTarget()
    assert manager.lock_pi_prepare(Waiter(), target, A, tid=1) == 0
    w = Waiter()
    assert manager.lock_pi_prepare(w, target, A, tid=2) is None

    def swap(*_):
        raise OSError(errno.EIO, "gone")

    target.swap = swap
    assert manager.owner_exit(1) == 0
    assert w.result == -errno.EFAULT
    assert words_are_untouched(target)


def words_are_untouched(target):
    """Whether the word still names the dead owner."""
    return target.load(A) == WAITERS | 1


def test_a_plain_waiter_before_the_heir_does_not_hide_it(manager, memory):
    assert manager.lock_pi_prepare(Waiter(), memory, A, tid=1) == 0
    heir, plain = Waiter(), Waiter()
    assert manager.lock_pi_prepare(heir, memory, A, tid=2) is None
    assert manager.wait_prepare(plain, memory, A, WAITERS | 1) is None
    late = Waiter()
    assert manager.lock_pi_prepare(late, memory, A, tid=3) is None
    assert heir.cancel()
    # The oldest is the plain one now: unlock refuses, but the dead owner's word still has an heir.
    with oserror(errno.EINVAL):
        manager.unlock_pi(memory, A, tid=1)
    assert manager.owner_exit(1) == 1
    assert late.woken
    assert not plain.woken
    assert plain.cancel()
