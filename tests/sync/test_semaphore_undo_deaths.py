"""Semaphores with undo: what becomes of permits when a thread ends with them, in whatever way and at whatever step."""

import mmap
import os
import signal
import struct
import subprocess
import sys

import pytest
from patience import CHILD_SECONDS
from sync.programs import Program
from sync.sleeping import sleeps
from sync.stepping import killed_at_each_step

from pyfutex import Kernel, Memory, WaitResult
from pyfutex.sync import Semaphore

PERMITS = 3
TID_MASK = 0x3FFF_FFFF
OWNER_DIED = 0x4000_0000
WAITERS = 0x8000_0000


@pytest.fixture
def semaphore(page):
    """One in the page, of three permits."""
    return Semaphore.create(page, value=PERMITS, undo=True)


def slot_words(page):
    """The words of its slots."""
    return [struct.unpack_from("I", page, 128 + 64 * slot + 16)[0] for slot in range(PERMITS)]


def all_are_there(semaphore):
    """Whether there are as many permits as in the beginning, by the count and by taking them."""
    if semaphore.value != PERMITS:
        return False
    taken = [semaphore.acquire(False) for _ in range(PERMITS + 1)]
    semaphore.release(PERMITS)
    return taken == [True] * PERMITS + [False]


@pytest.fixture
def hold(fork, page, wait_until):
    """A child that takes permits and pauses: ``hold(semaphore, n)``."""

    def start(semaphore, n=1):
        before = page[-1]

        def body():
            for _ in range(n):
                semaphore.acquire()
            page[-1] = before + 1
            signal.pause()

        child = fork(body)
        wait_until(lambda: page[-1] == before + 1)
        return child

    return start


def test_permits_of_one_that_is_killed_are_there_again(semaphore, hold):
    one, two = hold(semaphore), hold(semaphore, 2)
    assert semaphore.value == 0
    two.kill()
    assert semaphore.value == 2
    one.kill()
    assert all_are_there(semaphore)


def test_a_sleeper_gets_the_permit_of_one_that_is_killed(semaphore, hold, fork, wait_until):
    holders = [hold(semaphore) for _ in range(PERMITS)]
    waiting = [fork(semaphore.acquire) for _ in range(2)]
    for holder in holders[:2]:
        wait_until(lambda: all(child.has_ended() or child.is_asleep() for child in waiting))
        holder.kill()
    for child in waiting:
        wait_until(child.has_ended)
        assert child.status == 0
    holders[2].kill()
    assert all_are_there(semaphore)


def test_the_kernel_wakes_the_sleeper_and_not_its_second_look(semaphore, page, hold, fork, wait_until):
    holders = [hold(semaphore) for _ in range(PERMITS)]
    waiting = fork(lambda: [semaphore.acquire() for _ in range(PERMITS)] == [True] * PERMITS)
    for holder in holders:
        wait_until(waiting.is_asleep)
        # All that others hold have somebody to tell.
        assert all(word & WAITERS for word in slot_words(page) if word & TID_MASK != waiting.pid)
        holder.kill()
    wait_until(waiting.has_ended)
    assert waiting.status == 0


def test_who_is_killed_while_it_waits_takes_no_permit_and_no_wake_with_it(semaphore, hold, fork, wait_until):
    holder = hold(semaphore, PERMITS)
    waiting = [fork(semaphore.acquire) for _ in range(4)]
    wait_until(lambda: all(child.is_asleep() for child in waiting))
    # Stopped, the first gets the wake and does nothing with it.
    for stopped in waiting[:3]:
        stopped.send(signal.SIGSTOP)
        wait_until(stopped.is_stopped)
    holder.kill()
    for stopped in waiting[:3]:
        stopped.kill()
    wait_until(waiting[3].has_ended)
    assert waiting[3].status == 0
    assert all_are_there(semaphore)


def test_a_thread_that_ends_with_a_permit_has_given_it_back(semaphore, spawn, wait_until):
    for _ in range(PERMITS):
        semaphore.acquire()
    waiting = spawn(semaphore.acquire)
    wait_until(lambda: sleeps(os.getpid(), waiting.tid))
    semaphore.release()
    assert waiting.result()
    wait_until(lambda: semaphore.value == 1)
    semaphore.release(PERMITS - 1)
    assert all_are_there(semaphore)


def test_the_child_of_a_fork_holds_nothing(semaphore, fork, wait_until):
    def child():
        with pytest.raises(RuntimeError):
            semaphore.release()
        return semaphore.value == PERMITS - 1

    with semaphore:
        other = fork(child)
        wait_until(other.has_ended)
        assert other.status == 0
        assert semaphore.value == PERMITS - 1
    assert all_are_there(semaphore)


