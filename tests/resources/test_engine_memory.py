"""Each request of pyfutex's libraries to the C library, for memory or a descriptor, is refused in turn."""

import gc
from errno import ENOMEM
from pathlib import Path

import pytest
from resources.operations import ENGINE, World

from pyfutex import ALL, Manager, Memory, Waiter, WaitResult

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


def test_threads_that_end_leave_their_parkers_to_others(manager, memory, spawn):
    """A thread has one, however often it sleeps; a page of memory holds 64."""

    def sleep_often():
        for _ in range(20):
            assert manager.wait(memory, 0, 0, 1e-6) is WaitResult.TIMEOUT

    scarcity.begin()
    spawn(sleep_often).result()
    in_use = scarcity.in_use()
    for _ in range(150):
        spawn(sleep_often).result()
    assert scarcity.in_use() <= in_use


def test_thread_that_gets_no_parker_does_not_sleep(manager, memory, spawn, wait_until):
    scarcity.begin()
    in_use, n = scarcity.in_use(), 0

    def all_sleep():
        infos = manager.waiters(memory, 0)
        return len(infos) == n and all(info.queued_for > 0 for info in infos)

    rest = None  # of the page of 64 that the first sleeper gets for whom there is none in the pool
    while rest != 0:
        spawn(manager.wait, memory, 0, 0)
        n += 1
        wait_until(all_sleep)
        rest = rest - 1 if rest else 63 if scarcity.in_use() > in_use else None
    refused = spawn(scarcity.call_refused, ALWAYS, lambda: manager.wait(memory, 4, 0))
    _, error, _ = refused.result()
    assert isinstance(error, MemoryError)
    assert not manager.waiters(memory, 4)
    assert manager.wake(memory, 0, ALL) == n


@pytest.mark.parametrize(("n_managers", "n_keys"), [(1000, 0), (50, 800)])
def test_tables_of_managers_that_end_are_unmapped(n_managers, n_keys):
    mem = Memory(bytearray(4 * 1024))

    def pages_after_a_round():
        for _ in range(n_managers):
            with Manager() as manager:
                for i in range(n_keys):
                    assert manager.wait_prepare(Waiter(), mem, 4 * i, 0) is None
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[0])

    first = min(pages_after_a_round() for _ in range(2))
    assert pages_after_a_round() < first + 400
