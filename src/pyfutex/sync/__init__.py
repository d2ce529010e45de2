"""Locks and their like: the names and signatures of threading, faster, and also in memory that processes share."""

from threading import BrokenBarrierError

from pyfutex.sync.barrier import Barrier
from pyfutex.sync.condition import Condition
from pyfutex.sync.errors import NotRecoverable, OwnerDied
from pyfutex.sync.lock import Lock
from pyfutex.sync.rlock import RLock
from pyfutex.sync.rwlock import RWLock

__all__ = [
    "Barrier",
    "BrokenBarrierError",
    "Condition",
    "Lock",
    "NotRecoverable",
    "OwnerDied",
    "RLock",
    "RWLock",
]
