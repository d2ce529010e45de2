"""Section 0 of the table: what holds for every operation. One heading for each row."""

import platform
from errno import EAGAIN, EDEADLK, EFAULT, EINVAL, ENOSYS, ETIMEDOUT

import pytest
from guests import BASE, PAGE, pages
from semantics.process import (
    ANY,
    INT_MAX,
    KERNEL_HALF,
    A,
    B,
    Process,
    file_page,
    memory_file,
    order,
    results,
)
from semantics.registers import RELEASE

import pyfutex
from pyfutex import linux
from pyfutex.linux import FUTEX_CLOCK_REALTIME, FUTEX_PRIVATE_FLAG, futex

PRIVATE = FUTEX_PRIVATE_FLAG
REALTIME = FUTEX_CLOCK_REALTIME
SAME = "the same as the kernel"

# --- op decoding ----------------------------------------------------------------------------------------------------


UNKNOWN = [2, 14, 15, 16, 100, 127, 512, 513, 1024, 2048, 2**31, -1]


@pytest.mark.parametrize("flags", [0, PRIVATE, REALTIME, PRIVATE | REALTIME])
@pytest.mark.parametrize("op", UNKNOWN)
def test_row_op_decoding_unknown_is_enosys(registers, op, flags):
    kernels, ours = registers.both(registers.a, op | flags, 1)
    assert ours[0] == -ENOSYS
    if RELEASE < (7, 0) or op not in (512, 513, 1024):
        assert ours == kernels, SAME


@pytest.mark.parametrize("op", UNKNOWN)
def test_row_op_decoding_unknown_wins_over_a_bad_address(registers, op):
    for uaddr in (0, registers.a + 1, registers.nowhere, KERNEL_HALF):
        _, ours = registers.both(uaddr, op, 1)
        assert ours[0] == -ENOSYS


@pytest.mark.parametrize("op", range(14))
def test_row_op_decoding_the_private_flag_is_no_part_of_the_command(registers, op):
    # The word is not what a wait expects, and the lock operations get one that is free.
    arguments = (registers.a, op, 1, 0, registers.b, 1)
    kernels, ours = registers.both(*arguments, a=0)
    assert ours == kernels, SAME
    kernels, ours = registers.both(registers.a, op | PRIVATE, *arguments[2:], a=0)
    assert ours == kernels, SAME


# --- FUTEX_CLOCK_REALTIME -------------------------------------------------------------------------------------------

WITH_CLOCK = (linux.FUTEX_WAIT_BITSET, linux.FUTEX_WAIT_REQUEUE_PI, linux.FUTEX_LOCK_PI2)


@pytest.mark.parametrize("private", [PRIVATE, 0], ids=["private", "shared"])
@pytest.mark.parametrize("op", range(14))
def test_row_clock_realtime_belongs_to_three_operations(registers, op, private):
    kernels, ours = registers.both(registers.a, op | private | REALTIME, 1, 0, registers.b, 1)
    assert ours == kernels, SAME
    assert (ours[0] != -ENOSYS) == (op in WITH_CLOCK)


# --- argument check order -------------------------------------------------------------------------------------------

