"""Robust lists: what an exit does along the list, whatever a guest has put there."""

import itertools
import struct
from errno import EFAULT, EINVAL, EPERM, ESRCH

import pytest
from guests import BASE, KINDS, PAGE, Guest, Words, flat, mapped, poke

import pyfutex
from pyfutex import Manager
from pyfutex.linux import (
    FUTEX_LOCK_PI,
    FUTEX_OWNER_DIED,
    FUTEX_PRIVATE_FLAG,
    FUTEX_WAIT,
    FUTEX_WAITERS,
    ROBUST_LIST_LIMIT,
    Task,
    futex,
    get_robust_list,
    set_robust_list,
)

HEAD = BASE + 0x100
ENTRIES = BASE + 0x200
OFFSET = 16  # from an entry to its word
TID = 77
DIED = FUTEX_OWNER_DIED
WAITERS = FUTEX_WAITERS


class Lists(Guest):
    """A process that keeps robust lists, of either width."""

    def __init__(self, mem, **options):
        super().__init__(mem, **options)
        self.pointer, self.width = ("I", 4) if self.narrow else ("Q", 8)
        self.base = 0 if not self.narrow else BASE

    def at(self, addr):
        return addr - self.base

    def pointers(self, addr, *values):
        mask = 2 ** (8 * self.width) - 1
        data = struct.pack(f"<{len(values)}{self.pointer}", *(value & mask for value in values))
        poke(self.mem, addr, data)

    def entry(self, index):
        return self.at(ENTRIES) + 32 * index

    def word(self, index):
        return self.entry(index) + OFFSET

    def link(self, *entries, pending=0, offset=OFFSET, end=None):
        """A list of these entries, each the address of one; the last leads to `end`, by default the head."""
        head = self.at(HEAD)
        chain = [*entries, head if end is None else end]
        self.pointers(head, chain[0], offset, pending)
        for this, following in itertools.pairwise(chain):
            self.pointers(this & ~1, following)

    def owner(self, **options):
        task = self.task(TID, **options)
        assert set_robust_list(task, self.at(HEAD), 3 * self.width) == 0
        return task

    def waiter(self, tid, addr, flag=0):
        task = self.task(tid)
        assert futex(task, addr, FUTEX_WAIT | flag, self.load(addr)) is None
        return task


@pytest.fixture(params=[f"{kind}, {abi}" for kind in KINDS for abi in ("lp64", "ilp32")])
def lists(request):
    """A process with memory of each kind and pointers of each width."""
    kind, abi = request.param.split(", ")
    return Lists(KINDS[kind](0 if abi == "ilp32" else BASE), abi=abi)


@pytest.fixture
def wide():
    """A 64-bit process over an address space."""
    return Lists(mapped())


# --- the calls ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 8, 12, 16, 23, 24, 25, -24, 2**32 + 24])
def test_a_head_has_one_size(lists, length):
    task = lists.task()
    right = length == 3 * lists.width or (lists.narrow and length % 2**32 == 12)
    assert set_robust_list(task, 0xDEAD, length) == (0 if right else -EINVAL)
    assert task.robust_list == (0xDEAD if right else 0)


def test_a_list_is_told_with_its_length(lists):
    task = lists.owner()
    out = lists.at(BASE)
    assert get_robust_list(task, 0, out, out + 8) == 0
    assert get_robust_list(lists.task(2), TID, out + 16, out + 24) == 0
    for addr, expected in ((out, task.robust_list), (out + 8, 3 * lists.width)):
        words = [lists.load(addr + offset) for offset in range(0, lists.width, 4)]
        assert words == [lists.load(addr + 16 + offset) for offset in range(0, lists.width, 4)]
        assert sum(word << 32 * i for i, word in enumerate(words)) == expected


@pytest.mark.parametrize("pid", [3, -1, 2**31, 2**30])
def test_the_list_of_nobody(lists, pid):
    assert get_robust_list(lists.owner(), pid, 0, 0) == -ESRCH


def test_the_list_of_who_has_exited(lists):
    lists.task(5).exit()
    assert get_robust_list(lists.task(), 5, lists.at(BASE), lists.at(BASE)) == -ESRCH


@pytest.mark.parametrize(("uid", "other", "answer"), [(0, 5, 0), (5, 5, 0), (5, 6, -EPERM), (5, 0, -EPERM)])
def test_whose_list_may_be_asked_for(uid, other, answer):
    guest = Lists(flat())
    task = guest.task(uid=uid)
    Task(5, flat(), guest.manager.fork(), uid=other)
    guest.task(6, uid=other)
    assert get_robust_list(task, 5, BASE, BASE + 8) == answer
    assert get_robust_list(task, 6, BASE, BASE + 8) == 0


