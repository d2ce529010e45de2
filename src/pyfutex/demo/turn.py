"""What a worker of the crash demo does again and again: ten lines, which the demo shows."""

import inspect

from pyfutex.demo.robustlock import RobustLock
from pyfutex.sync import OwnerDied


def take_a_turn(lock: RobustLock, numbers: memoryview) -> None:
    """Add one to both of two numbers that are always equal, whoever is killed."""
    try:
        lock.acquire()
    except OwnerDied:  # it is held now: whoever had it was killed
        numbers[1] = numbers[0]  # make good what was left half done
        lock.consistent()
    numbers[0] += 1
    numbers[1] += 1
    lock.release()


def turn_source() -> str:
    """The source of `take_a_turn`."""
    return inspect.getsource(take_a_turn)
