"""The sides whose threads sleep in blocking calls of an engine: of a Kernel, and of a Manager."""

from __future__ import annotations

import ctypes
import signal
from abc import abstractmethod
from errno import EAGAIN, ETIMEDOUT
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from differential import kernel
from differential.agents import Agent, until
from differential.sides import DISTANCE, HEAD_SIZE, EngineSide, ManagerSide, rescue
from differential.steps import (
    MAX_THREADS,
    Die,
    LockPI,
    Restart,
    RobustExit,
    TrylockPI,
    UnlockPI,
    Wait,
    WaitRequeuePI,
    Waitv,
)
from differential.worlds import answer
from pyfutex_native.crew import ASLEEP, Watch

import pyfutex

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST_TID: Final = 4096  # arguments of WAKE_OP have 12 bits


class Member(Agent):
    """A thread that is watched through /proc."""

    def __init__(self, thread: int) -> None:
        super().__init__(f"thread {thread}")
        self.tid = self.native_id or 0
        self.watch = Watch(self.tid)

    @cached_property
    def parking_word(self) -> int:
        """Where it sleeps in the calls of a Manager, and for nothing else. Seen in such a call: it must be idle."""
        manager, memory = pyfutex.Manager(), pyfutex.Memory(bytearray(4))
        self.begin(lambda: manager.wait(memory, 0, 0))
        until(lambda: len(manager) == 1 and self.watch.sleeps_in(kernel.SYS_FUTEX))
        address = self.watch.first_argument()
        manager.wake(memory, 0)
        self.done.wait()
        return int(address)


def unmistakable(thread: int) -> Member:
    """One whose id is no number that a step writes: 2047 from a WAKE_OP would be taken for the id of thread 2047."""
    too_low = []
    while (member := Member(thread)).tid < LEAST_TID:
        too_low.append(member)
    for each in too_low:
        each.end()
    return member


class Team:
    """The threads of the sleeping sides, which outlive a script."""

    def __init__(self) -> None:
        self.members = [unmistakable(thread) for thread in range(MAX_THREADS)]
        self.stuck: list[Any] = []

    def end(self, thread: int) -> None:
        self.members[thread].end()
        self.members[thread] = unmistakable(thread)

    def replace(self, side: SleepingSide) -> None:
        """Leave those of a side alone who sleep for good, with all that they sleep on."""
        self.stuck.append(side)
        for thread in side.calls:
            self.members[thread] = unmistakable(thread)

    def close(self) -> None:
        for member in self.members:
            member.end()


class SleepingSide(EngineSide):
    """Threads of Python in the blocking calls of an engine."""

    team: Team
    calls: dict[int, tuple[Member, Wait | Waitv | LockPI | WaitRequeuePI]]  # in which they may sleep

    @abstractmethod
    def is_settled(self) -> bool:
        """Whether each call of `calls` is over, or its thread is seen to sleep in it."""

    def who(self, thread: int) -> dict[str, int]:
        """What a PI operation is told of its caller."""
        return {}

    def start(self, step: Wait | Waitv | LockPI | WaitRequeuePI, call: Callable[[], object]) -> int:
        member = self.team.members[step.thread]
        self.calls[step.thread] = member, step
        member.begin(lambda: answer(call))
        until(self.is_settled)
        if not member.done.is_set():
            return int(ASLEEP)
        del self.calls[step.thread]
        return int(member.result)

    def run(self, thread: int, call: Callable[[], object]) -> int:
        """Make a call that does not sleep."""
        return int(self.team.members[thread].do(lambda: answer(call)))

    def ended(self) -> dict[int, int]:
        until(self.is_settled)
        over = {thread: member.result for thread, (member, _) in self.calls.items() if member.done.is_set()}
        for thread in over:
            del self.calls[thread]
        return over

    def Wait(self, step: Wait) -> int:
        val = self.value(step.word, step.differs)
        return self.start(
            step,
            lambda: self.engine.wait(
                self.memory,
                DISTANCE * step.word,
                val,
                deadline=deadline_of(step.late),
                bitset=step.bitset,
                private=step.private,
            ),
        )

    def Waitv(self, step: Waitv) -> int:
        items = [
            pyfutex.WaitItem(self.memory, DISTANCE * word, self.value(word, differs), private)
            for word, differs, private in step.items
        ]

        def wait() -> int:
            index = int(self.engine.waitv(items, deadline=deadline_of(step.late)))
            return {-1: -ETIMEDOUT, -2: -EAGAIN}.get(index, index)

        return self.start(step, wait)

    def LockPI(self, step: LockPI) -> int:
        return self.start(
            step,
            lambda: (
                0
                if self.engine.lock_pi(
                    self.memory,
                    DISTANCE * step.word,
                    deadline=deadline_of(step.late),
                    private=step.private,
                    **self.who(step.thread),
                )
                else -ETIMEDOUT
            ),
        )

    def TrylockPI(self, step: TrylockPI) -> int:
        return self.run(
            step.thread,
            lambda: (
                0
                if self.engine.trylock_pi(
                    self.memory, DISTANCE * step.word, private=step.private, **self.who(step.thread)
                )
                else -EAGAIN
            ),
        )

    def UnlockPI(self, step: UnlockPI) -> int:
        return self.run(
            step.thread,
            lambda: (
                self.engine.unlock_pi(
                    self.memory, DISTANCE * step.word, private=step.private, **self.who(step.thread)
                )
                or 0
            ),
        )

    def WaitRequeuePI(self, step: WaitRequeuePI) -> int:
        val = self.value(step.word, step.differs)
        return self.start(
            step,
            lambda: self.engine.wait_requeue_pi(
                self.memory,
                DISTANCE * step.word,
                DISTANCE * step.word2,
                val,
                deadline=deadline_of(step.late),
                private=step.private,
                **self.who(step.thread),
            ),
        )

    def Restart(self, step: Restart) -> int:
        self.interrupt(step.thread)
        return 0

    def interrupt(self, thread: int) -> None:
        # The handler is the crew's, which Python does not know of: it restarts nothing, and the engine goes on by itself.
        member, _ = self.calls[thread]
        signal.pthread_kill(member.ident or 0, signal.SIGUSR2)

    def close(self) -> None:
        """Have all threads idle again, or others in their place."""
        if self.calls and not rescue(self, lambda: self.calls):
            self.team.replace(self)


