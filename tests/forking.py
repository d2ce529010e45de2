"""A function run in the child of a fork, whose failure is the parent's."""

import ctypes
import os
import signal
import traceback
import warnings

from patience import CHILD_SECONDS


def os_fork():
    """os.fork, in a process that has threads, as this one may."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def c_fork():
    """fork(2) called from C: Python's at-fork functions do not run."""
    return ctypes.PyDLL(None).fork()


def run_in_child(fork, check):
    """Fork, and call `check` in the child; an AssertionError with the child's traceback if it raises."""
    reading, writing = os.pipe()
    pid = fork()
    if pid == 0:
        status = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(CHILD_SECONDS)
            check()
            status = 0
        except BaseException:
            os.write(writing, traceback.format_exc().encode())
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        report = pipe.read()
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, report or f"child ended with status {status}"
