"""What processes of a context do in tests; children import it, however they are started."""

from __future__ import annotations

import os
import random
import signal
import sys

from pyfutex import sync
from pyfutex.sync import OwnerDied, TornMessage


def kill(process):
    """Kill a process of a context, and wait until it is gone."""
    process.kill()
    process.join()


def hold(lock, held):
    """Acquire, say so, and never release."""
    lock.acquire()
    held.set()
    signal.pause()


def add(lock, value, times):
    """Add to a value that is guarded by nothing but the lock."""
    for _ in range(times):
        with lock:
            value.value += 1


def hand_on(method, *handed):
    """Start a process of another start method, which adds one to a value and puts it into a queue."""
    grandchild = sync.get_context(method).Process(target=add_and_put, args=handed)
    grandchild.start()
    grandchild.join()
    add_and_put(*handed)


def add_and_put(lock, value, queue):
    """Add one to a value, and put it into a queue."""
    with lock:
        value.value += 1
        queue.put(value.value)


def wait_on(condition, ready):
    """Wait for a notice."""
    with condition:
        ready.release()
        condition.wait()


def wait_at(barrier):
    """Wait at a barrier."""
    barrier.wait()


def answer(event, other):
    """Set the other event as soon as the first is set."""
    event.wait()
    other.set()


def take_over(lock, found):
    """Acquire what a dead owner held, and make it good."""
    try:
        lock.acquire()
    except OwnerDied:
        lock.consistent()
        found.set()
    lock.release()


def put(queue, *messages):
    """Put messages in."""
    for message in messages:
        queue.put(message)


def get(queue):
    """Take one message out."""
    queue.get()


def work_off(queue):
    """Take tasks for as long as there are any, and say that they are done."""
    while queue.get() is not None:
        queue.task_done()
    queue.task_done()


def double(number):
    """Twice as much."""
    return 2 * number


def end_at_three(number, how):
    """Twice as much, but three ends the process."""
    if number == 3:
        HOW_TO_END[how]()
    return 2 * number


def killed_at_three(number):
    """Twice as much, but three kills the process."""
    return end_at_three(number, "killed")


def pause_at_three(number):
    """Twice as much, but three never comes to an end."""
    if number == 3:
        signal.pause()
    return 2 * number


HOW_TO_END = {
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "os._exit": lambda: os._exit(0),
    "sys.exit": sys.exit,
}


class RefusesToArrive:
    """Something that raises when it is unpickled."""

    def __reduce__(self):
        return int, ("not a number",)


def megabytes(n):
    """A result of many packets."""
    return bytes(n << 20)


def put_for_ever(queue, seed):
    """Put messages that say how long they are, of one packet and of several."""
    rng = random.Random(seed)
    while True:
        n_bytes = rng.choice([5, 5000, 200_000, 800_000])
        queue.put(b"%d:" % n_bytes + bytes(n_bytes))


def get_for_ever(queue, counts):
    """Take them, and count the whole ones, the torn ones and the wrong ones."""
    while True:
        try:
            n_bytes, _, rest = queue.get().partition(b":")
        except TornMessage:
            counts[1] += 1
        else:
            counts[0 if int(n_bytes) == len(rest) else 2] += 1


def echo(number, n_bytes):
    """A result of that many bytes."""
    return number, bytes(n_bytes)
