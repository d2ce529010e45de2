"""The memory of a Qiling guest as a `Target`."""

import errno
import os
from bisect import bisect_right
from math import inf
from typing import Literal, NoReturn

from qiling import Qiling
from qiling.const import QL_ENDIAN
from unicorn import UcError
from unicorn.unicorn_const import UC_PROT_READ, UC_PROT_WRITE

from pyfutex import Target


class GuestMemory(Target):
    """The futex words of one guest, reached through ``ql.mem``, in the byte order of its processor.

    A word is written only where the guest itself might write. Atomic as long as one thread of the host runs the guest:
    no guest thread runs inside a call of this class.

    Parameters
    ----------
    ql : Qiling
        Whose memory it is.
    """

    def __init__(self, ql: Qiling) -> None:
        self._mem = ql.mem
        self.byte_order: Literal["little", "big"] = "little" if ql.arch.endian == QL_ENDIAN.EL else "big"

    def load(self, addr: int, size: int = 4, /) -> int:
        """The word at `addr`; OSError with EFAULT where the guest may not read."""
        self._check(addr, size, UC_PROT_READ)
        return self._load(addr, size)

    def swap(self, addr: int, new: int, size: int = 4, /) -> int:
        """Store `new`, return what was there; OSError with EFAULT where the guest may not write."""
        self._check(addr, size, UC_PROT_READ | UC_PROT_WRITE)
        seen = self._load(addr, size)
        self._store(addr, new, size)
        return seen

    def compare_and_swap(self, addr: int, old: int, new: int, size: int = 4, /) -> int:
        """Store `new` if `old` is there, return what was there; errors as `swap`."""
        self._check(addr, size, UC_PROT_READ | UC_PROT_WRITE)
        seen = self._load(addr, size)
        if seen == old:
            self._store(addr, new, size)
        return seen

    def _check(self, addr: int, size: int, wanted: int) -> None:
        # Unicorn's own accessors look at no permissions. Qiling keeps its list of regions sorted.
        regions = self._mem.map_info
        index = bisect_right(regions, (addr, inf)) - 1
        if index < 0:
            _fault()
        _, end, permissions, _, _ = regions[index]
        if addr + size > end or permissions & wanted != wanted:
            _fault()

    def _load(self, addr: int, size: int) -> int:
        try:
            return int.from_bytes(self._mem.read(addr, size), self.byte_order)
        except UcError:
            _fault()

    def _store(self, addr: int, value: int, size: int) -> None:
        try:
            self._mem.write(addr, value.to_bytes(size, self.byte_order))
        except UcError:
            _fault()


def _fault() -> NoReturn:
    raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))
