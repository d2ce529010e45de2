"""The same registers for the running kernel and for pyfutex: one thread, one memory, one address for both."""

import ctypes
import mmap
import platform
import threading

from differential import kernel

import pyfutex
from pyfutex import linux

PAGE = mmap.PAGESIZE
RELEASE = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2] if part.isdigit())

_mmap = ctypes.CDLL(None).mmap
_mmap.restype = ctypes.c_void_p
_mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
NOWHERE = _mmap(None, PAGE, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)  # reserved, without access


class Registers:
    """Calls that do not block, made twice.

    Attributes
    ----------
    a, b : int
        Addresses of two words that hold 0.
    time : int
        Address at which `timespec` writes.
    nowhere : int
        Address of a page without access.
    """

    def __init__(self):
        self.page = mmap.mmap(-1, PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.anchor = ctypes.c_char.from_buffer(self.page)
        base = ctypes.addressof(self.anchor)
        self.memory = pyfutex.Memory(self.page, base)
        self.manager = pyfutex.Manager()
        self.task = linux.Task(threading.get_native_id(), self.memory, self.manager)
        self.a, self.b, self.time = base + 64, base + 128, base + 256
        self.nowhere = NOWHERE

    def timespec(self, seconds, ns):
        ctypes.memmove(self.time, bytes(kernel.Timespec(seconds, ns)), 16)
        return self.time

    def word(self, addr, value=None):
        """The word at `addr`, or store there."""
        cell = ctypes.c_uint32.from_address(addr)
        if value is not None:
            cell.value = value
        return cell.value

    def both(self, uaddr, op, val=0, timeout=0, uaddr2=0, val3=0, *, a=0, b=0):
        """What the kernel and pyfutex answer: the register and both words, which hold `a` and `b` before."""
        answers = []
        for serve in (kernel.futex, self.serve):
            self.word(self.a, a)
            self.word(self.b, b)
            answers.append(
                (serve(uaddr, op, val, timeout, uaddr2, val3), self.word(self.a), self.word(self.b))
            )
        return answers

    def serve(self, *arguments):
        return linux.futex(self.task, *arguments)
