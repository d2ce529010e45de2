"""Render a folder of saved runs as one page of HTML.

python -m dashboard .benchmarks --output dashboard.html
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dashboard.page import render
from dashboard.runs import read_runs

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m dashboard", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, help="a folder of saved runs; folders in it are read too")
    parser.add_argument("--output", type=Path, default=Path("dashboard.html"), help="default dashboard.html")
    options = parser.parse_args(arguments)

    runs = read_runs(options.runs)
    if not runs:
        print(f"no saved runs in {options.runs}: make bench saves one", file=sys.stderr)
        return 2
    options.output.write_text(render(runs), encoding="utf-8")
    print(f"{options.output}: {len(runs)} runs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
