"""What a step of a script can be.

A word is a number, from 0; so is a thread. What a step compares a word with is said by how far off it is
(`differs`, 0: what the word holds now), and owners are named by thread, so that one script means the same everywhere.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

MAX_THREADS: Final = 8
MAX_STEPS: Final = 40
MAX_WORDS: Final = 4

# Where the last link of a robust list leads: to the head, as it should; to the first entry; to an entry whose word is
# misaligned, or one of which nothing is mapped. Or nothing is mapped where any entry is, though the words are ("apart").
Ending = Literal["head", "circle", "misaligned", "unmapped", "apart"]


class Wait(NamedTuple):
    thread: int
    word: int
    differs: int
    bitset: int
    private: bool
    late: bool  # with a deadline that is over


class Waitv(NamedTuple):
    thread: int
    items: tuple[tuple[int, int, bool], ...]  # word, differs, private
    late: bool


class Wake(NamedTuple):
    word: int
    n: int
    bitset: int
    private: bool


class Requeue(NamedTuple):
    word: int
    word2: int
    n_wake: int
    n_requeue: int
    private: bool


class CmpRequeue(NamedTuple):
    word: int
    word2: int
    differs: int
    n_wake: int
    n_requeue: int
    private: bool


class WakeOp(NamedTuple):
    word: int
    word2: int
    op: int
    n_wake: int
    n_wake2: int
    private: bool


class LockPI(NamedTuple):
    thread: int
    word: int
    private: bool
    late: bool


class TrylockPI(NamedTuple):
    thread: int
    word: int
    private: bool


class UnlockPI(NamedTuple):
    thread: int
    word: int
    private: bool


class WaitRequeuePI(NamedTuple):
    thread: int
    word: int
    word2: int
    differs: int
    private: bool
    late: bool


class CmpRequeuePI(NamedTuple):
    word: int
    word2: int
    differs: int
    n_requeue: int
    private: bool


class Store(NamedTuple):
    word: int
    value: int
    owner: int | None = None  # the thread whose id is added


class Signal(NamedTuple):
    """Interrupt a thread that sleeps, by a signal with a handler and without SA_RESTART."""

    thread: int


class Restart(NamedTuple):
    """Interrupt a thread that sleeps, by a signal with a handler and SA_RESTART: its call is made again."""

    thread: int


class Schedule(NamedTuple):
    """Give an idle thread a real-time priority, or 0: none."""

    thread: int
    priority: int


class Die(NamedTuple):
    """End an idle thread, whatever it holds. The next step of its number is by a new one."""

    thread: int


class RobustExit(NamedTuple):
    """End an idle thread that has a robust list."""

    thread: int
    entries: tuple[tuple[int, bool], ...]  # words, each once, and whether its link says PI
    pending: tuple[int, bool] | None  # the same of the operation that was going on
    ending: Ending


Step = (
    Wait
    | Waitv
    | Wake
    | Requeue
    | CmpRequeue
    | WakeOp
    | LockPI
    | TrylockPI
    | UnlockPI
    | WaitRequeuePI
    | CmpRequeuePI
    | Store
    | Signal
    | Restart
    | Schedule
    | Die
    | RobustExit
)
CALLS: Final = (Wait, Waitv, LockPI, WaitRequeuePI)  # in which a thread may sleep
BY_IDLE_THREAD: Final = (*CALLS, TrylockPI, UnlockPI, Schedule, Die, RobustExit)
