"""Locks and their like: the names and signatures of threading, faster, and also in memory that processes share."""

from threading import BrokenBarrierError

from pyfutex.sync.arena import Arena
from pyfutex.sync.barrier import Barrier
from pyfutex.sync.condition import Condition
from pyfutex.sync.errors import NotRecoverable, OwnerDied
from pyfutex.sync.event import Event
from pyfutex.sync.latch import Latch
from pyfutex.sync.lock import Lock
from pyfutex.sync.once import Once
from pyfutex.sync.rlock import RLock
from pyfutex.sync.rwlock import RWLock
from pyfutex.sync.semaphore import BoundedSemaphore, Semaphore

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
]
