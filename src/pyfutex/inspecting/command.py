"""The command ``python -m pyfutex inspect``."""

from __future__ import annotations

import mmap
import os
import sys
import time
from typing import TYPE_CHECKING

from pyfutex._commandline import teach
from pyfutex.inspecting.processes import Sight, Sleeper, sight_of
from pyfutex.inspecting.report import cycle_text, cycles, lines, links, look
from pyfutex.memory import Memory
from pyfutex.sync._anatomy import SPACE_AT, primitive_of
from pyfutex.sync._arenafile import SHARED_MEMORY, ArenaFile, path_of
from pyfutex.sync._directory import LOCK_AT, Entry, Names
from pyfutex.sync.lock import Lock

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

DESCRIPTION = """\
List what is in an arena, or look at one primitive in a file that processes share: who holds it, who waits for it and for
how long at least, whose owner died, and who waits for each other in a circle. The exit status is 1 if there is such a
circle, and 2 if the place could not be looked at. Nothing is changed, and no lock is taken.
"""
EXAMPLES = (
    ("shop", "what is in the arena of this name, who holds it, who waits"),
    ("--watch 2 shop", "two looks 2 s apart: who has not moved in between"),
    ("--offset 128 ./file", "the lock that lies at byte 128 of a file"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command, and `run` as what it does."""
    teach(parser, DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "place", metavar="ARENA", help=f"name of an arena, name of a file in {SHARED_MEMORY}, or a path"
    )
    parser.add_argument(
        "--offset",
        type=int,
        metavar="N",
        help="look at the primitive at this byte of a file instead of an arena",
    )
    parser.add_argument(
        "--watch",
        type=float,
        default=0.3,
        metavar="S",
        help="seconds between two looks at who waits (default 0.3)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Look, and print what is there.

    Returns
    -------
    int
        The exit status.
    """
    try:
        return inspect(found(options.place), options.offset, options.watch)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2


def found(place: str) -> str:
    """The path of what the command line names."""
    path = path_of(place)
    plain = f"{SHARED_MEMORY}/{place}"
    return plain if "/" not in place and not os.path.exists(path) and os.path.exists(plain) else path


def inspect(path: str, offset: int | None, watch: float) -> int:
    """Look at an arena, or at what is at `offset` of a file, and print it."""
    if offset is None:
        file = ArenaFile.attach(path)
        names = Names(file)
        fd, memory, head = file.fd, file.memory, LOCK_AT
        entries = sorted(names.entries(), key=lambda entry: entry.name)
        print(
            f"{path}: an arena of {file.allocated:,} bytes, {file.maximum:,} at most; "
            f"{len(entries)} name{'' if len(entries) == 1 else 's'}"
        )
        directory = Entry("(directory)", 0, LOCK_AT, Lock.SIZE, primitive_of(memory.load64(LOCK_AT)))
        if memory.load(LOCK_AT + 16):
            entries.append(directory)
    else:
        fd, memory = mapped(path)
        head = offset
        entries = [place_in(path, memory, offset)]
    is_ours = memory.load64(head + SPACE_AT) in (0, this_space())
    if not is_ours:
        print(
            "of another PID namespace, or of the time before the last boot: who holds and who waits is not to be told"
        )
        for line in lines(look(memory, entries, Sight([], [], 0), {})):
            print(line)
        return 0
    sight, seconds = watched(fd, watch)
    seen = look(memory, entries, sight, seconds)
    for line in lines(seen):
        print(line)
    for line in blind_spots(sight):
        print(line)
    circles = cycles(list(links(seen)))
    for circle in circles:
        print(cycle_text(circle))
    return int(bool(circles))


def mapped(path: str) -> tuple[int, Memory]:
    """A file that processes share; its descriptor and its memory live as long as the command."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    return fd, Memory(mmap.mmap(fd, 0))


def place_in(path: str, memory: Memory, offset: int) -> Entry:
    """What is at a byte of a file."""
    if not 0 <= offset <= memory.nbytes - 8 or offset % 8:
        raise ValueError(f"{path} has {memory.nbytes:,} bytes, and no primitive at {offset}")
    what = primitive_of(memory.load64(offset))
    if what is None:
        raise ValueError(f"at byte {offset} of {path} is no primitive that this pyfutex knows")
    words = max([*what.slept_on_words(), *what.owned_words()])
    if words > memory.nbytes - offset - 4:
        raise ValueError(f"{path} ends in the middle of the {what.kind.title} at {offset}")
    return Entry(f"at {offset}", offset, offset, memory.nbytes - offset, what)


def this_space() -> int:
    """PID namespace and boot of this process, as the head of a lock has them; 0: there are no robust locks here."""
    place = bytearray(Lock.SIZE)
    try:
        Lock.create(place)
    except OSError:
        return 0
    return Memory(place).load64(SPACE_AT)


def watched(fd: int, watch: float) -> tuple[Sight, dict[Sleeper, float]]:
    """Look twice; who sleeps at the second look, and since when at least those who did at the first."""
    first = sight_of(fd)
    if not first.sleepers or watch <= 0:
        return first, {}
    began = time.monotonic()
    time.sleep(watch)
    second = sight_of(fd)
    lasted = time.monotonic() - began
    return second, {sleeper: lasted for sleeper in second.sleepers if sleeper in first.sleepers}


def blind_spots(sight: Sight) -> list[str]:
    """What this process may not see."""
    said = []
    if sight.hidden:
        processes: Sequence[str] = [str(pid) for pid in sight.hidden]
        said.append(
            f"not permitted to see where threads of {', '.join(processes)} sleep, which map this file, too"
        )
    if sight.n_unknown:
        said.append(f"not permitted to see what other processes map: {sight.n_unknown} of them")
    return said
