"""``python -m pyfutex doctor``: what locks and arenas can do here, tried out where it can be, and what they cannot."""

from __future__ import annotations

import mmap
import os
import platform
import signal
import sys
import sysconfig
import warnings
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pyfutex import Kernel
from pyfutex._buildoptions import KERNEL, PARKING
from pyfutex._commandline import teach
from pyfutex._elsewhere import lacking
from pyfutex.aio import why_no_ring

if TYPE_CHECKING or KERNEL:
    from pyfutex.sync._arenafile import MADV_POPULATE_WRITE, SHARED_MEMORY
    from pyfutex.sync.errors import OwnerDied
    from pyfutex.sync.lock import Lock

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

DESCRIPTION = """\
Say what this environment can and cannot do for pyfutex, in a line each: 'ok', 'less' where something works less well, and
'no' where something does not work. The exit status is 1 if there is a 'no'.
"""
EXAMPLES = (("", "what works in this environment, and what does not"),)

FIRST_PID_NAMESPACE = "pid:[4026531836]"  # the kernel gives it always the same number
SMALL_SHARED_MEMORY = 1 << 26  # what containers get by default


class Verdict(Enum):
    """What a finding means."""

    OK = "ok"
    LESS = "less"
    NO = "no"


class Finding(NamedTuple):
    """A line."""

    verdict: Verdict
    subject: str
    said: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `run` as what the command does."""
    teach(parser, DESCRIPTION, EXAMPLES)
    parser.set_defaults(run=run)


def run(_options: argparse.Namespace) -> int:
    """Print all findings.

    Returns
    -------
    int
        The exit status: 1 if something does not work here.
    """
    findings = list(examine())
    for verdict, subject, said in findings:
        print(f"{verdict.value:5} {subject:16} {said}")
    return int(any(each.verdict is Verdict.NO for each in findings))


def examine() -> Iterator[Finding]:
    """All that is found out."""
    yield Finding(Verdict.OK, "kernel", f"{platform.system()} {platform.release()} on {platform.machine()}")
    yield Finding(Verdict.OK, "C library", c_library())
    yield interpreter()
    yield parking()
    if not KERNEL:
        yield Finding(Verdict.NO, "shared memory", lacking("pyfutex.sync, as pyfutex.Kernel,"))
        return
    yield robust_locks()
    yield pid_namespace()
    yield from futex_calls()
    yield shared_memory()
    yield nameless_files()
    yield populating()
    yield looking_in()
    yield awaited_words()


def parking() -> Finding:
    """How threads of this process sleep."""
    if PARKING == "futex":
        return Finding(Verdict.OK, "parking", "on native futexes")
    said = "on POSIX mutexes and conditions; the main thread looks for signals 20 times a second"
    return Finding(Verdict.LESS, "parking", said)


def awaited_words() -> Finding:
    """By what the kernel waits for the words that coroutines await."""
    subject = "awaited words"
    why = why_no_ring()
    if why is None:
        return Finding(Verdict.OK, subject, "by io_uring: no thread, and no wake is lost")
    without = f"no io_uring ({why.strerror})"
    if "waitv" not in Kernel.supported:
        return Finding(
            Verdict.LESS, subject, f"{without} and no futex_waitv: pyfutex.aio awaits words of managers alone"
        )
    said = f"{without}: a thread for 127 words; a wake for a word that keeps its value may be lost"
    return Finding(Verdict.LESS, subject, said)


def c_library() -> str:
    """Name and version of the C library."""
    name, version = platform.libc_ver()
    if version:  # of musl that is built with the name "libc.so", a name alone
        return f"{name} {version}"
    return "musl" if "musl" in (sysconfig.get_config_var("HOST_GNU_TYPE") or "") else "unknown"


def interpreter() -> Finding:
    """Which Python, and whether it has a GIL."""
    enabled = getattr(sys, "_is_gil_enabled", lambda: True)()
    gil = "with the GIL" if enabled else "without the GIL"
    return Finding(
        Verdict.OK, "interpreter", f"{platform.python_implementation()} {platform.python_version()}, {gil}"
    )


def robust_locks() -> Finding:
    """Whether a lock outlives its owner: a child dies with one."""
    subject = "robust locks"
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    try:
        lock = Lock.create(memory)
    except OSError as error:
        return Finding(Verdict.NO, subject, f"{error.strerror}; locks in shared memory need robust=False")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of other threads, which the child does not need
        child = os.fork()
    if child == 0:
        try:
            lock.acquire()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    try:
        lock.acquire(timeout=5)
    except OwnerDied:
        lock.consistent()
        lock.release()
        return Finding(Verdict.OK, subject, "the lock of a child that was killed was taken over")
    return Finding(Verdict.NO, subject, "the lock of a child that was killed was not found dead")


def pid_namespace() -> Finding:
    """Which PID namespace this is, and whether it is the machine's."""
    subject = "PID namespace"
    try:
        name = os.readlink("/proc/self/ns/pid")
    except OSError as error:
        return Finding(
            Verdict.NO, subject, f"/proc does not tell: {error.strerror}; robust locks need to know"
        )
    if name == FIRST_PID_NAMESPACE:
        return Finding(Verdict.OK, subject, "the machine's; robust locks are shared within it alone")
    return Finding(
        Verdict.LESS,
        subject,
        f"{name}, a container's: robust locks are shared within it alone (--pid=host, --pid=container:...)",
    )


