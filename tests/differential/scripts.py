"""A generator of scripts of futex operations by several threads."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, Protocol

from differential.kernel import OWNER_DIED, WAITERS
from differential.steps import (
    MAX_STEPS,
    MAX_THREADS,
    MAX_WORDS,
    CmpRequeue,
    CmpRequeuePI,
    Die,
    LockPI,
    Requeue,
    Restart,
    RobustExit,
    Schedule,
    Signal,
    Store,
    TrylockPI,
    UnlockPI,
    Wait,
    WaitRequeuePI,
    Waitv,
    Wake,
    WakeOp,
)
from differential.worlds import ALL, ANY, NOBODY_TID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from differential.steps import Ending, Step


class View(Protocol):
    """What the generator may look at: nothing but what all sides agree on."""

    def idle(self) -> list[int]:
        """Threads that do not sleep."""

    def asleep(self) -> list[int]:
        """Threads that sleep."""

    def owner(self, word: int) -> int | None:
        """The thread whose id a word holds."""


PLAIN: Final = {
    "wait": 8,
    "wake": 5,
    "requeue": 3,
    "cmp_requeue": 3,
    "wake_op": 3,
    "store": 1,
    "signal": 1,
    "restart": 1,
}
LOCKS: Final = {
    "lock_pi": 8,
    "unlock_pi": 8,
    "trylock_pi": 2,
    "signal": 1,
    "restart": 1,
    "die": 1,
    "robust_exit": 0.5,
    "store_owner": 0.5,
}
CONDITIONS: Final = {
    **LOCKS,
    "lock_pi": 3,
    "wait_requeue_pi": 8,
    "cmp_requeue_pi": 5,
    "store": 0.5,
    "signal": 1,
    "restart": 0.5,
}
ROBUST: Final = {
    "wait": 8,
    "take": 5,
    "robust_exit": 4,
    "lock_pi": 3,
    "wake": 1,
    "requeue": 1,
    "waitv": 1,
    "unlock_pi": 1,
    "store": 0.5,
    "restart": 0.5,
}
FLAVOURS: Final = (
    ("plain", 2, PLAIN),
    ("vectors", 2, {**PLAIN, "wait": 4, "waitv": 6}),
    ("locks", 2, LOCKS),
    ("conditions", 3, CONDITIONS),
    ("robust", 2, ROBUST),
    (
        "mixed",
        3,
        {**{kind: weight / 2 for kind, weight in PLAIN.items()}, "waitv": 1, "take": 0.5, **CONDITIONS},
    ),
)
BITSETS: Final = (1, 2, 3, 6, 0x8000_0000, ANY)
VALUES: Final = (0, 0, 0, NOBODY_TID, WAITERS, OWNER_DIED, WAITERS | OWNER_DIED, NOBODY_TID | WAITERS)
PRIORITIES: Final = (1, 1, 2, 3, 50)
ENDINGS: Final[dict[Ending, float]] = {"head": 12, "circle": 1, "misaligned": 1, "unmapped": 1, "apart": 1}
ARGUMENTS: Final = (0, 1, 2, 31, 0x7FF, 0x800, 0xFFF)


class Generator:
    """Makes the steps of one script, each for what the ones before have led to.

    Parameters
    ----------
    seed : str
        The same steps for the same seed.
    """

    def __init__(self, seed: str) -> None:
        self.rng = rng = random.Random(seed)
        self.n_threads = rng.randint(2, MAX_THREADS)
        self.n_words = rng.randint(2, MAX_WORDS)
        self.n_steps = rng.randint(5, MAX_STEPS)
        names = range(len(FLAVOURS))
        self.flavour, _, weights = FLAVOURS[rng.choices(names, [weight for _, weight, _ in FLAVOURS])[0]]
        self.has_priorities = self.some(0.25)
        if self.has_priorities:
            weights = {**weights, "schedule": 1}
        self.kinds = tuple(weights)
        self.weights = tuple(weights.values())
        # Who gives robust words up wakes those who wait as shared.
        mixed = (False, False, False, True) if self.flavour == "robust" else (True, True, True, False)
        self.privacy: Sequence[bool] = rng.choice(
            ((False,), mixed) if self.flavour == "robust" else ((True,), (False,), mixed)
        )
        # In the purer flavours the upper half of the words are locks.
        first_lock = {"locks": 0, "conditions": self.n_words // 2}.get(self.flavour)
        every = range(self.n_words)
        self.locks: Sequence[int] = every if first_lock is None else every[first_lock:]
        self.plain: Sequence[int] = every[:first_lock] if first_lock else every

    def steps(self, view: View) -> Iterator[Step]:
        """Yield the steps; each is carried out before the next is asked for."""
        if self.has_priorities:
            for thread in range(self.n_threads):
                if self.some(0.5):
                    yield Schedule(thread, self.rng.choice(PRIORITIES))
        for _ in range(self.n_steps):
            kind = self.rng.choices(self.kinds, self.weights)[0]
            make: Callable[[View], Step | None] = getattr(self, f"make_{kind}")
            step = make(view)
            if step is not None:
                yield step

    # --- what the steps are made of ---

    def some(self, chance: float) -> bool:
        return self.rng.random() < chance

    def a_thread(self, view: View) -> int | None:
        idle = [i for i in view.idle() if i < self.n_threads]
        return self.rng.choice(idle) if idle else None

    def a_private(self) -> bool:
        return self.rng.choice(self.privacy)

    def a_difference(self) -> int:
        return self.rng.choice((1, WAITERS)) if self.some(0.06) else 0

    def a_bitset(self) -> int:
        return self.rng.choice(BITSETS) if self.some(0.4) else ANY

    def a_count(self, *more: int) -> int:
        return self.rng.choice((1, 1, 1, 2, 3, ALL, *more))

    def two(self, first: Sequence[int], second: Sequence[int]) -> tuple[int, int]:
        word, word2 = self.rng.choice(first), self.rng.choice(second)
        if word == word2 and not self.some(0.1):
            word2 = self.rng.choice(second)
        return word, word2

    # --- steps ---

    def make_wait(self, view: View) -> Step | None:
        if (thread := self.a_thread(view)) is None:
            return None
        return Wait(
            thread,
            self.rng.choice(self.plain),
            self.a_difference(),
            self.a_bitset(),
            self.a_private(),
            self.some(0.08),
        )

    def make_waitv(self, view: View) -> Step | None:
        if (thread := self.a_thread(view)) is None:
            return None
        items = tuple(
            (self.rng.choice(self.plain), self.a_difference(), self.a_private())
            for _ in range(self.rng.randint(1, 4))
        )
        return Waitv(thread, items, self.some(0.08))

    def make_wake(self, _view: View) -> Step:
        return Wake(self.rng.choice(self.plain), self.a_count(), self.a_bitset(), self.a_private())

    def make_requeue(self, _view: View) -> Step:
        word, word2 = self.two(self.plain, self.plain)
        return Requeue(word, word2, self.a_count(0, 0, -1), self.a_count(0, ALL, ALL), self.a_private())

    def make_cmp_requeue(self, _view: View) -> Step:
        word, word2 = self.two(self.plain, self.plain)
        return CmpRequeue(
            word,
            word2,
            self.a_difference(),
            self.a_count(0, 0),
            self.a_count(0, ALL, ALL, -1),
            self.a_private(),
        )

    def make_wake_op(self, _view: View) -> Step:
        rng = self.rng
        word, word2 = self.two(self.plain, self.plain)
        shift = 8 if self.some(0.2) else 0
        operation = rng.choice((0, 0, 1, 2, 3, 4, 5 if self.some(0.2) else 0))
        comparison = rng.choice((0, 1, 2, 3, 4, 5, 6 if self.some(0.2) else 0))
        op = (
            (operation | shift) << 28 | comparison << 24 | rng.choice(ARGUMENTS) << 12 | rng.choice(ARGUMENTS)
        )
        return WakeOp(word, word2, op, self.a_count(), self.a_count(), self.a_private())

    def make_store(self, _view: View) -> Step:
        return Store(self.rng.choice(self.plain), self.rng.choice(VALUES))

    def make_store_owner(self, _view: View) -> Step:
        owner = self.rng.randrange(self.n_threads) if self.some(0.6) else None
        flags = self.rng.choice((0, WAITERS, OWNER_DIED, WAITERS | OWNER_DIED))
        if owner is None and self.some(0.3):
            flags |= NOBODY_TID
        return Store(self.rng.choice(self.locks), flags, owner)

    def make_lock_pi(self, view: View) -> Step | None:
        if (thread := self.a_thread(view)) is None:
            return None
        return LockPI(thread, self.rng.choice(self.locks), self.a_private(), self.some(0.08))

    def make_trylock_pi(self, view: View) -> Step | None:
        if (thread := self.a_thread(view)) is None:
            return None
        return TrylockPI(thread, self.rng.choice(self.locks), self.a_private())

    def make_unlock_pi(self, view: View) -> Step | None:
        word = self.rng.choice(self.locks)
        thread = view.owner(word)
        if thread is None or thread not in view.idle() or self.some(0.1):
            thread = self.a_thread(view)
        return None if thread is None else UnlockPI(thread, word, self.a_private())

    def make_wait_requeue_pi(self, view: View) -> Step | None:
        if (thread := self.a_thread(view)) is None:
            return None
        word, word2 = self.two(self.plain, self.locks)
        return WaitRequeuePI(thread, word, word2, self.a_difference(), self.a_private(), self.some(0.08))

    def make_cmp_requeue_pi(self, _view: View) -> Step:
        word, word2 = self.two(self.plain, self.locks)
        return CmpRequeuePI(word, word2, self.a_difference(), self.a_count(0, 0, ALL, -1), self.a_private())

    def make_signal(self, view: View) -> Step | None:
        asleep = view.asleep()
        return Signal(self.rng.choice(asleep)) if asleep else None

    def make_die(self, view: View) -> Step | None:
        thread = self.a_thread(view)
        return None if thread is None else Die(thread)

    def make_restart(self, view: View) -> Step | None:
        asleep = view.asleep()
        return Restart(self.rng.choice(asleep)) if asleep else None

    def make_schedule(self, view: View) -> Step | None:
        thread = self.a_thread(view)
        return None if thread is None else Schedule(thread, self.rng.choice((0, *PRIORITIES)))

    def make_take(self, view: View) -> Step | None:
        """A thread has a robust word as C libraries take it, perhaps with the bit that says that others wait."""
        if (thread := self.a_thread(view)) is None:
            return None
        return Store(self.rng.choice(self.plain), WAITERS if self.some(0.7) else 0, thread)

    def make_robust_exit(self, view: View) -> Step | None:
        every = range(self.n_words)
        owners = [owner for word in every if (owner := view.owner(word)) in view.idle()]
        thread = self.rng.choice(owners) if owners and self.some(0.8) else self.a_thread(view)
        if thread is None:
            return None
        words = self.rng.sample(every, self.rng.randint(0, self.n_words))
        pending = self.rng.choice(every) if self.some(0.4) else None
        return RobustExit(
            thread,
            tuple((word, self.some(0.3)) for word in words),
            None if pending is None else (pending, self.some(0.2)),
            self.rng.choices(tuple(ENDINGS), tuple(ENDINGS.values()))[0],
        )