# Two things wrong in each call; the first is answered. "bad" is a timespec with a second's worth of nanoseconds, "negative"
# one with a negative part; "a1" is a word's address plus 1; "nowhere" has no access; "kernel" is the kernel's half.
WAIT, WAKE, REQUEUE, CMP, OP = 0, 1, 3, 4, 5
LOCK, WAIT_BITSET, WAKE_BITSET, WAIT_RPI, CMP_RPI, LOCK2 = 6, 9, 10, 11, 12, 13
BAD_OP, BAD_CMP = 7 << 28, 15 << 24
CHECKS = {
    "1 timespec unreadable, 3 clock": ("a", WAIT | REALTIME, 0, "nowhere"),
    "1 timespec unreadable, 5 bitset": ("a", WAIT_BITSET, 0, "nowhere", 0, 0),
    "1 timespec unreadable, 6 misaligned": ("a1", WAIT, 0, "nowhere"),
    "1 timespec unreadable, 9 value": ("a", WAIT, 1, "nowhere"),
    "1 lock's timespec unreadable, 6 misaligned": ("a1", LOCK, 0, "nowhere"),
    "1 lock2's timespec unreadable, 6 misaligned": ("a1", LOCK2, 0, "nowhere"),
    "1 wait_requeue_pi's timespec unreadable, 7 same address": ("a", WAIT_RPI, 0, "nowhere", "a"),
    "2 timespec invalid, 3 clock": ("a", WAIT | REALTIME, 0, "bad"),
    "2 lock's timespec invalid, 3 clock": ("a", LOCK | REALTIME, 0, "bad"),
    "2 timespec invalid, 6 address": ("nowhere", WAIT, 0, "bad"),
    "2 timespec invalid, 9 value": ("a", WAIT, 1, "bad"),
    "2 timespec negative, 9 value": ("a", WAIT, 1, "negative"),
    "2 lock's timespec invalid, the lock is free": ("a", LOCK, 0, "bad"),
    "2 lock2's timespec invalid, the lock is free": ("a", LOCK2, 0, "negative"),
    "2 wait_requeue_pi's timespec invalid, 9 value": ("a", WAIT_RPI, 1, "bad", "b"),
    "3 clock, 6 misaligned": ("a1", WAIT | REALTIME, 0),
    "3 clock, 5 counts": ("a", REQUEUE | REALTIME, -1, -1, "b"),
    "3 lock's clock, 6 misaligned": ("a1", LOCK | REALTIME, 0),
    "4 command, 6 kernel's half": ("kernel", 99, 0),
    "5 bitset, 6 misaligned": ("a1", WAIT_BITSET, 0, 0, 0, 0),
    "5 wake's bitset, 6 misaligned": ("a1", WAKE_BITSET, 1, 0, 0, 0),
    "5 wake's bitset, 6 kernel's half": ("kernel", WAKE_BITSET, 1, 0, 0, 0),
    "5 counts, 6 misaligned": ("a1", REQUEUE, -1, 1, "b"),
    "5 counts, 6 kernel's half": ("kernel", REQUEUE, 1, -1, "b"),
    "5 counts, 9 value": ("a", CMP, -1, 1, "b", 1),
    "5 cmp_requeue_pi's count, 7 same address": ("kernel", CMP_RPI, 2, 1, "b", 0),
    "6 misaligned, 6 kernel's half": ("kernel1", WAKE, 1),
    "6 misaligned, 6 no access": ("nowhere1", WAIT, 0),
    "6 no access, 9 value": ("nowhere", WAIT, 1),
    "6 kernel's half, 7 misaligned": ("kernel", REQUEUE, 1, 1, "b1"),
    "6 misaligned, 7 kernel's half": ("a1", REQUEUE, 1, 1, "kernel"),
    "7 misaligned, 9 value": ("a", CMP, 1, 1, "b1", 1),
    "7 misaligned, operation": ("a", OP, 1, 1, "b1", BAD_OP),
    "7 kernel's half, comparison": ("a", OP, 1, 1, "kernel", BAD_CMP),
    "7 same address, 9 value": ("a", WAIT_RPI, 1, 0, "a"),
    "7 misaligned second, 9 value": ("a", WAIT_RPI, 1, 0, "b1"),
    "nothing but 9 value": ("a", CMP, 1, 1, "b", 1),
}
FIRST = {
    "1 ": -EFAULT,
    "2 ": -EINVAL,
    "3 ": -ENOSYS,
    "4 ": -ENOSYS,
    "5 ": -EINVAL,
    "6 misaligned": -EINVAL,
    "6 ": -EFAULT,
    "7 misaligned": -EINVAL,
    "7 same": -EINVAL,
    "7 ": -EFAULT,
    "nothing": -EAGAIN,
}


@pytest.mark.parametrize("private", [PRIVATE, 0], ids=["private", "shared"])
@pytest.mark.parametrize("name", CHECKS)
def test_row_argument_check_order(registers, name, private):
    r = registers
    places = {"a": r.a, "b": r.b, "nowhere": r.nowhere, "kernel": KERNEL_HALF}
    places |= {f"{place}1": addr + 1 for place, addr in places.items()}
    if "bad" in CHECKS[name]:
        places["bad"] = r.timespec(0, 10**9)
    elif "negative" in CHECKS[name]:
        places["negative"] = r.timespec(-1, 0)
    uaddr, op, *rest = (places.get(argument, argument) for argument in CHECKS[name])
    kernels, ours = r.both(uaddr, op | private, *rest)
    expected = next(error for start, error in FIRST.items() if name.startswith(start))
    assert ours == (expected, 0, 0)
    assert ours == kernels, SAME


