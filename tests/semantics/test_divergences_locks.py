"""Section 2 of the table, rows 15 to 34: PI words, arguments, keys and buckets, where the seed and Linux part.

Each docstring says what the seed does.
"""

import os
import threading
from errno import EAGAIN, EDEADLK, EFAULT, EINTR, EINVAL, ENOSYS, EPERM, ESRCH, ETIMEDOUT

import pytest
from guests import BASE, PAGE, pages
from semantics.process import (
    KERNEL_HALF,
    SECOND,
    TIME,
    A,
    B,
    Process,
    file_page,
    memory_file,
    order,
)

import pyfutex
from pyfutex import linux
from pyfutex.linux import FUTEX_OWNER_DIED, FUTEX_PRIVATE_FLAG, FUTEX_WAITERS, RESTART, futex

PRIVATE = FUTEX_PRIVATE_FLAG


def held(process, n=1):
    """A PI word at A with an owner and n waiters."""
    owner, *waiters = process.threads(1 + n)
    assert process.lock(owner) == 0
    for waiter in waiters:
        assert process.lock(waiter) is None
    return owner, waiters


def test_divergence_15_unlock_never_hands_the_lock_to_a_plain_waiter(process):
    """The seed gives the word to whoever waits at it, a plain FUTEX_WAIT with thread id 0 included."""
    owner = process.thread()
    assert process.lock(owner) == 0
    (plain,) = process.sleepers(1)
    assert process.unlock(owner) == -EINVAL
    assert plain.blocked
    assert process.load(A) == owner.tid


def test_divergence_16_a_dead_owners_word_is_its_waiters(process):
    """The seed lets a third thread take the word, without the WAITERS bit, past those who wait."""
    owner, (waiter,) = held(process)
    process.store(A, FUTEX_OWNER_DIED | FUTEX_WAITERS)
    late = process.thread()
    assert process.lock(late) is None
    assert process.load(A) == FUTEX_OWNER_DIED | FUTEX_WAITERS
    owner.exit()
    assert waiter.result(0) == 0
    assert process.load(A) == FUTEX_OWNER_DIED | FUTEX_WAITERS | waiter.tid
    assert late.blocked


def test_divergence_17_an_owner_that_does_not_live_is_no_such_process(process):
    """The seed waits for it for ever."""
    process.store(A, 0x3FFF_FFF0)
    assert process.lock(process.main) == -ESRCH
    assert process.load(A) == FUTEX_WAITERS | 0x3FFF_FFF0
    assert process.trylock(process.main) == -ESRCH


def test_divergence_18_a_chain_of_owners_that_closes_is_a_deadlock(process):
    """The seed does not see it, and has no inheritance of priority."""
    one, two, three = process.threads(3)
    assert [process.lock(one, A), process.lock(two, B), process.lock(three, B + 64)] == [0, 0, 0]
    assert process.lock(one, B) is None
    assert process.lock(two, B + 64) is None
    assert process.lock(three, A) == -EDEADLK
    urgent = process.thread(priority=50)
    slow = process.thread()
    assert process.lock(slow, A) is None
    assert process.lock(urgent, A) is None
    assert process.unlock(three, B + 64) == 0
    assert process.unlock(two, B) == 0
    assert process.unlock(one, A) == 0
    assert (urgent.result(0), slow.blocked) == (0, True)


def test_divergence_19_trylock_sets_waiters(process):
    """The seed leaves the word alone."""
    owner, other = process.threads(2)
    assert process.lock(owner) == 0
    assert process.trylock(other) == -EAGAIN
    assert process.load(A) == FUTEX_WAITERS | owner.tid


def test_divergence_20_unlock_leaves_waiters_for_the_last(process):
    """The seed clears the bit when it hands over to the last waiter."""
    owner, (waiter,) = held(process)
    assert process.unlock(owner) == 0
    assert process.load(A) == FUTEX_WAITERS | waiter.tid
    assert process.unlock(waiter) == 0
    assert process.load(A) == 0


