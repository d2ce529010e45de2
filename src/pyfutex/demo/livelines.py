"""A few lines that change in place on a terminal."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TextIO


class Show(Protocol):
    """Show these lines, in place of those that were shown before."""

    def __call__(self, lines: Sequence[str]) -> None:
        """Draw them now."""


@contextmanager
def live_lines(stream: TextIO) -> Iterator[Show]:
    """Show lines on `stream` while the body runs; those that were shown last stay.

    They are drawn when they are shown, never by a thread in the background, cut to the width of the terminal. ``rich``
    draws them if it is there; else the cursor goes back up. In the end the last ones are printed whole; where `stream` is
    no terminal, that is all.

    Yields
    ------
    callable
        To be called with the lines, of which there are always as many.
    """
    last: Sequence[str] = ()

    def show(lines: Sequence[str]) -> None:
        nonlocal last
        last = lines
        draw(lines)

    try:
        with _drawing(stream) as draw:
            yield show
    finally:
        for line in last:
            print(line, file=stream)


@contextmanager
def _drawing(stream: TextIO) -> Iterator[Show]:
    """Draw lines that are gone in the end."""
    if not stream.isatty():
        yield lambda lines: None
        return
    try:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text
    except ImportError:
        plain = _PlainLines(stream)
        try:
            yield plain
        finally:
            plain.erase()
        return
    with Live(console=Console(file=stream), auto_refresh=False, transient=True) as live:

        def draw(lines: Sequence[str]) -> None:
            live.update(Text("\n".join(lines), no_wrap=True, overflow="ellipsis"), refresh=True)

        yield draw


class _PlainLines:
    """Lines that are drawn over those before."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._n_drawn = 0

    def __call__(self, lines: Sequence[str]) -> None:
        width = shutil.get_terminal_size().columns - 1
        self.erase()
        self._out.write("".join(f"{line[:width]}\n" for line in lines))
        self._out.flush()
        self._n_drawn = len(lines)

    def erase(self) -> None:
        """Leave the terminal as if nothing had been drawn on it."""
        if self._n_drawn:
            self._out.write(f"\x1b[{self._n_drawn}F\x1b[J")
            self._n_drawn = 0
