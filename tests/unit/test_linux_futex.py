"""pyfutex.linux.futex: the calls that one guest thread makes, and in which order its arguments are looked at."""

from errno import EAGAIN, EFAULT, EINVAL, ENOSYS, ETIMEDOUT

import pytest
from guests import BASE, KINDS, PAGE, TIME, WORD, WORD2, Guest, Words, flat

import pyfutex
from pyfutex import linux
from pyfutex.linux import (
    FUTEX_CLOCK_REALTIME,
    FUTEX_CMP_REQUEUE,
    FUTEX_LOCK_PI,
    FUTEX_OP,
    FUTEX_OP_ADD,
    FUTEX_OP_CMP_EQ,
    FUTEX_OP_CMP_NE,
    FUTEX_PRIVATE_FLAG,
    FUTEX_REQUEUE,
    FUTEX_WAIT,
    FUTEX_WAIT_BITSET,
    FUTEX_WAKE,
    FUTEX_WAKE_BITSET,
    FUTEX_WAKE_OP,
    futex,
    futex_time64,
    set_tid_address,
)

ANY = linux.FUTEX_BITSET_MATCH_ANY
UNMAPPED = BASE + 16 * PAGE
KERNEL_HALF = 1 << 63
BAD_OP = 7 << 28
BAD_COMPARISON = 15 << 24


@pytest.fixture(params=[FUTEX_PRIVATE_FLAG, 0], ids=["private", "shared"])
def flag(request):
    """FUTEX_PRIVATE_FLAG or none."""
    return request.param


@pytest.fixture(params=KINDS)
def guest(request):
    """A process with memory of each kind."""
    return Guest(KINDS[request.param]())


def sleepers(guest, n, addr=WORD, flag=FUTEX_PRIVATE_FLAG, first=100):
    """Tasks that wait on a word of 0, in the order in which they came."""
    tasks = [guest.task(first + i) for i in range(n)]
    for task in tasks:
        assert futex(task, addr, FUTEX_WAIT | flag, 0) is None
    return tasks


def awake(tasks):
    """Which of them are not blocked, by position."""
    return [position for position, task in enumerate(tasks) if not task.blocked]


# --- results --------------------------------------------------------------------------------------------------------


def test_wait_blocks_and_wake_ends_it(guest, flag):
    (waiter,) = sleepers(guest, 1, flag=flag)
    assert waiter.blocked
    assert futex(guest.task(), WORD, FUTEX_WAKE | flag, 1) == 1
    assert not waiter.blocked
    assert waiter.result() == 0


def test_wait_on_a_changed_word(guest, flag):
    task = guest.task()
    assert futex(task, WORD, FUTEX_WAIT | flag, 1) == -EAGAIN
    assert not task.blocked
    assert len(guest.manager) == 0


def test_private_and_shared_do_not_meet(guest):
    sleepers(guest, 1, flag=FUTEX_PRIVATE_FLAG)
    assert futex(guest.task(), WORD, FUTEX_WAKE, 1) == 0


@pytest.mark.parametrize("n", [0, -1, -(2**31), 0xFFFF_FFFF, 1])
def test_wake_wakes_one_for_any_count_below_two(guest, flag, n):
    tasks = sleepers(guest, 3, flag=flag)
    assert futex(guest.task(), WORD, FUTEX_WAKE | flag, n) == 1
    assert awake(tasks) == [0]


def test_wake_bitset_reaches_those_who_asked_for_a_bit(guest, flag):
    tasks = [guest.task(100 + i) for i in range(3)]
    for position, task in enumerate(tasks):
        assert futex(task, WORD, FUTEX_WAIT_BITSET | flag, 0, 0, 0, 1 << position) is None
    assert futex(guest.task(), WORD, FUTEX_WAKE_BITSET | flag, 5, 0, 0, 2) == 1
    assert awake(tasks) == [1]


