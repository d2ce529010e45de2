"""The Linux Test Project's futex tests (testcases/kernel/syscalls/futex), told anew, through pyfutex.linux.

Its variants with processes are tasks of forked managers over one mapped file.
"""

import os
import threading
from errno import EAGAIN, EFAULT, EINTR, EINVAL, EPERM, ESRCH, ETIMEDOUT

import pytest
from guests import BASE
from semantics.process import (
    INT_MAX,
    KERNEL_HALF,
    UNMAPPED,
    A,
    B,
    Process,
    expire,
    file_page,
    memory_file,
    results,
)
from semantics.robustlist import HEAD

from pyfutex import linux
from pyfutex.linux import futex_waitv, get_robust_list, set_robust_list

WAITV_FLAGS = {"private": 2 | 128, "shared": 2, "file": 2}


def processes(n):
    """Processes that share the pages of one file."""
    file = memory_file()
    try:
        first = Process("file", file_page(file))
        return [first, *(Process("file", file_page(file), first.manager.fork()) for _ in range(n - 1))]
    finally:
        os.close(file)


@pytest.mark.parametrize(
    ("n", "n_wake", "n_requeue"),
    [(10, 3, 7), (10, 0, 10), (10, 2, 6), (100, 50, 50), (100, 0, 70), (1000, 100, 900), (1000, 300, 500)],
)
def test_futex_cmp_requeue01(n, n_wake, n_requeue):
    """futex_cmp_requeue01: what is woken and what is moved, among 10 to 1000 processes; here tasks of ten."""
    crowd = processes(10)
    tasks = []
    for i in range(n):
        process = crowd[i % 10]
        tasks.append(process.thread())
        assert process.wait(tasks[-1]) is None
    parent = crowd[0]
    assert parent.cmp_requeue(n_wake, n_requeue, 0) == min(n, n_wake + n_requeue)
    assert [task.blocked for task in tasks].count(False) == n_wake
    assert parent.wake(INT_MAX, B) == min(n - n_wake, n_requeue)
    assert parent.wake(INT_MAX, A) == n - n_wake - min(n - n_wake, n_requeue)


def test_futex_cmp_requeue02(process):
    """futex_cmp_requeue02: negative counts (CVE-2018-6927), and a word that holds another value."""
    assert process.cmp_requeue(1, -1, 0) == -EINVAL
    assert process.cmp_requeue(-1, 1, 0) == -EINVAL
    assert process.cmp_requeue(1, 1, 1) == -EAGAIN


@pytest.mark.parametrize("bad", [UNMAPPED, KERNEL_HALF])
def test_futex_cmp_requeue03(shared, bad):
    """futex_cmp_requeue03: either address where nothing is mapped, or nothing may be."""
    assert shared.cmp_requeue(1, 1, 0, bad, B) == -EFAULT
    assert shared.cmp_requeue(1, 1, 0, A, bad) == -EFAULT


def test_futex_wait01(process):
    """futex_wait01: a timeout, and a word that holds another value."""
    task = process.thread()
    assert process.wait(task, timeout=process.after(0, 10_000)) is None
    assert expire(task) == -ETIMEDOUT
    assert process.wait(task, val=1, timeout=process.after(0, 10_000)) == -EAGAIN


def test_futex_wait02():
    """futex_wait02: a process wakes another over a shared page."""
    parent, child = processes(2)
    task = child.thread()
    assert child.wait(task) is None
    assert parent.wake() == 1
    assert task.result(0) == 0


def test_futex_wait03(private):
    """futex_wait03: a thread of the host sleeps until another wakes it."""
    task = private.thread()
    assert private.wait(task) is None
    ended = []
    sleeper = threading.Thread(target=lambda: ended.append(task.result()), daemon=True)
    sleeper.start()
    assert private.wake() == 1
    sleeper.join()
    assert ended == [0]


def test_futex_wait04(process):
    """futex_wait04: a page that was never touched reads as 0."""
    assert process.wait(process.main, BASE + 512, 1) == -EAGAIN


def test_futex_wait05(process):
    """futex_wait05: exactness is up to whoever owns the clock; the deadline is, to the nanosecond, what was asked for."""
    for ns in (1, 1000, 999_999_999):
        task = process.thread()
        assert process.wait(task, timeout=process.after(0, ns)) is None
        assert task.deadline == (1, process.clock.monotonic + ns)


def test_futex_wait06(process):
    """futex_wait06: the word, or the timeout, where nothing is mapped."""
    assert process.wait(process.main, UNMAPPED) == -EFAULT
    assert process.wait(process.main, timeout=UNMAPPED) == -EFAULT


def test_futex_wait07(process):
    """futex_wait07: a signal."""
    task = process.thread()
    assert process.wait(task) is None
    assert task.interrupt(EINTR) == -EINTR


