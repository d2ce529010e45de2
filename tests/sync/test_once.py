"""Once: done by whoever comes first, tried again after a failure or a death, and never twice."""

import errno
import multiprocessing
import os
import signal
import threading

import pytest
from expect import oserror
from sync import children
from sync.sleeping import sleeps_on, sleeps_on_shared, within

from pyfutex import sync

MOST_HELD = 1024

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def test_the_first_call_does_it_and_no_other(make):
    once, done = make(sync.Once), []
    assert once.done is False
    assert once.call(lambda: done.append(1)) is True
    assert once.done is True
    assert once.call(lambda: done.append(2)) is False
    assert done == [1]


def test_the_others_wait_until_it_is_done(make, spawn, asleep):
    once, may_go_on, began, done = make(sync.Once), threading.Event(), threading.Event(), []

    def do():
        began.set()
        assert may_go_on.wait(50)
        done.append(True)

    first = spawn(once.call, do)
    assert began.wait(50)
    others = [spawn(once.call, do) for _ in range(3)]
    asleep(once, *others)
    may_go_on.set()
    assert first.result() is True
    assert [each.result() for each in others] == [False] * 3
    assert done == [True]


def test_one_that_raises_lets_the_next_try(make):
    once = make(sync.Once)

    def fail():
        raise KeyError

    for _ in range(2):
        with pytest.raises(KeyError):
            once.call(fail)
        assert not once.done
    assert once.call(lambda: None) is True
    assert once.done


def test_a_call_from_inside_is_refused(make):
    once = make(sync.Once)
    with pytest.raises(RuntimeError, match="calls itself"):
        once.call(lambda: once.call(lambda: None))
    assert not once.done

    def tries():
        with pytest.raises(RuntimeError, match="calls itself"):
            once.call(lambda: None)

    assert once.call(tries) is True
    assert once.done


def test_what_is_not_callable_is_not_done(make):
    once = make(sync.Once)
    with pytest.raises(TypeError):
        once.call(None)
    assert not once.done
    assert once.call(lambda: None)


