"""Memory: bounds, alignment, the export it holds, and where its addresses and keys lie."""

import ctypes
import errno
import gc
import mmap
import pickle
import subprocess
import sys
from array import array
from multiprocessing import shared_memory

import pytest
from expect import oserror

from pyfutex import InvalidArgument, KeyKind, Mappable, Memory, Target

ACCESSES = {
    "load": (),
    "store": (1,),
    "exchange": (1,),
    "compare_exchange": (0, 1),
    "fetch_add": (1,),
    "fetch_sub": (1,),
    "fetch_and": (1,),
    "fetch_or": (1,),
    "fetch_xor": (1,),
}
WIDTHS = pytest.mark.parametrize(("suffix", "width"), [("", 4), ("64", 8)])
NAMES = pytest.mark.parametrize("name", ACCESSES)


@pytest.mark.parametrize(
    "buffer",
    [
        bytearray(64),
        array("I", [0] * 16),
        memoryview(bytearray(64)),
        mmap.mmap(-1, 64),
        (ctypes.c_char * 64)(),
    ],
    ids=["bytearray", "array", "memoryview", "mmap", "ctypes"],
)
def test_memory_lies_over_any_writable_buffer(buffer):
    mem = Memory(buffer)
    mem.store(4, 0x0102_0304)
    assert bytes(memoryview(buffer).cast("B")[4:8]) == bytes([4, 3, 2, 1])
    assert mem.nbytes == 64
    assert mem.obj is buffer


def test_memory_counts_bytes_and_not_items():
    mem = Memory(array("Q", [0] * 4))
    assert mem.nbytes == 32
    mem.store(28, 5)
    assert mem.load(28) == 5