def test_the_length_is_written_before_the_head(lists):
    task = lists.owner()
    out = lists.at(BASE)
    assert get_robust_list(task, 0, lists.at(BASE) + PAGE, out) == -EFAULT
    assert lists.load(out) == 3 * lists.width
    assert get_robust_list(task, 0, out + 8, lists.at(BASE) + PAGE) == -EFAULT
    assert lists.load(out + 8) == 0


# --- the walk -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [0, WAITERS, DIED, WAITERS | DIED])
def test_an_owners_words_are_marked(lists, bits):
    lists.link(lists.entry(0), lists.entry(1))
    lists.store(lists.word(0), TID | bits)
    lists.store(lists.word(1), 5 | bits)
    lists.owner().exit()
    assert lists.load(lists.word(0)) == bits & WAITERS | DIED
    assert lists.load(lists.word(1)) == 5 | bits


def test_who_waits_as_shared_is_woken(lists):
    lists.link(*map(lists.entry, range(4)))
    for index, word in enumerate((TID | WAITERS, TID | WAITERS, TID, 5 | WAITERS)):
        lists.store(lists.word(index), word)
    shared = lists.waiter(1, lists.word(0))
    behind = lists.waiter(2, lists.word(0))
    private = lists.waiter(3, lists.word(1), FUTEX_PRIVATE_FLAG)
    unannounced = lists.waiter(4, lists.word(2))
    foreign = lists.waiter(5, lists.word(3))
    lists.owner().exit()
    tasks = (shared, behind, private, unannounced, foreign)
    assert [task.blocked for task in tasks] == [False, True, True, True, True]


def test_an_offset_may_be_negative(lists):
    lists.link(lists.entry(1), offset=OFFSET - 32)
    lists.store(lists.word(0), TID)
    lists.owner().exit()
    assert lists.load(lists.word(0)) == DIED


def test_a_list_that_is_empty(lists):
    lists.link()
    lists.owner().exit()


@pytest.mark.parametrize(
    ("bits", "after", "woken"), [(TID | WAITERS, WAITERS | DIED, True), (TID, DIED, False)]
)
def test_a_pending_entry_is_looked_at_last(lists, bits, after, woken):
    lists.link(lists.entry(0), pending=lists.entry(1))
    lists.store(lists.word(0), TID)
    lists.store(lists.word(1), bits)
    waiter = lists.waiter(1, lists.word(1))
    lists.owner().exit()
    assert (lists.load(lists.word(0)), lists.load(lists.word(1))) == (DIED, after)
    assert waiter.blocked is not woken


@pytest.mark.parametrize("word", [0, WAITERS, DIED, DIED | WAITERS])
def test_a_pending_unlock_that_gave_the_word_up_wakes(lists, word):
    lists.link(pending=lists.entry(0))
    lists.store(lists.word(0), word)
    waiter = lists.waiter(1, lists.word(0))
    lists.owner().exit()
    assert not waiter.blocked
    assert lists.load(lists.word(0)) == word


def test_a_listed_word_that_is_free_wakes_nobody(lists):
    lists.link(lists.entry(0))
    waiter = lists.waiter(1, lists.word(0))
    lists.owner().exit()
    assert waiter.blocked


def test_a_pending_entry_that_is_listed_is_looked_at_once(lists):
    lists.link(lists.entry(0), lists.entry(1), pending=lists.entry(0))
    for index in range(2):
        lists.store(lists.word(index), TID | WAITERS)
    lists.owner().exit()
    assert [lists.load(lists.word(index)) for index in range(2)] == [WAITERS | DIED] * 2


@pytest.mark.parametrize(
    ("profile", "woken"), [("linux-6.12", True), ("linux-6.18", False), ("linux-7.2", True)]
)
def test_a_pending_unlock_of_a_word_taken_over_without_waiters(profile, woken):
    lists = Lists(flat(), manager=Manager(profile=profile))
    lists.link(pending=lists.entry(0))
    lists.store(lists.word(0), 5)
    waiter = lists.waiter(1, lists.word(0))
    lists.owner().exit()
    assert waiter.blocked is not woken
    assert lists.load(lists.word(0)) == 5


def test_a_pending_pi_entry_does_not_wake(lists):
    lists.link(pending=lists.entry(0) | 1)
    waiter = lists.waiter(1, lists.word(0))
    lists.owner().exit()
    assert waiter.blocked


def test_a_pi_word_goes_on_to_who_waits_for_it(lists):
    lists.link(lists.entry(0) | 1, lists.entry(1))
    owner, heir = lists.owner(), lists.task(1)
    for index in range(2):
        lists.store(lists.word(index), TID)
    assert futex(heir, lists.word(0), FUTEX_LOCK_PI, 0) is None
    owner.exit()
    assert heir.result() == 0
    assert lists.load(lists.word(0)) == 1 | DIED | WAITERS
    assert lists.load(lists.word(1)) == DIED


