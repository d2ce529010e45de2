"""Barrier: what becomes of the others when a party ends, in whatever way."""

import mmap
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from errno import ENOLCK, ENOSYS, EPERM

import pytest
from expect import oserror
from life.filtered import NOT_PERMITTED, refuse
from stress.crew import scaled
from sync.sleeping import SYS_FUTEX_WAITV, system_call
from unit.kernel_features import needs

from pyfutex.sync import Barrier, BrokenBarrierError, Lock

WAITERS = 0x80000000
OWNER_DIED = 0x40000000


def is_broken_for(barrier):
    """What a child does that is to find the barrier broken."""
    try:
        barrier.wait()
    except BrokenBarrierError:
        return True
    return False


def test_forked_children_meet(page, fork, wait_until):
    barrier = Barrier.create(page, parties=3)
    children = [fork(lambda: all(barrier.wait() < 3 for _ in range(20))) for _ in range(2)]
    for _ in range(20):
        barrier.wait()
    for child in children:
        wait_until(child.has_ended)
        assert child.status == 0


UNRELATED = """
import mmap, sys
from pyfutex.sync import Barrier, BrokenBarrierError
file = open(sys.argv[1], "r+b")
barrier = Barrier.attach(mmap.mmap(file.fileno(), 0))
"""


@pytest.fixture
def in_file(tmp_path):
    """A barrier of three parties in a file, and how to start a program that has it, too."""
    path = tmp_path / "barrier"
    path.write_bytes(bytes(4096))
    with path.open("r+b") as file:
        memory = mmap.mmap(file.fileno(), 0)
    return Barrier.create(memory, parties=3), lambda body: subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", UNRELATED + body, path], stdin=subprocess.PIPE
    )


def test_unrelated_programs_meet(in_file):
    barrier, start = in_file
    programs = [start("print(barrier.wait())") for _ in range(2)]
    barrier.wait()
    for program in programs:
        program.communicate()
        assert program.returncode == 0


@pytest.mark.parametrize(
    "ending", ["", "sys.exit(3)", "1/0", "del barrier", "import os; os._exit(1)", "os.kill(os.getpid(), 9)"]
)
def test_a_registered_program_that_ends_breaks_the_barrier(in_file, ending, spawn, wait_until):
    barrier, start = in_file
    program = start(f"import os; barrier.register(); barrier.wait(); sys.stdin.readline(); {ending}")
    first = spawn(barrier.wait)
    barrier.wait()
    first.result()
    waiting = spawn(barrier.wait)
    wait_until(lambda: barrier.n_waiting == 1)
    program.communicate(b"\n")
    with pytest.raises(BrokenBarrierError):
        waiting.result()


def test_a_registered_thread_whose_id_is_gone_with_an_exec_breaks_the_barrier(in_file, spawn, wait_until):
    barrier, start = in_file
    # Not the first of its process: the kernel looks for what another one has.
    program = start(
        "import os, threading\n"
        "def end():\n"
        "    barrier.register()\n"
        "    barrier.wait()\n"
        "    os.execv(sys.executable, [sys.executable, '-c', 'input()'])\n"
        "threading.Thread(target=end).start()\n"
    )
    first = spawn(barrier.wait)
    barrier.wait()
    first.result()
    waiting = spawn(barrier.wait)
    with pytest.raises(BrokenBarrierError):
        waiting.result()
    program.communicate(b"\n")


def test_a_party_that_is_killed_while_it_waits_breaks_the_barrier(page, fork, wait_until):
    barrier = Barrier.create(page, parties=5)
    children = [fork(lambda: is_broken_for(barrier)) for _ in range(4)]
    wait_until(lambda: barrier.n_waiting == 4 and all(child.is_asleep() for child in children))
    children[1].kill()
    for child in children:
        wait_until(child.has_ended)
    assert [child.status for child in children] == [0, -signal.SIGKILL, 0, 0]
    assert barrier.broken
    # Nobody is counted any more, and not the dead one.
    assert struct.unpack_from("I", page, 68)[0] == 0
    with pytest.raises(BrokenBarrierError):
        barrier.wait()


def slot_words(page):
    """The words of the slots that are taken or dead."""
    words = [struct.unpack_from("I", page, at + 16)[0] for at in range(128, len(page), 64)]
    return [word for word in words if word & ~WAITERS]


def test_each_party_that_waits_is_watched_by_another(page, fork, wait_until):
    barrier = Barrier.create(page, parties=5)
    for n in range(1, 5):
        child = fork(lambda: is_broken_for(barrier))
        wait_until(child.is_asleep)
        # One alone has nobody to watch it; all others have, the last to come included.
        wait_until(lambda: sum(word & WAITERS != 0 for word in slot_words(page)) == (n if n > 1 else 0))


def n_watched(child):
    """How many words a child sleeps on, of those that futex_waitv is told."""
    call = system_call(child.pid, child.pid)
    return int(call[2], 16) if call[:1] == [str(SYS_FUTEX_WAITV)] else 0


