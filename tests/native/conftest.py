"""Runs calls of the native extensions in threads that overlap for as long as the calls take."""

import os
import threading

import pytest

FACTOR = float(os.environ.get("PYFUTEX_STRESS", "1"))


def scaled(rounds):
    """A number of rounds times the environment variable PYFUTEX_STRESS, at least 1."""
    return max(1, int(rounds * FACTOR))


class Together:
    """Calls that start at the same time, each in a thread; `results` in the order of the calls."""

    def __init__(self, calls, pinned):
        self.results = [None] * len(calls)
        self._errors = []
        self._start = threading.Barrier(len(calls))
        processors = sorted(os.sched_getaffinity(0))
        self._threads = [
            threading.Thread(
                target=self._run,
                args=(i, call, processors[i % len(processors)] if pinned else None),
                daemon=True,
            )
            for i, call in enumerate(calls)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, i, call, processor):
        try:
            if processor is not None:
                os.sched_setaffinity(0, {processor})
            self._start.wait()
            self.results[i] = call()
        except BaseException as error:
            self._errors.append(error)

    def running(self, i):
        """Whether the i-th call has not returned yet."""
        return self._threads[i].is_alive()

    def join(self, *which):
        """Wait for those calls, or for all; raise what one of them raised; give the results."""
        for i in which or range(len(self._threads)):
            self._threads[i].join()
        if self._errors:
            raise self._errors[0]
        return self.results


@pytest.fixture
def together():
    """Start calls in threads of their own: ``together(call, ..., pinned=False)`` gives a `Together`."""
    return lambda *calls, pinned=False: Together(calls, pinned)
