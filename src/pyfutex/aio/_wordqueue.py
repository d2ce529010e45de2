"""WordQueue: words of real memory on one descriptor, for select, poll, epoll and event loops of one's own."""

from __future__ import annotations

import os
import select
from collections import deque
from queue import Empty
from time import monotonic
from typing import TYPE_CHECKING, Self

from pyfutex.aio._meetings import end_of
from pyfutex.aio._wordengines import KernelWaits, made_engine
from pyfutex.results import ALL

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyfutex.aio._uring import Ring
    from pyfutex.aio._waitv import Watchers
    from pyfutex.aio._wordwait import WordWait
    from pyfutex.results import WaitResult
    from pyfutex.target import Target

__all__ = ["WordQueue", "WordWaiter"]


class WordWaiter:
    """One wait for a word, made by `WordQueue.wait_prepare`, which comes out of the queue when it is over.

    Attributes
    ----------
    tag : object
        What the caller gave it.
    """

    tag: object
    _queue: WordQueue | None  # while it may come out of it
    _wait: WordWait  # until it has: it keeps the word's memory there
    _outcome: WaitResult | OSError | None = None  # when it has

    def __init__(self, queue: WordQueue, tag: object) -> None:
        self.tag = tag
        self._queue = queue

    def result(self) -> WaitResult:
        """How the wait ended.

        Returns
        -------
        WaitResult
            WOKEN; MISMATCH: the word held another value.

        Raises
        ------
        OSError
            EFAULT: the memory of the word is gone.
        RuntimeError
            It has not come out of its queue.
        """
        if self._outcome is None:
            raise RuntimeError("this wait has not come out of its queue")
        if isinstance(self._outcome, OSError):
            raise self._outcome
        return self._outcome

    def cancel(self) -> None:
        """Wait no longer: it does not come out of the queue. A wake that was spent on it is passed on.

        Does nothing if it has come out already.
        """
        queue, self._queue = self._queue, None
        if queue is not None:
            queue._forget(self)

    def _come_out(self) -> None:
        self._queue = None
        try:
            self._outcome = self._wait.result()
        except OSError as error:
            self._outcome = error
        del self._wait


