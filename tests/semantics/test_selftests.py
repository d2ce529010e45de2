"""The kernel's own tests (tools/testing/selftests/futex/functional), told anew, through pyfutex.linux."""

from errno import EAGAIN, EFAULT, EINTR, EINVAL, ENOSYS, ESRCH, ETIMEDOUT

import pytest
from semantics.process import ANY, INT_MAX, UNMAPPED, A, B, C, expire, results
from semantics.robustlist import HEAD, NODES, RobustList
from semantics.test_ltp import WAITV_FLAGS, processes, waitv

from pyfutex import linux
from pyfutex.linux import (
    FUTEX_OWNER_DIED,
    FUTEX_WAITERS,
    RESTART,
    futex_requeue,
    futex_wait,
    futex_wake,
    get_robust_list,
    set_robust_list,
)

NUMA, SIZE_U32 = 4, 2


@pytest.mark.parametrize("broadcast", [False, True])
@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("owner_dies", [False, True])
@pytest.mark.parametrize("timeout", [None, "short", "long"])
def test_futex_requeue_pi(process, broadcast, locked, owner_dies, timeout):
    """futex_requeue_pi: ten waiters, signalled or broadcast to, with the lock held or not, an owner that dies, timeouts."""
    tasks = process.threads(10)
    owner = process.thread()
    for task in tasks:
        deadline = 0 if timeout is None else process.until(1 if timeout == "short" else 100)
        assert process.wait_requeue_pi(task, deadline=deadline) is None
    if locked or owner_dies:
        assert process.lock(owner, B) == 0
    if timeout == "short":
        assert [expire(task) for task in tasks] == [-ETIMEDOUT] * 10
        assert process.cmp_requeue_pi(INT_MAX) == 0
        return
    if broadcast:
        assert process.cmp_requeue_pi(INT_MAX) == 10
    else:
        assert sum(process.cmp_requeue_pi(0) for _ in range(10)) == 10
    if owner_dies:
        owner.exit()
    elif locked:
        assert process.unlock(owner, B) == 0
    for i, task in enumerate(tasks):
        assert task.result(0) == 0
        died = FUTEX_OWNER_DIED if owner_dies and i == 0 else 0
        assert process.load(B) & ~FUTEX_WAITERS == task.tid | died
        assert process.unlock(task, B) == 0
    assert process.load(B) == 0


def test_futex_requeue_pi_mismatched_ops(process):
    """futex_requeue_pi_mismatched_ops: a plain wait is not requeued to a lock."""
    (task,) = process.sleepers(1)
    assert process.cmp_requeue_pi(1) == -EINVAL
    assert process.wake() == 1
    assert task.result(0) == 0


def test_futex_requeue_pi_signal_restart(process):
    """futex_requeue_pi_signal_restart: before the requeue it starts over, after it ends with EWOULDBLOCK."""
    task, owner = process.threads(2)
    assert process.wait_requeue_pi(task) is None
    assert task.interrupt(EINTR) == RESTART
    assert process.lock(owner, B) == 0
    assert process.wait_requeue_pi(task) is None
    assert process.cmp_requeue_pi(0) == 1
    assert task.interrupt(EINTR) == -EAGAIN
    assert process.unlock(owner, B) == 0
    assert process.load(B) == 0


def test_futex_wait_timeout(process):
    """futex_wait_timeout: every call that takes a time, on every clock that it takes."""
    realtime = linux.FUTEX_CLOCK_REALTIME
    owner, task = process.threads(2)
    assert process.lock(owner, C) == 0
    assert process.wait(task, timeout=process.after(0, 100_000)) is None
    assert expire(task) == -ETIMEDOUT
    for clock, flag in ((1, 0), (0, realtime)):
        until = process.until(0, 100_000, clock)
        assert process.wait_bitset(task, deadline=until, clock=flag) is None
        assert task.deadline[0] == clock
        assert expire(task) == -ETIMEDOUT
        assert process.wait_requeue_pi(task, deadline=until, clock=flag) is None
        assert task.deadline[0] == clock
        assert expire(task) == -ETIMEDOUT
        assert process.lock2(task, C, until, flag) is None
        assert task.deadline[0] == clock
        assert expire(task) == -ETIMEDOUT
        assert (
            waitv(process, (0, A, WAITV_FLAGS[process.layout]), timeout=until, clock=clock, task=task) is None
        )
        assert task.deadline[0] == clock
        assert expire(task) == -ETIMEDOUT
    assert process.lock(task, C, process.until(0, 100_000, 0)) is None
    assert task.deadline[0] == 0
    assert expire(task) == -ETIMEDOUT
    assert process.call(task, linux.FUTEX_LOCK_PI | realtime, C) == -ENOSYS


