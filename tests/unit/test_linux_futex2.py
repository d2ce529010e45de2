"""The calls that came after futex(2), as guest threads make them."""

import struct
from errno import EAGAIN, EFAULT, EINTR, EINVAL, ETIMEDOUT
from time import CLOCK_MONOTONIC, CLOCK_REALTIME

import pytest
from guests import BASE, KINDS, PAGE, TIME, WORD, WORD2, Guest, Words, flat, mapped, poke

import pyfutex
from pyfutex import Manager
from pyfutex.linux import (
    FUTEX2_MPOL,
    FUTEX2_NUMA,
    FUTEX2_PRIVATE,
    FUTEX2_SIZE_U16,
    FUTEX2_SIZE_U32,
    FUTEX2_SIZE_U64,
    FUTEX_PRIVATE_FLAG,
    FUTEX_WAIT,
    FUTEX_WAKE,
    RESTART,
    Task,
    futex,
    futex_requeue,
    futex_wait,
    futex_waitv,
    futex_wake,
    get_robust_list,
    set_robust_list,
)

ARRAY = BASE + 1024
NUMA = BASE + 512
NO_NODE = 0xFFFF_FFFF
U32 = FUTEX2_SIZE_U32
ANY = 0xFFFF_FFFF
BAD_FLAGS = [0, FUTEX2_SIZE_U16, FUTEX2_SIZE_U64, U32 | 16, U32 | 64, U32 | 256, U32 | 2**31]


@pytest.fixture(params=KINDS)
def guest(request):
    """A process with memory of each kind."""
    return Guest(KINDS[request.param]())


def entries(guest, *items, addr=ARRAY):
    """Write (val, addr, flags[, reserved]) as struct futex_waitv; where they are."""
    data = b"".join(struct.pack("<QQII", *item, *([0] * (4 - len(item)))) for item in items)
    poke(guest.mem, addr, data)
    return addr


# --- one word -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [U32, U32 | FUTEX2_PRIVATE, U32 | FUTEX2_MPOL])
def test_a_wait_and_a_wake(guest, flags):
    task, other = guest.task(1), guest.task(2)
    assert futex_wait(task, WORD, 0, 0b110, flags, 0, 0) is None
    assert futex_wake(other, WORD, 0b001, 5, flags) == 0
    assert futex_wake(other, WORD, 0b010, 0, flags) == 0
    assert futex_wake(other, WORD, 0b010, 5, flags) == 1
    assert task.result() == 0


@pytest.mark.parametrize("flag", [0, FUTEX2_PRIVATE])
def test_both_families_meet(guest, flag):
    task, other = guest.task(1), guest.task(2)
    assert futex(task, WORD, FUTEX_WAIT | flag, 0) is None
    assert futex_wake(other, WORD, ANY, 1, U32 | (flag ^ FUTEX_PRIVATE_FLAG)) == 0
    assert futex_wake(other, WORD, ANY, 1, U32 | flag) == 1


@pytest.mark.parametrize(
    ("profile", "answer"), [("linux-6.12", 1), ("linux-6.18", 1), ("linux-7.2", -EINVAL)]
)
def test_a_negative_number(profile, answer):
    guest = Guest(flat(), manager=Manager(profile=profile))
    guest.task(1)
    calls = (
        lambda task: futex_wake(task, WORD, ANY, -1, U32),
        lambda task: futex(task, WORD, FUTEX_WAKE, -1),
    )
    for tid, wake in enumerate(calls, 2):
        task = guest.task(tid)
        assert futex(task, WORD, FUTEX_WAIT, 0) is None
        assert wake(guest.task(tid + 10)) == answer
        task.interrupt()


@pytest.mark.parametrize("flags", BAD_FLAGS)
def test_flags_that_are_none(guest, flags):
    task = guest.task()
    assert futex_wake(task, WORD, ANY, 1, flags) == -EINVAL
    assert futex_wait(task, WORD, 0, ANY, flags, 0, 0) == -EINVAL
    assert futex_requeue(task, entries(guest, (0, WORD, flags), (0, WORD2, flags)), 0, 1, 1) == -EINVAL
    assert futex_waitv(task, ARRAY, 1, 0, 0, 0) == -EINVAL


