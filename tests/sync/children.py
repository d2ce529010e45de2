"""Child processes that share memory with a test; what they run is importable there, however they were started."""

from __future__ import annotations

import os
import signal
import traceback
import warnings
from pathlib import Path

from differential.kernel import SYS_FUTEX

SECONDS = 50
SYS_FUTEX_WAITV = 449


class Child:
    """A forked child: ``pid``, and how it ended."""

    def __init__(self, pid):
        self.pid = pid
        self.status = None

    def has_ended(self):
        """Whether it has ended; then `status` is its exit status, or a negative signal number."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def send(self, number):
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self):
        """Kill it, and wait until it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def is_asleep(self):
        """Whether it sleeps in a futex call. Of a child with one thread, so not for the interpreter lock."""
        return sleeps(self.pid, self.pid)

    def is_stopped(self):
        """Whether a signal has stopped it."""
        return state(self.pid, self.pid) == "T"


def state(pid, tid):
    """The letter that the kernel gives a thread: S, sleeping; T, stopped."""
    return read(f"/proc/{pid}/task/{tid}/stat").rpartition(")")[2].strip()[:1]


def sleeps(pid, tid):
    """Whether a thread sleeps in a futex call."""

    def is_inside():
        return read(f"/proc/{pid}/task/{tid}/syscall").split()[:1] in (
            [str(SYS_FUTEX)],
            [str(SYS_FUTEX_WAITV)],
        )

    return is_inside() and state(pid, tid) == "S" and is_inside()


def read(path):
    """A file of /proc; empty if what it tells of is gone."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def forked(body):
    """Start ``body()`` in a forked child, which exits with 0 if it answers True; its `Child`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of other threads: the watchdog's
        pid = os.fork()
    if pid:
        return Child(pid)
    status = 9
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        status = int(body() is not True)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
