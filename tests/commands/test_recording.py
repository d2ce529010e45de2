"""`pyfutex.tracing.Recording`: who waited for whom, how long, and how it ended."""

import errno
import gc
import json
import os
import signal
import tempfile
import threading
import time

import pytest
from sync.sleeping import inside, sleeps, sleeps_on

from pyfutex import ALL, WaitResult, _recording, sync
from pyfutex.tracing import Recording

PHASES = {"M", "X", "s", "f", "b", "e"}
shop_lock = sync.Lock()


@pytest.fixture
def recording():
    """A recording that has begun, and ends with the test at the latest."""
    made = Recording(most=1000)
    with made:
        yield made


@pytest.fixture
def asleep(wait_until):
    """Wait until a thread sleeps on a primitive: ``asleep(running, primitive)``."""
    return lambda running, primitive: wait_until(lambda: sleeps_on(running.tid, inside(primitive)))


def saved(recording):
    """What a recording writes to a file."""
    with tempfile.NamedTemporaryFile() as file:
        recording.save(file.name)
        return json.load(file)


def checked(recording):
    """The events of a recording, each of which has the shape that the Trace Event Format asks for."""
    recording.stop()
    trace = saved(recording)
    assert trace["displayTimeUnit"] in ("ms", "ns")
    for event in trace["traceEvents"]:
        assert event["ph"] in PHASES
        assert isinstance(event["name"], str)
        assert event["pid"] == os.getpid()
        assert isinstance(event["tid"], int)
        if event["ph"] == "M":
            assert isinstance(event["args"]["name"], str)
        else:
            assert event["ts"] > 0
            assert event["cat"] in ("wait", "wake", "move", "hold")
        if event["ph"] == "X":
            assert event["dur"] > 0
        if event["ph"] in "sfbe":
            assert isinstance(event["id"], int)
        if event["ph"] == "f":
            assert event["bp"] == "e"
    check_arrows(trace["traceEvents"])
    return trace["traceEvents"]


def check_arrows(events):
    """Each arrow has one beginning and one end, both inside of what its thread is doing, as one reads from top to bottom."""
    doing, starts, ends = {}, {}, {}
    timed = [event for event in events if event["ph"] != "M"]
    assert [event["ts"] for event in timed] == sorted(event["ts"] for event in timed)
    for event in timed:
        if event["ph"] == "X":
            doing[event["tid"]] = event
        elif event["ph"] in "sf":
            now = doing[event["tid"]]
            assert now["ts"] <= event["ts"] < now["ts"] + now["dur"]
            found = starts if event["ph"] == "s" else ends
            assert event["id"] not in found
            found[event["id"]] = now
    assert starts.keys() == ends.keys()
    assert {event["cat"] for event in starts.values()} <= {"wake", "move"}
    assert {event["cat"] for event in ends.values()} <= {"wait"}


def of(events, phase, category=None, tid=None):
    """The events of a phase, a category, a thread."""
    return [
        each
        for each in events
        if each["ph"] == phase and category in (None, each.get("cat")) and tid in (None, each["tid"])
    ]


def microseconds():
    """Now, as the events tell it."""
    return time.monotonic_ns() / 1000


def hold(lock):
    """Take a lock and let it go."""
    with lock:
        pass


def test_who_waited_for_whom_and_for_how_long(recording, spawn, asleep):
    shop_lock.acquire()
    waiter = spawn(hold, shop_lock)
    asleep(waiter, shop_lock)
    seen_asleep = microseconds()
    about_to_release = microseconds()
    shop_lock.release()
    waiter.result()
    events = checked(recording)
    (wait,) = of(events, "X", "wait")
    assert wait["tid"] == waiter.tid
    assert wait["ts"] <= seen_asleep
    assert wait["ts"] + wait["dur"] >= about_to_release
    assert wait["name"].endswith("shop_lock")
    args = wait["args"]
    assert (args["object"], args["ended"]) == ("Lock", "woken")
    assert args["woken_by"] == threading.current_thread().name
    assert (args["in"], args["source"]) == ("hold", "with lock:")
    assert "held_by" not in args, "anybody may release it"
    (start,), (end,) = of(events, "s"), of(events, "f")
    assert (start["tid"], end["tid"]) == (threading.get_native_id(), waiter.tid)


