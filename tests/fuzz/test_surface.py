"""Any call of the public surface with any arguments: no crash, no hang, no leak, and no exception that is not documented.

A program of calls runs in a process of its own (`zygote`). PYFUTEX_FUZZ=100 in the environment runs a hundred times as many,
other ones each time; the smallest program that fails is shown.
"""

import json
import subprocess
import sys
from pathlib import Path

import fuzzing
import pytest
from fuzz import surface
from fuzz.hostility import BUFFERS
from fuzz.zygote import HANG_SECONDS
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

import pyfutex
from pyfutex import linux, sync

CALLS = surface.all_calls()
NUMBER_OF = {call.name: i for i, call in enumerate(CALLS)}

choices = st.lists(st.just(0) | st.integers(0, 159) | st.integers(0, 255), max_size=10)
steps = st.tuples(st.integers(0, len(CALLS) - 1), choices)
programs = st.lists(steps, min_size=1, max_size=60)


class Zygote:
    """A process that runs programs in children."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "fuzz.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
            text=True,
        )

    def run(self, program):
        """What is wrong with a program, or None."""
        self.process.stdin.write(json.dumps(program) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(HANG_SECONDS) == 0
        self.process.stdout.close()


@pytest.fixture(scope="module")
def zygote():
    """One for all programs."""
    made = Zygote()
    yield made
    made.end()


@pytest.fixture
def watchdog_seconds():
    """Enough for a hang to be found, and made smaller."""
    return fuzzing.seconds(900)


def test_every_public_name_is_called():
    called = {call.name.split(".")[0] for call in CALLS}
    plain = {"ALL", "ANY", "CLOCK_MONOTONIC", "CLOCK_REALTIME", "KeyKind", "InvalidArgument", "get_include"}
    tuples = {
        "Region",
        "Requeued",
        "WaitItem",
        "WaitResult",
        "WaiterInfo",
        "WaiterState",
        "WakeItem",
        "WakeWait",
    }
    errors = {"BrokenBarrierError", "NotRecoverable", "OwnerDied", "TornMessage", "WorkerDied"}
    assert set(pyfutex.__all__) - plain - tuples <= called
    assert {name for name in linux.__all__ if not name.isupper()} <= called
    # A context is what get_context answers; it is made by itself here.
    assert set(sync.__all__) - errors - {"get_context"} <= called


def test_every_method_is_called():
    for owner in {call.owner for call in CALLS if call.owner is not None}:
        prefix = "processes." if ".processes." in owner.__module__ else ""
        for name in vars(owner):
            if not name.startswith("_"):
                full = f"{prefix}{owner.__name__}.{name}"
                assert (
                    full in NUMBER_OF or full.removeprefix("processes.") in surface.LEFT_OUT or name.isupper()
                ), full


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_a_call_with_one_hostile_argument_after_another(zygote, call):
    made = [[NUMBER_OF[name], []] for name in ("Manager.futex", "Task", "Barrier", "RWLock", "Event", "Condition")
            if name in NUMBER_OF]  # fmt: skip
    if call.owner is not None and call.owner.__name__ in NUMBER_OF:
        made.append([NUMBER_OF[call.owner.__name__], []])
    hostile = [
        [NUMBER_OF[call.name], [*[0] * place, choice]]
        for place in range(len(call.parameters))
        for choice in range(160, 214)
    ]
    for i in range(0, len(hostile), 100):
        assert zygote.run([*made, *hostile[i : i + 100]]) is None


@pytest.mark.parametrize("name", BUFFERS)
@pytest.mark.parametrize(
    "kind", ["Memory", "Lock.create", "Lock.attach", "Barrier.create", "Event.attach", "RWLock.create"]
)
def test_any_buffer(zygote, name, kind):
    choice = list(BUFFERS).index(name)
    uses = [[NUMBER_OF[f"{kind.split('.')[0]}.{method}"], [0, 0, 255]]
            for method in ("load", "acquire", "release", "wait", "set", "host_address")
            if f"{kind.split('.')[0]}.{method}" in NUMBER_OF]  # fmt: skip
    program = [[NUMBER_OF[kind], [choice, 0, 2]], *uses]
    assert zygote.run(program) is None


@settings(
    max_examples=fuzzing.examples(150),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(program=programs)
def test_any_program(zygote, program):
    finding = zygote.run(program)
    for number, chosen in program if finding else ():
        call = CALLS[number]
        note(f"{call.name}{tuple(parameter.name for parameter in call.parameters)} {chosen}")
    assert finding is None, "\n".join(finding)
