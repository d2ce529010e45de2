"""What is measured, and beside what."""

from __future__ import annotations

import asyncio
import mmap
import multiprocessing
import threading
from collections.abc import Callable
from contextlib import contextmanager
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from pyfutex import Manager, Memory, aio, sync
from pyfutex.measuring.partners import Baton, answering_thread, echo_process, echo_thread, exchange

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

# Does something so many times.
Work = Callable[[int], object]


class Side(NamedTuple):
    """One of the two ways to do something."""

    name: str
    opened: Callable[[], AbstractContextManager[Work]]


class Subject(NamedTuple):
    """Something that can be done in two ways."""

    group: str
    ours: Side
    theirs: Side

    @property
    def name(self) -> str:
        """Both ways."""
        return f"{self.ours.name} | {self.theirs.name}"


# --- nobody waits ------------------------------------------------------------------------------------------------------


@contextmanager
def _taken_and_given(lock: Baton) -> Iterator[Work]:
    def work(n: int) -> None:
        for _ in repeat(None, n):
            lock.acquire()
            lock.release()

    yield work


@contextmanager
def _entered(lock: Any) -> Iterator[Work]:
    def work(n: int) -> None:
        for _ in repeat(None, n):
            with lock:
                pass

    yield work


@contextmanager
def _set_and_cleared(event: Any) -> Iterator[Work]:
    def work(n: int) -> None:
        for _ in repeat(None, n):
            event.set()
            event.clear()

    yield work


@contextmanager
def _wakes_of_nobody() -> Iterator[Work]:
    word = Manager().futex(Memory(bytearray(64)), 0)

    def work(n: int) -> None:
        for _ in repeat(None, n):
            word.wake()

    yield work


@contextmanager
def _notices_to_nobody() -> Iterator[Work]:
    condition = threading.Condition()

    def work(n: int) -> None:
        for _ in repeat(None, n):
            with condition:
                condition.notify()

    yield work


# --- two threads -------------------------------------------------------------------------------------------------------


def _taken(lock: Any) -> Any:
    lock.acquire()
    return lock


@contextmanager
def _echoed(
    echo: Callable[[Baton, Baton], AbstractContextManager[None]], there: Any, back: Any
) -> Iterator[Work]:
    with echo(there, back):
        yield lambda n: exchange(there, back, n)


@contextmanager
def _turns(condition: Any) -> Iterator[Work]:
    """Each waits until it is its turn, and gives the turn to the other."""
    is_mine, is_over = True, False

    def answer() -> bool:
        nonlocal is_mine
        with condition:
            while is_mine and not is_over:
                condition.wait()
            is_mine = True
            condition.notify()
        return not is_over

    def end() -> None:
        nonlocal is_over
        with condition:
            is_over = True
            condition.notify()

    def work(n: int) -> None:
        nonlocal is_mine
        for _ in repeat(None, n):
            with condition:
                is_mine = False
                condition.notify()
                while not is_mine:
                    condition.wait()

    with answering_thread(answer, end):
        yield work


class _WordBaton:
    """A futex word that is 1 if it is there to be taken."""

    def __init__(self) -> None:
        self._word = Manager().futex(Memory(bytearray(64)), 0)

    def release(self) -> None:
        self._word.store(1)
        self._word.wake()

    def acquire(self) -> None:
        while self._word.load() == 0:
            self._word.wait(0)
        self._word.store(0)


