"""All programs with all compilers as one table: ``python -m pyfutex.sidebyside.table DIRECTORY``."""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pyfutex.sidebyside.elf import read_program
from pyfutex.sidebyside.report import ending
from pyfutex.sidebyside.runs import Kind, Outcome, Run, compile_static, run_native, run_on_qiling

COMPILERS = {
    "x86-64 glibc": "gcc",
    "x86-64 musl": "musl-gcc",
    "ARM glibc": "arm-linux-gnueabi-gcc",
    "MIPS glibc, big-endian": "mips-linux-gnu-gcc",
    "MIPS glibc, little-endian": "mipsel-linux-gnu-gcc",
}
KINDS = (Kind.STOCK, Kind.STOCK_CLONE3, Kind.PYFUTEX)


def runs_of(source: Path, compiler: str, limit: float) -> list[Run]:
    """The native run of a program, then those of `KINDS`; CalledProcessError if it does not compile."""
    with tempfile.TemporaryDirectory(prefix="pyfutex-") as directory:
        program = read_program(compile_static(source, compiler, Path(directory)))
        native = run_native(program, [], min(limit, 5.0))
        return [native, *(run_on_qiling(kind, program, [], limit) for kind in KINDS)]


def row(name: str, target: str, runs: Sequence[Run]) -> str:
    """One line of the table: a run that did what the native one did says so."""
    native, *others = runs
    cells = [
        "same" if native.outcome is not Outcome.IMPOSSIBLE and run.agrees_with(native) else ending(run)
        for run in others
    ]
    how = "does not end" if native.outcome is Outcome.TIME_LIMIT else ending(native)
    return f"| {name} | {target} | {how} | {' | '.join(cells)} |"


def lines(directory: Path, limit: float) -> Iterator[str]:
    """The table, line by line as the runs end."""
    yield "| program | compiled for | native | Qiling, as released | Qiling, clone3 refused | Qiling with pyfutex |"
    yield "|---|---|---|---|---|---|"
    for target, compiler in COMPILERS.items():
        if shutil.which(compiler) is None:
            yield f"| (all) | {target} | no {compiler} here | | | |"
            continue
        for source in sorted(directory.glob("*.c")):
            try:
                yield row(source.stem, target, runs_of(source, compiler, limit))
            except subprocess.CalledProcessError:
                yield f"| {source.stem} | {target} | does not compile | | | |"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="where the C sources are")
    parser.add_argument("--limit", type=float, default=20.0, metavar="S", help="seconds that a run may take")
    options = parser.parse_args()
    for line in lines(options.directory, options.limit):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
