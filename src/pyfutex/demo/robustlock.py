"""What the crash demo asks of a lock."""

import mmap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

ROOM: Final = 128
"""Bytes that are enough for any lock of the demo."""


class NotHere(Exception):
    """There is no such lock on this system; the message says why."""


class RobustLock(Protocol):
    """A lock that processes share; `pyfutex.sync.Lock` is one."""

    def acquire(self, blocking: bool = True) -> bool:  # pyright: ignore[reportReturnType]
        """Take it. OwnerDied: it is held, and whoever held it before died with it."""

    def release(self) -> None:
        """Let it go."""

    def consistent(self) -> None:
        """Say that what a dead owner left is made good."""


@dataclass(frozen=True)
class Contender:
    """A name, and how to make the lock in memory that forked processes share; it may raise NotHere.

    The lock has the first `ROOM` bytes of the memory.
    """

    name: str
    make: Callable[[mmap.mmap], RobustLock]
