"""Section 1 of the table: set_robust_list, get_robust_list, and the walk of the list when a thread ends."""

from errno import EFAULT, EINVAL, EPERM, ESRCH

import pytest
from guests import BASE
from semantics.process import KERNEL_HALF, UNMAPPED, A, B, Process, results
from semantics.robustlist import FUTEX_OFFSET, HEAD, NODE_SIZE, NODES, RobustList

from pyfutex import Manager, linux
from pyfutex.linux import (
    FUTEX_OWNER_DIED,
    FUTEX_WAIT,
    FUTEX_WAITERS,
    ROBUST_LIST_LIMIT,
    futex,
    get_robust_list,
    set_robust_list,
)


def sleeper(process, addr, word):
    """A thread that waits as a C library's robust mutexes do: with a shared call."""
    task = process.thread()
    assert futex(task, addr, FUTEX_WAIT, word) is None
    return task


# --- set_robust_list (273), get_robust_list (274) -------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 12, 23, 25, 2**32 + 24, -24])
def test_row_set_robust_list_has_one_length(process, length):
    assert set_robust_list(process.main, HEAD, length) == -EINVAL
    assert process.main.robust_list == 0


@pytest.mark.parametrize("head", [0, 1, UNMAPPED, KERNEL_HALF])
def test_row_set_robust_list_does_not_look_at_the_head(process, head):
    assert set_robust_list(process.main, head, 24) == 0
    assert process.main.robust_list == head


def test_row_get_robust_list(process):
    other = process.thread()
    assert set_robust_list(other, HEAD, 24) == 0
    for pid, head in ((0, 0), (process.main.tid, 0), (other.tid, HEAD)):
        assert get_robust_list(process.main, pid, A, B) == 0
        assert process.read(A, 8) == head.to_bytes(8, "little")
        assert process.read(B, 8) == (24).to_bytes(8, "little")


@pytest.mark.parametrize("pid", [-1, 2**31, 2**30 - 1])
def test_row_get_robust_list_of_nobody_is_esrch(process, pid):
    assert get_robust_list(process.main, pid, A, B) == -ESRCH


def test_row_get_robust_list_of_another_users_is_eperm(process):
    """Of its own process, and as root, a thread may ask for any."""
    child = Process(process.layout, None, process.manager.fork())
    other = child.thread(uid=2)
    assert get_robust_list(process.thread(uid=1), other.tid, A, B) == -EPERM
    assert get_robust_list(process.thread(uid=0), other.tid, A, B) == 0
    assert get_robust_list(child.thread(uid=1), other.tid, A, B) == 0


def test_row_get_robust_list_writes_the_length_first(process):
    assert set_robust_list(process.main, HEAD, 24) == 0
    assert get_robust_list(process.main, 0, UNMAPPED, B) == -EFAULT
    assert process.load(B) == 24
    assert get_robust_list(process.main, 0, A, UNMAPPED) == -EFAULT
    assert process.load(A) == 0


# --- the walk at exit -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [0, FUTEX_WAITERS, FUTEX_OWNER_DIED])
def test_row_robust_walk_clears_the_owner_and_keeps_waiters(process, bits):
    task = process.thread()
    links = RobustList(process, task, 3)
    for i in range(3):
        process.store(links.word(i), task.tid | bits)
    task.exit()
    expected = bits & FUTEX_WAITERS | FUTEX_OWNER_DIED
    assert [process.load(links.word(i)) for i in range(3)] == [expected] * 3


def test_row_robust_walk_leaves_words_of_others(process):
    task, other = process.threads(2)
    links = RobustList(process, task, 2)
    process.store(links.word(0), other.tid | FUTEX_WAITERS)
    process.store(links.word(1), task.tid)
    task.exit()
    assert process.load(links.word(0)) == other.tid | FUTEX_WAITERS
    assert process.load(links.word(1)) == FUTEX_OWNER_DIED


def test_row_robust_walk_wakes_one_who_waits_as_shared(process):
    """[L B2]"""
    task = process.thread()
    links = RobustList(process, task)
    process.store(links.word(), word := task.tid | FUTEX_WAITERS)
    waiters = [sleeper(process, links.word(), word) for _ in range(2)]
    task.exit()
    assert results(waiters) == [0, None]


def test_row_robust_walk_does_not_wake_who_waits_as_private(private):
    task = private.thread()
    links = RobustList(private, task)
    private.store(links.word(), task.tid | FUTEX_WAITERS)
    (waiter,) = private.sleepers(1, links.word())
    task.exit()
    assert waiter.blocked


def test_row_robust_walk_without_waiters_wakes_nobody(process):
    """[L B5]"""
    task = process.thread()
    links = RobustList(process, task)
    process.store(links.word(), task.tid)
    waiter = sleeper(process, links.word(), task.tid)
    task.exit()
    assert waiter.blocked


def test_row_robust_walk_hands_a_pi_word_on(process):
    """[L B6]"""
    task, heir = process.threads(2)
    links = RobustList(process, task)
    links.link(links.head, links.nodes[0] | 1)
    assert process.lock(task, links.word()) == 0
    assert process.lock(heir, links.word()) is None
    task.exit()
    assert heir.result(0) == 0
    assert process.load(links.word()) == heir.tid | FUTEX_OWNER_DIED | FUTEX_WAITERS