@pytest.mark.parametrize(
    ("addr", "val", "mask", "answer"),
    [
        (WORD, 1, ANY, -EAGAIN),
        (WORD, 2**32, ANY, -EINVAL),
        (WORD, 0, 0, -EINVAL),
        (WORD, 0, 2**32, -EINVAL),
        (WORD + 1, 0, ANY, -EINVAL),
        (BASE + PAGE, 0, ANY, -EFAULT),
    ],
)
def test_what_a_wait_refuses(guest, addr, val, mask, answer):
    assert futex_wait(guest.task(), addr, val, mask, U32, 0, 0) == answer


@pytest.mark.parametrize("clock", [CLOCK_MONOTONIC, CLOCK_REALTIME])
def test_deadlines(guest, clock):
    task = guest.task()
    waits = [
        lambda: futex_wait(task, WORD, 0, ANY, U32, TIME, clock),
        lambda: futex_waitv(task, entries(guest, (0, WORD, U32)), 1, 0, TIME, clock),
    ]
    for wait in waits:
        guest.timespec(2**33, 7)
        assert wait() is None
        assert task.deadline == (clock, 2**33 * 10**9 + 7)
        assert task.interrupt(ETIMEDOUT) == -ETIMEDOUT
        guest.timespec(1, 0)
        assert wait() == -ETIMEDOUT
        guest.store(WORD, 1)
        assert wait() == -EAGAIN
        guest.store(WORD, 0)


@pytest.mark.parametrize("clock", [2, 7, -1, 2**31])
def test_clocks_that_are_none(guest, clock):
    task = guest.task()
    entries(guest, (1, WORD, U32))
    guest.timespec(1, 0)
    assert futex_wait(task, WORD, 1, ANY, U32, TIME, clock) == -EINVAL
    assert futex_waitv(task, ARRAY, 1, 0, TIME, clock) == -EINVAL
    # Without a time it is not looked at.
    assert futex_wait(task, WORD, 1, ANY, U32, 0, clock) == -EAGAIN
    assert futex_waitv(task, ARRAY, 1, 0, 0, clock) == -EAGAIN


@pytest.mark.parametrize("sa_restart", [False, True])
def test_signals(guest, sa_restart):
    task = guest.task()
    guest.timespec(2**33, 0)
    for wait in (
        lambda: futex_wait(task, WORD, 0, ANY, U32, TIME, 1),
        lambda: futex_waitv(task, entries(guest, (0, WORD, U32)), 1, 0, TIME, 1),
    ):
        assert wait() is None
        assert task.interrupt(EINTR, sa_restart=sa_restart) == (RESTART if sa_restart else -EINTR)


# --- requeue --------------------------------------------------------------------------------------------------------


def test_waiters_move(guest):
    tasks = [guest.task(tid) for tid in range(1, 5)]
    for task in tasks:
        assert futex_wait(task, WORD, 0, ANY, U32, 0, 0) is None
    array = entries(guest, (0, WORD, U32), (99, WORD2, U32))
    caller = guest.task(9)
    assert futex_requeue(caller, array, 0, 1, 2) == 3
    assert futex_wake(caller, WORD2, ANY, 9, U32) == 2
    assert [task.blocked for task in tasks] == [False, False, False, True]


@pytest.mark.parametrize(
    ("first", "second", "flags", "n", "m", "answer"),
    [
        ((1, WORD, U32), (0, WORD2, U32), 0, 1, 1, -EAGAIN),
        ((0, WORD, U32), (0, WORD2, U32), 1, 1, 1, -EINVAL),
        ((0, WORD, U32), (0, WORD2, U32 | FUTEX2_PRIVATE), 0, 1, 1, -EINVAL),
        ((0, WORD, U32, 1), (0, WORD2, U32), 0, 1, 1, -EINVAL),
        ((2**32, WORD, U32), (0, WORD2, U32), 0, 1, 1, -EINVAL),
        ((0, WORD, U32), (0, WORD2, U32), 0, -1, 1, -EINVAL),
        ((0, WORD, U32), (0, WORD2, U32), 0, 1, -1, -EINVAL),
        ((0, WORD, U32), (0, WORD2 + 2, U32), 0, 1, 1, -EINVAL),
    ],
)
def test_what_a_requeue_refuses(guest, first, second, flags, n, m, answer):
    assert futex_requeue(guest.task(), entries(guest, first, second), flags, n, m) == answer


