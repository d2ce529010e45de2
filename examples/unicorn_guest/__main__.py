"""``python examples/unicorn_guest PROGRAM``: run a static program as a guest; ``--demo``: the programs of this directory."""

import importlib
import importlib.util
import sys
from pathlib import Path

if __name__ == "__main__":
    if importlib.util.find_spec("unicorn") is None:
        print("guest demo: Unicorn is not installed here: pip install unicorn")
        sys.exit(0 if "--demo" in sys.argv[1:2] else 126)
    # The directory that Python put first is the package itself; imports go through its parent.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    module = "demo" if sys.argv[1:] == ["--demo"] else "command"
    sys.exit(importlib.import_module(f"unicorn_guest.{module}").main())
