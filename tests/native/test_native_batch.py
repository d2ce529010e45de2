"""Many words are woken in one step: seen by a thread that runs beside, without the GIL."""

import threading
import time

import pytest

native = pytest.importorskip("pyfutex_native.batch", reason="tests/native is not installed")
ROUNDS = 60_000
SECONDS = 30


def race(at_once, rounds=ROUNDS):
    batch, woken = native.Batch(at_once), []
    waker = threading.Thread(target=lambda: woken.append(batch.wake()))
    waker.start()
    last, alone = batch.queue(rounds)
    waker.join()
    assert woken[0] >= last
    return last, alone


@pytest.mark.stress
def test_64_words_are_one_step():
    last, alone = race(64)
    assert last > 0
    assert alone == 0


@pytest.mark.stress
def test_the_same_one_by_one_is_not():
    """The control: it finds what the test above is there to find. On busy cores it may take a while."""
    deadline = time.monotonic() + SECONDS
    while not race(1)[1]:
        assert time.monotonic() < deadline, "64 single wakes never looked like anything but one step"
