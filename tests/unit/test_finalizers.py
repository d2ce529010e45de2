"""The collector comes in the middle: what it finalizes may use the very things that were being made or used.

Each program runs in a process of its own, since a thread that waits for a lock which it holds itself can only be killed.
"""

import subprocess
import sys
import textwrap

import pytest

LIMIT_SECONDS = 15

PROGRAM = """
import faulthandler, gc
from pyfutex import *

faulthandler.dump_traceback_later({limit}, exit=True)
manager, space, completions = Manager(), AddressSpace(), CompletionQueue()
segment = Mappable()
memory = Memory(bytearray(4096), mappable=segment)
finalized = []


class Finalized:
    def __init__(self):
        self.cycle = self

    def __del__(self):
        finalized.append(True)
        use()


def use():
    place = 1 << 21
{use}


def work():
    place = 1 << 20
{work}


for threshold in range(1, 40):
    gc.set_threshold(threshold)
    for _ in range(20):
        Finalized()
        work()
    gc.collect()
gc.disable()
assert finalized
"""


def run(use, work):
    """Run the program in which finalizers call `use` while the main thread does `work`."""
    indented = {name: textwrap.indent(code, "    ") for name, code in (("use", use), ("work", work))}
    source = PROGRAM.format(limit=LIMIT_SECONDS, **indented)
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=3 * LIMIT_SECONDS
    )
    assert (done.returncode, done.stderr) == (0, "")


ACTIONS = {
    "mappable": "Mappable()",
    "map": "space.map(place, bytearray(64)); space.unmap(place, 4096)",
    "queue": "w = Waiter(queue=completions); manager.wait_prepare(w, memory, 0, 0); w.key; w.cancel()",
    "wake": "manager.wait_prepare(Waiter(lambda w: None), memory, 64, 0); manager.wake(memory, 64, ALL)",
    "drain": "manager.wait_prepare(Waiter(queue=completions), memory, 128, 0); manager.wake(memory, 128); "
    "completions.drain()",
    "look": "manager.waiters(); manager.stats(); len(manager); space.regions()",
    "fork": "manager.fork().wake(memory, 0); space.fork()",
}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_finalizer_may_do_what_was_being_done(action):
    run(ACTIONS[action], ACTIONS[action])


@pytest.mark.parametrize("action", ACTIONS)
def test_a_finalizer_may_do_everything_else(action):
    run("\n".join(ACTIONS.values()), ACTIONS[action])
