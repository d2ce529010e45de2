"""The kill campaign on a semaphore with undo: `python -m sync.permitkills 10000` with this directory's parent on the path.

Processes take one permit or several and give them back, while some of them are killed at random, and replaced. After each
kill all are stopped and looked at. What must not happen, and ends with status 1:

    lost        a permit that somebody has who is not there
    made        a process has fewer permits than it knows of
    wrong       the semaphore counts other permits than those that nobody has
    stuck       a process gets no permit though it lives
    left        in the end, permits that cannot be taken, or one that can beyond all
"""

from __future__ import annotations

import argparse
import gc
import mmap
import os
import random
import signal
import sys
import time
from typing import Final, NamedTuple

from pyfutex.sync import Semaphore

PERMITS: Final = 3
TID_MASK: Final = 0x3FFF_FFFF
WORDS_OF_SLOT: Final = 16  # of 32 bits
FIRST_WORD: Final = (128 + 16) // 4
STUCK_S: Final = 20.0
MOST_PAUSE_S: Final = 0.002  # between two kills
MOST_WORK: Final = 200  # steps with permits
MOST_PATIENCE_S: Final = 1e-3  # of those who have one already

# The shared cells, of 64 bits, on a page of their own.
HELD, TURNS, STRIDE = range(3)
MOST_WORKERS: Final = 64


class Result(NamedTuple):
    """One campaign."""

    workers: int
    kills: int
    holders: int
    turns: int
    losses: dict[str, int]
    seconds: float


class Killer:
    """The process that starts the workers, kills them, and looks at what they leave."""

    def __init__(self, n_kills: int, n_workers: int, seed: str) -> None:
        self.n_kills = n_kills
        self.seed = seed
        self.rng = random.Random(seed)
        memory = mmap.mmap(-1, 2 * mmap.PAGESIZE)
        self.words = memoryview(memory).cast("I")
        self.cells = memoryview(memory)[mmap.PAGESIZE :].cast("Q")
        self.semaphore = Semaphore.create(memory, value=PERMITS, undo=True)
        self.pids = [0] * n_workers
        self.n_started = self.kills = self.holders = 0
        self.losses = dict.fromkeys(("lost", "made", "wrong", "stuck", "left"), 0)

    def start(self, worker: int) -> None:
        self.n_started += 1
        self.cells[STRIDE * worker + HELD] = 0
        pid = os.fork()
        if pid == 0:
            try:
                self.work(worker, random.Random(f"{self.seed}:{self.n_started}"))
            finally:
                os._exit(1)
        self.pids[worker] = pid

    def work(self, worker: int, rng: random.Random) -> None:
        semaphore, cells, mine = self.semaphore, self.cells, STRIDE * worker
        while True:
            taken = semaphore.acquire()
            for _ in range(rng.randrange(PERMITS)):
                taken += semaphore.acquire(timeout=rng.random() * MOST_PATIENCE_S)
            cells[mine + HELD] = taken
            for _ in range(rng.randrange(MOST_WORK)):
                pass
            cells[mine + HELD] = 0
            semaphore.release(taken)
            cells[mine + TURNS] += 1

    def owners(self) -> list[int]:
        """Whom each permit belongs to; 0: nobody."""
        return [self.words[FIRST_WORD + WORDS_OF_SLOT * slot] & TID_MASK for slot in range(PERMITS)]

    def kill_some(self) -> None:
        """One, or two at once."""
        victims = self.rng.sample(range(len(self.pids)), self.rng.choice((1, 2)))
        owners = self.owners()
        self.holders += sum(self.pids[worker] in owners for worker in victims)
        for worker in victims:
            os.kill(self.pids[worker], signal.SIGKILL)
        for worker in victims:
            _, status = os.waitpid(self.pids[worker], 0)
            if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
                raise RuntimeError(f"a worker ended by itself, with status {status}")
            self.start(worker)
        self.kills += len(victims)

    def look(self) -> None:
        """Let all stand still, and count."""
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)
        for pid in self.pids:
            os.waitpid(pid, os.WUNTRACED)
        owners = self.owners()
        self.losses["lost"] += sum(owner not in (0, *self.pids) for owner in owners)
        self.losses["wrong"] += self.semaphore.value != owners.count(0)
        for worker, pid in enumerate(self.pids):
            self.losses["made"] += self.cells[STRIDE * worker + HELD] > owners.count(pid)
            os.kill(pid, signal.SIGCONT)

    def all_get_on(self) -> None:
        """Each of them takes and gives back once more."""
        goals = [self.cells[STRIDE * worker + TURNS] + 1 for worker in range(len(self.pids))]
        give_up = time.monotonic() + STUCK_S
        for worker, goal in enumerate(goals):
            while self.cells[STRIDE * worker + TURNS] < goal:
                if time.monotonic() > give_up:
                    self.losses["stuck"] += 1
                    break
                time.sleep(1e-4)

    def run(self) -> Result:
        begun = time.monotonic()
        for worker in range(len(self.pids)):
            self.start(worker)
        while self.kills < self.n_kills:
            time.sleep(self.rng.random() * MOST_PAUSE_S)
            self.kill_some()
            self.look()
            if self.rng.random() < 0.1:
                self.all_get_on()
        self.all_get_on()
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        taken = sum(self.semaphore.acquire(False) for _ in range(PERMITS + 1))
        self.losses["left"] = abs(PERMITS - taken)
        if taken:
            self.semaphore.release(taken)
        turns = sum(self.cells[STRIDE * worker + TURNS] for worker in range(len(self.pids)))
        return Result(len(self.pids), self.kills, self.holders, turns, self.losses, time.monotonic() - begun)


def main(arguments: list[str] | None = None) -> int:
    """Run the campaigns; 1 if anything was lost."""
    parser = argparse.ArgumentParser(
        prog="permitkills", description="Processes that are killed with permits."
    )
    parser.add_argument("n", type=int, help="how many kills, for each number of workers")
    parser.add_argument("--workers", type=int, action="append", help="how many at once (default: 4, then 8)")
    parser.add_argument("--seed", default="pyfutex", help="of who is killed when (default: %(default)s)")
    options = parser.parse_args(arguments)
    gc.freeze()
    failed = False
    for n in options.workers or [4, 8]:
        if not 2 <= n <= MOST_WORKERS:
            parser.error(f"from 2 to {MOST_WORKERS} workers")
        result = Killer(options.n, n, f"{options.seed}:{n}").run()
        losses = ", ".join(f"{count:,} {name}" for name, count in result.losses.items())
        print(
            f"{result.workers} workers on {PERMITS} permits, {result.kills:,} kills, {result.holders:,} of them of holders, "
            f"{result.turns:,} turns: {losses}; {result.seconds:.1f} s",
            flush=True,
        )
        failed |= any(result.losses.values())
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