@pytest.mark.parametrize("timeout", [8, 1, 2**31 - 1])
@pytest.mark.parametrize("op", [WAKE, WAKE_BITSET, REQUEUE, CMP, OP])
def test_row_argument_check_order_val2_is_no_pointer(registers, op, timeout):
    kernels, ours = registers.both(registers.a, op | PRIVATE, 1, timeout, registers.b, 1 << 24)
    assert ours == kernels, SAME
    assert ours[0] != -EFAULT


# --- key ------------------------------------------------------------------------------------------------------------


def test_row_key_private_and_shared_never_meet():
    """[L K1]"""
    process = Process("private")
    private, shared = process.threads(2)
    assert futex(private, A, linux.FUTEX_WAIT | PRIVATE, 0) is None
    assert futex(shared, A, linux.FUTEX_WAIT, 0) is None
    assert futex(process.main, A, linux.FUTEX_WAKE, 9) == 1
    assert results([private, shared]) == [None, 0]
    assert futex(process.main, A, linux.FUTEX_WAKE | PRIVATE, 9) == 1


def test_row_key_shared_of_a_file_is_its_place_in_the_file():
    file = memory_file()
    other = BASE + 16 * PAGE
    space = file_page(file)
    file_page(file, other, space=space)
    process = Process("file", space)
    (task,) = process.sleepers(1, A)
    assert process.wake(1, other + (B - BASE)) == 0
    assert process.wake(1, other + (A - BASE)) == 1
    assert task.result(0) == 0


def test_row_key_shared_of_a_file_counts_the_offset_of_the_mapping():
    file = memory_file(3)
    other = BASE + 16 * PAGE
    space = file_page(file)
    file_page(file, other, space=space, offset=PAGE)
    process = Process("file", space)
    process.sleepers(1, BASE + PAGE + 64)
    assert process.wake(1, other + PAGE + 64) == 0
    assert process.wake(1, other + 64) == 1


def test_row_key_private_is_the_address():
    file = memory_file()
    other = BASE + 16 * PAGE
    space = file_page(file)
    file_page(file, other, space=space)
    process = Process("private", space)
    process.sleepers(1, A)
    assert process.wake(1, other + (A - BASE)) == 0
    assert process.wake(1, A) == 1


def test_row_key_a_copied_page_is_the_processes_own():
    """[L K4] A private mapping of a file that was written to has anonymous pages, which nobody else reaches."""
    file = memory_file()
    shared = Process("file", file_page(file))
    space = pyfutex.AddressSpace()
    space.map(BASE, pages(2))
    copied = Process("shared", space, shared.manager.fork())
    copied.sleepers(1)
    assert shared.wake(9) == 0
    assert copied.wake(9) == 1


def test_row_key_a_read_only_private_mapping_of_a_file_is_the_files():
    """[L K3] Nothing was copied, so the page is the file's: a wake through a shared mapping reaches it."""
    file = memory_file()
    shared = Process("file", file_page(file))
    reader = Process("file", file_page(file, writable=False), shared.manager.fork())
    reader.sleepers(1)
    assert shared.wake(9) == 1


def test_row_key_read_only_memory_has_private_futexes_alone():
    """[L K2]"""
    space = pyfutex.AddressSpace()
    space.map(BASE, pages(2), writable=False)
    process = Process("private", space)
    assert futex(process.main, A, linux.FUTEX_WAIT, 0) == -EFAULT
    assert futex(process.main, A, linux.FUTEX_WAKE, 1) == -EFAULT
    process.sleepers(1)
    assert process.wake(1) == 1