def test_divergence_21_unlock_of_a_word_whose_flags_change_goes_on(process):
    """The seed answers EINVAL if user space changes the word in between; here flags are no reason, another owner is."""
    owner, (waiter,) = held(process)
    process.store(A, owner.tid | FUTEX_OWNER_DIED)
    assert process.unlock(owner) == 0
    assert process.load(A) == FUTEX_WAITERS | waiter.tid


def test_divergence_22_unlock_looks_at_the_owner_before_the_alignment(process):
    """The seed looks at the alignment first."""
    assert process.unlock(process.main, A + 1) == -EPERM
    tid = process.main.tid
    process.store(A, (tid & 0xFFFFFF) << 8, tid >> 24)
    assert process.unlock(process.main, A + 1) == -EINVAL
    assert process.unlock(process.main, 0) == -EFAULT


@pytest.mark.parametrize("sa_restart", [False, True])
def test_divergence_23_a_lock_is_never_interrupted(process, sa_restart):
    """The seed lets EINTR through."""
    _, (waiter,) = held(process)
    assert waiter.interrupt(EINTR, sa_restart=sa_restart) == RESTART


@pytest.mark.parametrize("sa_restart", [False, True])
def test_divergence_24_a_wait_with_a_timeout_is_not_restarted(process, sa_restart):
    """The seed restarts WAIT_BITSET with a deadline under SA_RESTART."""
    task = process.thread()
    assert process.wait_bitset(task, deadline=process.until(1)) is None
    assert task.interrupt(EINTR, sa_restart=sa_restart) == -EINTR
    assert process.wait(task, timeout=process.after(1)) is None
    assert task.interrupt(EINTR, sa_restart=sa_restart) == -EINTR
    assert process.wait(task) is None
    assert task.interrupt(EINTR, sa_restart=sa_restart) == (RESTART if sa_restart else -EINTR)


@pytest.mark.parametrize(("seconds", "ns"), [(-1, 0), (0, -1), (0, SECOND), (1, 2**62)])
def test_divergence_25_timespecs_are_looked_at(process, seconds, ns):
    """The seed takes every one; a negative one is a timeout at once."""
    pointer = process.timespec(seconds, ns, TIME)
    assert process.wait(process.main, timeout=pointer) == -EINVAL
    assert process.wait_bitset(process.main, deadline=pointer) == -EINVAL
    assert process.lock(process.main, deadline=pointer) == -EINVAL
    assert process.lock2(process.main, deadline=pointer) == -EINVAL
    assert process.wait_requeue_pi(process.main, deadline=pointer) == -EINVAL
    assert process.wake(0) == 0


def test_divergence_26_the_clock_flag_belongs_to_three_operations(process):
    """The seed ignores it on the others."""
    for op in range(14):
        answer = process.call(process.main, op | linux.FUTEX_CLOCK_REALTIME, A, 9, 0, B, 1)
        allowed = op in (linux.FUTEX_WAIT_BITSET, linux.FUTEX_WAIT_REQUEUE_PI, linux.FUTEX_LOCK_PI2)
        assert (answer != -ENOSYS) == allowed, op


def test_divergence_27_real_time_threads_stand_first(process):
    """The seed knows first come first served alone."""
    tasks = [process.thread(priority=priority) for priority in (0, 10, 0, 50, 10)]
    for task in tasks:
        assert process.wait(task) is None
    assert order(process, tasks) == [3, 1, 4, 0, 2]


def test_divergence_28_words_of_a_file_are_spread_over_buckets():
    """The seed keeps all shared-mappable waiters of all processes in one bucket under one lock."""
    process = Process("file")
    for i in range(512):
        task = process.thread()
        assert process.wait(task, BASE + 4 * (64 + i)) is None
    figures = process.manager.stats()
    assert figures["keys"] == 512
    assert figures["longest_chain"] < 16


