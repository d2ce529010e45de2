"""Where a shared lock may lie, what may lie there already, and who creates it."""

import contextlib
import ctypes
import mmap
import os
import pickle
import shutil
import struct
import subprocess
import sys
from errno import EEXIST, ENOSYS, EPERM, EXDEV

import pytest
from life.filtered import refuse
from sync.programs import PRELUDE, Program, ended, forked

from pyfutex import Memory
from pyfutex.sync import Latch, Lock

VERSION, KIND = 2, 3
SPACE = slice(8, 16)
CLONE_NEWPID = 0x2000_0000
NOT_PERMITTED = 77


@pytest.fixture
def memory():
    return mmap.mmap(-1, mmap.PAGESIZE)


def test_a_lock_is_64_bytes():
    assert Lock.SIZE == 64


def test_create_says_what_it_is(memory):
    Lock.create(memory)
    assert memory[:8] == b"pf\x01\x10\0\0\0\0"
    assert memory[SPACE] != bytes(8)
    assert memory[16:64] == bytes(48)
    Lock.create(memory, 64, robust=False)
    assert memory[64:72] == b"pf\x01\x11\0\0\0\0"


def test_zero_bytes_are_a_free_robust_lock(memory):
    lock = Lock.attach(memory)
    assert not lock.locked()
    lock.acquire()
    assert Memory(memory).load(16) == os.getpid()
    with pytest.raises(RuntimeError, match="holds this lock already"):
        lock.acquire()
    lock.release()
    with pytest.raises(FileExistsError):
        Lock.create(memory)


def test_attach_finds_whether_it_is_robust(memory):
    Lock.create(memory, robust=False).acquire()
    Lock.attach(memory).release()

    def child():
        Lock.attach(memory).acquire()

    with forked(child) as pid:
        assert ended(pid) == 0
    lock = Lock.attach(memory)
    assert lock.locked()
    lock.release()


def test_two_cannot_create_one_lock(memory):
    Lock.create(memory)
    for robust in True, False:
        with pytest.raises((FileExistsError, ValueError)):
            Lock.create(memory, robust=robust)
    with pytest.raises(FileExistsError) as caught:
        Lock.create(memory)
    assert caught.value.errno == EEXIST
    with Lock.attach(memory):
        pass


def test_of_many_creators_exactly_one_wins(memory):
    n, begin, won = 4, 1024, 1028
    counts = Memory(memory)

    def create():
        counts.fetch_add(begin, 1)
        while counts.load(begin) < n:
            os.sched_yield()
        for i in range(10):
            with contextlib.suppress(FileExistsError):
                Lock.create(memory, 64 * i)
                counts.fetch_add(won, 1)

    with contextlib.ExitStack() as children:
        pids = [children.enter_context(forked(create)) for _ in range(n)]
        assert [ended(pid) for pid in pids] == [0] * n
    assert counts.load(won) == 10


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (b"garbage!", "not of pyfutex.sync"),
        (b"\0\0\0\0\0\0\0\1", "not of pyfutex.sync"),
        (b"pf\x02\x10\0\0\0\0", "version 2"),
        (b"pf\x01\x40\0\0\0\0", "a Semaphore"),
        (b"pf\x01\xf0\0\0\0\0", "unknown kind"),
        (b"pf\x01\x13\0\0\0\0", "a Lock of an unknown sort"),
        (b"pf\x01\x18\0\0\0\0", "a Lock of an unknown sort"),
    ],
)
@pytest.mark.parametrize("find", [Lock.attach, Lock.create])
def test_what_is_not_a_lock_is_refused_and_left_alone(memory, find, found, said):
    memory[:8] = found
    before = memory[:]
    with pytest.raises(ValueError, match=said):
        find(memory)
    assert memory[:] == before


@pytest.mark.parametrize("find", [Lock.attach, Lock.create])
def test_a_place_must_be_there_aligned_and_writable(memory, find):
    for offset in -64, -1, mmap.PAGESIZE - 63, mmap.PAGESIZE, 1 << 70:
        with pytest.raises(ValueError):
            find(memory, offset)
    for offset in 1, 4, 63:
        with pytest.raises(ValueError, match="multiple of 8"):
            find(memory, offset)
    with pytest.raises(ValueError):
        find(bytearray(63))
    with pytest.raises((BufferError, ValueError)):
        find(bytes(64))
    with pytest.raises((BufferError, ValueError)):
        find(memoryview(memory).toreadonly())
    with pytest.raises(TypeError):
        find(None)
    with pytest.raises(TypeError):
        find(memory, 8.0)
    assert memory[:] == bytes(mmap.PAGESIZE)


def test_a_lock_of_another_pid_namespace_is_refused(memory):
    Lock.create(memory)
    (space,) = struct.unpack("=Q", memory[SPACE])
    memory[SPACE] = struct.pack("=Q", space ^ 1 << 20)
    with pytest.raises(OSError, match="--pid=host") as caught:
        Lock.attach(memory)
    assert caught.value.errno == EXDEV
    memory[SPACE] = struct.pack("=Q", space)
    with Lock.attach(memory):
        pass


