"""Runs of one program set side by side as text."""

import textwrap
from collections.abc import Sequence
from itertools import zip_longest

from pyfutex.sidebyside.runs import Kind, Outcome, Run

COLUMN = 30
HEADINGS = {
    Kind.NATIVE: "native",
    Kind.STOCK: "Qiling, as released",
    Kind.STOCK_CLONE3: "Qiling, clone3 refused",
    Kind.PYFUTEX: "Qiling with pyfutex",
}


def side_by_side(runs: Sequence[Run]) -> str:
    """A column for each run: where, how it ended, what it printed."""
    columns = []
    for run in runs:
        lines = [HEADINGS[run.kind], ending(run), f"{run.seconds:.1f} s", "-" * (COLUMN - 2)]
        for line in run.output.splitlines():
            lines += textwrap.wrap(line, COLUMN - 2) or [""]
        columns.append(lines)
    return "\n".join(
        "".join(cell.ljust(COLUMN) for cell in row).rstrip() for row in zip_longest(*columns, fillvalue="")
    )


def ending(run: Run) -> str:
    """How a run ended, in a few words."""
    return f"exit {run.exit_status}" if run.outcome is Outcome.FINISHED else str(run.outcome)


def verdict(run: Run, native: Run) -> str:
    """One sentence: whether a run did what the native one did."""
    where = HEADINGS[run.kind]
    if native.outcome is Outcome.IMPOSSIBLE:
        return f"{where}: {ending(run)}; there is no native run to compare it with"
    if run.agrees_with(native):
        return f"{where}: the same as the native run"
    if run.outcome is not Outcome.FINISHED:
        return f"{where}: {ending(run)}" + (f" ({run.error})" if run.error else "")
    return f"{where}: finished, and differs from the native run"
