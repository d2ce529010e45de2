"""Loops that run a coroutine, a word on which it waits, and what a loop may leave behind."""

import asyncio
import os

import pytest


def loop_factory(name):
    """What makes the loops of a kind; skips the test where their package is missing."""
    if name == "asyncio":
        return asyncio.SelectorEventLoop
    return pytest.importorskip(name, reason=f"needs {name}").new_event_loop


@pytest.fixture(params=["asyncio", "uvloop"])
def new_loop(request):
    """Make an event loop, of each kind that there is."""
    return loop_factory(request.param)


@pytest.fixture
def run(new_loop):
    """Run a coroutine to its end in a loop of its own: ``run(main())``."""

    def run_in_new_loop(coroutine):
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(coroutine)

    return run_in_new_loop


@pytest.fixture
def word(manager, memory):
    """A futex word that holds 0."""
    return manager.futex(memory, 0)


@pytest.fixture
def queued(manager):
    """Take turns with the loop until so many waiters are queued: ``await queued(2)``."""

    async def until(n):
        while len(manager) != n:
            await asyncio.sleep(0)

    return until


@pytest.fixture
def bells():
    """Name the eventfds of this process."""

    def numbers():
        found = set()
        for number in os.listdir("/proc/self/fd"):
            try:
                if os.readlink(f"/proc/self/fd/{number}") == "anon_inode:[eventfd]":
                    found.add(number)
            except FileNotFoundError:
                pass  # what listed the directory
        return found

    return numbers
