"""The side that is the judge: the kernel, by a crew of threads that make its calls."""

from __future__ import annotations

import ctypes
import os
import time
from typing import TYPE_CHECKING, Any, Final

from differential import kernel
from differential.kernel import FUTEX2_SIZE_U32, PRIVATE, Timespec, WaitvEntry
from differential.sides import DISTANCE, HEAD_SIZE, Side
from differential.steps import (
    MAX_THREADS,
    CmpRequeue,
    CmpRequeuePI,
    Die,
    LockPI,
    Requeue,
    Restart,
    RobustExit,
    Schedule,
    Signal,
    TrylockPI,
    UnlockPI,
    Wait,
    WaitRequeuePI,
    Waitv,
    Wake,
    WakeOp,
)
from differential.worlds import ANY

if TYPE_CHECKING:
    from pyfutex_native.crew import Crew

LONG_AGO: Final = Timespec(0, 1)
LONG_AGO_AT: Final = ctypes.addressof(LONG_AGO)


class KernelSide(Side):
    """Real threads in real calls: whoever differs from this side is wrong.

    Parameters
    ----------
    crew : Crew
        Whose threads are all idle.
    """

    name = "kernel"

    def __init__(self, crew: Crew) -> None:
        super().__init__()
        self.crew = crew
        self.base = ctypes.addressof(self.cells)
        self.scheduled: set[int] = set()
        self.vectors: list[Any] = [None] * MAX_THREADS

    def tid(self, thread: int) -> int:
        return int(self.crew.tid(thread))

    def ended(self) -> dict[int, int]:
        return self.crew.ended()

    def at(self, word: int) -> int:
        return self.base + DISTANCE * word

    def call(self, op: int, private: bool, word: int, *rest: int) -> int:
        return int(self.crew.call(kernel.SYS_FUTEX, (self.at(word), op | (PRIVATE if private else 0), *rest)))

    def start(self, thread: int, op: int, private: bool, word: int, *rest: int) -> int:
        flag = PRIVATE if private else 0
        return int(self.crew.start(thread, kernel.SYS_FUTEX, (self.at(word), op | flag, *rest)))

    def Wait(self, step: Wait) -> int:
        val = self.value(step.word, step.differs)
        if step.bitset == ANY and not step.late:
            return self.start(step.thread, kernel.WAIT, step.private, step.word, val)
        limit = LONG_AGO_AT if step.late else 0
        return self.start(
            step.thread, kernel.WAIT_BITSET, step.private, step.word, val, limit, 0, step.bitset
        )

    def Waitv(self, step: Waitv) -> int:
        entries = (WaitvEntry * len(step.items))(
            *(
                (self.value(word, differs), self.at(word), FUTEX2_SIZE_U32 | (PRIVATE if private else 0), 0)
                for word, differs, private in step.items
            )
        )
        self.vectors[step.thread] = entries
        limit = LONG_AGO_AT if step.late else 0
        arguments = (ctypes.addressof(entries), len(entries), 0, limit, time.CLOCK_MONOTONIC)
        return int(self.crew.start(step.thread, kernel.SYS_FUTEX_WAITV, arguments))

    def Wake(self, step: Wake) -> int:
        return self.call(kernel.WAKE_BITSET, step.private, step.word, step.n, 0, 0, step.bitset)

    def Requeue(self, step: Requeue) -> int:
        counts = step.n_wake & ANY, step.n_requeue & ANY
        return self.call(kernel.REQUEUE, step.private, step.word, *counts, self.at(step.word2))

    def CmpRequeue(self, step: CmpRequeue) -> int:
        counts = step.n_wake & ANY, step.n_requeue & ANY
        val = self.value(step.word, step.differs)
        return self.call(kernel.CMP_REQUEUE, step.private, step.word, *counts, self.at(step.word2), val)

    def WakeOp(self, step: WakeOp) -> int:
        counts = step.n_wake, step.n_wake2
        return self.call(kernel.WAKE_OP, step.private, step.word, *counts, self.at(step.word2), step.op)

    def LockPI(self, step: LockPI) -> int:
        limit = LONG_AGO_AT if step.late else 0
        return self.start(step.thread, kernel.LOCK_PI, step.private, step.word, 0, limit)

    def TrylockPI(self, step: TrylockPI) -> int:
        return self.start(step.thread, kernel.TRYLOCK_PI, step.private, step.word)

    def UnlockPI(self, step: UnlockPI) -> int:
        return self.start(step.thread, kernel.UNLOCK_PI, step.private, step.word)

    def WaitRequeuePI(self, step: WaitRequeuePI) -> int:
        val = self.value(step.word, step.differs)
        limit = LONG_AGO_AT if step.late else 0
        return self.start(
            step.thread, kernel.WAIT_REQUEUE_PI, step.private, step.word, val, limit, self.at(step.word2)
        )

    def CmpRequeuePI(self, step: CmpRequeuePI) -> int:
        val = self.value(step.word, step.differs)
        counts = 1, step.n_requeue & ANY
        return self.call(kernel.CMP_REQUEUE_PI, step.private, step.word, *counts, self.at(step.word2), val)

    def Signal(self, step: Signal) -> int:
        self.interrupt(step.thread)
        return 0

    def Restart(self, step: Restart) -> int:
        self.crew.interrupt(step.thread, restarts=True)
        return 0

    def interrupt(self, thread: int) -> None:
        self.crew.interrupt(thread)

    def Schedule(self, step: Schedule) -> int:
        set_priority(self.tid(step.thread), step.priority)
        self.scheduled.add(step.thread)
        return 0

    def Die(self, step: Die) -> int:
        self.crew.end(step.thread)
        self.scheduled.discard(step.thread)
        return 0

    def RobustExit(self, step: RobustExit) -> int:
        arguments = self.lay_out(step, self.base), HEAD_SIZE
        assert self.crew.start(step.thread, kernel.SYS_SET_ROBUST_LIST, arguments) == 0
        return self.Die(Die(step.thread))

    def close(self) -> None:
        """Leave the crew as it was found."""
        for thread in self.scheduled:
            set_priority(self.tid(thread), 0)


def set_priority(tid: int, priority: int) -> None:
    """Schedule a thread as real time, or as others are if `priority` is 0."""
    os.sched_setscheduler(tid, os.SCHED_FIFO if priority else os.SCHED_OTHER, os.sched_param(priority))


def may_be_real_time(tid: int) -> bool:
    """Whether a thread may be given a real-time priority."""
    try:
        set_priority(tid, 1)
    except PermissionError:
        return False
    set_priority(tid, 0)
    return True
