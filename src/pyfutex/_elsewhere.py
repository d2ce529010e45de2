"""What stands in the place of what needs a Linux kernel, in a build without it: names that say so when they are used."""

from __future__ import annotations

import errno
from typing import ClassVar


def lacking(what: str) -> str:
    """The message of every error that comes of it.

    Parameters
    ----------
    what : str
        What was asked for.

    Returns
    -------
    str
        A sentence.
    """
    return f"{what} needs the futexes of a Linux kernel, which this build of pyfutex is without"


class _Lacking:
    where = "pyfutex"

    def __init__(self, *_arguments: object, **_options: object) -> None:
        raise NotImplementedError(lacking(f"{self.where}.{type(self).__name__}"))


class Kernel(_Lacking):
    """The kernel's futexes, of which there are none."""

    supported: ClassVar[frozenset[str]] = frozenset()


class KernelFutex(_Lacking):
    """A word bound to them."""


class Words(_Lacking):
    """The kernel's futexes, awaited."""

    where = "pyfutex.aio"


class WordQueue(_Lacking):
    """The kernel's futexes, polled."""

    where = "pyfutex.aio"


class WordWaiter(_Lacking):
    """A wait of theirs."""

    where = "pyfutex.aio"


def why_no_ring() -> OSError:
    """What io_uring is said to be: not there.

    Returns
    -------
    OSError
        ENOSYS.
    """
    return OSError(errno.ENOSYS, lacking("io_uring"))
