"""Each request to Python's allocators is refused in turn, whoever makes it, while pyfutex makes or does something.

In a child each: an interpreter that has unwound without memory may have lost count of how deep it is.
"""

import gc
import mmap
import sys

import pytest
from forking import os_fork, run_in_child
from resources.operations import ENGINE, SYNC, World

from pyfutex.sync import Lock

testcapi = pytest.importorskip("_testcapi", reason="this Python was installed without its tests")

OPERATIONS = ENGINE | SYNC
# As good as all. With all of them refused for ever, CPython itself unwinds for ever.
MANY = 1000
# They are done when their answer is made, or when they let a lock go: then it is the answer that is missing. What a
# constructor has made in shared memory can be attached to.
DONE_WITHOUT_AN_ANSWER = {
    "requeue",
    "cmp_requeue",
    "wake_wait",
    "cmp_requeue_pi",
    "wakev",
    "Arena.lock",
    "Arena.delete",
}
DONE_WITHOUT_AN_ANSWER |= {name for name in SYNC if name.endswith(".create")}
LEAST = 5  # where refusals are done without
SWEEPS = 5
WRITTEN_IN_PYTHON = {name for name in SYNC if name.startswith(("Arena", "context"))}


class Refusals:
    """Attempts at one operation with requests refused; `ignored` is what could be told nobody, as it is of callbacks."""

    def __init__(self, name, monkeypatch):
        self.name = name
        self.ignored = []
        monkeypatch.setattr(
            sys, "unraisablehook", lambda unraisable: self.ignored.append(unraisable.exc_type)
        )

    def attempt(self, first, end):
        """Do it with the requests from the first on refused, before the end one: whether any of them was refused."""
        world = World()
        call = OPERATIONS[self.name](world)
        before = world.state()
        self.ignored.clear()
        failed = False
        testcapi.set_nomemory(first, end)
        try:
            call()
        except (MemoryError, SystemError) as error:
            testcapi.remove_mem_hooks()
            # CPython 3.11 forgets to set MemoryError when it has no memory for the frame of a Python function.
            failed = isinstance(error, MemoryError) or str(error) == "error return without exception set"
            assert failed
        finally:
            testcapi.remove_mem_hooks()
        if failed and world.state() == before:
            call()
        elif failed:
            assert self.name in DONE_WITHOUT_AN_ANSWER
        assert set(self.ignored) <= {MemoryError, ResourceWarning}
        world.end()
        return failed or bool(self.ignored)

    def sweep(self):
        """Refuse each request, alone and with all that follow it."""
        n = 0
        while self.attempt(n, n + MANY) or n < LEAST:
            self.attempt(n, n + 1)
            n += 1
        return n


def blocks():
    """How many blocks Python's allocators have given out."""
    for _ in range(3):
        gc.collect()
    return sys.getallocatedblocks()


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_refused_request_is_a_memory_error_that_changes_nothing_or_is_done_without(name, monkeypatch):
    def check():
        refusals = Refusals(name, monkeypatch)
        refusals.sweep()
        before = blocks()
        for _ in range(SWEEPS):
            refusals.sweep()
            now = blocks()
            if now <= before:
                return
            before = now
        # What one refused request leaks, each sweep leaks. Of what is written in Python only the end is looked at: the
        # interpreter keeps some blocks itself when it unwinds without memory.
        assert name in WRITTEN_IN_PYTHON

    run_in_child(os_fork, check)


def test_a_lock_that_is_dropped_without_memory_is_counted_among_those_of_its_place_no_more():
    """Else the next one there would not keep what it holds mapped."""

    def check():
        memory = mmap.mmap(-1, mmap.PAGESIZE)
        locks = [Lock.create(memory)]
        testcapi.set_nomemory(0, MANY)
        try:
            locks.clear()
        finally:
            testcapi.remove_mem_hooks()
        locks.append(Lock.attach(memory))
        locks[0].acquire()
        with pytest.warns(ResourceWarning, match="dropped while it is held"):
            locks.clear()
        Lock.attach(memory).release()

    run_in_child(os_fork, check)
