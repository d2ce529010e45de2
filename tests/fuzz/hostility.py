"""Objects and buffers that do what nobody hopes for: raise where Python asks them something, call back, die, change size."""

import array
import ctypes
import gc
import mmap
import os
import tempfile

import pyfutex

PAGE = mmap.PAGESIZE


class Planted(Exception):
    """What hostile objects raise. It may come out of any call that asks one."""


class RaisesEverywhere:
    """Raises whatever it is asked."""

    def _raise(self, *args):
        raise Planted

    __index__ = __int__ = __float__ = __bool__ = __eq__ = __hash__ = __len__ = __iter__ = __next__ = _raise
    __lt__ = __le__ = __gt__ = __ge__ = __getitem__ = __call__ = __enter__ = __exit__ = __fspath__ = (
        __str__
    ) = _raise
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __neg__ = __repr__ = _raise


class IntThatRaises(int):
    """A number, until it is looked at."""

    def _raise(self, *args):
        raise Planted

    __index__ = __int__ = __float__ = __bool__ = __eq__ = __hash__ = __lt__ = __gt__ = __le__ = __ge__ = (
        _raise
    )


class FloatThatRaises(float):
    """Likewise."""

    def _raise(self, *args):
        raise Planted

    __float__ = __int__ = __bool__ = __eq__ = __hash__ = __lt__ = __gt__ = __le__ = __ge__ = _raise


class StrThatRaises(str):
    """Likewise, with a hash that changes."""

    def __eq__(self, other):
        raise Planted

    def __hash__(self):
        raise Planted

    def encode(self, *args):
        raise Planted


class AnswersOddly:
    """An index that is no number, a length below zero, a truth that is none, an attribute for every name."""

    __slots__ = ()

    def __index__(self):
        return "0"

    def __float__(self):
        return "0"

    def __len__(self):
        return -1

    def __bool__(self):
        return 5

    def __iter__(self):
        return 5

    def __getattr__(self, name):
        return self

    def __call__(self, *args, **kwargs):
        return self

    def __repr__(self):
        return "AnswersOddly()"


class CallsBack:
    """Does something to the world whenever it is asked for its value, and then has one."""

    def __init__(self, act, value):
        self.act = act
        self.value = value

    def __index__(self):
        self.act()
        return self.value

    __int__ = __index__

    def __float__(self):
        self.act()
        return float(self.value)

    def __bool__(self):
        self.act()
        return bool(self.value)

    def __call__(self, *args):
        self.act()
        return self.value

    def __iter__(self):
        self.act()
        yield self.value
        self.act()

    def __del__(self):
        self.act()


class PythonTarget(pyfutex.Target):
    """Words in a dictionary, and an answer of every kind in turn."""

    def __init__(self, answer):
        self.answer = answer
        self.words = {}

    def load(self, addr, size=4):
        other = self.answer()
        return self.words.get(addr, 0) if other is None else other

    def swap(self, addr, new, size=4):
        old = self.load(addr, size)
        self.words[addr] = new
        return old

    def compare_and_swap(self, addr, old, new, size=4):
        seen = self.load(addr, size)
        if seen == old:
            self.words[addr] = new
        return seen

    def shared_key(self, addr):
        other = self.answer()
        return pyfutex.Key(pyfutex.KeyKind.SHARED_PRIVATE, addr) if other is None else other


# --- buffers ---


def released():
    view = memoryview(bytearray(256))
    view.release()
    return view


def closed_map():
    mapping = mmap.mmap(-1, PAGE)
    mapping.close()
    return mapping


def map_of_a_file(length, cut_to=None, access=mmap.ACCESS_WRITE):
    """A mapping of a file, which may have been cut since. Of what was cut off nothing but its existence is used: to touch it
    is a SIGBUS, as with all mapped memory, which no library can turn into an error."""
    with tempfile.TemporaryFile() as file:
        file.truncate(length)
        mapping = mmap.mmap(file.fileno(), length, access=access)
        if cut_to is not None:
            os.ftruncate(file.fileno(), cut_to)
        return mapping


def unaligned(n):
    return memoryview(bytearray(512))[n : n + 256]


# By name, since a new one is made for each use. None of them has words that somebody else uses.
BUFFERS = {
    "bytearray": lambda: bytearray(1024),
    "array": lambda: array.array("I", [0] * 256),
    "ctypes": lambda: (ctypes.c_uint32 * 256)(),
    "map": lambda: mmap.mmap(-1, PAGE),
    "of a file": lambda: map_of_a_file(PAGE),
    "empty": bytearray,
    "one byte": lambda: bytearray(1),
    "three bytes": lambda: bytearray(3),
    "63 bytes": lambda: bytearray(63),
    "read-only": lambda: bytes(256),
    "read-only map": lambda: map_of_a_file(PAGE, access=mmap.ACCESS_READ),
    "read-only view": lambda: memoryview(bytearray(256)).toreadonly(),
    "with gaps": lambda: memoryview(bytearray(512))[::2],
    "backwards": lambda: memoryview(bytearray(512))[::-1],
    "unaligned by 1": lambda: unaligned(1),
    "unaligned by 4": lambda: unaligned(4),
    "released": released,
    "closed": closed_map,
    "cut beyond its last page": lambda: map_of_a_file(2 * PAGE, 2 * PAGE - 8),
    "two dimensions": lambda: memoryview(bytearray(256)).cast("B", (16, 16)),
    "of floats": lambda: memoryview(bytearray(256)).cast("d"),
    "of characters": lambda: memoryview(bytearray(256)).cast("c"),
}


def vanish(buffer):
    """Try to take a buffer's memory away. Whatever exports it must refuse."""
    if isinstance(buffer, bytearray):
        buffer.extend(bytes(1 << 16))
        buffer.clear()
    elif isinstance(buffer, array.array):
        buffer.extend([0] * 4096)
        del buffer[:]
    elif isinstance(buffer, mmap.mmap):
        buffer.close()
    elif isinstance(buffer, memoryview):
        buffer.release()
    gc.collect()
