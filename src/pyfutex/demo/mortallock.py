"""`multiprocessing.Lock`, which knows no owner."""

import mmap
import multiprocessing

from pyfutex.demo.robustlock import NotHere


class MortalLock:
    """A `multiprocessing.Lock` that forked processes share; whoever dies with it leaves it locked.

    Raises
    ------
    NotHere
        There are no named semaphores.
    """

    def __init__(self, memory: mmap.mmap) -> None:
        del memory  # it has memory of its own
        try:
            self._lock = multiprocessing.get_context("fork").Lock()
        except (ImportError, OSError) as error:
            raise NotHere(f"not here: {error}") from error

    def acquire(self, blocking: bool = True) -> bool:
        """Take it."""
        return self._lock.acquire(blocking)

    def release(self) -> None:
        """Let it go."""
        self._lock.release()

    def consistent(self) -> None:
        """There is nothing to say: it never tells that an owner died."""
