"""What `Kernel` adds to the same system call made from C, nobody waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from measure import ALLOWED_CPUS, Plan, Row, added_row, interleave, pinned, python_loop, timed
from pyfutex_floor import cloop

import pyfutex
from claims.calls import new_memory
from claims.loops import MINIMAL_LOOP_NS

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "Kernel"
ADDED_NS = 80


class Operation(NamedTuple):
    """A statement over `k` and `mem`, what it may add to the C loop of its name, and how many calls that makes."""

    statement: str
    bound: float | None = ADDED_NS
    n_calls: int = 1
    note: str = ""


OPERATIONS = {
    "wake": Operation("k.wake(mem, 64)"),
    "wait, refused": Operation("k.wait(mem, 64, 1)", note="; we look first and make none"),
    "wait, timed out": Operation(
        "k.wait(mem, 64, 0, deadline=0)", None, note="; the GIL is given up around ours"
    ),
    "requeue": Operation("k.requeue(mem, 64, 128)"),
    "cmp_requeue": Operation("k.cmp_requeue(mem, 64, 128, 0)"),
    "wake_op": Operation("k.wake_op(mem, 64, 192, 0x10001000)"),
    "lock_pi + unlock_pi": Operation("k.lock_pi(mem, 64); k.unlock_pi(mem, 64)", 2 * ADDED_NS, 2),
}


def measure(plan: Plan) -> Iterator[Row]:
    """Yield what each method adds to its call, on shared words as is the default."""
    mem = new_memory()
    mem.store(64, 0)  # the page is there
    names = {"k": pyfutex.Kernel(), "mem": mem}
    with pinned(ALLOWED_CPUS[-1]):
        minimal = timed(cloop.MinimalWake(1).run)
        for name, operation in OPERATIONS.items():
            taken = interleave(
                {
                    "pyfutex": python_loop(operation.statement, **names),
                    "kernel": timed(lambda n, which=name: cloop.kernel(which, n, private=False)),
                    "minimal": minimal,
                },
                plan.rounds(100),
                {"pyfutex": plan.size(1000), "kernel": plan.size(1000), "minimal": plan.size(10_000)},
            )
            yield added_row(
                GROUP,
                f"{name}, added to the system call" + "s" * (operation.n_calls > 1),
                taken["pyfutex"],
                taken["kernel"],
                operation.bound,
                scale=MINIMAL_LOOP_NS / taken["minimal"].minimum,
                note=f"the call takes {taken['kernel'].minimum:.0f} ns{operation.note}",
            )
