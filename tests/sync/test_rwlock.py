"""RWLock: many threads that read, or one that writes."""

import pickle
import signal
import struct
import threading

import pytest
from expect import oserror
from sync.holding import Holder, state
from sync.sleeping import sleeps

from pyfutex.sync import Lock, NotRecoverable, RWLock

NOT_RECOVERABLE = 2  # a state of a lock


@pytest.fixture(params=["private", "shared", "robust"])
def lock(request, page):
    """A lock of each sort."""
    if request.param == "private":
        return RWLock()
    return RWLock.create(page, readers=8, robust=request.param == "robust")


@pytest.fixture
def robust(page):
    """One in shared memory, with room for four readers."""
    return RWLock.create(page, readers=4)


@pytest.fixture
def reader(lock, spawn):
    """Another thread that reads."""
    holder = Holder(spawn, lock.acquire_read, lock.release_read)
    yield holder
    holder.lets_go()


@pytest.fixture
def writer(lock, spawn):
    """Another thread that writes."""
    holder = Holder(spawn, lock.acquire_write, lock.release_write)
    yield holder
    holder.lets_go()


def test_a_new_one_is_free(lock):
    assert state(lock) == (0, False, False)


def test_readers_share(lock, reader):
    assert lock.acquire_read(blocking=False)
    assert state(lock) == (2, False, True)
    lock.release_read()
    assert state(lock) == (1, False, True)


def test_a_reader_keeps_writers_out(lock, reader):
    assert not lock.acquire_write(blocking=False)
    assert not lock.acquire_write(timeout=0.01)
    # The writer that gave up left the door open.
    assert lock.acquire_read(blocking=False)
    lock.release_read()
    reader.lets_go()
    assert lock.acquire_write(blocking=False)
    assert state(lock) == (0, True, True)
    lock.release_write()


def test_a_writer_keeps_all_out(lock, writer):
    assert state(lock) == (0, True, True)
    for acquire in (lock.acquire_read, lock.acquire_write):
        assert not acquire(blocking=False)
        assert not acquire(timeout=0)
        assert not acquire(timeout=0.01)
    writer.lets_go()
    for acquire, release in [
        (lock.acquire_read, lock.release_read),
        (lock.acquire_write, lock.release_write),
    ]:
        assert acquire(timeout=1)
        release()
    assert state(lock) == (0, False, False)


def test_context_managers(lock):
    with lock.read():
        assert state(lock) == (1, False, True)
    with pytest.raises(ZeroDivisionError), lock.write():
        assert state(lock) == (0, True, True)
        raise ZeroDivisionError
    assert state(lock) == (0, False, False)


def test_a_writer_that_waits_goes_before_readers_that_come_later(lock, reader, spawn, wait_until):
    order = []

    def write():
        with lock.write():
            order.append("writer")

    def read():
        with lock.read():
            order.append("reader")

    first = spawn(write)
    wait_until(lambda: not lock.acquire_read(blocking=False) or lock.release_read())
    later = spawn(read)
    assert not lock.acquire_read(timeout=0.01)
    assert not order
    reader.lets_go()
    first.result()
    later.result()
    assert order == ["writer", "reader"]


def test_all_readers_get_in_when_the_writer_leaves(lock, writer, spawn, wait_until):
    together = threading.Barrier(3)

    def read():
        with lock.read():
            together.wait()

    readers = [spawn(read) for _ in range(3)]
    wait_until(lambda: all(sleeps("self", each.tid) for each in readers))
    writer.lets_go()
    for each in readers:
        each.result()


def test_releasing_what_nobody_holds(lock):
    for release in (lock.release_read, lock.release_write):
        with pytest.raises(RuntimeError):
            release()
    with lock.read(), pytest.raises(RuntimeError):
        lock.release_write()
    with lock.write(), pytest.raises(RuntimeError):
        lock.release_read()


def test_releasing_what_another_thread_holds(lock, writer, request):
    if "shared" in request.node.name:
        pytest.skip("one that is not robust does not know its writer")
    with pytest.raises(RuntimeError):
        lock.release_write()


def test_a_robust_one_is_released_by_whoever_reads(robust, spawn):
    holder = Holder(spawn, robust.acquire_read, robust.release_read)
    with pytest.raises(RuntimeError):
        robust.release_read()
    holder.lets_go()


def test_it_is_not_reentrant(lock, request):
    if "shared" in request.node.name:
        pytest.skip("one that is not robust does not know its writer")
    with lock.write():
        for acquire in (lock.acquire_read, lock.acquire_write):
            with pytest.raises(RuntimeError):
                acquire()
    assert state(lock) == (0, False, False)


def test_a_robust_one_sees_a_reader_that_asks_for_more(robust):
    with robust.read():
        for acquire in (robust.acquire_read, robust.acquire_write):
            for blocking in (True, False):
                with pytest.raises(RuntimeError):
                    acquire(blocking)
        assert state(robust) == (1, False, True)


def test_a_reader_that_asks_once_more_behind_a_writer_is_seen_when_that_gives_up(
    robust, fork, spawn, wait_until
):
    me = threading.get_native_id()
    with robust.read():
        writer = fork(robust.acquire_write)
        wait_until(writer.is_asleep)

        def give_up():
            wait_until(lambda: sleeps("self", me))
            writer.kill()

        giving_up = spawn(give_up)
        with pytest.raises(RuntimeError):
            robust.acquire_read()
        giving_up.result()
        assert state(robust) == (1, False, True)
    assert state(robust) == (0, False, False)


