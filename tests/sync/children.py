"""Child processes that share memory with a test; what they run is importable there, however they were started."""

from __future__ import annotations

import mmap
import os
import signal
import sys
import traceback
import warnings

from patience import CHILD_SECONDS
from sync.sleeping import sleeps_on_shared, state

from pyfutex import sync


def mapped(path):
    """A mapping of a file, shared with all who map it."""
    with open(path, "r+b") as file:
        return mmap.mmap(file.fileno(), 0)


def call(path, kind, method, *arguments):
    """Call a method of the primitive at the beginning of a file, and exit with 0 if it answers True."""
    primitive = getattr(sync, kind).attach(mapped(path))
    sys.exit(getattr(primitive, method)(*arguments) is not True)


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
        """Whether it sleeps on shared memory."""
        return sleeps_on_shared(self.pid)

    def is_stopped(self):
        """Whether a signal has stopped it."""
        return state(self.pid, self.pid) == "T"


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
        signal.alarm(CHILD_SECONDS)
        status = int(body() is not True)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