def test_futex_wait_wouldblock(process):
    """futex_wait_wouldblock: the word holds another value, for the three calls that wait."""
    flags = WAITV_FLAGS[process.layout]
    assert process.wait(process.main, val=1, timeout=process.after(0, 100_000)) == -EAGAIN
    assert waitv(process, (1, A, flags), timeout=process.until(1)) == -EAGAIN
    assert futex_wait(process.main, A, 1, ANY, flags, process.until(1), 1) == -EAGAIN


def test_futex_wait_uninitialized_heap(private):
    """futex_wait_uninitialized_heap: memory that nobody touched holds 0."""
    assert private.wait(private.main, A, 1) == -EAGAIN


def test_futex_wait_private_mapped_file(shared):
    """futex_wait_private_mapped_file: a word of a mapped file, changed and woken."""
    (task,) = shared.sleepers(1)
    shared.store(A, 1)
    assert shared.wake(INT_MAX) == 1
    assert task.result(0) == 0


def test_futex_wait(process):
    """futex_wait: private, shared and anonymous, shared and of a file."""
    (task,) = process.sleepers(1)
    assert process.wake() == 1
    assert task.result(0) == 0


def test_futex_wait_across_processes():
    """futex_wait, its third part: one file in two processes."""
    one, two = processes(2)
    (task,) = one.sleepers(1)
    assert two.wake() == 1
    assert task.result(0) == 0


def test_futex_requeue(process):
    """futex_requeue: one is moved and woken there; then of ten, three are woken and seven moved."""
    process.sleepers(1)
    assert process.cmp_requeue(0, 1, 0) == 1
    assert process.wake(INT_MAX, B) == 1
    process.sleepers(10)
    assert process.cmp_requeue(3, 7, 0) == 10
    assert process.wake(INT_MAX, B) == 7


def test_futex_waitv(process):
    """futex_waitv: thirty words; then each argument that is wrong."""
    flags = WAITV_FLAGS[process.layout]
    task = process.thread()
    words = [(0, A + 4 * i, flags) for i in range(30)]
    assert waitv(process, *words, task=task) is None
    assert process.wake(1, words[29][1]) == 1
    assert task.result(0) == 29
    assert waitv(process, (0, A, flags & ~2)) == -EINVAL
    assert waitv(process, (0, A + 1, flags)) == -EINVAL
    assert waitv(process, (0, 0, flags)) == -EFAULT
    assert linux.futex_waitv(process.main, 0, 30, 0, 0, 1) == -EINVAL
    assert waitv(process, words[0], timeout=process.until(1), clock=11) == -EINVAL


@pytest.mark.parametrize("node", [0, 0xFFFF_FFFF])
def test_futex_numa(shared, node):
    """futex_numa: a word with a node beside it; its waiters are found by calls of its own kind alone."""
    flags = SIZE_U32 | NUMA
    task = shared.thread()
    shared.store(A, 0, node)
    assert futex_wait(task, A, 0, ANY, flags, 0, 1) is None
    assert shared.load(A + 4) == 0
    assert futex_wake(shared.main, A, ANY, 1, SIZE_U32) == 0
    assert futex_wake(shared.main, A, ANY, 1, flags) == 1
    assert task.result(0) == 0


