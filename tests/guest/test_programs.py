"""Unmodified programs do as guests what they do natively, whatever the interleaving."""

import pytest

C_PROGRAMS = ["hello", "sync", "owners", "c11", "signals", "futexcalls", "clockwait"]
CASES = [(name, compiler) for compiler in ("gcc", "musl-gcc") for name in C_PROGRAMS] + [
    ("atomicwait", "g++")
]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("name", "compiler"), CASES)
def test_same_as_native(guests, name, compiler, seed):
    assert guests.run(name, compiler, seed) == guests.native(name, compiler)


@pytest.mark.parametrize("name", ["sync", "owners", "signals"])
def test_the_same_seed_is_the_same_run(guests, name):
    traces = [[], [], []]
    for trace, seed in zip(traces, (5, 5, 6), strict=True):
        guests.run(name, "gcc", seed, trace.append)
    assert len(traces[0]) > 10
    assert traces[0] == traces[1]
    assert traces[0] != traces[2]


@pytest.mark.parametrize("compiler", ["gcc", "musl-gcc"])
def test_a_deadlock_is_reported_with_who_waits_for_what(guests, compiler):
    from unicorn_guest.machine import Deadlock

    with pytest.raises(Deadlock) as caught:
        guests.run("deadlock", compiler)
    assert "queued on 0x" in str(caught.value)


def test_threads_are_stopped_between_a_load_and_what_follows_from_it(guests):
    printed = [guests.run("preempt", "gcc", seed)[0].split() for seed in range(3)]
    for lost, _, retried, _, counted, _ in printed:
        assert int(lost) > 0
        assert int(counted) == 3 * 4000
        assert int(retried) >= 0
    assert any(int(retried) > 0 for _, _, retried, *_ in printed)
