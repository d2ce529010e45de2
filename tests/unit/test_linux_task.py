"""pyfutex.linux.Task: how a blocked call ends, how it goes on after a signal, and what an exit leaves behind."""

import gc
import pickle
import threading
import weakref
from errno import EAGAIN, EFAULT, EINTR, EIO, ETIMEDOUT

import pytest
from guests import BASE, KINDS, PAGE, TIME, WORD, Guest, flat, pages
from sync.sleeping import sleeps

import pyfutex
from pyfutex import CLOCK_MONOTONIC, CompletionQueue, Manager, WaiterState
from pyfutex.linux import (
    FUTEX_PRIVATE_FLAG,
    FUTEX_WAIT,
    FUTEX_WAIT_BITSET,
    FUTEX_WAKE,
    RESTART,
    Task,
    futex,
    restart_syscall,
)

PRIVATE = FUTEX_PRIVATE_FLAG


@pytest.fixture(params=KINDS)
def guest(request):
    """A process with memory of each kind."""
    return Guest(KINDS[request.param]())


def block(task, timeout=0, op=FUTEX_WAIT):
    """Have it wait on a word of 0."""
    assert futex(task, WORD, op | PRIVATE, 0, timeout, 0, 1) is None


def wake(guest, n=1):
    """Wake as a task that is there for this alone."""
    waker = guest.task(2**30 - 1)
    try:
        return futex(waker, WORD, FUTEX_WAKE | PRIVATE, n)
    finally:
        waker.exit()


# --- a task ---------------------------------------------------------------------------------------------------------


def test_a_thread_id_is_one_living_tasks(guest):
    first = guest.task(5)
    with pytest.raises(ValueError, match="5"):
        guest.task(5)
    with pytest.raises(ValueError, match="5"):
        Task(5, flat(), guest.manager.fork())
    first.exit()
    assert not first.alive
    assert guest.task(5).alive


def test_other_families_have_thread_ids_of_their_own(guest):
    assert guest.task(5).tid == Task(5, guest.mem, Manager()).tid


@pytest.mark.parametrize("tid", [0, -1, 2**30, 2**64 + 1])
def test_what_is_no_thread_id(tid):
    with pytest.raises(ValueError, match="tid"):
        Guest(flat()).task(tid)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"abi": "x32"}, ValueError),
        ({"priority": 100}, ValueError),
        ({"priority": -1}, ValueError),
        ({"on_complete": 1}, TypeError),
        ({"now": 1}, TypeError),
        ({"queue": 1}, TypeError),
    ],
)
def test_a_task_refuses_options(options, error):
    guest = Guest(flat())
    with pytest.raises(error):
        guest.task(1, **options)
    assert guest.task(1).alive


def test_a_task_that_is_gone_is_collected():
    guest = Guest(flat())
    task = guest.task(1)
    reference = weakref.ref(task)
    task.exit()
    del task
    gc.collect()
    assert reference() is None


# --- how a call ends ------------------------------------------------------------------------------------------------


def test_a_callback_is_told_the_end(guest):
    told = []
    tasks = [guest.task(i, on_complete=lambda task, value: told.append((task, value))) for i in (1, 2)]
    for task in tasks:
        block(task)
    assert wake(guest, 2) == 2
    assert told == [(tasks[0], 0), (tasks[1], 0)]
    assert tasks[0].interrupt() is None


def test_a_callback_may_make_calls(guest):
    told = []

    def wait_again(task, value):
        told.append(value)
        block(task)

    task = guest.task(1, on_complete=wait_again)
    block(task)
    assert wake(guest) == 1
    assert task.blocked
    assert wake(guest) == 1
    assert told == [0, 0]


def test_a_queue_is_told_the_end(guest):
    queue = CompletionQueue()
    task = guest.task(1, queue=queue)
    block(task)
    assert queue.empty()
    wake(guest)
    assert task.interrupt() is None
    waiter = queue.get(0)
    assert (waiter.tag, waiter.result, waiter.state) == (task, 0, WaiterState.DONE)
    block(task)


def test_a_queue_runs_the_callback(guest):
    queue = CompletionQueue()
    told = []
    task = guest.task(1, queue=queue, on_complete=lambda task, value: told.append((task, value)))
    block(task)
    wake(guest)
    assert told == []
    assert queue.run() == 1
    assert told == [(task, 0)]


