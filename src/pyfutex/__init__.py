"""The Linux futex interface as a library: block and wake threads on words of memory.

Start with `Manager` and `Memory`; docs/architecture.md tells how it works.
"""

import os

from pyfutex._buildoptions import KERNEL
from pyfutex._errors import InvalidArgument
from pyfutex.completionqueue import CompletionQueue
from pyfutex.futex import Futex
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
    WakeItem,
    WakeWait,
)
from pyfutex.target import Target
from pyfutex.waiter import Waiter

TYPE_CHECKING = False  # see results.py
if TYPE_CHECKING:
    from pyfutex._capi import _c_api as _c_api
    from pyfutex.addressspace import AddressSpace
    from pyfutex.kernel import Kernel, KernelFutex
    from pyfutex.nativetarget import NativeTarget

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

# In modules that are imported when somebody asks for one of these: whoever uses a Manager alone does not wait for them.
_LATE = {
    "_c_api": "_capi",  # for pyfutex_import in C
    "AddressSpace": "addressspace",
    "Kernel": "kernel" if KERNEL else "_elsewhere",
    "KernelFutex": "kernel" if KERNEL else "_elsewhere",
    "NativeTarget": "nativetarget",
}

if not TYPE_CHECKING:  # which would take any name for one of the package's

    def __getattr__(name: str) -> object:
        late = _LATE.get(name) or (name if name in _LATE.values() else None)
        if late is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = __import__(f"{__name__}.{late}", fromlist=[name])
        return globals().setdefault(name, module if late == name else getattr(module, name))

    def __dir__() -> list[str]:
        return sorted({*globals(), *_LATE})


def get_include() -> str:
    """Say in which directory pyfutex.h lies, for C code, and for Cython code that cimports `pyfutex.cyfutex`."""
    return os.path.join(os.path.dirname(__file__), "include")
