"""Nobody blocks: locks, semaphores, events, cells and wakes of ours and of others. Figures without a bound."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from contenders import EVENT, Kind, Lock, available
from measure import ALLOWED_CPUS, Contender, Plan, Row, pinned, python_loop
from subjects import Measurements, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLS = 4000
ROUNDS = 100
ROUND_MS = 0.3
PAIR = "acquire + release"
OPERATIONS = {
    Kind.LOCK: (PAIR,),
    Kind.SEMAPHORE: (PAIR,),
    Kind.EVENT: tuple(EVENT),
    Kind.CELL: ("load", "store", "fetch_add", "compare_exchange"),
    Kind.WAKER: ("wake",),
}
OURS = {
    Kind.LOCK: "sync.Lock",
    Kind.SEMAPHORE: "sync.Semaphore",
    Kind.EVENT: "sync.Event",
    Kind.CELL: "pyfutex.Futex",
    Kind.WAKER: "pyfutex.Manager.futex",
}


def loops(kind: Kind, operation: str) -> dict[str, Contender]:
    """A loop over the operation for everybody who has it."""
    found = {}
    for name, make in available(kind).items():
        made = make(1) if kind is Kind.SEMAPHORE else make()
        if isinstance(made, Lock):
            found[name] = python_loop(made.statement, it=made.it)
        elif operation in made.statements:
            found[name] = python_loop(made.statements[operation], **made.names)
    return found


def subject(kind: Kind, operation: str) -> Subject:
    """One operation of one kind of contender."""
    return Subject(
        name=f"{kind.value}, uncontended: {operation}",
        contenders=partial(loops, kind, operation),
        base=OURS[kind],
        calls=CALLS,
        rounds=ROUNDS,
        round_ms=ROUND_MS,
    )


def measure(plan: Plan) -> Iterator[Row]:
    """Yield everybody's operations against those of ours."""
    measurements = Measurements(plan)
    with pinned(ALLOWED_CPUS[-1]):
        for kind, operations in OPERATIONS.items():
            for operation in operations:
                yield from measurements.of(subject(kind, operation)).rows()
