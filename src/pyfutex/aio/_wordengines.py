"""By what words of real memory are waited for: io_uring, where it is allowed, or threads with futex_waitv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyfutex.aio._uring import Ring
from pyfutex.aio._waitv import Watchers

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

__all__ = ["KernelWaits", "made_engine", "why_no_ring"]


class KernelWaits:
    """What there is to know about waits in the kernel, whatever they are for."""

    _engine: Ring | Watchers

    @property
    def engine(self) -> Literal["io_uring", "futex_waitv"]:
        """By what the kernel waits."""
        return self._engine.name

    @property
    def waiting(self) -> int:
        """How many waits are not over."""
        return len(self._engine)

    @property
    def threads(self) -> int:
        """How many threads there are for it: none by io_uring, one for 127 words by futex_waitv."""
        return self._engine.threads


def why_no_ring() -> OSError | None:
    """Why words cannot be awaited through io_uring here; None: they can.

    Returns
    -------
    OSError or None
        ENOSYS: the kernel has none; EPERM: a filter of system calls or a setting refuses it; EOPNOTSUPP: it knows no
        futexes (before Linux 6.7).
    """
    try:
        Ring().close()
    except OSError as error:
        return error
    return None


def made_engine(io_uring: bool | None, soon: Callable[[Callable[[], None]], None]) -> Ring | Watchers:
    """Make one; `soon` has a function called, after a while, when the threads are to be told of changes."""
    if io_uring is not False:
        try:
            return Ring()
        except OSError:
            if io_uring:
                raise
    return Watchers(soon)
