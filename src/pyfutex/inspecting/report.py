"""What is in an arena, as lines of text: what, who has it, who waits for it, who died, and who waits in a circle."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from pyfutex.inspecting.processes import Sight, Sleeper, is_alive, thread_text
from pyfutex.inspecting.states import Holder, holders, n_sleepers, state

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyfutex.memory import Memory
    from pyfutex.sync._directory import Entry


class Wait(NamedTuple):
    """A thread that sleeps on a primitive, and how long at least, as far as that was seen."""

    sleeper: Sleeper
    seconds: float


class Seen(NamedTuple):
    """A primitive, and who has to do with it."""

    entry: Entry
    state: str
    holders: list[Holder]
    waits: list[Wait]
    n_asleep: int  # as the kernel counts; of one with slots as /proc tells, since a thread sleeps on several words there


class Link(NamedTuple):
    """A thread that waits for another one."""

    tid: int
    name: str
    owner: int


def look(memory: Memory, entries: Sequence[Entry], sight: Sight, seconds: dict[Sleeper, float]) -> list[Seen]:
    """Put together what the memory says and what /proc says."""
    by_offset: dict[int, list[Sleeper]] = {}
    for sleeper in sight.sleepers:
        by_offset.setdefault(sleeper.offset, []).append(sleeper)
    return [_seen(memory, entry, by_offset, seconds) for entry in entries]


def _seen(
    memory: Memory, entry: Entry, by_offset: dict[int, list[Sleeper]], seconds: dict[Sleeper, float]
) -> Seen:
    what = entry.primitive
    if what is None:
        return Seen(entry, "nothing that this pyfutex knows", [], [], 0)
    waiting = {
        sleeper.tid: Wait(sleeper, seconds.get(sleeper, 0.0))
        for word in what.slept_on_words()
        for sleeper in by_offset.get(entry.at + word, ())
    }
    n_asleep = len(waiting) if what.n_slots else n_sleepers(memory, entry.at, what)
    return Seen(
        entry,
        state(memory, entry.at, what),
        list(holders(memory, entry.at, what)),
        list(waiting.values()),
        n_asleep,
    )


def lines(all_seen: Sequence[Seen]) -> Iterator[str]:
    """Each primitive in a line, and under it who has it and who waits."""
    names = max((len(seen.entry.name) for seen in all_seen), default=0)
    for seen in all_seen:
        title = seen.entry.primitive.kind.title if seen.entry.primitive else "?"
        yield f"{seen.entry.name:{names}}  {title:16}  {seen.state}"
        for said, n in Counter(map(_holder_text, seen.holders)).items():
            yield f"{'':{names}}    {said}{f', {n} times' if n > 1 else ''}"
        for sleeper, seconds in seen.waits:
            said = f", asleep for at least {seconds:.1f} s" if seconds else ""
            yield f"{'':{names}}    waits: {thread_text(sleeper.tid)}{said}"
        more = seen.n_asleep - len(seen.waits)
        if more > 0:
            yield f"{'':{names}}    waits: {more}{' more' if seen.waits else ''}, not to be looked at from here"


def _holder_text(holder: Holder) -> str:
    if holder.tid == 0:
        return f"{holder.how} a thread that died"
    if not is_alive(holder.tid):
        return f"{holder.how} {holder.tid}, which is dead"
    return f"{holder.how} {thread_text(holder.tid)}"


def links(all_seen: Sequence[Seen]) -> Iterator[Link]:
    """Who waits for whom: threads that sleep on a word that has an owner."""
    for seen in all_seen:
        owners = {seen.entry.at + holder.word: holder.tid for holder in seen.holders if holder.tid}
        for sleeper, _ in seen.waits:
            if sleeper.offset in owners:
                yield Link(sleeper.tid, seen.entry.name, owners[sleeper.offset])


def cycles(all_links: Sequence[Link]) -> list[list[Link]]:
    """The circles of threads that wait for each other, each once. Requires: a thread waits for one other at most."""
    following = {link.tid: link for link in all_links}
    found = []
    done: set[int] = set()
    for start in following:
        way: list[int] = []
        tid = start
        while tid in following and tid not in done:
            done.add(tid)
            way.append(tid)
            tid = following[tid].owner
        if tid in way:
            found.append([following[each] for each in way[way.index(tid) :]])
    return found


def cycle_text(cycle: Sequence[Link]) -> str:
    """A circle by name."""
    steps = [f"{thread_text(link.tid)} waits for {link.name!r}" for link in cycle]
    return "deadlock: " + ", whose holder ".join([*steps, thread_text(cycle[0].tid)])
