"""The Linux futex interface as a library: block and wake threads on words of memory.

Start with `Manager` and `Memory`; docs/architecture.md tells how it works.
"""

from pyfutex._errors import InvalidArgument
from pyfutex.addressspace import AddressSpace
from pyfutex.completionqueue import CompletionQueue
from pyfutex.futex import Futex
from pyfutex.kernel import Kernel, KernelFutex
from pyfutex.key import Key, Mappable
from pyfutex.manager import Manager
from pyfutex.memory import Memory
from pyfutex.results import (
    ALL,
    ANY,
    CLOCK_MONOTONIC,
    CLOCK_REALTIME,
    KeyKind,
    Region,
    Requeued,
    WaiterInfo,
    WaiterState,
    WaitItem,
    WaitResult,
    WakeWait,
)
from pyfutex.target import Target
from pyfutex.waiter import Waiter

__all__ = [
    "ALL",
    "ANY",
    "CLOCK_MONOTONIC",
    "CLOCK_REALTIME",
    "AddressSpace",
    "CompletionQueue",
    "Futex",
    "InvalidArgument",
    "Kernel",
    "KernelFutex",
    "Key",
    "KeyKind",
    "Manager",
    "Mappable",
    "Memory",
    "Region",
    "Requeued",
    "Target",
    "WaitItem",
    "WaitResult",
    "Waiter",
    "WaiterInfo",
    "WaiterState",
    "WakeWait",
]
