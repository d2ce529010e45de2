"""`pyfutex.linux.futex` against an empty function of seven arguments: calls that block nobody, and a whole round."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

from measure import ALLOWED_CPUS, Plan, Row, interleave, pinned, python_loop, ratio_row
from pyfutex_floor import floor

import pyfutex
from claims.calls import new_memory
from pyfutex.linux import Task, futex

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "guest's call"
N_REGIONS = 64
PAGE = mmap.PAGESIZE
WORD = 64
# Private and shared: FUTEX_WAKE, and FUTEX_WAIT for a value that the word does not hold.
WAKE_PRIVATE, WAIT_PRIVATE = "futex(t, w, 129, 1, 0, 0, 0)", "futex(t, w, 128, 9, 0, 0, 0)"
WAKE_SHARED, WAIT_SHARED = "futex(t, w, 1, 1, 0, 0, 0)", "futex(t, w, 0, 9, 0, 0, 0)"
ROUND = "futex(t, w, 128, 0, 0, 0, 0); futex(u, w, 129, 1, 0, 0, 0); t.result()"
ROUNDS_AT_30_NS = 6e6  # a second, where an empty call takes 30 ns


class ListTarget(pyfutex.Target):
    """A word of 0 that only Python code can read."""

    def load(self, addr: int, size: int = 4, /) -> int:
        """The word."""
        return 0


def regions() -> pyfutex.AddressSpace:
    """An address space of 64 regions."""
    space = pyfutex.AddressSpace()
    for i in range(N_REGIONS):
        space.map(2 * i * PAGE, mmap.mmap(-1, PAGE))
    return space


def measure(plan: Plan) -> Iterator[Row]:
    """Yield the ratios."""
    space = regions()
    tasks = {
        "private": Task(1, new_memory(), pyfutex.Manager()),
        "shared": Task(1, space, pyfutex.Manager()),
        "python": Task(1, ListTarget(), pyfutex.Manager()),
    }
    with pinned(ALLOWED_CPUS[-1]):
        for name, statement, memory, bound in (
            ("WAKE nobody, private", WAKE_PRIVATE, "private", 1.5),
            ("WAIT for another value, private", WAIT_PRIVATE, "private", 1.5),
            (f"WAKE nobody, shared, {N_REGIONS} regions", WAKE_SHARED, "shared", 2.2),
            (f"WAIT for another value, shared, {N_REGIONS} regions", WAIT_SHARED, "shared", 2.2),
            ("WAKE nobody, Python target", WAKE_PRIVATE, "python", None),
            ("WAIT for another value, Python target", WAIT_PRIVATE, "python", None),
        ):
            word = N_REGIONS * PAGE + WORD if memory == "shared" else WORD
            taken = interleave(
                {
                    "pyfutex": python_loop(statement, futex=futex, t=tasks[memory], w=word),
                    "empty": python_loop(statement, futex=floor.futex, t=floor.Memory(), w=word),
                },
                plan.rounds(150),
                plan.size(4000),
            )
            yield ratio_row(GROUP, f"{name} / empty function", taken["pyfutex"], taken["empty"], bound)
        manager, memory = pyfutex.Manager(), new_memory()
        one, two = Task(1, memory, manager), Task(2, memory, manager)
        taken = interleave(
            {
                "pyfutex": python_loop(ROUND, futex=futex, t=one, u=two, w=WORD),
                "empty": python_loop(WAKE_PRIVATE, futex=floor.futex, t=floor.Memory(), w=WORD),
            },
            plan.rounds(150),
            plan.size(2000),
        )
        yield ratio_row(
            GROUP,
            "WAIT + WAKE + result / one empty function",
            taken["pyfutex"],
            taken["empty"],
            1e9 / ROUNDS_AT_30_NS / 30,
        )
