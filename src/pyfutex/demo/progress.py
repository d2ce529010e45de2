"""A progress bar for work that is being timed."""

import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

_PLAIN_WIDTH = 30


class Step(Protocol):
    """Report that the next of the steps begins, or with None that all are done."""

    def __call__(self, label: str) -> None:
        """Draw the bar with the steps begun so far and `label` beside it."""


@contextmanager
def progress_bar(n_steps: int, stream: TextIO | None = None) -> Iterator[Step]:
    """Show a bar on `stream` while the body runs.

    It is drawn only when a step begins, never by a thread in the background, which would take its share
    of the time that is being measured. ``rich`` draws it if it is there and `stream` is a terminal; a
    plain bar is drawn on any other terminal, and where there is none a line is printed for every tenth of
    the way.

    Parameters
    ----------
    n_steps : int
        How many steps there will be.
    stream : text file, optional
        Where to draw; the standard error stream if left out.

    Yields
    ------
    callable
        To be called with a label as each step begins.
    """
    out = sys.stderr if stream is None else stream
    if not out.isatty():
        yield _TenthLines(n_steps, out)
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    except ImportError:
        bar = _PlainBar(n_steps, out)
        try:
            yield bar
        finally:
            bar.erase()
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(file=out), auto_refresh=False, transient=True) as progress:
        task = progress.add_task("", total=n_steps)
        begun = itertools.count()

        def step(label: str) -> None:
            progress.update(task, completed=next(begun), description=label, refresh=True)

        yield step


class _PlainBar:
    """A bar of characters, redrawn in place."""

    def __init__(self, n_steps: int, out: TextIO) -> None:
        self._n_steps = n_steps
        self._n_begun = 0
        self._out = out

    def __call__(self, label: str) -> None:
        filled = _PLAIN_WIDTH * self._n_begun // self._n_steps
        bar = "#" * filled + "." * (_PLAIN_WIDTH - filled)
        self._out.write(f"\r\x1b[K[{bar}] {self._n_begun}/{self._n_steps} {label}")
        self._out.flush()
        self._n_begun += 1

    def erase(self) -> None:
        """Leave the line as if nothing had been drawn on it."""
        self._out.write("\r\x1b[K")
        self._out.flush()


class _TenthLines:
    """A line for every tenth of the way, for logs."""

    def __init__(self, n_steps: int, out: TextIO) -> None:
        self._n_steps = n_steps
        self._n_begun = 0
        self._n_printed = 0
        self._out = out

    def __call__(self, label: str) -> None:
        tenths = 10 * self._n_begun // self._n_steps
        if tenths >= self._n_printed:
            print(f"{10 * tenths:3} % {label}", file=self._out, flush=True)
            self._n_printed = tenths + 1
        self._n_begun += 1
