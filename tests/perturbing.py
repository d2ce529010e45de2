"""Runs tests in a build that delays threads between steps (-Dperturb=true), under one seed after the other.

    python -m perturbing 8 --seed 1 tests/stress tests/hazards

Ends at the first seed under which a test fails, hangs or kills its process, and prints the command that runs it again.
"""

import argparse
import os
import subprocess
import sys
import time

from pyfutex_native.steps import PERTURBED

VARIABLE = "PYFUTEX_PERTURB"
# What a run takes over from this one's environment.
TAKEN_OVER = ("PYFUTEX_STRESS", "PYFUTEX_TEST_SEED", "PYFUTEX_TEST_WATCHDOG")


def run_tests(seed: str, given: list[str]) -> list[str]:
    """Run pytest under a seed: empty, or the words of the command that runs it again."""
    words = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", *given]
    chosen = {name: os.environ[name] for name in TAKEN_OVER if name in os.environ}
    chosen[VARIABLE] = seed
    chosen.setdefault("PYFUTEX_TEST_SEED", seed.partition(":")[0])
    if subprocess.run(words, env={**os.environ, **chosen}, check=False).returncode == 0:
        return []
    return [*(f"{name}={value}" for name, value in chosen.items()), *words]


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="perturbing", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("seeds", type=int, help="how many seeds")
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    parser.add_argument("--strength", type=int, help="how many steps of 1024 are delayed")
    options, given = parser.parse_known_args()
    assert PERTURBED, "pyfutex was built without -Dperturb=true: make perturb"
    suffix = "" if options.strength is None else f":{options.strength}"
    for number in range(options.seed, options.seed + options.seeds):
        began = time.monotonic()
        again = run_tests(f"{number}{suffix}", given)
        if again:
            print(f"perturbing: seed {number} fails after {time.monotonic() - began:.0f} s; again:")
            print("  " + " ".join(again))
            return 1
        print(f"perturbing: seed {number} passes, {time.monotonic() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
