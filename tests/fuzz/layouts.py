"""Primitives in shared memory over any bytes: attached to, used, written over in between. Nothing but errors may come of it.

Left out by construction, and why:

- the links of robust locks (bytes 36 to 55 of each 64): they are followed where they look like addresses;
- the thread's own id in a word: only the thread itself stores it;
- the mutex of a Barrier or RWLock that is not robust (bytes 16 to 19): held by nobody who lets it go, it would be waited
  for without end, as if its holder had died;
- memory that goes away while a lock that was written over is in the thread's list: a world's memory is never given back.

    python -m fuzz.layouts KIND SEED N
"""

import faulthandler
import mmap
import os
import random
import sys
import time

from fuzz.world import Alarm, Interrupted

from pyfutex import sync

ROOM = 1024
CANARY = bytes(range(1, 65))
HANG_SECONDS = 30
LINKS = range(36, 56)
MUTEX = range(16, 20)
WITH_A_PLAIN_MUTEX = {"plain Barrier", "plain RWLock"}
WORDS = (
    0,
    1,
    2,
    7,
    0x3FFF_FFFF,
    0x4000_0000,
    0x7FFF_FFFF,
    0x8000_0000,
    0x8000_0001,
    0xC000_0000,
    0xFFFF_FFFF,
)

KINDS = {
    "Lock": lambda memory: sync.Lock.create(memory),
    "plain Lock": lambda memory: sync.Lock.create(memory, robust=False),
    "PI Lock": lambda memory: sync.Lock.create(memory, pi=True),
    "RLock": lambda memory: sync.RLock.create(memory),
    "Condition": lambda memory: sync.Condition.create(memory),
    "Semaphore": lambda memory: sync.Semaphore.create(memory, value=1),
    "undo Semaphore": lambda memory: sync.Semaphore.create(memory, value=3, undo=True),
    "BoundedSemaphore": lambda memory: sync.BoundedSemaphore.create(memory, value=2),
    "Event": lambda memory: sync.Event.create(memory),
    "Latch": lambda memory: sync.Latch.create(memory, count=2),
    "Once": lambda memory: sync.Once.create(memory),
    "Barrier": lambda memory: sync.Barrier.create(memory, parties=2),
    "plain Barrier": lambda memory: sync.Barrier.create(memory, parties=2, robust=False),
    "RWLock": lambda memory: sync.RWLock.create(memory, readers=3),
    "plain RWLock": lambda memory: sync.RWLock.create(memory, robust=False),
}
USES = {
    "acquire": (False,), "release": (), "locked": (), "consistent": (), "wait": (0.001,), "notify": (), "notify_all": (),
    "set": (), "clear": (), "is_set": (), "count_down": (), "call": (int,), "register": (), "unregister": (), "reset": (),
    "abort": (), "acquire_read": (False,), "release_read": (), "acquire_write": (True, 0.001), "release_write": (),
    "value": None, "count": None, "done": None, "parties": None, "n_waiting": None, "broken": None, "n_readers": None,
    "write_locked": None,
}  # fmt: skip
ALLOWED = (OSError, ValueError, RuntimeError, OverflowError)

_kept = []


def write_over(memory, kind, rng):
    """Change a field, but for what is left out."""
    width = rng.choice((1, 4, 4, 4, 8))
    at = rng.randrange(0, 320 // width) * width
    number = rng.choice(WORDS) if width == 4 else rng.getrandbits(8 * width)
    places = range(at, at + width)
    if kind in WITH_A_PLAIN_MUTEX and any(place in MUTEX for place in places):
        return
    if not any(place % 64 in LINKS for place in places):
        memory[at : at + width] = number.to_bytes(width, "little")


def use(primitive, rng):
    """One of its methods, or of its properties."""
    name = rng.choice([name for name in USES if hasattr(type(primitive), name)])
    arguments = USES[name]
    found = getattr(primitive, name)
    if arguments is not None:
        found(*arguments)


def play(rng, kind, alarm):
    """Some steps on one primitive."""
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    _kept.append(memory)
    memory[ROOM : ROOM + len(CANARY)] = CANARY
    view = memoryview(memory)[:ROOM]
    primitive = KINDS[kind](view)
    _kept.append(primitive)
    for _ in range(30):
        choice = rng.random()
        try:
            alarm.began = time.monotonic()
            if choice < 0.3:
                write_over(memory, kind, rng)
            elif choice < 0.4:
                primitive = type(primitive).attach(view)
                _kept.append(primitive)
            else:
                use(primitive, rng)
        except (*ALLOWED, Interrupted):
            pass
        finally:
            alarm.began = None
        assert memory[ROOM : ROOM + len(CANARY)] == CANARY


def main():
    """So many worlds of a kind, of a seed. A hang ends the process, and shows where it is."""
    kind, seed, n = sys.argv[1:]
    faulthandler.enable()
    faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
    rng, alarm = random.Random(seed), Alarm()
    for _ in range(int(n)):
        play(rng, kind, alarm)
    alarm.stop()
    # What was written over need not be in a state to be taken apart.
    os._exit(0)


if __name__ == "__main__":
    main()
