"""Write a saved run for github-action-benchmark's `customSmallerIsBetter`, or `customBiggerIsBetter` with --higher.

    python -m dashboard.actionresults .benchmarks/.../0001_....json smaller.json

The action's `pytest` format takes the saved run itself, but of that only the mean, which one disturbed round can move, in
rounds a second. Here it gets the best round, in the benchmark's own unit.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dashboard.runs import NotARunError, read_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dashboard.runs import Run


def entries(run: Run, *, higher: bool) -> list[dict[str, object]]:
    """What the action keeps of each benchmark of which more, or less, is better."""
    return [
        {
            "name": figure.id,
            "unit": figure.unit,
            "value": figure.best,
            "range": f"quartiles {figure.low:.4g} to {figure.high:.4g}",
            "extra": f"median {figure.median:.4g}\nrounds {figure.rounds}",
        }
        for figure in run.figures.values()
        if figure.higher == higher
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m dashboard.actionresults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="a saved run")
    parser.add_argument("output", type=Path, help="the file to name in the action's output-file-path")
    parser.add_argument("--higher", action="store_true", help="the benchmarks of which more is better")
    options = parser.parse_args(arguments)

    try:
        found = entries(read_run(options.run), higher=options.higher)
    except NotARunError as error:
        print(error, file=sys.stderr)
        return 2
    options.output.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{options.output}: {len(found)} benchmarks")
    return 0 if found else 2


if __name__ == "__main__":
    sys.exit(main())
