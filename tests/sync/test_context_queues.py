"""Queues of a context, whose writers and readers are killed: what they leave unfinished is raised, and no more is lost."""

import queue as stock
import socket
import threading

import pytest
from sync.participants import get, hold, kill, megabytes, put, work_off

from pyfutex import Memory, sync
from pyfutex.sync.processes.locks import WholeRLock
from pyfutex.sync.processes.messages import HEAD, MOST_BYTES, channel

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

SECONDS = 30
KINDS = ["Queue", "JoinableQueue", "SimpleQueue"]
LARGE = megabytes(4)


@pytest.fixture(params=KINDS)
def queue(request, context):
    made = getattr(context, request.param)()
    yield made
    made.close()
    if hasattr(made, "join_thread"):
        made.join_thread()


@pytest.fixture
def ends():
    """A channel of this process: its reader, its writer, its lock."""
    lock = WholeRLock()
    reader, writer = channel(lock)
    yield reader, writer, lock
    reader.close()
    writer.close()


@pytest.mark.parametrize("n_bytes", [0, 1, MOST_BYTES - 1, MOST_BYTES, MOST_BYTES + 1, 3 * MOST_BYTES])
def test_a_message_of_any_size_arrives(n_bytes, ends, spawn):
    reader, writer, _ = ends
    message = bytes(range(256)) * (n_bytes // 256) + bytes(n_bytes % 256)
    sending = spawn(writer.send_bytes, message)
    assert reader.recv_bytes() == message
    sending.result()
    assert not reader.poll()


def test_hundreds_of_messages_fit_without_a_reader(ends):
    reader, writer, _ = ends
    for number in range(200):
        writer.send_bytes(b"%d" % number)
    assert [int(reader.recv_bytes()) for _ in range(200)] == [*range(200)]


def test_peeking_leaves_the_message(ends):
    reader, writer, _ = ends
    writer.send_bytes(b"abcdef")
    assert reader.peek_bytes(4) == b"abcd"
    assert reader.peek_bytes(100) == b"abcdef"
    assert reader.recv_bytes() == b"abcdef"


def test_a_default_timeout_of_sockets_is_not_ours():
    socket.setdefaulttimeout(0.01)
    try:
        lock = WholeRLock()
        reader, writer = channel(lock)
        writer.send_bytes(b"first")
        assert reader.peek_bytes(1) == b"f"
        assert reader.recv_bytes() == b"first"
        peeking = threading.Thread(target=reader.peek_bytes, args=(1,))
        peeking.start()
        peeking.join(0.05)
        writer.send_bytes(b"second")
        peeking.join()
        assert reader.recv_bytes() == b"second"
    finally:
        socket.setdefaulttimeout(None)


def test_the_end_of_all_writers_is_the_end(ends):
    reader, writer, _ = ends
    writer.close()
    with pytest.raises(EOFError):
        reader.recv_bytes()
    with pytest.raises(EOFError):
        reader.peek_bytes(1)


def test_the_end_of_all_readers_is_a_broken_pipe(ends):
    reader, writer, _ = ends
    writer.send_bytes(b"nobody reads it")
    reader.close()
    for _ in range(2):
        with pytest.raises(BrokenPipeError):
            writer.send_bytes(b"nor this")


@pytest.fixture
def send(ends):
    """Send one packet as it is."""
    _, writer, _ = ends
    with socket.socket(fileno=writer.fileno()) as raw:
        yield lambda is_first, left, part: raw.send(HEAD.pack(is_first, left) + part)
        raw.detach()


def test_a_message_that_ends_early_is_raised_and_the_next_one_is_whole(ends, send):
    reader, writer, _ = ends
    send(True, 100, b"part")
    writer.send_bytes(b"whole")
    with pytest.raises(sync.TornMessage, match="sent"):
        reader.recv_bytes()
    assert reader.recv_bytes() == b"whole"


def test_a_message_that_ends_early_is_raised_where_nothing_follows(ends, send):
    reader, _, _ = ends
    send(True, 100, b"part")
    with pytest.raises(sync.TornMessage, match="last 100 bytes"):
        reader.recv_bytes()


def test_a_message_that_ends_with_its_writers_is_raised(ends, send):
    reader, writer, _ = ends
    send(True, 100, b"part")
    writer.close()
    with pytest.raises(sync.TornMessage):
        reader.recv_bytes()
    with pytest.raises(EOFError):
        reader.recv_bytes()


def test_a_message_goes_on_for_as_long_as_somebody_writes(ends, send, spawn, wait_until):
    reader, _, lock = ends
    with lock:
        send(True, 2, b"on")
        taking = spawn(reader.recv_bytes)
        wait_until(lambda: not reader.poll())
        taking._thread.join(0.2)
        assert not taking.done
        send(False, 0, b"ce")
        assert taking.result() == b"once"


def test_a_message_goes_on_that_was_sent_while_its_writer_was_looked_for(ends, send):
    reader, _, _ = ends

    class SendsMeanwhile:
        def acquire(self, block):
            send(False, 0, b"ce")
            return True

        def release(self):
            pass

    send(True, 2, b"on")
    reader._writing = SendsMeanwhile()
    assert reader.recv_bytes() == b"once"


@pytest.mark.parametrize("follows", [True, False])
def test_the_rest_of_what_somebody_began_to_take_is_raised_once(follows, ends, send):
    reader, writer, _ = ends
    send(False, 4, b"rest")
    if follows:
        send(False, 0, b"rest")
    writer.send_bytes(b"whole")
    with pytest.raises(sync.TornMessage, match="took"):
        reader.recv_bytes()
    assert reader.recv_bytes() == b"whole"


def test_messages_go_from_process_to_process(queue, start):
    start(put, queue, "small", LARGE, "last")
    assert [queue.get() for _ in range(3)] == ["small", LARGE, "last"]


def test_a_writer_that_is_killed_in_the_middle_of_a_message_is_raised(queue, start, wait_until):
    writer = start(put, queue, LARGE)
    wait_until(lambda: queue._wlock.locked() and queue._reader.poll())
    kill(writer)
    with pytest.raises(sync.TornMessage):
        queue.get()
    queue.put("next")
    assert queue.get() == "next"


def test_a_reader_that_waits_hears_of_a_writer_that_is_killed(queue, start, spawn, wait_until):
    with queue._rlock:
        writer = start(put, queue, LARGE)
        wait_until(lambda: queue._wlock.locked() and queue._reader.poll())
        # It sends more as soon as there is room, so it is stopped.
        writer_is_stopped = spawn(queue.get)
    kill(writer)
    with pytest.raises(sync.TornMessage):
        writer_is_stopped.result()


def test_a_reader_that_is_killed_while_it_waits_takes_nothing_with_it(queue, start, wait_until):
    reader = start(get, queue)
    wait_until(queue._rlock.locked)
    kill(reader)
    queue.put("whole")
    assert queue.get() == "whole"


def test_a_reader_that_is_killed_in_the_middle_of_a_message_is_raised(queue, start, wait_until):
    with socket.socket(fileno=queue._writer.fileno()) as raw, queue._wlock:
        raw.send(HEAD.pack(True, 4) + b"begins")
        reader = start(get, queue)
        wait_until(lambda: not queue._reader.poll())
        kill(reader)
        raw.send(HEAD.pack(False, 0) + b"ends")
        raw.detach()
    if hasattr(queue, "_sem"):
        queue._sem.acquire()  # the place of this message
    queue.put("next")
    with pytest.raises(sync.TornMessage):
        queue.get()
    assert queue.get() == "next"


def test_a_process_that_is_killed_with_a_lock_of_the_queue_holds_up_nobody(queue, context, start):
    for lock in queue._rlock, queue._wlock, getattr(queue, "_cond", queue._wlock):
        held = context.Event()
        holder = start(hold, lock, held)
        assert held.wait(SECONDS)
        kill(holder)
    queue.put("whole")
    assert queue.get() == "whole"


def test_a_message_that_is_lost_gives_its_place_back(context, start, wait_until):
    queue = context.Queue(1)
    writer = start(put, queue, LARGE)
    wait_until(lambda: queue._wlock.locked() and queue._reader.poll())
    kill(writer)
    assert queue.full()
    with pytest.raises(sync.TornMessage):
        queue.get()
    assert queue.qsize() == 0
    queue.put("next", block=False)
    with pytest.raises(stock.Full):
        queue.put("one too many", block=False)
    assert queue.get(timeout=SECONDS) == "next"
    queue.close()
    queue.join_thread()


def test_all_tasks_are_done_by_those_who_live(context, start, wait_until):
    queue = context.JoinableQueue()
    idle = start(work_off, queue)
    wait_until(queue._rlock.locked)
    kill(idle)
    workers = [start(work_off, queue) for _ in range(2)]
    for task in (*range(1, 20), None, None):
        queue.put(task)
    queue.join()
    for worker in workers:
        worker.join(SECONDS)
        assert worker.exitcode == 0
    with pytest.raises(ValueError, match="too many"):
        queue.task_done()
    queue.close()
    queue.join_thread()


def test_who_waits_for_the_tasks_survives_who_dies_with_the_condition(context, start, spawn, wait_until):
    queue, held = context.JoinableQueue(), context.Event()
    queue.put("task")
    queue.get()
    joining = spawn(queue.join)
    wait_until(lambda: slept_on_condition(queue._cond))
    holder = start(hold, queue._cond, held)
    assert held.wait(SECONDS)
    wait_until(lambda: has_sleepers(queue._cond))  # it has looked again
    kill(holder)
    queue.task_done()
    joining.result()
    queue.close()
    queue.join_thread()


def slept_on_condition(condition):
    """Whether somebody waits for a notice: docs/sync.md says where a condition counts them."""
    return Memory(condition._place.view(condition.shared.SIZE)).load(4 * 17)


def has_sleepers(condition):
    """Whether somebody sleeps on its lock: docs/sync.md says which bit that is."""
    return Memory(condition._lock._place.view(64)).load(4 * 4) >> 31