def test_readers_above_its_number_wait(robust, spawn, wait_until):
    holders = [Holder(spawn, robust.acquire_read, robust.release_read) for _ in range(4)]
    assert not robust.acquire_read(blocking=False)
    assert not robust.acquire_read(timeout=0.01)
    one_more = spawn(lambda: robust.acquire_read() and robust.release_read() is None)
    wait_until(lambda: sleeps("self", one_more.tid))
    for holder in holders:
        holder.lets_go()
    assert one_more.result()
    assert state(robust) == (0, False, False)


@pytest.mark.parametrize("acquire", ["acquire_read", "acquire_write"])
def test_arguments_as_those_of_a_lock(lock, acquire):
    call = getattr(lock, acquire)
    for arguments, error in [
        ((False, 1), ValueError),
        ((True, -2), ValueError),
        ((True, 1e30), OverflowError),
        ((True, "1"), TypeError),
    ]:
        with pytest.raises(error):
            call(*arguments)
    assert state(lock) == (0, False, False)


@pytest.mark.parametrize("held", ["reader", "writer"])
@pytest.mark.parametrize("side", ["read", "write"])
def test_an_interrupt_ends_the_wait(lock, request, wait_until, handle, held, side):
    if held == side + "er" == "reader":
        pytest.skip("readers do not wait for each other")
    holder = request.getfixturevalue(held)
    me = threading.current_thread()

    def stop():
        raise KeyboardInterrupt

    def interrupt():
        wait_until(lambda: sleeps("self", me.native_id))
        signal.pthread_kill(me.ident, signal.SIGUSR1)

    handle(stop)
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        getattr(lock, f"acquire_{side}")()
    thread.join()
    holder.lets_go()
    assert state(lock) == (0, False, False)
    with lock.write():
        pass
    with lock.read():
        pass


# --- where it lies -----------------------------------------------------------------------------------------------------


def test_zero_bytes_are_a_free_one(page):
    one, other = RWLock.attach(page), RWLock.attach(page)
    with one.write():
        assert other.write_locked
    with oserror(17, FileExistsError):
        RWLock.create(page)


def test_what_is_no_such_lock(page):
    Lock.create(page)
    with pytest.raises(ValueError, match="a Lock, not a RWLock"):
        RWLock.attach(page)
    with pytest.raises(ValueError, match="multiple of 8"):
        RWLock.create(page, 132)
    with pytest.raises(ValueError, match="more than a buffer"):
        RWLock.create(page, 128, readers=125)
    assert bytes(page[128:]) == bytes(len(page) - 128)
    RWLock.create(page, 64, readers=3)
    page[68:72] = b"\xff" * 4
    with pytest.raises(ValueError, match="more than a buffer"):
        RWLock.attach(page, 64)


@pytest.mark.parametrize(("readers", "error"), [(0, ValueError), (1 << 40, ValueError), (1.5, TypeError)])
def test_no_such_number_of_readers(page, readers, error):
    with pytest.raises(error):
        RWLock.create(page, readers=readers)


def test_size(page):
    assert [RWLock.size(n) for n in (1, 2, 62)] == [192, 256, RWLock.SIZE]
    RWLock.create(page, readers=2)
    RWLock.create(page, 256, robust=False)
    RWLock.create(page, 256 + 128, robust=False)
    RWLock.create(page, len(page) - 128, robust=False)
    RWLock.attach(page, len(page) - 128)


def test_the_most_readers():
    assert RWLock.size(1 << 20) == 128 + 64 * (1 << 20)
    with pytest.raises(ValueError, match="from 1 to 1048576"):
        RWLock.size((1 << 20) + 1)


def test_it_is_not_copied(lock):
    with pytest.raises(TypeError):
        pickle.dumps(lock)


@pytest.mark.parametrize("robust", [False, True])
def test_its_words_are_those_of_the_documentation(page, robust):
    lock = RWLock.create(page, readers=3, robust=robust)

    def words():
        number, *readers_and_written = (struct.unpack_from("I", page, at)[0] for at in (4, 64, 68))
        assert number == (3 if robust else 0)
        return readers_and_written

    for _ in range(2):
        assert words() == [0, 0]
        with lock.read():
            assert words() == [0 if robust else 1, 0]
        with lock.write():
            assert words() == [0 if robust else 1 << 31, 1]
    assert words() == [0, 0]


def test_repr(lock, request):
    where = "" if "private" in request.node.name else " shared, offset=0"
    assert repr(lock) == f"<pyfutex.sync.rwlock.RWLock object at {id(lock):#x}: 0 readers{where}>"
    with lock.read():
        assert "1 readers" in repr(lock)
    with lock.write():
        assert "write-locked" in repr(lock)


def test_links_that_were_written_over_are_an_error(page, robust):
    robust.acquire_read()
    slots = bytes(page[128 : 128 + 4 * 64])
    for slot in range(4):
        page[128 + slot * 64 + 36 : 128 + slot * 64 + 56] = bytes(20)
    with oserror(74):
        robust.release_read()
    page[128 : 128 + 4 * 64] = slots
    robust.release_read()


def test_a_place_that_is_recoverable_no_more_is_an_error(page, robust, spawn, wait_until):
    reader = Holder(spawn, robust.acquire_read, robust.release_read)
    place = next(at for at in range(128, 128 + 4 * 64, 64) if any(page[at + 16 : at + 20]))
    writer = spawn(robust.acquire_write)
    wait_until(lambda: sleeps("self", writer.tid))
    page[place + 24] = NOT_RECOVERABLE
    reader.lets_go()
    with pytest.raises(NotRecoverable):
        writer.result()
    assert not robust.write_locked


def test_links_of_the_gate_that_were_written_over_are_an_error(page, robust):
    robust.acquire_write()
    links = page[36:56]
    page[36:56] = bytes(20)
    with oserror(74):
        robust.release_write()
    page[36:56] = links
    # It says already that nobody writes.
    page[68] = 1
    robust.release_write()
    assert state(robust) == (0, False, False)