# --- private, unmapped address --------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["null", "nowhere"])
def test_row_unmapped_private(registers, where):
    addr = 0 if where == "null" else registers.nowhere
    b = registers.b
    for arguments, expected in [
        ((addr, WAKE, 1), 0),
        ((addr, REQUEUE, 1, 1, b), 0),
        ((b, REQUEUE, 1, 1, addr), 0),
        ((addr, REQUEUE, 1, 1, addr), 0),
        ((addr, WAKE_BITSET, 1, 0, 0, ANY), 0),
        ((addr, OP, 1, 1, b, 0), 0),
        ((addr, WAIT, 0), -EFAULT),
        ((addr, CMP, 1, 1, b, 0), -EFAULT),
        ((b, CMP, 1, 1, addr, 0), 0),
        ((b, OP, 1, 1, addr, 0), -EFAULT),
        ((addr, linux.FUTEX_LOCK_PI), -EFAULT),
        ((addr, linux.FUTEX_TRYLOCK_PI), -EFAULT),
        ((addr, linux.FUTEX_UNLOCK_PI), -EFAULT),
        ((addr, CMP_RPI, 1, 0, b, 0), -EFAULT),
        ((addr, WAIT_RPI, 0, 0, b), -EFAULT),
    ]:
        op = arguments[1] | PRIVATE
        kernels, ours = registers.both(arguments[0], op, *arguments[2:])
        assert (ours[0], arguments) == (expected, arguments)
        assert ours == kernels, SAME


@pytest.mark.parametrize("op", [WAIT, WAKE, REQUEUE, CMP, OP, LOCK, 7, 8, WAIT_BITSET, WAKE_BITSET, LOCK2])
def test_row_unmapped_shared_is_efault_for_all(registers, op):
    """[L E19]"""
    arguments = (registers.nowhere, op, 1, 0, registers.b, ANY)
    kernels, ours = registers.both(*arguments)
    assert ours[0] == -EFAULT
    assert ours == kernels, SAME


@pytest.mark.parametrize("private", [PRIVATE, 0], ids=["private", "shared"])
@pytest.mark.parametrize("addr", [KERNEL_HALF, 0xFFFF_8000_0000_0000, (1 << 47) - 4092, 2**64 - 4])
@pytest.mark.parametrize("op", [WAIT, WAKE, REQUEUE, CMP, OP])
def test_row_unmapped_the_kernels_half_is_efault_for_all(registers, op, addr, private):
    kernels, ours = registers.both(addr, op | private, 1, 0, registers.b, ANY & ~BAD_CMP)
    assert ours[0] == -EFAULT
    assert ours == kernels, SAME


@pytest.mark.skipif(platform.machine() != "x86_64", reason="where the kernel's half begins is the machine's")
@pytest.mark.parametrize("op", [WAIT, WAKE, REQUEUE, CMP, OP])
@pytest.mark.parametrize("addr", [(1 << 47) - 4100, (1 << 47) - 4096])
def test_row_unmapped_where_the_kernels_half_begins(registers, op, addr):
    """The first address that is not a guest's passes too: the kernel asks for no more than the limit."""
    kernels, ours = registers.both(addr, op | PRIVATE, 1, 0, registers.b, 0)
    assert ours == kernels, SAME


# --- queue order ----------------------------------------------------------------------------------------------------


def test_row_queue_order_is_real_time_by_priority_then_first_come(process):
    """[L O1] nice is no priority: those who are not real time are one class."""
    priorities = [0, 10, 0, 50, 10, 0]
    tasks = [process.thread(priority=priority) for priority in priorities]
    for task in tasks:
        assert process.wait(task) is None
    assert order(process, tasks) == [3, 1, 4, 0, 2, 5]


def test_row_queue_order_counts_the_priority_at_the_call(process):
    early, late = process.threads(2)
    assert process.wait(early) is None
    late.priority = 1
    assert process.wait(late) is None
    early.priority = 99
    assert order(process, [early, late]) == [1, 0]


# --- requeue order --------------------------------------------------------------------------------------------------


def test_row_requeue_order_is_the_tail_of_the_class(process):
    """Linux keeps the place in a bucket that both words share; here every requeue appends, so the order is one."""
    first, second = process.sleepers(1, A), process.sleepers(1, B)
    assert process.requeue(0, INT_MAX) == 1
    assert order(process, first + second, B) == [1, 0]


def test_row_requeue_order_keeps_that_of_the_moved(process):
    tasks = process.sleepers(4)
    assert process.requeue(0, 3) == 3
    assert order(process, tasks, B) == [0, 1, 2]
    assert order(process, tasks[3:], A) == [0]


def test_row_requeue_order_real_time_first(process):
    resident = process.sleepers(1, B)
    moved = process.sleepers(1, A, priority=5) + process.sleepers(1, A)
    assert process.requeue(0, 2) == 2
    assert order(process, resident + moved, B) == [1, 0, 2]


