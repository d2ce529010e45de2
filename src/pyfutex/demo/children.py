"""Forked processes that do not outlive the one that forked them."""

import contextlib
import ctypes
import os
import signal
import traceback
from collections.abc import Callable
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def start(body: Callable[[], object]) -> int:
    """Fork a process that calls `body` and exits, with status 1 if it raised; its pid.

    It takes no notice of Ctrl-C, and is killed when its parent ends.
    """
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            body()
            status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def has_ended(pid: int) -> bool:
    """Whether a process has ended; it is gone then, and `pid` may come to mean another."""
    return os.waitpid(pid, os.WNOHANG)[0] != 0


def kill(pid: int) -> int:
    """Kill a process, and wait until it is gone; the signal that ended it, as a negative number, or its exit status."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
