"""What one call of a hostile guest can cost: steps by entries and waiters that are there, never by a number in a register.

Steps are counted, not timed: by a target that notes each load and store, and by answers, which count the waiters that were
met. An answer above the number of waiters would be one that met somebody twice.
"""

import struct
from collections import Counter
from errno import EAGAIN, EINVAL

import pytest
from guests import BASE, PAGE, WORD, WORD2, Guest, Words, flat

from pyfutex import linux
from pyfutex.linux import FUTEX_32, FUTEX_PRIVATE_FLAG, FUTEX_WAITERS, ROBUST_LIST_LIMIT, futex

ARRAY = BASE + PAGE
MOST = linux.FUTEX_WAITV_MAX
ENTRY_WORDS = 24 // 4
INT_MAX = 0x7FFF_FFFF
CROWD = 10_000


class NotingWords(Words):
    """Two pages of words, and how often each was looked at."""

    def __init__(self):
        super().__init__(BASE, BASE + PAGE)
        self.seen = Counter()

    def at(self, addr):
        self.seen[addr] += 1
        return super().at(addr)


@pytest.fixture
def guest():
    """A process whose loads and stores are counted."""
    return Guest(NotingWords())


@pytest.fixture
def crowd():
    """A process with threads that wait on one word, and how often each was told an end."""
    process = Guest(flat())
    process.told = Counter()
    process.tasks = [
        process.task(10 + i, on_complete=lambda task, value: process.told.update([task.tid]))
        for i in range(CROWD)
    ]
    return process


def vector(guest, n, words):
    """An array of entries for words that hold 0, in turn."""
    for i in range(n):
        entry = struct.pack("<QQII", 0, words[i % len(words)], FUTEX_32 | FUTEX_PRIVATE_FLAG, 0)
        guest.store(ARRAY + 24 * i, *struct.unpack("<6I", entry))
    guest.mem.seen.clear()