@pytest.mark.parametrize(
    "make", [sync.Lock, sync.RLock, lambda: sync.Lock(pi=True)], ids=["plain", "nested", "pi"]
)
def test_a_lock_that_was_waited_for_is_seen_held_until_it_is_let_go(make, recording, spawn, wait_until):
    lock, times = make(), []

    def work():
        with lock:
            times.append(microseconds())
            times.append(microseconds())

    with lock:
        waiter = spawn(work)
        wait_until(lambda: sleeps("self", waiter.tid))
    waiter.result()
    events = checked(recording)
    (begin,), (end,) = of(events, "b", "hold"), of(events, "e", "hold")
    assert begin["tid"] == waiter.tid
    assert begin["ts"] <= times[0]
    assert end["ts"] >= times[1]


def test_every_primitive_that_is_waited_for_has_its_title(recording, spawn, asleep):
    event, semaphore, condition = sync.Event(), sync.Semaphore(0), sync.Condition()
    latch, barrier, readers = sync.Latch(1), sync.Barrier(2), sync.RWLock()
    readers.acquire_read()

    def notice():
        with condition:
            condition.wait()

    waits = [
        (spawn(event.wait), event, event.set),
        (spawn(semaphore.acquire), semaphore, semaphore.release),
        (spawn(latch.wait), latch, latch.count_down),
        (spawn(barrier.wait), barrier, barrier.wait),
        (spawn(readers.acquire_write), readers, readers.release_read),
        (spawn(notice), condition, lambda: notify(condition)),
    ]
    for running, primitive, end in waits:
        asleep(running, primitive)
        end()
        running.result()
    events = checked(recording)
    me = threading.current_thread().name
    for running, primitive, _ in waits:
        first = of(events, "X", "wait", running.tid)[0]
        assert first["args"]["object"] == type(primitive).__name__
        assert first["args"]["ended"] == "woken"
        assert first["args"]["woken_by"] == me
        assert "held_by" not in first["args"]
    assert first["args"]["notified_by"] == me


def notify(condition):
    """Notify one."""
    with condition:
        condition.notify()


def test_who_was_notified_was_so_by_one_and_woken_by_another(recording, spawn, asleep):
    condition = sync.Condition()

    def wait():
        with condition:
            condition.wait()

    first, second = spawn(wait), spawn(wait)
    asleep(first, condition)
    asleep(second, condition)
    with condition:
        condition.notify_all()
        condition.notify_all()  # moves nobody
    first.result()
    second.result()
    events = checked(recording)
    (told,) = of(events, "X", "move")
    assert told["args"]["moved"] == 2
    waits = of(events, "X", "wait", first.tid)[:1] + of(events, "X", "wait", second.tid)[:1]
    names = {each["tid"]: each["args"]["name"] for each in of(events, "M") if each["name"] == "thread_name"}
    me = threading.get_native_id()
    assert {each["args"]["notified_by"] for each in waits} == {names[me]}
    # The one who notified let the lock go to the first, who let it go to the other.
    wakers = {each["args"]["woken_by"] for each in waits}
    assert names[me] in wakers
    assert wakers <= set(names.values())


def test_who_waits_with_a_lock_of_another_sort_is_woken_not_moved(recording, spawn, asleep):
    condition = sync.Condition(threading.Lock())

    def wait():
        with condition:
            return condition.wait()

    waiter = spawn(wait)
    asleep(waiter, condition)
    notify(condition)
    assert waiter.result()
    events = checked(recording)
    assert not of(events, "X", "move")
    assert [each["args"]["woken"] for each in of(events, "X", "wake")] == [1]


def test_only_the_last_count_of_a_latch_wakes_and_only_where_somebody_waits(recording, spawn, asleep):
    sync.Latch(1).count_down()
    latch = sync.Latch(2)
    waiter = spawn(latch.wait)
    asleep(waiter, latch)
    latch.count_down()
    latch.count_down()
    assert waiter.result()
    (wake,) = of(checked(recording), "X", "wake")
    assert wake["args"]["woken"] == 1


