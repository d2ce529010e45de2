"""The death of a waiter that a lock may not survive, step by step.

B sleeps, then C. A lets the lock go, which wakes B, and takes it again; B is killed before it has run; A lets the lock go.
Where B was to say that others sleep, nobody says it, and C sleeps on a free lock for ever.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Final

from pyfutex.demo import children
from pyfutex.demo.robustlock import NotHere, RobustLock
from pyfutex.demo.sleepers import all_sleep
from pyfutex.sync import OwnerDied

_LOOK_S: Final = 0.0005


def leaves_one_asleep(make: Callable[[], RobustLock], tries: int = 20) -> bool:
    """Whether C was left asleep in one of these tries, each with a new lock.

    B is to be killed before it runs: it shares a processor with A, and runs there when nobody else wants to. NotHere: the C
    library, as musl, cannot have it so.
    """
    try:
        os.sched_getscheduler(0)
    except OSError as error:
        raise NotHere(f"this C library chooses no scheduler: {error.strerror}") from error
    with _one_processor():
        return any(_is_left_asleep(make()) for _ in range(tries))


@contextlib.contextmanager
def _one_processor() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _take(lock: RobustLock) -> None:
    try:
        lock.acquire()
    except OwnerDied:
        lock.consistent()


def _falls_asleep(alive: list[int]) -> bool:
    """Wait until the last of them sleeps; False: it has ended, and is no more among them."""
    while not all_sleep(alive[-1:]):
        if children.has_ended(alive[-1]):
            alive.pop()
            return False
        time.sleep(_LOOK_S)
    return True


def _is_left_asleep(lock: RobustLock) -> bool:
    _take(lock)
    alive: list[int] = []
    try:
        for _who in "bc":
            alive.append(children.start(lambda: _take(lock)))
            if not _falls_asleep(alive):
                return False
        os.sched_setscheduler(alive[0], os.SCHED_IDLE, os.sched_param(0))
        lock.release()
        _take(lock)
        children.kill(alive.pop(0))
        lock.release()
        # C sleeps, and nobody is left who would wake it; or it has been woken, and ends.
        return _falls_asleep(alive)
    finally:
        for pid in alive:
            children.kill(pid)
