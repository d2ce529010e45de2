"""Programs in C and C++, of glibc and of musl, that take the locks that Python takes, by nothing but pyfutex_lock.h."""

import mmap
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from consumer.compilers import WARNINGS, Builder
from patience import CHILD_SECONDS
from sync.programs import Program, finds_a_dead_owner, sleeps

import pyfutex
from pyfutex import Kernel, Memory, WaitResult
from pyfutex.sync import Lock, Semaphore

SOURCE = Path(__file__).parent / "c" / "contender.c"
ROUNDS = 100_000
COUNT = slice(1024, 1032)
# Where Debian's musl-gcc finds the kernel's headers, which other distributions have beside musl's.
HEADERS_OF_THE_KERNEL = (
    "-idirafter",
    "/usr/include",
    "-idirafter",
    f"/usr/include/{os.uname().machine}-linux-gnu",
)
# As `.ci/under` has it of other compilers.
UNWATCHED = ("env", "-u", "LD_PRELOAD")
WAITERS = 1 << 31


def command(builder, language):
    musl = shutil.which("musl-gcc")
    found = {
        "C": builder.cc and [*builder.cc, "-std=gnu11"],
        "C++": builder.cxx and [*builder.cxx, "-x", "c++", "-std=gnu++17"],
        "C with musl": musl and [*UNWATCHED, musl, "-std=gnu11", "-static", *HEADERS_OF_THE_KERNEL],
    }[language]
    return found or pytest.skip(f"no compiler of {language}")


@pytest.fixture(scope="module", params=["C", "C++", "C with musl"])
def contender(request, tmp_path_factory):
    """The path of the program."""
    builder = Builder(tmp_path_factory.mktemp("contender"))
    program = builder.new_folder() / "contender"
    flags = ("-O2", "-pthread", *WARNINGS, "-I", pyfutex.get_include())
    builder.run([*command(builder, request.param), *flags, "-o", program, SOURCE])
    return program


class Contender(Program):
    """The program, running."""

    def __init__(self, *command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "locks"
    path.write_bytes(bytes(1984) + b"garbage!" + bytes(mmap.PAGESIZE - 1992))
    return path


@pytest.fixture
def memory(file):
    with file.open("r+b") as opened:
        return mmap.mmap(opened.fileno(), 0)


@pytest.fixture
def run(contender, file, pi):
    """Start it: ``run("count")``."""
    return lambda what: Contender(contender, file, what, *(["pi"] if pi else []))


@pytest.fixture
def opened(run):
    """Its locks, made."""
    with run("open") as program:
        assert program.ends() == (0, "")


COUNTING = (
    "meet()\ncount = memoryview(memory)[1024:1032].cast('Q')\n"
    f"for _ in range({ROUNDS}):\n    with lock:\n        count[0] += 1\n"
)


@pytest.mark.usefixtures("opened")
def test_it_counts_with_python_and_nothing_is_lost(run, file, memory):
    with run("count") as one, run("count") as two, Program(COUNTING, file) as three:
        programs = one, two, three
        for program in programs:
            program.meets()
        for program in programs:
            program.go_on()
        assert [program.ends() for program in programs] == [(0, "")] * 3
    assert struct.unpack("=Q", memory[COUNT]) == (3 * ROUNDS,)


def test_it_makes_what_python_attaches_to(run, memory):
    with run("open") as program:
        assert program.ends() == (0, "")
    with pytest.raises(FileExistsError):
        Lock.create(memory)
    with Lock.attach(memory):
        pass


def test_python_finds_that_it_died(run, memory):
    with run("hold") as program:
        program.meets()
        locks = [Lock.attach(memory, offset) for offset in (0, 64)]
        assert all(lock.locked() for lock in locks)
        program.go_on()
        assert program.ends() == (-9, "")
    for lock in locks:
        finds_a_dead_owner(lock)


def test_a_sleeper_of_python_is_told_that_it_died(run, memory, spawn, wait_until):
    with run("hold") as program:
        program.meets()
        sleeping = spawn(finds_a_dead_owner, Lock.attach(memory))
        wait_until(lambda: sleeps(sleeping.tid))
        program.go_on()
        sleeping.result()


@pytest.mark.usefixtures("opened")
def test_it_finds_that_python_died(run, file):
    with Program("first.acquire(); lock.acquire(); os._exit(0)", file) as program:
        program.ends()
    with run("recover") as program:
        assert program.ends() == (0, "")


def test_it_waits_until_a_deadline(run, memory, pi):
    with Lock.create(memory, pi=pi), run("wait-in-vain") as program:
        assert program.ends() == (0, "")


def test_a_thread_of_it_that_ends_leaves_its_locks_to_who_waits(run, memory, spawn, wait_until):
    with run("end-a-thread") as program:
        program.meets()
        sleeping = [spawn(finds_a_dead_owner, Lock.attach(memory, offset)) for offset in (0, 64)]
        wait_until(lambda: all(sleeps(each.tid) for each in sleeping))
        program.go_on()
        program.meets()
        for each in sleeping:
            each.result()


@pytest.mark.parametrize("pi", [False])
def test_a_thread_of_it_that_ends_wakes_who_sleeps(run, memory, spawn, wait_until):
    """By itself: the sleeper is no waiter of ours, and does not look again. musl has its own way to let go."""
    word = Memory(memory)
    with run("end-a-thread") as program:
        program.meets()
        locks = [Lock.attach(memory, offset) for offset in (0, 64)]
        seen = word.fetch_or(16, WAITERS) | WAITERS
        sleeping = spawn(Kernel().wait, word, 16, seen, CHILD_SECONDS, private=False)
        wait_until(lambda: sleeps(sleeping.tid))
        program.go_on()
        program.meets()
        assert sleeping.result() is WaitResult.WOKEN
        for lock in locks:
            finds_a_dead_owner(lock)


@pytest.mark.parametrize("pi", [False])
def test_a_thread_of_it_that_ends_gives_permits_back_and_wakes_who_sleeps(run, memory, spawn, wait_until):
    """As above, on the places of a semaphore, which say what musl wants to know."""
    semaphore = Semaphore.create(memory, value=2, undo=True)
    word, at = Memory(memory), 128 + 16
    with run("end-a-thread-with-permits") as program:
        program.meets()
        assert semaphore.value == 0
        seen = word.fetch_or(at, WAITERS) | WAITERS
        sleeping = spawn(Kernel().wait, word, at, seen, CHILD_SECONDS, private=False)
        wait_until(lambda: sleeps(sleeping.tid))
        program.go_on()
        program.meets()
        assert sleeping.result() is WaitResult.WOKEN
        assert semaphore.acquire(False)
        assert semaphore.acquire(False)
    semaphore.release(2)


@pytest.mark.parametrize("pi", [False])
def test_waiters_stays_if_somebody_took_the_lock_meanwhile(run):
    with run("drop-late") as program:
        assert program.ends() == (0, "")


@pytest.mark.parametrize("what", ["fork", "mix"])
def test_its_list_stays_whole_through(what, run):
    with run(what) as program:
        assert program.ends() == (0, "")


@pytest.mark.parametrize("pi", [True])
def test_it_is_told_that_it_would_wait_for_ever(run):
    with run("circle") as program:
        program.meets()
        program.go_on()
        assert program.ends() == (0, "")
