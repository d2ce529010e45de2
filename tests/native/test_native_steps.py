"""A build with -Dperturb=true makes the same delays from the same seed."""

import os
import subprocess
import sys

import pytest

steps = pytest.importorskip("pyfutex_native.steps", reason="pyfutex-native-tests is not installed")

PROGRAM = """
import threading
from pyfutex_native import steps
taken = [steps.take(1000)]
for _ in range(3):
    thread = threading.Thread(target=lambda: taken.append(steps.take(100)))
    thread.start()
    thread.join()
print(*taken)
"""


def states(perturb):
    """What decides on the next delay of four threads, after their steps under a seed, or under None."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYFUTEX_PERTURB"}
    environment = inherited if perturb is None else {**inherited, "PYFUTEX_PERTURB": perturb}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout.split()


@pytest.mark.skipif(not steps.PERTURBED, reason="pyfutex was built without -Dperturb=true: make perturb")
def test_delays_are_a_function_of_the_seed_and_of_the_number_of_the_thread():
    first = states("7")
    assert first == states("7")
    assert len(set(first)) == 4
    assert not set(first) & set(states("8"))


def test_nothing_is_delayed_without_a_seed():
    assert states(None) == ["0"] * 4