@pytest.mark.parametrize("clock", [1, 0], ids=["monotonic", "realtime"])
def test_futex_wait_bitset01(process, clock):
    """futex_wait_bitset01: an absolute time, on both clocks."""
    task = process.thread()
    flag = 0 if clock else linux.FUTEX_CLOCK_REALTIME
    assert process.wait_bitset(task, deadline=process.until(0, 100_000, clock), clock=flag) is None
    assert task.deadline == (clock, process.clock(clock) + 100_000)
    assert expire(task) == -ETIMEDOUT


def waitv(process, *entries, n=None, flags=0, timeout=0, clock=1, task=None):
    """futex_waitv(2) with an array of (val, uaddr, flags)."""
    pointer = process.vector(*entries)
    return futex_waitv(task or process.main, pointer, len(entries) if n is None else n, flags, timeout, clock)


def test_futex_waitv01(process):
    """futex_waitv01: every argument that can be wrong."""
    flags = WAITV_FLAGS[process.layout]
    word = (0, A, flags)
    assert waitv(process, (0, A, flags & ~2)) == -EINVAL, "no size"
    assert waitv(process, (0, A + 1, flags)) == -EINVAL, "misaligned"
    assert waitv(process, (0, 0, flags)) == -EFAULT, "NULL"
    assert futex_waitv(process.main, 0, 1, 0, 0, 0) == -EINVAL, "no array"
    assert waitv(process, word, timeout=process.until(1), clock=11) == -EINVAL, "clock"
    assert waitv(process, word, n=0) == -EINVAL
    assert waitv(process, *[word] * 129) == -EINVAL
    assert waitv(process, word, flags=1) == -EINVAL
    assert waitv(process, (1, A, flags)) == -EAGAIN, "another value"
    task = process.thread()
    assert waitv(process, word, timeout=process.until(1), task=task) is None
    assert expire(task) == -ETIMEDOUT


def test_futex_waitv02(private):
    """futex_waitv02: thirty private words, the last is woken."""
    task = private.thread()
    words = [(0, BASE + 64 + 4 * i, 2 | 128) for i in range(30)]
    assert waitv(private, *words, task=task) is None
    assert private.wake(1, words[29][1]) == 1
    assert task.result(0) == 29


def test_futex_waitv03():
    """futex_waitv03: thirty words of shared memory."""
    parent, child = processes(2)
    task = child.thread()
    words = [(0, BASE + 64 + 4 * i, 2) for i in range(30)]
    assert waitv(child, *words, task=task) is None
    assert parent.wake(1, words[29][1]) == 1
    assert task.result(0) == 29


def test_futex_wake01(process):
    """futex_wake01: nobody waits."""
    assert [process.wake(n) for n in (0, 1, INT_MAX)] == [0, 0, 0]


def test_futex_wake02(process):
    """futex_wake02: 55 threads, woken in portions."""
    tasks = process.sleepers(55)
    done = 0
    for n in range(1, 11):
        assert process.wake(n) == n
        done += n
        assert results(tasks).count(0) == done
    assert done == 55


def test_futex_wake03():
    """futex_wake03: the same with processes."""
    crowd = processes(11)
    tasks = []
    for process in crowd * 5:
        tasks.append(process.thread())
        assert process.wait(tasks[-1]) is None
    for n in range(1, 11):
        assert crowd[0].wake(n) == n
    assert results(tasks) == [0] * 55


def test_futex_wake04():
    """futex_wake04: words far apart in one mapping have keys of their own; there two halves of huge pages."""
    file = memory_file(600)
    try:
        process = Process("file", file_page(file, n=600))
    finally:
        os.close(file)
    near, far = process.threads(2)
    assert process.wait(near, BASE) is None
    assert process.wait(far, BASE + 512 * 4096) is None
    assert process.wake(2, BASE + 512 * 4096) == 1
    assert (near.blocked, far.blocked) == (True, False)


def test_futex_wake05(shared):
    """futex_wake05: where nothing is mapped."""
    assert shared.wake(1, UNMAPPED) == -EFAULT
    assert shared.wake(1, KERNEL_HALF) == -EFAULT


def test_get_robust_list01(process):
    """get_robust_list01: bad pointers, an id that nobody has, somebody else's."""
    neighbour = Process(process.layout, manager=process.manager)
    stranger = neighbour.thread(uid=1)
    assert set_robust_list(process.main, HEAD, 24) == 0
    assert get_robust_list(process.main, 0, UNMAPPED, B) == -EFAULT
    assert get_robust_list(process.main, 0, A, UNMAPPED) == -EFAULT
    assert get_robust_list(process.main, 0x3FFF_FFF0, A, B) == -ESRCH
    assert get_robust_list(stranger, process.main.tid, A, B) == -EPERM
    assert get_robust_list(process.main, 0, A, B) == 0


def test_set_robust_list01(process):
    """set_robust_list01: a length that is not the head's."""
    assert set_robust_list(process.main, HEAD, -1) == -EINVAL
    assert set_robust_list(process.main, HEAD, 24) == 0
