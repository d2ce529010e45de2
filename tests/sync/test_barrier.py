"""Barrier: threads and processes that wait for each other."""

import pickle
import signal
import sys
import threading
from pathlib import Path

import pytest
from expect import oserror
from stress.crew import scaled
from sync.sleeping import SYS_FUTEX_WAITV, inside, sleeps_on, system_call, within

from pyfutex import Memory
from pyfutex.sync import Barrier, BrokenBarrierError, Lock


@pytest.fixture(params=["private", "shared", "robust"])
def make(request, page):
    """Make a barrier of each sort: ``make(parties, action=None, timeout=None)``."""
    if request.param == "private":
        return Barrier
    return lambda parties, action=None, timeout=None: Barrier.create(
        page, parties=parties, action=action, timeout=timeout, robust=request.param == "robust"
    )


def test_the_exception_is_that_of_threading():
    assert BrokenBarrierError is threading.BrokenBarrierError


def test_each_party_gets_an_index_of_its_own(make, spawn):
    barrier = make(4)
    others = [spawn(barrier.wait) for _ in range(3)]
    assert sorted([barrier.wait(), *(other.result() for other in others)]) == [0, 1, 2, 3]
    assert (barrier.parties, barrier.n_waiting, barrier.broken) == (4, 0, False)


def test_the_last_to_arrive_acts_before_the_others_go(make, spawn, wait_until):
    acted = []
    barrier = make(2, lambda: acted.append(threading.get_ident()))
    other = spawn(lambda: (barrier.wait(), list(acted)))
    wait_until(lambda: barrier.n_waiting == 1)
    assert not acted
    assert barrier.wait() == 1
    assert other.result() == (0, [threading.get_ident()])


def test_an_action_that_raises_breaks_the_barrier(make, spawn, wait_until):
    def fail():
        raise ZeroDivisionError

    barrier = make(2, fail)
    other = spawn(barrier.wait)
    wait_until(lambda: barrier.n_waiting == 1)
    with pytest.raises(ZeroDivisionError):
        barrier.wait()
    with pytest.raises(BrokenBarrierError):
        other.result()
    assert barrier.broken


def test_a_timeout_breaks_the_barrier_for_all(make, spawn, wait_until):
    barrier = make(3)
    other = spawn(barrier.wait)
    wait_until(lambda: barrier.n_waiting == 1)
    with pytest.raises(BrokenBarrierError):
        barrier.wait(timeout=0.01)
    with pytest.raises(BrokenBarrierError):
        other.result()
    with pytest.raises(BrokenBarrierError):
        barrier.wait()


@pytest.mark.parametrize("timeout", [0, -1, 0.001])
def test_the_timeout_it_was_made_with(make, timeout):
    with pytest.raises(BrokenBarrierError):
        make(2, timeout=timeout).wait()


def test_a_timeout_that_is_none_counts_nobody_in(make):
    barrier = make(2)
    for timeout, error in [(float("nan"), ValueError), (1e30, OverflowError), ("1", TypeError)]:
        with pytest.raises(error):
            barrier.wait(timeout)
    assert (barrier.n_waiting, barrier.broken) == (0, False)


@pytest.mark.parametrize(
    ("parties", "error"), [(0, ValueError), (-1, ValueError), (1 << 40, ValueError), (1.5, TypeError)]
)
def test_no_such_number_of_parties(make, parties, error):
    with pytest.raises(error):
        make(parties)


def test_reset_sends_away_who_waits_and_makes_it_as_new(make, spawn, wait_until):
    barrier = make(2)
    other = spawn(barrier.wait)
    wait_until(lambda: barrier.n_waiting == 1)
    barrier.reset()
    with pytest.raises(BrokenBarrierError):
        other.result()
    again = spawn(barrier.wait)
    barrier.wait()
    again.result()
    assert not barrier.broken


def test_abort_holds_until_reset(make, spawn, wait_until):
    barrier = make(2)
    other = spawn(barrier.wait)
    wait_until(lambda: barrier.n_waiting == 1)
    barrier.abort()
    with pytest.raises(BrokenBarrierError):
        other.result()
    with pytest.raises(BrokenBarrierError):
        barrier.wait()
    assert "broken" in repr(barrier)
    barrier.reset()
    again = spawn(barrier.wait)
    barrier.wait()
    again.result()


def test_an_interrupt_takes_the_party_out(make, wait_until, handle):
    barrier = make(2)
    me = threading.get_ident()

    def stop():
        raise KeyboardInterrupt

    def interrupt():
        wait_until(lambda: barrier.n_waiting == 1)
        signal.pthread_kill(me, signal.SIGUSR1)

    handle(stop)
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        barrier.wait()
    thread.join()
    assert (barrier.n_waiting, barrier.broken) == (0, False)