@needs["waitv"]
def test_each_party_sleeps_on_two_words_and_on_the_places_of_all_others(page, fork, wait_until):
    barrier = Barrier.create(page, parties=5)
    children = []
    for n in range(1, 5):
        children.append(fork(lambda: is_broken_for(barrier)))
        wait_until(children[-1].is_asleep)
        assert n_watched(children[-1]) == 2 + n - 1
        # Of those who slept already, one was woken to watch the last to come, too.
        wait_until(lambda n=n: sum(n_watched(child) == 2 + n - 1 for child in children) >= min(n, 2))


@needs["waitv"]
@pytest.mark.parametrize("victim", [0, 1])
def test_a_death_is_told_by_the_kernel_and_not_found_by_the_second_look(page, fork, wait_until, victim):
    """A second look comes after a second: of many deaths, one is heard of sooner, however busy the machine is."""
    barrier = Barrier.create(page, parties=3)
    for _ in range(20):
        children = []
        for n in (1, 2):
            children.append(fork(lambda: is_broken_for(barrier)))
            wait_until(lambda n=n: barrier.n_waiting == n and children[-1].is_asleep())
        begun = time.monotonic()
        children[victim].kill()
        wait_until(children[1 - victim].has_ended)
        is_told = time.monotonic() - begun < 0.5
        assert children[1 - victim].status == 0
        barrier.reset()
        if is_told:
            return
    pytest.fail("of 20 deaths each was heard of by the second look")


@pytest.mark.parametrize("error", [ENOSYS, EPERM])
def test_where_the_kernel_watches_one_word_only_a_death_is_found_by_the_second_look(
    page, fork, wait_until, error
):
    barrier = Barrier.create(page, parties=3)

    def wait():
        if not refuse("new", error):
            os._exit(NOT_PERMITTED)
        return is_broken_for(barrier)

    children = [fork(wait) for _ in range(2)]
    wait_until(
        lambda: all(child.has_ended() or (barrier.n_waiting == 2 and child.is_asleep()) for child in children)
    )
    if children[0].status == NOT_PERMITTED:
        pytest.skip("no system-call filter may be installed here")
    assert [n_watched(child) for child in children] == [0, 0]
    children[0].kill()
    wait_until(children[1].has_ended)
    assert children[1].status == 0


def test_of_many_that_are_killed_at_once_the_last_one_hears(page, fork, wait_until):
    barrier = Barrier.create(page, parties=8)
    for survivor in range(7):
        children = [fork(lambda: is_broken_for(barrier)) for _ in range(7)]
        wait_until(lambda: barrier.n_waiting == 7 and all(child.is_asleep() for child in children))
        for child in children:
            if child is not children[survivor]:
                child.send(signal.SIGKILL)
        for child in children:
            wait_until(child.has_ended)
        assert children[survivor].status == 0
        barrier.reset()
        assert (barrier.n_waiting, barrier.broken, slot_words(page)) == (0, False, [])


def test_a_death_that_one_sleep_cannot_watch_for_is_found_all_the_same(fork, wait_until):
    page = mmap.mmap(-1, Barrier.size(200))
    barrier = Barrier.create(page, parties=200)
    # Taken, as by a thread that lives on.
    taken = [128 + slot * 64 + 16 for slot in range(150)]
    for at in taken:
        struct.pack_into("I", page, at, os.getpid())
    children = [fork(lambda: is_broken_for(barrier)) for _ in range(2)]
    wait_until(lambda: barrier.n_waiting == 2 and all(child.is_asleep() for child in children))
    children[0].kill()
    wait_until(children[1].has_ended)
    assert children[1].status == 0
    for at in taken:
        struct.pack_into("I", page, at, 0)


def test_whoever_is_killed_with_the_mutex_breaks_the_barrier(page, fork, wait_until):
    barrier = Barrier.create(page, parties=2)
    waiting = fork(lambda: is_broken_for(barrier))
    wait_until(waiting.is_asleep)
    # The action is called with the mutex held.
    suicidal = Barrier.attach(page, action=lambda: os.kill(os.getpid(), signal.SIGKILL))
    killed = fork(suicidal.wait)
    wait_until(killed.has_ended)
    wait_until(waiting.has_ended)
    assert (killed.status, waiting.status) == (-signal.SIGKILL, 0)
    barrier.reset()
    again = fork(lambda: barrier.wait() == 0)
    wait_until(again.is_asleep)
    assert barrier.wait() == 1
    wait_until(again.has_ended)
    assert again.status == 0


def test_a_mutex_whose_owner_died_outside_of_wait_breaks_the_barrier(page, fork, wait_until):
    barrier = Barrier.create(page, parties=2)
    waiting = fork(lambda: is_broken_for(barrier))
    wait_until(waiting.is_asleep)
    struct.pack_into("I", page, 16, OWNER_DIED)
    with pytest.raises(BrokenBarrierError):
        barrier.register()
    wait_until(waiting.has_ended)
    assert waiting.status == 0
    barrier.reset()
    assert (barrier.n_waiting, barrier.broken) == (0, False)