def test_a_wait_that_timed_out_says_so(recording):
    assert not sync.Event().wait(timeout=0.001)
    (wait,) = of(checked(recording), "X", "wait")
    assert wait["args"]["ended"] == "timed out"
    assert wait["dur"] >= 1000
    assert "woken_by" not in wait["args"]


def test_a_wait_that_a_signal_interrupted_says_so(recording, spawn, wait_until):
    event = sync.Event()
    main = threading.get_native_id()
    handled = []

    def handler(signum, frame):
        handled.append(signum)
        event.set()

    before = signal.signal(signal.SIGUSR1, handler)
    try:

        def send():
            wait_until(lambda: sleeps_on(main, inside(event)))
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

        spawn(send)
        event.wait()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert handled
    assert "interrupted" in {wait["args"]["ended"] for wait in of(checked(recording), "X", "wait", main)}


def test_a_wait_that_goes_on_when_the_recording_ends_is_in_it(recording, spawn, asleep):
    with shop_lock:
        waiter = spawn(hold, shop_lock)
        asleep(waiter, shop_lock)
        seen_asleep = microseconds()
        recording.stop()
    waiter.result()
    (wait,) = of(checked(recording), "X", "wait")
    assert wait["args"]["ended"] == "had not ended"
    assert wait["ts"] + wait["dur"] >= seen_asleep
    assert recording.waits()[0].seconds > 0


def test_the_owner_of_a_lock_with_an_owner_is_told(recording, spawn, wait_until):
    lock = sync.Lock(pi=True)
    with lock:
        waiter = spawn(hold, lock)
        wait_until(lambda: sleeps("self", waiter.tid))
    waiter.result()
    waits = of(checked(recording), "X", "wait", waiter.tid)
    assert waits
    assert waits[0]["args"]["held_by"] == threading.current_thread().name


def test_words_of_a_manager_and_who_woke_them(recording, manager, memory, spawn, wait_until):
    waiters = [spawn(manager.wait, memory, 64, 0) for _ in range(3)]
    wait_until(lambda: len(manager) == 3)
    assert manager.wake(memory, 64, 1) == 1
    assert manager.wake(memory, 64, ALL) == 2
    assert {each.result() for each in waiters} == {WaitResult.WOKEN}
    assert manager.wait(memory, 64, 0, timeout=0.001) is WaitResult.TIMEOUT
    events = checked(recording)
    for each in waiters:
        (wait,) = of(events, "X", "wait", each.tid)
        assert wait["args"]["woken_by"] == threading.current_thread().name
    (mine,) = of(events, "X", "wait", threading.get_native_id())
    assert mine["args"]["ended"] == "timed out"
    assert len(of(events, "s")) == 3


def test_a_wait_on_several_words(recording, manager, memory, spawn, wait_until):
    waiter = spawn(manager.waitv, [(memory, 64, 0), (memory, 128, 0)])
    wait_until(lambda: len(manager))
    assert manager.wake(memory, 128) == 1
    assert waiter.result() == 1
    (wait,) = of(checked(recording), "X", "wait")
    assert wait["args"]["woken_by"] == threading.current_thread().name


def test_a_lock_in_an_arena_has_the_name_that_the_arena_gives_it(recording, tmp_path, spawn, wait_until):
    arena = sync.Arena.open(str(tmp_path / "shop"))
    lock = arena.lock("stock")
    with lock:
        waiter = spawn(hold, lock)
        wait_until(lambda: sleeps("self", waiter.tid))
    waiter.result()
    waits = of(checked(recording), "X", "wait", waiter.tid)
    assert {each["name"] for each in waits} == {"wait for Lock stock"}
    assert waits[0]["args"]["held_by"] == threading.current_thread().name
    assert waits[-1]["args"]["woken_by"] == threading.current_thread().name


def test_threads_that_have_ended_have_their_names(recording, asleep, spawn):
    event = sync.Event()
    thread = threading.Thread(target=event.wait, name="cashier")
    thread.start()
    while not sleeps_on(thread.native_id, inside(event)):
        os.sched_yield()
    event.set()
    thread.join()
    names = {each["args"]["name"] for each in of(checked(recording), "M")}
    assert "cashier" in names


