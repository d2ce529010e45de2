"""Queue, JoinableQueue and SimpleQueue of multiprocessing, which go on when a process dies that uses them."""

from __future__ import annotations

from multiprocessing import queues
from typing import TYPE_CHECKING, Any

from pyfutex.sync.errors import OwnerDied, TornMessage
from pyfutex.sync.processes.locks import Condition, WholeRLock
from pyfutex.sync.processes.messages import channel

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import BaseContext

    from pyfutex.sync.processes.signals import BoundedSemaphore, Semaphore

LOOK_AGAIN_SECONDS = 1.0


class Queue(queues.Queue):  # type: ignore[type-arg]  # no generic before Python 3.12
    """`multiprocessing.Queue`: `get` raises `TornMessage` for a message that a dead process left unfinished.

    What a process that dies has put and not sent yet is lost, and of a queue with `maxsize`, the places of these messages.
    """

    _reset: Callable[..., None]
    _sem: BoundedSemaphore

    def __init__(self, maxsize: int = 0, *, ctx: BaseContext) -> None:
        super().__init__(maxsize, ctx=ctx)
        self._rlock, self._wlock = WholeRLock(), WholeRLock()
        self._reader, self._writer = channel(self._wlock)
        self._reset()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the next message; queue.Empty: none came in time. TornMessage: one is lost, and the next one is whole."""
        try:
            return super().get(block, timeout)
        except TornMessage:
            self._sem.release()  # its place
            raise


class JoinableQueue(Queue, queues.JoinableQueue):  # type: ignore[type-arg]
    """`multiprocessing.JoinableQueue`. A task that a process took and died with is never done, and `join` waits for it."""

    _unfinished_tasks: Semaphore

    def __init__(self, maxsize: int = 0, *, ctx: BaseContext) -> None:
        super().__init__(maxsize, ctx=ctx)
        self._cond = Condition(WholeRLock())

    def join(self) -> None:
        """Wait until `task_done` has been called for all that was put."""
        with self._cond:
            while not self._unfinished_tasks._is_zero():
                try:
                    # Whoever was to tell us may have died instead.
                    self._cond.wait(LOOK_AGAIN_SECONDS)
                except OwnerDied:
                    self._cond.consistent()


class SimpleQueue(queues.SimpleQueue[Any]):
    """`multiprocessing.SimpleQueue`: `get` raises `TornMessage` for a message that a dead process left unfinished."""

    def __init__(self, *, ctx: BaseContext) -> None:
        super().__init__(ctx=ctx)
        self._rlock, self._wlock = WholeRLock(), WholeRLock()
        self._reader, self._writer = channel(self._wlock)
        self._poll = self._reader.poll
