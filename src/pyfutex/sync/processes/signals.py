"""Semaphore, BoundedSemaphore, Event and Barrier with the methods of multiprocessing's, in memory that processes share."""

from __future__ import annotations

import multiprocessing.context as context
from typing import TYPE_CHECKING

from pyfutex.sync.barrier import Barrier as SharedBarrier
from pyfutex.sync.event import Event as SharedEvent
from pyfutex.sync.processes.pages import Place, allocate
from pyfutex.sync.semaphore import BoundedSemaphore as SharedBoundedSemaphore
from pyfutex.sync.semaphore import Semaphore as SharedSemaphore

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


class Semaphore:
    """`multiprocessing.Semaphore`. A permit belongs to nobody: those of a process that dies are lost.

    Parameters
    ----------
    value : int, optional
        Permits to begin with.
    undo : bool, optional
        Whether a permit belongs to the thread that acquired it, and comes back when that ends; see
        `pyfutex.sync.Semaphore.create`.
    """

    _kind: type[SharedSemaphore] = SharedSemaphore

    def __init__(self, value: int = 1, *, undo: bool = False) -> None:
        place = allocate(self._kind.size(value) if undo else self._kind.SIZE)
        self._kind.create(place.pages.memory, place.offset, value=value, undo=undo)
        self.__setstate__((place, value))

    def __getstate__(self) -> tuple[Place, int]:
        context.assert_spawning(self)
        return self._place, self._first_value

    def __setstate__(self, state: tuple[Place, int]) -> None:
        self._place, self._first_value = state
        self.shared = self._kind.attach(self._place.pages.memory, self._place.offset)
        self.release = self.shared.release

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Take a permit.

        Parameters
        ----------
        block : bool, optional
            False: return False at once if there is none, whatever `timeout` is.
        timeout : float, optional
            Seconds to wait at most, none if it is negative; None: as long as it takes.

        Returns
        -------
        bool
            Whether a permit was taken.
        """
        if not block:
            return self.shared.acquire(False)
        return self.shared.acquire(True, None if timeout is None else max(timeout, 0))

    def get_value(self) -> int:
        """How many permits there are. That may be past by the time it is returned."""
        return self.shared.value

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    # What the queues of multiprocessing ask of a semaphore.

    @property
    def _semlock(self) -> Semaphore:
        return self

    def _get_value(self) -> int:
        return self.shared.value

    def _is_zero(self) -> bool:
        return self.shared.value == 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__}(value={self.get_value()})>"


class BoundedSemaphore(Semaphore):
    """`multiprocessing.BoundedSemaphore`: a release too many is a ValueError."""

    _kind = SharedBoundedSemaphore

    def __repr__(self) -> str:
        return f"<{type(self).__name__}(value={self.get_value()}, maxvalue={self._first_value})>"


class Event:
    """`multiprocessing.Event`, whose `set` takes no lock: a process that dies hinders nobody."""

    def __init__(self) -> None:
        self.__setstate__(allocate(SharedEvent.SIZE))

    def __getstate__(self) -> Place:
        context.assert_spawning(self)
        return self._place

    def __setstate__(self, place: Place) -> None:
        self._place = place
        self.shared = SharedEvent.attach(place.pages.memory, place.offset)
        self.is_set = self.shared.is_set
        self.set = self.shared.set
        self.clear = self.shared.clear
        self.wait = self.shared.wait

    def __repr__(self) -> str:
        return f"<{type(self).__qualname__} at {id(self):#x} {'set' if self.is_set() else 'unset'}>"


class Barrier:
    """`multiprocessing.Barrier`, which breaks when a party dies that waits.

    Parameters
    ----------
    parties : int
        How many threads.
    action : callable, optional
        Called by the last of them to arrive, before it lets the others go.
    timeout : float, optional
        Seconds that `wait` waits at most unless told otherwise.
    """

    def __init__(
        self, parties: int, action: Callable[[], object] | None = None, timeout: float | None = None
    ) -> None:
        place = allocate(SharedBarrier.size(parties))
        SharedBarrier.create(place.pages.memory, place.offset, parties=parties)
        self.__setstate__((place, action, timeout))

    def __getstate__(self) -> tuple[Place, Callable[[], object] | None, float | None]:
        context.assert_spawning(self)
        return self._place, self._action, self._timeout

    def __setstate__(self, state: tuple[Place, Callable[[], object] | None, float | None]) -> None:
        self._place, self._action, self._timeout = state
        self.shared = SharedBarrier.attach(
            self._place.pages.memory, self._place.offset, action=self._action, timeout=self._timeout
        )
        self.wait = self.shared.wait
        self.reset = self.shared.reset
        self.abort = self.shared.abort

    @property
    def parties(self) -> int:
        """How many threads it takes."""
        return self.shared.parties

    @property
    def n_waiting(self) -> int:
        """How many of them wait."""
        return self.shared.n_waiting

    @property
    def broken(self) -> bool:
        """Whether it is broken."""
        return self.shared.broken

    def __repr__(self) -> str:
        state = "broken" if self.broken else f"waiters={self.n_waiting}/{self.parties}"
        return f"<{type(self).__qualname__} at {id(self):#x}: {state}>"
