"""Words of real memory in asyncio event loops: the futexes of the kernel, awaited."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING, Self
from weakref import WeakKeyDictionary, ref

from pyfutex.aio._wordengines import KernelWaits, made_engine
from pyfutex.results import WaitResult

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from typing import Any, Protocol

    from pyfutex.aio._wordwait import WordWait
    from pyfutex.results import WaitItem
    from pyfutex.target import Target

    class _Limit(Protocol):
        """What may end a wait, until it is cancelled."""

        def cancel(self) -> None: ...


__all__ = ["Words"]


def _soon(loop_ref: ref[asyncio.AbstractEventLoop], call: Callable[[], None]) -> None:
    loop = loop_ref()
    if loop is None or loop.is_closed():
        call()
    else:
        loop.call_soon(call)


class Words(KernelWaits):
    """Words of real memory, awaited in the running event loop: `Kernel.wait` for coroutines.

    Parameters
    ----------
    io_uring : bool, optional
        Whether the kernel waits by io_uring, for which no thread is needed. False: threads wait, 127 words each, by
        futex_waitv. None: by io_uring where it is allowed.

    Raises
    ------
    RuntimeError
        No event loop runs.
    OSError
        With `io_uring=True`, it is not to be had, see `why_no_ring`; else ENOSYS: futex_waitv is not there either (Linux
        5.16).

    Notes
    -----
    By io_uring nothing gets lost: an await that is cancelled when a wake had been spent on it passes that wake on. By
    futex_waitv a *change* of a word is never missed, but a wake for a word that keeps its value may be: when several words
    of a thread are woken at once, or while the thread takes note of new words.

    The thread of its event loop alone uses it. The child of a fork makes one of its own, in a loop of its own.
    """

    def __init__(self, *, io_uring: bool | None = None) -> None:
        loop = asyncio.get_running_loop()
        self._pid = os.getpid()
        # Weak, or a loop that is dropped would be kept by what `_by_loop` has for it.
        self._loop = ref(loop)
        self._engine = made_engine(io_uring, partial(_soon, self._loop))
        loop.add_reader(self._engine.fileno(), self._engine.drain)

    @classmethod
    def running(cls) -> Words:
        """Those of the running event loop, made when they are first asked for.

        Returns
        -------
        Words
            They are closed some time after their loop.
        """
        loop = asyncio.get_running_loop()
        words = _by_loop.get(loop)
        if words is None or words._pid != os.getpid():
            for other in [other for other in _by_loop if other.is_closed()]:
                _by_loop.pop(other).close()
            words = _by_loop[loop] = cls()
        return words

    def wait(
        self,
        mem: Target,
        addr: int,
        val: int,
        timeout: float | None = None,
        *,
        private: bool | None = None,
    ) -> Coroutine[Any, Any, WaitResult]:
        """Wait until woken, provided the word holds `val`.

        Parameters
        ----------
        mem : Memory or AddressSpace
            Its buffer stays exported while it is waited on.
        addr : int
            Of the word, a multiple of 4 in memory.
        val : int
            What it must hold.
        timeout : float, optional
            Seconds to wait at most; None: as long as it takes.
        private : bool, optional
            True: FUTEX_PRIVATE_FLAG; meets only private operations of this process. None: shared.

        Returns
        -------
        WaitResult
            WOKEN; MISMATCH: it held another value; TIMEOUT. From when the coroutine is suspended, by io_uring, a wake finds
            it.

        Raises
        ------
        OSError
            EFAULT: there is no such word, or its memory is gone.
        InvalidArgument
            Misaligned.
        RuntimeError
            They belong to another event loop, or were closed meanwhile.
        """
        # Not a coroutine itself, which would be one more for each wait.
        limit = None if timeout is None else partial(asyncio.get_running_loop().call_later, timeout)
        return self._wait(mem, addr, val, private, limit)

    async def waitv(
        self,
        items: Iterable[WaitItem | tuple[Target, int, int] | tuple[Target, int, int, bool | None]],
    ) -> int:
        """Wait until one of several words is woken, provided each holds its value: `Kernel.waitv`, for any number of words.

        Parameters
        ----------
        items : iterable of WaitItem or of tuples (mem, addr, val[, private])
            Not none. Errors are those of `wait`.

        Returns
        -------
        int
            The index of one that was woken; -2: a word held another value. `asyncio.timeout` gives up. A wake that was spent
            on another of them is passed on.
        """
        future = self._running_loop().create_future()
        waits: list[WordWait] = []
        first = -1
        try:
            for item in items:
                waits.append(self._engine.begin(future, *item[:3], item[3] if len(item) > 3 else None))
                if future.done():
                    break
            if not waits:
                raise ValueError("there are no words to wait for")
            await future
            first = next(i for i, wait in enumerate(waits) if wait.is_over)
        finally:
            for i, wait in enumerate(waits):
                if i != first:
                    self._engine.abandon(wait)
        return first if waits[first].result() is WaitResult.WOKEN else -2

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if loop is not self._loop():
            raise RuntimeError("these words belong to another event loop")
        return loop

    async def _wait(
        self,
        mem: Target,
        addr: int,
        val: int,
        private: bool | None,
        limit: Callable[[Callable[[], None]], _Limit] | None,
    ) -> WaitResult:
        """As `wait`; `limit` is given what ends it, and is cancelled when it has ended."""
        engine = self._engine
        future = self._running_loop().create_future()
        wait = engine.begin(future, mem, addr, val, private)
        limited = None if limit is None else limit(partial(engine.end, wait))
        try:
            await future
        except BaseException:
            engine.abandon(wait)
            raise
        finally:
            if limited is not None:
                limited.cancel()
        return wait.result()

    def close(self) -> None:
        """Give back what they have of the kernel. Awaits that are left raise RuntimeError."""
        loop = self._loop()
        fd = self._engine.fileno()
        # In a child, the loop's descriptors are its parent's, too.
        if loop is None or loop.is_closed() or self._pid != os.getpid():
            self._engine.close()
        elif fd >= 0:
            loop.remove_reader(fd)
            for future in self._engine.close():
                if not future.done():
                    future.set_exception(RuntimeError("the words were closed"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Words by {self.engine}, {self.waiting} awaited>"


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Words] = WeakKeyDictionary()
