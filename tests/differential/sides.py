"""The two who carry out the steps of a script: the kernel, by a crew of threads, and a Manager, by prepared Waiters.

Both have a method for each kind of step, named as its class, which returns what the register would hold, or ASLEEP.
"""

from __future__ import annotations

import ctypes
import mmap
import time
from abc import ABC, abstractmethod
from errno import EAGAIN, EINTR, ETIMEDOUT
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from differential import kernel
from differential.kernel import FUTEX2_SIZE_U32, PRIVATE, TID_MASK, Timespec, WaitvEntry
from differential.scripts import (
    MAX_THREADS,
    MAX_WORDS,
    CmpRequeue,
    CmpRequeuePI,
    Die,
    LockPI,
    Requeue,
    Signal,
    Store,
    TrylockPI,
    UnlockPI,
    Wait,
    WaitRequeuePI,
    Waitv,
    Wake,
    WakeOp,
)
from differential.worlds import ANY, answer
from pyfutex_native.crew import ASLEEP, Crew

import pyfutex

if TYPE_CHECKING:
    from collections.abc import Callable

LOCK_PI2: Final = 13
LONG_AGO: Final = Timespec(0, 1)
LONG_AGO_AT: Final = ctypes.addressof(LONG_AGO)


class Side(ABC):
    """A page of words, and those who sleep on them."""

    def __init__(self) -> None:
        self.page = mmap.mmap(-1, mmap.PAGESIZE)
        self.words = (ctypes.c_uint32 * MAX_WORDS).from_buffer(self.page)

    def values(self) -> bytes:
        """All words."""
        return self.page[: 4 * MAX_WORDS]

    def value(self, word: int, differs: int) -> int:
        """What a step compares with."""
        return int(self.words[word]) ^ differs

    def Store(self, step: Store) -> int:
        self.words[step.word] = step.value | (0 if step.owner is None else self.tid(step.owner))
        return 0

    @abstractmethod
    def tid(self, thread: int) -> int:
        """The id that stands for a thread in a word."""

    @abstractmethod
    def ended(self) -> dict[int, int]:
        """The sleeping calls that have ended since the last question, by thread."""


class KernelSide(Side):
    """Real threads in real calls.

    Parameters
    ----------
    crew : Crew
        Whose threads are all idle.
    """

    def __init__(self, crew: Crew) -> None:
        super().__init__()
        self.crew = crew
        self.base = ctypes.addressof(self.words)
        self.vectors: list[Any] = [None] * MAX_THREADS

    def tid(self, thread: int) -> int:
        return int(self.crew.tid(thread))

    def ended(self) -> dict[int, int]:
        return self.crew.ended()

    def at(self, word: int) -> int:
        return self.base + 4 * word

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
        self.crew.interrupt(step.thread)
        return 0

    def Die(self, step: Die) -> int:
        self.crew.end(step.thread)
        return 0


class Sleeper(NamedTuple):
    """A queued Waiter, and what a signal makes of it."""

    waiter: pyfutex.Waiter
    interrupt: Callable[[pyfutex.Key | None], int]  # of where it was queued