@pytest.mark.parametrize("stride", [64, 4092, 4096, 4100])
def test_divergence_29_strides_are_spread_over_buckets(stride):
    """The seed's sum of shifted addresses puts a stride of 4092 bytes into two buckets."""
    n = 512
    mem = pyfutex.Memory(pages(stride * n // PAGE + 1), BASE)
    process = Process("private", mem)
    for i in range(n):
        assert process.wait(process.thread(), BASE + stride * i // 4 * 4) is None
    assert process.manager.stats()["longest_chain"] < 16


def test_divergence_30_who_is_woken_finds_no_lock_held(process):
    """The seed tells waiters with the bucket lock held; here a callback may do anything with the same word."""
    answers = []

    def on_complete(task, value):
        answers.append((value, process.wake(1), process.wait(process.thread())))

    task = process.thread(on_complete=on_complete)
    assert process.wait(task) is None
    assert process.wake() == 1
    assert answers == [(0, 0, None)]


def test_divergence_31_memory_of_python_is_read_with_no_lock_held():
    """The seed may fault pages in under its bucket lock; here a target may even use the queue from within its load."""

    class Memory(pyfutex.Target):
        """A word of 0, and a load that wakes."""

        def load(self, addr, size=4, /):
            futex(waker, addr, linux.FUTEX_WAKE | PRIVATE, 1)
            return 0

    manager = pyfutex.Manager()
    mem = Memory()
    waker, waiter = (linux.Task(tid, mem, manager) for tid in (1, 2))
    assert futex(waiter, A, linux.FUTEX_WAIT | PRIVATE, 0) in (None, 0)
    assert not waiter.blocked


def test_divergence_32_a_read_only_mapping_of_a_file_meets_the_file():
    """The seed decides by the mapping, Linux by the page: what is not written is the file's."""
    file = memory_file()
    try:
        process = Process("file", file_page(file))
        file_page(file, BASE + 16 * PAGE, space=process.mem, writable=False)
    finally:
        os.close(file)
    reader = process.thread()
    assert process.wait(reader, A + 16 * PAGE) is None
    assert process.wake() == 1
    assert reader.result(0) == 0


def test_divergence_33_words_that_are_written_must_be_writable():
    """The seed asks for read access alone."""
    file = memory_file()
    try:
        process = Process("file", file_page(file, writable=False))
    finally:
        os.close(file)
    assert process.wake_op(1, 1, 0) == -EFAULT
    assert process.lock(process.main) == -EFAULT
    assert process.wait_requeue_pi(process.thread()) == -EFAULT
    assert process.wait(process.thread()) is None


def test_divergence_34_the_kernels_half_is_a_fault(process):
    """The seed answers 0 to a private wake there."""
    assert process.wake(1, KERNEL_HALF) == -EFAULT
    assert process.wait(process.main, KERNEL_HALF) == -EFAULT


def test_timeouts_of_a_lock_leave_the_bit_and_the_owner(process):
    """Rows 12 and 20 together: what a LOCK_PI that timed out leaves, the owner's unlock clears."""
    owner, (waiter,) = held(process)
    assert waiter.interrupt(ETIMEDOUT) == -ETIMEDOUT
    assert process.load(A) == FUTEX_WAITERS | owner.tid
    assert process.unlock(owner) == 0
    assert process.load(A) == 0


def test_locks_of_host_threads(process):
    """Rows 15 to 20 with guests that are threads of the host: each sleeps in result until it owns the word."""
    inside, most = [0], [0]

    def run(task):
        for _ in range(30):
            answer = process.lock(task)
            assert (task.result() if answer is None else answer) == 0
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            inside[0] -= 1
            assert process.unlock(task) == 0

    threads = [threading.Thread(target=run, args=(task,), daemon=True) for task in process.threads(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert process.load(A) & linux.FUTEX_TID_MASK == 0
