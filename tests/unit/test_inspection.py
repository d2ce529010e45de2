"""Looking in: len, bool, waiters, stats."""

import sys
import time

import pytest
from model import CMP_EQ, OP_SET, encode_op

from pyfutex import ANY, AddressSpace, KeyKind, Manager, Mappable, Memory, Waiter, WaiterInfo

STATS = (
    "waiters",
    "keys",
    "buckets",
    "shared_buckets",
    "longest_chain",
    "growths",
    "migrating",
    "table_bytes",
)


def test_len_counts_queued_waiters(manager, memory, queue_up):
    assert len(manager) == 0
    waiters = [queue_up(addr) for addr in (0, 0, 4)]
    assert len(manager) == 3
    waiters[0].cancel()
    assert len(manager) == 2
    manager.requeue(memory, 0, 64, 0)
    assert len(manager) == 2
    manager.wake(memory, 64)
    assert len(manager) == 1


def test_a_manager_is_true_however_empty(manager):
    assert bool(manager) is True


def test_waiters_of_an_empty_manager_is_an_empty_list(manager, memory):
    assert manager.waiters() == []
    assert manager.waiters(memory, 0) == []


def test_waiters_tells_what_is_known_of_each(manager, memory, queue_up):
    w = queue_up(8, bitset=0b101, tag="mine")
    [info] = manager.waiters()
    assert isinstance(info, WaiterInfo)
    assert info.key == w.key
    assert info.key.kind is KeyKind.PRIVATE
    assert (info.kind, info.bitset, info.waiter) == ("PLAIN", 0b101, w)


def test_waiters_tells_the_tid_of_a_pi_waiter(manager, memory):
    memory.store(0, 9)
    w = Waiter()
    manager.lock_pi_prepare(w, memory, 0, tid=7)
    [info] = manager.waiters()
    assert (info.kind, info.tid, info.waiter) == ("PI", 7, w)
    assert w.cancel()


def test_waiters_of_an_address_are_in_the_order_of_the_queue(manager, memory, queue_up):
    queue_up(4)
    waiters = [queue_up(0) for _ in range(4)]
    assert [info.waiter for info in manager.waiters(memory, 0)] == waiters


def test_waiters_lists_every_waiter_once(manager, memory, queue_up):
    waiters = {queue_up(4 * index) for index in range(500)}
    listed = [info.waiter for info in manager.waiters()]
    assert len(listed) == 500
    assert set(listed) == waiters


def test_waiters_lists_private_and_shared_keys(manager, memory, queue_up):
    mem = Memory(bytearray(64), mappable=Mappable())
    kinds = {queue_up().key.kind, queue_up(private=False).key.kind, queue_up(mem=mem).key.kind}
    assert {info.key.kind for info in manager.waiters()} == kinds == set(KeyKind)


def test_waiters_of_a_shared_word_are_found_by_its_memory(manager, queue_up):
    mem = Memory(bytearray(64), mappable=Mappable())
    w = queue_up(8, mem=mem)
    assert [info.waiter for info in manager.waiters(mem, 8)] == [w]


def test_waiters_of_an_address_space_are_found_by_address(manager, queue_up):
    space = AddressSpace()
    space.map(0x10000, bytearray(4096))
    w = queue_up(0x10008, mem=space)
    assert [info.waiter for info in manager.waiters(space, 0x10008)] == [w]


def test_waiters_tells_how_long_a_thread_has_slept(manager, memory, spawn, wait_until):
    start = time.monotonic()
    sleeper = spawn(manager.wait, memory, 0, 0)
    wait_until(lambda: len(manager) == 1)
    wait_until(lambda: manager.waiters()[0].queued_for > 0.005)
    [info] = manager.waiters()
    assert 0.005 < info.queued_for <= time.monotonic() - start
    assert info.waiter is None
    assert info.bitset == ANY
    manager.wake(memory, 0)
    sleeper.result()


def test_waiters_takes_a_memory_together_with_an_address(manager, memory):
    with pytest.raises(TypeError):
        manager.waiters(memory)
    with pytest.raises(TypeError):
        manager.waiters(None, 8)
    with pytest.raises(TypeError):
        manager.waiters(addr=8)


