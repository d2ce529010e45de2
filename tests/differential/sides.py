"""The sides that carry out the steps of a script: what all of them are, and what those of an engine share.

A side has a method for each kind of step, named as its class, which returns what the register would hold, or ASLEEP.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from abc import ABC, abstractmethod
from errno import EAGAIN
from typing import TYPE_CHECKING, Any, ClassVar, Final

from differential.kernel import TID_MASK, WAITERS
from differential.steps import (
    MAX_THREADS,
    MAX_WORDS,
    CmpRequeue,
    CmpRequeuePI,
    Die,
    Requeue,
    RobustExit,
    Store,
    UnlockPI,
    Wake,
    WakeOp,
)
from differential.worlds import ALL, ANY, answer

import pyfutex
from pyfutex.linux import Task, set_robust_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# In the page: the words, the head of a robust list, and for each word the entry of its lock.
DISTANCE: Final = 16  # from word to word, and from entry to entry
HEAD: Final = 512
ENTRIES: Final = 1024
HEAD_SIZE: Final = 24
UNMAPPED: Final = 1 << 46  # an address below which no stack and above which no program is


class Cell(ctypes.Structure):
    """A word and the room up to the next one."""

    _fields_ = (("value", ctypes.c_uint32), ("room", ctypes.c_uint8 * (DISTANCE - 4)))


class Side(ABC):
    """A page of words, and those who sleep on them."""

    name: ClassVar[str]

    def __init__(self) -> None:
        self.page = mmap.mmap(-1, mmap.PAGESIZE)
        self.cells = (Cell * MAX_WORDS).from_buffer(self.page)

    def load(self, word: int) -> int:
        """What a word holds."""
        return int(self.cells[word].value)

    def values(self) -> tuple[int, ...]:
        """All words."""
        return tuple(cell.value for cell in self.cells)

    def value(self, word: int, differs: int) -> int:
        """What a step compares with."""
        return self.load(word) ^ differs

    def Store(self, step: Store) -> int:
        self.cells[step.word].value = step.value | (0 if step.owner is None else self.tid(step.owner))
        return 0

    @abstractmethod
    def tid(self, thread: int) -> int:
        """The id that stands for a thread in a word."""

    @abstractmethod
    def ended(self) -> dict[int, int]:
        """The sleeping calls that have ended since the last question, by thread."""

    def lay_out(self, step: RobustExit, base: int) -> int:
        """Write the robust list of a thread for which the page begins at `base`: the address of its head."""
        shift = UNMAPPED if step.ending == "apart" else base + ENTRIES
        head = base + HEAD
        links = [shift + DISTANCE * word | is_pi for word, is_pi in step.entries]
        last = {
            "circle": links[0] if links else head,
            "misaligned": shift + 2,
            "unmapped": UNMAPPED,
        }.get(step.ending, head)
        following = [*links, last]
        pending = 0 if step.pending is None else shift + DISTANCE * step.pending[0] | step.pending[1]
        struct.pack_into("QqQ", self.page, HEAD, following[0], base - shift, pending)
        for (word, _), link in zip(step.entries, following[1:], strict=True):
            struct.pack_into("Q", self.page, ENTRIES + DISTANCE * word, link)
        return head


class EngineSide(Side):
    """A side whose steps are calls of a Manager or a Kernel, by their common methods.

    Parameters
    ----------
    engine : Manager or Kernel
    """

    def __init__(self, engine: Any) -> None:
        super().__init__()
        self.engine = engine
        self.memory = pyfutex.Memory(self.page)

    def Wake(self, step: Wake) -> int:
        return answer(
            lambda: self.engine.wake(
                self.memory, DISTANCE * step.word, step.n, bitset=step.bitset, private=step.private
            )
        )

    def Requeue(self, step: Requeue) -> int:
        return answer(
            lambda: self.engine.requeue(
                self.memory,
                DISTANCE * step.word,
                DISTANCE * step.word2,
                step.n_wake,
                step.n_requeue,
                private=step.private,
            )
        )

    def CmpRequeue(self, step: CmpRequeue) -> int:
        return answer(
            lambda: mismatch_as_errno(
                self.engine.cmp_requeue(
                    self.memory,
                    DISTANCE * step.word,
                    DISTANCE * step.word2,
                    self.value(step.word, step.differs),
                    step.n_wake,
                    step.n_requeue,
                    private=step.private,
                )
            )
        )

    def WakeOp(self, step: WakeOp) -> int:
        return answer(
            lambda: self.engine.wake_op(
                self.memory,
                DISTANCE * step.word,
                DISTANCE * step.word2,
                step.op,
                step.n_wake,
                step.n_wake2,
                private=step.private,
            )
        )

    def CmpRequeuePI(self, step: CmpRequeuePI) -> int:
        return answer(
            lambda: mismatch_as_errno(
                self.engine.cmp_requeue_pi(
                    self.memory,
                    DISTANCE * step.word,
                    DISTANCE * step.word2,
                    self.value(step.word, step.differs),
                    step.n_requeue,
                    private=step.private,
                )
            )
        )


class ManagerSide(EngineSide):
    """A side of a Manager: its threads are numbers.

    Parameters
    ----------
    tid_of : callable
        The ids that the kernel's side has for its threads, so that words are the same on both. The kernel's side takes
        each step first: when a thread has died, there is a new one already.
    """

    def __init__(self, tid_of: Callable[[int], int]) -> None:
        self.tid_of = tid_of
        self.tids = {thread: tid_of(thread) for thread in range(MAX_THREADS)}
        self.alive = set(self.tids.values())
        self.ever_alive = set(self.alive)
        super().__init__(pyfutex.Manager(owner_alive=self.alive.__contains__))

    def tid(self, thread: int) -> int:
        return self.tids[thread]

    def owner(self, word: int) -> int | None:
        """The thread whose id a word holds."""
        tid = self.load(word) & TID_MASK
        return next((thread for thread, own in self.tids.items() if own == tid), None)

    def succeed(self, thread: int) -> int:
        """Give the number of a dead thread to a new one."""
        tid = self.tids[thread] = self.tid_of(thread)
        self.alive.add(tid)
        self.ever_alive.add(tid)
        return 0

    def Die(self, step: Die) -> int:
        tid = self.tids[step.thread]
        self.alive.discard(tid)
        self.engine.owner_exit(tid)
        return self.succeed(step.thread)

    def RobustExit(self, step: RobustExit) -> int:
        tid = self.tids[step.thread]
        task = Task(tid, self.memory, self.engine)
        assert set_robust_list(task, self.lay_out(step, 0), HEAD_SIZE) == 0
        self.alive.discard(tid)
        task.exit()
        return self.succeed(step.thread)


def rescue(side: Any, sleepers: Callable[[], Iterable[int]]) -> bool:
    """Get the threads of a side out of whatever they sleep in; False: they sleep on."""
    for attempt in range(50):
        side.ended()
        asleep = set(sleepers())
        if not asleep:
            return True
        for word in range(MAX_WORDS):
            for private in (True, False):
                side.Wake(Wake(word, ALL, ANY, private))
                for i in set(range(MAX_THREADS)) - asleep:
                    side.Store(Store(word, WAITERS, i))
                    side.UnlockPI(UnlockPI(i, word, private))
            side.cells[word].value = 0 if attempt % 2 else 1 << 20
        side.ended()
        for i in set(sleepers()):
            side.interrupt(i)
    return False


def mismatch_as_errno(result: object) -> object:
    """Turn the None of a compare-and-requeue into what the kernel answers."""
    return -EAGAIN if result is None else result
