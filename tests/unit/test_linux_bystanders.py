"""What one guest does to another: nothing, whether each has a manager of its own or both are of one family.

A bystander does the same things before, between and after what a hostile guest does; what it is answered, whom it wakes and
how often its memory is looked at must not differ.
"""

import struct
from collections import Counter
from errno import EAGAIN, EDEADLK, EFAULT, EINVAL, ENOSYS, EPERM, ESRCH, ETIMEDOUT

import pytest
from guests import BASE, PAGE, TIME, WORD, WORD2, Guest, Words

import pyfutex
from pyfutex import linux
from pyfutex.linux import FUTEX_32, FUTEX_PRIVATE_FLAG, FUTEX_WAITERS, futex

INT_MAX, INT_MIN = 2**31 - 1, 2**31
HEAD, ARRAY = BASE + 512, BASE + PAGE
PLAIN_ERRORS = {-EAGAIN, -EDEADLK, -EFAULT, -EINVAL, -ENOSYS, -EPERM, -ESRCH, -ETIMEDOUT}


class NotingWords(Words):
    """Three pages of words, and how often each was looked at."""

    def __init__(self):
        super().__init__(BASE, BASE + PAGE, BASE + 2 * PAGE)
        self.seen = Counter()

    def at(self, addr):
        self.seen[addr] += 1
        return super().at(addr)


def crowd(guest):
    for tid in range(100, 1100):
        assert futex(guest.task(tid), WORD, linux.FUTEX_WAIT_PRIVATE, 0) is None


def a_crowd_woken_by_any_count(guest):
    crowd(guest)
    task = guest.task()
    for count in (INT_MIN, 2**32 - 1, 0, INT_MAX):
        assert futex(task, WORD, linux.FUTEX_WAKE_PRIVATE, count) >= 0


def requeues_onto_themselves(guest):
    crowd(guest)
    task = guest.task()
    for op in linux.FUTEX_REQUEUE_PRIVATE, linux.FUTEX_CMP_REQUEUE_PRIVATE:
        assert futex(task, WORD, op, 0, INT_MAX, WORD, 0) == 1000
    for op in linux.FUTEX_CMP_REQUEUE_PI_PRIVATE, linux.FUTEX_WAIT_REQUEUE_PI_PRIVATE:
        assert futex(task, WORD, op, 1 if op & 1 == 0 else 0, 0, WORD, 0) == -EINVAL


def every_operation_and_comparison(guest):
    """With counts that each wake one at least, operands beyond the width of a word, and what there is no operation for."""
    task = guest.task()
    for op in range(16):
        for compare in range(16):
            for operand in (0, 1, 31, 32, 33, 0x7FF, 0x800, 0xFFF):
                encoded = op << 28 | compare << 24 | operand << 12 | operand
                answer = futex(task, WORD, linux.FUTEX_WAKE_OP_PRIVATE, INT_MIN, INT_MIN, WORD2, encoded)
                assert answer in (0, -ENOSYS)


def lies_about_owners(guest):
    """Thread ids of nobody, of one who is dead, of a thread of the other guest, of a waiter that is itself waited for."""
    dead, other = guest.task(50), guest.task(51)
    dead.exit()
    task = guest.task()
    for word in (50, 1, 7, 8, 0x3FFF_FFFF, FUTEX_WAITERS | 50, 0xFFFF_FFFF, FUTEX_WAITERS, 0x4000_0000 | 7):
        for op in (linux.FUTEX_LOCK_PI, linux.FUTEX_TRYLOCK_PI, linux.FUTEX_LOCK_PI2, linux.FUTEX_UNLOCK_PI):
            guest.store(WORD, word)
            answer = futex(task, WORD, op | FUTEX_PRIVATE_FLAG, 0)
            if answer is None:
                task.interrupt(ETIMEDOUT)
            else:
                assert answer == 0 or answer in PLAIN_ERRORS
    # Who owns what changes while others wait: each waits for the other, and says so of a third.
    guest.store(WORD, task.tid)
    assert futex(other, WORD, linux.FUTEX_LOCK_PI_PRIVATE, 0) is None
    guest.store(WORD2, other.tid)
    assert futex(task, WORD2, linux.FUTEX_LOCK_PI_PRIVATE, 0) in (-EDEADLK, None)
    guest.store(WORD, 0x1234)
    other.exit()