@pytest.mark.parametrize(
    ("array", "answer"), [(0, -EINVAL), (BASE + PAGE, -EFAULT), (BASE + PAGE - 24, -EFAULT)]
)
def test_an_array_that_is_not_there(guest, array, answer):
    entries(guest, (0, WORD, U32), addr=BASE + PAGE - 24)
    assert futex_requeue(guest.task(), array, 0, 1, 1) == answer
    assert futex_waitv(guest.task(2), array, 2, 0, 0, 0) == answer


# --- vectors --------------------------------------------------------------------------------------------------------


def test_the_index_of_what_was_woken(guest):
    task, other = guest.task(1), guest.task(2)
    array = entries(guest, (0, WORD, U32), (0, WORD2, U32 | FUTEX2_PRIVATE), (0, WORD + 4, U32))
    for index, (addr, flags) in enumerate([(WORD, U32), (WORD2, U32 | FUTEX2_PRIVATE), (WORD + 4, U32)]):
        assert futex_waitv(task, array, 3, 0, 0, 0) is None
        assert futex_wake(other, addr, ANY, 9, flags) == 1
        assert task.result() == index
    assert len(guest.manager) == 0


def test_the_end_of_a_vector_is_told():
    told = []
    guest = Guest(flat())
    task = guest.task(1, on_complete=lambda task, value: told.append((task.tid, value)))
    array = entries(guest, *[(0, WORD, U32)] * 3)
    assert futex_waitv(task, array, 3, 0, 0, 0) is None
    assert futex(guest.task(2), WORD, FUTEX_WAKE, 10) == 3
    assert told == [(1, 2)]


@pytest.mark.parametrize(
    ("n", "answer"), [(0, -EINVAL), (129, -EINVAL), (-1, -EINVAL), (2**32, -EINVAL), (128, None)]
)
def test_how_many(guest, n, answer):
    entries(guest, *[(0, WORD, U32)] * 100)
    entries(guest, *[(0, WORD, U32)] * 28, addr=ARRAY + 2400)
    task = guest.task()
    assert futex_waitv(task, ARRAY, n, 0, 0, 0) == answer
    task.exit()
    assert len(guest.manager) == 0


@pytest.mark.parametrize(
    ("bad", "answer"),
    [
        ((1, WORD2, U32), -EAGAIN),
        ((2**32, WORD2, U32), -EINVAL),
        ((0, WORD2, U32, 7), -EINVAL),
        ((0, WORD2 + 1, U32), -EINVAL),
        ((0, 0, U32), -EFAULT),
        ((0, 0, U32 | FUTEX2_PRIVATE), -EFAULT),
        ((0, 2**64 - 4, U32 | FUTEX2_PRIVATE), -EFAULT),
    ],
)
def test_one_bad_entry_queues_none(guest, bad, answer):
    task = guest.task()
    assert futex_waitv(task, entries(guest, (0, WORD, U32), bad), 2, 0, 0, 0) == answer
    assert len(guest.manager) == 0
    assert not task.blocked
    assert futex(task, WORD, FUTEX_WAIT, 0) is None


def test_a_vector_has_no_flags(guest):
    entries(guest, (0, WORD, U32))
    assert futex_waitv(guest.task(), ARRAY, 1, 1, 0, 0) == -EINVAL


# --- nodes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("private", [0, FUTEX2_PRIVATE])
def test_a_word_with_a_node_has_a_queue_of_its_own(guest, private):
    flags = U32 | FUTEX2_NUMA | private
    guest.store(NUMA, 0, NO_NODE)
    task, other = guest.task(1), guest.task(2)
    assert futex_wait(task, NUMA, 0, ANY, flags, 0, 0) is None
    assert guest.load(NUMA + 4) == 0
    assert futex_wake(other, NUMA, ANY, 1, U32 | private) == 0
    assert futex_wake(other, NUMA, ANY, 1, flags) == 1
    assert task.result() == 0


def test_a_vector_of_words_with_nodes(guest):
    flags = U32 | FUTEX2_NUMA
    task, other = guest.task(1), guest.task(2)
    assert futex_waitv(task, entries(guest, (0, WORD, U32), (0, NUMA, flags)), 2, 0, 0, 0) is None
    assert futex_wake(other, NUMA, ANY, 1, U32) == 0
    assert futex_wake(other, NUMA, ANY, 1, flags) == 1
    assert task.result() == 1


def test_even_a_wake_writes_the_node(guest):
    guest.store(NUMA, 0, NO_NODE)
    assert futex_wake(guest.task(), NUMA, ANY, 1, U32 | FUTEX2_NUMA | FUTEX2_MPOL) == 0
    assert guest.load(NUMA + 4) == 0