def test_a_handler_that_returns_does_not_end_the_wait(make, spawn, wait_until, handle):
    barrier = make(2)
    me = threading.get_ident()
    handled = []
    handle(lambda: handled.append(1))

    def interrupt():
        wait_until(lambda: barrier.n_waiting == 1)
        signal.pthread_kill(me, signal.SIGUSR1)
        wait_until(lambda: handled)
        return barrier.wait()

    other = spawn(interrupt)
    assert barrier.wait() == 0
    assert other.result() == 1


@pytest.mark.parametrize("call", ["wait", "unregister"])
def test_a_handler_may_not_wait_at_the_barrier_that_it_interrupted(page, wait_until, handle, call):
    barrier = Barrier.create(page, parties=3)
    me = threading.get_ident()

    def interrupt():
        wait_until(lambda: barrier.n_waiting == 1)
        signal.pthread_kill(me, signal.SIGUSR1)

    handle(getattr(barrier, call))
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(RuntimeError):
        barrier.wait()
    thread.join()
    assert barrier.n_waiting == 0


def test_a_robust_one_sees_an_action_that_calls_it(page):
    barrier = Barrier.create(page, parties=1, action=lambda: barrier.reset())
    with pytest.raises(RuntimeError):
        barrier.wait()
    assert barrier.broken
    assert Memory(page).load(16) == 0


@pytest.mark.parametrize("call", ["wait", "reset", "abort", "register", "unregister"])
def test_an_interrupt_ends_a_wait_for_the_action_of_another(make, request, spawn, handle, interrupt, call):
    if "register" in call and "robust" not in request.node.name:
        pytest.skip("only a robust one registers")
    acts, end = threading.Event(), threading.Event()

    def act():
        acts.set()
        end.wait()

    def stop():
        raise KeyboardInterrupt

    barrier = make(1, act)
    other = spawn(barrier.wait)
    acts.wait()
    handle(stop)
    interrupting = spawn(interrupt, barrier, threading.current_thread())
    with pytest.raises(KeyboardInterrupt):
        getattr(barrier, call)()
    interrupting.result()
    end.set()
    assert other.result() == 0
    assert (barrier.n_waiting, barrier.broken) == (0, False)


def test_no_handler_runs_in_a_party_that_was_woken_and_waits_for_the_action(
    make, request, page, spawn, wait_until, handle
):
    acts, handled = [], []
    is_robust = "robust" in request.node.name
    me = threading.current_thread()
    status = Path(f"/proc/self/task/{me.native_id}/status")

    def n_sleeps():
        return int(status.read_text().partition("\nvoluntary_ctxt_switches:")[2].split()[0])

    def sleeps_for_the_action():
        return sleeps_on(me.native_id, inside(barrier), within(page))

    def act():
        acts.append(True)
        signal.pthread_kill(me.ident, signal.SIGUSR1)
        wait_until(lambda: handled and sleeps_for_the_action())
        before = n_sleeps()
        signal.pthread_kill(me.ident, signal.SIGUSR1)
        wait_until(lambda: n_sleeps() > before and sleeps_for_the_action())
        acts.clear()

    def sleeps_for_the_others():
        # A robust one sleeps on several words.
        several = system_call("self", me.native_id)[:1] == [str(SYS_FUTEX_WAITV)]
        return barrier.n_waiting == 1 and (several or sleeps_for_the_action())

    def come():
        # Else the first would be woken to watch the place of the second.
        if is_robust:
            barrier.register()
        wait_until(sleeps_for_the_others)
        index = barrier.wait()
        if is_robust:
            barrier.unregister()
        return index

    barrier = make(2, act)
    handle(lambda: handled.append(bool(acts)))
    other = spawn(come)
    assert barrier.wait() == 0
    assert other.result() == 1
    assert handled == [True, False]


# --- where it lies -----------------------------------------------------------------------------------------------------


def test_attach_finds_the_parties(page, spawn):
    barrier = Barrier.create(page, 64, parties=2)
    other = Barrier.attach(page, 64, action=lambda: None, timeout=60)
    assert other.parties == 2
    waiting = spawn(barrier.wait)
    other.wait()
    waiting.result()
    with oserror(17, FileExistsError):
        Barrier.create(page, 64, parties=2)


def test_what_is_no_barrier(page):
    with pytest.raises(ValueError, match="no Barrier has been created"):
        Barrier.attach(page)
    Lock.create(page)
    with pytest.raises(ValueError, match="a Lock, not a Barrier"):
        Barrier.attach(page)
    with pytest.raises(ValueError, match="multiple of 8"):
        Barrier.create(page, 132, parties=2)
    with pytest.raises(ValueError, match="more than a buffer"):
        Barrier.create(page, 128, parties=127)
    assert bytes(page[128:]) == bytes(len(page) - 128)
    page[64:72] = b"overhere"
    with pytest.raises(ValueError, match="not of pyfutex"):
        Barrier.create(page, 64, parties=2)


