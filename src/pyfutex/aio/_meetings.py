"""What primitives have on which tasks and threads meet: a word of a manager, and the tasks of each loop in their order."""

from __future__ import annotations

import asyncio
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import ref

from pyfutex.futex import Futex
from pyfutex.manager import Manager
from pyfutex.memory import Memory
from pyfutex.results import WaitResult

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OfLoops", "caller", "check_acquire", "end_of", "gates", "new_word", "refuse_in_loop", "sleep"]

OfLoop = TypeVar("OfLoop")

_manager = Manager()


def new_word(value: int = 0, size: int = 4) -> Futex:
    """Return a word of its own, of `size` bytes, that holds `value`."""
    word = Futex(_manager, Memory(bytearray(size)), 0, size)
    if value:
        word.store(value)
    return word


def refuse_in_loop(what: str) -> None:
    """Raise RuntimeError in a thread that runs a loop: to block it would block who is waited for."""
    if asyncio._get_running_loop() is not None:
        raise RuntimeError(f"{what} would block the running event loop")


def caller() -> asyncio.Task[Any] | int:
    """Who calls, and may own something: the running task, or else the thread."""
    if asyncio._get_running_loop() is None:
        return get_ident()
    return asyncio.current_task() or get_ident()


def check_acquire(blocking: bool, timeout: float, what: str) -> None:
    """Check the arguments of `threading.Lock.acquire`, and that the call may block if that is what it is to do."""
    if not blocking:
        if timeout != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        return
    if timeout < 0 and timeout != -1:
        raise ValueError("timeout value must be a non-negative number")
    refuse_in_loop(what)


def end_of(timeout: float | None) -> float | None:
    """When a timeout that begins now ends; None: never."""
    return None if timeout is None else monotonic() + timeout


def sleep(word: Futex, val: int, end: float | None) -> bool:
    """Have this thread sleep while `word` holds `val`, until woken or `end`; False: that came first."""
    left = None if end is None else max(0.0, end - monotonic())
    return word.wait(val, left) is not WaitResult.TIMEOUT


class OfLoops(Generic[OfLoop]):
    """What the tasks of each loop share, made when the first of them asks for it.

    Parameters
    ----------
    make : callable
        Makes that of a loop.
    """

    def __init__(self, make: Callable[[], OfLoop]) -> None:
        self._make = make
        self._of_loop: dict[ref[asyncio.AbstractEventLoop], OfLoop] = {}

    def here(self) -> OfLoop:
        """Return that of the running loop."""
        loop = asyncio.get_running_loop()
        found = self._of_loop.get(ref(loop))
        if found is None:
            found = self._of_loop[ref(loop, self._of_loop.pop)] = self._make()
        return found


def gates() -> OfLoops[asyncio.Lock]:
    """Have one task of each loop at a time get to the word; the others stand in line, first come first served."""
    return OfLoops(asyncio.Lock)
