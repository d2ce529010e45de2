"""The end of a program, and exec, while a thread is parked in each call that blocks; threads taken away there."""

import subprocess
import sys

import pytest

PRELUDE = f"""
import sys; sys.path[:] = {sys.path!r}
import ctypes, faulthandler, os, signal, threading, time
from life.asleep import asleep
from life.blocking import CALLS, held_by_another, lacking, page
from pyfutex import sync
faulthandler.enable()

def until(predicate):
    while not predicate():
        os.sched_yield()

answers = {{}}
def park(daemon):
    parked = {{name: make() for name, make in CALLS.items() if not lacking(name)}}
    def wait(name, blocked):
        answers[name] = blocked.call(None) == blocked.ended
    threads = [threading.Thread(target=wait, args=each, daemon=daemon) for each in parked.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        until(lambda: asleep(thread.native_id))
    return parked
"""


def program(body):
    """Run a program; its exit status, and all it wrote."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + body], capture_output=True, text=True, timeout=50, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_parked_daemon_threads_do_not_keep_a_program():
    assert program("park(True)\nprint('left')") == (0, "left\n")


def test_parked_daemon_threads_do_not_keep_a_program_that_fails():
    status, said = program("park(True)\nsys.exit('failed')")
    assert (status, said) == (1, "failed\n")


def test_other_parked_threads_are_waited_for_and_can_be_woken_meanwhile():
    body = """
parked = park(False)
def end_all():
    until(lambda: not threading.main_thread().is_alive())
    assert not answers
    for blocked in parked.values():
        until(blocked.end)
    until(lambda: len(answers) == len(parked))
    print([name for name, is_right in answers.items() if not is_right], flush=True)
threading.Thread(target=end_all).start()
"""
    assert program(body) == (0, "[]\n")


def test_a_program_that_waits_at_its_end_is_killed_by_a_signal():
    body = """
parked = park(False)
def kill():
    until(lambda: not threading.main_thread().is_alive())
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=kill).start()
"""
    assert program(body)[0] == -15


def test_exec_while_threads_are_parked():
    body = "park(True)\nos.execv(sys.executable, [sys.executable, '-c', 'print(\"other\")'])"
    assert program(body) == (0, "other\n")


# pthread_exit takes a thread away from under the interpreter: nothing that Python would do at its end is done.
EXIT = """
libc = ctypes.CDLL(None)
def vanish(lock):
    tids = []
    def run():
        lock.acquire()
        tids.append(threading.get_native_id())
        libc.pthread_exit(None)
    threading.Thread(target=run, daemon=True).start()
    until(lambda: tids and not os.path.exists(f"/proc/self/task/{tids[0]}"))
"""


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_a_lock_in_shared_memory_outlives_a_thread_that_left_by_pthread_exit(kind):
    body = f"""
lock = sync.{kind}.create(page())
vanish(lock)
try:
    lock.acquire(timeout=20)
except sync.OwnerDied:
    lock.consistent()
    lock.release()
    print(lock.locked())
os._exit(0)
"""
    assert program(EXIT + body) == (0, "False\n")


@pytest.mark.parametrize(
    "make", ["sync.Lock()", "sync.Lock.create(page(), robust=False)", "threading.Lock()"]
)
def test_a_lock_without_an_owner_stays_held_by_a_thread_that_left_by_pthread_exit(make):
    body = f"""
lock = {make}
vanish(lock)
print(lock.acquire(timeout=0.01))
lock.release()
print(lock.acquire(timeout=0.01))
os._exit(0)
"""
    assert program(EXIT + body) == (0, "False\nTrue\n")


@pytest.mark.parametrize(
    "make", ["sync.Lock()", "sync.Lock.create(page(), robust=False)", "sync.Lock.create(page())"]
)
def test_a_thread_that_is_taken_away_while_it_waits_takes_no_lock_along(make):
    """A signal handler in C that calls pthread_exit: nothing of the waiting thread's stack is known to the others."""
    body = f"""
libc = ctypes.CDLL(None)
lock = {make}
let_go = held_by_another(lock.acquire, lock.release)
waiting = [threading.Thread(target=lock.acquire, daemon=True) for _ in range(3)]
for thread in waiting:
    thread.start()
for thread in waiting:
    until(lambda: asleep(thread.native_id))
libc.signal(signal.SIGUSR1, ctypes.cast(libc.pthread_exit, ctypes.c_void_p))
for thread in waiting:
    signal.pthread_kill(thread.ident, signal.SIGUSR1)
for thread in waiting:
    until(lambda: not os.path.exists(f"/proc/self/task/{{thread.native_id}}"))
let_go()
print(lock.acquire(timeout=20))
lock.release()
os._exit(0)
"""
    assert program(body) == (0, "True\n")