# --- PI/non-PI mixing -----------------------------------------------------------------------------------------------


def pi_waiter_behind_a_plain_one(process):
    """[L C3] The plain waiter comes later and goes first, being real time."""
    owner, locker = process.threads(2)
    assert process.lock(owner) == 0
    assert process.lock(locker) is None
    plain = process.sleepers(1, priority=50)
    return locker, *plain


def test_row_mixing_a_wake_stops_at_a_pi_waiter_and_loses_its_count(process):
    locker, plain = pi_waiter_behind_a_plain_one(process)
    assert process.wake(9) == -EINVAL
    assert results([plain, locker]) == [0, None]


def test_row_mixing_a_wake_that_does_not_come_so_far_counts(process):
    locker, plain = pi_waiter_behind_a_plain_one(process)
    assert process.wake(1) == 1
    assert results([plain, locker]) == [0, None]
    assert process.wake(1) == -EINVAL


def test_row_mixing_requeue(process):
    """[L C2]"""
    locker, plain = pi_waiter_behind_a_plain_one(process)
    assert process.requeue(0, 0) == 0
    assert process.requeue(0, 9) == -EINVAL
    assert process.wake(9, B) == 1
    assert results([plain, locker]) == [0, None]
    assert process.requeue(0, 0) == 0
    assert process.requeue(1, 0) == -EINVAL


# --- timeouts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", [WAIT_BITSET, WAIT_BITSET | REALTIME])
def test_row_timeouts_a_past_deadline_compares_first(process, op):
    past = process.timespec(0, 1)
    assert process.call(process.main, op, A, 1, past, 0, ANY) == -EAGAIN
    assert process.call(process.main, op, A, 0, past, 0, ANY) == -ETIMEDOUT


def test_row_timeouts_relative_zero(process):
    assert process.wait(process.main, A, 1, process.after(0)) == -EAGAIN
    assert process.wait(process.main, A, 0, process.after(0)) == -ETIMEDOUT


def test_row_timeouts_the_wait_is_relative_and_the_others_absolute(process):
    monotonic, realtime = process.clock.monotonic, process.clock.realtime
    tasks = process.threads(6)
    assert process.wait(tasks[0], A, 0, process.timespec(5, 3)) is None
    assert tasks[0].deadline == (pyfutex.CLOCK_MONOTONIC, monotonic + 5_000_000_003)
    assert process.wait_bitset(tasks[1], A, 0, ANY, process.until(5)) is None
    assert tasks[1].deadline == (pyfutex.CLOCK_MONOTONIC, monotonic + 5 * 10**9)
    until = process.until(6, clock=pyfutex.CLOCK_REALTIME)
    assert process.wait_bitset(tasks[2], A, 0, ANY, until, REALTIME) is None
    assert tasks[2].deadline == (pyfutex.CLOCK_REALTIME, realtime + 6 * 10**9)


def test_row_timeouts_of_locks(process):
    """LOCK_PI counts on the realtime clock always, LOCK_PI2 and WAIT_REQUEUE_PI on the one that they are told."""
    realtime = pyfutex.CLOCK_REALTIME
    assert process.lock(process.main, A) == 0
    locker, locker2, locker3, waiter, waiter2 = process.threads(5)
    until = process.until(7, clock=realtime)
    expected = (realtime, process.clock.realtime + 7 * 10**9)
    assert process.lock(locker, A, until) is None
    assert process.lock2(locker2, A, until, REALTIME) is None
    assert process.wait_requeue_pi(waiter, B, A, 0, until, REALTIME) is None
    assert locker.deadline == locker2.deadline == waiter.deadline == expected
    until = process.until(7)
    assert process.lock2(locker3, A, until) is None
    assert process.wait_requeue_pi(waiter2, B, A, 0, until) is None
    assert locker3.deadline == waiter2.deadline
    assert waiter2.deadline == (pyfutex.CLOCK_MONOTONIC, process.clock.monotonic + 7 * 10**9)


def test_row_timeouts_a_past_deadline_of_a_lock(process):
    past = process.timespec(0, 1)
    other = process.thread()
    assert process.lock(process.main, A, past) == 0
    assert process.lock(process.main, A, past) == -EDEADLK
    assert process.lock(other, A, past) == -ETIMEDOUT
    assert process.lock2(other, A, past) == -ETIMEDOUT
