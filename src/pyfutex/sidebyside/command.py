"""The command ``python -m pyfutex qiling``."""

import argparse
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pyfutex._commandline import teach
from pyfutex.sidebyside.elf import read_program
from pyfutex.sidebyside.report import side_by_side, verdict
from pyfutex.sidebyside.runs import Kind, Outcome, Run, compile_static, run_native, run_on_qiling

DESCRIPTION = """\
Run a static Linux program natively, on Qiling as released, and on Qiling with pyfutex, and set the runs side by side.
Where one of them stopped before its end, print who waited on which futex word, and for whom. The exit status is 0 if
the program did the same on Qiling with pyfutex as natively.
"""
EXAMPLES = (
    ("./guest", "a static program, three times"),
    ("--cc musl-gcc hello.c", "a C source, compiled first"),
    ("--stock ./guest one two", "Qiling exactly as released; arguments of the program"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command, and `run` as what it does."""
    teach(parser, DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "program", type=Path, metavar="PROG", help="a static executable, or a C source to compile"
    )
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARG", help="arguments of the program")
    parser.add_argument("--cc", default="cc", metavar="CC", help="compiler of a C source (default cc)")
    parser.add_argument(
        "--stock",
        action="store_true",
        help="run Qiling exactly as released too; by default clone3 gives ENOSYS there, as glibc needs on x86-64",
    )
    parser.add_argument(
        "--limit", type=float, default=60.0, metavar="S", help="seconds that a run may take (default 60)"
    )
    parser.add_argument(
        "--native-limit", type=float, default=5.0, metavar="S", help="seconds for the native run (default 5)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the program everywhere and print the comparison.

    Returns
    -------
    int
        The exit status: 0 if Qiling with pyfutex did what the native run did, 1 if not, 2 if nothing could be run.
    """
    try:
        release = version("qiling")
    except PackageNotFoundError:
        print("Qiling is not installed here: pip install 'pyfutex[qiling]', on Python 3.12", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="pyfutex-") as directory:
        try:
            path = options.program
            if path.suffix == ".c":
                path = compile_static(path, options.cc, Path(directory))
            program = read_program(path)
        except subprocess.CalledProcessError as failed:
            print(f"{options.program} does not compile:\n{failed.stdout}", file=sys.stderr)
            return 2
        except (OSError, ValueError) as error:
            print(error, file=sys.stderr)
            return 2
        print(f"{program}, Qiling {release}\n")
        kinds = [Kind.STOCK] * options.stock + [Kind.STOCK_CLONE3, Kind.PYFUTEX]
        native = run_native(program, options.arguments, options.native_limit)
        runs = [run_on_qiling(kind, program, options.arguments, options.limit) for kind in kinds]
    print(side_by_side([native, *runs]))
    print()
    for each in runs:
        print(verdict(each, native))
        print_waiting(each)
    ours = runs[-1]
    if native.outcome is Outcome.IMPOSSIBLE:
        return int(ours.outcome is not Outcome.FINISHED)
    return int(not ours.agrees_with(native))


def print_waiting(stopped: Run) -> None:
    """Print who waited for whom when a run stopped, and the cycle if there is one."""
    if not stopped.waiting:
        return
    from pyfutex.integrations.qiling import Waiting, cycle  # with Qiling, which the other commands do without

    table = [Waiting(**row) for row in stopped.waiting]
    for row in table:
        print(f"    {row}")
    circle = cycle(table)
    if circle:
        first, *rest = [f"thread {tid}" for tid in [*circle, circle[0]]]
        print(f"    deadlock: {first} waits for {', which waits for '.join(rest)}")
