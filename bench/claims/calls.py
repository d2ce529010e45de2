"""From Python, nobody waiting: our methods against empty methods of the same signature."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

from measure import (
    ALLOWED_CPUS,
    Contender,
    Plan,
    Row,
    Series,
    interleave,
    pinned,
    python_loop,
    ratio_row,
    timed,
)
from pyfutex_floor import engineloop, floor, handfloor

import pyfutex

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "call from Python"
WAKE = "m.wake(mem, 64)"
FUTEX_WAKE = "f.wake()"
PREPARE_WAKE_COMPLETE = "m.wait_prepare(w, mem, 64, 0); m.wake(mem, 64); m.wait_complete(w)"


def new_memory(nbytes: int = 4096) -> pyfutex.Memory:
    """Zeroed private memory, no page of it touched."""
    return pyfutex.Memory(mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


def ignore(waiter: pyfutex.Waiter) -> None:
    """The callback of a waiter that has nothing to do."""


def wake_contenders() -> dict[str, Contender]:
    """Manager.wake, nobody waiting."""
    mem = new_memory()
    return {
        "pyfutex": python_loop(WAKE, m=pyfutex.Manager(), mem=mem),
        "empty": python_loop(WAKE, m=floor.Manager(), mem=mem),
        "hand-c": python_loop(WAKE, m=handfloor.Manager(), mem=mem),
    }


def futex_wake_contenders() -> dict[str, Contender]:
    """Futex.wake, nobody waiting."""
    return {
        "pyfutex": python_loop(FUTEX_WAKE, f=pyfutex.Manager().futex(new_memory(), 64)),
        "empty": python_loop(FUTEX_WAKE, f=floor.Futex()),
        "hand-c": python_loop(FUTEX_WAKE, f=handfloor.Futex()),
    }


def prepare_contenders() -> dict[str, Contender]:
    """wait_prepare, wake and wait_complete of one waiter, used again and again; the engine's own, without Python."""
    mem = new_memory()
    manager = pyfutex.Manager()
    engine = engineloop.Engine()
    plain, calling = pyfutex.Waiter(), pyfutex.Waiter(ignore)
    for waiter in (plain, calling):
        if manager.wait_prepare(waiter, mem, 64, 0) is not None or manager.wake(mem, 64) != 1:
            raise AssertionError("a prepared waiter was not woken")
        manager.wait_complete(waiter)
    return {
        "pyfutex": python_loop(PREPARE_WAKE_COMPLETE, m=manager, w=plain, mem=mem),
        "pyfutex-on_wake": python_loop(PREPARE_WAKE_COMPLETE, m=manager, w=calling, mem=mem),
        "empty": python_loop(PREPARE_WAKE_COMPLETE, m=floor.Manager(), w=plain, mem=mem),
        "hand-c": python_loop(PREPARE_WAKE_COMPLETE, m=handfloor.Manager(), w=plain, mem=mem),
        "engine": timed(lambda n: engine.prepare_wake_complete(64, n)),
    }


def measure(plan: Plan) -> Iterator[Row]:
    """Yield the ratios to the empty methods, and of those to methods written by hand."""
    with pinned(ALLOWED_CPUS[-1]):
        rounds, calls = plan.rounds(150), plan.size(4000)
        wake = interleave(wake_contenders(), rounds, calls)
        yield ratio_row(GROUP, "Manager.wake / empty method", wake["pyfutex"], wake["empty"], 1.3)
        yield ratio_row(GROUP, "empty Manager.wake / by hand in C", wake["empty"], wake["hand-c"], None)
        futex = interleave(futex_wake_contenders(), rounds, calls)
        yield ratio_row(GROUP, "Futex.wake / empty method", futex["pyfutex"], futex["empty"], 1.1)
        yield ratio_row(GROUP, "empty Futex.wake / by hand in C", futex["empty"], futex["hand-c"], None)
        three = interleave(prepare_contenders(), rounds, plan.size(2000))
        name = "prepare + wake + complete"
        yield ratio_row(GROUP, f"{name} / three empty", three["pyfutex"], three["empty"], 1.3)
        yield ratio_row(
            GROUP, f"{name}, on_wake / three empty", three["pyfutex-on_wake"], three["empty"], 1.9
        )
        sum_of_floors = Series(
            tuple(a + b for a, b in zip(three["empty"].per_op, three["engine"].per_op, strict=True))
        )
        yield ratio_row(GROUP, f"{name} / three empty + engine's own", three["pyfutex"], sum_of_floors, None)
        yield ratio_row(GROUP, "three empty / by hand in C", three["empty"], three["hand-c"], None)