def test_row_robust_walk_reads_on_before_it_wakes(process):
    """The link of an entry is read before its word is given up: who is woken may free the entry."""
    told = []
    process_links = []

    def free(task, value):
        told.append(value)
        process.store64(process_links[0].nodes[0], UNMAPPED)

    task = process.thread()
    links = RobustList(process, task, 2)
    process_links.append(links)
    process.store(links.word(0), word := task.tid | FUTEX_WAITERS)
    process.store(links.word(1), task.tid)
    waiter = process.thread(on_complete=free)
    assert futex(waiter, links.word(0), FUTEX_WAIT, word) is None
    task.exit()
    assert told == [0]
    assert process.load(links.word(1)) == FUTEX_OWNER_DIED


@pytest.mark.parametrize("broken", ["link", "misaligned", "word"])
def test_row_robust_walk_stops_at_what_cannot_be_read_and_skips_pending(process, broken):
    """[L B8] The word of an entry whose link cannot be read is still given up."""
    task = process.thread()
    links = RobustList(process, task, 3)
    pending = NODES + NODE_SIZE * 8
    links.pending(pending)
    for addr in (*(links.word(i) for i in range(3)), pending + FUTEX_OFFSET):
        process.store(addr, task.tid)
    before = BASE - FUTEX_OFFSET  # its word is the first that is mapped
    process.store(BASE, task.tid)
    target = {"link": before, "misaligned": links.nodes[1] + 2, "word": UNMAPPED - FUTEX_OFFSET}[broken]
    links.link(links.nodes[0], target)
    task.exit()
    assert process.load(links.word(0)) == FUTEX_OWNER_DIED
    assert process.load(BASE) == (FUTEX_OWNER_DIED if broken == "link" else task.tid)
    assert process.load(links.word(2)) == task.tid
    assert process.load(pending + FUTEX_OFFSET) == task.tid


def test_row_robust_walk_looks_at_no_more_than_2048(process):
    """Of a circle, and then at the pending entry."""
    assert ROBUST_LIST_LIMIT == 2048
    task = process.thread()
    links = RobustList(process, task, 2)
    links.link(links.nodes[1], links.nodes[0])
    pending = NODES + NODE_SIZE * 8
    links.pending(pending)
    for addr in (links.word(0), links.word(1), pending + FUTEX_OFFSET):
        process.store(addr, task.tid)
    task.exit()
    assert process.load(links.word(1)) == process.load(pending + FUTEX_OFFSET) == FUTEX_OWNER_DIED


# --- the pending operation ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", [0, FUTEX_OWNER_DIED, FUTEX_WAITERS, FUTEX_WAITERS | FUTEX_OWNER_DIED])
def test_row_robust_pending_word_of_nobody_wakes_one(process, word):
    """[L B4, B4d]"""
    task = process.thread()
    links = RobustList(process, task, 0)
    links.pending(NODES)
    process.store(NODES + FUTEX_OFFSET, word)
    waiters = [sleeper(process, NODES + FUTEX_OFFSET, word) for _ in range(2)]
    task.exit()
    assert results(waiters) == [0, None]
    assert process.load(NODES + FUTEX_OFFSET) == word


@pytest.mark.parametrize(
    ("profile", "woken"), [("linux-6.12", True), ("linux-6.18", False), ("linux-7.2", True)]
)
def test_row_robust_pending_word_of_another_without_waiters(profile, woken):
    """[L B4b] A rule that came, went and came back."""
    process = Process("shared", manager=Manager(profile=profile))
    task, other = process.threads(2)
    links = RobustList(process, task, 0)
    links.pending(NODES)
    process.store(NODES + FUTEX_OFFSET, other.tid)
    waiter = sleeper(process, NODES + FUTEX_OFFSET, other.tid)
    task.exit()
    assert waiter.blocked != woken


def test_row_robust_pending_pi_word_of_nobody_wakes_nobody(process):
    task = process.thread()
    links = RobustList(process, task, 0)
    links.pending(NODES | 1)
    waiter = sleeper(process, NODES + FUTEX_OFFSET, 0)
    task.exit()
    assert waiter.blocked


def test_row_robust_pending_entry_that_is_listed_is_handled_once(process):
    task = process.thread()
    links = RobustList(process, task, 1)
    links.pending(links.nodes[0])
    process.store(links.word(), word := task.tid | FUTEX_WAITERS)
    waiters = [sleeper(process, links.word(), word) for _ in range(2)]
    task.exit()
    assert results(waiters) == [0, None]


def test_row_robust_walk_comes_before_clear_child_tid(process):
    """Who joins the thread finds its locks given up."""
    seen = []
    task = process.thread()
    links = RobustList(process, task)
    process.store(links.word(), task.tid)
    process.store(A, task.tid)
    joiner = process.thread(on_complete=lambda *_: seen.append(process.load(links.word())))
    assert linux.futex(joiner, A, FUTEX_WAIT, task.tid) is None
    task.clear_child_tid = A
    task.exit()
    assert seen == [FUTEX_OWNER_DIED]
    assert process.load(A) == 0
