"""AddressSpace: regions mapped at guest addresses, private or shared."""

import errno
import gc
import mmap

import pytest
from expect import oserror
from model import OP_ADD, encode_op

from pyfutex import (
    ALL,
    AddressSpace,
    InvalidArgument,
    KeyKind,
    Mappable,
    Memory,
    Region,
    Target,
    Waiter,
    WaiterState,
    WaitResult,
)

PAGE = 4096
ADD_ONE = encode_op(OP_ADD, 1, 0, 0)


@pytest.fixture
def space():
    """A space with one private page at 0x10000."""
    made = AddressSpace()
    made.map(0x10000, bytearray(PAGE))
    return made


def test_a_new_space_has_no_regions():
    space = AddressSpace()
    assert space.regions() == []
    with oserror(errno.EFAULT):
        space.load(0)


def test_a_space_is_a_target(space):
    assert isinstance(space, Target)


def test_map_answers_the_region(space):
    buffer = bytearray(PAGE)
    region = space.map(0x20000, buffer)
    assert isinstance(region, Region)
    assert (region.addr, region.length, region.offset, region.mappable) == (0x20000, PAGE, 0, None)
    assert isinstance(region.memory, Memory)
    assert region.memory.obj is buffer


def test_map_takes_a_memory_as_it_is(space):
    mem = Memory(bytearray(PAGE))
    assert space.map(0x20000, mem).memory is mem
    mem.store(16, 5)
    assert space.load(0x20010) == 5


def test_a_mapped_word_is_the_buffers_word(space):
    buffer = bytearray(PAGE)
    space.map(0x20000, buffer)
    assert space.swap(0x20008, 7) == 0
    assert buffer[8] == 7
    assert space.compare_and_swap(0x20008, 6, 9) == 7
    assert space.compare_and_swap(0x20008, 7, 9) == 7
    assert space.load(0x20008) == 9


def test_map_takes_a_part_of_the_buffer(space):
    buffer = bytearray(PAGE)
    region = space.map(0x20000, buffer, length=64, offset=128)
    assert (region.length, region.offset) == (64, 128)
    space.swap(0x20000, 5)
    assert buffer[128] == 5
    with oserror(errno.EFAULT):
        space.load(0x20040)


def test_regions_are_listed_by_address(space):
    space.map(0x30000, bytearray(PAGE))
    space.map(0x20000, bytearray(PAGE))
    assert [region.addr for region in space.regions()] == [0x10000, 0x20000, 0x30000]


@pytest.mark.parametrize("addr", [0x0, 0xFFFC, 0x11000, 0x1FFFC, -4, 2**64 - 4, 2**64, 2**100])
def test_an_address_outside_every_region_is_a_fault(space, manager, addr):
    with oserror(errno.EFAULT):
        space.load(addr)
    with oserror(errno.EFAULT):
        manager.wait(space, addr, 0, 0)
    with oserror(errno.EFAULT):
        manager.wake(space, addr)
    assert manager.wait_prepare(Waiter(), space, addr, 0) == -errno.EFAULT


def test_a_misaligned_address_is_invalid(space, manager):
    with oserror(errno.EINVAL, InvalidArgument):
        space.load(0x10002)
    with oserror(errno.EINVAL, InvalidArgument):
        manager.wake(space, 0x10002)


@pytest.mark.parametrize(
    ("addr", "length"),
    [(0x10000, PAGE), (0x10800, 64), (0xF000, PAGE + 4), (0xF000, 3 * PAGE), (0x10FF8, 16), (0x10FF8, 8)],
)
def test_map_refuses_an_overlap_and_changes_nothing(space, addr, length):
    before = space.regions()
    with pytest.raises(ValueError, match="overlap"):
        space.map(addr, bytearray(length))
    assert space.regions() == before


def test_map_takes_neighbours(space):
    space.map(0xF000, bytearray(PAGE))
    space.map(0x11000, bytearray(PAGE))
    assert len(space.regions()) == 3
    assert space.load(0x10FFC) == space.load(0x11000) == 0


def test_map_refuses_a_part_outside_the_buffer(space):
    before = space.regions()
    for options in (
        {"length": PAGE + 4},
        {"offset": PAGE + 4},
        {"offset": 4, "length": PAGE},
        {"offset": -4},
    ):
        with pytest.raises((ValueError, OverflowError, OSError)):
            space.map(0x20000, bytearray(PAGE), **options)
    assert space.regions() == before