class KernelEngineSide(SleepingSide):
    """A Kernel. Its threads have ids of their own; compared are the words as the judge's threads would have made them."""

    name = "Kernel"

    def __init__(self, team: Team, tid_of: Callable[[int], int]) -> None:
        super().__init__(pyfutex.Kernel())
        self.team = team
        self.calls = {}
        self.tid_of = tid_of
        self.counterparts = {member.tid: tid_of(thread) for thread, member in enumerate(team.members)}

    def tid(self, thread: int) -> int:
        return self.team.members[thread].tid

    def values(self) -> tuple[int, ...]:
        return tuple(
            word & ~kernel.TID_MASK | self.counterparts.get(word & kernel.TID_MASK, word & kernel.TID_MASK)
            for word in super().values()
        )

    def is_settled(self) -> bool:
        for member, step in self.calls.values():
            if member.done.is_set():
                continue
            if isinstance(step, Waitv):
                sleeps = member.watch.sleeps_in(kernel.SYS_FUTEX_WAITV)
            else:
                uaddr = self.memory.host_address + DISTANCE * step.word
                sleeps = member.watch.sleeps_in(kernel.SYS_FUTEX, uaddr)
            if not sleeps and not member.done.is_set():
                return False
        return True

    def Die(self, step: Die) -> int:
        self.team.end(step.thread)
        self.counterparts[self.tid(step.thread)] = self.tid_of(step.thread)
        return 0

    def RobustExit(self, step: RobustExit) -> int:
        head = self.lay_out(step, ctypes.addressof(self.cells))
        self.run(step.thread, lambda: kernel.set_robust_list(head, HEAD_SIZE))
        return self.Die(Die(step.thread))


class BlockingSide(SleepingSide, ManagerSide):
    """A Manager."""

    name = "blocking"

    def __init__(self, team: Team, tid_of: Callable[[int], int]) -> None:
        ManagerSide.__init__(self, tid_of)
        self.team = team
        self.calls = {}
        for member in team.members:
            member.parking_word  # noqa: B018 - while all are idle

    def who(self, thread: int) -> dict[str, int]:
        return {"tid": self.tids[thread]}

    def is_settled(self) -> bool:
        # One that was woken or interrupted may sleep too: for the GIL, which is not where it parks.
        return all(
            member.done.is_set() or member.watch.sleeps_in(kernel.SYS_FUTEX, member.parking_word)
            for member, _ in self.calls.values()
        )


def deadline_of(late: bool) -> float | None:
    """Long ago, or never."""
    return 1e-9 if late else None