def test_requeue_answers_the_sum(guest, flag):
    tasks = sleepers(guest, 5, flag=flag)
    assert futex(guest.task(), WORD, FUTEX_REQUEUE | flag, 1, 2, WORD2) == 3
    assert awake(tasks) == [0]
    assert futex(guest.task(2), WORD2, FUTEX_WAKE | flag, 9) == 2


def test_requeue_of_none_wakes_none(guest, flag):
    tasks = sleepers(guest, 2, flag=flag)
    assert futex(guest.task(), WORD, FUTEX_REQUEUE | flag, 0, 0, WORD2) == 0
    assert awake(tasks) == []


def test_cmp_requeue_compares_first(guest, flag):
    tasks = sleepers(guest, 3, flag=flag)
    task = guest.task()
    assert futex(task, WORD, FUTEX_CMP_REQUEUE | flag, 1, 1, WORD2, 1) == -EAGAIN
    assert awake(tasks) == []
    assert futex(task, WORD, FUTEX_CMP_REQUEUE | flag, 1, 1, WORD2, 0) == 2
    assert awake(tasks) == [0]


@pytest.mark.parametrize("counts", [(0, 0), (-1, -5), (1, 1)])
def test_wake_op_wakes_at_least_one_of_each(guest, flag, counts):
    sleepers(guest, 2, flag=flag)
    sleepers(guest, 2, WORD2, flag, 200)
    op = FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 0)
    assert futex(guest.task(), WORD, FUTEX_WAKE_OP | flag, counts[0], counts[1], WORD2, op) == 2
    assert guest.load(WORD2) == 3


def test_wake_op_with_an_unknown_operation_changes_nothing(guest, flag):
    sleepers(guest, 1, flag=flag)
    assert futex(guest.task(), WORD, FUTEX_WAKE_OP | flag, 1, 1, WORD2, BAD_OP | 5 << 12) == -ENOSYS
    assert guest.load(WORD2) == 0
    assert len(guest.manager) == 1


def test_wake_op_with_an_unknown_comparison_changes_the_word_alone(guest, flag):
    sleepers(guest, 1, flag=flag)
    assert futex(guest.task(), WORD, FUTEX_WAKE_OP | flag, 1, 1, WORD2, BAD_COMPARISON | 5 << 12) == -ENOSYS
    assert guest.load(WORD2) == 5
    assert len(guest.manager) == 1


# --- the order of the checks ----------------------------------------------------------------------------------------

