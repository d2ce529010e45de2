"""Semaphores whose permits belong to the threads that took them: taken, given back, waited for, refused."""

import errno
import mmap
import os
import signal
import struct
import threading

import pytest
from patience import CHILD_SECONDS
from sync.holding import Holder
from sync.sleeping import sleeps

from pyfutex.sync import Arena, BoundedSemaphore, Lock, NotRecoverable, Semaphore

BOTH = pytest.mark.parametrize("kind", [Semaphore, BoundedSemaphore])
MOST = 0x10_0000
MOST_HELD = 1024  # robust locks of a thread
UNDO = 4


@pytest.fixture
def asleep(wait_until):
    """Wait until threads sleep, on however many words: ``asleep(running, ...)``."""
    return lambda *running: wait_until(lambda: all(sleeps(os.getpid(), each.tid) for each in running))


@pytest.fixture
def interrupt(wait_until):
    """Send the main thread a signal as soon as it sleeps."""

    def send():
        main = threading.main_thread()
        wait_until(lambda: sleeps(os.getpid(), main.native_id))
        signal.pthread_kill(main.ident, signal.SIGUSR1)

    return send


@pytest.fixture(params=[Semaphore, BoundedSemaphore])
def make(request, page):
    """Make one with undo at the beginning of the page."""
    return lambda value=1: request.param.create(page, value=value, undo=True)


def test_permits_run_out_and_come_back(make):
    semaphore = make(3)
    assert semaphore.acquire() is True
    with semaphore as taken:
        assert taken is True
        assert semaphore.acquire(True, None) is True
        assert semaphore.value == 0
        assert semaphore.acquire(False) is False
        assert semaphore.acquire(timeout=0) is False
        assert semaphore.acquire(timeout=1e-3) is False
        assert semaphore.release() is None
    semaphore.release()
    assert semaphore.value == 3
    for _ in range(3):
        semaphore.acquire()
    semaphore.release(n=2)
    assert semaphore.value == 2
    semaphore.release()


def test_a_permit_is_released_by_its_holder_alone(make, spawn):
    semaphore = make(3)
    with pytest.raises(RuntimeError, match="does not hold so many permits"):
        semaphore.release()
    other = Holder(spawn, semaphore.acquire, semaphore.release)
    with pytest.raises(RuntimeError):
        semaphore.release()
    semaphore.acquire()
    for n in (2, 3, 1 << 40):
        with pytest.raises(RuntimeError):
            semaphore.release(n)
    for n in (0, -1):
        with pytest.raises(ValueError, match="n must be one or more"):
            semaphore.release(n)
    assert semaphore.value == 1
    semaphore.release()
    other.lets_go()
    assert semaphore.value == 3


def test_who_waits_gets_what_another_gives_back(make, spawn, asleep):
    semaphore = make(2)
    semaphore.acquire()
    semaphore.acquire()
    waiting = [spawn(semaphore.acquire) for _ in range(3)]
    asleep(*waiting)
    semaphore.release()
    # Threads that end give back what they hold.
    for each in waiting:
        assert each.result()
    semaphore.release()


def test_a_block_waits_for_its_permit(make, spawn, asleep):
    semaphore = make(1)
    semaphore.acquire()

    def enter():
        with semaphore:
            return semaphore.value

    waiting = spawn(enter)
    asleep(waiting)
    semaphore.release()
    assert waiting.result() == 0
    assert semaphore.value == 1


def test_all_that_is_given_back_at_once_is_taken(make, spawn, asleep):
    semaphore = make(4)
    for _ in range(4):
        semaphore.acquire()
    held, go = threading.Barrier(5), threading.Event()

    def hold():
        semaphore.acquire()
        held.wait()
        go.wait()
        semaphore.release()

    waiting = [spawn(hold) for _ in range(4)]
    asleep(*waiting)
    semaphore.release(4)
    held.wait(CHILD_SECONDS)
    assert semaphore.value == 0
    go.set()
    for each in waiting:
        each.result()
    assert semaphore.value == 4


def test_more_permits_than_one_sleep_can_watch(spawn, asleep, wait_until):
    page = mmap.mmap(-1, Semaphore.size(200))
    semaphore = Semaphore.create(page, value=200, undo=True)
    for _ in range(200):
        semaphore.acquire()
    turn = struct.unpack_from("I", page, 64)
    waiting = spawn(lambda: [semaphore.acquire() for _ in range(100)])
    asleep(waiting)
    semaphore.release(200)
    assert struct.unpack_from("I", page, 64) != turn
    assert all(waiting.result())
    wait_until(lambda: semaphore.value == 200)


def test_a_signal_handler_uses_the_semaphore_that_its_thread_waits_for(make, spawn, handle, interrupt):
    semaphore = make(2)
    other = Holder(spawn, semaphore.acquire, semaphore.release)
    semaphore.acquire()
    seen = []

    def handler():
        semaphore.release()
        seen.append(semaphore.acquire(timeout=5))
        semaphore.release()

    handle(handler)
    sender = spawn(interrupt)
    assert semaphore.acquire()
    sender.result()
    assert seen == [True]
    semaphore.release()
    other.lets_go()
    assert semaphore.value == 2


def test_an_exception_of_a_signal_handler_ends_the_wait(make, spawn, handle, interrupt):
    semaphore = make()
    other = Holder(spawn, semaphore.acquire, semaphore.release)

    def handler():
        raise KeyError

    handle(handler)
    sender = spawn(interrupt)
    with pytest.raises(KeyError):
        semaphore.acquire()
    sender.result()
    other.lets_go()
    assert semaphore.acquire(False)
    semaphore.release()


