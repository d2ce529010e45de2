"""Where semaphores, events, latches and what is done once may lie, and what is refused there."""

import copy
import ctypes
import errno
import mmap
import multiprocessing.sharedctypes
import pickle
import struct
import warnings
import weakref
from multiprocessing.shared_memory import SharedMemory

import pytest
from expect import oserror

from pyfutex import Memory, sync

KINDS = {
    sync.Semaphore: {"value": 3},
    sync.BoundedSemaphore: {"value": 3},
    sync.Event: {},
    sync.Latch: {"count": 3},
    sync.Once: {},
}
ZERO_IS_ONE = {sync.Event, sync.Once}


def use(primitive):
    """Change it, so that another view of it differs from a new one."""
    match primitive:
        case sync.Semaphore():
            assert primitive.acquire(False)
        case sync.Event():
            primitive.set()
        case sync.Latch():
            primitive.count_down()
        case sync.Once():
            assert primitive.call(lambda: None)


def state(primitive):
    """What it shows of itself, but for where it lies."""
    return repr(primitive).partition(": ")[2].partition(",")[0].strip(">")


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request):
    """A class of primitives."""
    return request.param


@pytest.fixture
def create(kind):
    """Create one in a buffer: ``create(buffer, offset=0)``."""
    return lambda *place: kind.create(*place, **KINDS[kind])


def over_bytearray(tmp_path):
    yield bytearray(4096)


def over_mmap(tmp_path):
    yield mmap.mmap(-1, 4096)


def over_file(tmp_path):
    path = tmp_path / "segment"
    path.write_bytes(bytes(4096))
    with open(path, "r+b") as file:
        yield mmap.mmap(file.fileno(), 0)


def over_shared_memory(tmp_path):
    memory = SharedMemory(create=True, size=4096)
    yield memory.buf
    memory.close()
    memory.unlink()


def over_raw_array(tmp_path):
    yield multiprocessing.sharedctypes.RawArray("q", 512)


def over_ctypes(tmp_path):
    yield (ctypes.c_uint64 * 512)()


def over_numpy(tmp_path):
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    yield numpy.zeros(512, numpy.uint64)


def over_memory(tmp_path):
    yield Memory(mmap.mmap(-1, 4096))


@pytest.fixture(
    params=[
        over_bytearray,
        over_mmap,
        over_file,
        over_shared_memory,
        over_raw_array,
        over_ctypes,
        over_numpy,
        over_memory,
    ],
    ids=lambda maker: maker.__name__,
)
def buffer(request, tmp_path):
    """Memory of every sort."""
    making = request.param(tmp_path)
    yield next(making)
    assert next(making, None) is None


def test_it_lies_in_any_memory(kind, create, buffer):
    made = create(buffer, 128)
    found = kind.attach(buffer, 128)
    new = state(found)
    use(made)
    assert state(made) == state(found) != new


def test_it_keeps_its_memory_exported(create):
    buffer = mmap.mmap(-1, 4096)
    primitive = create(buffer)
    with pytest.raises(BufferError):
        buffer.close()
    del primitive
    buffer.close()


def test_it_uses_its_size_and_no_more(kind, create):
    buffer = bytearray(b"\xff" * 64) + bytes(kind.SIZE) + b"\xff" * 64
    use(create(buffer, 64))
    assert buffer[:64] == buffer[64 + kind.SIZE :] == b"\xff" * 64
    create(bytearray(kind.SIZE))


def test_its_layout_is_the_documented_one(kind, create):
    number = {"Semaphore": 4, "BoundedSemaphore": 5, "Event": 6, "Once": 9, "Latch": 10}[kind.__name__]
    buffer = bytearray(kind.SIZE)
    primitive = create(buffer)
    assert buffer[:4] == bytes([ord("p"), ord("f"), 1, number << 4])
    assert struct.unpack_from("I", buffer, 4) == (next(iter(KINDS[kind].values()), 0),)
    assert len(buffer) == {sync.Once: 72}.get(kind, 24)
    assert any(buffer[16:]) is False
    use(primitive)
    if kind is sync.Once:
        assert struct.unpack_from("II", buffer, 64) == (1, 0)
        assert not any(buffer[16:24])
    else:
        word = {"Event": 2, "Latch": 2}.get(kind.__name__, 0x1_0000_0000 - 2)
        assert struct.unpack_from("II", buffer, 16) == (word, 0)


