"""gVisor's unit tests of its futex package (futex_test.go), told anew: each private and shared, through a Manager.

There a waiter is a channel and a mask; here it is a prepared Waiter.
"""

import threading

import pytest
from semantics.test_divergences_queue import CMP_EQ, CMP_GT, OP_ADD, OP_SET, operation

import pyfutex

ADDR, ADDR2 = 0, 64


class Words:
    """A manager over one page, whose operations are all private, or all shared."""

    def __init__(self, private):
        self.manager = pyfutex.Manager()
        mappable = None if private else pyfutex.Mappable("page")
        self.mem = pyfutex.Memory(bytearray(4096), mappable=mappable)
        self.private = private

    def waiter(self, addr=ADDR, bitset=pyfutex.ANY):
        w = pyfutex.Waiter()
        value = self.mem.load(addr)
        assert (
            self.manager.wait_prepare(w, self.mem, addr, value, bitset=bitset, private=self.private) is None
        )
        return w

    def waiters(self, n, addr=ADDR):
        return [self.waiter(addr) for _ in range(n)]

    def wake(self, addr, n, bitset=pyfutex.ANY):
        return self.manager.wake(self.mem, addr, n, bitset=bitset, private=self.private)

    def wake_op(self, n, n2, op, addr2=ADDR2):
        return self.manager.wake_op(self.mem, ADDR, addr2, op, n, n2, private=self.private)


# The word at the second address holds 0 to begin with.
PASSING = operation(OP_SET, 1, CMP_EQ, 0)
FAILING = operation(OP_SET, 1, CMP_EQ, 1)


@pytest.fixture(params=[True, False], ids=["private", "shared"])
def words(request):
    """A page of words."""
    return Words(request.param)


def count(waiters):
    """How many were woken."""
    return sum(w.woken for w in waiters)


def test_futex_wake(words):
    """FutexWake: one waiter, one wake."""
    w = words.waiter()
    assert words.wake(ADDR, 1) == 1
    assert w.woken


def test_futex_wake_bitmask(words):
    """FutexWakeBitmask: a mask that does not meet the waiter's wakes nobody, one that does wakes it."""
    w = words.waiter(bitset=0x0000FFFF)
    assert words.wake(ADDR, 1, 0xFFFF0000) == 0
    assert not w.woken
    assert words.wake(ADDR, 1, 0x00001000) == 1
    assert w.woken


def test_futex_wake_two(words):
    """FutexWakeTwo: of three waiters, two."""
    waiters = words.waiters(3)
    assert words.wake(ADDR, 2) == 2
    assert count(waiters) == 2


def test_futex_wake_unrelated(words):
    """FutexWakeUnrelated: a wake of one word leaves those of another alone."""
    w, other = words.waiter(ADDR), words.waiter(ADDR2)
    assert words.wake(ADDR, 2) == 1
    assert w.woken
    assert not other.woken


def test_wake_op_empty(words):
    """WakeOpEmpty: nobody waits."""
    assert words.wake_op(10, 10, PASSING) == 0


def test_wake_op_first_non_empty(words):
    """WakeOpFirstNonEmpty: two at the first word."""
    waiters = words.waiters(2)
    assert words.wake_op(10, 0, PASSING) == 2
    assert count(waiters) == 2


def test_wake_op_second_non_empty(words):
    """WakeOpSecondNonEmpty: two at the second word, and the comparison holds."""
    waiters = words.waiters(2, ADDR2)
    assert words.wake_op(0, 10, PASSING) == 2
    assert count(waiters) == 2


def test_wake_op_second_non_empty_failing_op(words):
    """WakeOpSecondNonEmptyFailingOp: two at the second word, and it does not."""
    waiters = words.waiters(2, ADDR2)
    assert words.wake_op(0, 10, FAILING) == 0
    assert count(waiters) == 0
    assert words.mem.load(ADDR2) == 1


def test_wake_op_all_non_empty(words):
    """WakeOpAllNonEmpty: two at each."""
    waiters = words.waiters(2) + words.waiters(2, ADDR2)
    assert words.wake_op(10, 10, PASSING) == 4
    assert count(waiters) == 4


def test_wake_op_all_non_empty_failing_op(words):
    """WakeOpAllNonEmptyFailingOp: two at each, those of the first alone are woken."""
    first, second = words.waiters(2), words.waiters(2, ADDR2)
    assert words.wake_op(10, 10, FAILING) == 2
    assert (count(first), count(second)) == (2, 0)


def test_wake_op_same_address(words):
    """WakeOpSameAddress: both halves on one word."""
    waiters = words.waiters(4)
    assert words.wake_op(1, 1, PASSING, ADDR) == 2
    assert [w.woken for w in waiters] == [True, True, False, False]


def test_wake_op_same_address_failing_op(words):
    """WakeOpSameAddressFailingOp: the first half alone."""
    waiters = words.waiters(4)
    assert words.wake_op(1, 1, operation(OP_ADD, 1, CMP_GT, 0), ADDR) == 1
    assert [w.woken for w in waiters] == [True, False, False, False]


def test_mutex_stress(words, spawn):
    """MutexStress: ten threads count under a mutex made of a word."""
    counter, inside = [0], [0]

    def lock():
        while not words.mem.compare_exchange(ADDR, 0, 1):
            words.manager.wait(words.mem, ADDR, 1, private=words.private)

    def unlock():
        words.mem.store(ADDR, 0)
        words.wake(ADDR, 1)

    def work():
        for _ in range(100):
            lock()
            inside[0] += 1
            assert inside[0] == 1
            seen = counter[0]
            threading.get_ident()
            counter[0] = seen + 1
            inside[0] -= 1
            unlock()

    workers = [spawn(work) for _ in range(10)]
    for worker in workers:
        worker.result()
    assert counter == [1000]
