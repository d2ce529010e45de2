"""`pyfutex.aio.gevent`: greenlets wait on a word, and their hub goes on meanwhile."""

import gc

import pytest

from pyfutex import Waiter, WaiterState, WaitResult

gevent = pytest.importorskip("gevent", reason="needs gevent")
aio = pytest.importorskip("pyfutex.aio.gevent")

N_PERMITS = 300


@pytest.fixture
def in_hub(spawn):
    """Run a function in a thread with a hub of its own: ``in_hub(main)``."""

    def in_thread(main):
        try:
            return main()
        finally:
            gevent.get_hub().destroy(destroy_loop=True)

    return lambda main: spawn(in_thread, main).result()


def until(predicate):
    """Take turns with the other greenlets until a state holds."""
    while not predicate():
        gevent.sleep(0)


def test_it_returns_if_the_word_differs(in_hub, word, manager):
    assert in_hub(lambda: aio.wait(word, 1)) is WaitResult.MISMATCH
    assert len(manager) == 0


def test_a_wake_of_another_thread_ends_it(in_hub, word, manager, spawn, wait_until):
    waker = spawn(lambda: wait_until(lambda: len(manager) == 1) and word.wake())
    assert in_hub(lambda: aio.wait(word, 0)) is WaitResult.WOKEN
    assert waker.result() == 1


def test_greenlets_of_one_hub_wake_each_other(in_hub, word, manager):
    def main():
        waiting = [gevent.spawn(aio.wait, word, 0) for _ in range(50)]
        until(lambda: len(manager) == 50)
        assert word.wake(50) == 50
        gevent.joinall(waiting, raise_error=True)
        return {greenlet.value for greenlet in waiting}

    assert in_hub(main) == {WaitResult.WOKEN}


def test_a_waiter_that_was_queued_or_woken_is_waited_for(in_hub, word, queue_up):
    def main():
        first, second = queue_up(), queue_up()
        word.wake()
        assert aio.woken(first) is WaitResult.WOKEN
        gevent.spawn(word.wake)
        aio.woken(second)
        return second.state

    assert in_hub(main) is WaiterState.DONE


def test_a_timeout_ends_it(in_hub, word, manager):
    def main():
        with pytest.raises(gevent.Timeout):
            with gevent.Timeout(0.001):
                aio.wait(word, 0)
        return len(manager)

    assert in_hub(main) == 0


def test_a_wake_that_a_killed_greenlet_had_got_goes_to_the_next(in_hub, word, manager):
    def main():
        first, second = (gevent.spawn(aio.wait, word, 0) for _ in range(2))
        until(lambda: len(manager) == 2)
        assert word.wake() == 1
        first.kill(block=False)
        return second.get()

    assert in_hub(main) is WaitResult.WOKEN


def test_closing_the_manager_ends_it_with_an_error(in_hub, word, manager, spawn, wait_until):
    def main():
        with pytest.raises(RuntimeError, match="cancelled"):
            aio.wait(word, 0)

    spawn(lambda: wait_until(lambda: len(manager) == 1) and manager.close())
    in_hub(main)


@pytest.mark.parametrize("is_woken", [False, True])
def test_a_hub_in_which_nobody_waits_any_more_comes_to_its_end(in_hub, word, manager, is_woken):
    def main():
        waiting = gevent.spawn(aio.wait, word, 0)
        until(lambda: len(manager) == 1)
        assert word.wake(is_woken) == is_woken
        waiting.kill(block=False)
        return gevent.get_hub().join()

    assert in_hub(main) is True


def test_a_hub_gives_its_descriptor_back(in_hub, word, bells):
    def main():
        gevent.spawn(word.wake)
        return aio.wait(word, 0)

    before = bells()
    assert in_hub(main) is WaitResult.WOKEN
    while gc.collect():
        pass
    assert bells() <= before


def test_nothing_is_lost_when_timeouts_and_wakes_race(in_hub, word, manager, spawn):
    """A semaphore of the bare word: as many permits are taken as were released, whoever gives up meanwhile."""
    taken = 0

    def release():
        for _ in range(N_PERMITS):
            word.fetch_add(1)
            word.wake()

    def take():
        while (value := word.load()) == 0 or not word.compare_exchange(value, value - 1):
            aio.wait(word, 0)

    def taker(seconds):
        nonlocal taken
        while taken < N_PERMITS:
            with gevent.Timeout(seconds, False):
                take()
                taken += 1
            gevent.sleep(0)

    def main():
        takers = [gevent.spawn(taker, 1e-5 * (i + 1)) for i in range(10)]
        spawn(release)
        gevent.joinall(takers, raise_error=True)

    in_hub(main)
    assert (taken, word.load(), len(manager)) == (N_PERMITS, 0, 0)


def test_what_is_not_queued_is_refused(in_hub):
    def main():
        with pytest.raises(RuntimeError, match="not queued"):
            aio.woken(Waiter())

    in_hub(main)