def test_a_thread_holds_so_many_and_no_more(spawn):
    page = mmap.mmap(-1, Semaphore.size(MOST_HELD + 1))
    semaphore = Semaphore.create(page, value=MOST_HELD + 1, undo=True)

    def hold_too_many():
        for _ in range(MOST_HELD):
            semaphore.acquire()
        for arguments in ((), (False,), (True, 1)):
            with pytest.raises(OSError) as caught:
                semaphore.acquire(*arguments)
            assert caught.value.errno == errno.ENOLCK
        assert semaphore.value == 1
        semaphore.release(MOST_HELD)

    # This one holds what other tests have dropped while it held it.
    spawn(hold_too_many).result()
    assert semaphore.value == MOST_HELD + 1


@BOTH
def test_its_layout_is_the_documented_one(kind):
    page = mmap.mmap(-1, mmap.PAGESIZE)
    semaphore = kind.create(page, 64, value=3, undo=True)
    number = {Semaphore: 4, BoundedSemaphore: 5}[kind]
    assert page[:64] == bytes(64)
    assert page[64:68] == bytes([ord("p"), ord("f"), 1, number << 4 | UNDO])
    assert struct.unpack_from("I", page, 68) == (3,)
    assert any(page[72:80])
    semaphore.acquire()
    semaphore.acquire()
    me = threading.get_native_id()
    words = [struct.unpack_from("I", page, 64 + 128 + 64 * slot + 16)[0] for slot in range(3)]
    assert sorted(words) == [0, me, me]
    semaphore.release(2)
    assert kind.size(3) == 128 + 3 * 64
    assert not any(page[64 + kind.size(3) :])


@BOTH
def test_attach_finds_it(kind, page):
    with pytest.raises(ValueError, match="has been created"):
        kind.attach(page)
    made = kind.create(page, value=2, undo=True)
    with pytest.raises(FileExistsError):
        kind.create(page, value=2)
    with pytest.raises(FileExistsError):
        kind.create(page, value=3, undo=True)
    found = kind.attach(page)
    found.acquire()
    assert made.value == 1
    made.release()
    assert found.value == 2
    assert "value=2" in repr(found)
    other = BoundedSemaphore if kind is Semaphore else Semaphore
    with pytest.raises(ValueError, match=rf"a {kind.__name__}, not a {other.__name__}$"):
        other.attach(page)


@BOTH
def test_bad_numbers_and_places_are_refused(kind, page):
    for value in (0, -1, MOST + 1, 1 << 40):
        with pytest.raises(ValueError, match="from 1 to 1,048,576 permits"):
            kind.create(page, value=value, undo=True)
        with pytest.raises(ValueError, match="permits"):
            kind.size(value)
    for value in ("1", 2.5):
        with pytest.raises(TypeError):
            kind.create(page, value=value, undo=True)
    for n in (1000, MOST):
        with pytest.raises(ValueError, match="more than a buffer"):
            kind.create(page, value=n, undo=True)
    assert not any(page[:])
    kind.create(page, value=1, undo=True)
    for n in (0, 1000, MOST + 1, 0xFFFF_FFFF):
        struct.pack_into("I", page, 4, n)
        with pytest.raises(ValueError):
            kind.attach(page)


def test_one_of_another_pid_namespace_is_refused(page):
    Semaphore.create(page, value=2, undo=True)
    page[8] ^= 0xFF
    with pytest.raises(OSError, match="without undo") as caught:
        Semaphore.attach(page)
    assert caught.value.errno == errno.EXDEV


def test_one_that_is_dropped_while_it_is_held_keeps_its_memory(page, fork, wait_until):
    def drop():
        mine = Semaphore.create(page, value=2, undo=True)
        mine.acquire()
        with pytest.warns(ResourceWarning):
            del mine
        return True

    child = fork(drop)
    wait_until(child.has_ended)
    assert child.status == 0
    assert Semaphore.attach(page).value == 2


@BOTH
def test_in_an_arena(tmp_path, kind):
    arena = Arena.create(tmp_path / "arena")
    get = {Semaphore: arena.semaphore, BoundedSemaphore: arena.bounded_semaphore}[kind]
    semaphore = get("places", 3, undo=True)
    assert get("places", 3, undo=True) is semaphore
    with pytest.raises(ValueError, match=r"made with 3, undo=True, not a .* made with 3$"):
        get("places", 3)
    semaphore.acquire()
    with pytest.raises(OSError, match="in use by thread"):
        arena.delete("places")
    with pytest.raises(BufferError, match="'places' is held"):
        arena.close()
    semaphore.release()
    arena.delete("places")
    for arguments in ((), (False,)):
        with pytest.raises(NotRecoverable):
            semaphore.acquire(*arguments)
    assert get("places", 2).value == 2


@pytest.mark.parametrize("kind", ["Semaphore", "BoundedSemaphore"])
def test_of_a_context(context, start, wait_until, kind):
    semaphore = getattr(context, kind)(2, undo=True)
    children = [start(hold_for_ever, semaphore) for _ in range(2)]
    wait_until(lambda: semaphore.get_value() == 0)
    children[0].kill()
    assert semaphore.acquire()
    semaphore.release()
    with pytest.raises(RuntimeError):
        semaphore.release()


def hold_for_ever(semaphore):
    """Take a permit, and end with it."""
    semaphore.acquire()
    signal.pause()


def test_locks_and_permits_are_let_go_in_any_order(page):
    semaphore = Semaphore.create(page, value=4, undo=True)
    locks = [Lock.create(page, mmap.PAGESIZE + 64 * n) for n in range(3)]
    locks[0].acquire()
    semaphore.acquire()
    locks[1].acquire()
    semaphore.acquire()
    locks[2].acquire()
    locks[1].release()
    semaphore.release(2)
    locks[0].release()
    locks[2].release()
    assert semaphore.value == 4
