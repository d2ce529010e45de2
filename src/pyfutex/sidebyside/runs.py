"""Runs of one program in child processes, under a time limit, and how they ended."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from pyfutex.sidebyside.elf import Program, native_command

# What a child may need beyond the limit of the program in it: to start, and to report.
GRACE_SECONDS = 30


class Kind(StrEnum):
    """Where a program runs."""

    NATIVE = "native"
    STOCK = "stock"
    STOCK_CLONE3 = "stock-clone3"  # as released, but for clone3, which gives ENOSYS
    PYFUTEX = "pyfutex"


class Outcome(StrEnum):
    """How a run ended."""

    FINISHED = "finished"
    BLOCKED = "blocked for ever"  # every thread waits, and nothing can wake one
    TIME_LIMIT = "time limit"
    FAILED = "failed"  # the emulator raised
    IMPOSSIBLE = "cannot run here"


class Run(NamedTuple):
    """What a run printed, and how it ended."""

    kind: Kind
    outcome: Outcome
    output: str = ""
    exit_status: int | None = None
    seconds: float = 0.0
    error: str = ""
    waiting: Sequence[dict[str, Any]] = ()  # fields of `pyfutex.integrations.qiling.Waiting`

    def agrees_with(self, native: "Run") -> bool:
        """Whether this run did what the native one did; a native run that reached its limit was blocked."""
        if native.outcome is Outcome.TIME_LIMIT:
            return self.outcome is Outcome.BLOCKED and self.output == native.output
        return (self.outcome, self.output, self.exit_status) == (
            Outcome.FINISHED,
            native.output,
            native.exit_status,
        )


def compile_static(source: Path, compiler: str, directory: Path) -> Path:
    """Compile a C program into a static executable in `directory`; CalledProcessError with the compiler's words."""
    executable = directory / source.stem
    command = [compiler, "-O1", "-static", "-pthread", "-o", os.fspath(executable), os.fspath(source)]
    subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return executable


def run_native(program: Program, arguments: Sequence[str], limit: float) -> Run:
    """Run without Qiling, for at most `limit` seconds."""
    command = native_command(program)
    if command is None:
        return Run(Kind.NATIVE, Outcome.IMPOSSIBLE)
    began = time.monotonic()
    try:
        done = subprocess.run([*command, *arguments], stdout=subprocess.PIPE, timeout=limit, check=False)
    except subprocess.TimeoutExpired as late:
        return Run(Kind.NATIVE, Outcome.TIME_LIMIT, _text(late.stdout), seconds=limit)
    except OSError as error:  # not executable, or for another kind of machine after all
        return Run(Kind.NATIVE, Outcome.IMPOSSIBLE, error=str(error))
    return Run(Kind.NATIVE, Outcome.FINISHED, _text(done.stdout), done.returncode, time.monotonic() - began)


def run_on_qiling(kind: Kind, program: Program, arguments: Sequence[str], limit: float) -> Run:
    """Run on Qiling in a process of its own, for at most `limit` seconds of the program."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as report:
        command = [sys.executable, "-m", "pyfutex.sidebyside.child", kind, str(limit), str(report.fileno())]
        try:
            done = subprocess.run(
                [*command, os.fspath(program.path), *arguments],
                capture_output=True,
                pass_fds=[report.fileno()],
                timeout=limit + GRACE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            return Run(kind, Outcome.TIME_LIMIT, _text(late.stdout), seconds=limit)
        report.seek(0)
        told = report.read()
    seconds = time.monotonic() - began
    if not told:
        last_lines = _text(done.stderr).strip().splitlines()[-1:]
        return Run(kind, Outcome.FAILED, _text(done.stdout), done.returncode, seconds, " ".join(last_lines))
    data = json.loads(told)
    outcome = Outcome(data.pop("outcome"))
    return Run(kind, outcome, _text(done.stdout), seconds=seconds, **data)


def _text(output: bytes | None) -> str:
    return (output or b"").decode(errors="replace")