def test_an_interrupt_tells_the_end_once(guest):
    task = guest.task()
    assert task.interrupt() is None
    block(task)
    assert task.interrupt(EIO) == -EIO
    assert task.interrupt(EIO) is None
    assert task.result() == -EIO
    assert len(guest.manager) == 0
    assert wake(guest) == 0


@pytest.mark.parametrize("error", [EINTR, ETIMEDOUT])
def test_who_was_woken_was_woken(guest, error):
    task = guest.task()
    block(task, guest.timespec(1000, 0))
    wake(guest)
    assert task.interrupt(error) == 0
    assert task.interrupt(error) is None
    assert task.result() == 0


@pytest.mark.parametrize("error", [0, -4, 4096])
def test_an_interrupt_takes_an_errno(guest, error):
    task = guest.task()
    block(task)
    with pytest.raises(ValueError, match="errno"):
        task.interrupt(error)
    assert task.blocked


def test_a_task_is_in_one_call_at_a_time(guest):
    task = guest.task()
    block(task, guest.timespec(1000, 0))
    deadline = task.deadline
    with pytest.raises(RuntimeError):
        futex(task, WORD, FUTEX_WAIT | PRIVATE, 0)
    assert task.deadline == deadline


def test_a_task_that_has_exited_does_not_block(guest):
    task = guest.task()
    task.exit()
    with pytest.raises(RuntimeError):
        futex(task, WORD, FUTEX_WAIT | PRIVATE, 0)


# --- after a signal -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", [FUTEX_WAIT, FUTEX_WAIT_BITSET])
@pytest.mark.parametrize(("sa_restart", "value"), [(False, -EINTR), (True, RESTART)])
def test_a_wait_without_a_timeout_restarts_as_the_handler_says(guest, op, sa_restart, value):
    task = guest.task()
    block(task, op=op)
    assert task.interrupt(sa_restart=sa_restart) == value
    assert restart_syscall(task) == -EINTR


@pytest.mark.parametrize("sa_restart", [False, True])
@pytest.mark.parametrize("op", [FUTEX_WAIT, FUTEX_WAIT_BITSET])
def test_a_wait_with_a_timeout_does_not(guest, op, sa_restart):
    task = guest.task(now=lambda clock: 1)
    block(task, guest.timespec(1000, 0), op)
    deadline = task.deadline
    assert task.interrupt(sa_restart=sa_restart) == -EINTR
    # Where no handler ran, it goes on, until the same time.
    guest.timespec(5, 5)
    assert restart_syscall(task) is None
    assert task.deadline == deadline
    assert wake(guest) == 1
    assert restart_syscall(task) == -EINTR


def test_what_restarts_compares_again(guest):
    task = guest.task()
    block(task, guest.timespec(1000, 0))
    assert task.interrupt() == -EINTR
    guest.store(WORD, 1)
    assert restart_syscall(task) == -EAGAIN
    assert restart_syscall(task) == -EINTR


def test_what_restarts_may_have_timed_out_meanwhile(guest):
    clock = [0]
    task = guest.task(now=lambda _: clock[0])
    block(task, guest.timespec(1, 0))
    assert task.interrupt() == -EINTR
    clock[0] = 10**9
    assert restart_syscall(task) == -ETIMEDOUT


def test_a_timeout_is_no_signal(guest):
    task = guest.task()
    block(task, guest.timespec(1000, 0))
    assert task.interrupt(ETIMEDOUT) == -ETIMEDOUT
    assert restart_syscall(task) == -EINTR


# --- guests whose threads are threads of the host -------------------------------------------------------------------


def sleep_in(task, **options):
    """A thread that waits for the end of the call in which `task` is blocked, and where its value goes."""
    values = []
    thread = threading.Thread(target=lambda: values.append(task.result(**options)), daemon=True)
    thread.start()
    return thread, values


def test_a_thread_sleeps_until_it_is_woken(guest):
    task = guest.task()
    block(task)
    thread, values = sleep_in(task)
    assert wake(guest) == 1
    thread.join()
    assert values == [0]


def test_two_threads_do_not_sleep_on_one_task(guest, wait_until):
    task = guest.task()
    block(task)
    thread, values = sleep_in(task)
    wait_until(lambda: sleeps("self", thread.native_id))
    with pytest.raises(RuntimeError, match="another thread sleeps"):
        task.result()
    assert wake(guest) == 1
    thread.join()
    assert values == [0]


