"""``python examples/unicorn_guest PROGRAM``: run a static program as a guest."""

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    # The directory that Python put first is the package itself; imports go through its parent.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    sys.exit(importlib.import_module("unicorn_guest.command").main())
