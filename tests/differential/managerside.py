"""The side of a Manager that is asked as an emulator asks it: by prepared Waiters, with no thread but the script's own."""

from __future__ import annotations

from errno import EAGAIN, EINTR, ETIMEDOUT
from typing import TYPE_CHECKING, NamedTuple

from differential.sides import DISTANCE, ManagerSide
from differential.steps import (
    MAX_THREADS,
    LockPI,
    Restart,
    Schedule,
    Signal,
    TrylockPI,
    UnlockPI,
    Wait,
    WaitRequeuePI,
    Waitv,
)
from differential.worlds import answer
from pyfutex_native.crew import ASLEEP

import pyfutex

if TYPE_CHECKING:
    from collections.abc import Callable


class Sleeper(NamedTuple):
    """A queued Waiter, and what becomes of its call when it is made again after a signal."""

    waiter: pyfutex.Waiter
    again: Callable[[pyfutex.Key | None], int]  # of where it was queued
    ends: bool  # by a signal without SA_RESTART


class PreparedSide(ManagerSide):
    """A Manager and prepared Waiters. The generator looks at this side, and so does what judges a step beforehand."""

    name = "prepared"

    def __init__(self, tid_of: Callable[[int], int], *, may_be_real_time: bool) -> None:
        super().__init__(tid_of)
        self.may_be_real_time = may_be_real_time
        self.sleepers: dict[int, Sleeper] = {}
        self.over: dict[int, int] = {}
        self.priorities = [0] * MAX_THREADS

    def idle(self) -> list[int]:
        return [thread for thread in range(MAX_THREADS) if thread not in self.sleepers]

    def asleep(self) -> list[int]:
        return list(self.sleepers)

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
        again: Callable[[pyfutex.Key | None], int] | None = None,
    ) -> int:
        waiter = pyfutex.Waiter()
        result = prepare(waiter)
        if result is not None:
            return result
        if late:
            return -ETIMEDOUT if waiter.cancel() else int(waiter.result or 0)
        if again is None:
            self.sleepers[thread] = Sleeper(waiter, lambda _key: self.sleep(thread, late, prepare), True)
        else:
            self.sleepers[thread] = Sleeper(waiter, again, False)
        return int(ASLEEP)

    def Wait(self, step: Wait) -> int:
        val = self.value(step.word, step.differs)
        return self.sleep(
            step.thread,
            step.late,
            lambda waiter: self.engine.wait_prepare(
                waiter,
                self.memory,
                DISTANCE * step.word,
                val,
                bitset=step.bitset,
                priority=self.priorities[step.thread],
                private=step.private,
            ),
        )

    def Waitv(self, step: Waitv) -> int:
        items = [
            (self.memory, DISTANCE * word, self.value(word, differs), private)
            for word, differs, private in step.items
        ]
        priority = self.priorities[step.thread]
        return self.sleep(
            step.thread,
            step.late,
            lambda waiter: self.engine.waitv_prepare(waiter, items, priority=priority),
        )

    def LockPI(self, step: LockPI) -> int:
        def lock(waiter: pyfutex.Waiter) -> int | None:
            return self.engine.lock_pi_prepare(
                waiter,
                self.memory,
                DISTANCE * step.word,
                tid=self.tids[step.thread],
                priority=self.priorities[step.thread],
                private=step.private,
            )

        # The kernel makes the same call again after any signal.
        return self.sleep(step.thread, step.late, lock, lambda _key: self.LockPI(step))

    def TrylockPI(self, step: TrylockPI) -> int:
        tid = self.tids[step.thread]
        return answer(
            lambda: (
                0
                if self.engine.trylock_pi(self.memory, DISTANCE * step.word, tid=tid, private=step.private)
                else -EAGAIN
            )
        )

    def UnlockPI(self, step: UnlockPI) -> int:
        tid = self.tids[step.thread]
        return answer(
            lambda: (
                self.engine.unlock_pi(self.memory, DISTANCE * step.word, tid=tid, private=step.private) or 0
            )
        )

    def WaitRequeuePI(self, step: WaitRequeuePI) -> int:
        val = self.value(step.word, step.differs)

        def wait(waiter: pyfutex.Waiter) -> int | None:
            return self.engine.wait_requeue_pi_prepare(
                waiter,
                self.memory,
                DISTANCE * step.word,
                DISTANCE * step.word2,
                val,
                tid=self.tids[step.thread],
                priority=self.priorities[step.thread],
                private=step.private,
            )

        def again(key: pyfutex.Key | None) -> int:
            if key != before:  # it was requeued
                return -EAGAIN
            return self.sleep(step.thread, False, wait, again)

        result = self.sleep(step.thread, step.late, wait, again)
        before = self.sleepers[step.thread].waiter.key if result == ASLEEP else None
        return result

    def Signal(self, step: Signal) -> int:
        return self.interrupt(step.thread, restarts=False)

    def Restart(self, step: Restart) -> int:
        return self.interrupt(step.thread, restarts=True)

    def interrupt(self, thread: int, *, restarts: bool) -> int:
        sleeper = self.sleepers.pop(thread)
        key = sleeper.waiter.key
        if not sleeper.waiter.cancel():
            self.over[thread] = int(sleeper.waiter.result or 0)
            return 0
        result = -EINTR if sleeper.ends and not restarts else sleeper.again(key)
        if result != ASLEEP:
            self.over[thread] = result
        return 0

    def Schedule(self, step: Schedule) -> int:
        self.priorities[step.thread] = step.priority
        return 0

    def succeed(self, thread: int) -> int:
        self.priorities[thread] = 0
        return super().succeed(thread)

    def close(self) -> None:
        self.engine.close()
