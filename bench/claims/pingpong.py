"""Two threads, or two processes, that wake each other in turn: everybody's round trips. Figures without a bound."""

from __future__ import annotations

import multiprocessing
import queue
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from contenders import Kind, available, fastipc_word, names, why_absent, word
from measure import ALLOWED_CPUS, Contender, Plan, Row, pinned
from places import page
from subjects import Measurements, Subject

from claims import handoff
from claims.forked import child
from claims.handoff import WARMUP, Pair, priority, round_trips, word_pair
from pyfutex import sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TRIPS = 500
ROUNDS = 40
ROUND_MS = 3  # packed, whoever else wants the core interrupts a longer round


def semaphore_pair(make: Callable[[int], Any]) -> Pair:
    """Two semaphores, released by the one player and acquired by the other."""
    own, other = make(0), make(0)
    acquire_own, release_own = own.methods
    acquire_other, release_other = other.methods

    def first(begin: int, end: int) -> None:
        for _ in range(begin, end):
            release_other()
            acquire_own()

    def second(begin: int, end: int) -> None:
        for _ in range(begin, end):
            acquire_other()
            release_own()

    return first, second


def condition_pair(make: Callable[[], Any]) -> Pair:
    """Turns, guarded by one condition."""
    condition, turn = make(), memoryview(page(shared=True))

    def play(begin: int, end: int, mine: int) -> None:
        for _ in range(begin, end):
            with condition:
                while turn[0] != mine:
                    condition.wait()
                turn[0] = 1 - mine
                condition.notify()

    # The first player's trip ends when the turn has come back to it.
    def first(begin: int, end: int) -> None:
        for _ in range(begin, end):
            play(0, 1, 0)
            with condition:
                while turn[0] != 0:
                    condition.wait()

    return first, partial(play, mine=1)


def message_pair(
    send: tuple[Callable[[bytes], object], ...], receive: tuple[Callable[[], object], ...]
) -> Pair:
    """Messages of one byte, there and back."""

    def first(begin: int, end: int) -> None:
        for _ in range(begin, end):
            send[0](b"x")
            receive[0]()

    def second(begin: int, end: int) -> None:
        for _ in range(begin, end):
            receive[1]()
            send[1](b"x")

    return first, second


def queue_pair() -> Pair:
    """Two `queue.SimpleQueue`."""
    there, back = queue.SimpleQueue[bytes](), queue.SimpleQueue[bytes]()
    return message_pair((there.put, back.put), (back.get, there.get))


def pipe_pair() -> Pair:
    """A `multiprocessing.Pipe`."""
    one, two = multiprocessing.Pipe()
    return message_pair((one.send_bytes, two.send_bytes), (one.recv_bytes, two.recv_bytes))


class FastipcWord:
    """fastipc's futex word, by the names of ours."""

    def __init__(self) -> None:
        it = fastipc_word()
        self.load, self.store, self.wait, self.wake = it.load_acquire, it.store_release, it.wait, it.wake


def kernel_pair() -> Pair:
    """Words of `Kernel`, each in a page of its own that processes share."""
    return word_pair(word(kernel=True), word(kernel=True))


# Pairs that are no semaphores: how to make one, and whether it works between processes.
PAIRS: dict[str, tuple[Callable[[], Pair], bool]] = {
    "wake_wait": (handoff.wake_wait_pair, False),
    "wake": (handoff.wake_pair, False),
    "kernel-wake": (kernel_pair, True),
    "threading.Lock": (handoff.lock_pair, False),
    "sync.Condition": (partial(condition_pair, sync.Condition), False),
    "sync.Condition-shared": (
        lambda: condition_pair(lambda: sync.Condition.create(page(shared=True))),
        True,
    ),
    "threading.Condition": (partial(condition_pair, threading.Condition), False),
    "multiprocessing.Condition": (partial(condition_pair, multiprocessing.Condition), True),
    "queue.SimpleQueue": (queue_pair, False),
    "multiprocessing.Pipe": (pipe_pair, True),
    "fastipc.FutexWord": (lambda: word_pair(FastipcWord(), FastipcWord()), True),
}


def everybody(whom: str) -> list[str]:
    """Names of all players, whether they are here or not, that meet across "threads" or "processes"."""
    others = [
        name for name, (_, between_processes) in PAIRS.items() if between_processes or whom == "threads"
    ]
    return [*others, *names(Kind.SEMAPHORE, whom), "c-futex"]


def pairs(whom: str) -> dict[str, Callable[[], Pair]]:
    """The players that are here, but for those in C."""
    semaphores = available(Kind.SEMAPHORE, whom)
    return {
        name: partial(semaphore_pair, semaphores[name]) if name in semaphores else PAIRS[name][0]
        for name in everybody(whom)
        if (name in semaphores or name in PAIRS) and why_absent(name) is None
    }


def process_round_trips(pair: Callable[[], Pair], cpus: tuple[int, int]) -> Contender:
    """A contender that plays between this process and a child, each pinned to a core."""

    def contender(n: int) -> int:
        first, second = pair()

        def play_second() -> None:
            with pinned(cpus[1]), priority(cpus):
                second(0, WARMUP + n)

        with child(play_second), pinned(cpus[0]), priority(cpus):
            first(0, WARMUP)
            start = time.perf_counter_ns()
            first(WARMUP, WARMUP + n)
            return time.perf_counter_ns() - start

    return contender


PLAY = {"threads": round_trips, "processes": process_round_trips}
BASES = {"threads": "wake", "processes": "kernel-wake"}


def contenders(whom: str, cpus: tuple[int, int]) -> dict[str, Contender]:
    """Everybody's round trips between two cores, which may be the same. Those in C are of threads."""
    found = {name: PLAY[whom](pair, cpus) for name, pair in pairs(whom).items()}
    return found | {"c-futex": handoff.c_round_trips(cpus)}


def subject(whom: str, n_cores: int) -> Subject:
    """Round trips of two "threads" or "processes", packed on one core or between two."""
    cpus = ALLOWED_CPUS[-1], ALLOWED_CPUS[-n_cores]
    return Subject(
        name=f"round trip of two {whom}, {'packed' if n_cores == 1 else 'one core each'}",
        contenders=partial(contenders, whom, cpus),
        base=BASES[whom],
        calls=TRIPS,
        rounds=ROUNDS,
        round_ms=ROUND_MS,
    )


def measure(plan: Plan) -> Iterator[Row]:
    """Yield everybody's round trips against those of our words."""
    measurements = Measurements(plan)
    for whom in PLAY:
        for n_cores in (1, 2)[: len(ALLOWED_CPUS)]:
            yield from measurements.of(subject(whom, n_cores)).rows()
