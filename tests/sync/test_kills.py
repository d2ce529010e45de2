"""The kill campaigns, in small."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from differential.kernel import usable

TESTS = Path(__file__).parents[1]
KILLS = 150


@pytest.mark.skipif(not usable(), reason="the kernel does not tell here where a thread sleeps")
@pytest.mark.parametrize(("campaign", "pi"), [("kills", False), ("kills", True), ("permitkills", False)])
def test_processes_that_are_killed_cost_the_others_nothing(rng, campaign, pi):
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        f"sync.{campaign}",
        str(KILLS),
        "--seed",
        str(rng.getrandbits(32)),
        *(["--pi"] if pi else []),
    ]
    done = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": os.fspath(TESTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
