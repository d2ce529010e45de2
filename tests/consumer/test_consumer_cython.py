"""A Cython project, built against the installed package and run in threads that never hold the GIL."""

import pytest
from consumer.compilers import HERE

PROJECT = HERE / "cython_project"
N_GUESTS = 200


@pytest.fixture
def module(builder, imported):
    """One of the project's modules, by name."""
    return lambda name: imported(builder.cython_extension(PROJECT / f"{name}.pyx"))


@pytest.mark.parametrize(("play", "in_the_end"), [("by_turns", 0), ("by_wake_wait", 1)])
def test_two_threads_take_turns(module, play, in_the_end):
    assert getattr(module("handover"), play)(2000) == (4000, in_the_end, 0, [])


@pytest.mark.parametrize("n_threads", [2, 5])
def test_a_pi_lock_keeps_threads_apart(module, n_threads):
    assert module("handover").by_inheritance(n_threads, 1000) == (n_threads * 1000, 0, 0, [])


@pytest.mark.parametrize("n_channels", [1, 5])
def test_what_goes_into_the_channels_comes_out(module, n_channels):
    total = n_channels * sum(range(1, 2001))
    assert module("channels").through_channels(n_channels, 2000) == (total, 0, 0, [])


@pytest.mark.parametrize("how", ["by_callbacks", "by_callbacks_of_many", "by_callbacks_wherever_they_are"])
def test_every_wake_resumes_a_guest(module, how):
    woken, n_resumed, n_queued, n_refused = getattr(module("guests"), how)(4, 2000)
    assert min(woken) >= 2000
    assert (n_resumed, n_queued, n_refused) == (sum(woken), N_GUESTS, 0)


def test_one_thread_drains_what_all_wake(module):
    (drained, *woken), n_resumed, n_queued, n_refused = module("guests").from_a_queue(4, 2000)
    assert woken == [2000] * 4
    assert (drained, n_resumed, n_queued, n_refused) == (8000, 8000, N_GUESTS, 0)
