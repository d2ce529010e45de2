"""Two threads that wake each other in turn: on one core, and on two."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from measure import ALLOWED_CPUS, Contender, Plan, Row, interleave, pinned, ratio_row, undisturbed
from pyfutex_floor import cloop

import pyfutex
from claims.calls import new_memory

GROUP = "two threads, round trip"
WARMUP = 50

# Each pair plays one game: the first player raises the second's word (or releases its lock) and waits for its own.
# A player runs trips `begin` to `end`.
Player = Callable[[int, int], None]
Pair = tuple[Player, Player]


class Word(Protocol):
    """A futex word."""

    def load(self) -> int: ...
    def store(self, value: int, /) -> None: ...
    def wait(self, val: int, /) -> object: ...
    def wake(self) -> object: ...


def wake_wait_pair() -> Pair:
    """`Futex.wake_wait`: wake the other and wait, in one call."""
    manager, mem = pyfutex.Manager(), new_memory()
    own, other = manager.futex(mem, 0), manager.futex(mem, 128)

    def first(begin: int, end: int) -> None:
        for i in range(begin, end):
            other.store(i + 1)
            other.wake_wait(own, i)
            while own.load() == i:
                own.wait(i)

    def second(begin: int, end: int) -> None:
        while other.load() == begin:
            other.wait(begin)
        for i in range(begin, end - 1):
            own.store(i + 1)
            own.wake_wait(other, i + 1)
            while other.load() == i + 1:
                other.wait(i + 1)
        own.store(end)
        own.wake()

    return first, second


def word_pair(own: Word, other: Word) -> Pair:
    """Wake the other, then wait. The wake of a manager learns by itself to give the interpreter away."""

    def first(begin: int, end: int) -> None:
        for i in range(begin, end):
            other.store(i + 1)
            other.wake()
            while own.load() == i:
                own.wait(i)

    def second(begin: int, end: int) -> None:
        for i in range(begin, end):
            while other.load() == i:
                other.wait(i)
            own.store(i + 1)
            own.wake()

    return first, second


def wake_pair() -> Pair:
    """`Futex.wake`, then `Futex.wait`."""
    manager, mem = pyfutex.Manager(), new_memory()
    return word_pair(manager.futex(mem, 0), manager.futex(mem, 128))


def lock_pair() -> Pair:
    """Two `threading.Lock`, released by the one thread and acquired by the other."""
    own, other = threading.Lock(), threading.Lock()
    own.acquire()
    other.acquire()

    def first(begin: int, end: int) -> None:
        for _ in range(begin, end):
            other.release()
            own.acquire()

    def second(begin: int, end: int) -> None:
        for _ in range(begin, end):
            other.acquire()
            own.release()

    return first, second


def priority(cpus: tuple[int, int]) -> AbstractContextManager[None]:
    """On two cores whatever else runs there is kept away; on one the players' own scheduling is what counts."""
    return undisturbed() if cpus[0] != cpus[1] else nullcontext()


def round_trips(pair: Callable[[], Pair], cpus: tuple[int, int]) -> Contender:
    """A contender that plays a game between two new threads, pinned to a core each."""

    def contender(n: int) -> int:
        first, second = pair()
        elapsed = 0

        def play_first() -> None:
            nonlocal elapsed
            with pinned(cpus[0]), priority(cpus):
                first(0, WARMUP)
                start = time.perf_counter_ns()
                first(WARMUP, WARMUP + n)
                elapsed = time.perf_counter_ns() - start

        def play_second() -> None:
            with pinned(cpus[1]), priority(cpus):
                second(0, WARMUP + n)

        threads = [threading.Thread(target=play, daemon=True) for play in (play_second, play_first)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return elapsed

    return contender


def c_round_trips(cpus: tuple[int, int]) -> Contender:
    """The same between two C threads."""

    def contender(n: int) -> int:
        with priority(cpus):
            return cloop.round_trips(*cpus, WARMUP, n)

    return contender


def contenders(cpus: tuple[int, int]) -> dict[str, Contender]:
    """The round trips of everybody between two cores, which may be the same."""
    return {
        "wake_wait": round_trips(wake_wait_pair, cpus),
        "wake": round_trips(wake_pair, cpus),
        "threading.Lock": round_trips(lock_pair, cpus),
        "c-futex": c_round_trips(cpus),
    }


def measure(plan: Plan) -> Iterator[Row]:
    """Yield the round trips against the C futex loop and `threading.Lock`."""
    cpu = ALLOWED_CPUS[-1]
    packed = interleave(contenders((cpu, cpu)), plan.rounds(30), plan.size(1000))
    c_futex, lock = packed["c-futex"], packed["threading.Lock"]
    for name in ("wake_wait", "wake"):
        yield ratio_row(GROUP, f"one core, {name} / C futex loop", packed[name], c_futex, 1.5)
        yield ratio_row(GROUP, f"one core, {name} / threading.Lock", packed[name], lock, 0.5)
    if len(ALLOWED_CPUS) < 2:
        return
    apart = interleave(contenders((cpu, ALLOWED_CPUS[-2])), plan.rounds(30), plan.size(500))
    for name in ("wake_wait", "wake"):
        yield ratio_row(
            GROUP, f"two cores, {name} / threading.Lock", apart[name], apart["threading.Lock"], 1.15
        )
    yield ratio_row(GROUP, "two cores, wake_wait / C futex loop", apart["wake_wait"], apart["c-futex"], None)
