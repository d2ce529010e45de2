"""Run every suite, each in a process of its own; exit with 1 if a test of one failed.

`python -m sync.judged`
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time

METHODS = ["fork", "spawn", "forkserver"]
# What each needs of the interpreter's tests, its module, and what is said of it.
RUNS = [
    ("test.test_threading", "sync.judged.threading_suite", {}, "queue and threading with our primitives"),
    *(
        (
            "test._test_multiprocessing",
            "unittest",
            {"PYFUTEX_START_METHOD": method},
            f"multiprocessing, {method}",
        )
        for method in METHODS
    ),
    ("test.test_concurrent_futures.util", "sync.judged.futures_suite", {}, "ProcessPoolExecutor"),
]


def is_there(module):
    """Whether this interpreter was installed with a module."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def run(module, environment):
    """Run a suite: its exit status, its last line and, if it failed, all it wrote."""
    suite = ["sync.judged.multiprocessing_suite"] if module == "unittest" else []
    ended = subprocess.run(
        [sys.executable, "-m", module, *suite],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    ran = next((line for line in ended.stdout.splitlines() if line.startswith("Ran ")), "nothing ran")
    return ended.returncode, f"{ran}: {ended.stdout.splitlines()[-1]}", ended.stdout


def main():
    """Run all; whether one failed."""
    # A shell ignores it for what it runs in the background; the tests would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    failed = False
    for needed, module, environment, title in RUNS:
        if not is_there(needed):
            print(f"{title}: left out, this Python was installed without {needed}", flush=True)
            continue
        began = time.monotonic()
        status, summary, said = run(module, environment)
        print(f"{title}: {summary} ({time.monotonic() - began:.0f} s)", flush=True)
        if status:
            failed = True
            print(said)
    return failed


if __name__ == "__main__":
    sys.exit(main())
