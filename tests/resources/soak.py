"""The soak: `python -m resources.soak --minutes 5` with this directory's parent on the path (make soak).

All constructors and operations of `operations` in turns, beside threads that hand work to each other through a manager,
locks, a condition, a semaphore and an event, and beside threads that come and go. Memory after the first fifth of the time
is what memory may be at the end, but for ALLOWED_KIB; descriptors, threads and waiters are what they were.
"""

import argparse
import gc
import mmap
import os
import sys
import threading
import time

from resources.operations import ENGINE, SYNC, World

from pyfutex import Manager, Memory, sync

ALLOWED_KIB = 8192
# The work of a day, of a program that makes a hundred operations in a second.
DAY = 24 * 3600 * 100


class Turns:
    """Threads that hand each other the turn through everything that can wake, until `stop`."""

    def __init__(self):
        self.manager = Manager()
        self.memory = Memory(mmap.mmap(-1, mmap.PAGESIZE))
        self.locks = [
            sync.Lock(),
            sync.RLock(),
            sync.Lock.create(mmap.mmap(-1, mmap.PAGESIZE)),
            sync.Semaphore(),
        ]
        self.condition = sync.Condition()
        self.event = sync.Event()
        self.rwlock = sync.RWLock()
        self.stop = False
        self.operations = [0] * 4

    def work(self, me):
        """Contend with the others; count what was done."""
        while not self.stop:
            for lock in self.locks:
                with lock:
                    self.memory.fetch_add(8, 1)
            with self.condition:
                self.condition.notify_all()
                self.condition.wait(1e-3)
            with self.rwlock.write() if me == 0 else self.rwlock.read():
                self.event.set()
            self.event.wait(1e-3)
            self.event.clear()
            self.manager.wake(self.memory, 64)
            self.manager.wait(self.memory, 64, 0, 1e-3)
            self.operations[me] += 13


def in_turns():
    """Every constructor and operation once: how many."""
    for make in (ENGINE | SYNC).values():
        world = World()
        make(world)()
        world.end()
    return len(ENGINE) + len(SYNC)


def visit(turns):
    """A thread that sleeps once and ends: its parker and its record go back."""
    thread = threading.Thread(target=turns.manager.wait, args=(turns.memory, 128, 0, 1e-4))
    thread.start()
    thread.join()
    return 1


def in_use():
    """Kibibytes of memory, descriptors, threads."""
    gc.collect()
    with open("/proc/self/statm", "rb") as statm:
        pages = int(statm.read().split()[1])
    return pages * mmap.PAGESIZE // 1024, len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def soak(minutes):
    """Run for so long: what was in use after a fifth of the time, what in the end, and how many operations there were."""
    turns = Turns()
    crew = [threading.Thread(target=turns.work, args=(i,)) for i in range(len(turns.operations))]
    for thread in crew:
        thread.start()
    began = time.monotonic()
    warm, done = None, 0
    while (passed := time.monotonic() - began) < 60 * minutes:
        if warm is None and passed > 12 * minutes:
            warm = in_use()
        done += in_turns() + visit(turns)
    end = in_use()
    turns.stop = True
    for thread in crew:
        thread.join()
    assert len(turns.manager) == 0
    return warm, end, done + sum(turns.operations)


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5)
    minutes = parser.parse_args().minutes
    warm, end, operations = soak(minutes)
    print(f"soak: {operations:,} operations in {minutes:g} min: {operations / DAY:.2f} days at 100 a second")
    print(
        "soak: KiB, descriptors, threads: {}, {}, {} after a fifth; {}, {}, {} at the end".format(*warm, *end)
    )
    if end[0] - warm[0] > ALLOWED_KIB or end[1:] != warm[1:]:
        print("soak: it grew", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
