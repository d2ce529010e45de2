"""A thread that holds something, and who holds an RWLock."""

import threading


class Holder:
    """A thread that holds the lock until it is told to let go.

    Attributes
    ----------
    tid : int
        Native id of the thread.
    """

    def __init__(self, spawn, acquire, release):
        self._go = threading.Event()
        self._held = threading.Event()
        self._running = spawn(self._hold, acquire, release)
        self._held.wait()
        self.tid = self._running.tid

    def _hold(self, acquire, release):
        assert acquire()
        self._held.set()
        self._go.wait()
        release()

    def lets_go(self):
        """Release, and wait for the end of the thread."""
        self._go.set()
        self._running.result()


def state(lock):
    """How many read, whether somebody writes, and whether it is held at all."""
    return lock.n_readers, lock.write_locked, lock.locked()
