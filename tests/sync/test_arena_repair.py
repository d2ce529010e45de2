"""Whoever changes the directory of an arena is killed, or interrupted, before each of its stores; the next one repairs."""

import contextlib
import itertools
import linecache
import os
import signal
import sys

import pytest
from sync.programs import forked

from pyfutex.sync import Arena, NotRecoverable, _directory, _retiring
from pyfutex.sync import arena as arena_module
from pyfutex.sync._anatomy import WORD_AT
from pyfutex.sync._directory import (
    BLOCK_NEXT_AT,
    CHANGING_AT,
    DELETED,
    FREE,
    FREE_AT,
    LOCK_AT,
    N_LISTS,
    NAMED,
    UNIT,
)

TRACED = {_directory.__file__, _retiring.__file__, arena_module.__file__}
STORES = {"store", "store64", "fetch_add", "fetch_sub", "fetch_add64"}


class Watched:
    """A memory, or a map, before each of whose stores something is called."""

    def __init__(self, real, before):
        self._real = real
        self._before = before

    def __getattr__(self, name):
        method = getattr(self._real, name)
        if name not in STORES:
            return method

        def store(*args):
            self._before()
            return method(*args)

        return store

    def __getitem__(self, where):
        return self._real[where]

    def __setitem__(self, where, what):
        # Half of it, and then all of it.
        self._before()
        half = slice(where.start, (where.start + where.stop) // 2)
        self._real[half] = what[: half.stop - half.start]
        self._before()
        self._real[where] = what


class WatchedFile:
    """An arena's file, whose map is watched."""

    def __init__(self, file, before):
        self._file = file
        self.map = Watched(file.map, before)

    def __getattr__(self, name):
        return getattr(self._file, name)


def watch(arena, before):
    """Have `before` called before each store of the directory."""
    directory = arena._directory
    directory._memory = Watched(arena._file.memory, before)
    directory._file = WatchedFile(arena._file, before)


def at_step(n, act):
    """What acts at its n-th call."""
    steps = itertools.count()

    def step():
        if next(steps) == n:
            act()

    return step


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt():
    raise KeyboardInterrupt


def check(arena):
    """Blocks, index, lists and count say the same."""
    directory = arena._directory
    memory = arena._file.memory
    directory.acquire()
    try:
        assert memory.load(CHANGING_AT) == 0
        entries = list(directory.entries())
        assert len({entry.name for entry in entries}) == len(entries) == len(directory)
        for entry in entries:
            assert directory.find(entry.name.encode()) == entry.block
            assert entry.primitive is not None
        free = {block for block, state in directory._blocks() if state == FREE}
        listed = []
        for i in range(N_LISTS):
            block = memory.load(FREE_AT + 4 * i) * UNIT
            while block:
                listed.append(block)
                assert min(directory._tag(block)[0], N_LISTS - 1) == i
                block = memory.load(block + BLOCK_NEXT_AT) * UNIT
        assert sorted(listed) == sorted(free)
    finally:
        directory.release()


def insert_new(arena):
    arena.lock("new")


def insert_large(arena):
    arena.barrier("new", 600)


def insert_in_a_place_of_another(arena):
    arena.event("new")


def fill_the_index(arena):
    for i in range(60):
        arena.event(f"more {i}")


def remove(arena):
    arena.delete("two")


CHANGES = [insert_new, insert_large, insert_in_a_place_of_another, fill_the_index, remove]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "arena"
    with Arena.create(path, maximum=1 << 20) as arena:
        arena.lock("one")
        arena.semaphore("two")
        arena.event("gone")
        arena.delete("gone")
        for i in range(40):
            arena.once(f"{i}")
    return path


def sound_after(path, before, change):
    """Look whether an arena is whole, and whether all of a change was done, or none of it."""
    with Arena.attach(path) as arena:
        found = set(arena.names())
        check(arena)
        lost, came = before - found, found - before
        if change is remove:
            assert (lost, came) in (({"two"}, set()), (set(), set()))
        else:
            assert lost == set()
        if change in CHANGES[:3]:
            assert came in (set(), {"new"})
        change_is_possible(arena, change, lost, came)
        check(arena)


def change_is_possible(arena, change, lost, came):
    """Make the same change now, and see that all that was there works."""
    if not (lost if change is remove else came):
        change(arena)
    if "new" in arena:
        arena.delete("new")
    with arena.lock("one"):
        arena.lock("after").acquire(blocking=False)
        arena.lock("after").release()


@pytest.mark.parametrize("change", CHANGES)
def test_killed_before_any_store(path, change):
    whole = path.read_bytes()
    steps = itertools.count() if change is not fill_the_index else itertools.count(0, 7)
    for n in steps:
        path.write_bytes(whole)
        with Arena.attach(path) as arena:
            before = set(arena.names())

        def child(n=n):
            with Arena.attach(path) as mine:
                watch(mine, at_step(n, die))
                change(mine)

        with forked(child) as pid:
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status == 0:
            break
        assert status == -signal.SIGKILL
        sound_after(path, before, change)
    assert n > 5


@pytest.mark.parametrize("change", CHANGES)
def test_interrupted_before_any_store(path, change):
    whole = path.read_bytes()
    for n in itertools.count(0, 3):
        path.write_bytes(whole)
        with Arena.attach(path) as arena:
            before = set(arena.names())
            watch(arena, at_step(n, interrupt))
            try:
                change(arena)
            except KeyboardInterrupt:
                pass
            else:
                break
        sound_after(path, before, change)
    assert n > 5


def trace_until(n, raises):
    """A trace function that raises before the n-th line of the arena's modules, as a signal handler may."""
    steps = itertools.count()

    def trace(frame, event, argument):
        if frame.f_code.co_filename not in TRACED:
            return None
        # Signal handlers run after calls, not between a `try` or `finally` and what stands beside it.
        text = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        is_beside = text in ("try:", "finally:") or text.endswith(".release()")
        if event == "line" and not is_beside and next(steps) == n:
            sys.settrace(None)
            raise raises
        return trace

    return trace


@pytest.mark.parametrize("change", [insert_new, insert_large, remove])
def test_interrupted_before_any_line(path, change):
    whole = path.read_bytes()
    for n in itertools.count():
        path.write_bytes(whole)
        arena = Arena.attach(path)
        before = set(arena.names())
        memory = arena._file.memory
        memory.store(CHANGING_AT, n & 1)  # in every other round there is a repair to interrupt
        sys.settrace(trace_until(n // 2, KeyboardInterrupt))
        try:
            change(arena)
        except KeyboardInterrupt:
            assert memory.load(LOCK_AT + WORD_AT) == 0
        else:
            break
        finally:
            sys.settrace(None)
        sound_after(path, before, change)
    assert n > 50


def test_interrupted_when_it_has_found_a_dead_owner(path):
    def die_with_it():
        Arena.attach(path)._directory.acquire()
        die()

    for n in range(30):
        with forked(die_with_it) as pid:
            os.waitpid(pid, 0)
        arena = Arena.attach(path)
        sys.settrace(trace_until(n, KeyboardInterrupt))
        with contextlib.suppress(KeyboardInterrupt):
            arena.names()
        sys.settrace(None)
        with Arena.attach(path) as another:
            check(another)


def test_a_lock_whose_deletion_was_interrupted_can_be_taken_or_is_gone(path):
    for n in itertools.count():
        arena = Arena.attach(path)
        old = arena.lock("one")
        sys.settrace(trace_until(n, KeyboardInterrupt))
        try:
            arena.delete("one")
        except KeyboardInterrupt:
            pass
        else:
            break
        finally:
            sys.settrace(None)
        if "one" in arena and arena.lock("one") is old:
            assert old.acquire(blocking=False)
            old.release()
        else:
            with pytest.raises(NotRecoverable):
                old.acquire()
    assert n > 20


def test_a_lock_whose_deletion_was_ended_by_a_kill_can_be_taken_or_is_gone(path):
    for n in itertools.count():
        arena = Arena.attach(path)
        old = arena.lock("one")

        def child(n=n):
            mine = Arena.attach(path)
            watch(mine, at_step(n, die))
            mine.delete("one")

        with forked(child) as pid:
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if "one" in arena and arena.lock("one") is old:
            assert old.acquire(blocking=False)
            old.release()
        else:
            with pytest.raises(NotRecoverable):
                old.acquire()
        if status == 0:
            break
    assert n > 5


def begin_deletion(arena, name):
    """Leave the directory as somebody does who is killed after the first steps of a deletion."""
    block = arena._directory.find(name)
    memory = arena._file.memory
    memory.store(CHANGING_AT, 1)
    memory.store64(block, memory.load64(block) ^ (NAMED ^ DELETED) << 32)


def test_a_deletion_that_was_begun_is_ended(path):
    arena = Arena.attach(path)
    old = arena.lock("one")
    begin_deletion(arena, b"one")
    assert "one" not in Arena.attach(path)
    with pytest.raises(NotRecoverable):
        old.acquire()
    check(arena)


def test_a_lock_that_was_taken_when_its_deletion_had_been_begun_stays(path):
    arena = Arena.attach(path)
    with arena.lock("one"):
        begin_deletion(arena, b"one")
        assert "one" in Arena.attach(path)
    check(arena)
    assert arena.lock("one").acquire(blocking=False)
    arena.lock("one").release()


def test_killed_at_the_repair(path):
    for n in itertools.count():

        def leave_half_done(n=n):
            mine = Arena.attach(path)
            watch(mine, at_step(6, die))
            mine.lock(f"new {n}")

        def die_at_the_repair(n=n):
            mine = Arena.attach(path)
            watch(mine, at_step(n, die))
            mine.names()

        with forked(leave_half_done) as pid:
            os.waitpid(pid, 0)
        with forked(die_at_the_repair) as pid:
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with Arena.attach(path) as arena:
            check(arena)
            assert {"one", "two", "0", "39"} <= set(arena.names())
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert n > 10


def test_a_place_for_what_cannot_be_made_is_free_again(path):
    with Arena.attach(path) as arena:
        arena.delete("two")
        with pytest.raises(ValueError):
            arena.semaphore("two", -1)
        check(arena)


def test_memory_that_was_allocated_and_not_said_is_used(path):
    with Arena.attach(path) as arena:
        os.posix_fallocate(arena.fileno(), 0, 1 << 20)
        fill_the_index(arena)
        for i in range(2000):
            arena.lock(f"lock {i}")
        check(arena)


def test_a_directory_that_was_written_over_is_an_error(path):
    arena = Arena.attach(path)
    block = next(entry.block for entry in arena.entries() if entry.name == "two")
    memory = arena._file.memory
    tag = memory.load64(block)
    for damaged in 0, 1, (1 << 64) - 1, tag ^ 1 << 33, tag | 0xFFFF_FFFF:
        memory.store64(block, damaged)
        with pytest.raises(OSError, match="wrote over"):
            arena.names()
        memory.store64(block, tag)
    arena.names()


def test_an_index_that_was_written_over_ends_no_search(path):
    arena = Arena.attach(path)
    first, n_places = arena._directory._index()
    block = next(arena._directory.entries()).block
    arena._file.map[first : first + 4 * n_places] = (block // UNIT).to_bytes(4, "little") * n_places
    with pytest.raises(OSError, match="wrote over"):
        arena.lock("not there")


def test_lists_that_were_written_over_are_an_error_and_made_anew(path):
    arena = Arena.attach(path)
    arena.delete("two")
    memory = arena._file.memory
    free = [block for block, state in arena._directory._blocks() if state == FREE]
    for block in free:
        memory.store(block + BLOCK_NEXT_AT, block // UNIT)
    arena.event("a place again")
    with pytest.raises(OSError, match="wrote over"):
        arena.event("the same place")
    arena.event("the same place")
    check(arena)
