"""What was recorded, and which wake ended which wait."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import defaultdict
from enum import IntEnum
from errno import EAGAIN, EINTR, ETIMEDOUT
from itertools import zip_longest
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from pyfutex.sync._anatomy import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import CodeType


class What(IntEnum):
    """What a record is of."""

    WAIT = 0
    WAKE = 1
    MOVE = 2  # from one word to another, asleep


class Word(NamedTuple):
    """What threads sleep on: an address of this process, or a word of the managers' numbered space."""

    space: int
    at: int


class Record(NamedTuple):
    """As `_recording.pxd` has it."""

    what: int
    kind: int
    tid: int
    began: int
    ended: int
    answer: int
    space: int
    at: int
    other: int
    owner: int
    code: CodeType | None
    line: int

    @property
    def word(self) -> Word:
        """The word slept on, or woken, or moved from."""
        return Word(self.space, self.at)

    @property
    def target(self) -> Word:
        """The word that sleepers were moved to."""
        return Word(self.space, self.other)

    @property
    def woken(self) -> bool:
        """Whether it is a wait that a wake ended."""
        return self.what == What.WAIT and self.ended != 0 and self.answer == 0

    @property
    def outcome(self) -> str:
        """How a wait ended."""
        if self.ended == 0:
            return "had not ended"
        return OUTCOMES.get(self.answer) or os.strerror(-self.answer)


OUTCOMES = {
    0: "woken",
    -EAGAIN: "the word had changed",
    -ETIMEDOUT: "timed out",
    -EINTR: "interrupted",
}
HELD_BY_ONE = {Kind.LOCK, Kind.RLOCK}


class Links(NamedTuple):
    """Which records belong together; each is known by its place among all."""

    woken_by: dict[int, int]  # a wait: the wake that ended it
    moved_by: dict[int, int]  # a wait: what moved it to another word first
    held_until: dict[int, int]  # a wait for a lock: the wake with which the lock was let go then


class Queue:
    """The waits on a word, in the order in which they came. A word has wakers of one sort: those that wake, or that move."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        # Since when, which record. The oldest last, from the first `take` on.
        self._coming: list[tuple[int, int]] = []
        self._here: list[int] = []
        self._is_sorted = True

    def add(self, since: int, wait: int) -> None:
        """A thread slept here from then on."""
        self._coming.append((since, wait))
        self._is_sorted = False

    def take(self, waker: int, next_waker: float) -> list[int]:
        """Take out, oldest first, those whom a wake woke or a move moved. Wakers come one after the other.

        A thread notes when it goes to sleep a moment before it is in the queue. So of two that came at the same time, one
        that went on before the next waker is taken first.
        """
        if not self._is_sorted:
            self._coming.sort(reverse=True)
            self._is_sorted = True
        records = self._records
        by = records[waker]
        while self._coming and self._coming[-1][0] <= by.ended:
            self._here.append(self._coming.pop()[1])
        self._here = [i for i in self._here if not 0 < records[i].ended < by.began]
        fit = [i for i in self._here if records[i].woken or by.what == What.MOVE]
        fit.sort(key=lambda i: not 0 < records[i].ended < next_waker)
        taken = fit[: abs(by.answer)]  # one or none count as one
        for i in taken:
            self._here.remove(i)
        return taken


def links(records: Sequence[Record]) -> Links:
    """Find out who woke whom.

    A manager's wake says which waiter it took. The kernel only says how many it woke; it wakes the oldest first, so which
    they were follows from the order in which they came.
    """
    queues: dict[Word, Queue] = defaultdict(lambda: Queue(records))
    wakes: dict[Word, list[tuple[int, int]]] = defaultdict(list)  # when, which record
    moves: dict[Word, list[tuple[int, int]]] = defaultdict(list)
    exact: dict[int, list[tuple[int, int]]] = defaultdict(list)  # by waiter
    for i, record in enumerate(records):
        if record.what == What.WAKE and record.other:
            exact[record.other].append((record.began, i))
        elif record.what == What.WAKE:
            wakes[record.word].append((record.began, i))
        elif record.what == What.MOVE:
            moves[record.word].append((record.began, i))
        elif not record.other:
            queues[record.word].add(record.began, i)
    for group in (*wakes.values(), *moves.values(), *exact.values()):
        group.sort()
    woken_by = dict(_by_waiter(records, exact))
    moved_by = {}
    for word, group in moves.items():
        for wait, move in _ended(queues[word], group):
            moved_by[wait] = move
            queues[records[move].target].add(records[move].began, wait)
    for word, group in wakes.items():
        woken_by.update(_ended(queues[word], group))
    return Links(woken_by, moved_by, dict(_holds(records, wakes, moved_by)))


def _ended(queue: Queue, wakers: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Waits, and who of `wakers` took each."""
    for (_, waker), (following, _) in zip_longest(wakers, wakers[1:], fillvalue=(inf, 0)):
        for wait in queue.take(int(waker), following):
            yield wait, int(waker)


def _by_waiter(
    records: Sequence[Record], exact: dict[int, list[tuple[int, int]]]
) -> Iterator[tuple[int, int]]:
    for i, record in enumerate(records):
        if record.woken and record.other:
            wakes = exact.get(record.other, [])
            last = bisect_left(wakes, (record.ended + 1, 0)) - 1
            if last >= 0 and wakes[last][0] >= record.began:
                yield i, wakes[last][1]


def _holds(
    records: Sequence[Record],
    wakes: dict[Word, list[tuple[int, int]]],
    moved_by: dict[int, int],
) -> Iterator[tuple[int, int]]:
    """Whoever has slept for a lock leaves a mark in it, so that its release is a wake: the next one on that word."""
    again: dict[tuple[Word, int], list[int]] = defaultdict(list)  # when a thread went to sleep on a word
    for record in records:
        if record.what == What.WAIT:
            again[record.word, record.tid].append(record.began)
    for began in again.values():
        began.sort()
    for i, record in enumerate(records):
        if record.what != What.WAIT or record.ended == 0 or record.answer not in (0, -EAGAIN):
            continue
        if i in moved_by:
            word = records[moved_by[i]].target
        elif record.kind in HELD_BY_ONE:
            word = record.word
        else:
            continue
        released = wakes.get(word, [])
        first = bisect_left(released, (record.ended, 0))
        if first == len(released):
            continue
        slept = again[word, record.tid]
        next_sleep = bisect_left(slept, record.ended)
        if next_sleep == len(slept) or slept[next_sleep] > released[first][0]:
            yield i, released[first][1]
