"""``python -m pyfutex``: tools, demos, and the comparison on Qiling; the help if nothing is named."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from pyfutex import doctor
from pyfutex._buildoptions import KERNEL
from pyfutex._commandline import Example, teach
from pyfutex.demo import queue
from pyfutex.sidebyside import command as qiling

if TYPE_CHECKING or KERNEL:
    from pyfutex.demo import awaits, crash
    from pyfutex.inspecting import command as inspect
    from pyfutex.measuring import command as bench
    from pyfutex.tracing import command as trace

DESCRIPTION = """\
Tools for programs whose threads or processes wait for each other: say what works here, look into shared locks, record
who waits for whom, measure, see it work. Each command has a --help with examples.
"""
EXAMPLES: tuple[Example, ...] = (
    ("doctor", "first: what works in this environment, and what does not"),
    ("inspect shop", "who holds what in the arena 'shop', who waits, who is in a deadlock"),
    ("trace shop.py", "run a program, and record who waits for whom, for how long"),
    ("bench", "a table for this machine: locks, conditions, wakes, beside the standard library"),
    ("demo crash", "processes are killed with a shared lock: who hangs, who goes on"),
    ("demo queue", "threads send items through a bounded queue, beside threading.Condition"),
    ("demo await", "one event loop awaits a thousand words that another process sets"),
    ("qiling ./guest", "a program natively, on Qiling, and on Qiling with pyfutex"),
)
if not KERNEL:
    EXAMPLES = tuple(shown for shown in EXAMPLES if shown[0].startswith(("doctor", "demo queue", "qiling")))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process if left out. With none, the help is shown.

    Returns
    -------
    int
        The exit status: 0 if all is well, 1 if a check failed, 130 if interrupted.
    """
    arguments = sys.argv[1:] if argv is None else argv
    parser = _parser()
    if not arguments:
        # A question, and no mistake: the answer goes to the standard output, with status 0, as that of pip and of cargo.
        parser.print_help()
        return 0
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pyfutex")
    teach(parser, DESCRIPTION, EXAMPLES)
    parser.add_argument("--version", action="version", version=f"pyfutex {version('pyfutex')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    doctor.add_arguments(commands.add_parser("doctor", help="what locks and arenas can do here"))
    if KERNEL:
        inspect.add_arguments(
            commands.add_parser("inspect", help="what is in an arena, who holds it, who waits")
        )
        trace.add_arguments(
            commands.add_parser("trace", help="who waits for whom in a program, for Perfetto")
        )
        bench.add_arguments(
            commands.add_parser("bench", help="what is how fast here, beside the standard library")
        )
    _add_demos(commands.add_parser("demo", help="see it work, beside what you have today"))
    qiling.add_arguments(commands.add_parser("qiling", help="a program on Qiling, with pyfutex and without"))
    return parser


def _add_demos(parser: argparse.ArgumentParser) -> None:
    """Declare the demos."""
    prefix = "demo "
    teach(
        parser,
        "Show pyfutex at work beside what it is an alternative to, and check that nothing is lost.",
        [(typed.removeprefix(prefix), does) for typed, does in EXAMPLES if typed.startswith(prefix)],
    )
    demos = parser.add_subparsers(metavar="NAME", required=True)
    if KERNEL:
        awaits.add_arguments(
            demos.add_parser("await", help="words of another process, awaited in one event loop")
        )
        crash.add_arguments(demos.add_parser("crash", help="processes that are killed with a shared lock"))
    queue.add_arguments(demos.add_parser("queue", help="a bounded queue over futex words"))


if __name__ == "__main__":
    sys.exit(main())
