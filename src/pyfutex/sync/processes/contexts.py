"""The contexts that `pyfutex.sync.get_context` answers with."""

from __future__ import annotations

import multiprocessing.context as context
from multiprocessing import get_context as get_stock_context
from typing import TYPE_CHECKING, Any

from pyfutex.sync.processes import locks, pools, queues, signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


# The primitives are of other classes than those of multiprocessing, hence the overrides that mypy and pyright are to ignore.
# pyright: reportIncompatibleMethodOverride=false
class CrashProofContext(context.BaseContext):
    """A context of multiprocessing whose primitives, queues and pools outlive the processes that use them."""

    def get_context(self, method: str | None = None) -> Any:
        """This one, or the one of another start method."""
        return self if method is None else context_of(method)

    def Lock(self) -> locks.Lock:  # type: ignore[override]
        """A lock with an owner, which outlives him."""
        return locks.Lock()

    def RLock(self) -> locks.RLock:  # type: ignore[override]
        """A lock that its owner may take again, and which outlives him."""
        return locks.RLock()

    def Condition(  # type: ignore[override]
        self, lock: locks.Lock | locks.RLock | None = None
    ) -> locks.Condition:
        """A condition over a lock of this context, by default a new RLock."""
        return locks.Condition(lock)

    def Semaphore(  # type: ignore[override]
        self, value: int = 1, *, undo: bool = False
    ) -> signals.Semaphore:
        """So many permits; with `undo`, those of a process that dies come back."""
        return signals.Semaphore(value, undo=undo)

    def BoundedSemaphore(  # type: ignore[override]
        self, value: int = 1, *, undo: bool = False
    ) -> signals.BoundedSemaphore:
        """So many permits, and never more."""
        return signals.BoundedSemaphore(value, undo=undo)

    def Event(self) -> signals.Event:  # type: ignore[override]
        """A flag to wait for."""
        return signals.Event()

    def Barrier(  # type: ignore[override]
        self, parties: int, action: Callable[[], object] | None = None, timeout: float | None = None
    ) -> signals.Barrier:
        """A place to wait for so many parties."""
        return signals.Barrier(parties, action, timeout)

    def Queue(self, maxsize: int = 0) -> queues.Queue:
        """A queue with a thread that sends."""
        return queues.Queue(maxsize, ctx=self)

    def JoinableQueue(self, maxsize: int = 0) -> queues.JoinableQueue:
        """A queue that knows what is done."""
        return queues.JoinableQueue(maxsize, ctx=self)

    def SimpleQueue(self) -> queues.SimpleQueue:
        """A queue without a thread."""
        return queues.SimpleQueue(ctx=self)

    def Pool(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
    ) -> pools.Pool:
        """Processes that work off tasks."""
        return pools.Pool(processes, initializer, initargs, maxtasksperchild, context=self)


class ForkContext(CrashProofContext, context.ForkContext):
    """Processes are forked."""


class SpawnContext(CrashProofContext, context.SpawnContext):
    """Processes are new ones."""


class ForkServerContext(CrashProofContext, context.ForkServerContext):
    """Processes are forked off a server."""


_contexts: dict[str, CrashProofContext] = {
    "fork": ForkContext(),
    "spawn": SpawnContext(),
    "forkserver": ForkServerContext(),
}


def context_of(method: str | None) -> CrashProofContext:
    """The context of a start method, None: the one that multiprocessing uses; ValueError: it is not available."""
    return _contexts[get_stock_context(method).get_start_method()]
