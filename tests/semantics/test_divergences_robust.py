"""Section 2 of the table, rows 35 to 46: bitsets, reuse, robust lists, exit and what the seed has not, beside Linux.

Each docstring says what the seed does.
"""

from errno import EAGAIN, EINVAL, ENOSYS, EPERM, ESRCH

import pytest
from semantics.process import INT_MAX, UNMAPPED, A, B, Process, results
from semantics.robustlist import HEAD, NODES, RobustList

from pyfutex import linux
from pyfutex.linux import (
    FUTEX_OWNER_DIED,
    FUTEX_WAITERS,
    futex_requeue,
    futex_wait,
    futex_waitv,
    futex_wake,
    get_robust_list,
    set_robust_list,
)

FUTEX2_PRIVATE = 128
FUTEX2_SIZE_U32 = 2


def flags(process):
    """Flags of the newer calls, as the process has them."""
    return FUTEX2_SIZE_U32 | (FUTEX2_PRIVATE if process.layout == "private" else 0)


def shared_sleeper(process, addr, value):
    """A thread that waits, with a shared call, at a word of the process."""
    task = process.thread()
    assert linux.futex(task, addr, linux.FUTEX_WAIT, value) is None
    return task


def test_divergence_35_a_bitset_of_zero_is_invalid(process):
    """The seed's package takes it, and such a waiter cannot be woken."""
    assert process.wait_bitset(process.main, bitset=0) == -EINVAL
    assert process.wake_bitset(1, 0) == -EINVAL


def test_divergence_36_a_task_is_in_one_call_at_a_time(process):
    """The seed lets a waiter be queued twice, which breaks its list."""
    task = process.thread()
    assert process.wait(task) is None
    with pytest.raises(RuntimeError):
        process.wait(task, B)
    with pytest.raises(RuntimeError):
        process.lock(task, B)
    assert process.wake() == 1


def test_divergence_37_the_pi_bit_of_a_link_is_no_part_of_the_address(process):
    """The seed follows `next` with the bit still set, and reads from beside the node."""
    task = process.thread()
    links = RobustList(process, task, 2)
    links.link(links.head, links.nodes[0] | 1)
    for i in range(2):
        process.store(links.word(i), task.tid)
    task.exit()
    assert [process.load(links.word(i)) for i in range(2)] == [FUTEX_OWNER_DIED] * 2


def test_divergence_38_a_dead_owners_pi_lock_goes_on(process):
    """The seed clears the thread id first, and then may not unlock any more: its waiters stay."""
    task, heir = process.threads(2)
    links = RobustList(process, task)
    links.link(links.head, links.nodes[0] | 1)
    assert process.lock(task, links.word()) == 0
    assert process.lock(heir, links.word()) is None
    task.exit()
    assert heir.result(0) == 0
    assert process.load(links.word()) == FUTEX_WAITERS | FUTEX_OWNER_DIED | heir.tid


def test_divergence_39_robust_wakes_are_shared_whatever_the_thread_id_is(process):
    """The seed takes bit 7 of the owner's thread id for the private flag: half of all owners wake nobody."""
    seen = set()
    while len(seen) < 2:
        task = process.thread()
        if task.tid & 128 in seen:
            continue
        seen.add(task.tid & 128)
        links = RobustList(process, task)
        process.store(links.word(), task.tid | FUTEX_WAITERS)
        waiter = shared_sleeper(process, links.word(), task.tid | FUTEX_WAITERS)
        task.exit()
        assert waiter.result(0) == 0
        assert process.load(links.word()) == FUTEX_WAITERS | FUTEX_OWNER_DIED


@pytest.mark.parametrize("word", [0, FUTEX_OWNER_DIED, FUTEX_WAITERS])
def test_divergence_40_a_pending_word_that_nobody_owns_wakes_one(process, word):
    """The seed wakes nobody: who was woken by an unlock and died before it took the word leaves the others asleep."""
    task = process.thread()
    links = RobustList(process, task, 0)
    node = NODES + 512
    process.store(node + 8, word)
    links.pending(node)
    waiters = [shared_sleeper(process, node + 8, word) for _ in range(2)]
    task.exit()
    assert results(waiters) == [0, None]
    assert process.load(node + 8) == word


@pytest.mark.parametrize("broken", ["next", "word", "misaligned"])
def test_divergence_41_a_broken_list_ends_the_walk(process, broken):
    """The seed goes on to the pending entry; Linux does not, and handles what it has seen before."""
    task = process.thread()
    links = RobustList(process, task, 3)
    for i in range(3):
        process.store(links.word(i), task.tid)
    pending = NODES + 1024
    process.store(pending + 8, task.tid)
    links.pending(pending)
    if broken == "next":
        links.link(links.nodes[1], UNMAPPED)
    elif broken == "word":
        links.link(links.nodes[0], UNMAPPED)
    else:
        links.link(links.nodes[0], links.nodes[1] + 2)
    task.exit()
    died = [process.load(links.word(i)) == FUTEX_OWNER_DIED for i in range(3)]
    # The link after a node is read before its word is touched, so an unreadable node is noticed one entry early or late.
    assert died[0]
    assert not died[2]
    assert process.load(pending + 8) == task.tid


