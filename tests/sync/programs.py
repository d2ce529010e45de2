"""Python programs that share memory with a test, and processes forked off it: started, watched while they sleep, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import traceback
import warnings
from errno import EOWNERDEAD
from pathlib import Path

import pytest
from differential.kernel import SYS_FUTEX, usable
from patience import CHILD_SECONDS

from pyfutex.sync import OwnerDied

# Of every program: `memory` is the file of the test, `first` and `lock` are locks in it, and `meet` tells the test that the
# program got there and waits until the test says go on.
PRELUDE = """
import mmap, os, signal, sys, threading
from pyfutex.sync import Lock, NotRecoverable, OwnerDied

file = open(sys.argv[1], "r+b")
memory = mmap.mmap(file.fileno(), 0)
lock, first = Lock.attach(memory), Lock.attach(memory, 64)

def meet():
    print("here", flush=True)
    sys.stdin.readline()
"""


class Program:
    """A running program. Used in a `with`, which kills it in the end."""

    def __init__(self, body, *arguments, prelude=PRELUDE):
        command = [sys.executable, "-W", "ignore", "-c", prelude + body, *map(os.fspath, arguments)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.communicate()

    def meets(self):
        """Wait until the program has got to its next `meet`."""
        said = self.process.stdout.readline()
        assert said == "here\n", said + self.process.stderr.read()

    def go_on(self):
        """Let it go on from there."""
        print(file=self.process.stdin, flush=True)

    def ends(self):
        """Wait for its end; its exit status and all it wrote to standard error."""
        _, said = self.process.communicate(timeout=CHILD_SECONDS)
        return self.process.returncode, said


def sleeps(pid):
    """Whether a thread of this name sleeps in futex(2), as the kernel tells."""
    if not usable():
        pytest.skip("the kernel does not tell here where a thread sleeps")
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        return Path(f"/proc/{pid}/syscall").read_text().split()[0] == str(SYS_FUTEX)
    return False


@contextlib.contextmanager
def forked(call):
    """Run a call in a child; the child is killed in the end. A failure of the child is printed, and its status 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.alarm(CHILD_SECONDS)
            call()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    try:
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def ended(pid):
    """Wait for the end of a child: its exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def finds_a_dead_owner(lock):
    """Take a lock whose owner died, and make it good."""
    with pytest.raises(OwnerDied) as caught:
        lock.acquire(timeout=CHILD_SECONDS)
    assert caught.value.errno == EOWNERDEAD
    assert lock.locked()
    lock.consistent()
    lock.release()
    assert lock.acquire(blocking=False)
    lock.release()