# --- vectors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_words", [1, 128])
def test_a_vector_reads_each_entry_and_each_word_once(guest, n_words):
    words = [BASE + 4 * i for i in range(n_words)]
    vector(guest, MOST, words)
    task = guest.task()
    assert linux.futex_waitv(task, ARRAY, MOST, 0, 0, 0) is None
    assert sum(guest.mem.seen.values()) == MOST * ENTRY_WORDS + MOST
    assert all(guest.mem.seen[word] == MOST // n_words for word in words)
    assert futex(guest.task(2), BASE, linux.FUTEX_WAKE_PRIVATE, INT_MAX) == MOST // n_words
    assert task.result(0) == (MOST - 1 if n_words == 1 else 0)
    assert len(guest.manager) == 0


def test_a_vector_whose_last_word_differs(guest):
    words = [BASE + 4 * i for i in range(MOST)]
    vector(guest, MOST, words)
    guest.store(words[-1], 1)
    guest.mem.seen.clear()
    assert linux.futex_waitv(guest.task(), ARRAY, MOST, 0, 0, 0) == -EAGAIN
    assert sum(guest.mem.seen.values()) == MOST * ENTRY_WORDS + MOST
    assert len(guest.manager) == 0


@pytest.mark.parametrize("n", [MOST + 1, 2**31, 2**32 - 1, -1])
def test_a_longer_vector_is_not_read(guest, n):
    assert linux.futex_waitv(guest.task(), ARRAY, n, 0, 0, 0) == -EINVAL
    assert not guest.mem.seen


# --- robust lists ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("owned", [False, True])
@pytest.mark.parametrize("n_nodes", [1, 2, 3, 64])
def test_a_robust_list_that_is_a_circle(guest, n_nodes, owned):
    """Each entry is a pointer, and 8 bytes further a word; the last leads to the first."""
    nodes = [BASE + 64 + 16 * i for i in range(n_nodes)]
    task = guest.task(5)
    for node, follower in zip(nodes, [*nodes[1:], nodes[0]], strict=True):
        guest.store(node, follower % 2**32, follower >> 32, task.tid | FUTEX_WAITERS if owned else 0)
    guest.store(BASE, nodes[0] % 2**32, nodes[0] >> 32, 8, 0, 0, 0)
    assert linux.set_robust_list(task, BASE, 24) == 0
    guest.mem.seen.clear()
    task.exit()
    assert sum(guest.mem.seen[node] for node in nodes) == ROBUST_LIST_LIMIT
    words = [guest.mem.seen[node + 8] for node in nodes]
    swaps = n_nodes if owned else 0  # a word that was given up is nobody's when it is met again
    assert sum(words) == ROBUST_LIST_LIMIT + swaps
    assert max(words) - min(words) <= 1
    assert sum(guest.mem.seen.values()) == 3 * ROBUST_LIST_LIMIT + swaps + 6


def test_a_robust_list_that_leads_to_its_own_middle(guest):
    first, second, third = nodes = [BASE + 64 + 16 * i for i in range(3)]
    task = guest.task(5)
    for node, follower in ((first, second), (second, third), (third, second)):
        guest.store(node, follower % 2**32, follower >> 32, 0)
    guest.store(BASE, first % 2**32, first >> 32, 8, 0, 0, 0)
    assert linux.set_robust_list(task, BASE, 24) == 0
    guest.mem.seen.clear()
    task.exit()
    assert [guest.mem.seen[node] for node in nodes] == [1, ROBUST_LIST_LIMIT // 2, ROBUST_LIST_LIMIT // 2 - 1]


# --- counts ---------------------------------------------------------------------------------------------------------


def wait(crowd, op=linux.FUTEX_WAIT_PRIVATE, addr2=0):
    for task in crowd.tasks:
        assert futex(task, WORD, op, 0, 0, addr2) is None


def test_the_largest_count_wakes_each_once(crowd):
    wait(crowd)
    assert futex(crowd.task(), WORD, linux.FUTEX_WAKE_PRIVATE, INT_MAX) == CROWD
    assert set(crowd.told.values()) == {1}
    assert len(crowd.told) == CROWD


@pytest.mark.parametrize("to", [WORD, WORD2])
@pytest.mark.parametrize("compares", [False, True])
def test_the_largest_counts_move_each_once(crowd, to, compares):
    """To their own word too, where whoever is moved to the end of the queue is met again."""
    wait(crowd)
    op = linux.FUTEX_CMP_REQUEUE_PRIVATE if compares else linux.FUTEX_REQUEUE_PRIVATE
    caller = crowd.task()
    assert futex(caller, WORD, op, 1, INT_MAX, to, 0) == CROWD
    assert futex(caller, to, linux.FUTEX_WAKE_PRIVATE, INT_MAX) == CROWD - 1
    assert set(crowd.told.values()) == {1}


def test_the_largest_counts_of_an_operation_on_one_word(crowd):
    """The second wake looks at the word again, and finds nobody left."""
    wait(crowd)
    add_nothing_if_zero = linux.FUTEX_OP(linux.FUTEX_OP_ADD, 0, linux.FUTEX_OP_CMP_EQ, 0)
    assert (
        futex(crowd.task(), WORD, linux.FUTEX_WAKE_OP_PRIVATE, INT_MAX, INT_MAX, WORD, add_nothing_if_zero)
        == CROWD
    )
    assert set(crowd.told.values()) == {1}


def test_the_largest_count_moves_each_to_a_lock_once(crowd):
    wait(crowd, linux.FUTEX_WAIT_REQUEUE_PI_PRIVATE, WORD2)
    caller = crowd.task()
    assert futex(caller, WORD, linux.FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, INT_MAX, WORD2, 0) == CROWD
    assert futex(caller, WORD, linux.FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, INT_MAX, WORD2, 0) == 0
    for task in crowd.tasks:
        assert crowd.told[task.tid] == 1
        assert futex(task, WORD2, linux.FUTEX_UNLOCK_PI_PRIVATE, 0) == 0
    assert len(crowd.manager) == 0


def test_a_bitset_that_meets_nobody(crowd):
    wait(crowd, linux.FUTEX_WAIT_PRIVATE)
    wake_bitset = linux.FUTEX_WAKE_BITSET_PRIVATE
    late = crowd.task(2)
    assert futex(late, WORD, linux.FUTEX_WAIT_BITSET_PRIVATE, 0, 0, 0, 2) is None
    assert futex(crowd.task(), WORD, wake_bitset, INT_MAX, 0, 0, 4) == CROWD
    assert futex(crowd.task(3), WORD, wake_bitset, INT_MAX, 0, 0, 4) == 0
    assert late.blocked
    assert late.interrupt() is not None


@pytest.mark.parametrize("n", [2**31, 2**32 - 1, -1])
def test_a_count_beyond_the_largest_is_negative(crowd, n):
    wait(crowd)
    assert futex(crowd.task(), WORD, linux.FUTEX_WAKE_PRIVATE, n) == 1
    assert futex(crowd.task(2), WORD, linux.FUTEX_REQUEUE_PRIVATE, 1, n, WORD2) == -EINVAL
    assert sum(crowd.told.values()) == 1
    for task in crowd.tasks[1:]:
        assert task.interrupt() is not None
    assert len(crowd.manager) == 0


def test_a_comparison_on_a_crowd_is_one_load():
    """A target that Python code answers for is asked once for the word, however many wait there."""
    guest = Guest(NotingWords())
    for i in range(1000):
        assert futex(guest.task(10 + i), WORD, linux.FUTEX_WAIT_PRIVATE, 0) is None
    guest.mem.seen.clear()
    assert futex(guest.task(), WORD, linux.FUTEX_CMP_REQUEUE_PRIVATE, 0, INT_MAX, WORD2, 0) == 1000
    assert futex(guest.task(2), WORD2, linux.FUTEX_WAKE_PRIVATE, INT_MAX) == 1000
    assert guest.mem.seen == {WORD: 1}
