"""Each request of pyfutex's libraries to the C library, for memory or a descriptor, is refused in turn."""

import gc
from errno import ENOMEM

import pytest
from resources.operations import ENGINE, World

from pyfutex import Waiter

scarcity = pytest.importorskip("pyfutex_native.scarcity", reason="pyfutex-native-tests is not installed")

NEVER = -2
ALWAYS = -1
# Of results: what can be compared between worlds.
COMPARABLE = (bool, int, list, tuple, type(None))


def attempt(name, n):
    """Do it with the n-th request refused: the exception's class or what came of it, and how many requests there were."""
    world = World()
    call = ENGINE[name](world)
    before = world.state()
    result, error, requests = scarcity.call_refused(n, call)
    if error is not None or result == -ENOMEM:
        outcome = MemoryError if error is None else type(error)
        assert world.state() == before
        call()
    else:
        outcome = (result if isinstance(result, COMPARABLE) else type(result), world.state())
    del call, result, error, before
    world.end()
    del world
    gc.collect()
    return outcome, requests


@pytest.mark.parametrize("name", ENGINE)
def test_each_refused_request_is_an_error_that_changes_nothing_or_is_done_without(name):
    scarcity.begin()
    attempt(name, NEVER)  # for what is kept: parkers, table numbers
    usual, requests = attempt(name, NEVER)
    in_use = scarcity.in_use()
    for n in range(requests):
        outcome, _ = attempt(name, n)
        assert outcome in (MemoryError, OSError, usual), f"request {n} of {requests}"
        assert scarcity.in_use() <= in_use, f"request {n} of {requests} leaks"


def test_table_that_cannot_grow_works_on(manager, memory):
    """And grows when it can."""
    scarcity.begin()
    waiters = [Waiter() for _ in range(900)]

    def queue(first, end):
        for i in range(first, end):
            assert manager.wait_prepare(waiters[i], memory, 4 * i, 0) is None

    _, error, _ = scarcity.call_refused(ALWAYS, lambda: queue(0, 800))
    assert error is None
    assert manager.stats()["growths"] == 0
    queue(800, 900)
    assert manager.stats()["growths"] > 0
    assert [manager.wake(memory, 4 * i) for i in range(900)] == [1] * 900
