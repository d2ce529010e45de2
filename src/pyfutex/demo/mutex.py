"""A mutex in one futex word, after Ulrich Drepper's "Futexes Are Tricky"."""

from pyfutex import Futex
from pyfutex.demo.ledger import Ledger

_UNLOCKED = 0
_LOCKED = 1  # held, and whoever releases it need not wake anybody
_CONTENDED = 2  # held, and a thread may sleep on the word: whoever releases it wakes one


class FutexMutex:
    """A mutex that calls the manager only when threads meet.

    Parameters
    ----------
    word : Futex
        Holds 0 (unlocked), 1 (locked) or 2 (locked, somebody may sleep).
    ledger : Ledger
        Sleeps and wakes for this mutex.

    Notes
    -----
    The invariant: while a thread sleeps on the word, either the word is 2, or a thread woken from it is
    on its way to make it 2. A thread that has slept therefore always takes the mutex as contended, for it
    cannot know whether it was the last one; at worst that costs one wake that finds nobody.
    """

    def __init__(self, word: Futex, ledger: Ledger) -> None:
        self.word = word
        self._ledger = ledger

    def __enter__(self) -> None:
        if not self.word.compare_exchange(_UNLOCKED, _LOCKED):
            self.acquire_contended()

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        # `release`, written out: to call it would add a quarter to a section that nobody contends for.
        if self.word.exchange(_UNLOCKED) == _CONTENDED:
            self._ledger.wake(self.word)

    def acquire_contended(self) -> None:
        """Take the mutex, and leave word that others may sleep: for threads that met, or have slept."""
        while self.word.exchange(_CONTENDED) != _UNLOCKED:
            self._ledger.wait(self.word, _CONTENDED)

    def release(self) -> None:
        """Give the mutex back, and wake one thread if any may sleep."""
        if self.word.exchange(_UNLOCKED) == _CONTENDED:
            self._ledger.wake(self.word)

    def expect_sleepers(self) -> None:
        """Make the coming release wake a thread: for a holder that has moved sleepers to the word."""
        self.word.exchange(_CONTENDED)
