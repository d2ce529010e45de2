"""Who waits for whom: the futex table of a guest, and the cycle in it if there is one."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from pyfutex import linux
from pyfutex.linux import FUTEX_CMD_MASK, FUTEX_TID_MASK

# Where glibc's pthread_mutex_t keeps its owner, counted from its futex word, on 32-bit and 64-bit processors alike.
GLIBC_OWNER_OFFSET = 8

BLOCKING_OPERATIONS = {
    getattr(linux, name): name
    for name in (
        "FUTEX_WAIT",
        "FUTEX_WAIT_BITSET",
        "FUTEX_LOCK_PI",
        "FUTEX_LOCK_PI2",
        "FUTEX_WAIT_REQUEUE_PI",
    )
}


FUTEX_CALLS = ("futex", "futex_time64")


class Waiting(NamedTuple):
    """A thread that waits on a futex word."""

    tid: int
    call: str
    word: int | None  # address; None: no queue holds the thread any more
    value: int | None  # what the word holds; None: it cannot be read
    owner: int | None  # the thread that is to act, where the memory tells

    def __str__(self) -> str:
        whom = "" if self.owner is None else f" for thread {self.owner}"
        if self.word is None:
            return f"thread {self.tid} sleeps, and no queue holds it: nobody can wake it"
        value = "cannot be read" if self.value is None else f"holds {self.value:#x}"
        return f"thread {self.tid} waits{whom}: {self.call} on the word at {self.word:#x}, which {value}"


def name_of_call(call: Callable[..., object], registers: Sequence[int]) -> str:
    """What a blocking call is called in a table: the operation of futex(2), or the name of another call."""
    name = getattr(call, "__name__", "futex")
    return BLOCKING_OPERATIONS.get(registers[1] & FUTEX_CMD_MASK, name) if name in FUTEX_CALLS else name


def owner_of(word: int, load: Callable[[int], int | None], alive: Collection[int]) -> int | None:
    """The thread that a futex word, or the mutex of glibc around it, names as its owner.

    Parameters
    ----------
    word : int
        Address.
    load : callable
        The 32-bit word at an address; None if it cannot be read.
    alive : collection of int
        The thread ids that count.

    Returns
    -------
    int or None
        PI and robust words and the word a joiner waits on hold a thread id. A plain mutex of glibc has it beside the word,
        which is then 1 or 2. None: neither names a thread that lives.
    """
    value = load(word)
    if value is None:
        return None
    if value & FUTEX_TID_MASK in alive:
        return value & FUTEX_TID_MASK
    beside = load(word + GLIBC_OWNER_OFFSET)
    return beside if value in (1, 2) and beside in alive else None


def cycle(table: Iterable[Waiting]) -> list[int]:
    """The threads that wait for one another in a circle, in that order; empty if there is none."""
    waits_for = {row.tid: row.owner for row in table if row.owner is not None}
    for start in waits_for:
        path = [start]
        while (following := waits_for.get(path[-1])) is not None:
            if following in path:
                return path[path.index(following) :]
            path.append(following)
    return []
