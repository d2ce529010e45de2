"""The controls: a planted defect of each kind is found, and a program that fails is made smaller."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from fuzz.smaller import smaller


def test_planted_defects_are_found():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "fuzz.planted"],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {
        "crash": f"ended with status {-signal.SIGSEGV}",
        "hang": "a hang",
        "leak": "a leak of blocks of memory",
        "leak_descriptor": "a leak of descriptors",
        "system_error": "system_error raised SystemError",
        "interrupted": None,
    }


def test_a_program_is_made_smaller():
    program = [[i, [7, i, 9]] for i in range(40)]
    tried = []

    def fails(steps):
        tried.append(steps)
        return [20, [7, 20, 0]] in [[number, [*choices[:2], 0]] for number, choices in steps]

    assert smaller(program, fails) == [[20, [7, 20, 0]]]
    assert len(tried) < 100
