"""wake, when the waiters are sleeping threads."""

from pyfutex import ALL, WaitResult


def test_wake_releases_a_sleeping_thread(manager, memory, spawn, wait_until):
    sleeper = spawn(manager.wait, memory, 0, 0)
    wait_until(lambda: len(manager) == 1)
    assert not sleeper.done
    assert manager.wake(memory, 0) == 1
    assert sleeper.result() is WaitResult.WOKEN


def test_wake_n_releases_as_many_threads(manager, memory, spawn, wait_until):
    sleepers = [spawn(manager.wait, memory, 0, 0) for _ in range(5)]
    wait_until(lambda: len(manager) == 5)
    assert manager.wake(memory, 0, 3) == 3
    wait_until(lambda: sum(s.done for s in sleepers) == 3)
    assert len(manager) == 2
    assert manager.wake(memory, 0, ALL) == 2
    assert [s.result() for s in sleepers] == [WaitResult.WOKEN] * 5


def test_wake_serves_threads_and_prepared_waiters_in_one_queue(manager, memory, queue_up, spawn, wait_until):
    first = queue_up()
    sleeper = spawn(manager.wait, memory, 0, 0)
    wait_until(lambda: len(manager) == 2)
    last = queue_up()
    assert manager.wake(memory, 0, 2) == 2
    assert sleeper.result() is WaitResult.WOKEN
    assert (first.woken, last.woken) == (True, False)


def test_wake_matches_the_bitset_a_thread_waits_with(manager, memory, spawn, wait_until):
    sleeper = spawn(manager.wait, memory, 0, 0, bitset=0b100)
    wait_until(lambda: len(manager) == 1)
    assert manager.wake(memory, 0, ALL, bitset=0b011) == 0
    assert manager.wake(memory, 0, ALL, bitset=0b110) == 1
    assert sleeper.result() is WaitResult.WOKEN
