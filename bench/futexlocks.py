"""A lock and a condition in a few lines of Python over futex words: what a user can write today, beside those of others."""

from __future__ import annotations

from places import WORD, page

import pyfutex

FREE = 0
HELD = 1
CONTENDED = 2  # held, and a thread may sleep on the word


class FutexLock:
    """A mutex of three states in a word that holds 0."""

    def __init__(self, word: pyfutex.Futex) -> None:
        self.word = word

    def acquire(self) -> None:
        """Take the lock; sleep while it is held."""
        if not self.word.compare_exchange(FREE, HELD):
            while self.word.exchange(CONTENDED) != FREE:
                self.word.wait(CONTENDED)

    def release(self) -> None:
        """Let the lock go, and wake one thread that may sleep on it."""
        if self.word.exchange(FREE) == CONTENDED:
            self.word.wake()


class FutexCondition:
    """A condition over a lock; all its methods require that the caller holds the lock.

    Parameters
    ----------
    lock : FutexLock
    word : pyfutex.Futex
        Counts the notifications, in the lock's memory.
    requeues : bool
        Whether those notified are moved to the lock asleep, or all woken to run for it.
    """

    def __init__(self, lock: FutexLock, word: pyfutex.Futex, *, requeues: bool) -> None:
        self.lock = lock
        self.word = word
        self.requeues = requeues

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *exc: object) -> None:
        self.lock.release()

    def wait(self) -> None:
        """Let the lock go, sleep, take the lock again; may return without a notification."""
        seen = self.word.load()
        self.lock.release()
        self.word.wait(seen)
        # Others may have been moved to the lock, and sleep there.
        while self.lock.word.exchange(CONTENDED) != FREE:
            self.lock.word.wait(CONTENDED)

    def notify_all(self) -> None:
        """Let everybody go on."""
        seen = self.word.fetch_add(1) + 1
        if not self.requeues:
            self.word.wake(pyfutex.ALL)
            return
        word, to = self.word, self.lock.word
        moved = word.engine.cmp_requeue(word.mem, word.addr, to.addr, seen & 0xFFFF_FFFF, 0)
        if moved is not None and moved.requeued:
            to.exchange(CONTENDED)


def futex_condition(*, requeues: bool) -> FutexCondition:
    """Two words of one memory, on a line each."""
    manager, mem = pyfutex.Manager(), pyfutex.Memory(page())
    return FutexCondition(FutexLock(manager.futex(mem, 0)), manager.futex(mem, WORD), requeues=requeues)