class _EventBaton:
    """An event that is set if it is there to be taken."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def release(self) -> None:
        self._event.set()

    def acquire(self) -> None:
        self._event.wait()
        self._event.clear()


# --- two processes -----------------------------------------------------------------------------------------------------


def _shared(make: Callable[..., Any], **options: Any) -> Any:
    return make(mmap.mmap(-1, mmap.PAGESIZE), **options)


# --- an event loop and a thread ----------------------------------------------------------------------------------------


@contextmanager
def _awaited_word() -> Iterator[Work]:
    word = Manager().futex(Memory(bytearray(64)), 0)
    go, is_over = _taken(threading.Lock()), False

    def answer() -> bool:
        go.acquire()
        word.store(1)
        word.wake()
        return not is_over

    def end() -> None:
        nonlocal is_over
        is_over = True
        go.release()

    async def resume(n: int) -> None:
        for _ in repeat(None, n):
            go.release()
            while word.load() == 0:
                await aio.wait(word, 0)
            word.store(0)

    with answering_thread(answer, end), asyncio.Runner() as runner:
        yield lambda n: runner.run(resume(n))


@contextmanager
def _called_loop() -> Iterator[Work]:
    go, is_over = _taken(threading.Lock()), False

    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        event = asyncio.Event()

        def answer() -> bool:
            go.acquire()
            loop.call_soon_threadsafe(event.set)
            return not is_over

        def end() -> None:
            nonlocal is_over
            is_over = True
            go.release()

        async def resume(n: int) -> None:
            for _ in repeat(None, n):
                go.release()
                await event.wait()
                event.clear()

        with answering_thread(answer, end):
            yield lambda n: runner.run(resume(n))


def _theirs(name: str) -> Any:
    return getattr(multiprocessing.get_context("fork"), name)


NOBODY_WAITS = "nobody waits: take and give back, set and clear, wake"
PROCESSES = "there and back between two processes"
THREADS = "there and back between two threads"
LOOP = "a thread lets a coroutine go on, and it the thread"

# What forks comes before what starts threads.
SUBJECTS = (
    Subject(
        NOBODY_WAITS,
        Side("Lock", lambda: _taken_and_given(sync.Lock())),
        Side("threading.Lock", lambda: _taken_and_given(threading.Lock())),
    ),
    Subject(
        NOBODY_WAITS,
        Side("RLock", lambda: _entered(sync.RLock())),
        Side("threading.RLock", lambda: _entered(threading.RLock())),
    ),
    Subject(
        NOBODY_WAITS,
        Side("Semaphore", lambda: _taken_and_given(sync.Semaphore())),
        Side("threading.Semaphore", lambda: _taken_and_given(threading.Semaphore())),
    ),
    Subject(
        NOBODY_WAITS,
        Side("Event", lambda: _set_and_cleared(sync.Event())),
        Side("threading.Event", lambda: _set_and_cleared(threading.Event())),
    ),
    Subject(
        NOBODY_WAITS,
        Side("Futex.wake", _wakes_of_nobody),
        Side("threading.Condition.notify", _notices_to_nobody),
    ),
    Subject(
        NOBODY_WAITS,
        Side("Lock.create", lambda: _taken_and_given(_shared(sync.Lock.create))),
        Side("multiprocessing.Lock", lambda: _taken_and_given(_theirs("Lock")())),
    ),
    Subject(
        PROCESSES,
        Side(
            "Semaphore.create",
            lambda: _echoed(
                echo_process, _shared(sync.Semaphore.create, value=0), _shared(sync.Semaphore.create, value=0)
            ),
        ),
        Side(
            "multiprocessing.Semaphore",
            lambda: _echoed(echo_process, _theirs("Semaphore")(0), _theirs("Semaphore")(0)),
        ),
    ),
    Subject(
        THREADS,
        Side("Lock", lambda: _echoed(echo_thread, _taken(sync.Lock()), _taken(sync.Lock()))),
        Side(
            "threading.Lock", lambda: _echoed(echo_thread, _taken(threading.Lock()), _taken(threading.Lock()))
        ),
    ),
    Subject(
        THREADS,
        Side("Semaphore", lambda: _echoed(echo_thread, sync.Semaphore(0), sync.Semaphore(0))),
        Side(
            "threading.Semaphore",
            lambda: _echoed(echo_thread, threading.Semaphore(0), threading.Semaphore(0)),
        ),
    ),
    Subject(
        THREADS,
        Side("Condition", lambda: _turns(sync.Condition())),
        Side("threading.Condition", lambda: _turns(threading.Condition())),
    ),
    Subject(
        THREADS,
        Side("Futex.wait, wake", lambda: _echoed(echo_thread, _WordBaton(), _WordBaton())),
        Side("threading.Event", lambda: _echoed(echo_thread, _EventBaton(), _EventBaton())),
    ),
    Subject(
        LOOP,
        Side("aio.wait", _awaited_word),
        Side("call_soon_threadsafe", _called_loop),
    ),
)
