"""The kill campaign: `python -m sync.kills 10000` with this directory's parent on the path (make kills).

Processes take turns under one shared lock and keep two numbers equal, while one of them after another is killed: who holds
the lock, or anybody, asleep or not. Each is replaced. What must not happen, and ends with status 1:

    forgotten   somebody sleeps on a word that does not say so, and nobody would wake him
    lost        somebody waits for long, and the lock is free or would not wake him, or its owner has long been dead
    stuck       a process gets no turn though it lives
    torn        the numbers differ, and nobody said that an owner died
    together    two processes are inside at once
    untold      turns that were not counted, beyond one for each kill

Recovery is the time from the kill of an owner to the next one's OwnerDied.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import mmap
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Final, NamedTuple

from differential.kernel import usable
from sync.programs import sleeps

from pyfutex.sync import Lock, OwnerDied

TID_MASK: Final = 0x3FFF_FFFF
WAITERS: Final = 0x8000_0000
# Before a waiter looks whether it was forgotten: less than the second after which a lock looks by itself.
PATIENCE_S: Final = 0.5
LATE_S: Final = 0.1  # after a death that the killer has seen
STUCK_S: Final = 20.0
MOST_PAUSE_S: Final = 0.002  # between two kills
MOST_WORK: Final = 40  # steps inside the lock
WORD: Final = 4  # of the lock, in units of 32 bits

# The shared cells, of 64 bits, behind the lock.
ONE, OTHER, INSIDE, STOP, N_RECOVERED, N_REPAIRED = range(8, 14)
SLOTS: Final = 16
TURNS, LOST, TORN, TOGETHER, WAITED, KILLED_AT, DEAD_AT, READY, STRIDE = range(9)
MOST_WORKERS: Final = 64
RECOVERIES: Final = SLOTS + STRIDE * MOST_WORKERS


class Result(NamedTuple):
    """One campaign; times in microseconds."""

    workers: int
    kills: int
    owners: int
    sleepers: int
    turns: int
    waited: int
    recoveries: tuple[float, ...]
    losses: dict[str, int]
    seconds: float


def meet_a_death() -> None:
    """Go once through what a recovery does: in a new child of a fork it would first be a hundred page faults."""
    lock = Lock.create(mmap.mmap(-1, Lock.SIZE))
    owner = threading.Thread(target=lock.acquire)
    owner.start()
    owner.join()
    try:
        lock.acquire()
    except OwnerDied:
        time.monotonic_ns()
        lock.consistent()
    lock.release()


class Worker:
    """What runs in a worker process, in its slot."""

    def __init__(self, cells: memoryview, words: memoryview, lock: Lock, slot: int, seed: str) -> None:
        self.cells = cells
        self.words = words
        self.lock = lock
        self.slot = slot
        self.mine = SLOTS + STRIDE * slot
        self.rng = random.Random(seed)

    def run(self) -> None:
        meet_a_death()
        self.cells[self.mine + READY] = 1
        while not self.cells[STOP]:
            self.take_a_turn()

    def take_a_turn(self) -> None:
        cells, mine = self.cells, self.mine
        begun = time.monotonic_ns()
        try:
            if not self.lock.acquire(timeout=PATIENCE_S):
                self.look()
                return
        except OwnerDied:
            self.recover(begun, time.monotonic_ns())
        if cells[ONE] != cells[OTHER]:
            cells[mine + TORN] += 1
        if cells[INSIDE]:
            cells[mine + TOGETHER] += 1
        cells[INSIDE] = self.slot + 1
        cells[ONE] += 1
        for _ in range(self.rng.randrange(MOST_WORK)):
            pass
        cells[OTHER] += 1
        cells[INSIDE] = 0
        self.lock.release()
        cells[mine + TURNS] += 1

    def look(self) -> None:
        word = self.words[WORD]
        forgotten = not word & WAITERS or not word & TID_MASK
        self.cells[self.mine + (LOST if forgotten else WAITED)] += 1

    def recover(self, begun: int, now: int) -> None:
        cells = self.cells
        # Between taking the lock and saying so, nobody knows who it was.
        if inside := cells[INSIDE]:
            dead = SLOTS + STRIDE * (inside - 1)
            cells[RECOVERIES + cells[N_RECOVERED]] = now - cells[dead + KILLED_AT]
            cells[N_RECOVERED] += 1
            told_late = cells[dead + DEAD_AT] and now - cells[dead + DEAD_AT] > LATE_S * 1e9
            if told_late and now - begun > PATIENCE_S * 1e9:
                cells[self.mine + LOST] += 1
        if cells[ONE] != cells[OTHER]:
            cells[N_REPAIRED] += 1
            cells[OTHER] = cells[ONE]
        cells[INSIDE] = 0
        self.lock.consistent()


def switches_asleep(pid: int) -> int | None:
    """How often a process went to sleep, if it sleeps in futex(2) now: the same number again, and it slept all the while."""
    if not sleeps(pid):
        return None
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


class Killer:
    """The process that starts the workers and kills them."""

    def __init__(self, n_kills: int, n_workers: int, seed: str, *, pi: bool) -> None:
        self.n_kills = n_kills
        self.seed = seed
        self.rng = random.Random(seed)
        memory = mmap.mmap(-1, 8 * (RECOVERIES + n_kills + 1))
        self.cells = memoryview(memory).cast("Q")
        self.words = memoryview(memory).cast("I")
        self.lock = Lock.create(memory, pi=pi)
        self.pids = [0] * n_workers
        self.progress = [(0, 0.0)] * n_workers
        self.n_started = self.kills = self.sleepers = self.stuck = self.forgotten = 0

    def start(self, slot: int) -> None:
        self.n_started += 1
        self.cells[SLOTS + STRIDE * slot + READY] = 0
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                Worker(self.cells, self.words, self.lock, slot, f"{self.seed}:{self.n_started}").run()
                status = 0
            finally:
                os._exit(status)
        self.pids[slot] = pid
        self.progress[slot] = (self.turns_of(slot), time.monotonic())

    def turns_of(self, slot: int) -> int:
        return self.cells[SLOTS + STRIDE * slot + TURNS]

    def total(self, what: int) -> int:
        return sum(self.cells[SLOTS + STRIDE * slot + what] for slot in range(len(self.pids)))

    def kill_one(self) -> None:
        owner = self.words[WORD] & TID_MASK
        wants_owner = self.rng.random() < 0.5
        slot = self.rng.randrange(len(self.pids))
        if wants_owner and owner in self.pids:
            slot = self.pids.index(owner)
        pid = self.pids[slot]
        if pid != owner:
            self.sleepers += sleeps(pid)
        victim = SLOTS + STRIDE * slot
        self.cells[victim + DEAD_AT] = 0
        os.kill(pid, 0)  # The first call after a pause is a slow one, which is not to be measured.
        self.cells[victim + KILLED_AT] = time.monotonic_ns()
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        self.cells[victim + DEAD_AT] = time.monotonic_ns()
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            raise RuntimeError(f"a worker ended by itself, with status {status}")
        self.kills += 1
        self.start(slot)

    def count_forgotten(self) -> None:
        """Count who sleeps on a word that does not say so: whoever lets the lock go would not wake him."""
        before = [
            switches_asleep(pid) if self.cells[SLOTS + STRIDE * slot + READY] else None
            for slot, pid in enumerate(self.pids)
        ]
        if self.words[WORD] & WAITERS:
            return
        for pid, seen in zip(self.pids, before, strict=True):
            if seen is not None and switches_asleep(pid) == seen:
                self.forgotten += 1

    def watch(self) -> None:
        """Count and replace who got no turn for too long."""
        now = time.monotonic()
        for slot, (turns, since) in enumerate(self.progress):
            if self.turns_of(slot) != turns:
                self.progress[slot] = (self.turns_of(slot), now)
            elif now - since > STUCK_S:
                self.stuck += 1
                os.kill(self.pids[slot], signal.SIGKILL)
                os.waitpid(self.pids[slot], 0)
                self.start(slot)

    def survivors_go_on(self) -> None:
        """Nobody is killed any more: each of them must get turns."""
        goals = [self.turns_of(slot) + 10 for slot in range(len(self.pids))]
        give_up = time.monotonic() + STUCK_S
        while any(self.turns_of(slot) < goal for slot, goal in enumerate(goals)):
            if time.monotonic() > give_up:
                self.stuck += sum(self.turns_of(slot) < goal for slot, goal in enumerate(goals))
                break
            time.sleep(0.001)

    def end(self) -> None:
        self.cells[STOP] = 1
        give_up = time.monotonic() + STUCK_S
        for pid in self.pids:
            while os.waitpid(pid, os.WNOHANG) == (0, 0):
                if time.monotonic() > give_up:
                    self.stuck += 1
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                    break
                time.sleep(0.001)

    def run(self) -> Result:
        begun = time.monotonic()
        for slot in range(len(self.pids)):
            self.start(slot)
        while self.kills < self.n_kills:
            time.sleep(self.rng.random() * MOST_PAUSE_S)
            self.kill_one()
            self.count_forgotten()
            self.watch()
        self.survivors_go_on()
        self.end()
        turns = self.total(TURNS)
        cells = self.cells
        return Result(
            workers=len(self.pids),
            kills=self.kills,
            owners=cells[N_RECOVERED],
            sleepers=self.sleepers,
            turns=turns,
            waited=self.total(WAITED),
            recoveries=tuple(sorted(ns / 1000 for ns in cells[RECOVERIES : RECOVERIES + cells[N_RECOVERED]])),
            losses={
                "forgotten": self.forgotten,
                "lost": self.total(LOST),
                "stuck": self.stuck,
                "torn": self.total(TORN),
                "together": self.total(TOGETHER),
                "untold": max(0, abs(cells[ONE] - turns) - self.kills - self.stuck),
            },
            seconds=time.monotonic() - begun,
        )


def table(results: list[Result]) -> str:
    """One line a campaign."""
    names = list(results[0].losses)
    head = [
        "workers",
        "kills",
        "owners",
        "asleep",
        "turns",
        *names,
        "median us",
        "p99 us",
        "max us",
        "seconds",
    ]
    rows = [head]
    for r in results:
        found = r.recoveries or (0.0,)
        times = [found[len(found) // 2], found[len(found) * 99 // 100], found[-1]]
        rows.append(
            [
                *(f"{n:,}" for n in (r.workers, r.kills, r.owners, r.sleepers, r.turns)),
                *(f"{r.losses[name]:,}" for name in names),
                *(f"{t:,.0f}" for t in times),
                f"{r.seconds:,.1f}",
            ]
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the campaigns; 1 if anything was lost."""
    parser = argparse.ArgumentParser(
        prog="kills", description="Processes that are killed with a shared lock."
    )
    parser.add_argument("n", type=int, help="how many kills, for each number of workers")
    parser.add_argument("--workers", type=int, action="append", help="how many at once (default: 4, then 8)")
    parser.add_argument("--seed", default="pyfutex", help="of who is killed when (default: %(default)s)")
    parser.add_argument("--pi", action="store_true", help="a lock with priority inheritance")
    options = parser.parse_args(arguments)
    if not usable():
        parser.error("the kernel does not tell here where a thread sleeps")
    gc.freeze()
    results = []
    for n in options.workers or [4, 8]:
        if not 2 <= n <= MOST_WORKERS:
            parser.error(f"from 2 to {MOST_WORKERS} workers")
        results.append(Killer(options.n, n, f"{options.seed}:{n}", pi=options.pi).run())
    with contextlib.suppress(BrokenPipeError):
        print(table(results))
        print("owners: found dead by the next; asleep: killed in their sleep")
        print(f"{sum(r.waited for r in results)} waits of {PATIENCE_S} s for an owner that did not run")
    return int(any(n for r in results for n in r.losses.values()))


if __name__ == "__main__":
    sys.exit(main())
