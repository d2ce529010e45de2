"""Awaits in asyncio: of a word, and of a waiter that is queued already."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from weakref import ref

from pyfutex.aio._completions import Completions, Reader
from pyfutex.results import WaitResult

if TYPE_CHECKING:
    from pyfutex.futex import Futex
    from pyfutex.waiter import Waiter

__all__ = ["wait", "woken"]

_LoopCompletions = Completions[asyncio.Future[None]]

# A WeakKeyDictionary, whose `get` would cost a third of a wait.
_of_loop: dict[ref[asyncio.AbstractEventLoop], _LoopCompletions] = {}


def _resume(future: asyncio.Future[None], error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


def _completions_of(loop: asyncio.AbstractEventLoop) -> _LoopCompletions:
    completions = _of_loop.get(ref(loop))
    if completions is None:
        completions = Completions(_resume)
        loop.add_reader(completions.queue.fileno(), Reader(completions))
        _of_loop[ref(loop, _of_loop.pop)] = completions
    return completions


async def wait(word: Futex, val: int) -> WaitResult:
    """Wait in the running event loop until a word is woken, provided it holds `val`.

    The comparison and the queueing are one atomic step with respect to `wake`. May return spuriously: look at the word
    again.

    Parameters
    ----------
    word : Futex
        Any thread, and any loop, may wake it: `Futex.wake`, `Manager.wake`.
    val : int
        Value the word must hold.

    Returns
    -------
    WaitResult
        WOKEN; or MISMATCH, at once, and the loop was not given way to. Use `asyncio.timeout` to give up.

    Raises
    ------
    RuntimeError
        No loop is running; or `Manager.close` cancelled the wait.
    asyncio.CancelledError
        Nothing of this wait is queued any more. If a waker had taken it before, one wake for the same key was given on.
    """
    loop = asyncio.get_running_loop()
    completions = _completions_of(loop)
    future = loop.create_future()
    waiter = completions.queue_on(word, val, future)
    if waiter is None:
        return WaitResult.MISMATCH
    try:
        await future
    except BaseException:
        completions.leave(waiter)
        raise
    return WaitResult.WOKEN


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
    loop = asyncio.get_running_loop()
    completions = _completions_of(loop)
    future = loop.create_future()
    if completions.adopt(waiter, future):
        try:
            await future
        except BaseException:
            completions.leave(waiter)
            raise
    return WaitResult.WOKEN
