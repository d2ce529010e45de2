"""Locks whose memory was written over, cut off, or too much for the kernel: an error, and nothing is written elsewhere."""

import mmap
import os
import signal
import struct
from errno import EBADMSG, ENOLCK

import pytest
from forking import os_fork, run_in_child
from sync.programs import Program, ended, finds_a_dead_owner, forked

from pyfutex import Memory
from pyfutex.sync import Lock

MOST_HELD = 1024


@pytest.fixture
def memory():
    return mmap.mmap(-1, 64 * (MOST_HELD + 1))


def links_of(memory, position):
    """Where the links of one of three locks lie that are held: to the one taken after it, and to the one taken before it."""
    base = Memory(memory).host_address
    # musl's, or glibc's: the second lock's leads to that of the first.
    node = next(at for at in (44, 48) if memory[64 + at : 72 + at] == struct.pack("=Q", base + at))
    at = 64 * position + node
    return slice(at - 8, at + 8)


@pytest.mark.parametrize(
    "damage",
    [
        bytes(16),
        b"\xff" * 16,
        b"words of a user!",
        bytes(range(1, 17)),
        b"\x01\0\0\0\0\0\0\0" * 2,
        b"\x04\0\0\0\0\0\0\0\xf8\x0f\0\0\0\0\0\0",
    ],
    ids=["zeros", "ones", "text", "numbers", "small numbers", "small multiples of four"],
)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_links_that_were_written_over_are_not_followed(memory, damage, position):
    locks = [Lock.create(memory, 64 * i) for i in range(3)]
    for lock in locks:
        lock.acquire()
    damaged = links_of(memory, position)
    links = memory[damaged]
    memory[damaged] = damage
    before = memory[:]
    with pytest.raises(OSError) as caught:
        locks[position].release()
    assert caught.value.errno == EBADMSG
    assert memory[:] == before
    memory[damaged] = links
    for lock in locks:
        lock.release()
        assert not lock.locked()


@pytest.mark.parametrize("position", [0, 1, 2])
def test_links_that_lead_to_the_lock_itself_are_not_followed(memory, position):
    """They would agree with each other, and leave a lock in the list that nobody holds."""
    locks = [Lock.create(memory, 64 * i) for i in range(3)]
    for lock in locks:
        lock.acquire()
    damaged = links_of(memory, position)
    links = memory[damaged]
    itself = Memory(memory).host_address + damaged.start + 8
    memory[damaged] = struct.pack("=QQ", itself, itself)
    before = memory[:]
    with pytest.raises(OSError) as caught:
        locks[position].release()
    assert caught.value.errno == EBADMSG
    assert memory[:] == before
    memory[damaged] = links
    for lock in locks:
        lock.release()


def test_links_that_lead_to_another_lock_are_not_followed(memory):
    one, two, three = (Lock.create(memory, 64 * i) for i in range(3))
    for lock in (one, two, three):
        lock.acquire()
    links = memory[64 + 36 : 64 + 56]
    memory[64 + 36 : 64 + 56] = memory[36:56]
    with pytest.raises(OSError) as caught:
        two.release()
    assert caught.value.errno == EBADMSG
    memory[64 + 36 : 64 + 56] = links
    for lock in (one, two, three):
        lock.release()


@pytest.mark.parametrize("waiters", [0, 1 << 31])
@pytest.mark.parametrize("others", [0, 1])
def test_a_word_that_was_written_over_is_left_to_whoever_it_names(memory, others, waiters):
    """In a child, whose thread holds nothing else."""

    def check():
        locks = [Lock.create(memory, 64 * i) for i in range(others + 1)]
        for lock in locks:
            lock.acquire()
        stranger = struct.pack("=I", 1 | waiters)
        mine, memory[16:20] = memory[16:20], stranger
        with pytest.raises(RuntimeError, match="another thread holds"):
            locks[0].release()
        assert memory[16:20] == stranger
        memory[16:20] = mine if others else bytes(4)
        for lock in locks[not others :]:
            lock.release()

    run_in_child(os_fork, check)


def test_a_list_that_the_kernel_cannot_follow_hides_no_dead_owner(memory, pi):
    locks = [Lock.create(memory, 64 * i, pi=pi) for i in range(3)]

    def child():
        for lock in locks:
            lock.acquire()
        memory[links_of(memory, 2)] = b"\xff" * 16
        os.kill(os.getpid(), signal.SIGKILL)

    with forked(child) as pid:
        assert ended(pid) == -signal.SIGKILL
    for lock in locks:
        finds_a_dead_owner(lock)


def test_a_thread_holds_no_more_than_the_kernel_would_find(memory):
    locks = [Lock.create(memory, 64 * i) for i in range(MOST_HELD + 1)]

    def child():
        for lock in locks[:-1]:
            lock.acquire()
        for arguments in (), (False,), (True, 0.01):
            with pytest.raises(OSError) as caught:
                locks[-1].acquire(*arguments)
            assert caught.value.errno == ENOLCK
        assert not locks[-1].locked()
        locks[500].release()
        locks[-1].acquire()
        locks[-1].release()
        locks[500].acquire()
        os.kill(os.getpid(), signal.SIGKILL)

    with forked(child) as pid:
        assert ended(pid) == -signal.SIGKILL
    for lock in locks[:-1]:
        finds_a_dead_owner(lock)
    assert locks[-1].acquire(blocking=False)
    locks[-1].release()


def test_memory_that_is_cut_off_ends_a_process_with_sigbus(tmp_path):
    path = tmp_path / "locks"
    path.write_bytes(bytes(mmap.PAGESIZE))
    with Program("os.truncate(file.fileno(), 0)\nlock.acquire()", path) as program:
        assert program.ends()[0] == -signal.SIGBUS


DROP = """
from pyfutex.sync import RWLock, Semaphore
rwlock = RWLock.create(memory, 128, readers=2)
semaphore = Semaphore.create(memory, 512, value=2, undo=True)
os.truncate(file.fileno(), 0)
del lock, first, rwlock, semaphore
meet()
"""


def test_who_drops_a_lock_in_memory_that_is_cut_off_goes_on(tmp_path):
    path = tmp_path / "locks"
    path.write_bytes(bytes(mmap.PAGESIZE))
    with Program(DROP, path) as program:
        program.meets()
        program.go_on()
        assert program.ends() == (0, "")


def test_a_word_that_names_no_thread_is_taken_as_a_dead_owners(memory, pi):
    lock = Lock.create(memory, pi=pi)
    Memory(memory).store(16, 0x3FFF_FFFF)
    assert lock.locked()
    assert not lock.acquire(blocking=False)
    finds_a_dead_owner(lock)
