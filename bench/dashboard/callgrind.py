"""Counting instructions with valgrind's callgrind. What the kernel runs is not counted."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from dashboard.countedloops import LONG, LOOPS, MARK, SHORT, CountedLoop

BENCH = Path(__file__).parents[1]
VALGRIND = shutil.which("valgrind")
MARKED = re.compile(rf"^desc: Trigger: --dump-before={MARK}$", re.MULTILINE)
TOTAL = re.compile(r"^totals: (\d+)$", re.MULTILINE)
# The seeds of all hashing: the engine's of keys, the interpreter's of strings.
SEEDS = {"PYFUTEX_HASH_SEED": "1", "PYTHONHASHSEED": "0"}
MARKS_A_LOOP = 3


class CallgrindError(RuntimeError):
    """Callgrind did not count what it was asked to."""


def counted_between_marks(folder: Path) -> list[int]:
    """The instructions up to each mark from the one before, in the order of the parts that callgrind wrote."""
    parts = sorted(folder.glob("counts.*"), key=lambda part: int(part.suffix[1:]))
    texts = [part.read_text() for part in parts]
    return [int(TOTAL.search(text)[1]) for text in texts if MARKED.search(text)]


def count_instructions() -> dict[CountedLoop, float]:
    """Run all loops in a process of their own and return the instructions of one operation of each.

    Raises
    ------
    CallgrindError
        If valgrind fails, or marks are missing.
    """
    with tempfile.TemporaryDirectory(prefix="callgrind-") as folder:
        command = [
            VALGRIND or "valgrind",
            "--tool=callgrind",
            f"--callgrind-out-file={folder}/counts",
            f"--dump-before={MARK}",
            sys.executable,
            "-m",
            "dashboard.countedloops",
        ]
        environment = os.environ | SEEDS | {"PYTHONPATH": str(BENCH)}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        counts = counted_between_marks(Path(folder))
    if ended.returncode != 0 or len(counts) != MARKS_A_LOOP * len(LOOPS):
        raise CallgrindError(f"{ended.returncode}, {len(counts)} marks: {ended.stderr[-2000:]}")
    # The first part of each three ends the warm-up.
    return {
        loop: (counts[MARKS_A_LOOP * i + 2] - counts[MARKS_A_LOOP * i + 1]) / (LONG - SHORT)
        for i, loop in enumerate(LOOPS)
    }
