"""One script, step by step on both sides; and the smallest script that still shows a difference."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from differential.incomparable import why_not
from differential.kernel import WAITERS
from differential.scripts import (
    BY_IDLE_THREAD,
    MAX_THREADS,
    MAX_WORDS,
    CmpRequeuePI,
    Generator,
    LockPI,
    Signal,
    Step,
    Store,
    UnlockPI,
    WaitRequeuePI,
    Wake,
)
from differential.sides import KernelSide, ManagerSide
from differential.worlds import ALL, ANY
from pyfutex_native.crew import ASLEEP, Crew

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

DRAIN_ROUNDS: Final = 12


class Outcome(NamedTuple):
    """What one side did in a step."""

    answer: int | str
    ended: dict[int, int]  # the calls that it ended, by thread
    words: tuple[int, ...]


class Divergence(Exception):
    """The sides disagree.

    Parameters
    ----------
    steps : list
        What was carried out, the last one with these outcomes.
    kernel, manager : Outcome
    """

    def __init__(self, steps: list[Step], kernel: Outcome, manager: Outcome) -> None:
        super().__init__(steps, kernel, manager)
        self.steps = steps
        self.kernel = kernel
        self.manager = manager

    def __str__(self) -> str:
        lines = [f"    {step}" for step in self.steps]
        return "\n".join([*lines, f"    kernel:  {self.kernel}", f"    manager: {self.manager}"])


class Arena:
    """Where scripts run, one after another: a crew for the kernel's side, and what has been counted."""

    def __init__(self) -> None:
        self.crew = Crew()
        self.steps: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.slept = 0
        self.woken = 0

    def close(self) -> None:
        self.crew.close()

    def run(self, steps_of: Callable[[ManagerSide], Iterable[Step]]) -> Divergence | None:
        """Run a script and drain all queues: the first difference, or None."""
        kernel = KernelSide(self.crew)
        manager = ManagerSide(kernel.tid)
        bout = Bout(self, kernel, manager)
        try:
            for step in steps_of(manager):
                bout.take(step)
            bout.drain()
        except Divergence as found:
            self.rescue(kernel)
            return found
        finally:
            manager.manager.close()
        return None

    def run_seed(self, seed: str) -> Divergence | None:
        """Run the script of a seed."""
        return self.run(Generator(seed).steps)

    def rescue(self, kernel: KernelSide) -> None:
        """Get the crew's threads out of whatever they sleep in, or hire others."""
        for attempt in range(50):
            self.crew.ended()
            asleep = [i for i in range(MAX_THREADS) if self.crew.is_asleep(i)]
            if not asleep:
                return
            for word in range(MAX_WORDS):
                for private in (True, False):
                    kernel.Wake(Wake(word, ALL, ANY, private))
                    for i in set(range(MAX_THREADS)) - set(asleep):
                        kernel.Store(Store(word, WAITERS, i))
                        kernel.UnlockPI(UnlockPI(i, word, private))
                kernel.words[word] = 0 if attempt % 2 else 1 << 20
            for i in asleep:
                self.crew.interrupt(i)
        self.crew = Crew()

    def smallest(self, found: Divergence) -> Divergence:
        """Leave out what can be left out of a script that diverges."""
        size = max(1, len(found.steps) // 2)
        while True:
            for start in range(0, len(found.steps), size):
                fewer = found.steps[:start] + found.steps[start + size :]
                again = self.run(lambda _manager, fewer=fewer: fewer)
                if again is not None and len(again.steps) < len(found.steps):
                    found = again
                    break
            else:
                if size == 1:
                    return found
                size //= 2


class Bout:
    """One script under way."""

    def __init__(self, arena: Arena, kernel: KernelSide, manager: ManagerSide) -> None:
        self.arena = arena
        self.kernel = kernel
        self.manager = manager
        self.taken: list[Step] = []
        self.calls: dict[int, Step] = {}  # in which each sleeping thread sleeps

    def take(self, step: Step) -> Outcome | None:
        """Carry out a step on both sides: what both did, or None if it was left out."""
        reason = why_not(step, self.manager)
        if reason is not None:
            self.arena.skipped[reason] += 1
            return None
        kind = type(step).__name__
        self.arena.steps[kind] += 1
        self.taken.append(step)
        outcomes = []
        for side in (self.kernel, self.manager):
            result = getattr(side, kind)(step)
            outcomes.append((result, side.ended(), side.values()))
        if outcomes[0] != outcomes[1]:
            raise Divergence(self.taken, *(readable(*outcome) for outcome in outcomes))
        result, ended, _ = outcomes[1]
        if result == ASLEEP and isinstance(step, BY_IDLE_THREAD):
            self.calls[step.thread] = step
            self.arena.slept += 1
        for thread in ended:
            self.calls.pop(thread, None)
        self.arena.woken += len(ended)
        return Outcome(result, ended, ())

    def drain(self) -> None:
        """Let all who sleep go, one by one, so that the order of the queues shows."""
        for attempt in range(DRAIN_ROUNDS):
            if not self.calls:
                return
            for step in self.draining(attempt):
                self.take(step)
        stuck = Outcome("asleep for good", dict.fromkeys(self.calls, 0), ())
        raise Divergence(self.taken, stuck, stuck)

    def draining(self, attempt: int) -> Iterator[Step]:
        for word in range(MAX_WORDS):
            for private in (True, False):
                while self.calls and self.wakes_one(word, private):
                    pass
        for thread, call in list(self.calls.items()):
            if thread in self.calls and isinstance(call, WaitRequeuePI):
                yield CmpRequeuePI(call.word, call.word2, 0, 0, call.private)
        for thread, call in list(self.calls.items()):
            if thread not in self.calls:
                continue
            if isinstance(call, (LockPI, WaitRequeuePI)):
                yield from self.unlocking(call)
        if attempt < 2:
            return
        for thread, call in list(self.calls.items()):
            if thread in self.calls:
                if isinstance(call, (LockPI, WaitRequeuePI)):
                    yield Store(call.word, 0 if isinstance(call, LockPI) else 1 << 20)
                yield Signal(thread)

    def wakes_one(self, word: int, private: bool) -> bool:
        outcome = self.take(Wake(word, 1, ANY, private))
        return outcome is not None and outcome.answer == 1

    def unlocking(self, call: LockPI | WaitRequeuePI) -> Iterator[Step]:
        """Steps by the owner whom the word names, or else by all who may be the one whom the waiters know."""
        word = call.word if isinstance(call, LockPI) else call.word2
        owner = self.manager.owner(word)
        candidates = [i for i in range(MAX_THREADS) if i not in self.calls]
        if owner in candidates:
            yield UnlockPI(owner, word, call.private)
            if call not in self.calls.values():
                return
        for candidate in candidates:
            if call in self.calls.values() and candidate not in self.calls:
                yield Store(word, WAITERS, candidate)
                yield UnlockPI(candidate, word, call.private)


def readable(answer: int, ended: dict[int, int], words: bytes) -> Outcome:
    """An outcome as a report shows it."""
    values: Any = memoryview(words).cast("I")
    return Outcome("asleep" if answer == ASLEEP else answer, ended, tuple(values))
