"""RWLock: many tasks and threads read, or one writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pyfutex.aio._awaits import wait
from pyfutex.aio._held import Held
from pyfutex.aio._lock import Lock
from pyfutex.aio._meetings import caller, check_acquire, end_of, new_word, sleep

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

__all__ = ["RWLock"]

# The word has the number of readers, and above it that of writers who write or wait to.
READER, WRITER = 1, 1 << 32


class RWLock:
    """A lock that many tasks and threads of one process hold for reading, or one for writing.

    It prefers writers: once a writer waits, readers that come wait behind it, until it has been in. Among those who wait,
    readers and writers are equal: tasks of one loop go on in the order in which they came, and between loops and threads
    whoever comes at the right moment may be first.

    It is not reentrant, and there is no way from reading to writing but to let go first: a writer that asks again gets a
    RuntimeError, and a reader that asks to write waits for itself. What is held for writing belongs to the task, or to the
    thread where that runs no loop; what is held for reading, anybody may let go.

    Examples
    --------
    In a coroutine ``async with lock.read():``, in a thread ``with lock.write():``.
    """

    def __init__(self) -> None:
        self._word = new_word(size=8)
        # Held by a writer, and by a reader that came when there was one, on its way in.
        self._gate = Lock()
        self._writer: asyncio.Task[Any] | int | None = None

    def read(self) -> Held:
        """Give the lock as a context manager that reads, for tasks and for threads."""
        return _Side(self.acquire_read, self.acquire_read_blocking, self.release_read)

    def write(self) -> Held:
        """Give the lock as a context manager that writes, for tasks and for threads."""
        return _Side(self.acquire_write, self.acquire_write_blocking, self.release_write)

    async def acquire_read(self) -> Literal[True]:
        """Acquire it for reading. Cancelled, it holds nothing, and keeps nobody from it."""
        self._refuse_writer()
        if not self._read_at_once():
            async with self._gate:
                self._add(READER)
        return True

    def acquire_read_blocking(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Acquire it for reading from a thread that runs no loop, as `pyfutex.sync.RWLock.acquire_read`.

        Raises
        ------
        RuntimeError
            This thread runs a loop, and `blocking` is true; or it holds the lock for writing.
        """
        check_acquire(blocking, timeout, "acquire_read_blocking")
        self._refuse_writer()
        if self._read_at_once():
            return True
        if not blocking or not self._gate.acquire_blocking(timeout=timeout):
            return False
        try:
            self._add(READER)
        finally:
            self._gate.release()
        return True

    def release_read(self) -> None:
        """Let go what is held for reading.

        Raises
        ------
        RuntimeError
            Nobody holds it so.
        """
        word = self._word
        while (seen := word.load()) % WRITER:
            if word.compare_exchange(seen, seen - READER):
                if seen > WRITER and seen % WRITER == READER:
                    word.wake()  # the writer who has the gate: nobody else sleeps here
                return
        raise RuntimeError("nobody holds this lock for reading")

    async def acquire_write(self) -> Literal[True]:
        """Acquire it for writing. Cancelled, it holds nothing, and keeps nobody from it."""
        self._refuse_writer()
        self._add(WRITER)
        try:
            await self._gate.acquire()
            try:
                while (seen := self._word.load()) % WRITER:
                    await wait(self._word, seen)
            except BaseException:
                self._gate.release()
                raise
        except BaseException:
            self._add(-WRITER)
            raise
        self._writer = caller()
        return True

    def acquire_write_blocking(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Acquire it for writing from a thread that runs no loop, as `pyfutex.sync.RWLock.acquire_write`.

        Raises
        ------
        RuntimeError
            This thread runs a loop, and `blocking` is true; or it holds the lock for writing already.
        """
        check_acquire(blocking, timeout, "acquire_write_blocking")
        self._refuse_writer()
        end = end_of(None if timeout == -1 else timeout)
        self._add(WRITER)
        is_in = False
        try:
            if self._gate.acquire_blocking(blocking, timeout):
                try:
                    is_in = self._drain(blocking, end)
                finally:
                    if not is_in:
                        self._gate.release()
        finally:
            if not is_in:
                self._add(-WRITER)
        if is_in:
            self._writer = caller()
        return is_in

    def release_write(self) -> None:
        """Let go what is held for writing.

        Raises
        ------
        RuntimeError
            The calling task, or the calling thread, does not hold it so.
        """
        if self._writer != caller():
            raise RuntimeError("this lock is not held for writing by who releases it")
        self._writer = None
        self._add(-WRITER)
        self._gate.release()

    def locked(self) -> bool:
        """Tell whether anybody holds it, for reading or for writing."""
        return self.write_locked or self.n_readers > 0

    @property
    def write_locked(self) -> bool:
        """Whether somebody holds it for writing."""
        return self._writer is not None

    @property
    def n_readers(self) -> int:
        """How many hold it for reading."""
        return self._word.load() % WRITER

    def _refuse_writer(self) -> None:
        if self._writer == caller():
            raise RuntimeError("who asks for this lock holds it for writing")

    def _read_at_once(self) -> bool:
        word = self._word
        while (seen := word.load()) < WRITER:
            if word.compare_exchange(seen, seen + READER):
                return True
        return False

    def _drain(self, blocking: bool, end: float | None) -> bool:
        """Have this thread sleep until nobody reads: whether that is so now."""
        while (seen := self._word.load()) % WRITER:
            if not blocking or not sleep(self._word, seen, end):
                return False
        return True

    def _add(self, n: int) -> None:
        word = self._word
        while not word.compare_exchange(seen := word.load(), seen + n):
            pass

    def __repr__(self) -> str:
        state = "write-locked" if self.write_locked else f"{self.n_readers} readers"
        return f"<RWLock {state} at {id(self):#x}>"


class _Side(Held):
    """What `RWLock.read` and `RWLock.write` give."""

    def __init__(
        self,
        acquire: Callable[[], Awaitable[bool]],
        acquire_blocking: Callable[[], bool],
        release: Callable[[], None],
    ) -> None:
        self.acquire = acquire
        self.acquire_blocking = acquire_blocking
        self.release = release
