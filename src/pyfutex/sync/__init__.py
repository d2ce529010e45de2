"""Locks and their like: the names and signatures of threading, faster, and also in memory that processes share."""

from __future__ import annotations

from threading import BrokenBarrierError
from typing import TYPE_CHECKING

from pyfutex._buildoptions import KERNEL
from pyfutex._elsewhere import lacking

if not KERNEL:
    raise ImportError(lacking(__name__), name=__name__)

from pyfutex.sync.arena import Arena
from pyfutex.sync.barrier import Barrier
from pyfutex.sync.condition import Condition
from pyfutex.sync.errors import NotRecoverable, OwnerDied, TornMessage, WorkerDied
from pyfutex.sync.event import Event
from pyfutex.sync.latch import Latch
from pyfutex.sync.lock import Lock
from pyfutex.sync.once import Once
from pyfutex.sync.rlock import RLock
from pyfutex.sync.rwlock import RWLock
from pyfutex.sync.semaphore import BoundedSemaphore, Semaphore

if TYPE_CHECKING:
    from pyfutex.sync.processes.contexts import CrashProofContext

__all__ = [
    "Arena",
    "Barrier",
    "BoundedSemaphore",
    "BrokenBarrierError",
    "Condition",
    "Event",
    "Latch",
    "Lock",
    "NotRecoverable",
    "Once",
    "OwnerDied",
    "RLock",
    "RWLock",
    "Semaphore",
    "TornMessage",
    "WorkerDied",
    "get_context",
]


def get_context(method: str | None = None) -> CrashProofContext:
    """A context of multiprocessing that goes on when a process of it dies.

    Its Lock, RLock, Condition, Semaphore, BoundedSemaphore, Event and Barrier are those of this module in shared memory,
    with the signatures of multiprocessing's; its Queue, JoinableQueue, SimpleQueue, Pool, Value and Array use them, and so
    does `ProcessPoolExecutor(mp_context=...)`. All of them can be handed to a process that is being started.

    Parameters
    ----------
    method : str, optional
        "spawn", "fork" or "forkserver"; None: the one that multiprocessing uses.

    Returns
    -------
    CrashProofContext
        A subclass of the interpreter's own context for this method.

    Raises
    ------
    ValueError
        There is no such method here.
    """
    # multiprocessing is loaded by those who use it alone.
    from pyfutex.sync.processes.contexts import context_of

    return context_of(method)
