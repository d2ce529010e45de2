"""Lock: tasks, of any loops, and threads exclude each other."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Literal

from pyfutex.aio._awaits import wait
from pyfutex.aio._held import Held
from pyfutex.aio._meetings import check_acquire, end_of, gates, new_word, sleep

if TYPE_CHECKING:
    import asyncio

__all__ = ["Lock"]

FREE, HELD, WAITED_FOR = 0, 1, 2


class Lock(Held):
    """A lock for tasks and threads of one process: `asyncio.Lock` to the ones, `threading.Lock` to the others.

    Tasks of one loop get it in the order in which they came. Between loops and threads there is no order: whoever comes
    when it is free takes it, as with `pyfutex.sync.Lock`.

    Examples
    --------
    In a coroutine ``async with lock:``, in a thread ``with lock:``.
    """

    def __init__(self) -> None:
        self._word = new_word()
        self._gates = gates()
        # While a task holds it: the thread of its loop, and what the other tasks of that loop wait for.
        self._thread = 0
        self._gate: asyncio.Lock | None = None

    async def acquire(self) -> Literal[True]:
        """Acquire it, as `asyncio.Lock.acquire`. Cancelled, it holds nothing, and keeps nobody from it."""
        gate = self._gates.here()
        await gate.acquire()
        word = self._word
        try:
            if not word.compare_exchange(FREE, HELD):
                while word.exchange(WAITED_FOR) != FREE:
                    await wait(word, WAITED_FOR)
        except BaseException:
            gate.release()
            raise
        self._thread, self._gate = get_ident(), gate
        return True

    def acquire_blocking(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Acquire it from a thread that runs no loop, as `threading.Lock.acquire`.

        Raises
        ------
        RuntimeError
            This thread runs a loop, and `blocking` is true.
        """
        check_acquire(blocking, timeout, "acquire_blocking")
        word = self._word
        if word.compare_exchange(FREE, HELD):
            return True
        if not blocking:
            return False
        end = end_of(None if timeout == -1 else timeout)
        try:
            while word.exchange(WAITED_FOR) != FREE:
                if not sleep(word, WAITED_FOR, end):
                    return False
        except BaseException:
            word.wake()  # that of a signal handler may have come after a wake
            raise
        return True

    def release(self) -> None:
        """Release it: any thread may, if a thread acquired it; if a task did, the thread of its loop.

        Raises
        ------
        RuntimeError
            It is free; or it is held by a task of a loop in another thread.
        """
        gate = self._gate
        if gate is not None and self._thread != get_ident():
            raise RuntimeError("the lock is held by a task of a loop in another thread")
        word = self._word
        if word.load() == FREE:
            raise RuntimeError("release of a lock that is free")
        self._gate = None
        if word.exchange(FREE) == WAITED_FOR:
            word.wake()
        if gate is not None:
            gate.release()

    def locked(self) -> bool:
        """Tell whether anybody holds it."""
        return self._word.load() != FREE

    def __repr__(self) -> str:
        return f"<Lock {'locked' if self.locked() else 'unlocked'} at {id(self):#x}>"
