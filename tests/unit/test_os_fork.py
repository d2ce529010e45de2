"""os.fork: the child starts with empty queues, and no waiter of its parent is ever woken there."""

import os
import select
import signal

from forking import CHILD_SECONDS, os_fork
from model import CMP_EQ, OP_SET, encode_op

from pyfutex import ALL, CompletionQueue, Manager, Mappable, Memory, Waiter, WaiterState, WaitResult


def test_the_child_starts_with_empty_queues(manager, memory, queue_up, in_child):
    for addr in (0, 0, 4):
        queue_up(addr)

    def check():
        assert len(manager) == 0
        assert manager.waiters() == []
        assert manager.stats()["waiters"] == 0

    in_child(check)
    assert len(manager) == 3


def test_a_waiter_of_the_parent_is_not_woken_in_the_child(manager, memory, queue_up, in_child):
    called = []
    w = queue_up(on_wake=called.append)

    def check():
        assert manager.wake(memory, 0, ALL) == 0
        assert called == []
        assert not w.woken

    in_child(check)
    assert w.state is WaiterState.QUEUED
    assert manager.wake(memory, 0) == 1
    assert called == [w]


def test_a_waiter_of_the_parent_is_not_requeued_in_the_child(manager, memory, queue_up, in_child):
    w = queue_up()

    def check():
        assert manager.requeue(memory, 0, 4) == (0, 0)
        assert manager.cmp_requeue(memory, 0, 4, 0) == (0, 0)

    in_child(check)
    assert manager.wake(memory, 0) == 1
    assert w.woken


def test_a_waiter_of_the_parent_is_not_woken_by_wake_op_in_the_child(manager, memory, queue_up, in_child):
    w = queue_up()

    def check():
        assert manager.wake_op(memory, 4, 0, encode_op(OP_SET, 1, CMP_EQ, 0)) == 0
        assert memory.load(0) == 1

    in_child(check)
    assert manager.wake(memory, 0) == 1
    assert w.woken


def test_a_waiter_of_the_parent_is_cancelled_in_the_child(manager, memory, queue_up, in_child):
    w = queue_up()

    def check():
        assert w.state is WaiterState.CANCELLED
        assert w.cancel() is False
        assert manager.wait_complete(w) is False

    in_child(check)
    assert w.state is WaiterState.QUEUED


def test_the_child_may_use_its_parents_waiter_again(manager, memory, queue_up, in_child):
    w = queue_up()

    def check():
        assert manager.wait_prepare(w, memory, 4, 0) is None
        assert len(manager) == 1
        assert manager.wake(memory, 0) == 0
        assert manager.wake(memory, 4) == 1
        assert w.woken

    in_child(check)
    assert manager.wake(memory, 0) == 1


def test_the_child_has_a_working_manager(manager, memory, queue_up, in_child):
    queue_up()

    def check():
        waiters = [Waiter() for _ in range(1000)]
        for addr, w in enumerate(waiters):
            assert manager.wait_prepare(w, memory, 4 * addr, 0) is None
        assert len(manager) == 1000
        assert sum(manager.wake(memory, 4 * addr, ALL) for addr in range(1000)) == 1000
        assert manager.wait(memory, 0, 0, 0.01) is WaitResult.TIMEOUT

    in_child(check)


def test_a_shared_waiter_of_the_parent_is_not_woken_in_the_child(manager, queue_up, in_child):
    segment = Memory(bytearray(64), mappable=Mappable())
    relative = manager.fork()
    w = queue_up(mem=segment)

    def check():
        assert manager.wake(segment, 0, ALL) == 0
        assert relative.wake(segment, 0, ALL) == 0
        own = Waiter()
        assert relative.wait_prepare(own, segment, 0, 0) is None
        assert manager.wake(segment, 0, ALL) == 1
        assert own.woken

    in_child(check)
    assert relative.wake(segment, 0) == 1
    assert w.woken


def test_a_sleeping_thread_of_the_parent_is_not_woken_in_the_child(
    manager, memory, spawn, wait_until, in_child
):
    sleeper = spawn(manager.wait, memory, 0, 0)
    wait_until(lambda: len(manager) == 1)

    def check():
        assert len(manager) == 0
        assert manager.wake(memory, 0, ALL) == 0
        manager.close()

    in_child(check)
    assert manager.wake(memory, 0) == 1
    assert sleeper.result() is WaitResult.WOKEN


def test_a_pi_waiter_of_the_parent_is_not_handed_the_lock_in_the_child(manager, in_child):
    mem = Memory(bytearray(64))
    mem.store(0, 9)
    w = Waiter()
    assert manager.lock_pi_prepare(w, mem, 0, tid=7) is None

    def check():
        assert manager.unlock_pi(mem, 0, tid=9) is None
        assert mem.load(0) == 0
        assert not w.woken

    in_child(check)
    manager.unlock_pi(mem, 0, tid=9)
    assert w.woken


