"""Which words are one futex: private against shared, one memory mapped twice, neighbours."""

import ctypes
import mmap
import os

import pytest
from differential import kernel
from differential.agents import Agent, until
from differential.worlds import ALL, answer

import pyfutex

A = 64
B = 128


@pytest.mark.parametrize(("waits", "wakes"), [(True, True), (True, False), (False, True), (False, False)])
def test_private_and_shared_keys_of_one_word_do_not_meet(agree, waits, wakes):
    def script(w):
        w.wait("a", A, 0, private=waits)
        return w.wake(A, ALL, private=wakes), w.ended(), w.wake(A, ALL, private=waits), w.ended()

    meet = waits is wakes
    assert agree(script) == (int(meet), {"a": 0} if meet else {}, int(not meet), {} if meet else {"a": 0})


@pytest.mark.parametrize("private", [True, False])
def test_requeue_among_keys_of_one_kind(agree, private):
    def script(w):
        w.wait("a", A, 0, private=private)
        w.wait("b", A, 0, private=not private)
        counts = w.requeue(A, B, 0, ALL, private=private), w.requeue(A, B, 0, ALL, private=private)
        return (
            counts,
            w.wake(B, ALL, private=private),
            w.ended(),
            w.wake(A, ALL, private=not private),
            w.ended(),
        )

    assert agree(script) == ((1, 0), 1, {"a": 0}, 1, {"b": 0})


def test_wake_op_among_shared_keys(agree):
    def script(w):
        for name, addr in (("a", A), ("b", B)):
            w.wait(name, addr, 0, private=False)
        add_one_if_zero = 1 << 28 | 0 << 24 | 1 << 12 | 0
        private = w.wake_op(A, B, add_one_if_zero, 1, 1, private=True), w.load(B), w.ended()
        w.store(B, 0)
        return private, w.wake_op(A, B, add_one_if_zero, 1, 1, private=False), w.load(B), w.ended()

    assert agree(script) == ((0, 1, {}), 2, 1, {"a": 0, "b": 0})


def test_neighbouring_words_are_different_futexes(agree):
    def script(w):
        for i, name in enumerate("abcd"):
            w.wait(name, A + 4 * i, 0)
        return [(w.wake(A + 4 * i, ALL), w.ended()) for i in (2, 0, 3, 1)]

    assert agree(script) == [(1, {name: 0}) for name in "cadb"]


class TwiceMapped:
    """One page of a memory file, mapped at two addresses, for the kernel and for a Manager."""

    def __init__(self):
        fileno = os.memfd_create("twice mapped")
        os.ftruncate(fileno, mmap.PAGESIZE)
        self.views = [mmap.mmap(fileno, mmap.PAGESIZE) for _ in range(2)]
        self.anchors = [ctypes.c_char.from_buffer(view) for view in self.views]
        self.bases = [ctypes.addressof(anchor) for anchor in self.anchors]
        self.manager = pyfutex.Manager()
        mappable = pyfutex.Mappable.of(fileno)
        self.memories = [pyfutex.Memory(view, mappable=mappable) for view in self.views]
        os.close(fileno)


@pytest.fixture
def twice():
    if not kernel.usable():
        pytest.skip("no futex(2) that can be watched on this machine")
    made = TwiceMapped()
    yield made
    made.manager.close()


@pytest.mark.parametrize("private", [True, False])
def test_two_mappings_of_one_file_meet_if_shared(twice, private):
    first, second = twice.bases
    agent = Agent("sleeper")
    agent.begin(lambda: kernel.wait(first + A, 0, private=private))
    until(lambda: kernel.asleep(agent.native_id, first + A))
    oracle = kernel.wake(second + A, 1, private=private), kernel.wake(first + A, 1, private=private)
    agent.done.wait()
    agent.dismiss()

    waiter = pyfutex.Waiter()
    assert twice.manager.wait_prepare(waiter, twice.memories[0], A, 0, private=private) is None
    ours = tuple(
        answer(lambda m=m: twice.manager.wake(m, A, private=private)) for m in reversed(twice.memories)
    )
    assert ours == oracle == ((0, 1) if private else (1, 0))


def test_requeue_through_the_other_mapping(twice):
    first, second = twice.bases
    agent = Agent("sleeper")
    agent.begin(lambda: kernel.wait(first + A, 0, private=False))
    until(lambda: kernel.asleep(agent.native_id, first + A))
    oracle = (
        kernel.requeue(second + A, second + B, 0, 1, private=False),
        kernel.wake(first + A, 1, private=False),
        kernel.wake(first + B, 1, private=False),
    )
    agent.done.wait()
    agent.dismiss()

    waiter = pyfutex.Waiter()
    one, other = twice.memories
    assert twice.manager.wait_prepare(waiter, one, A, 0) is None
    ours = (
        answer(lambda: twice.manager.requeue(other, A, B, 0, 1)),
        twice.manager.wake(one, A),
        twice.manager.wake(one, B),
    )
    assert ours == oracle == (1, 0, 1)
