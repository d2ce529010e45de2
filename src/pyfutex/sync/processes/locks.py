"""Lock, RLock and Condition with the methods of multiprocessing's, in memory that processes hand to each other."""

from __future__ import annotations

import multiprocessing.context as context
import os
import threading
from multiprocessing import process
from typing import TYPE_CHECKING, Generic, TypeVar

from pyfutex.sync.condition import Condition as SharedCondition
from pyfutex.sync.errors import OwnerDied
from pyfutex.sync.lock import Lock as SharedLock
from pyfutex.sync.processes.pages import Place, allocate
from pyfutex.sync.rlock import RLock as SharedRLock

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

# Where the word of a lock lies, and its bits: docs/sync.md.
WORD_AT = 4
TID_MASK = 0x3FFFFFFF

P = TypeVar("P", SharedLock, SharedRLock)
T = TypeVar("T")


class _OwnedLock(Generic[P]):
    """A lock of pyfutex.sync, with the arguments and the names of multiprocessing's."""

    _kind: type[P]

    def __init__(self) -> None:
        self.__setstate__(allocate(self._kind.SIZE))

    def __getstate__(self) -> Place:
        context.assert_spawning(self)
        return self._place

    def __setstate__(self, place: Place) -> None:
        self._place = place
        self.shared: P = self._kind.attach(place.pages.memory, place.offset)

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Take the lock.

        Parameters
        ----------
        block : bool, optional
            False: return False at once if somebody else holds it, whatever `timeout` is.
        timeout : float, optional
            Seconds to wait at most, none if it is negative; None: as long as it takes.

        Returns
        -------
        bool
            Whether it is held now.

        Raises
        ------
        OwnerDied
            Its owner died with it. **It is held now**; see `consistent`.
        NotRecoverable
            Nobody made good what a dead owner left.
        RuntimeError
            Of a Lock: the calling thread holds it.
        """
        if not block:
            return self.shared.acquire(False)
        if timeout is None:
            return self.shared.acquire()
        return self.shared.acquire(True, max(timeout, 0))

    def release(self) -> None:
        """Let the lock go: those who wait for it are woken one after the other."""
        raise NotImplementedError

    def __enter__(self) -> bool:
        return self.shared.acquire()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shared.release()

    def locked(self) -> bool:
        """Whether somebody holds it."""
        return self.shared.locked()

    def consistent(self) -> None:
        """Say, after `OwnerDied`, that what the lock protects is whole again; see `pyfutex.sync.Lock.consistent`."""
        self.shared.consistent()

    def _owner(self) -> str:
        tid = self._place.view(self._kind.SIZE).cast("I")[WORD_AT] & TID_MASK
        if tid == 0:
            return "None"
        if tid == threading.get_native_id():
            thread = threading.current_thread()
            name = process.current_process().name
            return name if thread is threading.main_thread() else f"{name}|{thread.name}"
        return "SomeOtherThread" if os.path.exists(f"/proc/self/task/{tid}") else "SomeOtherProcess"


class Lock(_OwnedLock[SharedLock]):
    """`multiprocessing.Lock`, owned by the thread that acquired it, which survives that thread."""

    _kind = SharedLock

    def release(self) -> None:
        """Let the lock go.

        Raises
        ------
        ValueError
            Nobody holds it.
        RuntimeError
            Another thread holds it.
        """
        try:
            self.shared.release()
        except RuntimeError:
            if self.shared.locked():
                raise
            raise ValueError("a lock is released that nobody holds") from None

    def __repr__(self) -> str:
        return f"<{type(self).__name__}(owner={self._owner()})>"


class RLock(_OwnedLock[SharedRLock]):
    """`multiprocessing.RLock`, which survives the thread that holds it."""

    _kind = SharedRLock

    def release(self) -> None:
        """Let the lock go once; AssertionError: the calling thread does not hold it."""
        try:
            self.shared.release()
        except RuntimeError:
            raise AssertionError("a lock is released by a thread that does not hold it") from None

    def __repr__(self) -> str:
        owner = self._owner()
        count = self.shared._recursion_count() or (0 if owner == "None" else "nonzero")
        return f"<{type(self).__name__}({owner}, {count})>"


class WholeRLock(RLock):
    """A lock over what is whole at any time, so that nobody has to hear of a dead owner."""

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Take the lock; whether it is held now."""
        try:
            return super().acquire(block, timeout)
        except OwnerDied:
            self.consistent()
            return True

    def __enter__(self) -> bool:
        try:
            return self.shared.acquire()
        except OwnerDied:
            self.consistent()
            return True


class Condition:
    """`multiprocessing.Condition`: waiters that are killed hold up nobody.

    Parameters
    ----------
    lock : Lock or RLock, optional
        Of such a context. None: a new RLock.
    """

    def __init__(self, lock: Lock | RLock | None = None) -> None:
        if lock is None:
            lock = RLock()
        elif not isinstance(lock, (Lock, RLock)):
            raise TypeError(f"the lock of a condition is a Lock or RLock of its context, not {lock!r}")
        place = allocate(SharedCondition.SIZE)
        SharedCondition.create(place.pages.memory, place.offset, lock.shared)
        self.__setstate__((lock, place))

    def __getstate__(self) -> tuple[Lock | RLock, Place]:
        context.assert_spawning(self)
        return self._lock, self._place

    def __setstate__(self, state: tuple[Lock | RLock, Place]) -> None:
        self._lock, self._place = state
        memory, offset = self._place
        self.shared = SharedCondition.attach(memory.memory, offset, self._lock.shared)
        self.acquire = self._lock.acquire
        self.release = self._lock.release

    def __enter__(self) -> bool:
        return self._lock.__enter__()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lock.__exit__(exc_type, exc, traceback)

    def consistent(self) -> None:
        """Say, after `OwnerDied`, that what the lock protects is whole again; see `pyfutex.sync.Lock.consistent`."""
        self._lock.consistent()

    def wait(self, timeout: float | None = None) -> bool:
        """Let the lock go, sleep until notified, take the lock again; see `pyfutex.sync.Condition.wait`."""
        return self.shared.wait(timeout)

    def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        """Wait until `predicate()` is true, and return what it said last; at most `timeout` seconds."""
        return self.shared.wait_for(predicate, timeout)

    def notify(self, n: int = 1) -> None:
        """Let `n` of those who wait go on; RuntimeError: the calling thread does not hold the lock."""
        self.shared.notify(n)

    def notify_all(self) -> None:
        """Let all who wait go on; RuntimeError: the calling thread does not hold the lock."""
        self.shared.notify_all()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}({self._lock!r})>"
