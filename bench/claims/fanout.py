"""One producer wakes sixty blocked consumers, each of which then computes."""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from measure import ALLOWED_CPUS, Contender, Plan, Row, interleave, pinned, ratio_row

import pyfutex
from claims.calls import new_memory
from claims.handoff import WARMUP, wake_pair

GROUP = "sixty consumers"
CONSUMERS = 60
BURSTS = (2_000, 20_000, 200_000)
SYS_FUTEX = {"x86_64": "202", "aarch64": "98"}[platform.machine()]
TASKS = Path("/proc/self/task")

# What consumer i does to block, and what the producer does to wake all.
Sides = tuple[Callable[[int], None], Callable[[], None]]


def futex_sides() -> Sides:
    """A futex word for each consumer."""
    manager, mem = pyfutex.Manager(), new_memory(CONSUMERS * 64)
    words = [manager.futex(mem, i * 64) for i in range(CONSUMERS)]

    def block(i: int) -> None:
        word = words[i]
        while word.load() == 0:
            word.wait(0)

    def wake_all() -> None:
        for word in words:
            word.store(1)
            word.wake()

    return block, wake_all


def lock_sides() -> Sides:
    """A `threading.Lock` for each consumer."""
    locks = [threading.Lock() for _ in range(CONSUMERS)]
    for lock in locks:
        lock.acquire()

    def block(i: int) -> None:
        locks[i].acquire()

    def wake_all() -> None:
        for lock in locks:
            lock.release()

    return block, wake_all


def sleeping_on(native_id: int) -> str | None:
    """Address of the futex word on which a thread of this process sleeps in the kernel, if it does."""
    fields = (TASKS / str(native_id) / "syscall").read_text().split()
    return fields[1] if fields[0] == SYS_FUTEX else None


def wait_until_blocked(threads: list[threading.Thread]) -> None:
    """Return when every thread sleeps on a word of its own; threads that queue for the interpreter share one."""
    while True:
        words = [sleeping_on(thread.native_id) for thread in threads if thread.native_id is not None]
        if None not in words and len(set(words)) == len(threads):
            return
        time.sleep(0.0005)


def learn_to_detach() -> None:
    """Let the calling thread's wakes be followed by sleeps until they give the interpreter away."""
    first, second = wake_pair()
    partner = threading.Thread(target=second, args=(0, WARMUP), daemon=True)
    partner.start()
    first(0, WARMUP)
    partner.join()


def fan_out(sides: Callable[[], Sides], burst: int, *, learned: bool = False) -> Contender:
    """A contender: nanoseconds that a producer's sixty wakes take, n times over."""

    def once() -> int:
        block, wake_all = sides()
        elapsed = 0

        def consume(i: int) -> None:
            block(i)
            for _ in range(burst):
                pass

        def produce() -> None:
            nonlocal elapsed
            if learned:
                learn_to_detach()
            wait_until_blocked(consumers)
            start = time.perf_counter_ns()
            wake_all()
            elapsed = time.perf_counter_ns() - start

        consumers = [threading.Thread(target=consume, args=(i,), daemon=True) for i in range(CONSUMERS)]
        for consumer in consumers:
            consumer.start()
        producer = threading.Thread(target=produce, daemon=True)
        producer.start()
        for thread in (producer, *consumers):
            thread.join()
        return elapsed

    return lambda n: sum(once() for _ in range(n))


def contenders(burst: int) -> dict[str, Contender]:
    """Sixty wakes of everybody, the consumers computing for `burst` turns of a loop."""
    return {
        "pyfutex": fan_out(futex_sides, burst),
        "pyfutex-learned": fan_out(futex_sides, burst, learned=True),
        "threading.Lock": fan_out(lock_sides, burst),
    }


def measure(plan: Plan) -> Iterator[Row]:
    """Yield the producer's sixty wakes against sixty `Lock.release()`."""
    if len(ALLOWED_CPUS) < 2:
        return
    with pinned(*ALLOWED_CPUS[-2:]):
        for burst in BURSTS[:1] if plan.smoke else BURSTS:
            sixty = interleave(contenders(burst), plan.rounds(12), 1)
            lock = sixty["threading.Lock"]
            yield ratio_row(GROUP, f"burst of {burst:,}: wake / Lock.release", sixty["pyfutex"], lock, 2.0)
            name = f"burst of {burst:,}: wake after a ping-pong / Lock.release"
            yield ratio_row(GROUP, name, sixty["pyfutex-learned"], lock, None)
