"""What a child process does with a primitive in shared memory; importable there, however it was started."""

from __future__ import annotations

import mmap
import os
import signal
import sys

from pyfutex import sync


def mapped(path):
    """A mapping of a file, shared with all who map it."""
    with open(path, "r+b") as file:
        return mmap.mmap(file.fileno(), 0)


def call(path, kind, method, *arguments):
    """Call a method of the primitive at the beginning of a file, and exit with 0 if it answers True."""
    primitive = getattr(sync, kind).attach(mapped(path))
    sys.exit(getattr(primitive, method)(*arguments) is not True)


def forked(body):
    """Start ``body()`` in a forked child, which exits with 0 if it answers True; its process id."""
    pid = os.fork()
    if pid:
        return pid
    status = 9
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(50)
        status = body() is not True
    finally:
        os._exit(status)
