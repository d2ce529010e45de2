"""Threads of Python that do what they are told, one job after another."""

from __future__ import annotations

import queue
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def until(predicate: Callable[[], bool]) -> None:
    """Return once `predicate` holds; the watchdog ends a test in which it never does.

    It looks every few microseconds and sleeps between: on a busy machine a yielded processor comes back much later.
    """
    while not predicate():
        time.sleep(2e-5)


class Agent(threading.Thread):
    """A thread that does what it is told, one job after another."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.done = threading.Event()
        self.uaddr = 0
        self.result: Any = None
        self._jobs: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self.start()

    def run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self.result = job()
            self.done.set()

    def begin(self, job: Callable[[], Any]) -> None:
        """Give the thread its next job and do not wait for it."""
        self.done.clear()
        self._jobs.put(job)

    def do(self, job: Callable[[], Any]) -> Any:
        """Run a job that does not block, in the thread."""
        self.begin(job)
        self.done.wait()
        return self.result

    def dismiss(self) -> None:
        """Let the thread end after the job it has."""
        self._jobs.put(None)

    def end(self) -> None:
        """Return once the thread is gone, its number included. It must be idle.

        Python's own join returns before the kernel has handed on what the thread held.
        """
        self.dismiss()
        self.join()
        until(lambda: not Path(f"/proc/self/task/{self.native_id}").exists())
