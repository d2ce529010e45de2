"""Files: there are the three standard streams, an empty input, and no file system."""

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unicorn_guest.machine import Machine
    from unicorn_guest.thread import Thread

_ENOENT, _EBADF, _EINVAL, _ENOTTY, _ESPIPE = -2, -9, -22, -25, -29
_MAX_WRITE = 1 << 20
_MAX_VECTOR = 1024
_S_IFCHR_RW = 0o020620


def read(machine: "Machine", thread: "Thread", fd: int, addr: int, length: int, *_: int) -> int:
    """The end of the input is reached at once."""
    return 0 if fd == 0 else _EBADF


def write(machine: "Machine", thread: "Thread", fd: int, addr: int, length: int, *_: int) -> int:
    """Hand the bytes to the machine's output, a mebibyte at most."""
    if fd not in (1, 2):
        return _EBADF
    data = machine.memory.read(addr, min(length, _MAX_WRITE))
    machine.output(fd, data)
    return len(data)


def writev(machine: "Machine", thread: "Thread", fd: int, vector: int, n: int, *_: int) -> int:
    """Write several pieces as one."""
    if fd not in (1, 2):
        return _EBADF
    if n > _MAX_VECTOR:
        return _EINVAL
    data = b""
    for base, length in struct.iter_unpack("<QQ", machine.memory.read(vector, 16 * n)):
        data += machine.memory.read(base, min(length, _MAX_WRITE - len(data)))
    machine.output(fd, data)
    return len(data)


def close(machine: "Machine", thread: "Thread", fd: int, *_: int) -> int:
    """The standard streams stay open, whatever the guest says."""
    return 0 if fd < 3 else _EBADF


def lseek(machine: "Machine", thread: "Thread", fd: int, *_: int) -> int:
    """Streams have no position."""
    return _ESPIPE if fd < 3 else _EBADF


def ioctl(machine: "Machine", thread: "Thread", fd: int, *_: int) -> int:
    """None of them is a terminal."""
    return _ENOTTY if fd < 3 else _EBADF


def fcntl(machine: "Machine", thread: "Thread", fd: int, *_: int) -> int:
    """Flags that are all zero."""
    return 0 if fd < 3 else _EBADF


def fstat(machine: "Machine", thread: "Thread", fd: int, addr: int, *_: int) -> int:
    """A character device that is no terminal."""
    if fd >= 3:
        return _EBADF
    machine.memory.write(addr, struct.pack("<QQQI116x", 1, 1, 1, _S_IFCHR_RW))
    return 0


def newfstatat(machine: "Machine", thread: "Thread", fd: int, path: int, addr: int, *_: int) -> int:
    """fstat, if the path is empty."""
    if machine.memory.read(path, 1) != b"\0":
        return _ENOENT
    return fstat(machine, thread, fd, addr)


def no_such_file(machine: "Machine", thread: "Thread", *_: int) -> int:
    """Any call that names a file."""
    return _ENOENT


CALLS = {
    0: read,
    1: write,
    2: no_such_file,  # open
    3: close,
    5: fstat,
    8: lseek,
    16: ioctl,
    20: writev,
    21: no_such_file,  # access
    72: fcntl,
    89: no_such_file,  # readlink
    257: no_such_file,  # openat
    262: newfstatat,
    267: no_such_file,  # readlinkat
}
