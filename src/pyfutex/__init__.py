"""The Linux futex interface as a library: block and wake threads on words of memory.

Start with `Manager` and `Memory`; docs/architecture.md tells how it works.
"""

import os
from typing import TYPE_CHECKING

from pyfutex._buildoptions import KERNEL
from pyfutex._capi import _c_api as _c_api  # where pyfutex_import looks for it
from pyfutex._errors import InvalidArgument
from pyfutex.addressspace import AddressSpace
from pyfutex.completionqueue import CompletionQueue
from pyfutex.futex import Futex
from pyfutex.key import Key, Mappable
from pyfutex.manager import Manager
from pyfutex.memory import Memory
from pyfutex.nativetarget import NativeTarget
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
    WakeItem,
    WakeWait,
)
from pyfutex.target import Target
from pyfutex.waiter import Waiter

if TYPE_CHECKING or KERNEL:
    from pyfutex.kernel import Kernel, KernelFutex
else:
    from pyfutex._elsewhere import Kernel, KernelFutex

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
    "NativeTarget",
    "Region",
    "Requeued",
    "Target",
    "WaitItem",
    "WaitResult",
    "Waiter",
    "WaiterInfo",
    "WaiterState",
    "WakeItem",
    "WakeWait",
    "get_include",
]


def get_include() -> str:
    """Say in which directory pyfutex.h lies, for C code, and for Cython code that cimports `pyfutex.cyfutex`."""
    return os.path.join(os.path.dirname(__file__), "include")