def apart(*options):
    """The beginning of a command that runs another in namespaces of its own; skip where that is not permitted."""
    if shutil.which("unshare") is None:
        pytest.skip("no unshare")
    for user in [], ["--user", "--map-root-user"]:
        command = ["unshare", *user, *options]
        if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
            return command
    pytest.skip("no namespaces may be made here")


def test_a_process_of_another_pid_namespace_is_refused(tmp_path):
    path = tmp_path / "locks"
    path.write_bytes(bytes(mmap.PAGESIZE))
    with path.open("r+b") as opened:
        memory = mmap.mmap(opened.fileno(), 0)
    Lock.create(memory)
    Lock.create(memory, 64, robust=False)
    body = (
        "import errno, mmap, sys\nfrom pyfutex.sync import Lock\n"
        "file = open(sys.argv[1], 'r+b')\nmemory = mmap.mmap(file.fileno(), 0)\n"
        "Lock.attach(memory, 64).acquire()\n"
        "with Lock.attach(memory, 128):\n    pass\n"
        "try:\n    Lock.attach(memory)\nexcept OSError as error:\n    sys.exit(error.errno)\n"
    )
    command = [*apart("--pid", "--fork", "--mount-proc"), sys.executable, "-c", body, os.fspath(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == EXDEV, done.stderr
    # Without an owner there is no thread id to mistake.
    assert Lock.attach(memory, 64).locked()
    with pytest.raises(OSError) as caught:
        Lock.attach(memory, 128)
    assert caught.value.errno == EXDEV


def test_without_proc_a_process_has_no_robust_locks():
    body = (
        "import sys\nfrom pyfutex.sync import Lock\n"
        "Lock.create(bytearray(64), robust=False).acquire()\n"
        "try:\n    Lock.create(bytearray(64))\nexcept OSError as error:\n    sys.exit(error.errno)\n"
    )
    hide_proc = 'mount -t tmpfs none /proc && exec "$@"'
    command = [*apart("--mount"), "sh", "-c", hide_proc, "sh", sys.executable, "-c", body]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == ENOSYS, done.stderr


@pytest.mark.parametrize("robust", [True, False])
def test_where_nobody_may_sleep_whoever_has_to_is_told(memory, robust):
    lock = Lock.create(memory, robust=robust)

    def child():
        if not refuse("wait on what is shared", EPERM):
            os._exit(NOT_PERMITTED)
        for arguments in (), (True, 50):
            with pytest.raises(PermissionError):
                lock.acquire(*arguments)
        assert not lock.acquire(False)

    with lock, forked(child) as pid:
        status = ended(pid)
    if status == NOT_PERMITTED:
        pytest.skip("no system-call filter may be installed here")
    assert status == 0
    assert not lock.locked()


def test_a_child_in_another_pid_namespace_takes_none_of_its_parents_locks(memory):
    lock = Lock.create(memory)

    def grandchild():
        for attempt in lock.acquire, lambda: lock.acquire(False), lambda: Lock.attach(memory):
            with pytest.raises(OSError) as caught:
                attempt()
            assert caught.value.errno == ENOSYS

    def child():
        if ctypes.CDLL(None).unshare(CLONE_NEWPID) != 0:
            os._exit(NOT_PERMITTED)
        with forked(grandchild) as pid:
            os._exit(ended(pid))

    with forked(child) as pid:
        status = ended(pid)
    if status == NOT_PERMITTED:
        pytest.skip("no PID namespace may be made here")
    assert status == 0


def test_locks_lie_in_whatever_processes_share(tmp_path):
    array = (ctypes.c_uint64 * 16)()
    for buffer in bytearray(128), array, memoryview(bytearray(128)), Memory(mmap.mmap(-1, 128)):
        with Lock.create(buffer, 64) as taken:
            assert taken is True


@pytest.mark.parametrize("robust", [True, False])
def test_attaching_programs_exclude_each_other(tmp_path, robust):
    path = tmp_path / "locks"
    path.write_bytes(bytes(mmap.PAGESIZE))
    with path.open("r+b") as opened:
        memory = mmap.mmap(opened.fileno(), 0)
    Lock.create(memory, robust=robust)
    Latch.create(memory, 192, count=2)
    body = (
        "from pyfutex.sync import Latch\n"
        "count, missing = memoryview(memory)[128:136].cast('Q'), Latch.attach(memory, 192)\n"
        "meet()\n"
        "missing.count_down()\n"
        "while missing.count:\n    pass\n"
        "for _ in range(100_000):\n    with lock:\n        count[0] += 1\n"
    )
    with Program(body, path, prelude=PRELUDE) as one, Program(body, path, prelude=PRELUDE) as two:
        for program in one, two:
            program.meets()
        for program in one, two:
            program.go_on()
        assert [program.ends() for program in (one, two)] == [(0, "")] * 2
    assert struct.unpack("=Q", path.read_bytes()[128:136]) == (200_000,)


def test_it_is_not_pickled():
    with pytest.raises(TypeError, match="pass on the buffer"):
        pickle.dumps(Lock())
