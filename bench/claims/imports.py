"""Import: what the package takes in a fresh process, beyond a compiled module that does nothing."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from measure import ALLOWED_CPUS, NS_PER_MS, Plan, added_row, interleave, pinned, undisturbed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from measure import Contender, Row

GROUP = "import, beyond an empty extension"
EMPTY = "pyfutex_floor.empty"
MORE_MS = 15
# Whoever imports one of these imports the package, too. asyncio is not ours: it is there before.
BOUNDS = {"pyfutex": MORE_MS, "pyfutex.sync": None, "pyfutex.aio": None}
AT_HAND = ("time", "pyfutex_floor")
AT_HAND_FOR = {"pyfutex.aio": ("asyncio",)}


def fresh(module: str, at_hand: tuple[str, ...]) -> Contender:
    """Nanoseconds that processes take for the import, each having imported what is `at_hand`."""
    script = (
        f"import {', '.join(at_hand)}\n"
        "start = time.perf_counter_ns()\n"
        f"import {module}\n"
        "print(time.perf_counter_ns() - start)\n"
    )
    command = [sys.executable, "-I", "-c", script]

    def contender(n: int) -> int:
        return sum(int(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(n))

    return contender


def imported(module: str, plan: Plan) -> Row:
    """Milliseconds that the import takes beyond that of the empty one."""
    at_hand = AT_HAND + AT_HAND_FOR.get(module, ())
    with pinned(ALLOWED_CPUS[0]), undisturbed():
        series = interleave({name: fresh(name, at_hand) for name in (module, EMPTY)}, plan.rounds(60), 1)
    return added_row(
        GROUP, module, series[module], series[EMPTY], BOUNDS[module], scale=1 / NS_PER_MS, unit="ms"
    )


def measure(plan: Plan) -> Iterator[Row]:
    """Yield a row for each package that people import."""
    for module in BOUNDS:
        yield imported(module, plan)
