"""The C library's robust mutex between processes, by ctypes."""

import ctypes
import errno
import mmap
import os
from collections.abc import Callable
from typing import Final

from pyfutex.demo.robustlock import ROOM, NotHere
from pyfutex.sync import OwnerDied

# Of pthread.h, the same in glibc and musl.
_PROCESS_SHARED: Final = 1
_ROBUST: Final = 1


class RobustPthread:
    """A robust `pthread_mutex_t`, process-shared, at the beginning of memory.

    Raises
    ------
    NotHere
        The C library has none.
    """

    def __init__(self, memory: mmap.mmap) -> None:
        # pthread_mutex_t takes 24 to 48 bytes and pthread_mutexattr_t 4 to 8, as library and processor have it.
        self._mutex = (ctypes.c_char * ROOM).from_buffer(memory)
        attributes = ctypes.create_string_buffer(ROOM)
        try:
            library = ctypes.CDLL(None)
            self._lock = library.pthread_mutex_lock
            self._trylock = library.pthread_mutex_trylock
            self._unlock = library.pthread_mutex_unlock
            self._consistent = library.pthread_mutex_consistent
            steps = (
                library.pthread_mutexattr_init(attributes),
                library.pthread_mutexattr_setpshared(attributes, _PROCESS_SHARED),
                library.pthread_mutexattr_setrobust(attributes, _ROBUST),
                library.pthread_mutex_init(self._mutex, attributes),
            )
        except (AttributeError, OSError) as error:
            raise NotHere("not on this C library") from error
        if any(steps):
            raise NotHere(f"not on this C library: {os.strerror(next(filter(None, steps)))}")

    def acquire(self, blocking: bool = True) -> bool:
        """Take it. OwnerDied: it is held, and whoever held it before died with it."""
        return _is_taken(self._lock if blocking else self._trylock, self._mutex)

    def release(self) -> None:
        """Let it go."""
        _check(self._unlock(self._mutex))

    def consistent(self) -> None:
        """Say that what a dead owner left is made good."""
        _check(self._consistent(self._mutex))


def _is_taken(function: Callable[..., int], mutex: ctypes.Array[ctypes.c_char]) -> bool:
    answer = function(mutex)
    if answer == errno.EBUSY:
        return False
    if answer == errno.EOWNERDEAD:
        raise OwnerDied(answer, os.strerror(answer))
    _check(answer)
    return True


def _check(answer: int) -> None:
    if answer:
        raise OSError(answer, os.strerror(answer))
