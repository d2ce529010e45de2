"""What the kernel would find of a thread that ends now: a child that is traced, and killed at any step that leaves other
memory behind; and the lock that a thread names. Nothing here goes through pyfutex.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct

import pytest

TRACEME, PEEKDATA, SINGLESTEP = 0, 2, 9
SYS_GET_ROBUST_LIST = {"x86_64": 274, "aarch64": 100}
WORDS_OF_LIST = 3  # of the head: first link, offset, pending operation

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.syscall.restype = ctypes.c_long


def robust_list(tid):
    """The address of a thread's list of robust locks."""
    machine = os.uname().machine
    if machine not in SYS_GET_ROBUST_LIST:
        pytest.skip("the number of get_robust_list is not known here")
    head, size = ctypes.c_void_p(), ctypes.c_size_t()
    number = ctypes.c_long(SYS_GET_ROBUST_LIST[machine])
    answer = _libc.syscall(number, tid, ctypes.byref(head), ctypes.byref(size))
    assert answer == 0, os.strerror(ctypes.get_errno())
    return head.value


def pending(tid):
    """The address of the word that a thread of this process is about to take, as it tells the kernel; 0: of none."""
    # Through the kernel: the thread writes meanwhile.
    with open("/proc/self/mem", "rb", buffering=0) as memory:
        memory.seek(robust_list(tid))
        _, offset, node = struct.unpack(f"{WORDS_OF_LIST}l", memory.read(8 * WORDS_OF_LIST))
    return node and node + offset


class Traced:
    """A child that does `prepare()`, and then `body()` step by step. Used in a `with`, which kills it in the end."""

    def __init__(self, fork, prepare, body):
        def run():
            prepare()
            if _libc.ptrace(TRACEME, 0, None, None):
                os._exit(7)
            os.kill(os.getpid(), signal.SIGSTOP)
            body()
            os.kill(os.getpid(), signal.SIGSTOP)

        self.child = fork(run)
        if not self._stops_with(signal.SIGSTOP):
            pytest.skip("nothing can be traced here")
        self._list = robust_list(self.child.pid)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.child.status is None:
            self.child.kill()

    def _stops_with(self, number):
        _, status = os.waitpid(self.child.pid, 0)
        if os.WIFSTOPPED(status):
            return os.WSTOPSIG(status) == number
        self.child.status = os.waitstatus_to_exitcode(status)
        return False

    def list_head(self):
        """Its list of robust locks, as its end would find it."""
        return [
            _libc.ptrace(PEEKDATA, self.child.pid, self._list + 8 * word, None)
            for word in range(WORDS_OF_LIST)
        ]

    def steps_until(self, other_than, look):
        """Go on to the next step after which `look()` differs: whether there is one before the end of the body."""
        while True:
            assert _libc.ptrace(SINGLESTEP, self.child.pid, None, None) == 0
            if not self._stops_with(signal.SIGTRAP):
                assert self.child.status is None, f"the body failed, status {self.child.status}"
                return False
            if look() != other_than:
                return True


def killed_at_each_step(fork, prepare, body, shared, after, *, arrange=lambda child: None):
    """Run it again and again, and kill it after the first, the second, ... step that changes memory or its list.

    `arrange(child)` is called before the first step, `after()` after each kill, the last of which follows the whole body.
    How many steps change something.
    """
    n_changes = 0
    while True:
        with Traced(fork, prepare, body) as traced:
            arrange(traced.child)

            def look(traced=traced):
                return shared[:], traced.list_head()

            went_on = True
            for _ in range(n_changes):
                went_on = went_on and traced.steps_until(look(), look)
        after()
        if not went_on:
            return n_changes - 1
        n_changes += 1
