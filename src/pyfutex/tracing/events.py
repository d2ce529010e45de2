"""Records as Trace Events, the JSON that Perfetto and chrome://tracing open."""

from __future__ import annotations

import json
import linecache
from typing import TYPE_CHECKING, Any, NamedTuple

from pyfutex.tracing.records import Links, Record, What, Word, links

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyfutex.tracing.labels import Label, WordLabels

Event = dict[str, Any]

ARROW = "sf"
NUMBER_BITS = 30  # twice as many as there are records at most
INSIDE_NS = (
    10  # from the end of what an arrow leads into: who reads microseconds may lose a nanosecond at either end
)


class Wait(NamedTuple):
    """A wait as people want to know it.

    The names of a thread, of what it waited for, and of the thread that woke it ("" if that is not known); and how long it
    took.
    """

    thread: str
    on: str
    seconds: float
    woken_by: str


class Told(NamedTuple):
    """What there is to know about the records of a process."""

    pid: int
    process: str
    threads: dict[int, str]
    until: int  # when the recording ended
    records: Sequence[Record]
    labels: dict[Word, Label]
    links: Links

    @classmethod
    def of(
        cls,
        pid: int,
        process: str,
        threads: dict[int, str],
        until: int,
        records: Sequence[Record],
        words: WordLabels,
    ) -> Told:
        """Find out what belongs together, and what it is called."""
        labels = {each.word: words.of(each, each.word) for each in records if each.what == What.WAIT}
        for each in records:
            for word in (each.word, each.target) if each.what == What.MOVE else (each.word,):
                if word not in labels:
                    labels[word] = words.of(each, word)
        return cls(pid, process, threads, until, records, labels, links(records))

    def thread(self, tid: int) -> str:
        """The name of a thread."""
        return self.threads.get(tid, f"thread {tid}")

    def word(self, i: int) -> Word:
        """The word of a record. A wait on several, or in Python code, has one when it is woken."""
        record = self.records[i]
        waker = self.links.woken_by.get(i)
        return self.records[waker].word if waker is not None and record.word == Word(0, 0) else record.word

    def label(self, i: int) -> str:
        """What the word of a record is called."""
        word = self.word(i)
        return str(self.labels[word]) if word != Word(0, 0) else "several words"

    def waits(self) -> Iterator[Wait]:
        """All waits."""
        for i, each in enumerate(self.records):
            if each.what == What.WAIT:
                waker = self.links.woken_by.get(i)
                by = self.thread(self.records[waker].tid) if waker is not None else ""
                yield Wait(
                    self.thread(each.tid), self.label(i), ((each.ended or self.until) - each.began) / 1e9, by
                )

    def events(self) -> list[str]:
        """All of it, as JSON, which is a fifth as large as the objects: metadata, then the oldest first."""
        timed = [
            (event["ts"], event["ph"] in ARROW, json.dumps(event))  # an arrow joins what is there already
            for i in range(len(self.records))
            for event in self._of(i)
        ]
        timed.sort()
        return [*map(json.dumps, self._metadata()), *(text for _, _, text in timed)]

    def _metadata(self) -> Iterator[Event]:
        yield {
            "ph": "M",
            "name": "process_name",
            "pid": self.pid,
            "tid": self.pid,
            "args": {"name": self.process},
        }
        for tid in sorted({each.tid for each in self.records}):
            yield {
                "ph": "M",
                "name": "thread_name",
                "pid": self.pid,
                "tid": tid,
                "args": {"name": self.thread(tid)},
            }

    def _of(self, i: int) -> Iterator[Event]:
        what = self.records[i].what
        if what == What.WAIT:
            yield from self._wait(i)
        elif what == What.WAKE:
            yield self._slice(i, "wake", f"wake {self.label(i)}", {"woken": self.records[i].answer})
        else:
            to = str(self.labels[self.records[i].target])
            yield self._slice(
                i, "move", f"notify {self.label(i)}", {"moved": self.records[i].answer, "to": to}
            )

    def _slice(self, i: int, category: str, name: str, args: Event) -> Event:
        """What a thread did from then to then."""
        record = self.records[i]
        word = self.word(i)
        about = {} if word == Word(0, 0) else {"object": self.labels[word].title, "word": f"{word.at:#x}"}
        return {
            "ph": "X",
            "cat": category,
            "name": name,
            "pid": self.pid,
            "tid": record.tid,
            "ts": record.began / 1000,
            # Nothing is shown of what took no time, nor may an arrow begin there.
            "dur": max((record.ended or self.until) - record.began, 1) / 1000,
            "args": about | args,
        }

    def _wait(self, i: int) -> Iterator[Event]:
        record = self.records[i]
        args = {"ended": record.outcome, **self._caller(record)}
        waker, mover = self.links.woken_by.get(i), self.links.moved_by.get(i)
        if record.owner:
            args["held_by"] = self.thread(record.owner)
        if mover is not None:
            args["notified_by"] = self.thread(self.records[mover].tid)
        if waker is not None:
            args["woken_by"] = self.thread(self.records[waker].tid)
        yield self._slice(i, "wait", f"wait for {self.label(i)}", args)
        for cause in (mover, waker):
            if cause is not None:
                yield from self._arrow(cause, i)
        end = self.links.held_until.get(i)
        if end is not None:
            yield from self._hold(i, end)

    def _caller(self, record: Record) -> Event:
        if record.code is None:
            return {}
        path = record.code.co_filename
        about = {"at": f"{path}:{record.line}", "in": record.code.co_qualname}
        source = linecache.getline(path, record.line).strip()
        return about | ({"source": source} if source else {})

    def _arrow(self, cause: int, wait: int) -> Iterator[Event]:
        """From a wake to the end of the wait."""
        start, end = self.records[cause], self.records[wait]
        number = self._number(2 * wait + (start.what == What.MOVE))
        common = {"cat": "wake", "name": "wake", "pid": self.pid, "id": number}
        yield common | {"ph": "s", "tid": start.tid, "ts": start.began / 1000}
        inside = max(end.ended - INSIDE_NS, end.began, start.began)
        yield common | {"ph": "f", "bp": "e", "tid": end.tid, "ts": inside / 1000}

    def _number(self, n: int) -> int:
        """One that no other process has. Perfetto takes no other text than hexadecimal digits, and JavaScript 53 bits."""
        return self.pid << NUMBER_BITS | n

    def _hold(self, wait: int, release: int) -> Iterator[Event]:
        """Holds of several locks need not nest, so each has a line of its own."""
        held, end = self.records[wait], self.records[release]
        label = self.labels[end.word]
        common = {
            "cat": "hold",
            "name": f"{label} held by {self.thread(held.tid)}",
            "pid": self.pid,
            "tid": held.tid,
            "id": self._number(wait),
        }
        yield common | {"ph": "b", "ts": held.ended / 1000, "args": {"word": f"{end.at:#x}"}}
        yield common | {"ph": "e", "ts": end.began / 1000}
