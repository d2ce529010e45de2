"""Threads that keep entering and leaving the queues of a few words, and a crowd of prepared waiters to walk over.

A wait that times out after microseconds links and unlinks its waiter without the GIL. So even on an interpreter that
has one, the queues change while another thread walks them, and an operation that forgets a lock meets it.
"""

import sys
import threading
from contextlib import contextmanager

from pyfutex import Waiter, WaiterState, WaitResult


@contextmanager
def quick_switches():
    """Let threads have the GIL every few microseconds instead of every few milliseconds."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class Churn:
    """Threads inside short waits, as a context manager; `woken` counts their waits that were woken.

    Parameters
    ----------
    wait : callable
        ``wait(addr)`` waits for a few microseconds at `addr` and returns the WaitResult.
    addrs : sequence of int
        Where to wait, in turn.
    n_threads : int, optional
        How many threads.
    """

    def __init__(self, wait, addrs, n_threads=3):
        self.woken = 0
        self.errors = []
        self._wait = wait
        self._addrs = addrs
        self._stop = threading.Event()
        self._sum = threading.Lock()
        self._threads = [
            threading.Thread(target=self._body, args=(i,), daemon=True) for i in range(n_threads)
        ]

    def _body(self, i):
        woken = 0
        try:
            while not self._stop.is_set():
                woken += self._wait(self._addrs[i % len(self._addrs)]) is WaitResult.WOKEN
                i += 1
        except BaseException as error:
            self.errors.append(error)
        with self._sum:
            self.woken += woken

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self.errors:
            raise self.errors[0]


class Crowd:
    """Prepared waiters at some words; `woken` counts how often one of them was taken."""

    def __init__(self, prepare, places):
        self.woken = 0
        self._prepare = prepare
        self._waiters = [(Waiter(), addr) for addr in places]
        for waiter, addr in self._waiters:
            self._queue(waiter, addr)

    def _queue(self, waiter, addr):
        assert self._prepare(waiter, addr) is None

    def refill(self):
        """Queue those again that were taken, each at its own word."""
        for waiter, addr in self._waiters:
            if waiter.state is WaiterState.DONE:
                self.woken += 1
                self._queue(waiter, addr)

    def finish(self):
        """Count those taken last; everybody must have been."""
        for waiter, _ in self._waiters:
            assert waiter.state is WaiterState.DONE
        self.woken += len(self._waiters)
