"""Sixty threads that sleep on one event, which is set: the call, and until all are awake. Figures without a bound."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from contenders import Kind, available
from measure import ALLOWED_CPUS, Contender, Plan, Row, pinned
from subjects import Measurements, Subject

from claims.fanout import TASKS, sleeping_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SLEEPERS = 60
ROUNDS = 15
POLL_SECONDS = 0.001
FIGURES = {"the call": False, "until all are awake": True}


def switches(native_id: int) -> list[str]:
    """How often a thread of this process has gone to sleep, or was made to wait."""
    lines = (TASKS / str(native_id) / "status").read_text().splitlines()
    return [line for line in lines if "ctxt_switches" in line]


def wait_until_asleep(threads: list[threading.Thread]) -> None:
    """Return when all threads have slept in the kernel from one look to the next.

    Who queues for the interpreter sleeps too, but not while this thread, too, sleeps between two looks.
    """
    before = None
    while True:
        ids = [thread.native_id for thread in threads if thread.native_id is not None]
        now = [(sleeping_on(each), switches(each)) for each in ids]
        if now == before and all(word is not None for word, _ in now):
            return
        before = now
        time.sleep(POLL_SECONDS)


def setting(make: Callable[[], Any], *, until_awake: bool) -> Contender:
    """A contender: n times the nanoseconds of a set, or those until the last sleeper is awake."""

    def once() -> int:
        event = make().names["it"]
        woken: list[int] = []

        def sleep() -> None:
            event.wait()
            woken.append(time.perf_counter_ns())

        threads = [threading.Thread(target=sleep, daemon=True) for _ in range(SLEEPERS)]
        for thread in threads:
            thread.start()
        wait_until_asleep(threads)
        start = time.perf_counter_ns()
        event.set()
        end = time.perf_counter_ns()
        for thread in threads:
            thread.join()
        return (max(woken) if until_awake else end) - start

    return lambda n: sum(once() for _ in range(n))


def contenders(*, until_awake: bool) -> dict[str, Contender]:
    """Everybody's event."""
    return {name: setting(make, until_awake=until_awake) for name, make in available(Kind.EVENT).items()}


def subject(figure: str) -> Subject:
    """One of FIGURES."""
    return Subject(
        name=f"event set, {SLEEPERS} asleep: {figure}",
        contenders=partial(contenders, until_awake=FIGURES[figure]),
        base="futexevent",
        calls=1,
        rounds=ROUNDS,
    )


def measure(plan: Plan) -> Iterator[Row]:
    """Yield everybody's event against ours."""
    measurements = Measurements(plan)
    with pinned(*ALLOWED_CPUS[-2:]):
        for figure in FIGURES:
            yield from measurements.of(subject(figure)).rows()
