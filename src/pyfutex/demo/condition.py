"""A condition variable in one futex word, which broadcasts by requeue."""

from pyfutex import Futex
from pyfutex.demo.ledger import Ledger
from pyfutex.demo.mutex import FutexMutex

_WORD_MASK = 0xFFFF_FFFF


class FutexCondition:
    """A condition over a `FutexMutex`; every method requires that the caller holds that mutex.

    Parameters
    ----------
    mutex : FutexMutex
        What guards the state that threads wait for.
    word : Futex
        Counts the broadcasts, modulo 2**32.
    ledger : Ledger
        Sleeps and requeues for this condition.

    Notes
    -----
    No broadcast is lost between releasing the mutex and falling asleep: `wait` reads the word before it
    releases the mutex, and sleeps only if the word still holds what it read, which the manager compares
    and queues in one step. It would take 2**32 broadcasts in between to fool it.
    """

    # Threads between the start and the end of `wait`, guarded by the mutex. Never less than the number
    # asleep on the word, so that 0 means there is nobody to notify; it may be more, for threads that are
    # on their way back to the mutex still count.
    _n_waiting: int

    def __init__(self, mutex: FutexMutex, word: Futex, ledger: Ledger) -> None:
        self._mutex = mutex
        self._word = word
        self._ledger = ledger
        self._n_waiting = 0

    def wait(self) -> None:
        """Release the mutex, sleep until notified, and take the mutex again.

        May return without a notification: callers test their own state, in a loop.
        """
        sequence = self._word.load()
        self._n_waiting += 1
        self._mutex.release()
        try:
            self._ledger.wait(self._word, sequence)
        finally:
            # As contended: this thread may have been moved to the mutex along with others, who still
            # sleep there.
            self._mutex.acquire_contended()
            self._n_waiting -= 1

    def notify_all(self) -> None:
        """Let every thread that waits here go on, one after the other.

        All of them need the mutex, which the caller still holds: to wake them now would only make them
        run into it together. They are moved to the mutex asleep instead, and each release of it wakes the
        next.
        """
        if not self._n_waiting:
            return
        sequence = (self._word.fetch_add() + 1) & _WORD_MASK
        if self._ledger.move(self._word, self._mutex.word, sequence):
            self._mutex.expect_sleepers()
