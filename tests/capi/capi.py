"""The table of pyfutex.h, called through ctypes: each call releases the GIL, as a C caller would have it."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p, py_object
from typing import TYPE_CHECKING, Any

import pyfutex

if TYPE_CHECKING:
    from collections.abc import Iterable

ANY, ALL = 0xFFFF_FFFF, 0x7FFF_FFFF
QUEUED = 0x4000_0000
BY_MEMORY, PRIVATE, SHARED = range(3)


class Place(ctypes.Structure):
    _fields_ = (("target", c_void_p), ("addr", c_uint64), ("size", c_uint32), ("sharing", c_uint32))


class Deadline(ctypes.Structure):
    _fields_ = (("ns", c_int64), ("clock", c_int32), ("reserved", c_int32))


class Waiter(ctypes.Structure):
    _fields_ = (("opaque", c_uint64 * 16),)


class PIWait(ctypes.Structure):
    _fields_ = (("opaque", c_uint64 * 16),)


class Vector(ctypes.Structure):
    _fields_ = (("opaque", c_uint64 * 8),)


class Item(ctypes.Structure):
    _fields_ = (("place", Place), ("value", c_uint64))


class WakeItem(ctypes.Structure):
    _fields_ = (
        ("place", Place),
        ("n", c_uint32),
        ("bitset", c_uint32),
        ("result", c_int32),
        ("reserved", c_uint32),
    )


class Counts(ctypes.Structure):
    _fields_ = (("woken", c_uint32), ("requeued", c_uint32))


class Stats(ctypes.Structure):
    _fields_ = (
        ("waiters", c_uint64),
        ("keys", c_uint64),
        ("buckets", c_uint64),
        ("longest_chain", c_uint64),
        ("growths", c_uint64),
        ("table_bytes", c_uint64),
        ("reserved", c_uint64 * 2),
    )


Callback = ctypes.CFUNCTYPE(None, c_void_p, c_int)
OwnerAlive = ctypes.CFUNCTYPE(c_int, c_void_p, c_uint32)
Load = ctypes.CFUNCTYPE(c_int, c_void_p, c_uint64, ctypes.c_uint, POINTER(c_uint64))
Swap = ctypes.CFUNCTYPE(c_int, c_void_p, c_uint64, ctypes.c_uint, c_uint64, POINTER(c_uint64))
CompareAndSwap = ctypes.CFUNCTYPE(
    c_int, c_void_p, c_uint64, ctypes.c_uint, c_uint64, c_uint64, POINTER(c_uint64)
)
SharedKey = ctypes.CFUNCTYPE(c_int, c_void_p, c_uint64, POINTER(c_uint64), POINTER(c_uint64))


class TargetFunctions(ctypes.Structure):
    _fields_ = (
        ("load", Load),
        ("swap", Swap),
        ("compare_and_swap", CompareAndSwap),
        ("shared_key", SharedKey),
    )


_place, _waiter, _deadline, _counts = POINTER(Place), POINTER(Waiter), POINTER(Deadline), POINTER(Counts)
# In the order of the slots. A py_object argument: the function needs an attached thread.
FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "manager_new": (c_void_p, c_void_p),
    "manager_free": (c_int, c_void_p),
    "manager_of": (c_void_p, py_object),
    "manager_stats": (c_int, c_void_p, POINTER(Stats)),
    "manager_owner_alive": (None, c_void_p, OwnerAlive, c_void_p),
    "host_target": (c_void_p,),
    "target_new": (c_void_p, POINTER(TargetFunctions), c_void_p),
    "target_free": (None, c_void_p),
    "target_of": (c_void_p, py_object),
    "mappable_new": (c_uint64,),
    "mappable_of": (c_uint64, py_object),
    "wake": (c_int, c_void_p, _place, c_uint32, c_uint32),
    "wakev": (c_int, c_void_p, POINTER(WakeItem), c_size_t),
    "requeue": (c_int, c_void_p, _place, _place, c_uint32, c_uint32, _counts),
    "cmp_requeue": (c_int, c_void_p, _place, _place, c_uint64, c_uint32, c_uint32, _counts),
    "wake_op": (c_int, c_void_p, _place, _place, c_uint32, c_uint32, c_uint32),
    "wait": (c_int, c_void_p, _place, c_uint64, c_uint32, _deadline),
    "wake_wait": (c_int, c_void_p, _place, c_uint32, _place, c_uint64, _deadline, POINTER(c_uint32)),
    "waitv": (c_int, c_void_p, POINTER(Item), c_uint32, _deadline),
    "waiter_init": (None, _waiter, Callback, c_void_p),
    "waiter_init_queue": (None, _waiter, c_void_p, c_void_p),
    "wait_prepare": (c_int, c_void_p, _waiter, _place, c_uint64, c_uint32, c_uint32),
    "waitv_prepare": (c_int, c_void_p, _waiter, POINTER(Vector), _waiter, POINTER(Item), c_uint32),
    "waiter_cancel": (c_int, _waiter),
    "waiter_wait": (c_int, _waiter, _deadline),
    "waiter_result": (c_int, _waiter),
    "waiter_context": (c_void_p, _waiter),
    "queue_new": (c_void_p,),
    "queue_free": (None, c_void_p),
    "queue_fileno": (c_int, c_void_p),
    "queue_pop": (c_void_p, c_void_p),
    "lock_pi": (c_int, c_void_p, _place, c_uint32, _deadline),
    "trylock_pi": (c_int, c_void_p, _place, c_uint32),
    "unlock_pi": (c_int, c_void_p, _place, c_uint32),
    "lock_pi_prepare": (c_int, c_void_p, _waiter, POINTER(PIWait), _place, c_uint32, c_uint32),
    "wait_requeue_pi": (c_int, c_void_p, _place, _place, c_uint64, c_uint32, _deadline),
    "wait_requeue_pi_prepare": (
        c_int,
        c_void_p,
        _waiter,
        POINTER(PIWait),
        _place,
        _place,
        c_uint64,
        c_uint32,
        c_uint32,
    ),
    "cmp_requeue_pi": (c_int, c_void_p, _place, _place, c_uint64, c_uint32, _counts),
    "owner_exit": (c_int, c_void_p, c_uint32),
    "manager_waiters": (c_uint64, c_void_p),
    "key_of": (c_int, _place, POINTER(c_uint64), POINTER(c_uint64)),
    "now": (c_int64, c_int32),
    "prefetch": (None, c_void_p, _place, _waiter),
}


class Table:
    """Every function of the table as an attribute, and `abi` and `n_slots`."""

    def __init__(self) -> None:
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = c_void_p, (py_object, ctypes.c_char_p)
        address = pointer(pyfutex._c_api, b"pyfutex._c_api")
        self.abi, self.n_slots = (c_uint32 * 2).from_address(address)
        slots = (c_void_p * self.n_slots).from_address(address + 8)
        for (name, (result, *arguments)), slot in zip(FUNCTIONS.items(), slots, strict=True):
            kind = ctypes.PYFUNCTYPE if py_object in arguments else ctypes.CFUNCTYPE
            setattr(self, name, kind(result, *arguments)(slot))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class Words:
    """Futex words of this process, side by side, and places of them."""

    def __init__(self, api: Table, size: int = 4, n: int = 64) -> None:
        self.size = size
        self.cells = {1: ctypes.c_uint8, 2: ctypes.c_uint16, 4: c_uint32, 8: c_uint64}[size] * n
        self.values = self.cells()
        self.target = api.host_target()

    def __getitem__(self, index: int) -> int:
        return int(self.values[index])

    def __setitem__(self, index: int, value: int) -> None:
        self.values[index] = value

    def at(self, index: int, sharing: int = BY_MEMORY) -> Place:
        return Place(self.target, ctypes.addressof(self.values) + index * self.size, self.size, sharing)

    def items(self, pairs: Iterable[tuple[int, int]]) -> Any:
        made = [Item(self.at(index), value) for index, value in pairs]
        return (Item * len(made))(*made)


def soon(api: Table, seconds: float = 0.01, clock: int = 1) -> Deadline:
    """A deadline that will pass."""
    return Deadline(api.now(clock) + int(seconds * 1e9), clock, 0)


class Heard:
    """What callbacks were called with, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []
        self.callback = Callback(lambda context, result: self.calls.append((context or 0, result)))

    def waiter(self, api: Table, context: int = 0) -> Waiter:
        made = Waiter()
        api.waiter_init(made, self.callback, context)
        return made
