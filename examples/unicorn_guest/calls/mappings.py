"""Memory that the guest maps, unmaps and protects."""

from typing import TYPE_CHECKING

from pyfutex import Mappable
from unicorn_guest.elf import HIGHEST
from unicorn_guest.memory import PAGE, PROT_READ, PROT_WRITE

if TYPE_CHECKING:
    from unicorn_guest.machine import Machine
    from unicorn_guest.thread import Thread

_ENOMEM, _EEXIST, _ENODEV, _EINVAL = -12, -17, -19, -22
_PROT_ALL = 7
_MAP_SHARED, _MAP_TYPE, _MAP_FIXED, _MAP_ANONYMOUS, _MAP_FIXED_NOREPLACE = 0x1, 0xF, 0x10, 0x20, 0x10_0000
_MADV_DONTNEED = 4
# The arena ends above the addresses that programs are loaded at.
_ADDRESS_END = HIGHEST + (16 << 40)


def _pages(length: int) -> int:
    return (length + PAGE - 1) & -PAGE


def _is_range(addr: int, length: int) -> bool:
    return addr % PAGE == 0 and 0 < length <= _ADDRESS_END and addr + _pages(length) <= _ADDRESS_END


def brk(machine: "Machine", thread: "Thread", wanted: int, *_: int) -> int:
    """Move the end of the heap, if there is room; answer where it is."""
    now, then = _pages(machine.heap_end), _pages(wanted)
    if wanted < machine.heap_start:
        return machine.heap_end
    try:
        if then > now:
            machine.memory.map(now, then - now, PROT_READ | PROT_WRITE)
        elif then < now:
            machine.memory.unmap(then, now - then)
    except OSError:
        return machine.heap_end
    machine.heap_end = wanted
    return wanted


def mmap(
    machine: "Machine", thread: "Thread", addr: int, length: int, prot: int, flags: int, fd: int, offset: int
) -> int:
    """Map zeroed memory. There are no files to map."""
    if length == 0 or flags & _MAP_TYPE not in (1, 2, 3):
        return _EINVAL
    if not flags & _MAP_ANONYMOUS:
        return _ENODEV
    size = _pages(length)
    if flags & (_MAP_FIXED | _MAP_FIXED_NOREPLACE):
        if not _is_range(addr, length):
            return _EINVAL if addr % PAGE else _ENOMEM
        if flags & _MAP_FIXED_NOREPLACE and not machine.memory.is_free(addr, size):
            return _EEXIST
    else:
        addr = machine.memory.find_free(size)
    machine.memory.map(addr, size, prot & _PROT_ALL, Mappable("shared") if flags & _MAP_SHARED else None)
    return addr


def munmap(machine: "Machine", thread: "Thread", addr: int, length: int, *_: int) -> int:
    """Unmap pages."""
    if not _is_range(addr, length):
        return _EINVAL
    machine.memory.unmap(addr, _pages(length))
    return 0


def mprotect(machine: "Machine", thread: "Thread", addr: int, length: int, prot: int, *_: int) -> int:
    """Change the rights of pages."""
    if addr % PAGE or prot & ~_PROT_ALL:
        return _EINVAL
    if length == 0:
        return 0
    if not _is_range(addr, length):
        return _ENOMEM
    machine.memory.protect(addr, _pages(length), prot)
    return 0


def madvise(machine: "Machine", thread: "Thread", addr: int, length: int, advice: int, *_: int) -> int:
    """Only MADV_DONTNEED does anything: the pages read as zeroes again."""
    if length == 0:
        return 0
    if not _is_range(addr, length):
        return _EINVAL
    if advice == _MADV_DONTNEED:
        machine.memory.discard(addr, _pages(length))
    return 0


CALLS = {
    9: mmap,
    10: mprotect,
    11: munmap,
    12: brk,
    28: madvise,
}