HOLD = """
import mmap, os, sys, threading
from pyfutex import Kernel, Memory, WaitResult
from pyfutex.sync import Semaphore
file = open(sys.argv[1], "r+b")
semaphore = Semaphore.attach(mmap.mmap(file.fileno(), 0))
semaphore.acquire()
semaphore.acquire()

def meet():
    print("here", flush=True)
    sys.stdin.readline()
"""
EXEC = "os.execv(sys.executable, [sys.executable, '-c', 'print(\"here\", flush=True); input()'])\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "semaphore"
    path.write_bytes(bytes(Semaphore.size(PERMITS)))
    return path


@pytest.fixture
def in_file(file):
    with file.open("r+b") as opened:
        return Semaphore.create(mmap.mmap(opened.fileno(), 0), value=PERMITS, undo=True)


@pytest.mark.parametrize(
    "ending", ["", "sys.exit(3)", "1/0", "del semaphore", "os._exit(1)", "os.kill(os.getpid(), 9)"]
)
def test_a_program_that_ends_with_permits(in_file, file, ending):
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HOLD + ending, file], stderr=subprocess.DEVNULL, check=False
    )
    assert all_are_there(in_file)


def test_a_program_that_calls_exec_has_given_its_permits_back(in_file, file):
    with Program(EXEC, file, prelude=HOLD) as program:
        program.meets()
        assert all_are_there(in_file)


def test_permits_come_back_from_a_thread_whose_id_is_gone_with_an_exec(in_file, file):
    # Not the first of its process: the kernel looks for the permits of another.
    program = f"semaphore.release(2)\ndef end():\n    semaphore.acquire()\n    {EXEC}\nthreading.Thread(target=end).start()"
    with Program(program, file, prelude=HOLD) as other:
        other.meets()
        for _ in range(PERMITS):
            assert in_file.acquire()
    in_file.release(PERMITS)
    assert all_are_there(in_file)


# --- at each step ------------------------------------------------------------------------------------------------------


def nothing(semaphore):
    """Prepare nothing."""


def take_two(semaphore):
    """Both ways."""
    semaphore.acquire()
    semaphore.acquire(False)


def take_and_give(semaphore):
    """One."""
    with semaphore:
        pass


def wait_in_vain(semaphore):
    """Get into the gate, and out."""
    assert not semaphore.acquire(timeout=0)


BODIES = {
    "two are taken": (nothing, take_two),
    "one is taken and given back": (nothing, take_and_give),
    "two are given back at once": (take_two, lambda semaphore: semaphore.release(2)),
}


@pytest.mark.parametrize("what", BODIES)
def test_whatever_step_it_is_killed_at_no_permit_is_lost_or_made(semaphore, page, fork, what):
    prepare, body = BODIES[what]

    def after():
        assert all_are_there(semaphore)

    assert killed_at_each_step(fork, lambda: prepare(semaphore), lambda: body(semaphore), page, after) >= 8


def test_whatever_step_it_is_killed_at_it_leaves_what_the_dead_had(semaphore, page, fork, hold):
    def after():
        assert slot_words(page).count(OWNER_DIED) >= PERMITS - 1
        assert all_are_there(semaphore)
        hold(semaphore, PERMITS).kill()

    hold(semaphore, PERMITS).kill()
    assert killed_at_each_step(fork, lambda: None, semaphore.acquire, page, after) >= 5


def test_whatever_step_of_a_release_it_is_killed_at_a_sleeper_is_woken(
    semaphore, page, fork, spawn, wait_until
):
    """By the kernel or by the release: the sleeper is no waiter of ours, and does not look again."""
    memory, sleeping = Memory(page), []

    def arrange(child):
        word = 128 + 16 + 64 * (child.pid % PERMITS)
        assert memory.load(word) == child.pid
        memory.store(word, child.pid | WAITERS)
        sleeping.append(spawn(Kernel().wait, memory, word, child.pid | WAITERS, CHILD_SECONDS, private=False))
        wait_until(lambda: sleeps(os.getpid(), sleeping[-1].tid))

    def after():
        assert sleeping[-1].result() is WaitResult.WOKEN
        assert all_are_there(semaphore)

    n = killed_at_each_step(fork, semaphore.acquire, semaphore.release, page, after, arrange=arrange)
    assert n >= 4


def test_whatever_step_of_waiting_it_is_killed_at_the_next_one_waits_in_its_place(
    semaphore, page, fork, wait_until
):
    def after():
        waiting = [fork(semaphore.acquire) for _ in range(2)]
        wait_until(lambda: all(child.is_asleep() for child in waiting))
        semaphore.release(2)
        for child in waiting:
            wait_until(child.has_ended)
            assert child.status == 0
        semaphore.acquire()
        semaphore.acquire()

    for _ in range(PERMITS):
        semaphore.acquire()
    n = killed_at_each_step(fork, lambda: None, lambda: wait_in_vain(semaphore), page, after)
    semaphore.release(PERMITS)
    assert n >= 10