class WordQueue(KernelWaits):
    """Words of real memory that are waited for, and a descriptor that is readable when one of them was woken.

    No event loop is needed, nor a thread for each word. As a `CompletionQueue` has the waiters of managers, this has those
    of the kernel, whose words other processes wake.

    Parameters
    ----------
    io_uring : bool, optional
        By what the kernel waits, as for `Words`: None, by io_uring where it is allowed, else by threads with futex_waitv.

    Raises
    ------
    OSError
        With `io_uring=True`, it is not to be had, see `why_no_ring`; else ENOSYS: futex_waitv is not there either (Linux
        5.16).

    Notes
    -----
    What may get lost by futex_waitv is told at `Words`. One thread at a time uses it. The child of a fork makes one of its
    own.

    Examples
    --------
    >>> from pyfutex import Kernel, Memory
    >>> from pyfutex.aio import WordQueue
    >>> memory = Memory(bytearray(8))
    >>> with WordQueue() as queue:
    ...     waiter = queue.wait_prepare(memory, 4, 0, tag="the second word")
    ...     memory.store(4, 1)
    ...     woken = Kernel().wake(memory, 4)
    ...     queue.get().tag
    'the second word'
    """

    def __init__(self, *, io_uring: bool | None = None) -> None:
        self._pid = os.getpid()
        self._bell = -1
        self._engine = made_engine(io_uring, _at_once)
        self._arrived: deque[WordWaiter] = deque()
        self._is_rung = False
        # Waits that are over may be found by any call, which leaves nothing in the engine's descriptor to be seen.
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._descriptors = select.epoll()
        for fd in self._engine.fileno(), self._bell:
            self._descriptors.register(fd, select.EPOLLIN)

    def __del__(self) -> None:
        if self._bell >= 0:
            os.close(self._bell)

    def wait_prepare(
        self, mem: Target, addr: int, val: int, *, private: bool | None = None, tag: object = None
    ) -> WordWaiter:
        """Begin to wait until woken, provided the word holds `val`. Never blocks.

        Parameters
        ----------
        mem : Memory or AddressSpace
            Its buffer stays exported while it is waited on.
        addr : int
            Of the word, a multiple of 4 in memory.
        val : int
            What it must hold. If it does not, the wait is over at once, and comes out of the queue like any other.
        private : bool, optional
            True: FUTEX_PRIVATE_FLAG; meets only private operations of this process. None: shared.
        tag : object, optional
            For the caller.

        Returns
        -------
        WordWaiter
            For one wait, and kept by the queue until that is over.

        Raises
        ------
        OSError
            EFAULT: there is no such word.
        InvalidArgument
            Misaligned.
        RuntimeError
            It is closed, or that of another process.
        """
        engine = self._open_engine()
        waiter = WordWaiter(self, tag)
        waiter._wait = engine.begin(_Arrival(waiter, self._arrived), mem, addr, val, private)
        self._ring_if_needed()
        return waiter

    def fileno(self) -> int:
        """A descriptor that is readable while the queue is not empty, for select, poll, epoll and event loops.

        It may be readable once for nothing. Do not read from it or close it.
        """
        return self._descriptors.fileno()

    def empty(self) -> bool:
        """Whether nothing is here now."""
        self._open_engine().drain()
        self._ring_if_needed()
        return not self._arrived

    def get(self, timeout: float | None = None) -> WordWaiter:
        """Take the oldest of those that are over, sleeping until there is one.

        Parameters
        ----------
        timeout : float, seconds, optional
            None waits for ever, 0 only looks.

        Raises
        ------
        queue.Empty
            `timeout` seconds passed first.
        ValueError
            `timeout` is negative.
        """
        if timeout is not None and timeout < 0:
            raise ValueError("timeout must be a non-negative number")
        end = end_of(timeout)
        while not (taken := self.drain(1)):
            left = None if end is None else end - monotonic()
            if left is not None and left <= 0:
                raise Empty
            self._descriptors.poll(left, 1)
        return taken[0]

    def drain(self, limit: int = ALL) -> list[WordWaiter]:
        """Take those that are over, up to `limit`, oldest first. Never blocks."""
        self._open_engine().drain()
        arrived = self._arrived
        taken = [arrived.popleft() for _ in range(min(limit, len(arrived)))]
        for waiter in taken:
            waiter._come_out()
        self._ring_if_needed()
        return taken

    def close(self) -> None:
        """End all waits, and give back what they have of the kernel. Wakes that nobody has learnt of are passed on."""
        self._engine.close()
        if self._is_open():
            for waiter in self._arrived:
                self._engine.abandon(waiter._wait)
        self._descriptors.close()

    def _is_open(self) -> bool:
        return not self._descriptors.closed and self._pid == os.getpid()

    def _open_engine(self) -> Ring | Watchers:
        if not self._is_open():
            raise RuntimeError("this queue is closed, or another process's")
        return self._engine

    def _forget(self, waiter: WordWaiter) -> None:
        if self._is_open():
            if waiter._wait.is_over:
                self._arrived.remove(waiter)
            self._engine.abandon(waiter._wait)
            self._ring_if_needed()

    def _ring_if_needed(self) -> None:
        """Have the bell say whether anything has arrived."""
        if bool(self._arrived) is self._is_rung:
            return
        self._is_rung = not self._is_rung
        if self._is_rung:
            os.eventfd_write(self._bell, 1)
        else:
            os.eventfd_read(self._bell)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<WordQueue by {self.engine}, {self.waiting} waited for>"


class _Arrival:
    """What the engine tells that a wait is over, in place of a future."""

    def __init__(self, waiter: WordWaiter, arrived: deque[WordWaiter]) -> None:
        self._waiter = waiter
        self._arrived = arrived

    def done(self) -> bool:
        return False

    def set_result(self, _: None, /) -> None:
        self._arrived.append(self._waiter)
        del self._waiter  # which has the wait, which has this


def _at_once(call: Callable[[], None]) -> None:
    call()
