"""What an event loop has for those who wait in it: one completion queue, and who waits for each waiter."""

from __future__ import annotations

import os
from collections import deque
from queue import Empty
from typing import TYPE_CHECKING, Generic, TypeVar

from pyfutex.completionqueue import CompletionQueue
from pyfutex.results import WaiterState
from pyfutex.waiter import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyfutex.futex import Futex

__all__ = ["Completions", "Reader"]

Party = TypeVar("Party")

# A waker that has taken a waiter pushes it in microseconds; in the child of a fork, nobody does.
PUSH_SECONDS = 1.0


class Completions(Generic[Party]):
    """The waiters of one event loop. The loop's thread alone calls this, but for `_withdrawn`.

    Parameters
    ----------
    resume : callable
        Lets a party go on: with None, its waiter was woken; with an exception, that is to be raised where it waits.
    """

    def __init__(self, resume: Callable[[Party, Exception | None], None]) -> None:
        self.queue = CompletionQueue()
        self._resume = resume
        # None: nobody waits for it any more, but the queue is going to bring it.
        self._parties: dict[Waiter, Party | None] = {}
        self._cancelled: deque[Waiter] = deque()
        self._tell = self._withdrawn  # one object for all waiters
        self._is_over = False

    def __len__(self) -> int:
        """How many waiters are queued, or on their way through the queue."""
        return len(self._parties)

    def queue_on(self, word: Futex, val: int, party: Party) -> Waiter | None:
        """Queue a new waiter for `party`, and return it; None: the word does not hold `val`."""
        waiter = Waiter(queue=self.queue)
        waiter._tell_when_cancelled(self._tell)
        self._parties[waiter] = party
        is_queued = False
        try:
            is_queued = word.engine.wait_prepare(waiter, word.mem, word.addr, val, size=word.size) is None
        finally:
            if not is_queued:
                del self._parties[waiter]
        return waiter if is_queued else None

    def adopt(self, waiter: Waiter, party: Party) -> bool:
        """Have a waiter that is queued already complete here. False: it was woken.

        Raises
        ------
        RuntimeError
            It is not queued, or was cancelled; it has a queue of its own, or is awaited already.
        """
        if waiter in self._parties:
            raise RuntimeError(f"{waiter!r} is awaited already")
        self._parties[waiter] = party
        is_queued = False
        try:
            is_queued = waiter.state is WaiterState.QUEUED and waiter._complete_into(self.queue, self._tell)
        finally:
            if not is_queued:
                del self._parties[waiter]
        if not is_queued and not waiter.woken:
            raise RuntimeError(f"cannot await {waiter!r}: it is not queued")
        return is_queued

    def leave(self, waiter: Waiter) -> None:
        """Its party does not wait any more. A wake that was spent on it goes to the next waiter of its key."""
        if self._is_over:
            return
        is_here = self._parties.pop(waiter, None) is not None
        if waiter.cancel() or not waiter.woken:
            waiter._complete_alone()
            return
        if is_here:
            self._parties[waiter] = None
        waiter._wake_another()

    def drain(self) -> None:
        """Let those go on whose waiters were woken, or cancelled by somebody else."""
        # The queue first: it silences the bell, and each who rings it for `_cancelled` has appended before.
        for waiter in self.queue.drain():
            waiter._complete_alone()
            waiter._call_on_wake()
            party = self._parties.pop(waiter, None)
            if party is not None:
                self._resume(party, None)
        while self._cancelled:
            waiter = self._cancelled.popleft()
            if waiter.state is not WaiterState.CANCELLED:
                continue  # queued anew since, by the party that had left
            waiter._complete_alone()
            party = self._parties.pop(waiter, None)
            if party is not None:
                self._resume(party, RuntimeError("the waiter was cancelled"))

    def end(self) -> None:
        """The loop will not run again: leave nothing in the managers' queues, nor in ours, and pass on what was woken."""
        self._is_over = True
        on_its_way = 0
        while self._parties:
            waiter, party = self._parties.popitem()
            if waiter.cancel():
                waiter._complete_alone()
            elif waiter.woken:
                on_its_way += 1
                if party is not None:
                    waiter._wake_another()
        try:
            for _ in range(on_its_way):
                self.queue.get(PUSH_SECONDS)._complete_alone()
        except Empty:
            pass
        del self.queue  # and its descriptor

    def _withdrawn(self, waiter: Waiter) -> None:
        # Called by whoever cancelled a waiter, on any thread.
        if waiter not in self._parties:
            return
        self._cancelled.append(waiter)
        try:
            queue = self.queue
        except AttributeError:
            return  # the loop has ended meanwhile
        os.eventfd_write(queue.fileno(), 1)


class Reader(Generic[Party]):
    """What a loop calls when the bell of its completions rings. The loop alone holds it, so its end is the loop's."""

    def __init__(self, completions: Completions[Party]) -> None:
        self.completions = completions

    def __call__(self) -> None:
        self.completions.drain()

    def __del__(self) -> None:
        self.completions.end()
