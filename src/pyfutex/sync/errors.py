"""What locks raise that threading's cannot."""

from __future__ import annotations

import errno
import os


class OwnerDied(OSError):  # an outcome to act on: the lock is held
    """The owner of a shared lock died with it. **The lock is held now**, by the thread that this is raised in.

    Make good what the dead one left half done, call `consistent()`, and go on. A lock that is released before that is
    recoverable no more. errno is EOWNERDEAD.
    """

    def __init__(self, text: str = os.strerror(errno.EOWNERDEAD)) -> None:
        super().__init__(errno.EOWNERDEAD, text)


class NotRecoverable(OSError):  # named as its errno
    """The owner of a shared lock died with it, and whoever had it next released it without `consistent()`.

    errno is ENOTRECOVERABLE.
    """

    def __init__(self, text: str = os.strerror(errno.ENOTRECOVERABLE)) -> None:
        super().__init__(errno.ENOTRECOVERABLE, text)
