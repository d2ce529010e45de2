"""One script, step by step on all sides; and the smallest script that still shows a difference."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from differential.drain import draining
from differential.incomparable import why_not
from differential.kernelside import KernelSide, may_be_real_time
from differential.managerside import PreparedSide
from differential.scripts import Generator
from differential.sides import rescue
from differential.sleepingsides import BlockingSide, KernelEngineSide, Team
from differential.steps import CALLS, MAX_THREADS
from pyfutex_native.crew import ASLEEP, Crew

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from differential.steps import Step

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
    outcomes : dict
        By the name of the side.
    """

    def __init__(self, steps: list[Step], outcomes: dict[str, Outcome]) -> None:
        super().__init__(steps, outcomes)
        self.steps = steps
        self.outcomes = outcomes

    def __str__(self) -> str:
        lines = [f"    {step}" for step in self.steps]
        return "\n".join(
            [*lines, *(f"    {name + ':':<10}{outcome}" for name, outcome in self.outcomes.items())]
        )


class Arena:
    """Where scripts run, one after another: threads for the sides that have some, and what has been counted."""

    def __init__(self) -> None:
        self.crew = Crew()
        self.may_be_real_time = may_be_real_time(self.crew.tid(0))
        self.teams: tuple[Team, ...] = ()
        self.steps: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.slept = 0
        self.woken = 0

    def close(self) -> None:
        self.crew.close()
        for team in self.teams:
            team.close()

    def run(
        self, steps_of: Callable[[PreparedSide], Iterable[Step]], *, sleeping: bool = False
    ) -> Divergence | None:
        """Run a script and drain all queues: the first difference, or None.

        `sleeping`: on the sides whose threads sleep in blocking calls, too.
        """
        kernel = KernelSide(self.crew)
        prepared = PreparedSide(kernel.tid, may_be_real_time=self.may_be_real_time)
        sides: list[Any] = [kernel, prepared]
        if sleeping:
            self.teams = self.teams or (Team(), Team())
            sides += [KernelEngineSide(self.teams[0], kernel.tid), BlockingSide(self.teams[1], kernel.tid)]
        bout = Bout(self, sides, prepared)
        try:
            for step in steps_of(prepared):
                bout.take(step)
            bout.drain()
        except Divergence as found:
            if not rescue(kernel, lambda: filter(self.crew.is_asleep, range(MAX_THREADS))):
                self.crew = Crew()
            return found
        finally:
            for side in sides:
                side.close()
        return None

    def run_seed(self, seed: str, *, sleeping: bool = False) -> Divergence | None:
        """Run the script of a seed."""
        return self.run(Generator(seed).steps, sleeping=sleeping)

    def smallest(self, found: Divergence) -> Divergence:
        """Leave out what can be left out of a script that diverges."""
        sleeping = len(found.outcomes) > 2
        size = max(1, len(found.steps) // 2)
        while True:
            for start in range(0, len(found.steps), size):
                fewer = found.steps[:start] + found.steps[start + size :]
                again = self.run(lambda _view, fewer=fewer: fewer, sleeping=sleeping)
                if again is not None and len(again.steps) < len(found.steps):
                    found = again
                    break
            else:
                if size == 1:
                    return found
                size //= 2


class Bout:
    """One script under way."""

    def __init__(self, arena: Arena, sides: list[Any], prepared: PreparedSide) -> None:
        self.arena = arena
        self.sides = sides
        self.prepared = prepared
        self.has_sleeping_sides = len(sides) > 2
        self.taken: list[Step] = []
        self.calls: dict[int, Step] = {}  # in which each sleeping thread sleeps

    def take(self, step: Step) -> Outcome | None:
        """Carry out a step on all sides: what all did, or None if it was left out."""
        reason = why_not(step, self.prepared, has_sleeping_sides=self.has_sleeping_sides)
        if reason is not None:
            self.arena.skipped[reason] += 1
            return None
        kind = type(step).__name__
        self.arena.steps[kind] += 1
        self.taken.append(step)
        outcomes = {}
        for side in self.sides:
            result = getattr(side, kind)(step)
            result = "asleep" if result == ASLEEP else result
            outcomes[side.name] = Outcome(result, side.ended(), side.values())
        outcome = outcomes[self.prepared.name]
        if any(other != outcome for other in outcomes.values()):
            raise Divergence(self.taken, outcomes)
        if outcome.answer == "asleep" and isinstance(step, CALLS):
            self.calls[step.thread] = step
            self.arena.slept += 1
        for thread in outcome.ended:
            self.calls.pop(thread, None)
        self.arena.woken += len(outcome.ended)
        return outcome

    def drain(self) -> None:
        """Let all who sleep go, one by one, so that the order of the queues shows."""
        for attempt in range(DRAIN_ROUNDS):
            if not self.calls:
                return
            for step in draining(self, attempt):
                self.take(step)
        stuck = Outcome("asleep for good", dict.fromkeys(self.calls, 0), ())
        raise Divergence(self.taken, {side.name: stuck for side in self.sides})