def test_waiters_leaves_no_reference_behind(manager, memory, queue_up):
    w = queue_up()
    before = sys.getrefcount(w)
    for _ in range(10):
        manager.waiters()
    assert sys.getrefcount(w) == before


def test_stats_has_its_names_and_integers(manager):
    stats = manager.stats()
    assert isinstance(stats, dict)
    assert set(STATS) <= set(stats)
    assert all(isinstance(value, int) for value in stats.values())


def test_stats_counts_waiters_and_keys(manager, memory, queue_up):
    for addr in (0, 0, 0, 4):
        queue_up(addr)
    stats = manager.stats()
    assert (stats["waiters"], stats["keys"]) == (4, 2)
    manager.wake(memory, 0, 3)
    stats = manager.stats()
    assert (stats["waiters"], stats["keys"]) == (1, 1)


def test_stats_tells_of_growth():
    manager = Manager()
    before = manager.stats()
    count = 50_000
    mem = Memory(bytearray(4 * count))
    for index in range(count):
        assert manager.wait_prepare(Waiter(), mem, 4 * index, 0) is None
    after = manager.stats()
    assert after["waiters"] == after["keys"] == count
    assert after["growths"] > before["growths"] == 0
    assert before["buckets"] < count < after["buckets"] < 2 * count
    assert after["table_bytes"] > before["table_bytes"]
    assert 1 <= after["longest_chain"] < 64
    assert after["migrating"] in (0, 1)
    manager.close()
    assert manager.stats()["waiters"] == manager.stats()["keys"] == 0


def test_a_table_grows_by_the_keys_that_a_requeue_brings():
    manager = Manager()
    count = 5000
    mem = Memory(bytearray(4 * count))
    for _ in range(1, count):
        assert manager.wait_prepare(Waiter(), mem, 0, 0) is None
    assert manager.stats()["growths"] == 0
    for index in range(1, count):
        assert manager.requeue(mem, 0, 4 * index, 0, 1) == (0, 1)
    stats = manager.stats()
    assert stats["keys"] == count - 1
    assert stats["growths"] > 0
    assert stats["longest_chain"] < 64
    manager.close()


def requeue_somebody(manager, mem, addr, addr2):
    assert manager.wait_prepare(Waiter(), mem, addr, 0) is None
    assert manager.requeue(mem, addr, addr2, 0, 1) == (0, 1)
    assert manager.wake(mem, addr2) == 1


def requeue_nobody(manager, mem, addr, addr2):
    assert manager.requeue(mem, addr, addr2) == (0, 0)
    assert manager.wait_prepare(Waiter(), mem, addr2, 0) is None
    assert manager.wake(mem, addr2) == 1


def wake_op(manager, mem, addr, addr2):
    for one in (addr, addr2):
        assert manager.wait_prepare(Waiter(), mem, one, 0) is None
    assert manager.wake_op(mem, addr, addr2, encode_op(OP_SET, 0, CMP_EQ, 0)) == 2


def wakev(manager, mem, addr, addr2):
    for one in (addr, addr2):
        assert manager.wait_prepare(Waiter(), mem, one, 0) is None
    assert manager.wakev([(mem, addr), (mem, addr2)]) == [1, 1]


def waitv(manager, mem, addr, addr2):
    w = Waiter()
    assert manager.waitv_prepare(w, [(mem, addr, 0), (mem, addr2, 0)]) is None
    assert w.cancel()


@pytest.mark.parametrize("leave_nobody", [requeue_somebody, requeue_nobody, wake_op, wakev, waitv])
def test_what_leaves_nobody_queued_leaves_no_count_behind(leave_nobody):
    """Buckets that count more keys than are there look crowded after a while, and the table grows."""
    manager = Manager()
    n_words = 509
    mem = Memory(bytearray(4 * n_words))
    for i in range(20_000):
        word, step = i % n_words, 1 + i // n_words
        leave_nobody(manager, mem, 4 * word, 4 * ((word + step) % n_words))
    assert manager.stats()["growths"] == 0


def test_stats_of_one_key_with_many_waiters_is_a_short_chain(manager, memory, queue_up):
    for _ in range(2000):
        queue_up()
    stats = manager.stats()
    assert (stats["waiters"], stats["keys"]) == (2000, 1)
    assert stats["longest_chain"] == 1
