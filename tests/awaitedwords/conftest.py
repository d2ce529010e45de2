"""Fixtures of the tests of awaited words: each way of the kernel to wait, where it is there."""

import asyncio

import pytest

from pyfutex import Kernel
from pyfutex.aio import Words, shared, why_no_ring

WAYS = {"io_uring": True, "futex_waitv": False}


@pytest.fixture(params=WAYS)
def way(request):
    """Name of one way to wait; where it is not there, what needs it is skipped."""
    if request.param == "io_uring" and (why := why_no_ring()):
        pytest.skip(f"no io_uring here: {why.strerror}")
    if request.param == "futex_waitv" and "waitv" not in Kernel.supported:
        pytest.skip("no futex_waitv here")
    return request.param


@pytest.fixture
def run(way, monkeypatch):
    """Run ``body(words)`` in an event loop, with words that wait in that way: what it returns.

    By io_uring, no wake may need the look that comes after a second.
    """
    if way == "io_uring":
        monkeypatch.setattr(shared, "_LOOK_AGAIN_S", 3600.0)

    async def with_words(body):
        with Words(io_uring=WAYS[way]) as words:
            assert words.engine == way
            return await body(words)

    return lambda body: asyncio.run(with_words(body))


@pytest.fixture
def exact(way):
    """Skip where a wake for a word that keeps its value may get lost."""
    if way != "io_uring":
        pytest.skip("futex_waitv says of one word alone that it was woken")
