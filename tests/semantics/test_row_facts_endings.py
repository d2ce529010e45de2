"""Section 0 of the table: who was woken was woken, and what a signal makes of each call that blocks."""

import random
import threading
from errno import EAGAIN, EINTR, ETIMEDOUT

import pytest
from semantics.process import ANY, A, B, Process, expire, results

import pyfutex
from pyfutex import linux
from pyfutex.linux import FUTEX_CLOCK_REALTIME, RESTART, restart_syscall

# --- conservation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ETIMEDOUT, EINTR])
def test_row_conservation_a_woken_waiter_returns_0_whatever_fires(process, error):
    task = process.thread()
    assert process.wait(task, A, 0, process.after(1)) is None
    assert process.wake() == 1
    assert task.interrupt(error) == 0
    assert task.interrupt(error) is None


def test_row_conservation_an_ended_wait_takes_no_wake(process):
    first, second = process.sleepers(2)
    assert first.interrupt() == -EINTR
    assert process.wake() == 1
    assert results([first, second]) == [-EINTR, 0]


@pytest.mark.parametrize("layout", ["private", "file"])
def test_row_conservation_wakes_reported_are_waits_that_returned_0(layout, rng):
    """[L L1] Threads whose deadlines race with wakes: what the wakes say adds up to what the waits say."""
    process = Process(layout, now=None)
    counts = []
    deadlines = [random.Random(rng.random()) for _ in range(4)]
    starts = []

    def wait(task, choose):
        mine = 0
        for _ in range(150):
            process.store(A + 4 * 8, 0)
            timeout = timeouts[choose.randrange(len(timeouts))]
            value = process.wait(task, A, 0, timeout)
            if value is None:
                value = task.result()
            assert value in (0, -ETIMEDOUT)
            mine += value == 0
        counts.append(mine)

    timeouts = [process.timespec(0, ns, addr=process_time(i)) for i, ns in enumerate((1, 20_000, 200_000))]
    threads = [threading.Thread(target=wait, args=(process.thread(), choose)) for choose in deadlines]
    for thread in threads:
        thread.start()
    reported = 0
    while any(thread.is_alive() for thread in threads):
        reported += process.wake(1)
    assert not starts
    assert len(process.manager) == 0
    assert sum(counts) == reported


def process_time(i):
    return B + 64 * (4 + i)


# --- signals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sa_restart", "value"), [(True, RESTART), (False, -EINTR)])
def test_row_signals_a_wait_without_a_timeout_asks_the_handler(process, sa_restart, value):
    (task,) = process.sleepers(1)
    assert task.interrupt(EINTR, sa_restart=sa_restart) == value


@pytest.mark.parametrize("sa_restart", [True, False])
@pytest.mark.parametrize("kind", ["wait", "bitset", "bitset realtime"])
def test_row_signals_a_wait_with_a_timeout_is_eintr_after_any_handler(process, kind, sa_restart):
    """[L S2, S3]"""
    task = process.thread()
    if kind == "wait":
        assert process.wait(task, A, 0, process.after(1)) is None
    elif kind == "bitset":
        assert process.wait_bitset(task, A, 0, ANY, process.until(1)) is None
    else:
        until = process.until(1, clock=pyfutex.CLOCK_REALTIME)
        assert process.wait_bitset(task, A, 0, ANY, until, FUTEX_CLOCK_REALTIME) is None
    deadline = task.deadline
    assert task.interrupt(EINTR, sa_restart=sa_restart) == -EINTR
    assert restart_syscall(task) is None, "no handler ran: the restart block goes on"
    assert task.deadline == deadline
    assert expire(task) == -ETIMEDOUT


@pytest.mark.parametrize("sa_restart", [True, False])
@pytest.mark.parametrize("timed", [True, False])
def test_row_signals_lock_pi_is_never_eintr(process, sa_restart, timed):
    """[L S4]"""
    process.lock(process.main)
    task = process.thread()
    deadline = process.until(1, clock=pyfutex.CLOCK_REALTIME) if timed else 0
    assert process.lock(task, A, deadline) is None
    assert task.interrupt(EINTR, sa_restart=sa_restart) == RESTART
    assert process.lock2(task, A, process.until(1) if timed else 0) is None
    assert task.interrupt(EINTR, sa_restart=sa_restart) == RESTART


@pytest.mark.parametrize("sa_restart", [True, False])
def test_row_signals_wait_requeue_pi_restarts_before_the_requeue(process, sa_restart):
    task = process.thread()
    assert process.wait_requeue_pi(task) is None
    assert task.interrupt(EINTR, sa_restart=sa_restart) == RESTART


@pytest.mark.parametrize("sa_restart", [True, False])
def test_row_signals_wait_requeue_pi_is_eagain_after_it(process, sa_restart):
    task = process.thread()
    assert process.lock(process.main, B) == 0
    assert process.wait_requeue_pi(task) is None
    assert process.cmp_requeue_pi(0) == 1
    assert task.interrupt(EINTR, sa_restart=sa_restart) == -EAGAIN


@pytest.mark.parametrize(("sa_restart", "value"), [(True, RESTART), (False, -EINTR)])
@pytest.mark.parametrize("timed", [True, False])
def test_row_signals_futex_wait_of_futex2_restarts_with_a_timeout_too(process, sa_restart, value, timed):
    """[L S5]"""
    task = process.thread()
    deadline = process.until(1) if timed else 0
    assert linux.futex_wait(task, A, 0, ANY, linux.FUTEX_32 | process.flag, deadline, 1) is None
    assert task.interrupt(EINTR, sa_restart=sa_restart) == value


@pytest.mark.parametrize(("sa_restart", "value"), [(True, RESTART), (False, -EINTR)])
@pytest.mark.parametrize("timed", [True, False])
def test_row_signals_futex_waitv_restarts_with_a_timeout_too(process, sa_restart, value, timed):
    task = process.thread()
    flags = linux.FUTEX_32 | process.flag
    vector = process.vector((0, A, flags), (0, B, flags))
    assert linux.futex_waitv(task, vector, 2, 0, process.until(1) if timed else 0, 1) is None
    assert task.interrupt(EINTR, sa_restart=sa_restart) == value
    assert len(process.manager) == 0
