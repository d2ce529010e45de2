"""Who the process is, on which machine, with which limits; and random bytes."""

import struct
from typing import TYPE_CHECKING

from unicorn_guest.stack import STACK_SIZE

if TYPE_CHECKING:
    from unicorn_guest.machine import Machine
    from unicorn_guest.thread import Thread

_EINVAL = -22
_INFINITE = 2**64 - 1
_RLIMIT_STACK = 3
_N_LIMITS = 16
_MAX_RANDOM = 256
N_CPUS = 4


def zero(machine: "Machine", thread: "Thread", *_: int) -> int:
    """The guest is root, and what it asks for is granted without effect."""
    return 0


def uname(machine: "Machine", thread: "Thread", addr: int, *_: int) -> int:
    """The name of the system."""
    fields = (b"Linux", b"guest", b"6.18.0", b"#1", b"x86_64", b"(none)")
    machine.memory.write(addr, b"".join(field.ljust(65, b"\0") for field in fields))
    return 0


def prlimit64(machine: "Machine", thread: "Thread", pid: int, kind: int, new: int, old: int, *_: int) -> int:
    """Limits can be asked for; setting one has no effect."""
    if kind >= _N_LIMITS:
        return _EINVAL
    if old:
        soft = STACK_SIZE if kind == _RLIMIT_STACK else _INFINITE
        machine.memory.write(old, struct.pack("<QQ", soft, _INFINITE))
    return 0


def getrlimit(machine: "Machine", thread: "Thread", kind: int, addr: int, *_: int) -> int:
    """The older form of prlimit64."""
    return prlimit64(machine, thread, 0, kind, 0, addr)


def getrandom(machine: "Machine", thread: "Thread", addr: int, length: int, *_: int) -> int:
    """Bytes from the machine's seed, 256 at most."""
    n = min(length, _MAX_RANDOM)
    machine.memory.write(addr, machine.rng.randbytes(n))
    return n


def sched_getaffinity(machine: "Machine", thread: "Thread", pid: int, length: int, addr: int, *_: int) -> int:
    """The guest believes in several processors, so that its locks do all they do on such a machine."""
    if length < 8 or length % 8:
        return _EINVAL
    machine.memory.write_u64(addr, (1 << N_CPUS) - 1)
    return 8


def getcpu(machine: "Machine", thread: "Thread", cpu: int, node: int, *_: int) -> int:
    """The processor that a thread is on follows from its id."""
    if cpu:
        machine.memory.write_u32(cpu, thread.tid % N_CPUS)
    if node:
        machine.memory.write_u32(node, 0)
    return 0


CALLS = {
    63: uname,
    97: getrlimit,
    102: zero,  # getuid
    104: zero,  # getgid
    107: zero,  # geteuid
    108: zero,  # getegid
    203: zero,  # sched_setaffinity
    204: sched_getaffinity,
    302: prlimit64,
    309: getcpu,
    318: getrandom,
}
