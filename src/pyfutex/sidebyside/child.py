"""Run one program on Qiling, and tell how it ended: ``python -m pyfutex.sidebyside.child KIND SECONDS FD PROG [ARG...]``.

The program sees the directory it lies in as its root. Its own output goes to standard output; the report, one JSON object,
to the descriptor FD.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

from gevent.exceptions import LoopExit
from qiling import Qiling
from qiling.const import QL_VERBOSE

from pyfutex.integrations.qiling import Waiting, install
from pyfutex.sidebyside.elf import read_program
from pyfutex.sidebyside.runs import Kind, Outcome
from pyfutex.sidebyside.stock import refuse_clone3, stock_exit_status, stock_waiting

# Qiling maps at 0x90000000, which a MIPS processor reserves for its kernel; 32-bit programs have room here.
MIPS_PROFILE = {"OS32": {"mmap_address": "0x60000000"}}


def main(arguments: list[str]) -> int:
    """Run the program; the exit status is 0 whatever became of it."""
    kind, seconds, report_fd, *command = arguments
    program = read_program(Path(command[0]))
    profile = MIPS_PROFILE if program.machine == "mips" else None
    ql = Qiling(
        [os.fspath(program.path), *command[1:]],
        os.fspath(program.path.parent),
        multithread=True,
        verbose=QL_VERBOSE.DISABLED,
        profile=profile,
    )
    waiting, exit_status = prepare(ql, Kind(kind))

    def report(outcome: Outcome, error: str = "") -> None:
        rows = [] if outcome is Outcome.FINISHED else [row._asdict() for row in waiting()]
        status = exit_status() if outcome is Outcome.FINISHED else None
        data = {"outcome": outcome, "exit_status": status, "error": error, "waiting": rows}
        sys.stdout.flush()
        os.write(int(report_fd), json.dumps(data).encode())

    def give_up(*_: object) -> NoReturn:
        report(Outcome.TIME_LIMIT)
        os._exit(0)

    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, float(seconds))
    try:
        ql.run()
    except LoopExit:
        report(Outcome.BLOCKED)
    except Exception as error:
        report(Outcome.FAILED, f"{type(error).__name__}: {error}")
    else:
        report(Outcome.FINISHED)
    os._exit(0)  # greenlets that are blocked for ever are not waited for


def prepare(ql: Qiling, kind: Kind) -> tuple[Callable[[], list[Waiting]], Callable[[], int]]:
    """Make `ql` ready to run as `kind` says; returns what tells, later, who waits and what the exit status is."""
    if kind is Kind.PYFUTEX:
        futexes = install(ql)
        return futexes.waiting, lambda: ql.os.exit_code & 0xFF
    if kind is Kind.STOCK_CLONE3:
        refuse_clone3(ql)
    return partial(stock_waiting, ql), partial(stock_exit_status, ql)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