@pytest.mark.parametrize(
    ("addr", "node", "answer"),
    [
        (NUMA, 1, -EINVAL),
        (NUMA, 2**31, -EINVAL),
        (NUMA, 0xFFFF_FFFE, -EINVAL),
        (NUMA + 4, 0, -EINVAL),
        (0, 0, -EFAULT),
    ],
)
def test_nodes_that_are_none(guest, addr, node, answer):
    guest.store(NUMA, 0, node)
    task = guest.task()
    flags = U32 | FUTEX2_NUMA | FUTEX2_PRIVATE
    assert futex_wake(task, addr, ANY, 1, flags) == answer
    assert futex_wait(task, addr, 0, ANY, flags, 0, 0) == answer
    assert futex_waitv(task, entries(guest, (0, addr, flags)), 1, 0, 0, 0) == answer


def test_a_node_that_cannot_be_written():
    space = mapped()
    space.map(BASE + PAGE, bytearray(struct.pack("<II", 0, NO_NODE) * 8), writable=False)
    task = Guest(space).task()
    assert futex_wake(task, BASE + PAGE, ANY, 1, U32 | FUTEX2_NUMA | FUTEX2_PRIVATE) == -EFAULT


@pytest.mark.parametrize("flag", [FUTEX2_NUMA, FUTEX2_MPOL])
def test_kernels_without_nodes(flag):
    task = Guest(flat(), manager=Manager(profile="linux-6.12")).task()
    assert futex_wake(task, NUMA, ANY, 1, U32 | flag) == -EINVAL
    assert (
        futex_wake(Guest(flat(), manager=Manager(profile="linux-7.2")).task(), NUMA, ANY, 1, U32 | flag) == 0
    )


@pytest.mark.parametrize("profile", ["linux", "gvisor", None, 6])
def test_profiles_that_are_none(profile):
    with pytest.raises(ValueError, match="unknown profile"):
        Manager(profile=profile)


def test_a_fork_keeps_its_profile():
    guest = Guest(flat(), manager=Manager(profile="linux-6.12").fork())
    assert futex_wake(guest.task(), NUMA, ANY, 1, U32 | FUTEX2_NUMA) == -EINVAL


# --- big-endian guests ----------------------------------------------------------------------------------------------


@pytest.fixture
def big():
    """A big-endian process: its target answers with words as the guest means them."""
    return Guest(Words(BASE), byteorder="big")


def poke_big(guest, addr, data):
    for offset, (word,) in enumerate(struct.iter_unpack(">I", data)):
        guest.mem.swap(addr + 4 * offset, word)


def test_times_of_a_big_endian_guest(big):
    task = big.task()
    poke_big(big, TIME, struct.pack(">qq", 2**33, 7))
    assert futex_wait(task, WORD, 0, ANY, U32, TIME, 1) is None
    assert task.deadline == (CLOCK_MONOTONIC, 2**33 * 10**9 + 7)


def test_vectors_of_a_big_endian_guest(big):
    task = big.task()
    poke_big(big, ARRAY, struct.pack(">QQII", 0, WORD, U32, 0) + struct.pack(">QQII", 5, WORD2, U32, 0))
    big.store(WORD2, 5)
    assert futex_waitv(task, ARRAY, 2, 0, 0, 0) is None
    assert futex_wake(big.task(2), WORD2, ANY, 1, U32) == 1
    assert task.result() == 1


def test_lists_of_a_big_endian_guest(big):
    task = big.task(77)
    head, entry = BASE + 256, BASE + 512
    poke_big(big, head, struct.pack(">QQQ", entry, 16, 0))
    poke_big(big, entry, struct.pack(">Q", head))
    big.store(entry + 16, 77)
    assert set_robust_list(task, head, 24) == 0
    assert get_robust_list(task, 0, WORD, WORD2) == 0
    assert [big.load(addr) for addr in (WORD, WORD + 4, WORD2, WORD2 + 4)] == [head >> 32, head & ANY, 0, 24]
    task.exit()
    assert big.load(entry + 16) == 0x4000_0000


@pytest.mark.parametrize(("mem", "order"), [(flat(), "big"), (mapped(), "big"), (Words(BASE), "middle")])
def test_byte_orders_that_cannot_be(mem, order):
    with pytest.raises(ValueError, match="byteorder"):
        Task(1, mem, pyfutex.Manager(), byteorder=order)