REALTIME = FUTEX_CLOCK_REALTIME
PRIVATE = FUTEX_PRIVATE_FLAG
# What is wrong in each call comes in pairs; the first is what is answered. `bad` is a timespec that is not valid.
ORDER = {
    "timespec unreadable, before it is invalid": ((WORD, FUTEX_WAIT, 1, UNMAPPED), -EFAULT),
    "timespec unreadable, before the bitset": ((WORD, FUTEX_WAIT_BITSET, 0, UNMAPPED, 0, 0), -EFAULT),
    "timespec invalid, before the bitset": ((WORD + 1, FUTEX_WAIT_BITSET, 0, "bad", 0, 0), -EINVAL),
    "timespec unreadable, before the clock": ((WORD, FUTEX_WAIT | REALTIME, 0, UNMAPPED), -EFAULT),
    "timespec invalid, before the clock": ((WORD, FUTEX_WAIT | REALTIME, 0, "bad"), -EINVAL),
    "timespec invalid, before the value": ((WORD, FUTEX_WAIT, 1, "bad"), -EINVAL),
    "clock, before the address": ((WORD + 1, FUTEX_WAIT | REALTIME, 0), -ENOSYS),
    "operation, before the address": ((WORD + 1, 99, 0), -ENOSYS),
    "bitset, before the address": ((KERNEL_HALF, FUTEX_WAIT_BITSET, 0, 0, 0, 0), -EINVAL),
    "wake's bitset, before the address": ((KERNEL_HALF, FUTEX_WAKE_BITSET, 1, 0, 0, 0), -EINVAL),
    "misaligned, before it is the kernel's": ((KERNEL_HALF + 1, FUTEX_WAKE, 1), -EINVAL),
    "misaligned, before it is unmapped": ((UNMAPPED + 2, FUTEX_WAIT, 0), -EINVAL),
    "address, before the value": ((UNMAPPED, FUTEX_WAIT, 1), -EFAULT),
    "counts, before the address": ((WORD + 1, FUTEX_REQUEUE, -1, 0, WORD2), -EINVAL),
    "counts, before the kernel's half": ((KERNEL_HALF, FUTEX_REQUEUE, 1, -1, WORD2), -EINVAL),
    "counts, before the value": ((WORD, FUTEX_CMP_REQUEUE, -1, 0, WORD2, 1), -EINVAL),
    "first address, before the second": ((KERNEL_HALF, FUTEX_REQUEUE, 1, 1, WORD2 + 1), -EFAULT),
    "second address, before the value": ((WORD, FUTEX_CMP_REQUEUE, 1, 1, WORD2 + 1, 1), -EINVAL),
    "second address, before the operation": ((WORD, FUTEX_WAKE_OP, 1, 1, WORD2 + 1, BAD_OP), -EINVAL),
    "second address unmapped": ((WORD, FUTEX_WAKE_OP, 1, 1, UNMAPPED, 0), -EFAULT),
}


@pytest.mark.parametrize("name", ORDER)
def test_what_is_looked_at_first(guest, flag, name):
    arguments, expected = ORDER[name]
    bad = guest.timespec(0, 10**9)
    addr, op, *rest = (bad if argument == "bad" else argument for argument in arguments)
    task = guest.task()
    assert futex(task, addr, op | flag, *rest) == expected
    assert not task.blocked
    assert (guest.load(WORD), guest.load(WORD2)) == (0, 0)


WITHOUT_CLOCK = (FUTEX_WAIT, FUTEX_WAKE, FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP, FUTEX_WAKE_BITSET)


@pytest.mark.parametrize("op", WITHOUT_CLOCK)
def test_the_clock_belongs_to_few_operations(guest, flag, op):
    assert futex(guest.task(), WORD, op | flag | REALTIME, 0, 0, WORD2, ANY) == -ENOSYS


@pytest.mark.parametrize("op", [2, 14, 15, 16, 100, 512, 1024, 512 | FUTEX_WAKE, -1, 2**31])
def test_unknown_operations(guest, op):
    assert futex(guest.task(), WORD, op, 1) == -ENOSYS


@pytest.mark.parametrize("op", [FUTEX_WAKE, FUTEX_WAKE_BITSET, FUTEX_REQUEUE, FUTEX_WAKE_OP])
def test_a_timeout_that_is_none_is_not_read(guest, flag, op):
    assert (
        futex(guest.task(), WORD, op | flag, 1, UNMAPPED & 0x7FFF_FFFF, WORD2, ANY & ~BAD_COMPARISON)
        >= -ENOSYS
    )
    assert futex(guest.task(2), WORD, FUTEX_WAKE | flag, 1, 8) == 0


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("addr", [0, UNMAPPED, 4096])
def test_a_private_wake_needs_nothing_mapped(guest, addr):
    task = guest.task()
    assert futex(task, addr, FUTEX_WAKE | PRIVATE, 1) == 0
    assert futex(task, addr, FUTEX_REQUEUE | PRIVATE, 1, 1, addr) == 0
    assert futex(task, addr, FUTEX_WAKE_OP | PRIVATE, 1, 1, WORD, 0) == 0
    assert futex(task, addr, FUTEX_WAIT | PRIVATE, 0) == -EFAULT
    assert futex(task, addr, FUTEX_CMP_REQUEUE | PRIVATE, 1, 1, WORD, 0) == -EFAULT
    assert futex(task, WORD, FUTEX_CMP_REQUEUE | PRIVATE, 1, 1, addr, 0) == 0
    assert futex(task, WORD, FUTEX_WAKE_OP | PRIVATE, 1, 1, addr, 0) == -EFAULT
    assert futex(task, WORD, FUTEX_WAKE_OP | PRIVATE, 1, 1, addr, BAD_OP) == -ENOSYS


