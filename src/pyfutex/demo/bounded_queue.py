"""A bounded queue over any mutex and any two conditions on it."""

from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")


class Condition(Protocol):
    """What the queue needs of a condition; `threading.Condition` has it, and so has `FutexCondition`."""

    def wait(self) -> object:
        """Release the mutex, sleep until notified, take the mutex again."""

    def notify_all(self) -> None:
        """Let all threads go on that wait here."""


class Closed(Exception):
    """The queue takes no more items, or will give no more."""


class BoundedQueue(Generic[T]):
    """A first-in, first-out queue for any number of producers and consumers.

    It notifies only when it stops being empty or stops being full, and then everybody who waits for that.

    Parameters
    ----------
    capacity : int, at least 1
        A producer waits while the queue holds this many items.
    mutex : context manager
        Guards the queue.
    not_empty, not_full : Condition
        Two conditions on `mutex`.
    """

    # All three are guarded by the mutex.
    # A thread that waits on `not_empty` and has not been notified saw `_items` empty, and it still is.
    # A thread that waits on `not_full` and has not been notified saw `_items` full, and it still is.
    # Nobody waits unnotified once `_closed` is true, and it never becomes false again.
    _items: deque[T]
    _capacity: int
    _closed: bool

    def __init__(
        self, capacity: int, mutex: AbstractContextManager[Any], not_empty: Condition, not_full: Condition
    ) -> None:
        if capacity < 1:
            raise ValueError("a queue needs room for one item at least")
        self._mutex = mutex
        self._not_empty = not_empty
        self._not_full = not_full
        self._items = deque()
        self._capacity = capacity
        self._closed = False

    def put(self, item: T) -> None:
        """Append `item`, waiting for room.

        Raises
        ------
        Closed
            The queue was closed before there was room.
        """
        with self._mutex:
            while len(self._items) >= self._capacity and not self._closed:
                self._not_full.wait()
            if self._closed:
                raise Closed
            self._items.append(item)
            if len(self._items) == 1:
                self._not_empty.notify_all()

    def get(self) -> T:
        """Take the oldest item, waiting for one.

        Raises
        ------
        Closed
            The queue is closed and empty.
        """
        with self._mutex:
            while not self._items:
                if self._closed:
                    raise Closed
                self._not_empty.wait()
            item = self._items.popleft()
            if len(self._items) == self._capacity - 1:
                self._not_full.notify_all()
            return item

    def close(self) -> None:
        """Take no more items; those that are in can still be taken out."""
        with self._mutex:
            self._closed = True
            self._not_empty.notify_all()
            self._not_full.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Take items until the queue is closed and empty."""
        while True:
            try:
                item = self.get()
            except Closed:
                return
            yield item
