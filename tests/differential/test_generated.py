"""Generated scripts, step by step on a Manager and on the kernel; `make differential` runs more of them."""

import os

import pytest
from differential import kernel
from differential.kernel import WAITERS
from differential.scripts import Generator
from differential.steps import (
    CmpRequeuePI,
    Die,
    LockPI,
    Requeue,
    RobustExit,
    Schedule,
    Signal,
    Store,
    TrylockPI,
    UnlockPI,
    Wait,
    WaitRequeuePI,
    Waitv,
    Wake,
)
from differential.worlds import ALL, ANY

duel = pytest.importorskip("differential.duel", reason="tests/native is not installed")
N_SCRIPTS = 1500
N_SLEEPING = 60  # scripts on the sides whose threads sleep in blocking calls, too


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
    kinds = {name.removeprefix("make_") for name in vars(Generator) if name.startswith("make_")}
    kinds -= {"store_owner", "take"}  # these are stores
    if not arena.may_be_real_time:
        kinds -= {"schedule"}
    assert len(arena.steps) == len(kinds)


def test_scripts_on_threads_that_sleep_in_blocking_calls(arena):
    for number in range(N_SLEEPING):
        found = arena.run_seed(f"sleeping:{number}", sleeping=True)
        if found is not None:
            assert_agreed(arena.smallest(found))
    assert arena.slept == arena.woken > N_SLEEPING


@pytest.mark.parametrize("flags", [kernel.OWNER_DIED, kernel.OWNER_DIED | kernel.WAITERS])
@pytest.mark.parametrize(
    "again",
    [LockPI(2, 0, True, False), LockPI(2, 0, True, True), TrylockPI(2, 0, True)],
    ids=["lock", "late", "try"],
)
def test_owner_again_after_a_scribble_that_says_died(arena, flags, again):
    steps = [LockPI(2, 0, True, False), LockPI(1, 0, True, False), Store(0, flags), again]
    assert_agreed(arena.run(lambda _view: steps, sleeping=True))


def test_the_word_of_a_dead_owner(arena):
    steps = [LockPI(0, 0, True, False), Die(0), LockPI(1, 0, True, False), UnlockPI(1, 0, True)]
    assert_agreed(arena.run(lambda _view: steps, sleeping=True))
    assert arena.steps["Die"] == 1


@pytest.mark.parametrize("pending", [None, (0, False), (2, False), (2, True), (3, False)])
@pytest.mark.parametrize("ending", ["head", "circle", "misaligned", "unmapped", "apart"])
def test_robust_words_of_a_dead_owner(arena, ending, pending):
    """Two words that it has, one of them in a list, and two sleepers at each word; word 2 is nobody's."""
    steps = [
        *(Store(word, kernel.WAITERS, 0) for word in (0, 1)),
        *(Wait(1 + 2 * word + i, word, 0, ANY, False, False) for word in (0, 1, 2) for i in range(2)),
        LockPI(0, 3, True, False),
        RobustExit(0, ((1, False), (3, True), (0, False)), pending, ending),
    ]
    assert_agreed(arena.run(lambda _view: steps, sleeping=True))
    assert arena.steps["RobustExit"] == 1


def test_real_time_goes_first(arena):
    if not arena.may_be_real_time:
        pytest.skip("no real-time priorities permitted here")
    priorities = [0, 5, 0, 9, 5]
    steps = [
        *(Schedule(thread, priority) for thread, priority in enumerate(priorities)),
        *(Wait(thread, 0, 0, ANY, True, False) for thread in (0, 1)),
        Waitv(2, ((1, 0, True), (0, 0, True)), False),
        Waitv(3, ((1, 0, True), (0, 0, True)), False),
        Wait(4, 0, 0, ANY, True, False),
    ]
    order = []
    honest = duel.PreparedSide.ended

    def ended(side):
        over = honest(side)
        order.extend(over)
        return over

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duel.PreparedSide, "ended", ended)
        assert_agreed(arena.run(lambda _view: steps))
    assert order == [3, 1, 4, 0, 2]


