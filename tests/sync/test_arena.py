"""Primitives that unrelated processes find by name, list and delete."""

import errno
import gc
import operator
import os
import signal
import zlib
from pathlib import Path

import pytest
from sync.arenas import in_arena
from sync.programs import finds_a_dead_owner, sleeps

from pyfutex.sync import Arena, NotRecoverable, _directory

MAKE = {
    "Lock": lambda arena, name: arena.lock(name),
    "RLock": lambda arena, name: arena.rlock(name),
    "Condition": lambda arena, name: arena.condition(name),
    "Semaphore": lambda arena, name: arena.semaphore(name, 3),
    "BoundedSemaphore": lambda arena, name: arena.bounded_semaphore(name, 3),
    "Event": lambda arena, name: arena.event(name),
    "Barrier": lambda arena, name: arena.barrier(name, 2),
    "RWLock": lambda arena, name: arena.rwlock(name, 4),
    "Once": lambda arena, name: arena.once(name),
    "Latch": lambda arena, name: arena.latch(name, 3),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "arena"


@pytest.fixture
def arena(path):
    return Arena.create(path)


def test_unrelated_programs_meet_by_name(arena, path):
    with in_arena(path, "with arena.lock('db'):\n    meet()\nmeet()\n") as program:
        program.meets()
        assert not arena.lock("db").acquire(blocking=False)
        program.go_on()
        program.meets()
        assert arena.lock("db").acquire(blocking=False)
        arena.lock("db").release()


def test_the_next_owner_of_a_name_finds_the_last_one_dead(arena, path):
    with in_arena(path, "arena.lock('db').acquire()\nmeet()\n") as program:
        program.meets()
        program.process.kill()
        program.process.wait()
        finds_a_dead_owner(arena.lock("db"))
    assert os.path.exists(path)


@pytest.mark.parametrize("kind", MAKE)
def test_a_name_stands_for_one_primitive(arena, path, kind):
    made = MAKE[kind](arena, "it")
    assert type(made).__name__ == kind
    assert MAKE[kind](arena, "it") is made
    other = Arena.attach(path)
    assert type(MAKE[kind](other, "it")).__name__ == kind
    assert other.names() == ["it"]
    (entry,) = other.entries()
    assert entry.primitive.kind.title == kind
    assert entry.size % 64 == 0
    assert entry.at % 64 == 0


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("found", MAKE)
def test_a_name_of_something_else_is_refused(arena, kind, found):
    MAKE[found](arena, "it")
    if kind != found:
        with pytest.raises(ValueError, match=f"'it' is a {found}, not a {kind}"):
            MAKE[kind](arena, "it")
        with pytest.raises(ValueError):
            MAKE[kind](Arena.attach(arena.path), "it")


@pytest.mark.parametrize(
    "make",
    [
        lambda arena, n: arena.semaphore("it", n),
        lambda arena, n: arena.bounded_semaphore("it", n),
        lambda arena, n: arena.barrier("it", n),
        lambda arena, n: arena.rwlock("it", n),
        lambda arena, n: arena.latch("it", n),
        lambda arena, n: arena.lock("it", robust=n == 2),
        lambda arena, n: arena.lock("it", pi=n == 2),
    ],
)
def test_a_name_with_other_parameters_is_refused(arena, make):
    make(arena, 2)
    for other in arena, Arena.attach(arena.path):
        with pytest.raises(
            ValueError, match=r"made with 2.*made with 3|Lock made with.*(robust=False|pi=True)"
        ):
            make(other, 3)
        make(other, 2)


@pytest.mark.parametrize(
    "make",
    [
        lambda arena: arena.semaphore("it", -1),
        lambda arena: arena.semaphore("it", "many"),
        lambda arena: arena.barrier("it", 0),
        lambda arena: arena.rwlock("it", 0),
        lambda arena: arena.latch("it", -1),
    ],
)
def test_what_cannot_be_made_leaves_nothing(arena, make):
    before = arena.entries()
    for _ in range(100):
        with pytest.raises((TypeError, ValueError)):
            make(arena)
    assert arena.entries() == before
    assert arena.size == 65536
    arena.event("it")


def test_names(arena):
    assert len(arena) == 0
    assert arena.names() == []
    names = {"a", "ä" * 100, "name with / and \n", "x" * 255, "0"}
    for name in names:
        arena.event(name)
    assert sorted(arena) == sorted(names)
    assert len(arena) == len(names)
    assert all(name in arena for name in names)
    assert "b" not in arena
    assert 3 not in arena
    assert "x" * 256 not in arena


def test_names_that_there_cannot_be(arena):
    for name in "x" * 256, "ä" * 128:
        with pytest.raises(OSError) as caught:
            arena.lock(name)
        assert caught.value.errno == errno.ENAMETOOLONG
    with pytest.raises(ValueError):
        arena.lock("")
    with pytest.raises(ValueError):
        arena.lock("\ud800")
    for name in b"bytes", None, 7:
        with pytest.raises(TypeError):
            arena.lock(name)
    assert arena.names() == []


def test_ten_thousand_names(arena, path):
    names = [f"key-{i}" for i in range(10_000)]
    for name in names:
        arena.lock(name)
    other = Arena.attach(path)
    assert len(other) == 10_000
    assert sorted(other.names()) == sorted(names)
    first = other.lock("key-0")
    with first:
        assert not arena.lock("key-0").acquire(blocking=False)
    assert other.lock("key-9999").acquire(blocking=False)
    other.lock("key-9999").release()


def test_a_look_at_a_name_does_not_depend_on_their_number(arena):
    directory = arena._directory
    for i in range(5_000):
        arena.event(f"key-{i}")
    looks = 0

    class Counting:
        def __init__(self, memory):
            self.memory = memory

        def __getattr__(self, name):
            return getattr(self.memory, name)

        def load(self, at):
            nonlocal looks
            looks += 1
            return self.memory.load(at)

    directory._memory = Counting(directory._memory)
    for i in range(5_000):
        assert directory.find(f"key-{i}".encode())
    assert looks < 5_000 * 5


def test_names_of_one_checksum_are_two_names(arena):
    assert zlib.crc32(b"plumless") == zlib.crc32(b"buckeroo")
    assert arena.lock("plumless") is not arena.lock("buckeroo")
    arena.delete("plumless")
    assert arena.names() == ["buckeroo"]
    assert "plumless" not in arena


def test_delete_and_make_again(arena):
    for _ in range(3):
        arena.lock("it")
        arena.delete("it")
        assert "it" not in arena
        with pytest.raises(KeyError):
            arena.delete("it")
        arena.event("it").set()
        arena.delete("it")
        assert not arena.event("it").is_set()
        arena.delete("it")


def test_deleted_places_are_used_again(arena):
    for i in range(100):
        arena.lock(f"{i}")
    size, used = arena.size, max(entry.at for entry in arena.entries())
    for i in range(5_000):
        arena.delete(f"{i}")
        arena.lock(f"{i + 100}")
    assert arena.size == size
    assert max(entry.at for entry in arena.entries()) == used
    assert len(arena) == 100


def test_a_place_of_another_size_is_used_again_by_its_like(arena):
    arena.barrier("large", 300)
    arena.barrier("larger", 400)
    where = {entry.name: entry.at for entry in arena.entries()}
    arena.delete("large")
    arena.delete("larger")
    arena.barrier("LARGE", 300)
    assert {entry.name: entry.at for entry in arena.entries()} == {"LARGE": where["large"]}


def test_who_has_found_a_name_finds_what_was_made_after_a_deletion(arena, path):
    other = Arena.attach(path)
    old = other.lock("it")
    arena.delete("it")
    with pytest.raises(NotRecoverable):
        old.acquire()
    arena.lock("other, in the same place")
    new = other.lock("it")
    assert new is not old
    with arena.lock("it"):
        assert not new.acquire(blocking=False)


@pytest.mark.parametrize(
    ("kind", "take", "let_go"),
    [
        ("Lock", "acquire", "release"),
        ("RLock", "acquire", "release"),
        ("Condition", "acquire", "release"),
        ("RWLock", "acquire_read", "release_read"),
        ("RWLock", "acquire_write", "release_write"),
        ("Barrier", "register", "unregister"),
    ],
)
def test_what_is_held_is_not_deleted(arena, kind, take, let_go):
    it = MAKE[kind](arena, "it")
    getattr(it, take)()
    with pytest.raises(OSError, match=f"thread {os.getpid()}") as caught:
        arena.delete("it")
    assert caught.value.errno == errno.EBUSY
    assert "it" in arena
    getattr(it, let_go)()
    arena.delete("it")


def test_a_lock_with_priority_inheritance_is_found_and_deleted(arena, path, spawn, wait_until):
    lock = arena.lock("it", pi=True)
    with lock:
        other = Arena.attach(path).lock("it", pi=True)
        waiter = spawn(other.acquire, timeout=50)
        wait_until(lambda: sleeps(waiter.tid))
        with pytest.raises(OSError, match="in use"):
            arena.delete("it")
    assert waiter.result()
    finds_a_dead_owner(lock)
    arena.delete("it")
    with pytest.raises(ValueError, match="owner"):
        arena.lock("it", robust=False, pi=True)
    assert "it" not in arena


def test_a_held_lock_without_an_owner_is_not_deleted(arena):
    arena.lock("it", robust=False).acquire()
    with pytest.raises(OSError, match="is held"):
        arena.delete("it")
    arena.lock("it", robust=False).release()
    arena.delete("it")


@pytest.mark.parametrize(
    ("kind", "wait", "end"),
    [
        ("Event", lambda it: it.wait(), lambda it: it.set()),
        ("Latch", lambda it: it.wait(), lambda it: it.count_down(3)),
        ("Semaphore", lambda it: [it.acquire() for _ in range(4)], lambda it: it.release()),
    ],
)
def test_what_somebody_sleeps_on_is_not_deleted(arena, spawn, wait_until, kind, wait, end):
    it = MAKE[kind](arena, "it")
    waiter = spawn(wait, it)
    wait_until(lambda: sleeps(waiter.tid))

    def is_refused():
        try:
            arena.delete("it")
        except OSError as error:
            return error.errno == errno.EBUSY
        raise AssertionError("deleted under a sleeper")

    assert is_refused()
    assert "it" in arena
    end(it)
    waiter.result()
    arena.delete("it")


def test_a_condition_that_somebody_waits_for_is_not_deleted(arena, spawn, wait_until):
    condition = arena.condition("it")

    def wait():
        with condition:
            condition.wait()

    waiter = spawn(wait)
    wait_until(lambda: sleeps(waiter.tid))
    with pytest.raises(OSError, match="slept on, threads: 1"):
        arena.delete("it")
    with condition:
        condition.notify()
    waiter.result()
    arena.delete("it")


def test_who_has_found_a_name_that_was_deleted_makes_another_one(arena, path):
    other = Arena.attach(path)
    old = other.lock("it")
    arena.delete("it")
    assert other.lock("it") is not old
    assert arena.names() == ["it"]


def test_the_lock_of_a_dead_owner_is_deleted(arena, path):
    with in_arena(path, "arena.lock('db').acquire()\nmeet()\n") as program:
        program.meets()
        program.process.kill()
        program.process.wait()
    arena.delete("db")
    with arena.lock("db"):
        pass


def test_close(arena, path):
    with arena.lock("it"), pytest.raises(BufferError, match="'it' is held by thread"):
        arena.close()
    arena.rwlock("rw").acquire_read()
    with pytest.raises(BufferError, match="'rw' is held by thread"):
        arena.close()
    arena.rwlock("rw").release_read()
    assert not arena.closed
    arena.close()
    arena.close()
    assert arena.closed
    assert "closed" in repr(arena)
    for use in (
        lambda: arena.lock("it"),
        lambda: arena.names(),
        lambda: "it" in arena,
        lambda: len(arena),
        lambda: arena.delete("it"),
        lambda: arena.fileno(),
        lambda: arena.size,
        lambda: arena.unlink(),
        lambda: arena.__enter__(),
    ):
        with pytest.raises(ValueError, match="closed"):
            use()
    with Arena.attach(path) as again:
        assert sorted(again.names()) == ["it", "rw"]
    assert again.closed


def mappings(path):
    """How often this process has a file mapped."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    return [line.split()[4] for line in maps].count(str(path.stat().st_ino))


def test_what_is_left_of_a_closed_arena_works_and_keeps_it_mapped(arena, path):
    lock = arena.lock("it")
    with arena:
        assert mappings(path) == 1
    with Arena.attach(path) as again, lock:
        assert not again.lock("it").acquire(blocking=False)
    assert mappings(path) == 1
    del lock
    gc.collect()
    assert mappings(path) == 0


def test_the_child_of_a_fork_goes_on_with_it(arena, fork, wait_until):
    arena.lock("before")

    def child():
        with arena.lock("before"), arena.lock("new"):
            return True

    running = fork(child)
    wait_until(running.has_ended)
    assert running.status == 0
    assert arena.lock("new").acquire(blocking=False)
    arena.lock("new").release()


def test_threads_that_make_the_same_names_get_the_same(arena, path, spawn):
    others = [Arena.attach(path) for _ in range(3)]
    totals = [0] * 50

    def add(mine):
        for i in range(50):
            with mine.lock(f"{i}"):
                totals[i] += 1

    for running in [spawn(add, each) for each in others]:
        running.result()
    assert totals == [3] * 50
    assert len(arena) == 50


def test_a_signal_handler_that_finds_the_directory_held_gets_an_error(arena, handle):
    caught = []

    def look():
        try:
            arena.names()
        except RuntimeError as error:
            caught.append(error)

    handle(look)
    arena._directory.acquire()
    signal.raise_signal(signal.SIGUSR1)
    arena._directory.release()
    assert len(caught) == 1
    look()
    assert len(caught) == 1


def test_a_directory_that_is_held_for_long_is_an_error(arena, path, monkeypatch):
    with in_arena(path, "arena._directory.acquire()\nmeet()\n") as program:
        program.meets()
        monkeypatch.setattr(_directory, "PATIENCE_S", 0.01)
        with pytest.raises(TimeoutError, match=f"thread {program.process.pid} has held"):
            arena.lock("it")
    assert arena.names() == []


def test_an_arena_is_not_called_nor_pickled(arena):
    with pytest.raises(TypeError, match=r"Arena\.open"):
        Arena()
    with pytest.raises(TypeError, match="attach"):
        arena.__reduce__()
    assert repr(arena).startswith("<pyfutex.sync.arena.Arena '")
    assert operator.length_hint(arena) == 0


def test_an_arena_that_is_dropped_closes_its_descriptor():
    arena = Arena.create_nameless()
    path = f"/proc/self/fd/{arena.fileno()}"
    target = os.readlink(path)
    del arena
    gc.collect()
    assert not os.path.lexists(path) or os.readlink(path) != target
