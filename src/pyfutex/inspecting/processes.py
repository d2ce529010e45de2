"""Which threads, of whatever processes, sleep on the words of a file: what /proc tells of them, as far as it does."""

from __future__ import annotations

import os
import platform
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98, "i686": 240, "armv7l": 240}.get(platform.machine(), 98)
FUTEX_WAITV = 449
FUTEX_WAIT = 455
WAITV = struct.Struct("=QQII")  # of an element: the value, the address, flags, 0
MOST_WAITV = 128

MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+)")


class Sleeper(NamedTuple):
    """A thread that sleeps on a word of the file."""

    pid: int
    tid: int
    command: str
    offset: int  # of the word


class Mapping(NamedTuple):
    """Where a process has a part of the file."""

    start: int
    end: int
    offset: int


class Sight(NamedTuple):
    """Who sleeps, and whom this process may not look at."""

    sleepers: list[Sleeper]
    hidden: list[int]  # processes that map the file, and whose threads this one may not look at
    n_unknown: int  # how many it may not look at in any way


def sight_of(fd: int) -> Sight:
    """Look at all processes that map the file of a descriptor."""
    sleepers: list[Sleeper] = []
    hidden = []
    n_unknown = 0
    about = os.fstat(fd)
    for pid in sorted(int(each) for each in os.listdir("/proc") if each.isdigit()):
        try:
            mappings = list(mappings_of(pid, about))
        except PermissionError:
            n_unknown += 1
            continue
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        try:
            sleepers += sleepers_of(pid, mappings) if mappings else ()
        except PermissionError:
            hidden.append(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return Sight(sleepers, hidden, n_unknown)


def mappings_of(pid: int, about: os.stat_result) -> Iterator[Mapping]:
    """Where a process maps a file."""
    for line in Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines():
        match = MAPPING.match(line)
        if match is None or int(match[6]) != about.st_ino:
            continue
        if os.makedev(int(match[4], 16), int(match[5], 16)) == about.st_dev:
            yield Mapping(int(match[1], 16), int(match[2], 16), int(match[3], 16))


def sleepers_of(pid: int, mappings: list[Mapping]) -> Iterator[Sleeper]:
    """The threads of a process that sleep on words in these mappings."""
    for tid in sorted(int(each) for each in os.listdir(f"/proc/{pid}/task")):
        try:
            addresses = list(slept_on(pid, tid))
            command = command_of(tid)
        except (FileNotFoundError, ProcessLookupError):
            continue
        for address in addresses:
            for each in mappings:
                if each.start <= address < each.end:
                    yield Sleeper(pid, tid, command, each.offset + address - each.start)


def slept_on(pid: int, tid: int) -> Iterator[int]:
    """The addresses that a thread sleeps on, in its process."""
    fields = Path(f"/proc/{pid}/task/{tid}/syscall").read_text().split()
    if len(fields) < 3:  # it runs
        return
    call, first, second = int(fields[0]), int(fields[1], 16), int(fields[2], 16)
    if call in (FUTEX, FUTEX_WAIT):
        yield first
    elif call == FUTEX_WAITV:
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            elements = os.pread(memory.fileno(), WAITV.size * min(second, MOST_WAITV), first)
        whole = len(elements) // WAITV.size * WAITV.size
        for _, address, _, _ in WAITV.iter_unpack(elements[:whole]):
            yield address


def command_of(tid: int) -> str:
    """What a thread calls itself. FileNotFoundError: there is no such thread."""
    return Path(f"/proc/{tid}/comm").read_text(errors="replace").strip()


def process_of(tid: int) -> int:
    """The process that a thread is of. FileNotFoundError: there is no such thread."""
    for line in Path(f"/proc/{tid}/status").read_text(errors="replace").splitlines():
        if line.startswith("Tgid:"):
            return int(line.split()[1])
    return tid


def thread_text(tid: int) -> str:
    """A thread as a report names it."""
    try:
        pid, command = process_of(tid), command_of(tid)
    except (FileNotFoundError, ProcessLookupError):
        return f"{tid} (gone)"
    return f"{pid} ({command})" if pid == tid else f"{pid} ({command}), thread {tid}"


def is_alive(tid: int) -> bool:
    """Whether there is such a thread."""
    return os.path.exists(f"/proc/{tid}")
