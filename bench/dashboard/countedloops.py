"""The loops whose instructions are counted, short and fixed. As a script: run them all, with a mark after each.

    valgrind --tool=callgrind --dump-before=minimal_fence ... python -m dashboard.countedloops

The mark is a call of the C function `minimal_fence`, at which callgrind writes down what it has counted since the last.
Each loop runs in two lengths: what beginning and ending it takes is in both, and drops out of the difference.
"""

from __future__ import annotations

import gc
import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from measure import python_loop
from pyfutex_floor import cloop, engineloop, floor

import pyfutex
from pyfutex.linux import Task, futex

if TYPE_CHECKING:
    from collections.abc import Callable

MARK = "minimal_fence"
# Of the two runs that are counted. A whole number of herds, which a requeue moves one at a time.
SHORT, LONG = 1000, 3000
HERD = 1000
OFFSET = 0x10000
OURS, EMPTY, MINIMAL = "pyfutex", "empty method", "minimal C"


@dataclass(frozen=True)
class CountedLoop:
    """A loop over an operation.

    Attributes
    ----------
    subject, contender : str
        What is done, and by whom.
    make : callable
        Gives a function that does the operation n times.
    """

    subject: str
    contender: str
    make: Callable[[], Callable[[int], object]]


def new_memory() -> pyfutex.Memory:
    """A page of private memory."""
    return pyfutex.Memory(mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


def our_names() -> dict[str, object]:
    """What the statements below name, ours."""
    manager, memory = pyfutex.Manager(), new_memory()
    return {
        "m": manager,
        "f": manager.futex(memory, 64),
        "w": pyfutex.Waiter(),
        "mem": memory,
        "futex": futex,
        "t": Task(1, memory, manager),
    }


def empty_names() -> dict[str, object]:
    """The same of empty methods."""
    return {
        "m": floor.Manager(),
        "f": floor.Futex(),
        "w": pyfutex.Waiter(),
        "mem": new_memory(),
        "futex": floor.futex,
        "t": floor.Memory(),
    }


STATEMENTS = {
    "Manager.wake, nobody waiting": "m.wake(mem, 64)",
    "Manager.wait, refused": "m.wait(mem, 64, 1)",
    "Manager.requeue, nobody waiting": "m.requeue(mem, 64, 128)",
    "Manager.wake_op, nobody waiting": "m.wake_op(mem, 64, 192, 0x10001000)",
    "wait_prepare + wake + wait_complete": "m.wait_prepare(w, mem, 64, 0); m.wake(mem, 64); m.wait_complete(w)",
    "Futex.wake, nobody waiting": "f.wake()",
    "Futex.wait, refused": "f.wait(1)",
    "futex(FUTEX_WAKE), nobody waiting": "futex(t, 64, 129, 1, 0, 0, 0)",
    "futex(FUTEX_WAIT), refused": "futex(t, 64, 128, 9, 0, 0, 0)",
}


def statement_loop(
    statement: str, names: Callable[[], dict[str, object]]
) -> Callable[[], Callable[[int], object]]:
    """Make a Python loop over a statement."""
    return lambda: python_loop(statement, **names())


def engine_wake() -> Callable[[int], object]:
    """The engine's wake."""
    engine = engineloop.Engine()
    return lambda n: engine.wake_words(OFFSET, 1, n)


def engine_prepare_wake_complete() -> Callable[[int], object]:
    """A waiter queued, woken, completed."""
    engine = engineloop.Engine()
    return lambda n: engine.prepare_wake_complete(OFFSET, n)


def engine_prepare_complete() -> Callable[[int], object]:
    """A waiter queued and taken back."""
    engine = engineloop.Engine()
    return lambda n: engine.prepare_complete(OFFSET, n)


LOOPS = (
    CountedLoop("engine: wake, nobody waiting", OURS, engine_wake),
    CountedLoop("engine: wake, nobody waiting", MINIMAL, lambda: cloop.MinimalWake(1).run),
    CountedLoop("engine: prepare + wake + complete", OURS, engine_prepare_wake_complete),
    CountedLoop("engine: prepare + complete", OURS, engine_prepare_complete),
    CountedLoop("engine: requeue, each of a thousand", OURS, lambda: engineloop.Herd(HERD).requeue),
    *(
        CountedLoop(subject, contender, statement_loop(statement, names))
        for subject, statement in STATEMENTS.items()
        for contender, names in ((OURS, our_names), (EMPTY, empty_names))
    ),
)


def run_all() -> None:
    """Run every loop once to warm it up, then in both lengths, with a mark before, between and after."""
    gc.disable()
    for loop in LOOPS:
        run = loop.make()
        run(SHORT)
        cloop.fence(1)
        run(SHORT)
        cloop.fence(1)
        run(LONG)
        cloop.fence(1)


if __name__ == "__main__":
    run_all()
