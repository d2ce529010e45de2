"""``python -m pyfutex inspect``: what is in an arena or a file, who holds it, who waits, who died, who waits in a circle."""

import errno
import mmap
import os
import re
import subprocess
import sys

import pytest
from sync.arenas import in_arena
from sync.programs import ended, forked, sleeps

from pyfutex.__main__ import main
from pyfutex.inspecting import processes
from pyfutex.sync import Arena, Lock

HOLD_AND_MEET = "arena.lock('db').acquire()\nmeet()\n"
UNDONE = "s = arena.semaphore('s', 3, undo=True)\ns.acquire()\ns.acquire()\nmeet()\n"
TAKE = "meet()\narena.lock('db').acquire()\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "arena"


@pytest.fixture
def arena(path):
    return Arena.create(path)


@pytest.fixture
def look(capsys):
    """Run the command: ``look(place, ...)`` gives its exit status and what it printed."""

    def run(place, *options):
        status = main(["inspect", os.fspath(place), *options])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run


def started(stack_of, path, body):
    """A program that has got to its first `meet`."""
    program = stack_of(path, body)
    program.meets()
    return program


def test_an_empty_arena(arena, path, look):
    status, said = look(path, "--watch", "0")
    assert status == 0
    assert said.startswith(f"{path}: an arena of 65,536 bytes, 268,435,456 at most; 0 names\n")


def test_every_kind_says_its_state(arena, path, look):
    arena.lock("lock")
    arena.lock("plain", robust=False).acquire()
    arena.lock("urgent", pi=True).acquire()
    arena.rlock("rlock").acquire()
    arena.rlock("rlock").acquire()
    arena.condition("condition")
    arena.semaphore("semaphore", 5).acquire()
    arena.bounded_semaphore("bounded", 2)
    arena.semaphore("undone", 3, undo=True).acquire()
    arena.semaphore("undone", 3, undo=True).acquire()
    arena.event("event")
    arena.event("told").set()
    arena.barrier("barrier", 3).register()
    arena.rwlock("read").acquire_read()
    arena.rwlock("write").acquire_write()
    arena.once("once")
    arena.once("past").call(int)
    arena.latch("latch", 3).count_down()
    status, said = look(path)
    assert status == 0
    for line in (
        r"lock +Lock +free$",
        r"plain +Lock +held by nobody in particular$",
        r"urgent +Lock +held, with priority inheritance$",
        r"rlock +RLock +held, 2 times$",
        r"condition +Condition +free, at most 0 wait for a notice$",
        r"semaphore +Semaphore +4 permits, began with 5$",
        r"bounded +BoundedSemaphore +2 permits, began with 2$",
        r"undone +Semaphore +1 permits of 3, with undo$",
        rf" +permit held by {os.getpid()} .*, 2 times$",
        r"event +Event +not set$",
        r"told +Event +set$",
        r"barrier +Barrier +filling, 0 of 3 parties inside$",
        rf" +registered by {os.getpid()} ",
        r"read +RWLock +free$",
        rf" +read by {os.getpid()} ",
        r"write +RWLock +held$",
        rf" +written by {os.getpid()} ",
        r"once +Once +not done$",
        r"past +Once +done$",
        r"latch +Latch +2 to go of 3$",
    ):
        assert re.search(f"^{line}", said, re.MULTILINE), (line, said)
    arena.semaphore("undone", 3, undo=True).release(2)
    arena.lock("urgent", pi=True).release()
    arena.rlock("rlock").release()
    arena.rlock("rlock").release()
    arena.rwlock("read").release_read()
    arena.rwlock("write").release_write()
    arena.barrier("barrier", 3).unregister()