def test_garbage_is_collected_after_a_wait_that_was_recorded(recording):
    assert gc.isenabled()
    sync.Event().wait(timeout=0)
    assert gc.isenabled()


def test_what_finds_no_room_is_counted(spawn):
    event = sync.Event()
    with Recording(most=2) as recording:
        for _ in range(5):
            event.wait(timeout=0)
    assert recording.n_lost == 3
    assert len(of(checked(recording), "X")) == 2
    assert saved(recording)["otherData"]["lost"] == 3


def test_nothing_is_recorded_before_and_after(recording):
    event = sync.Event()
    recording.stop()
    event.wait(timeout=0)
    assert recording.waits() == []


def test_one_recording_at_a_time(recording):
    with pytest.raises(OSError, match="recorded already") as refused, Recording():
        pass
    assert refused.value.errno == errno.EBUSY
    with pytest.raises(RuntimeError):
        recording.start()


def test_what_has_not_ended_is_not_told(recording):
    with pytest.raises(RuntimeError, match="has not ended"):
        recording.save("nowhere")


def test_the_child_of_a_fork_is_not_recorded(recording, in_child):
    def check():
        for _ in range(2):
            sync.Event().wait(timeout=0)
        recording.stop()
        with Recording() as own:
            sync.Event().wait(timeout=0)
        assert len(own.waits()) == 1

    in_child(check)
    sync.Event().wait(timeout=0)
    recording.stop()
    assert len(recording.waits()) == 1


def test_a_wait_and_its_wake_have_the_same_key_and_waiter(manager, memory, spawn, wait_until):
    _recording.begin(10)
    waiter = spawn(manager.wait, memory, 64, 0)
    wait_until(lambda: len(manager))
    manager.wake(memory, 64)
    waiter.result()
    on_several = spawn(manager.waitv, [(memory, 64, 0), (memory, 128, 0)])
    wait_until(lambda: len(manager) == 2)
    manager.wake(memory, 128)
    on_several.result()
    records, _ = _recording.end()
    me = threading.get_native_id()
    wake, wakev = (each for each in records if each[2] == me)
    wait, waitv = (each for each in records if each[2] != me)
    keys = [each[6:9] for each in (wait, wake, waitv, wakev)]
    assert keys[0] == keys[1]
    assert all(keys[0])
    # Several words are no one's.
    assert keys[2] == keys[3] == (0, 0, keys[2][2])
    assert keys[2][2] != 0
    assert [each[5] for each in (wait, wake, wakev)] == [0, 1, 1]


@pytest.mark.parametrize("most", [0, -1, 1 << 40])
def test_room_for_nothing_or_too_much_is_refused(most):
    with pytest.raises(ValueError, match="room for"):
        Recording(most=most)


def test_recordings_that_begin_and_end_while_threads_wait_and_wake(spawn):
    there, back, is_over = sync.Semaphore(0), sync.Semaphore(0), False

    def answer():
        while not is_over:
            there.acquire()
            back.release()

    partner = spawn(answer)

    def ask():
        while not is_over:
            there.release()
            back.acquire()

    asker = spawn(ask)
    for _ in range(300):
        _recording.begin(50)
        os.sched_yield()
        records, _ = _recording.end()
        # A record of another recording, or one half written, would show here.
        assert all(began > 0 and (ended == 0 or began <= ended) for _, _, _, began, ended, *_ in records)
    is_over = True
    there.release()
    back.release()
    partner.result()
    asker.result()


class Hostile:
    """An object that answers no question about itself."""

    def __getattribute__(self, name):
        raise AssertionError(name)


def test_no_object_of_the_program_is_asked_for_anything(spawn, asleep, recording):
    hostile = Hostile()
    with shop_lock:
        waiter = spawn(hold, shop_lock)
        asleep(waiter, shop_lock)
    waiter.result()
    recording.stop()
    assert [wait.on.endswith("shop_lock") for wait in recording.waits()] == [True]
    del hostile
