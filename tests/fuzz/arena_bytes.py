"""A fuzz of the file of an arena: bytes written over a good one, then every method; coverage decides what is changed next.

    python -m fuzz.arena_bytes [libFuzzer's options] corpus

`test_arena_bytes.py` has the same done with the corpus and with changes at random.

What has to hold: an arena that is none any more raises what its documentation names, after a bounded number of looks at its
memory. Left out by construction: the file is as long as it was (one that is cut off while it is mapped ends in SIGBUS), and
links of robust locks that could be addresses (no lock is taken but the directory's, whose links who takes it writes).
"""

import os
import struct
import sys

SIZE = 1 << 16
CHANGE = struct.calcsize("<HBQ")
# A fuzzed arena is looked at more often than this by nothing but a loop without an end.
MOST_LOOKS = 200_000
NAMES = ("one", "two", "free", "ü" * 100, "index")

ALLOWED = (ValueError, OSError, KeyError)


class TooManyLooks(BaseException):
    """Some call goes on and on."""


def good_arena(sync):
    """The bytes of an arena with a bit of everything."""
    with sync.Arena.create_nameless("good", maximum=SIZE) as arena:
        arena.lock("one")
        arena.rwlock("two", 3)
        arena.event("free")
        arena.semaphore("gone", 3)
        arena.barrier(NAMES[3], 2)
        arena.delete("gone")
        return os.pread(arena.fileno(), SIZE, 0)


def places(good):
    """Multiples of 8 at which an arena has something."""
    used = struct.unpack_from("=Q", good, 32)[0]
    return [*range(0, 144, 8), *range(512, 1024, 64), *range(4096, used + 64, 8)]


def write_over(good, data):
    """A good arena with some of its fields changed: each change is a place, how, and a number."""
    changed = bytearray(good)
    where_to = places(good)
    for where, how, number in struct.iter_unpack("<HBQ", data[: len(data) // CHANGE * CHANGE]):
        n = (1, 2, 4, 8)[how & 3]
        place = where_to[where % len(where_to)] + (how >> 2 & 7) // n * n
        old = int.from_bytes(changed[place : place + n], sys.byteorder)
        new = old + number if how & 0x20 else number
        changed[place : place + n] = (new % (1 << 8 * n)).to_bytes(n, sys.byteorder)
    return changed


class Looking:
    """Counts what the directory's code loads, in the same object that it uses."""

    def __init__(self, memory):
        self.memory = memory
        self.left = MOST_LOOKS

    def __getattr__(self, name):
        self.left -= 1
        if self.left < 0:
            raise TooManyLooks
        return getattr(self.memory, name)


def use(sync, fd):
    """Call every method of an arena over a file."""
    arena = sync.Arena.attach(fd)
    arena._directory._memory = Looking(arena._file.memory)
    calls = [
        arena.names,
        arena.__len__,
        arena.entries,
        *(lambda name=name: name in arena for name in NAMES),
        lambda: arena.lock("one"),
        lambda: arena.rwlock("two", 3),
        lambda: arena.event("free").is_set(),
        lambda: arena.barrier(NAMES[3], 2).parties,
        lambda: arena.lock("new"),
        lambda: arena.barrier("large", 100),
        lambda: arena.delete("new"),
        lambda: arena.delete("two"),
        lambda: [arena.event(f"more {i}") for i in range(4)],
        arena.names,
    ]
    for call in calls:
        try:
            call()
        except ALLOWED as error:
            check(error)
        except RuntimeError as error:
            # The word of the directory's lock names the thread that fuzzes, or a lock is not recoverable.
            if "at work" not in str(error) and type(error) is RuntimeError:
                raise
    try:
        arena.close()
    except BufferError:
        pass


def check(error):
    """Errors that say what they should not: no range or alignment of memory is the user's business."""
    if isinstance(error, OSError) and error.errno in (14, 22):
        raise AssertionError("an address of a damaged arena was used") from error


def try_one(sync, good, data):
    """One input."""
    fd = os.memfd_create("fuzzed")
    try:
        os.ftruncate(fd, SIZE)
        os.posix_fallocate(fd, 0, SIZE)
        os.pwrite(fd, write_over(good, data), 0)
        try:
            use(sync, fd)
        except ALLOWED as error:
            check(error)
    finally:
        os.close(fd)


def load():
    """pyfutex.sync, whose directory is nobody's for long: a thread that held it would be waited for."""
    from pyfutex import sync
    from pyfutex.sync import _directory

    _directory.PATIENCE_S = 0
    return sync


def main():
    try:
        import atheris
    except ImportError:
        sys.exit("the fuzz of arenas needs atheris, which has no wheel for this Python")
    with atheris.instrument_imports(include=["pyfutex.sync"]):
        sync = load()
    good = good_arena(sync)
    atheris.Setup(sys.argv, lambda data: try_one(sync, good, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