def test_a_difference_is_found_and_made_small(arena, monkeypatch):
    """A side that forgets bitsets: of forty steps those three are left that show it."""
    honest = duel.PreparedSide.Wait
    monkeypatch.setattr(duel.PreparedSide, "Wait", lambda side, step: honest(side, step._replace(bitset=ANY)))
    noise = [Wake(1, ALL, ANY, True), Store(1, 0), Requeue(1, 0, 1, 1, True)] * 6
    wait = Wait(0, 0, 0, 2, True, False)
    found = arena.run(lambda _view: [*noise, wait, *noise, Wake(0, 1, 1, True), *noise])
    small = arena.smallest(found)
    assert small.steps == [wait, Wake(0, 1, 1, True)]
    assert {name: outcome.answer for name, outcome in small.outcomes.items()} == {"kernel": 0, "prepared": 1}


LENT_BEHIND_A_SLEEPER = {
    "who waits for a wake is in front": [
        Schedule(3, 3),
        Schedule(4, 1),
        *(LockPI(thread, word, False, False) for thread, word in [(4, 2), (2, 0), (2, 2), (3, 0)]),
        Wait(4, 2, 0, ANY, False, False),
        Wake(2, 1, ANY, False),
    ],
    "who waits for a requeue is in front": [
        Schedule(3, 2),
        TrylockPI(4, 0, True),
        Store(1, WAITERS, 3),
        LockPI(4, 1, False, False),
        Schedule(1, 3),
        LockPI(1, 0, True, False),
        WaitRequeuePI(3, 1, 0, 0, False, False),
        CmpRequeuePI(1, 0, 0, 0, False),
    ],
    "who lent it leaves": [
        Schedule(3, 3),
        *(LockPI(thread, word, True, False) for thread, word in [(1, 1), (2, 0), (4, 1), (2, 1), (3, 0)]),
        Wait(5, 1, 0, ANY, True, False),
        Signal(3),
        UnlockPI(1, 1, True),
        UnlockPI(4, 1, True),
    ],
}


@pytest.mark.parametrize("steps", LENT_BEHIND_A_SLEEPER.values(), ids=LENT_BEHIND_A_SLEEPER)
def test_priority_that_is_lent_moves_nobody_in_front_of_a_sleeper(arena, steps):
    """A lock's heir is found by what its waiters are lent, and their place in the word's queue by their own priority."""
    if not arena.may_be_real_time:
        pytest.skip("no real-time priorities permitted here")
    assert_agreed(arena.run(lambda _view: steps))


@pytest.mark.parametrize("by_requeue", [False, True])
def test_priority_lent_in_vain_costs_a_place(arena, by_requeue):
    if not arena.may_be_real_time:
        pytest.skip("no real-time priorities permitted here")
    pairs = [(1, 0), (2, 1), (4, 2), (2, 0), (3, 0), (1, 2), (5, 2)]
    locks = [LockPI(thread, word, True, False) for thread, word in pairs]
    last = (
        [WaitRequeuePI(4, 3, 1, 0, True, False), CmpRequeuePI(3, 1, 0, 0, True)]
        if by_requeue
        else [LockPI(4, 1, True, False)]
    )
    assert_agreed(arena.run(lambda _view: [Schedule(4, 5), *locks, *last]))


def forgets_priorities(side, step):
    return 0


def forgets_the_list(side, step):
    return side.Die(Die(step.thread))


def forgets_the_signal(side, step):
    return 0


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [("Schedule", forgets_priorities), ("RobustExit", forgets_the_list), ("Restart", forgets_the_signal)],
)
def test_generated_scripts_notice(arena, monkeypatch, kind, wrong):
    if kind == "Schedule" and not arena.may_be_real_time:
        pytest.skip("no real-time priorities permitted here")
    monkeypatch.setattr(duel.PreparedSide, kind, wrong)
    assert any(arena.run_seed(f"suite:{number}") is not None for number in range(N_SCRIPTS // 5))


@pytest.mark.parametrize("side", ["KernelEngineSide", "BlockingSide"])
def test_sides_that_sleep_are_judged(arena, monkeypatch, side):
    honest = getattr(duel, side).Wait
    monkeypatch.setattr(
        getattr(duel, side), "Wait", lambda side, step: honest(side, step._replace(bitset=ANY))
    )
    wait = Wait(0, 0, 0, 2, True, False)
    found = arena.run(lambda _view: [wait, Wake(0, 1, 1, True)], sleeping=True)
    assert [name for name, outcome in found.outcomes.items() if outcome.answer] == [getattr(duel, side).name]
