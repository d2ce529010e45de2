"""Waiters of a real-time priority stand before the others, and among themselves in the order in which they came."""

import pytest

from pyfutex import ALL, Target, Waiter


class LoadTarget(Target):
    """A target whose load is the given call."""

    def __init__(self, call):
        self.call = call

    def load(self, addr, size=4, /):
        return self.call(addr)


@pytest.fixture
def line_up(manager, memory):
    """Queue a waiter for each priority, in turn: ``line_up(addr, priority, ...)``; each one's tag says which it is."""

    def line(addr, *priorities, mem=memory):
        made = []
        for number, priority in enumerate(priorities):
            w = Waiter(tag=(addr, number))
            assert manager.wait_prepare(w, mem, addr, 0, priority=priority) is None
            made.append(w)
        return made

    return line


def order(manager, memory, addr):
    """The numbers of the waiters of a word, in the order in which they are woken one at a time."""
    listed = [info.waiter.tag for info in manager.waiters(memory, addr)]
    drained = []
    while listed:
        [first] = [info.waiter for info in manager.waiters(memory, addr)][:1]
        assert manager.wake(memory, addr) == 1
        assert first.woken
        drained.append(first.tag)
        if not manager.waiters(memory, addr):
            break
    assert drained == listed
    return drained


@pytest.mark.parametrize(
    ("priorities", "expected"),
    [
        ((0, 0, 0), [0, 1, 2]),
        ((0, 1), [1, 0]),
        ((1, 0), [0, 1]),
        ((5, 5, 5), [0, 1, 2]),
        ((1, 2, 3), [2, 1, 0]),
        ((0, 5, 0, 99, 5, 0, 1), [3, 1, 4, 6, 0, 2, 5]),
        ((99, 0, 99, 50), [0, 2, 3, 1]),
    ],
)
def test_higher_priorities_are_woken_first(manager, memory, line_up, priorities, expected):
    line_up(0, *priorities)
    assert [number for _, number in order(manager, memory, 0)] == expected


def test_a_new_first_waiter_keeps_the_other_keys_of_its_bucket(manager, memory, line_up):
    """With many more keys than buckets, most of them share one: each becomes the head of its key twice."""
    for priority in (0, 1, 2):
        for addr in range(0, 4096, 4):
            line_up(addr, priority)
    assert len(manager) == 3 * 1024
    for addr in range(0, 4096, 4):
        assert manager.wake(memory, addr, ALL) == 3
    assert len(manager) == 0


def test_bitsets_are_looked_at_in_that_order(manager, memory):
    normal, other, real_time = Waiter(), Waiter(), Waiter()
    assert manager.wait_prepare(normal, memory, 0, 0, bitset=1) is None
    assert manager.wait_prepare(other, memory, 0, 0, bitset=2, priority=9) is None
    assert manager.wait_prepare(real_time, memory, 0, 0, bitset=1, priority=3) is None
    assert manager.wake(memory, 0, bitset=1) == 1
    assert (normal.woken, other.woken, real_time.woken) == (False, False, True)


def test_requeue_takes_the_first_and_places_them_by_priority(manager, memory, line_up):
    line_up(0, 0, 7, 3, 7, 0)
    line_up(64, 0, 7, 5, 1)
    assert manager.requeue(memory, 0, 64, 1, 3) == (1, 3)
    assert order(manager, memory, 64) == [(64, 1), (0, 3), (64, 2), (0, 2), (64, 3), (64, 0), (0, 0)]
    assert order(manager, memory, 0) == [(0, 4)]


def test_requeue_to_an_empty_word_keeps_the_order(manager, memory, line_up):
    line_up(0, 0, 7, 3, 7, 0)
    assert manager.requeue(memory, 0, 64, 0) == (0, 5)
    assert order(manager, memory, 64) == [(0, 1), (0, 3), (0, 2), (0, 0), (0, 4)]


def test_cancelling_the_first_leaves_the_order(manager, memory, line_up):
    waiters = line_up(0, 0, 5, 9)
    assert waiters[2].cancel()
    assert order(manager, memory, 0) == [(0, 1), (0, 0)]


def test_a_waiter_forgets_its_priority(manager, memory):
    first, w = Waiter(tag=0), Waiter(tag=1)
    assert manager.wait_prepare(w, memory, 0, 0, priority=9) is None
    assert w.cancel()
    assert manager.wait_prepare(first, memory, 0, 0) is None
    assert manager.wait_prepare(w, memory, 0, 0) is None
    assert order(manager, memory, 0) == [0, 1]


def test_a_python_target_has_priorities(manager, line_up):
    target = LoadTarget(lambda addr: 0)
    line_up(64, 0, 5, 0, mem=target)
    assert [number for _, number in order(manager, target, 64)] == [1, 0, 2]


def test_each_word_of_a_vector_has_the_priority(manager, memory, line_up):
    normal, _ = line_up(0, 0, 0)
    line_up(64, 0, 9)
    vector = Waiter(tag="vector")
    assert manager.waitv_prepare(vector, [(memory, 0, 0), (memory, 64, 0)], priority=5) is None
    assert [info.waiter.tag for info in manager.waiters(memory, 64)] == [(64, 1), "vector", (64, 0)]
    assert manager.wake(memory, 0) == 1
    assert (vector.result, normal.woken) == (0, False)
    assert [info.waiter.tag for info in manager.waiters(memory, 64)] == [(64, 1), (64, 0)]


def test_priority_does_not_pass_the_ticket_of_a_cmp_requeue(manager):
    """Who comes after a cmp_requeue on a Python target took its place in the queue is not moved, whatever its rank."""
    late = Waiter(tag="late")

    def load(addr):
        if loading:
            loading.clear()
            assert manager.wait_prepare(late, target, 64, 0, priority=99) is None
        return 0

    loading = []
    target = LoadTarget(load)
    early = Waiter(tag="early")
    assert manager.wait_prepare(early, target, 64, 0) is None
    loading.append(True)
    assert manager.cmp_requeue(target, 64, 128, 0, 0) == (0, 1)
    assert [info.waiter for info in manager.waiters(target, 64)] == [late]
    assert [info.waiter for info in manager.waiters(target, 128)] == [early]


@pytest.mark.parametrize("priority", [-1, 100, 2**70, -(2**70)])
def test_other_priorities_are_a_value_error(manager, memory, priority):
    w = Waiter()
    with pytest.raises(ValueError, match="priority"):
        manager.wait_prepare(w, memory, 0, 0, priority=priority)
    with pytest.raises(ValueError, match="priority"):
        manager.waitv_prepare(w, [(memory, 0, 0)], priority=priority)
    assert len(manager) == 0
    assert manager.wait_prepare(w, memory, 0, 0) is None


@pytest.mark.parametrize("priority", [1.0, "1", None])
def test_a_priority_is_an_integer(manager, memory, priority):
    with pytest.raises(TypeError):
        manager.wait_prepare(Waiter(), memory, 0, 0, priority=priority)
