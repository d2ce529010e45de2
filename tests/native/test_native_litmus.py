"""The store-buffer litmus: a plain store followed by a wake, against a queued waiter that reads the word.

A stress test cannot see a missing fence, and neither can the thread sanitizer. These can; the control shows it.
"""

import os

import pytest
from native.conftest import scaled

litmus = pytest.importorskip("pyfutex_native.litmus", reason="pyfutex-native-tests is not installed")

pytestmark = [
    pytest.mark.stress,
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two processors"),
]

ROUNDS = scaled(500_000)


@pytest.fixture(params=[False, True], ids=["private", "shared"])
def bench(request):
    return litmus.Litmus(request.param)


def test_store_then_wake_meets_queue_then_load(together, bench, rng):
    seeds = rng.getrandbits(60), rng.getrandbits(60)
    crew = together(
        lambda: bench.wait_side(ROUNDS, seeds[0]), lambda: bench.wake_side(ROUNDS, seeds[1]), pinned=True
    )
    (queued, lost), woken = crew.join()
    assert lost == 0
    assert woken == queued
    assert 0 < queued < ROUNDS, "the two sides never overlapped"


def test_control_without_the_fence_loses_wakes(together, rng):
    """If this finds nothing, the test above proves nothing on this machine."""
    for _ in range(20):
        bench = litmus.Litmus()
        seeds = rng.getrandbits(60), rng.getrandbits(60)
        crew = together(
            lambda b=bench, s=seeds[0]: b.wait_side(ROUNDS, s),
            lambda b=bench, s=seeds[1]: b.wake_side(ROUNDS, s, False),
            pinned=True,
        )
        (queued, lost), woken = crew.join()
        assert woken + lost == queued
        if lost:
            return
    pytest.skip("no store was seen to be delayed on this machine: the litmus is blind here")


def test_requeue_then_load_meets_store_then_wake(together, bench, rng):
    seeds = rng.getrandbits(60), rng.getrandbits(60)
    crew = together(
        lambda: bench.requeue_side(ROUNDS, seeds[0]),
        lambda: bench.wake_second_side(ROUNDS, seeds[1]),
        pinned=True,
    )
    (unchanged, lost), _ = crew.join()
    assert lost == 0
    assert 0 < unchanged < ROUNDS, "the two sides never overlapped"


def test_waiter_in_transit_is_met_at_one_word_or_the_other(together, bench, rng):
    """Wake at the source, then at the target, while a waiter is moved: counts rise before others fall."""
    seeds = rng.getrandbits(60), rng.getrandbits(60)
    crew = together(
        lambda: bench.in_transit_side(ROUNDS, seeds[0]),
        lambda: bench.wake_both_side(ROUNDS, seeds[1]),
        pinned=True,
    )
    lost, woken = crew.join()
    assert lost == 0
    assert woken == ROUNDS