def vectors_of_the_same_word(guest):
    for tid, words in enumerate(([WORD], [WORD, WORD2], [WORD + 4 * i for i in range(64)]), start=60):
        for i in range(128):
            entry = struct.pack("<QQII", 0, words[i % len(words)], FUTEX_32 | FUTEX_PRIVATE_FLAG, 0)
            guest.store(ARRAY + 24 * i, *struct.unpack("<6I", entry))
        assert linux.futex_waitv(guest.task(tid), ARRAY, 128, 0, 0, 0) is None
    assert len(guest.manager) >= 3 * 128
    task = guest.task()
    assert futex(task, WORD, linux.FUTEX_REQUEUE_PRIVATE, 0, INT_MAX, WORD2) >= 128
    assert futex(task, WORD2, linux.FUTEX_WAKE_PRIVATE, 1) == 1


def robust_lists_that_lead_anywhere(guest):
    for follower in (HEAD, HEAD + 64, BASE + 3 * PAGE, 0, 8, 2**64 - 8, 2**47 - 4096, HEAD + 1):
        task = guest.task(70)
        guest.store(HEAD, *struct.unpack("<6I", struct.pack("<QqQ", follower, 8, follower)))
        guest.store(HEAD + 64, *struct.unpack("<4I", struct.pack("<QQ", HEAD + 64, 70)))
        assert linux.set_robust_list(task, HEAD, 24) == 0
        task.exit()


def times_at_their_ends(guest):
    task = guest.task()
    for seconds in (0, 1, 2**31, 2**33, 2**63 - 1, -1, -(2**63)):
        for ns in (0, 1, 999_999_999, 10**9, 2**63 - 1, -1):
            guest.timespec(seconds, ns)
            is_valid = seconds >= 0 and 0 <= ns < 10**9
            for op in linux.FUTEX_WAIT, linux.FUTEX_WAIT_BITSET, linux.FUTEX_LOCK_PI2:
                guest.store(WORD, 0 if op != linux.FUTEX_LOCK_PI2 else 9)
                answer = futex(task, WORD, op | FUTEX_PRIVATE_FLAG, 0, TIME, 0, 1)
                if answer is None:
                    assert is_valid
                    # None: so far that it never comes.
                    assert (task.deadline is None) == (seconds == 2**63 - 1)
                    assert task.deadline is None or 0 <= task.deadline[1] < 2**63
                    task.interrupt(ETIMEDOUT)
                else:
                    assert (answer == -EINVAL) == (not is_valid)


def the_bystanders_words_at_the_same_addresses(guest):
    """Wakes, moves and locks where the other one waits."""
    task = guest.task(3)
    for flag in 0, FUTEX_PRIVATE_FLAG:
        assert futex(task, WORD, linux.FUTEX_WAKE | flag, INT_MAX) == 0
        assert futex(task, WORD, linux.FUTEX_REQUEUE | flag, INT_MAX, INT_MAX, WORD2) == 0
        guest.store(WORD, 7)
        assert futex(task, WORD, linux.FUTEX_UNLOCK_PI | flag, 0) == -EPERM


DEEDS = [
    a_crowd_woken_by_any_count,
    requeues_onto_themselves,
    every_operation_and_comparison,
    lies_about_owners,
    vectors_of_the_same_word,
    robust_lists_that_lead_anywhere,
    times_at_their_ends,
    the_bystanders_words_at_the_same_addresses,
]