def test_it_names_who_holds_and_who_waits(arena, path, look, wait_until):
    with in_arena(path, HOLD_AND_MEET) as holder, in_arena(path, TAKE) as waiter:
        holder.meets()
        waiter.meets()
        waiter.go_on()
        wait_until(lambda: sleeps(waiter.process.pid))
        status, said = look(path, "--watch", "0.01")
        assert status == 0
        assert re.search(r"^db +Lock +held$", said, re.MULTILINE)
        assert f"held by {holder.process.pid} (" in said
        assert re.search(
            rf"waits: {waiter.process.pid} \(.*\), asleep for at least \d+\.\d s$", said, re.MULTILINE
        )
        assert "deadlock" not in said


def test_it_says_what_a_thread_is_part_of(arena, path, look):
    body = "def hold():\n    arena.lock('db').acquire()\n    print(threading.get_native_id())\n    meet()\n"
    with in_arena(path, body + "threading.Thread(target=hold).start()\n") as program:
        tid = program.process.stdout.readline().strip()
        program.meets()
        assert f"held by {program.process.pid} (" in look(path)[1]
        assert re.search(rf"\), thread {tid}$", look(path)[1], re.MULTILINE)


def test_it_names_the_dead(arena, path, look):
    with in_arena(path, HOLD_AND_MEET + "arena.rwlock('rw').acquire_read()\n" + UNDONE) as program:
        program.meets()
        program.go_on()
        program.meets()
    _, said = look(path)
    assert re.search(r"^db +Lock +its owner died, the next one finds out$", said, re.MULTILINE)
    assert "held by a thread that died" in said
    assert "read by a thread that died" in said
    assert re.search(r"^s +Semaphore +3 permits of 3, with undo$", said, re.MULTILINE)
    assert "permit held by a thread that died, 2 times" in said


def test_an_owner_that_the_kernel_did_not_see_die_is_dead_nevertheless(arena, path, look):
    arena.lock("db")
    (entry,) = arena.entries()
    with forked(lambda: None) as pid:
        assert ended(pid) == 0
    arena._file.memory.store(entry.at + 16, pid)
    assert f"held by {pid}, which is dead" in look(path)[1]


def test_what_is_not_made_good_or_never_will_be(arena, path, look):
    arena.lock("db")
    (entry,) = arena.entries()
    arena._file.memory.store(entry.at + 24, 1)
    assert "not made good yet" in look(path)[1]
    arena._file.memory.store(entry.at + 24, 2)
    assert "not recoverable" in look(path)[1]


def test_a_circle_is_named(arena, path, look, wait_until):
    body = "arena.lock({!r}).acquire()\nmeet()\narena.lock({!r}).acquire()\n"
    with (
        in_arena(path, body.format("db", "log")) as one,
        in_arena(path, body.format("log", "db")) as two,
        in_arena(path, body.format("behind them", "db")) as three,
    ):
        programs = one, two, three
        for program in programs:
            program.meets()
        for program in programs:
            program.go_on()
        wait_until(lambda: all(sleeps(program.process.pid) for program in programs))
        status, said = look(path)
        assert status == 1
        (circle,) = [line for line in said.splitlines() if line.startswith("deadlock: ")]
        first = rf"{one.process.pid} \(\S+\)"
        second = rf"{two.process.pid} \(\S+\)"
        assert re.fullmatch(
            rf"deadlock: {first} waits for 'log', whose holder {second} waits for 'db', whose holder {first}"
            rf"|deadlock: {second} waits for 'db', whose holder {first} waits for 'log', whose holder {second}",
            circle,
        )


def test_a_queue_behind_a_holder_is_no_circle(arena, path, look, wait_until):
    with in_arena(path, HOLD_AND_MEET) as holder, in_arena(path, TAKE) as one, in_arena(path, TAKE) as two:
        for program in holder, one, two:
            program.meets()
        for program in one, two:
            program.go_on()
        wait_until(lambda: sleeps(one.process.pid) and sleeps(two.process.pid))
        status, said = look(path)
        assert status == 0
        assert said.count("waits:") == 2


