"""Primitives over any bytes: no crash, no hang, nothing written behind them, and documented errors alone."""

import subprocess
import sys
from pathlib import Path

import fuzzing
import pytest
from fuzz.layouts import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_primitive_that_is_written_over(kind, rng):
    command = [sys.executable, "-W", "ignore", "-m", "fuzz.layouts", kind]
    done = subprocess.run(
        [*command, str(rng.getrandbits(32)), str(fuzzing.examples(100))],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
