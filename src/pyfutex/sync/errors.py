"""What locks raise that threading's cannot.

No `__init__` in Python: it would run signal handlers, and what a handler raises would be raised in place of OwnerDied while
the lock is held.
"""

from __future__ import annotations


class OwnerDied(OSError):  # an outcome to act on: the lock is held
    """The owner of a shared lock died with it. **The lock is held now**, by the thread that this is raised in.

    Make good what the dead one left half done, call `consistent()`, and go on. A lock that is released before that is
    recoverable no more. errno is EOWNERDEAD.
    """


class NotRecoverable(OSError):  # named as its errno
    """The owner of a shared lock died with it, and whoever had it next released it without `consistent()`.

    errno is ENOTRECOVERABLE.
    """
