"""What words and threads are called."""

from __future__ import annotations

import gc
import sys
import threading
from bisect import bisect_right
from collections import deque
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pyfutex.sync import (
    Barrier,
    BoundedSemaphore,
    Condition,
    Event,
    Latch,
    Lock,
    Once,
    RLock,
    RWLock,
    Semaphore,
)
from pyfutex.sync._anatomy import TITLES
from pyfutex.sync._arenafile import ArenaFile
from pyfutex.sync._directory import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pyfutex.tracing.records import Record, Word

PRIMITIVES: set[type] = {
    Barrier,
    BoundedSemaphore,
    Condition,
    Event,
    Latch,
    Lock,
    Once,
    RLock,
    RWLock,
    Semaphore,
}
MOST_THREADS = 10_000


class Place(NamedTuple):
    """Memory in which words lie, and what it is."""

    start: int
    end: int
    title: str  # of the class; "": that of who sleeps there
    name: str


class Label(NamedTuple):
    """What a word belongs to."""

    title: str
    name: str  # "": not known

    def __str__(self) -> str:
        return f"{self.title} {self.name}".rstrip()


class WordLabels:
    """The objects and mapped files that there are now, by address."""

    def __init__(self) -> None:
        self._places = sorted({*_objects(), *_named(), *_mapped()})
        self._starts = [place.start for place in self._places]

    def of(self, record: Record, word: Word) -> Label:
        """What to call a word that a record of a wait is about."""
        if word.space:
            return Label("futex", f"{word.at:#x}")
        title = TITLES.get(record.kind, "futex")  # type: ignore[call-overload]
        for place in reversed(self._places[: bisect_right(self._starts, word.at)]):
            if word.at < place.end:
                return Label(place.title or title, place.name)
        return Label(title, f"at {word.at:#x}")


def _objects() -> Iterator[Place]:
    """Where the primitives of this process lie whose words are in themselves, and how they are called."""
    names: dict[int, str] = {}
    found: dict[int, object] = {}
    conditions: list[object] = []
    kinds: set[type] = PRIMITIVES.union(*(kind.__subclasses__() for kind in PRIMITIVES))
    # Dictionaries of modules are not among the objects that the collector knows, where it has found that it need not.
    modules = [_attributes(each) for each in list(sys.modules.values()) if issubclass(type(each), ModuleType)]
    for holder in [*modules, *gc.get_objects()]:
        if type(holder) is Condition:
            conditions.append(holder)
            found[id(holder)] = holder
        for each in gc.get_referents(holder):
            if type(each) in kinds:
                found[id(each)] = each
                name = _name(holder, each)
                if name:
                    names.setdefault(id(each), name)
    for condition in conditions:
        for each in gc.get_referents(condition):
            names.setdefault(id(each), f"of Condition {names.get(id(condition), '')}".rstrip())
    for address, each in found.items():
        kind = type(each)
        yield Place(
            address, address + kind.__basicsize__, kind.__name__, names.get(address, f"at {address:#x}")
        )


def _name(holder: object, each: object) -> str:
    """How `holder` calls what it refers to; "": not by a name."""
    attributes: Mapping[Any, object] | None
    if type(holder) is dict:
        owner = _owner(holder)
        attributes = holder
    else:
        kind = cast("type", holder) if issubclass(type(holder), type) else type(holder)
        owner = f"{kind.__qualname__}."
        attributes = _attributes(holder)
    if owner is None or attributes is None:
        return ""
    for key, value in list(attributes.items()):
        if value is each and isinstance(key, str):
            return owner + key
    return ""


def _attributes(holder: object) -> Mapping[Any, object] | None:
    """Where a module, a class or an object has its attributes; None: it has none. Nothing runs that is its own."""
    get: Callable[[Any, str], Any] = object.__getattribute__
    if issubclass(type(holder), type):
        get = type.__getattribute__
    try:
        found: Mapping[Any, object] = get(holder, "__dict__")
    except AttributeError:
        return None
    return found


def _owner(attributes: dict[object, object]) -> str | None:
    """What goes before a name of a module or an object; None: this is a dictionary like any other."""
    module = attributes.get("__name__")
    if isinstance(module, str) and "__builtins__" in attributes:
        return "" if module == "__main__" else f"{module}."
    for owner in gc.get_referrers(attributes):
        if _attributes(owner) is attributes:
            return f"{type(owner).__qualname__}."
    return None


def _named() -> Iterator[Place]:
    """What arenas have names for."""
    for file in gc.get_objects():
        # One that could not be mapped has no memory. An isinstance would ask each object for its class.
        if type(file) is ArenaFile and hasattr(file, "memory"):
            start = file.memory.host_address
            with suppress(OSError, ValueError):  # it was written over
                for entry in Names(file).entries():
                    yield Place(start + entry.at, start + entry.at + entry.size, "", entry.name)


def _mapped() -> Iterator[Place]:
    """Where files are mapped that processes share."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) < 6 or not fields[1].endswith("s") or not fields[5].startswith("/"):
            continue
        start, end = (int(address, 16) for address in fields[0].split("-"))
        yield Place(start, end, "", f"in {fields[5]}")


class ThreadLabels:
    """The names of the threads of this process, those that have ended among them."""

    def __init__(self) -> None:
        self._threads: deque[threading.Thread] = deque(maxlen=MOST_THREADS)
        self._start = threading.Thread.start
        self._ours = self._start

    def watch(self) -> None:
        """Take note of each thread that is started from now on."""
        original, threads = self._start, self._threads

        def start(self: threading.Thread) -> None:
            threads.append(self)
            original(self)

        threads.extend(threading.enumerate())
        self._ours = start
        threading.Thread.start = start  # type: ignore[method-assign]

    def unwatch(self) -> None:
        """Stop that."""
        if threading.Thread.start is self._ours:
            threading.Thread.start = self._start  # type: ignore[method-assign]
        self._threads.extend(threading.enumerate())

    def names(self) -> dict[int, str]:
        """All of them, by native id."""
        return {each.native_id: each.name for each in self._threads if each.native_id is not None}
