"""Generated scripts, step by step on a Manager and on the kernel; `make differential` runs more of them."""

import os

import pytest
from differential import kernel
from differential.scripts import (
    Die,
    Generator,
    LockPI,
    Requeue,
    Store,
    TrylockPI,
    UnlockPI,
    Wait,
    Wake,
)
from differential.worlds import ALL, ANY

duel = pytest.importorskip("differential.duel", reason="tests/native is not installed")
N_SCRIPTS = 1500


@pytest.fixture
def arena():
    """A crew of threads, on one processor together with the test: a job given is a switch then."""
    if not kernel.usable() or not kernel.has_waitv():
        pytest.skip("no futex(2) that can be watched on this machine, or no futex_waitv(2)")
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    made = duel.Arena()
    yield made
    made.close()
    os.sched_setaffinity(0, allowed)


def assert_agreed(found):
    assert found is None, f"\n{found}"


def test_scripts_of_fixed_seeds(arena):
    for number in range(N_SCRIPTS):
        found = arena.run_seed(f"suite:{number}")
        if found is not None:
            assert_agreed(arena.smallest(found))
    assert arena.slept == arena.woken > N_SCRIPTS
    assert min(arena.steps.values()) > N_SCRIPTS / 100
    kinds = {name.removeprefix("make_") for name in vars(Generator) if name.startswith("make_")} - {
        "store_owner"
    }
    assert len(arena.steps) == len(kinds)


@pytest.mark.parametrize("flags", [kernel.OWNER_DIED, kernel.OWNER_DIED | kernel.WAITERS])
@pytest.mark.parametrize(
    "again",
    [LockPI(2, 0, True, False), LockPI(2, 0, True, True), TrylockPI(2, 0, True)],
    ids=["lock", "late", "try"],
)
def test_owner_again_after_a_scribble_that_says_died(arena, flags, again):
    steps = [LockPI(2, 0, True, False), LockPI(1, 0, True, False), Store(0, flags), again]
    assert_agreed(arena.run(lambda _view: steps))


def test_the_word_of_a_dead_owner(arena):
    steps = [LockPI(0, 0, True, False), Die(0), LockPI(1, 0, True, False), UnlockPI(1, 0, True)]
    assert_agreed(arena.run(lambda _view: steps))
    assert arena.steps["Die"] == 1


def test_a_difference_is_found_and_made_small(arena, monkeypatch):
    """A side that forgets bitsets: of forty steps those three are left that show it."""
    honest = duel.ManagerSide.Wait
    monkeypatch.setattr(duel.ManagerSide, "Wait", lambda side, step: honest(side, step._replace(bitset=ANY)))
    noise = [Wake(1, ALL, ANY, True), Store(1, 0), Requeue(1, 0, 1, 1, True)] * 6
    wait = Wait(0, 0, 0, 2, True, False)
    found = arena.run(lambda _view: [*noise, wait, *noise, Wake(0, 1, 1, True), *noise])
    small = arena.smallest(found)
    assert small.steps == [wait, Wake(0, 1, 1, True)]
    assert (small.kernel.answer, small.manager.answer) == (0, 1)
