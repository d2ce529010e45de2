"""What locks, queues and pools raise that those of threading and multiprocessing cannot.

No `__init__` in Python: it would run signal handlers, and what a handler raises would be raised in place of OwnerDied while
the lock is held.
"""

from __future__ import annotations

import sys

from pyfutex._firstloaded import first_loaded


class OwnerDied(OSError):  # an outcome to act on: the lock is held
    """The owner of a shared lock died with it. **The lock is held now**, by the thread that this is raised in.

    Make good what the dead one left half done, call `consistent()`, and go on. A lock that is released before that is
    recoverable no more. errno is EOWNERDEAD.
    """


class NotRecoverable(OSError):  # named as its errno
    """The owner of a shared lock died with it, and whoever had it next released it without `consistent()`.

    errno is ENOTRECOVERABLE.
    """


class TornMessage(OSError):  # what a connection raises
    """A process died, or gave up, in the middle of a message of a queue. That message is lost; the next one is whole."""


class WorkerDied(RuntimeError):  # as BrokenProcessPool, of which this is the milder sort
    """A worker of a pool ended while it had a task. The task may have been done in part; its pool goes on."""


# Should the package be deleted from sys.modules and imported anew.
sys.modules[__name__] = first_loaded(sys.modules[__name__])