def futex_calls() -> Iterator[Finding]:
    """What the kernel's futexes can do."""
    supported = Kernel.supported
    lacking = {
        "pi": "no priority inheritance",
        "requeue_pi": "no conditions over locks with priority inheritance",
        "lock_pi2": "deadlines of PI locks on CLOCK_REALTIME alone",
        "waitv": "a sleeper on several words looks again every second",
        "futex2": "no futex_wait, futex_wake, futex_requeue: the older calls do",
    }
    for name, lack in lacking.items():
        has = name in supported
        yield Finding(Verdict.OK if has else Verdict.LESS, f"futex: {name}", "there" if has else lack)


def shared_memory() -> Finding:
    """How much shared memory there is."""
    try:
        about = os.statvfs(SHARED_MEMORY)
    except OSError as error:
        return Finding(Verdict.NO, SHARED_MEMORY, f"{error.strerror}: arenas need a path of their own")
    if not os.access(SHARED_MEMORY, os.W_OK | os.X_OK):
        return Finding(Verdict.NO, SHARED_MEMORY, "not writable: arenas need a path of their own")
    size, free = about.f_blocks * about.f_frsize, about.f_bavail * about.f_frsize
    said = f"{size >> 20:,} MiB, {free >> 20:,} MiB free"
    if size <= SMALL_SHARED_MEMORY:
        return Finding(Verdict.LESS, SHARED_MEMORY, f"{said}: small, as containers have it (--shm-size)")
    return Finding(Verdict.OK, SHARED_MEMORY, said)


def nameless_files() -> Finding:
    """Whether a file can be made whole before it has a name."""
    subject = "O_TMPFILE"
    try:
        os.close(os.open(SHARED_MEMORY, os.O_TMPFILE | os.O_RDWR, 0o600))
    except OSError as error:
        return Finding(
            Verdict.LESS,
            subject,
            f"{error.strerror}: a creator of an arena that is killed may leave a file behind",
        )
    return Finding(
        Verdict.OK, subject, f"there in {SHARED_MEMORY}: a creator of an arena that is killed leaves nothing"
    )


def populating() -> Finding:
    """Whether the kernel says beforehand that memory is missing."""
    subject = "MADV_POPULATE"
    with mmap.mmap(-1, mmap.PAGESIZE) as memory:
        try:
            memory.madvise(MADV_POPULATE_WRITE)
        except OSError:
            return Finding(Verdict.LESS, subject, "not there: arenas count the blocks of their file instead")
    return Finding(
        Verdict.OK, subject, "there: an arena without memory behind it is an error, and not a SIGBUS"
    )


def looking_in() -> Finding:
    """Whether `inspect` can see who sleeps where."""
    subject = "inspect"
    try:
        Path(f"/proc/{os.getppid()}/syscall").read_text()
    except OSError as error:
        return Finding(
            Verdict.LESS,
            subject,
            f"{error.strerror}: tells how many threads of other processes sleep, not which",
        )
    return Finding(Verdict.OK, subject, "tells which threads sleep on what")
