"""``python -m pyfutex``: demos, looking in, and the comparison on Qiling; the queue demo if nothing is named."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from pyfutex import doctor
from pyfutex.demo import awaits, crash, queue
from pyfutex.inspecting import command as inspect
from pyfutex.sidebyside import command as qiling

DEFAULT = ("demo", "queue")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process if left out. With none, the queue demo runs.

    Returns
    -------
    int
        The exit status: 0 if all is well, 1 if a check failed, 130 if interrupted.
    """
    arguments = sys.argv[1:] if argv is None else argv
    options = _parser().parse_args(arguments or DEFAULT)
    try:
        status: int = options.run(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pyfutex", description="pyfutex at work.")
    parser.add_argument("--version", action="version", version=f"pyfutex {version('pyfutex')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    demos = commands.add_parser("demo", help="run a demo").add_subparsers(metavar="NAME", required=True)
    awaits.add_arguments(
        demos.add_parser("await", help="words of another process, awaited in one event loop")
    )
    crash.add_arguments(demos.add_parser("crash", help="processes that are killed with a shared lock"))
    queue.add_arguments(demos.add_parser("queue", help="a bounded queue over futex words"))
    inspect.add_arguments(commands.add_parser("inspect", help="what is in an arena, who holds it, who waits"))
    doctor.add_arguments(commands.add_parser("doctor", help="what locks and arenas can do here"))
    qiling.add_arguments(commands.add_parser("qiling", help="a program on Qiling, with pyfutex and without"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