@pytest.mark.parametrize(
    ("wait", "title"),
    [
        ("arena.event('it').wait()", "Event"),
        ("arena.semaphore('it', 0).acquire()", "Semaphore"),
        ("arena.latch('it', 1).wait()", "Latch"),
        ("arena.barrier('it', 2).wait()", "Barrier"),
        ("c = arena.condition('it')\nwith c:\n    c.wait()", "Condition"),
    ],
)
def test_it_names_who_waits_for_what_nobody_holds(arena, path, look, wait_until, wait, title):
    with in_arena(path, f"meet()\n{wait}\n") as program:
        program.meets()
        program.go_on()

        def is_seen():
            said = look(path, "--watch", "0")[1]
            return said if f"waits: {program.process.pid} (" in said else None

        said = wait_until(is_seen)
        assert said.count("waits:") == 1
        assert title in said


def test_where_proc_does_not_tell_the_kernel_counts(arena, path, look, wait_until, monkeypatch, pi):
    hold, take = (body.replace("'db'", f"'db', pi={pi}") for body in (HOLD_AND_MEET, TAKE))

    def refuse(pid, tid):
        raise PermissionError(errno.EPERM, "no")

    with in_arena(path, hold) as holder, in_arena(path, take) as waiter:
        holder.meets()
        waiter.meets()
        waiter.go_on()
        wait_until(lambda: sleeps(waiter.process.pid))
        monkeypatch.setattr(processes, "slept_on", refuse)
        _, said = look(path)
        assert re.search(r"waits: 1, not to be looked at from here$", said, re.MULTILINE)
        assert re.search(rf"not permitted to see where threads of .*{waiter.process.pid}", said)


def test_a_directory_that_somebody_holds_keeps_nobody_from_looking(arena, path, look):
    arena.lock("db")
    with in_arena(path, "arena._directory.acquire()\nmeet()\n") as program:
        program.meets()
        _, said = look(path)
        assert re.search(r"^db +Lock +free$", said, re.MULTILINE)
        assert re.search(rf"^\(directory\) +Lock +held\n +held by {program.process.pid} ", said, re.MULTILINE)


def test_an_arena_of_another_namespace_is_listed_without_threads(arena, path, look):
    arena.lock("db").acquire()
    arena._file.map[72] ^= 1
    status, said = look(path)
    assert status == 0
    assert "of another PID namespace" in said
    assert re.search(r"^db +Lock +held$", said, re.MULTILINE)
    arena._file.map[72] ^= 1
    arena.lock("db").release()


def test_a_primitive_in_a_plain_file(tmp_path, look):
    path = tmp_path / "segment"
    path.write_bytes(bytes(4096))
    with path.open("r+b") as file:
        memory = mmap.mmap(file.fileno(), 0)
    with Lock.create(memory, 128):
        status, said = look(path, "--offset", "128")
        assert status == 0
        assert re.search(rf"^at 128 +Lock +held\n +held by {os.getpid()} ", said)
    for offset in 0, 3, -8, 4096:
        status, said = look(path, f"--offset={offset}")
        assert status == 2
        assert "no primitive" in said
    memory[4088:4096] = memory[128:136]
    status, said = look(path, "--offset", "4088")
    assert status == 2
    assert "ends in the middle" in said


def test_what_cannot_be_looked_at(tmp_path, look):
    assert look(tmp_path / "nothing")[0] == 2
    (tmp_path / "foreign").write_bytes(b"foreign")
    status, said = look(tmp_path / "foreign")
    assert status == 2
    assert "not an arena" in said
    assert look("")[0] == 2


def test_as_a_program_by_name():
    name = f"test-{os.getpid()}"
    with Arena.create(name) as arena:
        try:
            arena.event("it")
            done = subprocess.run(
                [sys.executable, "-m", "pyfutex", "inspect", name], capture_output=True, text=True, check=True
            )
        finally:
            arena.unlink()
    assert "1 name\n" in done.stdout
    assert re.search(r"^it +Event +not set$", done.stdout, re.MULTILINE)
