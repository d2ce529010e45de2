"""Waiters in asyncio event loops: one completion queue, and so one descriptor, for all awaits of a loop."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from pyfutex.completionqueue import CompletionQueue
from pyfutex.results import WaiterState, WaitResult

if TYPE_CHECKING:
    from pyfutex.waiter import Waiter

__all__ = ["woken"]


class _LoopCompletions:
    """What an event loop has for its awaited waiters. Touched by that loop's thread alone."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.queue = CompletionQueue()
        self.futures: dict[Waiter, asyncio.Future[None]] = {}
        loop.add_reader(self.queue.fileno(), self.drain)

    def drain(self) -> None:
        for waiter in self.queue.drain():
            waiter._complete_alone()
            waiter._call_on_wake()
            future = self.futures.pop(waiter, None)
            if future is not None and not future.done():
                future.set_result(None)

    def cancelled(self, loop: asyncio.AbstractEventLoop, waiter: Waiter) -> None:
        # Called by whoever cancelled an awaited waiter, on any thread.
        loop.call_soon_threadsafe(self.end_cancelled, waiter)

    def end_cancelled(self, waiter: Waiter) -> None:
        waiter._complete_alone()
        future = self.futures.pop(waiter, None)
        if future is not None and not future.done():
            future.set_exception(RuntimeError("the waiter was cancelled"))


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopCompletions] = WeakKeyDictionary()


def _completions_of(loop: asyncio.AbstractEventLoop) -> _LoopCompletions:
    completions = _by_loop.get(loop)
    if completions is None:
        completions = _by_loop[loop] = _LoopCompletions(loop)
    return completions


async def woken(waiter: Waiter) -> WaitResult:
    """Wait in the running event loop until `waiter` is woken.

    Parameters
    ----------
    waiter : Waiter
        Queued, or woken already. It may not have a completion queue of its own.

    Returns
    -------
    WaitResult
        WOKEN. Use `asyncio.timeout` to give up: that cancels the waiter.

    Raises
    ------
    RuntimeError
        It is not queued, was cancelled, has a queue of its own, or is awaited already, here or in another loop.
    asyncio.CancelledError
        This await was cancelled; the waiter is not queued any more. If a waker had taken it before, one wake for the
        same key was given on.
    """
    if waiter.state is WaiterState.DONE:
        return WaitResult.WOKEN
    if waiter.state is not WaiterState.QUEUED:
        raise RuntimeError(f"cannot await {waiter!r}: it is not queued")
    loop = asyncio.get_running_loop()
    completions = _completions_of(loop)
    if not waiter._complete_into(completions.queue, partial(completions.cancelled, loop, waiter)):
        if waiter.woken:
            return WaitResult.WOKEN
        raise RuntimeError(f"cannot await {waiter!r}: it was cancelled meanwhile")
    # The loop's thread drains, and it is here: nothing can complete between the two lines.
    completions.futures[waiter] = future = loop.create_future()
    try:
        await future
    except asyncio.CancelledError:
        completions.futures.pop(waiter, None)
        # True: `cancelled` tidies up. False: `drain` does, and the wake that nobody takes note of is given on.
        if not waiter.cancel() and waiter.woken:
            waiter._wake_another()
        raise
    return WaitResult.WOKEN