def test_divergence_42_the_robust_list_comes_before_the_thread_is_seen_to_end(process):
    """In the seed a joiner can find the thread gone and its mutex still held."""
    task = process.thread()
    links = RobustList(process, task)
    process.store(links.word(), task.tid)
    process.store(B, task.tid)
    task.clear_child_tid = B
    seen = []
    joiner = process.thread(on_complete=lambda *_: seen.append((process.load(links.word()), process.load(B))))
    assert linux.futex(joiner, B, linux.FUTEX_WAIT, task.tid) is None
    task.exit()
    assert seen == [(FUTEX_OWNER_DIED, 0)]


def test_divergence_43_an_owner_that_dies_without_a_robust_list_hands_over(process):
    """In the seed the waiters stay for ever."""
    owner, waiter = process.threads(2)
    assert process.lock(owner) == 0
    assert process.lock(waiter) is None
    owner.exit()
    assert waiter.result(0) == 0
    assert process.load(A) == FUTEX_WAITERS | FUTEX_OWNER_DIED | waiter.tid
    dead, late = process.threads(2)
    assert process.lock(dead, B) == 0
    dead.exit()
    assert process.lock(late, B) == -ESRCH
    assert process.load(B) == FUTEX_WAITERS | dead.tid


def test_divergence_44_a_robust_list_is_not_everybodys_to_read(process):
    """The seed asks no permission, and answers EINVAL to a negative pid."""
    victim, sibling = process.thread(uid=1001), process.thread(uid=1000)
    neighbour = Process(process.layout, manager=process.manager)
    stranger, same, root = (neighbour.thread(uid=uid) for uid in (1000, 1001, 0))
    assert set_robust_list(victim, HEAD, 24) == 0
    assert get_robust_list(stranger, victim.tid, A, B) == -EPERM
    for reader in (same, root):
        assert get_robust_list(reader, victim.tid, A, B) == 0
        assert (neighbour.load(A), neighbour.load(B)) == (HEAD & 0xFFFF_FFFF, 24)
    assert get_robust_list(sibling, victim.tid, A, B) == 0, "threads of one process may"
    assert get_robust_list(stranger, -1, A, B) == -ESRCH
    assert get_robust_list(stranger, 0x3FFF_FFFF, A, B) == -ESRCH


def test_divergence_45_what_the_seed_has_not_is_there(process):
    """The seed answers ENOSYS to requeues to PI words, LOCK_PI2, waitv and the calls of futex2."""
    waiter, other = process.threads(2)
    assert process.wait_requeue_pi(waiter) is None
    assert process.cmp_requeue_pi(0) == 1
    assert waiter.result(0) == 0
    assert process.load(B) == waiter.tid
    assert process.lock2(other, A + 32) == 0
    assert futex_waitv(other, process.vector((1, A, flags(process))), 1, 0, 0, 0) == -EAGAIN
    assert futex_wait(other, A, 1, 0xFFFF_FFFF, flags(process), 0, 0) == -EAGAIN
    assert futex_wake(other, A, 0xFFFF_FFFF, 0, flags(process)) == 0
    vector = process.vector((0, A, flags(process)), (0, B, flags(process)))
    assert futex_requeue(other, vector, 0, 1, INT_MAX) == 0


def test_divergence_46_robust_lists_are_supported(process):
    """The seed's comments say they are not, though it has them since 2020; here docs/linux.md has them."""
    assert set_robust_list(process.main, HEAD, 23) == -EINVAL
    assert set_robust_list(process.main, HEAD, 24) == 0
    assert process.main.robust_list == HEAD
    assert process.call(process.main, 99, A) == -ENOSYS


def test_a_private_waiter_of_a_robust_word_is_not_woken(private):
    """Row 39 from the other side: the wake is shared, as Linux's is."""
    task = private.thread()
    links = RobustList(private, task)
    value = task.tid | FUTEX_WAITERS
    private.store(links.word(), value)
    waiter = private.thread()
    assert private.wait(waiter, links.word(), value) is None
    task.exit()
    assert waiter.blocked


def test_a_word_without_the_waiters_bit_wakes_nobody(process):
    """Row 39: the bit decides, not the queue."""
    task = process.thread()
    links = RobustList(process, task)
    process.store(links.word(), task.tid)
    waiter = shared_sleeper(process, links.word(), task.tid)
    task.exit()
    assert waiter.blocked
    assert process.load(links.word()) == FUTEX_OWNER_DIED


def test_a_circular_list_is_walked_2048_times(process):
    """Row 41: what a guest makes of its list ends in bounded time."""
    task = process.thread()
    links = RobustList(process, task, 2)
    links.link(links.nodes[1], links.nodes[0])
    for i in range(2):
        process.store(links.word(i), task.tid)
    task.exit()
    assert [process.load(links.word(i)) for i in range(2)] == [FUTEX_OWNER_DIED] * 2
