"""Recording: begins, ends, saves."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from importlib.metadata import version
from typing import TYPE_CHECKING

from pyfutex import _recording
from pyfutex.tracing.events import Told, Wait
from pyfutex.tracing.labels import ThreadLabels, WordLabels
from pyfutex.tracing.records import Record

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

MOST = 200_000
MOST_OF_ALL = 1 << 29  # so that numbers of arrows have 30 bits


class Recording:
    """The waits and wakes of all threads of this process, from `start` to `stop`, or inside a ``with``.

    What is recorded is where threads of Python go to sleep, and wake each other, in `pyfutex.sync` and in the calls of a
    `Manager` that block: also on objects that were made before. What is done at once, like taking a lock that is free, is
    not seen, and costs what it always costs.

    Parameters
    ----------
    most : int, optional
        How many waits and wakes there is room for, of 72 bytes each. Those that come later are counted alone.

    Notes
    -----
    One recording at a time in a process. The child of a fork is not recorded. Thread safety: any thread.

    Examples
    --------
    >>> import threading
    >>> from pyfutex.sync import Event
    >>> from pyfutex.tracing import Recording
    >>> ready = Event()
    >>> with Recording() as recording:
    ...     ready.wait(timeout=0.01)
    False
    >>> [(wait.thread, wait.woken_by) for wait in recording.waits()]
    [('MainThread', '')]
    """

    def __init__(self, most: int = MOST) -> None:
        if not 1 <= most <= MOST_OF_ALL:
            raise ValueError(f"there may be room for 1 to {MOST_OF_ALL:,} waits and wakes, not for {most:,}")
        self._most = most
        self._pid = 0
        self._threads = ThreadLabels()
        self._told: Told | None = None
        self._n_lost = 0

    def start(self) -> None:
        """Record from now on.

        Raises
        ------
        OSError
            EBUSY: this process is recorded already.
        RuntimeError
            This recording was started before.
        """
        if self._pid:
            raise RuntimeError("a recording is made once")
        _recording.begin(self._most)
        self._pid = os.getpid()
        self._threads.watch()

    def stop(self) -> None:
        """Record no more. Words and threads get the names that they have now.

        In the child of a fork, which is not recorded: nothing.
        """
        if self._told is not None or not self.is_of_this_process:
            return
        records, self._n_lost = _recording.end()
        until = time.monotonic_ns()
        self._threads.unwatch()
        self._told = Told.of(
            self._pid,
            " ".join(sys.argv) or "python",
            self._threads.names(),
            until,
            [Record(*each) for each in records],
            WordLabels(),
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.stop()

    @property
    def is_of_this_process(self) -> bool:
        """Whether it was started, and not by the parent of this process."""
        return self._pid == os.getpid()

    @property
    def n_lost(self) -> int:
        """How many waits and wakes found no room."""
        return self._n_lost

    def waits(self) -> list[Wait]:
        """Who waited for what, how many seconds, and who woke them, as far as that is known."""
        return list(self._ended().waits())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file in the Trace Event Format, which https://ui.perfetto.dev opens."""
        about = {
            "pyfutex": version("pyfutex"),
            "python": platform.python_version(),
            "clock": "CLOCK_MONOTONIC",
            "lost": self._n_lost,
        }
        events = ",\n".join(self._ended().events())
        with open(path, "w", encoding="utf-8") as file:
            file.write(
                f'{{"displayTimeUnit": "ns", "otherData": {json.dumps(about)}, "traceEvents": [\n{events}\n]}}\n'
            )

    def _ended(self) -> Told:
        if self._told is None:
            raise RuntimeError("the recording has not ended")
        return self._told
