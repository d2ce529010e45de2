"""Host memory in which a touch outside is seen: no access before and after it, canaries around every piece."""

import ctypes
import mmap

PAGE = mmap.PAGESIZE
CANARY = 0xC5

_libc = ctypes.CDLL(None)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


class Arena:
    """Pages between two that nobody may touch, cut into pieces.

    Parameters
    ----------
    n_pages : int
        Between the two. They are never given back.

    Attributes
    ----------
    start, size : int
        Host address and length of what can be touched.
    """

    def __init__(self, n_pages):
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self.start = _libc.mmap(None, (n_pages + 2) * PAGE, 0, flags, -1, 0) + PAGE
        self.size = n_pages * PAGE
        assert _libc.mprotect(self.start, self.size, mmap.PROT_READ | mmap.PROT_WRITE) == 0
        self.clear()

    def clear(self):
        """Forget all pieces."""
        ctypes.memset(self.start, CANARY, self.size)

    def piece(self, offset, size):
        """A writable buffer of zeroes, `offset` from the start, or from the end if that is negative."""
        start = self.start + offset % self.size
        assert start + size <= self.start + self.size
        ctypes.memset(start, 0, size)
        return (ctypes.c_char * size).from_address(start)

    def offset_of(self, piece):
        """Where a piece begins."""
        return ctypes.addressof(piece) - self.start

    def store(self, offset, byte):
        """Change one byte."""
        ctypes.c_uint8.from_address(self.start + offset).value = byte

    def snapshot(self):
        """All of it, canaries too."""
        return ctypes.string_at(self.start, self.size)


def differing(before, after):
    """Offsets at which two snapshots differ."""
    if before == after:
        return set()
    return {i for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new}
