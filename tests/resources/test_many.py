"""A million waiters, and no thread but those of the caller."""

import os

import pytest
from resources.operations import ENGINE, SYNC, World

from pyfutex import Memory, Waiter, WaiterState

MANY = 1_000_000


@pytest.mark.stress
def test_a_million_waiters_are_queued_and_each_is_woken_once(manager):
    memory = Memory(bytearray(4 * MANY))
    waiters = [Waiter() for _ in range(MANY)]
    for i, w in enumerate(waiters):
        manager.wait_prepare(w, memory, 4 * i, 0)
    assert len(manager) == MANY
    assert manager.stats()["longest_chain"] < 64
    assert sum(manager.wake(memory, 4 * i) for i in range(MANY)) == MANY
    assert len(manager) == 0
    assert all(w.state is WaiterState.DONE for w in waiters)


@pytest.mark.parametrize("name", ENGINE | SYNC)
def test_no_operation_leaves_a_thread(name):
    before = set(os.listdir("/proc/self/task"))
    world = World()
    (ENGINE | SYNC)[name](world)()
    world.end()
    assert set(os.listdir("/proc/self/task")) <= before