def test_zero_bytes_are_a_new_one_where_nothing_has_to_be_known(kind):
    if kind in ZERO_IS_ONE:
        use(kind.attach(bytearray(kind.SIZE)))
    else:
        with pytest.raises(ValueError, match=f"no {kind.__name__} has been created at offset 8"):
            kind.attach(bytearray(128), 8)


def test_a_second_creation_is_refused_whatever_its_number(kind, create):
    buffer = bytearray(kind.SIZE)
    made = create(buffer)
    use(made)
    before = state(made)
    for parameters in (KINDS[kind], dict.fromkeys(KINDS[kind], 7)):
        with pytest.raises(FileExistsError, match=f"there is a {kind.__name__} at offset 0 already"):
            kind.create(buffer, **parameters)
    assert state(kind.attach(buffer)) == before


def test_one_of_another_class_is_refused(kind, create):
    for other in KINDS.keys() - {kind}:
        buffer = bytearray(128)
        other.create(buffer, **KINDS[other])
        before = bytes(buffer)
        with pytest.raises(ValueError, match=rf"is a {other.__name__}, not a {kind.__name__}"):
            kind.attach(buffer)
        with pytest.raises(ValueError, match=rf"is a {other.__name__}, not a new {kind.__name__}"):
            create(buffer)
        assert buffer == before


@pytest.mark.parametrize("head", [b"garbage!", b"\0\0\0\0\0\0\0\1", b"pf\2\x40\0\0\0\0", b"pf\1\xf0\0\0\0\0"])
def test_garbage_is_refused_and_left_alone(kind, create, head):
    buffer = bytearray(head + bytes(120))
    for open_ in (kind.attach, create):
        with pytest.raises(ValueError, match="at offset 0 is"):
            open_(buffer)
    assert buffer == head + bytes(120)


def test_too_little_memory_is_refused(kind, create):
    for open_ in (kind.attach, create):
        for size, offset in ((kind.SIZE - 1, 0), (kind.SIZE, 8), (64, -8), (64, 1 << 70), (0, 0)):
            with pytest.raises(ValueError):
                open_(bytearray(size), offset)


def test_unaligned_memory_is_refused(kind, create):
    for open_ in (kind.attach, create):
        for offset in (1, 2, 4):
            with pytest.raises(ValueError, match="multiple of 8"):
                open_(mmap.mmap(-1, 4096), offset)


def test_what_is_no_writable_memory_is_refused(kind, create):
    for open_ in (kind.attach, create):
        for nothing in (None, 7, "text"):
            with pytest.raises(TypeError):
                open_(nothing)
        for read_only in (bytes(128), memoryview(bytearray(256))[::2]):
            with pytest.raises((TypeError, BufferError, ValueError)):
                open_(read_only)
        with pytest.raises(TypeError):
            open_(bytearray(128), 0.0)


def test_only_what_knows_its_runner_is_bound_to_a_pid_namespace(kind, create):
    buffer = bytearray(128)
    use(create(buffer))
    struct.pack_into("Q", buffer, 8, 7)
    if kind is sync.Once:
        with oserror(errno.EXDEV) as caught:
            kind.attach(buffer)
        assert "another PID namespace" in str(caught.value)
    else:
        kind.attach(buffer)


def test_it_is_not_pickled_or_copied(kind, create):
    for primitive in (kind(**KINDS[kind]), create(bytearray(128))):
        for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match=f"a {kind.__name__} is memory; pass on the buffer"):
                duplicate(primitive)


def test_it_shows_what_and_where_it_is(kind, create):
    private, shared = kind(**KINDS[kind]), create(bytearray(128), 16)
    name = f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}"
    assert repr(private).startswith(f"<{name} at {id(private):#x}: ")
    assert repr(shared).startswith(f"<{name} at {id(shared):#x}: ")
    assert repr(shared).endswith(", shared, offset=16>")


def test_it_can_be_referred_to_weakly(kind):
    primitive = kind(**KINDS[kind])
    reference = weakref.ref(primitive)
    assert reference() is primitive
    del primitive
    assert reference() is None


def test_dropping_one_says_nothing(create):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        use(create(mmap.mmap(-1, 4096)))