def test_a_large_table_is_empty_in_the_child(memory, in_child):
    manager = Manager()
    big = Memory(bytearray(4 * 20_000))
    waiters = [Waiter() for _ in range(20_000)]
    for index, w in enumerate(waiters):
        assert manager.wait_prepare(w, big, 4 * index, 0) is None

    def check():
        assert len(manager) == 0
        assert manager.wake(big, 40, ALL) == 0
        assert manager.wait_prepare(waiters[0], big, 0, 0) is None
        assert manager.wake(big, 0) == 1

    in_child(check)
    assert len(manager) == 20_000
    manager.close()
    assert {w.state for w in waiters} == {WaiterState.CANCELLED}


def test_a_table_that_was_growing_grows_in_the_child(in_child):
    """The first growth begins with some 90 keys and takes some 40 more; any look at stats() would end it."""
    count = 1000
    mem = Memory(bytearray(4 * count))
    managers = {n: Manager() for n in range(80, 160, 8)}
    for n, manager in managers.items():
        for i in range(n):
            assert manager.wait_prepare(Waiter(), mem, 4 * i, 0) is None

    def check():
        for manager in managers.values():
            for i in range(count):
                assert manager.wait_prepare(Waiter(), mem, 4 * i, 0) is None
            stats = manager.stats()
            assert stats["keys"] == count
            assert stats["buckets"] >= count // 2

    in_child(check)
    for manager in managers.values():
        manager.close()


def test_many_generations_start_empty_each(manager, memory, queue_up, in_child):
    """From the third on each child unmaps what it inherited but for the newest levels."""
    segment = Memory(bytearray(64), mappable=Mappable())

    def check():
        for generation in range(8):
            for mem in (memory, segment):
                assert manager.wake(mem, 0, ALL) == 0
                queue_up(mem=mem)
                assert len(manager.waiters(mem, 0)) == 1
            pid = os_fork() if generation < 7 else 0
            if pid:
                assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
                return

    in_child(check)


def test_generations_that_grow_their_tables_run_out_of_no_levels(in_child):
    manager = Manager()
    count = 1000
    mem = Memory(bytearray(4 * count))

    def check():
        for generation in range(12):
            for i in range(count):
                assert manager.wait_prepare(Waiter(), mem, 4 * i, 0) is None
            assert manager.stats()["keys"] == count
            pid = os_fork() if generation < 11 else 0
            if pid:
                assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
                return

    in_child(check)


def test_a_child_of_the_child_starts_empty_too(manager, memory, queue_up, in_child):
    queue_up()

    def check():
        own = Waiter()
        assert manager.wait_prepare(own, memory, 0, 0) is None
        pid = os_fork()
        if pid == 0:
            signal.alarm(CHILD_SECONDS)
            os._exit(0 if manager.wake(memory, 0, ALL) == 0 and len(manager) == 0 else 1)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert manager.wake(memory, 0, ALL) == 1

    in_child(check)


def test_a_completion_queue_works_in_the_child(manager, memory, queue_up, in_child):
    completions = CompletionQueue()
    queue_up(queue=completions)

    def check():
        own = Waiter(queue=completions)
        assert manager.wait_prepare(own, memory, 0, 0) is None
        assert manager.wake(memory, 0, ALL) == 1
        assert completions.drain() == [own]

    in_child(check)
    assert completions.empty()


def test_the_childs_wake_leaves_the_descriptor_the_parent_watches(manager, memory, queue_up, in_child):
    w = queue_up()
    descriptor = w.fileno()

    def check():
        assert manager.wait_prepare(w, memory, 0, 0) is None
        assert manager.wake(memory, 0) == 1

    in_child(check)
    assert select.select([descriptor], [], [], 0)[0] == []


def test_the_childs_wake_leaves_the_completion_queue_the_parent_watches(manager, memory, queue_up, in_child):
    completions = CompletionQueue()
    queue_up(queue=completions)
    descriptor = completions.fileno()

    def check():
        own = Waiter(queue=completions)
        assert manager.wait_prepare(own, memory, 0, 0) is None
        assert manager.wake(memory, 0) == 1
        assert select.select([completions], [], [], 0)[0] == [completions]

    in_child(check)
    assert select.select([descriptor], [], [], 0)[0] == []


def test_closing_the_manager_in_the_child_leaves_the_parents_waiters(manager, memory, queue_up, in_child):
    w = queue_up()
    in_child(manager.close)
    assert w.state is WaiterState.QUEUED
    assert manager.wake(memory, 0) == 1