def test_ctrl_c_ends_a_wait(make, spawn, interrupt):
    once, may_go_on, began = make(sync.Once), threading.Event(), threading.Event()

    def do():
        began.set()
        assert may_go_on.wait(50)

    runner = spawn(once.call, do)
    assert began.wait(50)
    sender = spawn(interrupt, once, threading.main_thread(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        once.call(lambda: None)
    sender.result()
    may_go_on.set()
    assert runner.result() is True
    assert once.call(lambda: None) is False


def test_ctrl_c_in_the_function_leaves_it_undone(make):
    once = make(sync.Once)
    with pytest.raises(KeyboardInterrupt):
        once.call(lambda: signal.raise_signal(signal.SIGINT))
    assert once.call(lambda: None) is True


def test_one_process_does_it_for_all(page, fork, wait_until):
    once, go, done = (
        sync.Once.create(page),
        sync.Event.create(page, 128),
        sync.Semaphore.create(page, 256, value=0),
    )

    def do():
        done.release()
        assert go.wait()

    workers = [fork(lambda: once.call(do) in (True, False)) for _ in range(4)]
    wait_until(lambda: all(child.is_asleep() for child in workers))
    go.set()
    for child in workers:
        wait_until(child.has_ended)
        assert child.status == 0
    assert done.acquire(False)
    assert not done.acquire(False)
    assert once.done


def test_a_spawned_child_sees_that_it_is_done(tmp_path):
    path = tmp_path / "segment"
    path.write_bytes(bytes(4096))
    once = sync.Once.create(children.mapped(path))
    process = multiprocessing.get_context("spawn").Process
    child = process(target=children.call, args=(path, "Once", "call", int))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert once.done
    child = process(target=children.call, args=(path, "Once", "call", int))
    child.start()
    child.join()
    assert child.exitcode == 1


@pytest.fixture
def heir(page, fork, wait_until, spawn, asleep):
    """A function: have one call sleep behind a runner that is killed then; the Once, and its `Running`."""

    def start(call):
        once, began = sync.Once.create(page), sync.Event.create(page, 128)

        def never_done():
            began.set()
            signal.pause()

        runner = fork(lambda: once.call(never_done))
        assert began.wait(50)
        waiting = spawn(once.call, call)
        asleep(once, waiting)
        runner.send(signal.SIGKILL)
        wait_until(runner.has_ended)
        return once, waiting

    return start


def test_a_waiter_takes_over_from_a_killed_runner(heir):
    once, waiting = heir(lambda: None)
    assert waiting.result() is True
    assert once.done


def test_who_slept_and_takes_over_may_fail_too(heir):
    once, waiting = heir(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        waiting.result()
    assert once.call(int) is True


def test_a_thread_that_holds_too_many_locks_does_nothing(page, spawn):
    once = sync.Once.create(page)
    memory = bytearray(64 * MOST_HELD)
    locks = [sync.Lock.create(memory, 64 * i) for i in range(MOST_HELD)]

    def hold_too_many():
        for lock in locks:
            lock.acquire()
        with oserror(errno.ENOLCK):
            once.call(pytest.fail)
        for lock in locks:
            lock.release()
        return once.call(int)

    assert spawn(hold_too_many).result() is True


def test_a_dead_runner_that_nobody_waited_for_is_found_out(page, fork, wait_until):
    once = sync.Once.attach(page)
    runner = fork(lambda: once.call(lambda: os._exit(3)))
    wait_until(runner.has_ended)
    assert runner.status == 3
    assert not once.done
    assert once.call(lambda: None) is True


def test_a_handler_that_raises_when_the_runner_dies_leaves_it_to_others(
    page, fork, wait_until, spawn, handle
):
    once, began = sync.Once.create(page), sync.Event.create(page, 128)

    def never_done():
        began.set()
        signal.pause()

    def fail():
        raise KeyError

    def die_while_a_signal_is_pending():
        # Sent to this thread, so that the main thread goes on sleeping until the runner's death wakes it.
        wait_until(lambda: sleeps_on(threading.main_thread().native_id, within(page)))
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        runner.send(signal.SIGKILL)

    handle(fail)
    runner = fork(lambda: once.call(never_done))
    assert began.wait(50)
    killer = spawn(die_while_a_signal_is_pending)
    with pytest.raises(KeyError):
        once.call(int)
    killer.result()
    assert spawn(once.call, int).result() in (True, False)
    assert once.done


def test_who_takes_over_may_fail_too(page, fork, wait_until):
    once = sync.Once.create(page)
    for _ in range(2):
        runner = fork(lambda: once.call(lambda: os._exit(3)))
        wait_until(runner.has_ended)
        with pytest.raises(ZeroDivisionError):
            once.call(lambda: 1 / 0)
    assert once.call(lambda: None) is True


def test_a_killed_waiter_hinders_nobody(page, fork, wait_until, spawn, asleep):
    once, may_go_on, began = sync.Once.create(page), threading.Event(), threading.Event()

    def do():
        began.set()
        assert may_go_on.wait(50)

    runner = spawn(once.call, do)
    assert began.wait(50)
    child = fork(lambda: once.call(int))
    wait_until(lambda: sleeps_on_shared(child.pid))
    survivor = spawn(once.call, int)
    asleep(once, survivor)
    child.send(signal.SIGKILL)
    wait_until(child.has_ended)
    may_go_on.set()
    assert runner.result() is True
    assert survivor.result() is False


def test_a_child_that_the_function_forks_has_not_done_it(page, wait_until):
    once = sync.Once.create(page)
    children_made = []

    def fork_inside():
        children_made.append(os.fork())

    try:
        done = once.call(fork_inside)
    except RuntimeError as error:
        if children_made[0] == 0:
            os._exit("forked" not in str(error))
        raise
    if children_made[0] == 0:
        os._exit(9)
    assert done is True
    _, status = os.waitpid(children_made[0], 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert once.done


def test_a_private_one_in_a_child_goes_on_by_itself(fork, wait_until):
    once = sync.Once()
    child = fork(lambda: once.call(lambda: None))
    wait_until(child.has_ended)
    assert child.status == 0
    assert once.call(lambda: None) is True


def test_racing_calls_do_it_once(make, spawn):
    for _ in range(100):
        once, done = sync.Once(), []
        callers = [spawn(once.call, lambda: done.append(1)) for _ in range(3)]
        assert sorted(each.result() for each in callers) == [False, False, True]
        assert done == [1]
