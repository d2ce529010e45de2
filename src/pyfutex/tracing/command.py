"""The command ``python -m pyfutex trace``."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
import threading
from typing import TYPE_CHECKING

from pyfutex._commandline import teach
from pyfutex.tracing.recording import MOST, MOST_OF_ALL, Recording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyfutex.tracing.events import Wait

DESCRIPTION = """\
Run a Python program, and record where its threads wait for each other in pyfutex.sync and in managers: who waited for whom,
for how long, and at which line. The file opens in https://ui.perfetto.dev and in chrome://tracing. Only this process is
recorded, not those that it starts. What does not wait is not slowed down.
"""
EXAMPLES = (
    ("shop.py --orders 100", "run shop.py, and write pyfutex-trace.json"),
    ("-o shop.json -m shop.server", "run a module, and choose the file"),
    ("--most 2000000 shop.py", "room for more than 200,000 waits and wakes"),
)
LONGEST = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command, and `run` as what it does."""
    teach(parser, DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "-o",
        dest="file",
        default="pyfutex-trace.json",
        metavar="FILE",
        help="what to write (default %(default)s)",
    )
    parser.add_argument(
        "--most",
        type=_most,
        default=MOST,
        metavar="N",
        help=f"room for so many waits and wakes, of 72 bytes each (default {MOST:,})",
    )
    parser.add_argument("-m", dest="is_module", action="store_true", help="PROGRAM is the name of a module")
    parser.add_argument("program", metavar="PROGRAM", help="a script, or with -m a module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARG", help="arguments of the program")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the program, and save the trace, however it ends.

    Returns
    -------
    int
        The exit status: 0, or 2 if there is no such program, or the file cannot be written. What the program raises goes on,
        so that an exit status of its own, or a traceback, is what it would be without.
    """
    if not options.is_module and not os.path.exists(options.program):
        print(f"there is no {options.program}", file=sys.stderr)
        return 2
    try:
        # Before the program has run for an hour. Should it leave no trace, an older one is not taken for its own.
        with open(options.file, "w", encoding="utf-8"):
            pass
    except OSError as error:
        print(f"{options.file}: {error.strerror}", file=sys.stderr)
        return 2
    recording = Recording(options.most)
    sys.argv = [options.program, *options.arguments]
    try:
        with recording:
            _kept = _run(options.program, is_module=options.is_module)
            _join_all()
    finally:
        if recording.is_of_this_process:
            recording.save(options.file)
            print(_summary(recording, options.file), file=sys.stderr)
    return 0


def _run(program: str, *, is_module: bool) -> object:
    """As ``python PROGRAM`` or ``python -m PROGRAM`` does. Who keeps the answer keeps the names of what it made."""
    if is_module:
        return runpy.run_module(program, run_name="__main__", alter_sys=True)
    sys.path[0] = os.path.dirname(os.path.abspath(program))
    return runpy.run_path(program, run_name="__main__")


def _join_all() -> None:
    """Wait for the threads that the interpreter would wait for."""
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.current_thread():
            thread.join()


def _summary(recording: Recording, path: str) -> str:
    waits = recording.waits()
    n_threads = len({wait.thread for wait in waits})
    lines = [f"{path}: {len(waits):,} waits of {n_threads:,} threads; open it in https://ui.perfetto.dev"]
    if recording.n_lost:
        lines.append(f"{recording.n_lost:,} waits and wakes more found no room; see --most")
    longest = sorted(waits, key=lambda wait: wait.seconds, reverse=True)[:LONGEST]
    return "\n".join([*lines, *_table(longest)])


def _table(waits: Sequence[Wait]) -> list[str]:
    return [
        f"{wait.seconds * 1000:12,.3f} ms  {wait.thread} waited for {wait.on}"
        f"{f', woken by {wait.woken_by}' if wait.woken_by else ''}"
        for wait in waits
    ]


def _most(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MOST_OF_ALL:
        raise argparse.ArgumentTypeError(f"must be from 1 to {MOST_OF_ALL:,}")
    return number