def test_a_view_in_a_cycle_with_its_memory_is_collected():
    """In a process of its own: an interpreter that clears the view before its export is released crashes."""
    program = """
import gc, mmap, weakref
from pyfutex import Memory

class Cycle:
    pass

gone = []
for _ in range(20):
    page = mmap.mmap(-1, mmap.PAGESIZE)
    cycle = Cycle()
    cycle.view = memoryview(page)[64:128]
    cycle.memory = Memory(cycle.view)
    assert cycle.memory.obj is cycle.view
    cycle.itself = cycle
    gone.append(weakref.ref(cycle.view))
    del cycle
    gc.collect()
    page.close()
assert not any(ref() for ref in gone)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_memory_is_a_target():
    assert isinstance(Memory(bytearray(4)), Target)


@pytest.mark.parametrize("buffer", [bytes(64), memoryview(bytearray(64)).toreadonly()], ids=["bytes", "view"])
def test_memory_refuses_a_read_only_buffer(buffer):
    with pytest.raises((BufferError, TypeError)):
        Memory(buffer)


def test_memory_refuses_a_buffer_with_gaps():
    with pytest.raises((BufferError, ValueError)):
        Memory(memoryview(bytearray(64))[::2])


@pytest.mark.parametrize("thing", [None, 5, "text", object()])
def test_memory_refuses_what_is_no_buffer(thing):
    with pytest.raises(TypeError):
        Memory(thing)


def test_memory_refuses_a_released_view():
    view = memoryview(bytearray(64))
    view.release()
    with pytest.raises(ValueError, match="released"):
        Memory(view)


def test_memory_holds_the_export_as_long_as_it_lives():
    buffer = bytearray(64)
    mem = Memory(buffer)
    with pytest.raises(BufferError):
        buffer.extend(b"more")
    del mem
    gc.collect()
    buffer.extend(b"more")


def test_memory_holds_an_mmap_open():
    mapping = mmap.mmap(-1, 4096)
    mem = Memory(mapping)
    with pytest.raises(BufferError):
        mapping.close()
    del mem
    gc.collect()
    mapping.close()


def test_memory_of_a_refused_buffer_leaves_no_export():
    mapping = mmap.mmap(-1, 4096, access=mmap.ACCESS_READ)
    with pytest.raises((BufferError, TypeError)):
        Memory(mapping)
    gc.collect()
    mapping.close()


def test_a_memory_in_a_garbage_cycle_releases_its_export():
    buffer = bytearray(64)
    cycle = [Memory(buffer)]
    cycle.append(cycle)
    del cycle
    gc.collect()
    buffer.extend(b"more")


def test_a_memory_works_in_the_finalizer_of_its_garbage_cycle():
    class Owner:
        def __del__(self):
            self.memory.store(0, 7)
            seen.append(self.memory.obj[0])

    seen = []
    owner = Owner()
    owner.memory = Memory(bytearray(64))
    owner.itself = owner
    del owner
    gc.collect()
    assert seen == [7]


def test_memory_over_shared_memory_sees_the_other_view():
    segment = shared_memory.SharedMemory(create=True, size=64)
    other = shared_memory.SharedMemory(name=segment.name)
    try:
        mem, view = Memory(segment.buf), Memory(other.buf)
        mem.store(8, 77)
        assert view.load(8) == 77
        del mem, view
    finally:
        other.close()
        segment.close()
        segment.unlink()


@WIDTHS
@NAMES
def test_access_beyond_the_end_is_a_fault(name, suffix, width):
    mem = Memory(bytearray(64))
    call = getattr(mem, name + suffix)
    call(64 - width, *ACCESSES[name])
    for addr in (64, 64 + width, 2**32, 2**63, 2**64 - width, 2**64, 2**100):
        with oserror(errno.EFAULT):
            call(addr, *ACCESSES[name])


@WIDTHS
@NAMES
def test_access_before_the_start_is_a_fault(name, suffix, width):
    mem = Memory(bytearray(64), 0x1000)
    call = getattr(mem, name + suffix)
    call(0x1000, *ACCESSES[name])
    for addr in (-width, 0, 0x1000 - width, -(2**64), -(2**100)):
        with oserror(errno.EFAULT):
            call(addr, *ACCESSES[name])


@WIDTHS
@NAMES
def test_access_off_its_alignment_is_invalid(name, suffix, width):
    mem = Memory(bytearray(64))
    for addr in range(1, width):
        with oserror(errno.EINVAL, InvalidArgument):
            getattr(mem, name + suffix)(addr, *ACCESSES[name])


def test_a_word_that_hangs_over_the_end_is_a_fault():
    mem = Memory(bytearray(10))
    mem.store(4, 1)
    with oserror(errno.EFAULT):
        mem.store(8, 1)
    with oserror(errno.EFAULT):
        mem.store64(8, 1)


def test_a_memory_of_no_bytes_has_no_word():
    mem = Memory(bytearray(0))
    assert mem.nbytes == 0
    with oserror(errno.EFAULT):
        mem.load(0)


def test_a_memory_is_true_whatever_its_size():
    assert Memory(bytearray(0))


def test_addresses_start_at_base():
    mem = Memory(bytearray(64), 0x7FFF_0000_0000)
    mem.store(0x7FFF_0000_0008, 5)
    assert mem.obj[8] == 5
    assert mem.base == 0x7FFF_0000_0000


def test_a_memory_at_the_end_of_the_address_range_works():
    mem = Memory(bytearray(64), 2**64 - 64)
    mem.store(2**64 - 4, 5)
    assert mem.load(2**64 - 4) == 5
    with oserror(errno.EFAULT):
        mem.load(2**64)
    with oserror(errno.EFAULT):
        mem.load(0)


@pytest.mark.parametrize("base", [2**64 - 32, 2**64, -4096])
def test_memory_refuses_a_base_from_which_it_would_wrap(base):
    with pytest.raises((ValueError, OverflowError)):
        Memory(bytearray(64), base)


def test_base_is_the_first_address():
    mem = Memory(bytearray(64))
    assert mem.base == 0
    assert Memory(bytearray(64), 4096).base == 4096


def test_host_address_is_where_the_bytes_are():
    buffer = bytearray(64)
    mem = Memory(buffer, 0x1000)
    assert mem.host_address == ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def test_attributes_are_read_only():
    mem = Memory(bytearray(64))
    for name in ("base", "nbytes", "obj", "host_address"):
        with pytest.raises(AttributeError):
            setattr(mem, name, 0)


def test_shared_key_of_a_mappable_counts_from_its_offset():
    segment = Mappable("segment")
    mem = Memory(bytearray(64), 0x1000, mappable=segment, offset=256)
    key = mem.shared_key(0x1008)
    assert (key.kind, key.mappable, key.offset) == (KeyKind.SHARED_MAPPABLE, segment, 264)


def test_shared_key_without_a_mappable_is_of_the_space():
    key = Memory(bytearray(64), 0x1000).shared_key(0x1008)
    assert (key.kind, key.mappable, key.offset) == (KeyKind.SHARED_PRIVATE, None, 0x1008)


def test_shared_key_checks_the_address():
    mem = Memory(bytearray(64), mappable=Mappable())
    with oserror(errno.EFAULT):
        mem.shared_key(64)
    with oserror(errno.EINVAL, InvalidArgument):
        mem.shared_key(2)


def test_memory_refuses_a_mappable_of_another_kind():
    for thing in ("name", 5, object()):
        with pytest.raises(TypeError):
            Memory(bytearray(64), mappable=thing)


def test_memory_cannot_be_pickled():
    with pytest.raises(TypeError):
        pickle.dumps(Memory(bytearray(64)))


def test_memory_has_no_release():
    assert not hasattr(Memory, "release")
    assert not hasattr(Memory, "__len__")
