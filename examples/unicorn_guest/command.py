"""The command line."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from unicorn_guest.elf import BadElf, read_elf
from unicorn_guest.ledger import FutexLedger
from unicorn_guest.machine import Deadlock, Machine

DESCRIPTION = """\
Run a static x86-64 Linux program. Its threads take turns in one emulated processor, in an order drawn from the seed,
and each of its futex calls is answered by pyfutex.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a program.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process if left out.

    Returns
    -------
    int
        The program's exit status; 125 if every thread of it waits for another, 126 if it cannot be run.
    """
    options = _parser().parse_args(argv)
    try:
        image = read_elf(Path(options.program).read_bytes())
    except (OSError, BadElf) as error:
        print(f"{options.program}: {error}", file=sys.stderr)
        return 126
    ledger = FutexLedger(_print_trace if options.trace_futex else None)
    arguments = [os.fsencode(argument) for argument in (options.program, *options.arguments)]
    machine = Machine(image, arguments, seed=options.seed, output=write_through, ledger=ledger)
    try:
        status = machine.run()
    except Deadlock as deadlock:
        print(f"deadlock: every thread waits\n{deadlock}", file=sys.stderr)
        return 125
    except KeyboardInterrupt:
        return 130
    if machine.killed_by is not None:
        info = machine.killed_by
        where = f" at {info.addr:#x}" if info.addr else ""
        print(f"killed by {signal.strsignal(info.signo)}{where}", file=sys.stderr)
    return status


def write_through(fd: int, data: bytes) -> None:
    """Write what the guest writes to the same descriptor."""
    (sys.stdout if fd == 1 else sys.stderr).flush()
    while data:
        data = data[os.write(fd, data) :]


def _print_trace(line: str) -> None:
    print(line, file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python examples/unicorn_guest", description=DESCRIPTION)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="draws the interleaving (default 0)")
    parser.add_argument("--trace-futex", action="store_true", help="print each futex call to standard error")
    parser.add_argument("program", metavar="PROGRAM", help="a static x86-64 ELF file")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGUMENT", help="of the program")
    return parser