@pytest.mark.parametrize("number", [0, 127, 0xFFFFFFFF])
def test_a_number_that_cannot_be(page, number):
    Barrier.create(page, parties=2)
    page[4:8] = number.to_bytes(4, sys.byteorder)
    with pytest.raises(ValueError):
        Barrier.attach(page)


def test_words_that_were_written_over_are_a_broken_barrier(page):
    barrier = Barrier.create(page, parties=2)
    page[64:80] = b"\xff" * 16
    assert barrier.broken
    assert barrier.n_waiting == 0
    with pytest.raises(BrokenBarrierError):
        barrier.wait()


def test_size(page):
    assert [Barrier.size(n) for n in (1, 2, 30)] == [192, 256, Barrier.SIZE]
    assert bytes(page[:]) == bytes(len(page))
    Barrier.create(page, parties=2)
    Barrier.create(page, Barrier.size(2), parties=(len(page) - Barrier.size(2) - 128) // 64)


def test_the_most_parties(page):
    assert Barrier.size(1 << 20) == 128 + 64 * (1 << 20)
    with pytest.raises(ValueError, match="at most 1048576"):
        Barrier.size((1 << 20) + 1)
    Barrier.create(page, len(page) - 128, parties=1 << 20, robust=False)
    assert Barrier.attach(page, len(page) - 128).parties == 1 << 20


@pytest.mark.parametrize("robust", [False, True])
def test_its_words_are_those_of_the_documentation(page, spawn, wait_until, robust):
    memory, seen = Memory(page), []

    def words():
        return tuple(memory.load(at) for at in range(64, 80, 4))

    def is_held():
        return memory.load(16) != 0

    barrier = Barrier.create(page, parties=2, action=lambda: seen.append((words(), is_held())), robust=robust)
    assert words() == (0, 0, 0, 0)
    other = spawn(barrier.wait)
    wait_until(lambda: words() == (0, 1, 0, robust) and not is_held())
    barrier.wait()
    other.result()
    assert seen == [((0, 2, 0, 2 * robust), True)]
    assert words() == (0, 0, 2, 2 * robust)
    barrier.abort()
    assert words() == (3, 0, 3, 2 * robust)
    assert not is_held()


def test_repr(make, request):
    barrier = make(2)
    where = "" if "private" in request.node.name else ", shared, offset=0"
    assert repr(barrier) == f"<sync.Barrier at {id(barrier):#x}{where}: waiters=0/2>"
    barrier.abort()
    assert repr(barrier) == f"<sync.Barrier at {id(barrier):#x}{where}: broken>"


def test_it_is_not_copied(page):
    with pytest.raises(TypeError):
        pickle.dumps(Barrier.create(page, parties=2))


# --- many at once ------------------------------------------------------------------------------------------------------


@pytest.mark.stress
def test_nobody_is_a_turn_ahead(make, spawn):
    n, turns = 4, scaled(300)
    barrier = make(n)
    reached = [0] * n

    def run(me):
        for turn in range(1, turns + 1):
            reached[me] = turn
            barrier.wait()
            assert all(turn <= other <= turn + 1 for other in reached), (me, turn, reached)

    for running in [spawn(run, me) for me in range(n)]:
        running.result()


@pytest.mark.stress
def test_of_more_threads_than_parties_each_turn_has_as_many_as_it_needs(make, spawn, wait_until):
    barrier = make(3)
    indices = []

    def run():
        try:
            while True:
                indices.append(barrier.wait())
        except BrokenBarrierError:
            pass

    running = [spawn(run) for _ in range(6)]
    wait_until(lambda: len(indices) >= scaled(600))
    barrier.abort()
    for each in running:
        each.result()
    # Of the last turn, some may have found it broken on their way out.
    counts = [indices.count(index) for index in range(3)]
    assert sum(counts) == len(indices)
    assert max(counts) - min(counts) <= 1


@pytest.mark.stress
def test_reset_and_abort_at_any_moment_leave_nobody_behind(make, spawn):
    barrier = make(3)
    stop = threading.Event()

    def run():
        passed = 0
        while not stop.is_set():
            try:
                barrier.wait()
                passed += 1
            except BrokenBarrierError:
                pass
        return passed

    running = [spawn(run) for _ in range(3)]
    for turn in range(scaled(600)):
        if turn % 3 == 0:
            barrier.abort()
        barrier.reset()
    stop.set()
    while not all(each.done for each in running):
        barrier.abort()
    for each in running:
        each.result()
    barrier.reset()
    assert (barrier.n_waiting, barrier.broken) == (0, False)