def test_a_task_cannot_be_pickled(guest):
    with pytest.raises(TypeError, match="guest thread"):
        pickle.dumps(guest.task())


def test_a_thread_sleeps_until_it_is_interrupted(guest):
    task = guest.task()
    block(task)
    thread, values = sleep_in(task)
    assert task.interrupt(sa_restart=True) == RESTART
    thread.join()
    assert values == [RESTART]


def test_a_thread_sleeps_until_the_guests_deadline(guest):
    task = guest.task()
    block(task, guest.timespec(0, 2_000_000))
    assert task.result() == -ETIMEDOUT
    assert not task.blocked
    assert task.result() == -ETIMEDOUT


def test_a_thread_sleeps_no_longer_than_it_said(guest):
    task = guest.task()
    block(task)
    with pytest.raises(TimeoutError):
        task.result(0.002)
    assert task.blocked
    assert wake(guest) == 1
    assert task.result(0) == 0


def test_there_is_no_result_without_a_call(guest):
    with pytest.raises(RuntimeError):
        guest.task().result()


# --- exit -----------------------------------------------------------------------------------------------------------

TID = BASE + 512


def test_an_exit_leaves_the_queue(guest):
    told = []
    task = guest.task(on_complete=lambda *end: told.append(end))
    block(task)
    task.exit()
    assert len(guest.manager) == 0
    assert not task.blocked
    assert told == []
    task.exit()


def test_an_exit_clears_the_thread_id_and_wakes_who_joins(guest):
    task, joiners = guest.task(1), [guest.task(2), guest.task(3)]
    guest.store(TID, 1)
    task.clear_child_tid = TID
    for joiner in joiners:
        assert futex(joiner, TID, FUTEX_WAIT, 1) is None
    task.exit()
    assert guest.load(TID) == 0
    assert [joiner.blocked for joiner in joiners] == [False, True]


def test_an_exit_wakes_as_shared(guest):
    task, joiner = guest.task(1), guest.task(2)
    guest.store(TID, 1)
    task.clear_child_tid = TID
    assert futex(joiner, TID, FUTEX_WAIT | PRIVATE, 1) is None
    task.exit()
    assert joiner.blocked


def test_the_last_task_of_a_memory_clears_nothing(guest):
    task = guest.task(1)
    Task(2, flat(), guest.manager)
    guest.store(TID, 1)
    task.clear_child_tid = TID
    task.exit()
    assert guest.load(TID) == 1


@pytest.mark.parametrize(
    "addr", [BASE - 4, BASE + PAGE, TID + 2, BASE + PAGE - 2, 2**63, 2**64 - 1, (1 << 47) - 4]
)
def test_an_exit_passes_over_what_cannot_be_written(guest, addr):
    task, other = guest.task(1), guest.task(2)
    guest.store(TID, 0x01020304, 0x05060708)
    task.clear_child_tid = addr
    task.exit()
    assert not task.alive
    assert other.alive
    expected = (0x0304, 0x05060000) if addr == TID + 2 else (0x01020304, 0x05060708)
    assert (guest.load(TID), guest.load(TID + 4)) == expected


def test_an_exit_does_not_write_where_it_may_not():
    space = pyfutex.AddressSpace()
    buffer = pages()
    space.map(BASE, buffer, writable=False)
    buffer[:] = b"\x55" * PAGE
    guest = Guest(space)
    task, _other = guest.task(1), guest.task(2)
    task.clear_child_tid = TID
    task.exit()
    assert bytes(buffer) == b"\x55" * PAGE


def test_a_deadline_is_in_nanoseconds(guest):
    task = guest.task(now=lambda _: 3)
    block(task, guest.timespec(1, 1, TIME))
    assert task.deadline == (CLOCK_MONOTONIC, 1_000_000_004)
    task.interrupt()
    assert task.deadline is None


def test_address_limit_is_where_the_kernel_begins():
    guest = Guest(flat())
    task = Task(7, guest.mem, guest.manager, address_limit=1 << 48)
    assert futex(task, (1 << 48) - 4, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1) == 0
    assert futex(task, (1 << 48) + 4, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1) == -EFAULT
    with pytest.raises(ValueError, match="address_limit"):
        Task(8, guest.mem, guest.manager, address_limit=-1)