def test_map_refuses_what_would_leave_the_address_range(space):
    for addr in (-PAGE, 2**64 - PAGE // 2, 2**64):
        with pytest.raises((ValueError, OverflowError, OSError)):
            space.map(addr, bytearray(PAGE))
    space.map(2**64 - PAGE, bytearray(PAGE))
    assert space.load(2**64 - 4) == 0


def test_map_refuses_a_misaligned_address(space):
    with oserror(errno.EINVAL, InvalidArgument):
        space.map(0x20002, bytearray(PAGE))


def test_map_refuses_what_is_no_buffer(space):
    with pytest.raises(TypeError):
        space.map(0x20000, 5)


def test_map_refuses_a_read_only_buffer_unless_the_region_is(space):
    with pytest.raises((BufferError, TypeError)):
        space.map(0x20000, bytes(PAGE))


def test_unmap_takes_the_region_away(space):
    space.unmap(0x10000, PAGE)
    assert space.regions() == []
    with oserror(errno.EFAULT):
        space.load(0x10000)


def test_unmap_lets_the_export_go():
    space, buffer = AddressSpace(), bytearray(PAGE)
    space.map(0x10000, buffer)
    with pytest.raises(BufferError):
        buffer.extend(b"x")
    space.unmap(0x10000, PAGE)
    gc.collect()
    buffer.extend(b"x")


def test_unmap_of_several_regions_at_once(space):
    space.map(0x11000, bytearray(PAGE))
    space.map(0x20000, bytearray(PAGE))
    space.unmap(0x10000, 2 * PAGE)
    assert [region.addr for region in space.regions()] == [0x20000]


def test_unmap_leaves_a_waiter_queued_that_can_be_cancelled(space, manager, queue_up):
    w = queue_up(0x10000, mem=space)
    space.unmap(0x10000, PAGE)
    with oserror(errno.EFAULT):
        manager.wake(space, 0x10000)
    assert w.state is WaiterState.QUEUED
    assert w.cancel()


def test_unmap_leaves_a_waiter_queued_that_a_new_mapping_reaches(space, manager, queue_up):
    w = queue_up(0x10000, mem=space)
    space.unmap(0x10000, PAGE)
    space.map(0x10000, bytearray(PAGE))
    assert manager.wake(space, 0x10000) == 1
    assert w.woken


def test_unmap_returns_while_a_thread_waits(space, manager, spawn, wait_until):
    sleeper = spawn(manager.wait, space, 0x10000, 0)
    wait_until(lambda: len(manager) == 1)
    space.unmap(0x10000, PAGE)
    assert not sleeper.done
    space.map(0x10000, bytearray(PAGE))
    assert manager.wake(space, 0x10000) == 1
    assert sleeper.result() is WaitResult.WOKEN


def test_unmap_lets_a_waiting_thread_time_out(space, manager, spawn, wait_until):
    sleeper = spawn(manager.wait, space, 0x10000, 0, 0.1)
    wait_until(lambda: len(manager) == 1)
    space.unmap(0x10000, PAGE)
    assert sleeper.result() is WaitResult.TIMEOUT


def test_private_waiters_of_two_spaces_do_not_meet(space, manager, queue_up):
    other = AddressSpace()
    other.map(0x10000, space.regions()[0].memory)
    w = queue_up(0x10000, mem=space)
    assert manager.wake(other, 0x10000, ALL) == 0
    assert manager.wake(space, 0x10000) == 1
    assert w.woken


def test_a_private_key_is_the_guest_address(space, queue_up):
    w = queue_up(0x10040, mem=space)
    assert (w.key.kind, w.key.offset) == (KeyKind.PRIVATE, 0x10040)


def test_a_private_key_depends_on_the_address_and_not_on_the_memory(space, manager, queue_up):
    space.map(0x20000, space.regions()[0].memory)
    queue_up(0x10000, mem=space)
    assert manager.wake(space, 0x20000, ALL) == 0
    assert manager.wake(space, 0x10000) == 1


def test_shared_regions_of_two_spaces_meet_by_their_mappable(manager, queue_up):
    segment, buffer = Mappable("segment"), mmap.mmap(-1, 2 * PAGE)
    one, two = AddressSpace(), AddressSpace()
    one.map(0x10000, buffer, mappable=segment)
    two.map(0x70000, buffer, offset=PAGE, mappable=segment, mappable_offset=PAGE)
    w = queue_up(0x11008, mem=one)
    assert (w.key.mappable, w.key.offset) == (segment, PAGE + 8)
    assert manager.wake(two, 0x70008) == 1
    assert w.woken


def test_two_regions_of_one_mappable_meet_within_a_space(manager, queue_up):
    segment, buffer = Mappable("segment"), bytearray(PAGE)
    space = AddressSpace()
    space.map(0x10000, buffer, mappable=segment)
    space.map(0x20000, buffer, mappable=segment)
    w = queue_up(0x10000, mem=space)
    assert manager.wake(space, 0x20000) == 1
    assert w.woken


def test_a_shared_region_can_be_waited_on_privately(manager, queue_up):
    space = AddressSpace()
    space.map(0x10000, bytearray(PAGE), mappable=Mappable())
    queue_up(0x10000, mem=space, private=True)
    assert manager.wake(space, 0x10000) == 0
    assert manager.wake(space, 0x10000, private=True) == 1


def test_a_memory_brings_its_own_mappable(manager, queue_up):
    segment = Mappable("segment")
    mem = Memory(bytearray(PAGE), mappable=segment, offset=PAGE)
    space = AddressSpace()
    assert space.map(0x10000, mem).mappable is segment
    w = queue_up(0x10008, mem=space)
    assert w.key.offset == PAGE + 8
    assert manager.wake(mem, 8) == 1


def test_private_and_shared_regions_lie_in_one_space(space, manager, queue_up):
    space.map(0x20000, bytearray(PAGE), mappable=Mappable())
    assert queue_up(0x10000, mem=space).key.kind is KeyKind.PRIVATE
    assert queue_up(0x20000, mem=space).key.kind is KeyKind.SHARED_MAPPABLE
    assert manager.requeue(space, 0x10000, 0x20000, 0) == (0, 1)
    assert manager.wake(space, 0x20000, ALL) == 2


def test_a_region_that_is_not_writable_can_be_waited_on_and_woken(manager, queue_up):
    space = AddressSpace()
    space.map(0x10000, bytearray(PAGE), writable=False)
    w = queue_up(0x10000, mem=space)
    assert space.load(0x10000) == 0
    assert manager.wake(space, 0x10000) == 1
    assert w.woken


def test_a_region_that_is_not_writable_refuses_every_change(manager, space):
    space.map(0x20000, bytearray(PAGE), writable=False)
    for change in (
        lambda: space.swap(0x20000, 1),
        lambda: space.compare_and_swap(0x20000, 0, 1),
        lambda: manager.wake_op(space, 0x10000, 0x20000, ADD_ONE),
        lambda: manager.lock_pi(space, 0x20000, tid=7),
        lambda: manager.trylock_pi(space, 0x20000, tid=7),
    ):
        with oserror(errno.EFAULT):
            change()
    assert manager.lock_pi_prepare(Waiter(), space, 0x20000, tid=7) == -errno.EFAULT
    assert space.load(0x20000) == 0


def test_wake_op_may_name_a_read_only_word_first(manager, space):
    space.map(0x20000, bytearray(PAGE), writable=False)
    assert manager.wake_op(space, 0x20000, 0x10000, ADD_ONE) == 0
    assert space.load(0x10000) == 1


def test_fork_gives_the_same_regions_in_another_space(space):
    space.map(0x20000, bytearray(PAGE), mappable=Mappable(), writable=False)
    child = space.fork()
    assert isinstance(child, AddressSpace)
    assert [(r.addr, r.length) for r in child.regions()] == [(r.addr, r.length) for r in space.regions()]
    with oserror(errno.EFAULT):
        child.swap(0x20000, 1)


def test_fork_copies_private_regions(space):
    space.swap(0x10000, 5)
    child = space.fork()
    assert child.load(0x10000) == 5
    child.swap(0x10000, 6)
    space.swap(0x10004, 7)
    assert (space.load(0x10000), child.load(0x10004)) == (5, 0)


def test_fork_shares_shared_regions(manager, queue_up):
    segment, space = Mappable("segment"), AddressSpace()
    space.map(0x10000, bytearray(PAGE), mappable=segment)
    child = space.fork()
    child.swap(0x10000, 6)
    assert space.load(0x10000) == 6
    w = queue_up(0x10000, 6, mem=space)
    assert manager.fork().wake(child, 0x10000) == 1
    assert w.woken


def test_fork_asks_its_caller_for_the_copy_of_a_private_region(space):
    space.map(0x20000, bytearray(PAGE), mappable=Mappable())
    asked = []

    def copy(region):
        asked.append(region.addr)
        return bytearray(b"\x09" * region.length)

    child = space.fork(copy)
    assert asked == [0x10000]
    assert child.load(0x10000) == 0x0909_0909


def test_fork_lets_an_exception_of_the_copy_through(space):
    def copy(region):
        raise LookupError(region.addr)

    with pytest.raises(LookupError):
        space.fork(copy)
    assert len(space.regions()) == 1


def test_private_waiters_of_a_forked_space_do_not_meet(space, manager, queue_up):
    child = space.fork()
    queue_up(0x10000, mem=space)
    assert manager.wake(child, 0x10000, ALL) == 0


def test_map_and_unmap_go_on_while_others_wake(space, manager, spawn):
    stop = []

    def wake():
        rounds = 0
        while not stop or rounds == 0:
            assert manager.wake(space, 0x10000) == 0
            assert space.load(0x10000) == 0
            rounds += 1
        return rounds

    wakers = [spawn(wake) for _ in range(2)]
    for _ in range(50):
        for index in range(8):
            space.map(0x20000 + index * PAGE, bytearray(PAGE))
        space.unmap(0x20000, 8 * PAGE)
    stop.append(True)
    assert all(waker.result() for waker in wakers)
    assert len(space.regions()) == 1


def test_unmap_of_a_middle_leaves_both_ends(space):
    space.map(0x20000, bytearray(3 * PAGE))
    space.unmap(0x20000 + PAGE, PAGE)
    assert [region.addr for region in space.regions()] == [0x10000, 0x20000, 0x22000]


def test_a_range_ends_within_64_bits(space):
    with pytest.raises(OverflowError, match="64 bits"):
        space.unmap(2**64 - PAGE, 2 * PAGE)


def test_a_space_says_how_many_regions_it_has(space):
    assert repr(space) == "<AddressSpace of 1 regions>"
