"""Threads that start together, and how much work a stress test does.

The environment variable PYFUTEX_STRESS is a factor on every number of rounds: 1 by default, where the whole directory
takes less than a minute on two cores.
"""

import os
import random
import sys
import threading

FACTOR = float(os.environ.get("PYFUTEX_STRESS", "1"))


def scaled(rounds):
    """A number of rounds times the factor, at least 1."""
    return max(1, int(rounds * FACTOR))


class Crew:
    """Threads that start together and are joined together; the first exception of any is raised.

    As a context manager: threads given to `add` start when the block begins to run, which is when all of them do; they
    are joined at its end. `stopping` is set when the block ends, for threads that go on until then.

    Parameters
    ----------
    rng : random.Random
        Gives every thread a generator of its own.
    """

    def __init__(self, rng):
        self.stopping = threading.Event()
        self._rng = rng
        self._bodies = []
        self._threads = []
        self._errors = []
        self._results = []
        self._lock = threading.Lock()

    def add(self, body, n=1):
        """Have `n` threads run ``body(rng)``; what they return is in `results`."""
        self._bodies += [body] * n

    @property
    def results(self):
        """What the threads returned, in no particular order."""
        return self._results

    def working(self):
        """Tell whether any thread still runs and none has failed."""
        return any(thread.is_alive() for thread in self._threads) and not self._errors

    def tids(self):
        """Native ids of the threads that still run."""
        return [thread.native_id for thread in self._threads if thread.is_alive()]

    def idents(self):
        """Identifiers, for signal.pthread_kill, of the threads that still run."""
        return [thread.ident for thread in self._threads if thread.is_alive()]

    def _run(self, body, rng, start):
        try:
            start.wait()
            result = body(rng)
            with self._lock:
                self._results.append(result)
        except BaseException as error:
            with self._lock:
                self._errors.append(error)
            self.stopping.set()

    def __enter__(self):
        start = threading.Barrier(len(self._bodies) + 1)
        for body in self._bodies:
            rng = random.Random(self._rng.getrandbits(64))
            thread = threading.Thread(target=self._run, args=(body, rng, start), daemon=True)
            self._threads.append(thread)
            thread.start()
        self._interval = sys.getswitchinterval()
        sys.setswitchinterval(5e-5)
        start.wait()
        return self

    def __exit__(self, kind, value, traceback):
        self.stopping.set()
        try:
            if kind is None:
                self.join()
        finally:
            sys.setswitchinterval(self._interval)

    def join(self):
        """Wait for the threads to end; raise what one of them raised."""
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]