def test_futex_numa_mpol(shared):
    """futex_numa_mpol: -1 becomes the node, other nodes are none, and the pair is aligned as a whole."""
    flags = SIZE_U32 | NUMA
    shared.store(A, 0, 0xFFFF_FFFF)
    assert futex_wake(shared.main, A, ANY, 0, flags) == 0
    assert shared.load(A + 4) == 0
    assert futex_wake(shared.main, A + 4, ANY, 0, flags) == -EINVAL
    shared.store(A, 0, 1)
    assert futex_wake(shared.main, A, ANY, 0, flags) == -EINVAL
    assert futex_wake(shared.main, UNMAPPED, ANY, 0, flags) == -EFAULT
    shared.store(A, 0, 0xFFFF_FFFF)
    assert futex_wake(shared.main, A, ANY, 0, flags | 8) == 0


@pytest.mark.parametrize("wake", [0, 1, 2])
def test_futex2_requeue(process, wake):
    """futex_requeue of futex2: both words from one array of two."""
    flags = WAITV_FLAGS[process.layout]
    tasks = process.sleepers(4)
    vector = process.vector((0, A, flags), (99, B, flags))
    assert futex_requeue(process.main, vector, 0, wake, 1) == wake + 1
    assert results(tasks).count(0) == wake
    assert process.wake(INT_MAX, B) == 1


def test_robust_list_robustness(process):
    """robust_list, robustness: an owner that dies leaves OWNER_DIED, and one who waits is woken."""
    task = process.thread()
    links = RobustList(process, task)
    process.store(links.word(), task.tid | FUTEX_WAITERS)
    waiter = process.thread()
    assert linux.futex(waiter, links.word(), linux.FUTEX_WAIT, task.tid | FUTEX_WAITERS) is None
    task.exit()
    assert process.load(links.word()) == FUTEX_OWNER_DIED | FUTEX_WAITERS
    assert waiter.result(0) == 0


def test_robust_list_invalid_size(process):
    """robust_list, set_robust_list_invalid_size."""
    for size in (0, 23, 25, -1):
        assert set_robust_list(process.main, HEAD, size) == -EINVAL


def test_robust_list_get_self_and_child(process):
    """robust_list, get_robust_list_self and get_robust_list_child."""
    child = process.thread()
    for task in (process.main, child):
        assert set_robust_list(task, HEAD, 24) == 0
    for pid in (0, child.tid):
        assert get_robust_list(process.main, pid, A, B) == 0
        assert process.load(A) == HEAD & 0xFFFF_FFFF


def test_robust_list_op_pending(process):
    """robust_list, set_list_op_pending: a lock that is not in the list yet, or not any more, is given up too."""
    task = process.thread()
    links = RobustList(process, task, 0)
    process.store(NODES + 8, task.tid)
    links.pending(NODES)
    task.exit()
    assert process.load(NODES + 8) == FUTEX_OWNER_DIED


def test_robust_list_multiple_elements(process):
    """robust_list, robust_list_multiple_elements: ten locks."""
    task = process.thread()
    links = RobustList(process, task, 10)
    for i in range(10):
        process.store(links.word(i), task.tid)
    task.exit()
    assert [process.load(links.word(i)) for i in range(10)] == [FUTEX_OWNER_DIED] * 10


def test_robust_list_circular(process):
    """robust_list, robust_list_circular: a list that never comes back to its head ends all the same."""
    task = process.thread()
    links = RobustList(process, task, 3)
    links.link(links.nodes[2], links.nodes[0])
    task.exit()
    assert not task.alive


def test_futex_lock_pi_exiting(process):
    """futex_lock_pi_exiting: one who waits gets the lock of the dead, one who comes later hears that nobody is there."""
    owner, waiter, late = process.threads(3)
    assert process.lock(owner) == 0
    assert process.lock(waiter) is None
    owner.exit()
    assert waiter.result(0) == 0
    assert process.load(A) & FUTEX_OWNER_DIED
    for _ in range(1000):
        dead = process.thread()
        assert process.lock(dead, B) == 0
        dead.exit()
        assert process.lock(late, B) == -ESRCH
        process.store(B, 0)