@pytest.mark.parametrize("kind", ["Memory", "AddressSpace"])
def test_a_shared_wake_needs_its_page(kind):
    task = Guest(KINDS[kind]()).task()
    assert futex(task, UNMAPPED, FUTEX_WAKE, 1) == -EFAULT
    assert futex(task, UNMAPPED, FUTEX_REQUEUE, 1, 1, WORD) == -EFAULT
    assert futex(task, WORD, FUTEX_REQUEUE, 1, 1, UNMAPPED) == -EFAULT
    assert futex(task, WORD, FUTEX_WAKE_OP, 1, 1, UNMAPPED, BAD_OP) == -EFAULT


@pytest.mark.parametrize(
    ("abi", "last", "first_bad"),
    [("lp64", (1 << 47) - 4096, (1 << 47) - 4092), ("ilp32", (1 << 32) - 4, None)],
)
def test_where_the_kernel_begins(abi, last, first_bad):
    task = Guest(flat(), abi=abi).task()
    assert futex(task, last, FUTEX_WAKE | PRIVATE, 1) == 0
    if first_bad is not None:
        assert futex(task, first_bad, FUTEX_WAKE | PRIVATE, 1) == -EFAULT
        assert futex(task, -4, FUTEX_WAKE | PRIVATE, 1) == -EFAULT


def test_a_word_that_may_not_be_written():
    space = pyfutex.AddressSpace()
    space.map(BASE, bytearray(PAGE + 16), length=PAGE, writable=False)
    task = Guest(space).task()
    assert futex(task, WORD, FUTEX_WAIT | PRIVATE, 1) == -EAGAIN
    assert futex(task, WORD, FUTEX_WAIT, 1) == -EFAULT
    assert futex(task, WORD, FUTEX_WAKE, 1) == -EFAULT
    assert futex(task, WORD, FUTEX_WAKE_OP | PRIVATE, 1, 1, WORD2, 0) == -EFAULT


# --- integers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", [0, 1, -1, 2**40])
def test_arguments_are_as_wide_as_a_register(guest, turn):
    waiter, task = guest.task(2), guest.task()
    full = turn * 2**64
    assert futex(waiter, WORD + full, FUTEX_WAIT | PRIVATE | turn * 2**32, turn * 2**32) is None
    assert (
        futex(task, WORD + full, FUTEX_REQUEUE | PRIVATE, turn * 2**32, 1 + turn * 2**32, WORD2 + full) == 1
    )
    assert futex(task, WORD2, FUTEX_WAKE | PRIVATE, 1 + turn * 2**32) == 1


def test_a_register_of_32_bits():
    guest = Guest(flat(0x1000), abi="ilp32")
    task = guest.task()
    assert futex(task, 0x1000 + 2**32, FUTEX_WAIT | PRIVATE, 0) is None
    assert futex(guest.task(2), 0x1000 - 2**32, FUTEX_WAKE | PRIVATE, 1) == 1


@pytest.mark.parametrize("position", [1, 2, 3])
@pytest.mark.parametrize("what", [1.0, "1", None])
def test_what_is_no_integer_is_refused(position, what):
    arguments = [Guest(flat()).task(), WORD, FUTEX_WAKE, 1]
    arguments[position] = what
    with pytest.raises(TypeError):
        futex(*arguments)


def test_a_task_is_a_task():
    with pytest.raises(TypeError):
        futex(None, WORD, FUTEX_WAKE, 1)
    with pytest.raises(TypeError):
        futex(1, WORD, FUTEX_WAKE, 1)


