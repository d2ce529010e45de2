"""Waiting in an event loop: coroutines that wait where threads do, on one descriptor a loop, without a thread.

For asyncio, and loops that plug into it. `Words` are those of real memory, which other processes may wake;
`pyfutex.aio.shared` has the locks that coroutines take beside other processes. `pyfutex.aio.anyio` is for trio and whatever
else anyio runs on, `pyfutex.aio.gevent` for greenlets.
"""

from typing import TYPE_CHECKING

from pyfutex._buildoptions import KERNEL
from pyfutex.aio._awaits import wait, woken
from pyfutex.aio._barrier import Barrier
from pyfutex.aio._condition import Condition
from pyfutex.aio._event import Event
from pyfutex.aio._latch import Latch
from pyfutex.aio._lock import Lock
from pyfutex.aio._once import Once
from pyfutex.aio._rlock import RLock
from pyfutex.aio._rwlock import RWLock
from pyfutex.aio._semaphore import Semaphore

if TYPE_CHECKING or KERNEL:
    from pyfutex.aio._wordengines import why_no_ring
    from pyfutex.aio._wordqueue import WordQueue, WordWaiter
    from pyfutex.aio._words import Words
else:
    from pyfutex._elsewhere import WordQueue, Words, WordWaiter, why_no_ring

__all__ = [
    "Barrier",
    "Condition",
    "Event",
    "Latch",
    "Lock",
    "Once",
    "RLock",
    "RWLock",
    "Semaphore",
    "WordQueue",
    "WordWaiter",
    "Words",
    "wait",
    "why_no_ring",
    "woken",
]
