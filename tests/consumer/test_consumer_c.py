"""A C extension with a software MMU, run from its own threads and, as a NativeTarget, from Python's."""

import errno

import pytest
from consumer.compilers import HERE

from pyfutex import ALL, Manager, Mappable, Memory, NativeTarget, Waiter

SOURCE = HERE / "c_extension" / "consumer.c"
FORKED = HERE / "c_extension" / "forked.c"
N_PAGES, PAGE_BYTES = 16, 256


@pytest.fixture
def consumer(builder, imported):
    return imported(builder.extension(SOURCE))


@pytest.mark.parametrize("source", [SOURCE, FORKED])
def test_is_cxx_too(builder, source):
    builder.check_cxx(source)


def test_a_child_starts_with_nobody_queued_and_the_parent_goes_on(builder, imported):
    assert imported(builder.extension(FORKED)).fork_with_waiters() == (0, 0)


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_a_lock_in_guest_memory(consumer, size):
    assert consumer.count(4, 2000, size) == (8000, 0, 0)


def test_a_lock_of_python_threads_in_guest_memory(consumer, manager, spawn):
    mem, n = NativeTarget(consumer.new_memory(1)), 300
    count = 0

    def work():
        nonlocal count
        for _ in range(n):
            if mem.compare_and_swap(64, 0, 1):
                while mem.swap(64, 2):
                    manager.wait(mem, 64, 2)
            seen = count
            mem.load(128)
            count = seen + 1
            if mem.swap(64, 0) == 2:
                manager.wake(mem, 64)

    for running in [spawn(work) for _ in range(4)]:
        running.result()
    assert (count, mem.load(64), len(manager)) == (4 * n, 0, 0)


def test_pi_locks_of_python_threads_in_guest_memory(consumer, manager, spawn):
    mem, n = NativeTarget(consumer.new_memory(1)), 300
    count = 0

    def work(tid):
        nonlocal count
        for _ in range(n):
            assert manager.lock_pi(mem, 64, tid=tid)
            seen = count
            mem.load(128)
            count = seen + 1
            manager.unlock_pi(mem, 64, tid=tid)

    for running in [spawn(work, tid) for tid in (1, 2, 3)]:
        running.result()
    assert (count, mem.load(64), len(manager)) == (3 * n, 0, 0)


def test_what_is_not_mapped_is_a_fault(consumer, manager):
    mem = NativeTarget(consumer.new_memory(2))
    assert mem.swap(2 * PAGE_BYTES - 4, 7) == 0
    for addr in (2 * PAGE_BYTES, N_PAGES * PAGE_BYTES, 1 << 63):
        for call in (mem.load, lambda a: mem.swap(a, 1), lambda a: mem.compare_and_swap(a, 0, 1)):
            with pytest.raises(OSError) as raised:
                call(addr)
            assert raised.value.errno == errno.EFAULT
        with pytest.raises(OSError) as raised:
            manager.wait(mem, addr, 0)
        assert raised.value.errno == errno.EFAULT
    assert mem.load(2 * PAGE_BYTES - 4) == 7


def test_the_target_keeps_its_capsule(consumer, manager):
    """The destructor frees the memory: a sanitizer or a crash would tell."""
    mem = NativeTarget(consumer.new_memory(N_PAGES))
    others = [consumer.new_memory(N_PAGES) for _ in range(50)]
    del others
    assert mem.swap(PAGE_BYTES, 5) == 0
    assert mem.load(PAGE_BYTES) == 5


def test_guest_memory_meets_a_buffer_in_a_mappable(consumer, manager, queue_up):
    mappable = Mappable()
    guest = NativeTarget(consumer.new_memory(1, mappable))
    here = Memory(bytearray(PAGE_BYTES), mappable=mappable)
    waiter = queue_up(16, mem=guest)
    assert manager.wake(here, 16, private=True) == 0
    assert manager.wake(here, 16) == 1
    assert waiter.woken


@pytest.mark.parametrize("kind", ["NativeTarget", "Memory"])
def test_threads_of_c_wake_what_python_and_c_have_queued(consumer, queue_up, kind):
    manager, n = Manager(), 64
    mem = (
        NativeTarget(consumer.new_memory(1))
        if kind == "NativeTarget"
        else Memory(bytearray(PAGE_BYTES), base=0)
    )
    called = []
    waiters = [queue_up(4 * i, on_wake=called.append, mem=mem, in_manager=manager, tag=i) for i in range(n)]
    assert consumer.wake_from_threads(manager, mem, n, 4) == (2 * n, n)
    assert all(waiter.woken for waiter in waiters)
    assert called == []
    assert manager.completions().run() == n
    assert sorted(waiter.tag for waiter in called) == list(range(n))
    assert len(manager) == 0


def test_threads_of_c_wake_threads_of_python(consumer, spawn, wait_until):
    manager, n = Manager(), 4
    mem = NativeTarget(consumer.new_memory(1))
    sleepers = [spawn(manager.wait, mem, 4 * i, 0) for i in range(n)]
    wait_until(lambda: len(manager) == n)
    assert consumer.wake_from_threads(manager, mem, n, 2) == (2 * n, n)
    assert all(sleeper.result() for sleeper in sleepers)
    assert manager.wake(mem, 0, ALL) == 0


@pytest.mark.parametrize("arguments", [(object(), 0), (Manager(), Waiter())])
def test_what_is_no_manager_or_target(consumer, arguments):
    with pytest.raises(TypeError):
        consumer.wake_from_threads(*arguments, 1, 1)
