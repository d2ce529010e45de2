"""How a test sees that a thread, of whatever process, sleeps in a call of the package: nothing here goes through pyfutex."""

from __future__ import annotations

import os
import platform

from differential.kernel import SYS_FUTEX, SYS_FUTEX_WAIT, SYS_FUTEX_WAITV
from sync.sleeping import state, system_call

SYS_POLL = 7 if platform.machine() == "x86_64" else 73  # elsewhere the C library has only ppoll
SYS_RESTART_SYSCALL = (
    219 if platform.machine() == "x86_64" else 128
)  # what a stopped call with a timeout goes on as
SLEEPING_CALLS = {
    str(number) for number in (SYS_FUTEX, SYS_FUTEX_WAIT, SYS_FUTEX_WAITV, SYS_POLL, SYS_RESTART_SYSCALL)
}


def asleep(tid: int, pid: int | None = None) -> bool:
    """Tell whether a thread sleeps in a futex call of whatever kind, or polls; without a `pid`, one of this process."""
    pid = os.getpid() if pid is None else pid
    before = system_call(pid, tid)
    return (
        bool(before)
        and before[0] in SLEEPING_CALLS
        and state(pid, tid) == "S"
        and system_call(pid, tid) == before
    )