class Bystander:
    """A guest with threads that wait plainly, as shared, and for a lock."""

    def __init__(self, manager):
        self.guest = Guest(NotingWords(), manager)
        self.told = []
        self.tasks = [self.guest.task(7 + i, on_complete=self.tell) for i in range(4)]

    def tell(self, task, value):
        self.told.append((task.tid, value))

    def begin(self):
        """Let three of them wait."""
        owner, plain, shared, locking = self.tasks
        assert futex(owner, WORD2, linux.FUTEX_LOCK_PI_PRIVATE, 0) == 0
        assert futex(plain, WORD, linux.FUTEX_WAIT_PRIVATE, 0) is None
        assert futex(shared, WORD, linux.FUTEX_WAIT, 0) is None
        assert futex(locking, WORD2, linux.FUTEX_LOCK_PI_PRIVATE, 0) is None

    def end(self):
        """Let them go on; all that can be seen of it."""
        owner, plain, _, locking = self.tasks
        answers = [
            len(self.guest.manager),
            self.guest.load(WORD2),
            futex(owner, WORD, linux.FUTEX_REQUEUE_PRIVATE, 0, INT_MAX, WORD + 8),
            futex(owner, WORD + 8, linux.FUTEX_WAKE_PRIVATE, INT_MAX),
            futex(owner, WORD, linux.FUTEX_WAKE, INT_MAX),
            futex(owner, WORD2, linux.FUTEX_UNLOCK_PI_PRIVATE, 0),
            futex(locking, WORD2, linux.FUTEX_UNLOCK_PI_PRIVATE, 0),
            futex(plain, WORD, linux.FUTEX_WAIT_PRIVATE, 1),
        ]
        told, self.told = self.told, []
        seen, words = dict(self.guest.mem.seen), dict(self.guest.mem.words)
        self.guest.mem.seen.clear()
        return answers, told, seen, words


@pytest.mark.parametrize("related", [False, True], ids=["strangers", "relatives"])
@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_a_bystander_sees_nothing_of_it(deed, related):
    manager = pyfutex.Manager()
    bystander = Bystander(manager)
    bystander.begin()
    undisturbed = bystander.end()
    hostile = Guest(NotingWords(), manager.fork() if related else pyfutex.Manager())
    bystander.begin()
    deed(hostile)
    assert bystander.end() == undisturbed
    bystander.begin()
    hostile.manager.close()
    assert bystander.end() == undisturbed
    assert len(manager) == 0


def test_a_deed_in_the_bystanders_own_memory_is_seen():
    """The control."""
    bystander = Bystander(pyfutex.Manager())
    bystander.begin()
    undisturbed = bystander.end()
    bystander.begin()
    a_crowd_woken_by_any_count(bystander.guest)
    assert bystander.end()[:2] != undisturbed[:2]


def test_addresses_used_one_after_another_leave_nothing():
    """Each wait ends before the next one begins, at another address each time."""
    guest = Guest(NotingWords())
    task = guest.task()
    before = guest.manager.stats()
    for addr in range(BASE, BASE + 3 * PAGE, 4):
        for op in linux.FUTEX_WAIT_PRIVATE, linux.FUTEX_WAIT:
            assert futex(task, addr, op, 0) is None
            assert task.interrupt(ETIMEDOUT) == -ETIMEDOUT
    assert guest.manager.stats() == before


class Restless(pyfutex.Target):
    """A word that has another value each time it is looked at, for so many times."""

    def __init__(self, n):
        self.n = n
        self.calls = 0

    def load(self, addr, size=4, /):
        self.calls += 1
        return min(self.calls, self.n)

    def compare_and_swap(self, addr, old, new, size=4, /):
        return self.load(addr)

    def swap(self, addr, new, size=4, /):
        return self.load(addr)


@pytest.mark.parametrize("n", [1, 2, 10, 1000])
def test_a_word_that_changes_under_a_wait_is_looked_at_once(n):
    """Between comparison and queue nothing is asked again: whoever queued first and then looked has seen the last value."""
    guest = Guest(Restless(n))
    task = guest.task()
    for op in linux.FUTEX_WAIT_PRIVATE, linux.FUTEX_CMP_REQUEUE_PRIVATE:
        guest.mem.calls = 0
        assert futex(task, WORD, op, 0, 0, WORD2, 0) == -EAGAIN
        assert guest.mem.calls == 1
    assert len(guest.manager) == 0


@pytest.mark.parametrize("n", [1, 10, 1000])
def test_a_word_that_changes_under_an_operation_is_tried_again_as_often_as_it_changes(n):
    guest = Guest(Restless(n))
    store_five = linux.FUTEX_OP(linux.FUTEX_OP_ADD, 5, linux.FUTEX_OP_CMP_EQ, 0)
    assert futex(guest.task(), WORD, linux.FUTEX_WAKE_OP_PRIVATE, 1, 1, WORD2, store_five) == 0
    assert guest.mem.calls <= n + 2