# --- timeouts -------------------------------------------------------------------------------------------------------


def test_a_relative_timeout_of_nothing(guest, flag):
    task = guest.task()
    assert futex(task, WORD, FUTEX_WAIT | flag, 0, guest.timespec(0, 0)) == -ETIMEDOUT
    assert futex(task, WORD, FUTEX_WAIT | flag, 1, TIME) == -EAGAIN
    assert len(guest.manager) == 0


@pytest.mark.parametrize("clock", [0, REALTIME])
def test_a_deadline_that_has_passed(guest, flag, clock):
    task = guest.task()
    past = guest.timespec(0, 1)
    assert futex(task, WORD, FUTEX_WAIT_BITSET | flag | clock, 0, past, 0, 1) == -ETIMEDOUT
    assert futex(task, WORD, FUTEX_WAIT_BITSET | flag | clock, 1, past, 0, 1) == -EAGAIN
    assert len(guest.manager) == 0


def test_a_relative_timeout_counts_from_the_call(guest):
    task = guest.task(now=lambda clock: 5_000_000_000 if clock == pyfutex.CLOCK_MONOTONIC else 0)
    assert futex(task, WORD, FUTEX_WAIT | PRIVATE, 0, guest.timespec(2, 7)) is None
    assert task.deadline == (pyfutex.CLOCK_MONOTONIC, 7_000_000_007)


@pytest.mark.parametrize(
    ("flag", "clock"), [(0, pyfutex.CLOCK_MONOTONIC), (REALTIME, pyfutex.CLOCK_REALTIME)]
)
def test_an_absolute_deadline_on_its_clock(guest, flag, clock):
    task = guest.task(now=lambda _: 0)
    assert futex(task, WORD, FUTEX_WAIT_BITSET | PRIVATE | flag, 0, guest.timespec(3, 4), 0, 1) is None
    assert task.deadline == (clock, 3_000_000_004)


def test_no_timeout_is_no_deadline(guest):
    task = guest.task()
    assert futex(task, WORD, FUTEX_WAIT | PRIVATE, 0) is None
    assert task.deadline is None


@pytest.mark.parametrize("op", [FUTEX_WAIT, FUTEX_WAIT_BITSET])
def test_a_timeout_beyond_all_time_is_no_deadline(guest, op):
    task = guest.task()
    assert futex(task, WORD, op | PRIVATE, 0, guest.timespec(2**63 - 1, 999_999_999), 0, 1) is None
    assert task.deadline is None


@pytest.mark.parametrize(("seconds", "ns"), [(-1, 0), (0, -1), (0, 10**9), (0, 2**63 - 1), (-(2**63), 0)])
def test_timespecs_that_are_not_valid(guest, seconds, ns):
    assert futex(guest.task(), WORD, FUTEX_WAIT | PRIVATE, 0, guest.timespec(seconds, ns)) == -EINVAL


def test_an_unaligned_timespec(guest):
    task = guest.task(now=lambda _: 0)
    data = (7).to_bytes(8, "little") + (9).to_bytes(8, "little")
    words = b"\0" * 3 + data + b"\0"
    guest.store(TIME, *(int.from_bytes(words[i : i + 4], "little") for i in range(0, 20, 4)))
    assert futex(task, WORD, FUTEX_WAIT | PRIVATE, 0, TIME + 3) is None
    assert task.deadline == (pyfutex.CLOCK_MONOTONIC, 7_000_000_009)


def test_a_timespec_at_the_end_of_memory(guest):
    task = guest.task(now=lambda _: 0)
    guest.timespec(1, 2, BASE + PAGE - 16)
    assert futex(task, WORD, FUTEX_WAIT | PRIVATE, 1, BASE + PAGE - 16) == -EAGAIN
    assert futex(task, WORD, FUTEX_WAIT | PRIVATE, 1, BASE + PAGE - 12) == -EFAULT