class ManagerSide(Side):
    """A Manager that is asked as an emulator would ask it.

    Parameters
    ----------
    tid_of : callable
        The ids that the kernel's side has for its threads, so that words are the same on both.
    """

    def __init__(self, tid_of: Callable[[int], int]) -> None:
        super().__init__()
        self.tid_of = tid_of
        self.tids = {thread: tid_of(thread) for thread in range(MAX_THREADS)}
        self.alive = set(self.tids.values())
        self.ever_alive = set(self.alive)
        self.memory = pyfutex.Memory(self.page)
        self.manager = pyfutex.Manager(owner_alive=self.alive.__contains__)
        self.sleepers: dict[int, Sleeper] = {}
        self.over: dict[int, int] = {}

    def tid(self, thread: int) -> int:
        return self.tids[thread]

    def idle(self) -> list[int]:
        return [thread for thread in range(MAX_THREADS) if thread not in self.sleepers]

    def asleep(self) -> list[int]:
        return list(self.sleepers)

    def owner(self, word: int) -> int | None:
        tid = self.words[word] & TID_MASK
        return next((thread for thread, own in self.tids.items() if own == tid), None)

    def ended(self) -> dict[int, int]:
        ended, self.over = self.over, {}
        for thread, sleeper in self.sleepers.items():
            if sleeper.waiter.result is not None:
                ended[thread] = sleeper.waiter.result
        for thread in ended:
            self.sleepers.pop(thread, None)
        return ended

    def sleep(
        self,
        thread: int,
        late: bool,
        prepare: Callable[[pyfutex.Waiter], int | None],
        interrupt: Callable[[pyfutex.Key | None], int] = lambda _key: -EINTR,
    ) -> int:
        waiter = pyfutex.Waiter()
        result = prepare(waiter)
        if result is not None:
            return result
        if late:
            return -ETIMEDOUT if waiter.cancel() else int(waiter.result or 0)
        self.sleepers[thread] = Sleeper(waiter, interrupt)
        return int(ASLEEP)

    def Wait(self, step: Wait) -> int:
        val = self.value(step.word, step.differs)
        return self.sleep(
            step.thread,
            step.late,
            lambda waiter: self.manager.wait_prepare(
                waiter, self.memory, 4 * step.word, val, bitset=step.bitset, private=step.private
            ),
        )

    def Waitv(self, step: Waitv) -> int:
        items = [
            (self.memory, 4 * word, self.value(word, differs), private)
            for word, differs, private in step.items
        ]
        return self.sleep(step.thread, step.late, lambda waiter: self.manager.waitv_prepare(waiter, items))

    def Wake(self, step: Wake) -> int:
        return answer(
            lambda: self.manager.wake(
                self.memory, 4 * step.word, step.n, bitset=step.bitset, private=step.private
            )
        )

    def Requeue(self, step: Requeue) -> int:
        return answer(
            lambda: self.manager.requeue(
                self.memory,
                4 * step.word,
                4 * step.word2,
                step.n_wake,
                step.n_requeue,
                private=step.private,
            )
        )

    def CmpRequeue(self, step: CmpRequeue) -> int:
        return answer(
            lambda: mismatch_as_errno(
                self.manager.cmp_requeue(
                    self.memory,
                    4 * step.word,
                    4 * step.word2,
                    self.value(step.word, step.differs),
                    step.n_wake,
                    step.n_requeue,
                    private=step.private,
                )
            )
        )

    def WakeOp(self, step: WakeOp) -> int:
        return answer(
            lambda: self.manager.wake_op(
                self.memory,
                4 * step.word,
                4 * step.word2,
                step.op,
                step.n_wake,
                step.n_wake2,
                private=step.private,
            )
        )

    def LockPI(self, step: LockPI) -> int:
        def lock(waiter: pyfutex.Waiter) -> int | None:
            return self.manager.lock_pi_prepare(
                waiter, self.memory, 4 * step.word, tid=self.tids[step.thread], private=step.private
            )

        # The kernel makes the same call again after a signal.
        return self.sleep(step.thread, step.late, lock, lambda _key: self.LockPI(step))

    def TrylockPI(self, step: TrylockPI) -> int:
        tid = self.tids[step.thread]
        return answer(
            lambda: (
                0
                if self.manager.trylock_pi(self.memory, 4 * step.word, tid=tid, private=step.private)
                else -EAGAIN
            )
        )

    def UnlockPI(self, step: UnlockPI) -> int:
        tid = self.tids[step.thread]
        return answer(
            lambda: self.manager.unlock_pi(self.memory, 4 * step.word, tid=tid, private=step.private) or 0
        )

    def WaitRequeuePI(self, step: WaitRequeuePI) -> int:
        val = self.value(step.word, step.differs)

        def wait(waiter: pyfutex.Waiter) -> int | None:
            return self.manager.wait_requeue_pi_prepare(
                waiter,
                self.memory,
                4 * step.word,
                4 * step.word2,
                val,
                tid=self.tids[step.thread],
                private=step.private,
            )

        def interrupt(key: pyfutex.Key | None) -> int:
            if key != before:  # it was requeued
                return -EAGAIN
            return self.sleep(step.thread, False, wait, interrupt)

        result = self.sleep(step.thread, step.late, wait, interrupt)
        before = self.sleepers[step.thread].waiter.key if result == ASLEEP else None
        return result

    def CmpRequeuePI(self, step: CmpRequeuePI) -> int:
        return answer(
            lambda: mismatch_as_errno(
                self.manager.cmp_requeue_pi(
                    self.memory,
                    4 * step.word,
                    4 * step.word2,
                    self.value(step.word, step.differs),
                    step.n_requeue,
                    private=step.private,
                )
            )
        )

    def Signal(self, step: Signal) -> int:
        sleeper = self.sleepers.pop(step.thread)
        key = sleeper.waiter.key
        if not sleeper.waiter.cancel():
            self.over[step.thread] = int(sleeper.waiter.result or 0)
            return 0
        result = sleeper.interrupt(key)
        if result != ASLEEP:
            self.over[step.thread] = result
        return 0

    def Die(self, step: Die) -> int:
        """Called after the kernel's side: there is a new thread already, and its id."""
        tid = self.tids[step.thread]
        self.alive.discard(tid)
        self.manager.owner_exit(tid)
        self.tids[step.thread] = self.tid_of(step.thread)
        self.alive.add(self.tids[step.thread])
        self.ever_alive.add(self.tids[step.thread])
        return 0


def mismatch_as_errno(result: object) -> object:
    """Turn the None of a compare-and-requeue into what the kernel answers."""
    return -EAGAIN if result is None else result
