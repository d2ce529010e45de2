"""The same queue over different mutexes and conditions."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from pyfutex import Mappable
from pyfutex.demo.bounded_queue import BoundedQueue
from pyfutex.demo.condition import FutexCondition
from pyfutex.demo.ledger import Ledger
from pyfutex.demo.mutex import FutexMutex
from pyfutex.demo.page import FutexPage


@dataclass(frozen=True)
class Entry:
    """A fresh queue, and the books of its futex words where it has any."""

    queue: BoundedQueue[int]
    ledger: Ledger | None


@dataclass(frozen=True)
class Contender:
    """A name for the report, and how to build a fresh queue of a given capacity."""

    name: str
    build: Callable[[int], Entry]


def _futex_entry(capacity: int, mappable: Mappable | None) -> Entry:
    page = FutexPage(mappable)
    ledger = Ledger(page)
    mutex = FutexMutex(page.futex(), ledger)
    not_empty = FutexCondition(mutex, page.futex(), ledger)
    not_full = FutexCondition(mutex, page.futex(), ledger)
    return Entry(BoundedQueue(capacity, mutex, not_empty, not_full), ledger)


def build_private(capacity: int) -> Entry:
    """Build the queue over futex words with private keys."""
    return _futex_entry(capacity, mappable=None)


def build_shared(capacity: int) -> Entry:
    """Build the queue over futex words with shared keys."""
    return _futex_entry(capacity, mappable=Mappable("queue demo"))


def build_threading(capacity: int) -> Entry:
    """Build the queue over `threading.Lock` and `threading.Condition`."""
    mutex = threading.Lock()
    not_empty = threading.Condition(mutex)
    not_full = threading.Condition(mutex)
    return Entry(BoundedQueue(capacity, mutex, not_empty, not_full), ledger=None)


REFERENCE = Contender("threading.Condition", build_threading)

CONTENDERS = (
    Contender("futex words, private keys", build_private),
    Contender("futex words, shared keys", build_shared),
    REFERENCE,
)
