"""The same waits for greenlets: the greenlet that waits gives way to others in its hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gevent import get_hub
from gevent.hub import Waiter as Switch
from gevent.monkey import get_original

from pyfutex.aio._completions import Completions, Reader
from pyfutex.results import WaitResult

if TYPE_CHECKING:
    from pyfutex.futex import Futex
    from pyfutex.waiter import Waiter

__all__ = ["wait", "woken"]

READABLE = 1


def _resume(switch: Any, error: Exception | None) -> None:
    if error is None:
        switch.switch(None)
    else:
        switch.throw(error)


class _Listening:
    """Who waits in the hub of one thread. A watcher listens while somebody does: to the hub it is no deadlock."""

    def __init__(self) -> None:
        self.completions: Completions[Any] = Completions(_resume)
        self._drain = Reader(self.completions)
        self._watcher: Any = None

    def sleep(self, waiter: Waiter, switch: Any) -> None:
        """Return when the waiter is done."""
        if self._watcher is None:
            self._watcher = get_hub().loop.io(self.completions.queue.fileno(), READABLE)
            self._watcher.start(self._drain_all)
        try:
            switch.get()
        except BaseException:
            self.completions.leave(waiter)
            raise
        finally:
            self._rest()

    def _drain_all(self) -> None:
        self._drain()
        self._rest()

    def _rest(self) -> None:
        if self._watcher is not None and not len(self.completions):
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None


# Of threads and not of hubs, which a thread that ends leaves behind, destroyed or not.
_of_thread = get_original("threading", "local")()


def _listening() -> _Listening:
    try:
        found: _Listening = _of_thread.listening
    except AttributeError:
        found = _of_thread.listening = _Listening()
    return found


def wait(word: Futex, val: int) -> WaitResult:
    """Wait until a word is woken, provided it holds `val`: as `pyfutex.aio.wait`, for the greenlet that calls.

    `gevent.Timeout`, and whatever else is thrown into the greenlet, ends it as a cancel does there.
    """
    listening, switch = _listening(), Switch()
    waiter = listening.completions.queue_on(word, val, switch)
    if waiter is None:
        return WaitResult.MISMATCH
    listening.sleep(waiter, switch)
    return WaitResult.WOKEN


def woken(waiter: Waiter) -> WaitResult:
    """Wait until `waiter`, which is queued already, is woken: as `pyfutex.aio.woken`, for the greenlet that calls."""
    listening, switch = _listening(), Switch()
    if listening.completions.adopt(waiter, switch):
        listening.sleep(waiter, switch)
    return WaitResult.WOKEN