def test_who_is_killed_on_its_way_out_does_not_keep_the_barrier_shut(page, fork, wait_until):
    barrier = Barrier.create(page, parties=2)
    slow = fork(lambda: barrier.wait() == 0)
    wait_until(slow.is_asleep)
    slow.send(signal.SIGSTOP)
    wait_until(slow.is_stopped)
    assert barrier.wait() == 1
    # The stopped one has not left, so nobody gets in.
    next_one = fork(lambda: is_broken_for(barrier))
    wait_until(next_one.is_asleep)
    assert barrier.n_waiting == 0
    slow.kill()
    wait_until(next_one.has_ended)
    assert next_one.status == 0
    barrier.reset()
    assert (barrier.n_waiting, barrier.broken) == (0, False)


def test_who_dies_before_it_comes_is_not_missed_unless_it_registered(page, fork, wait_until):
    barrier = Barrier.create(page, parties=2)
    stranger = fork(lambda: True)
    wait_until(stranger.has_ended)
    assert not barrier.broken
    registered = fork(lambda: barrier.register() is None)
    wait_until(registered.has_ended)
    assert registered.status == 0
    assert barrier.broken
    with pytest.raises(BrokenBarrierError):
        barrier.register()


def test_a_registered_thread_that_ends_breaks_the_barrier(page, spawn, wait_until):
    barrier = Barrier.create(page, parties=2)
    registered, end = threading.Event(), threading.Event()

    def take_part():
        barrier.register()
        registered.set()
        end.wait()

    other = spawn(take_part)
    registered.wait()
    waiting = spawn(barrier.wait)
    wait_until(lambda: barrier.n_waiting == 1)
    end.set()
    other.result()
    with pytest.raises(BrokenBarrierError):
        waiting.result()


def test_places_are_for_parties(page, spawn):
    barrier = Barrier.create(page, parties=2)
    barrier.register()
    barrier.register()
    registered, end = threading.Event(), threading.Event()

    def take_part():
        barrier.register()
        registered.set()
        end.wait()
        barrier.wait()
        barrier.unregister()

    other = spawn(take_part)
    registered.wait()
    for call in (barrier.register, barrier.wait):
        with pytest.raises(RuntimeError, match="2 other threads"):
            spawn(call).result()
    with pytest.raises(RuntimeError, match="not registered"):
        spawn(barrier.unregister).result()
    end.set()
    barrier.wait()
    other.result()
    barrier.unregister()
    with pytest.raises(RuntimeError, match="not registered"):
        barrier.unregister()
    assert slot_words(page) == []


def test_a_thread_that_holds_as_many_locks_as_it_may_gets_no_place(page):
    memory = mmap.mmap(-1, 1025 * Lock.SIZE)
    locks = [Lock.create(memory, Lock.SIZE * i) for i in range(1025)]
    barrier, held = Barrier.create(page, parties=1), []
    with oserror(ENOLCK):
        for lock in locks:
            lock.acquire()
            held.append(lock)
    # One for the mutex of the barrier, and none for a place.
    held.pop().release()
    for call in (barrier.wait, barrier.register):
        with oserror(ENOLCK):
            call()
    held.pop().release()
    assert barrier.wait() == 0
    for lock in held:
        lock.release()


@pytest.mark.parametrize("robust", [None, False])
def test_only_a_robust_one_registers(page, robust):
    barrier = Barrier(2) if robust is None else Barrier.create(page, parties=2, robust=False)
    with pytest.raises(RuntimeError, match="robust"):
        barrier.register()
    with pytest.raises(RuntimeError, match="not registered"):
        barrier.unregister()


def test_a_barrier_that_is_dropped_while_registered_keeps_its_memory(page, fork, wait_until):
    def drop():
        mine = Barrier.create(page, parties=2)
        mine.register()
        with pytest.warns(ResourceWarning):
            del mine
        return True

    child = fork(drop)
    wait_until(child.has_ended)
    assert child.status == 0
    assert Barrier.attach(page).broken


@pytest.mark.stress
def test_processes_killed_at_any_moment_leave_nobody_asleep(page, fork, wait_until, rng):
    barrier = Barrier.create(page, parties=4)
    rounds = memoryview(page)[-8:].cast("Q")

    def run():
        barrier.register()
        try:
            while True:
                if barrier.wait() == 0:
                    rounds[0] += 1
        except BrokenBarrierError:
            return True

    for _ in range(scaled(25)):
        children = [fork(run) for _ in range(4)]
        # One turn has passed when all have registered.
        goal = rounds[0] + 1 + rng.randrange(40)
        wait_until(lambda: rounds[0] >= goal)
        victims = rng.sample(children, rng.choice([1, 1, 2, 3]))
        for child in victims:
            child.send(signal.SIGKILL)
        for child in children:
            wait_until(child.has_ended)
        assert [child.status for child in children if child not in victims] == [0] * (4 - len(victims))
        assert barrier.broken
        barrier.reset()
        assert (barrier.n_waiting, barrier.broken, slot_words(page)) == (0, False, [])
    rounds.release()
