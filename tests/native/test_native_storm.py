"""Everything at once without the GIL: each taken waiter is counted once, and nobody writes to one after its mark."""

from functools import partial

import pytest
from native.conftest import scaled

field = pytest.importorskip("pyfutex_native.field", reason="pyfutex-native-tests is not installed")

pytestmark = pytest.mark.stress

KINDS = {
    "private": ["private"],
    "mappable": ["mappable"],
    "mixed": ["private", "mappable", "shared private"],
}


@pytest.fixture(params=KINDS)
def kinds(request):
    return KINDS[request.param]


@pytest.fixture
def seed(rng):
    return lambda: rng.getrandbits(63)


def test_conservation_under_racing_timeouts(together, kinds, seed):
    f = field.Field(kinds, 2)
    rounds = scaled(10_000)
    crew = together(
        *[partial(f.wait_loop, seed(), rounds, 80_000) for _ in range(3)],
        *[partial(f.wake_loop, seed()) for _ in range(2)],
    )
    crew.join(0, 1, 2)
    f.stop()
    *woken, first, second = crew.join()
    assert sum(woken) == first + second > 0
    assert f.wake_everybody() == 0


@pytest.mark.parametrize("n_words", [2, 7])
def test_conservation_in_a_requeue_storm(together, kinds, seed, n_words):
    f = field.Field(kinds, n_words)
    rounds = scaled(10_000)
    crew = together(
        *[partial(f.wait_loop, seed(), rounds, 60_000) for _ in range(3)],
        *[partial(f.requeue_loop, seed()) for _ in range(2)],
    )
    crew.join(0, 1, 2)
    f.stop()
    *woken, first, second = crew.join()
    assert sum(woken) == first[0] + second[0] > 0
    assert first[1] + second[1] > 0
    assert f.wake_everybody() == 0


def test_waiters_without_a_time_limit_are_all_woken(together, kinds, seed):
    """Nobody is lost between two queues: who is moved about is still found by a waker that tries all words."""
    f = field.Field(kinds, 5)
    rounds = scaled(4_000)
    crew = together(
        *[partial(f.wait_loop, seed(), rounds, 0) for _ in range(3)],
        partial(f.requeue_loop, seed(), False),
        partial(f.wake_loop, seed()),
    )
    crew.join(0, 1, 2)
    f.stop()
    results = crew.join()
    assert results[:3] == [rounds] * 3
    assert results[3][0] + results[4] == 3 * rounds


def test_wake_op_in_opposite_directions(together, kinds, seed):
    f = field.Field(kinds, 4)
    rounds = scaled(20_000)
    crew = together(
        *[partial(f.wake_op_loop, seed(), rounds) for _ in range(2)],
        *[partial(f.wait_loop, seed(), rounds // 8, 40_000) for _ in range(3)],
    )
    results = crew.join()
    assert f.sum_of_words() == 2 * rounds
    assert sum(results[:2]) + f.wake_everybody() == sum(results[2:])


def test_wake_op_compares_writes_and_wakes_in_one_step(together, kinds):
    f = field.Field(kinds, 2)
    crew = together(lambda: f.add_and_wake_crowd(scaled(6_000), 60), f.wait_for_change, pinned=True)
    crew.join(0)
    f.stop()
    taken, (woken, unchanged) = crew.join()
    assert unchanged == 0
    assert woken == taken


@pytest.mark.parametrize("kind", ["private", "mappable"])
def test_growth_under_a_storm(together, seed, kind):
    f = field.Field(["private", "mappable"], 4)
    crew = together(
        *[partial(f.fill_loop, seed(), scaled(20_000), 2, kind) for _ in range(2)],
        *[partial(f.wait_loop, seed(), scaled(2_000), 50_000) for _ in range(2)],
        partial(f.requeue_loop, seed()),
    )
    crew.join(0, 1, 2, 3)
    f.stop()
    (wakes, woken), (wakes2, woken2), waits, waits2, (requeue_woken, _) = crew.join()
    assert (wakes, wakes2) == (woken, woken2)
    assert waits + waits2 == requeue_woken
    private_growths, shared_growths, private_log2, shared_log2 = f.growths()
    assert (private_growths if kind == "private" else shared_growths) > 4
    assert (private_log2 if kind == "private" else shared_log2) >= 10
    assert f.wake_everybody() == 0


def test_forked_managers_share_the_words_of_mappables(together, seed):
    f = field.Field(["mappable"], 3)
    child = field.Field(["mappable"], 3, f)
    rounds = scaled(4_000)
    crew = together(
        partial(f.wait_loop, seed(), rounds, 60_000),
        partial(child.wait_loop, seed(), rounds, 60_000),
        partial(f.requeue_loop, seed()),
        partial(child.wake_loop, seed()),
        partial(child.fill_loop, seed(), scaled(8_000), 1, "mappable"),
    )
    crew.join(0, 1, 4)
    f.stop()
    waits, waits2, (taken, _), taken2, (wakes, woken) = crew.join()
    assert waits + waits2 == taken + taken2
    assert wakes == woken


@pytest.mark.parametrize("pinned", [False, True])
def test_ping_pong_by_plain_stores_loses_no_turn(together, kinds, pinned):
    f = field.Field(kinds, 1)
    turns = scaled(8_000)
    patience_ns = 5_000_000_000
    crew = together(*[lambda me=me: f.ping_pong(me, turns, patience_ns) for me in (0, 1)], pinned=pinned)
    assert crew.join() == [0, 0]
    assert f.word(0) == turns


def test_no_level_of_a_growing_table_says_that_nobody_waits(together, seed):
    growths = n_looks = 0
    for _ in range(scaled(40)):
        f = field.Field()
        crew = together(f.watch_level_words, partial(f.fill_loop, seed(), 1_500, 1), pinned=True)
        crew.join(1)
        f.stop()
        (looks, n_levels, wrong), _ = crew.join()
        assert wrong == 0
        growths += max(n_levels - 1, 0)
        n_looks += looks
    assert growths > 0
    assert n_looks > 0