def test_a_pi_word_that_is_in_no_list_goes_on_too(lists):
    owner, heir = lists.task(TID), lists.task(1)
    lists.store(lists.word(0), TID)
    assert futex(heir, lists.word(0), FUTEX_LOCK_PI | FUTEX_PRIVATE_FLAG, 0) is None
    owner.exit()
    assert heir.result() == 0
    assert lists.load(lists.word(0)) == 1 | DIED | WAITERS


# --- what a guest may have put there --------------------------------------------------------------------------------


def test_a_circle_ends_at_the_limit(lists):
    lists.link(lists.entry(0), end=lists.entry(0), pending=lists.entry(1))
    for index in range(2):
        lists.store(lists.word(index), TID)
    lists.owner().exit()
    assert [lists.load(lists.word(index)) for index in range(2)] == [DIED, DIED]


def test_no_more_entries_than_the_limit():
    n = ROBUST_LIST_LIMIT + 1
    lists = Lists(pyfutex.Memory(bytearray(32 * n + 2 * PAGE), BASE))
    lists.link(*map(lists.entry, range(n)), pending=lists.entry(n))
    for index in range(n + 1):
        lists.store(lists.word(index), TID)
    lists.owner().exit()
    seen = [lists.load(lists.word(index)) for index in range(n + 1)]
    assert seen == [DIED] * ROBUST_LIST_LIMIT + [TID, DIED]


@pytest.mark.parametrize("end", [0, 8, BASE + PAGE, 2**47, 2**63, 2**64 - 8])
def test_a_link_that_leads_nowhere_ends_the_walk(wide, end):
    wide.link(wide.entry(0), end=end, pending=wide.entry(1))
    for index in range(2):
        wide.store(wide.word(index), TID)
    wide.owner().exit()
    # The entry itself was there; the one behind it, and what is pending, are passed over.
    assert [wide.load(wide.word(index)) for index in range(2)] == [DIED, TID]


@pytest.mark.parametrize("offset", [OFFSET + 1, OFFSET + 2, PAGE, -PAGE, 2**62])
def test_a_word_that_cannot_be_read_ends_the_walk(wide, offset):
    wide.link(wide.entry(0), wide.entry(1), pending=wide.entry(2), offset=offset)
    for index in range(3):
        wide.store(wide.word(index), TID)
    wide.owner().exit()
    assert [wide.load(wide.word(index)) for index in range(3)] == [TID] * 3


@pytest.mark.parametrize("head", [0, 8, BASE + PAGE - 8, BASE + PAGE - 16, BASE + PAGE, 2**63, 2**64 - 1])
def test_a_head_that_is_not_there(wide, head):
    task = wide.task(TID)
    assert set_robust_list(task, head, 24) == 0
    wide.store(BASE + PAGE - 8, 0xFFFF_FFF0, 0xFFFF_FFFF)
    task.exit()


def test_a_word_that_may_not_be_written_ends_the_walk():
    space = mapped()
    space.map(BASE + PAGE, bytearray(struct.pack("<I", TID) * 8), writable=False)
    lists = Lists(space)
    for entry, expected in ((BASE + PAGE - OFFSET, [TID]), (lists.entry(1), [DIED])):
        lists.link(entry, lists.entry(0))
        lists.store(lists.word(0), TID)
        lists.store(lists.word(1), 5)
        lists.owner().exit()
        assert [lists.load(lists.word(0))] == expected


def test_a_target_that_fails_ends_the_walk():
    class Failing(Words):
        def compare_and_swap(self, addr, old, new, size=4, /):
            raise OSError(EFAULT, "no")

    lists = Lists(Failing(BASE))
    lists.link(lists.entry(0), lists.entry(1))
    for index in range(2):
        lists.store(lists.word(index), TID)
    lists.owner().exit()
    assert [lists.load(lists.word(index)) for index in range(2)] == [TID, TID]


def test_the_list_comes_before_the_thread_id(lists):
    seen = []
    lists.link(lists.entry(0))
    lists.store(lists.word(0), TID | WAITERS)
    joined = lists.at(BASE) + 8
    lists.store(joined, TID)
    owner = lists.owner()
    owner.clear_child_tid = joined
    for tid, addr in ((1, lists.word(0)), (2, joined)):
        task = lists.task(tid, on_complete=lambda task, _: seen.append((task.tid, lists.load(joined))))
        assert futex(task, addr, FUTEX_WAIT, lists.load(addr)) is None
    owner.exit()
    assert seen == [(1, TID), (2, 0)]