def test_a_timespec_over_two_regions():
    space = pyfutex.AddressSpace()
    space.map(BASE, bytearray(PAGE))
    space.map(BASE + PAGE, bytearray(PAGE))
    guest = Guest(space)
    task = guest.task(now=lambda _: 0)
    assert futex(task, WORD, FUTEX_WAIT | PRIVATE, 0, guest.timespec(1, 2, BASE + PAGE - 8)) is None
    assert task.deadline == (pyfutex.CLOCK_MONOTONIC, 1_000_000_002)


def test_the_timespecs_of_32_bit_programs(request):
    guest = Guest(flat(0x1000), abi="ilp32")
    word, time = 0x1000, 0x1100
    task = guest.task(now=lambda _: 0)
    assert futex(task, word, FUTEX_WAIT | PRIVATE, 0, guest.timespec(1, 2, time)) is None
    assert task.deadline == (pyfutex.CLOCK_MONOTONIC, 1_000_000_002)
    task.interrupt()
    assert futex(task, word, FUTEX_WAIT | PRIVATE, 0, guest.timespec(-1, 2, time)) == -EINVAL
    # 64 bits of seconds; the upper half of the nanoseconds is padding.
    guest.timespec(2**33, 2 | 0x5555 << 32, time, "<qq")
    assert futex_time64(task, word, FUTEX_WAIT | PRIVATE, 0, time) is None
    assert task.deadline == (pyfutex.CLOCK_MONOTONIC, 2**33 * 10**9 + 2)


# --- memory that Python code answers for ----------------------------------------------------------------------------


class Failing(Words):
    """Every access raises."""

    def __init__(self, error):
        super().__init__(BASE)
        self.error = error

    def at(self, addr):
        raise self.error

    def shared_key(self, addr, /):
        raise self.error


CALLS = {
    "wait": (WORD, FUTEX_WAIT, 0),
    "wait, timed": (WORD, FUTEX_WAIT, 0, TIME),
    "wake": (WORD, FUTEX_WAKE, 1),
    "requeue": (WORD, FUTEX_REQUEUE, 1, 1, WORD2),
    "cmp_requeue": (WORD, FUTEX_CMP_REQUEUE, 1, 1, WORD2, 0),
    "wake_op": (WORD, FUTEX_WAKE_OP, 1, 1, WORD2, FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_NE, 0)),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_oserror_of_a_target_is_the_guests_errno(name):
    addr, op, *rest = CALLS[name]
    for error, number in (
        (OSError(5, "no"), 5),
        (OSError("no errno"), EFAULT),
        (PermissionError(13, "no"), 13),
    ):
        task = Guest(Failing(error)).task()
        assert futex(task, addr, op, *rest) == -number
        assert not task.blocked
        assert len(task.manager) == 0


def test_other_exceptions_of_a_target_propagate():
    task = Guest(Failing(ZeroDivisionError())).task()
    with pytest.raises(ZeroDivisionError):
        futex(task, WORD, FUTEX_WAIT, 0)
    assert not task.blocked


# --- a thread id ----------------------------------------------------------------------------------------------------


def test_set_tid_address_answers_the_thread_id(guest):
    task = guest.task(77)
    assert set_tid_address(task, WORD) == 77
    assert task.clear_child_tid == WORD
    assert set_tid_address(task, -8) == 77
    assert task.clear_child_tid == 2**64 - 8


def test_constants_are_those_of_the_header():
    assert (linux.FUTEX_LOCK_PI2_PRIVATE, linux.FUTEX_CMD_MASK, FUTEX_LOCK_PI) == (141, ~384, 6)
    assert FUTEX_OP(FUTEX_OP_ADD | 8, -1, FUTEX_OP_CMP_NE, 0x1FFF) == 0x91FFFFFF
