"""Shared primitives of `pyfutex.sync` for coroutines, which meet threads and other processes on them.

Each class is given one that lies in shared memory, and does with it what its threads do, but for the sleep: it marks the
word as one that somebody waits for, awaits a wake (`Words`), and tries again. Nobody else can tell the difference.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

from pyfutex._buildoptions import KERNEL
from pyfutex._elsewhere import lacking

if not KERNEL:
    raise ImportError(lacking(__name__), name=__name__)

from pyfutex.aio import _sharedsteps as steps
from pyfutex.aio._crowd import Crowd
from pyfutex.aio._held import HeldByTasks
from pyfutex.aio._meetings import OfLoops, gates
from pyfutex.aio._words import Words
from pyfutex.sync.errors import OwnerDied

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyfutex import sync
    from pyfutex.memory import Memory

__all__ = ["Condition", "Event", "Lock", "Semaphore"]

_T = TypeVar("_T")

# A process that is killed when a wake was spent on one of its awaits passes it on to nobody: look again after a while.
_LOOK_AGAIN_S: Final = 1.0

_gates: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[int, asyncio.Lock]] = (
    WeakKeyDictionary()
)


def _gate_at(address: int) -> asyncio.Lock:
    """Where the tasks of the running loop queue for the lock at an address: to the lock they are one owner."""
    gates = _gates.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
    gate = gates.get(address)
    if gate is None:
        gate = gates[address] = asyncio.Lock()
    return gate


class _Looks:
    """Looks now and then whether there is anything left to wait for, which costs the kernel nothing."""

    def __init__(self, look: Callable[[], bool], end: Callable[[], None]) -> None:
        self._look = look
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(_LOOK_AGAIN_S, self._again)

    def _again(self) -> None:
        if self._look():
            self._end()
        else:
            self._timer = self._loop.call_later(_LOOK_AGAIN_S, self._again)

    def cancel(self) -> None:
        self._timer.cancel()


class _Awaited:
    """A word that is awaited."""

    def __init__(self, place: tuple[Memory, int], words: Words | None) -> None:
        self._memory, self._addr = place
        self._words = words

    async def _sleep(self, seen: int, look: Callable[[], bool]) -> None:
        """Sleep while the word is `seen`, until woken or until `look()` says that nobody will."""
        words = self._words or Words.running()
        await words._wait(self._memory, self._addr, seen, None, partial(_Looks, look))


class Lock(_Awaited, HeldByTasks):
    """A shared lock, taken by coroutines.

    The tasks of a loop queue for it, the first one first, and the first of them waits for it beside threads and processes.
    To those, whichever task has it, its owner is the thread of the loop: should it die, they get `OwnerDied`.

    Parameters
    ----------
    lock : sync.Lock or sync.RLock
        In shared memory, and without priority inheritance. An RLock, too, is not taken twice by a task.
    words : Words, optional
        By what to wait. None: by `Words.running()`.

    Raises
    ------
    TypeError, ValueError
        It does not lie in shared memory; it has priority inheritance.

    Notes
    -----
    The task that has taken it need not be the one that releases it, but both are of the same loop. The thread of the loop
    does not take it past this class: to the lock that would be the owner taking it again, a RuntimeError.

    One that was created with `robust=False` has no owner, and anybody releases it.
    """

    def __init__(self, lock: sync.Lock | sync.RLock, *, words: Words | None = None) -> None:
        super().__init__(steps.lock_place(lock), words)
        self._lock = lock
        self._has_owner = steps.lock_has_owner(lock)
        # Of the loop whose task took it last: written by who holds the lock, so by one loop at a time.
        self._gate: asyncio.Lock | None = None

    async def acquire(self) -> Literal[True]:
        """Take the lock. `asyncio.timeout` gives up.

        Returns
        -------
        True
            It is held now.

        Raises
        ------
        OwnerDied
            Its owner died with it. **It is held now**; see `consistent`.
        NotRecoverable
            Nobody made good what a dead owner left.
        RuntimeError
            The thread of the loop has taken it past this class.
        OSError
            As those of `sync.Lock.acquire`, and of `Words`.
        """
        return await self._acquire(has_slept=False)

    async def _acquire(self, *, has_slept: bool) -> Literal[True]:
        gate = _gate_at(self._memory.host_address + self._addr - self._memory.base)
        if has_slept and gate.locked():
            # A wake that was spent on us is to reach whoever waits for the lock, who may be the one before us.
            steps.lock_wake_one(self._lock)
        await gate.acquire()
        try:
            await self._take(has_slept)
        except OwnerDied:
            self._gate = gate
            raise
        except BaseException:
            gate.release()
            raise
        if self._has_owner:
            self._gate = gate
        else:
            gate.release()
        return True

    async def _take(self, has_slept: bool) -> None:
        while (seen := steps.lock_step(self._lock, has_slept)) is not None:
            await self._sleep(seen, partial(steps.lock_is_free, self._lock))
            has_slept = True

    def release(self) -> None:
        """Let the lock go, and wake one that waits for it.

        Raises
        ------
        RuntimeError
            Nobody holds it, or another thread does.
        """
        gate = self._gate  # before a task of another loop may take the lock
        self._lock.release()
        if gate is not None and gate.locked():
            gate.release()

    def locked(self) -> bool:
        """Whether somebody holds it."""
        return self._lock.locked()

    def consistent(self) -> None:
        """Say, after `OwnerDied`, that what the lock protects is whole again; see `sync.Lock.consistent`."""
        self._lock.consistent()


class Semaphore(_Awaited, HeldByTasks):
    """A shared semaphore, whose permits coroutines take.

    Parameters
    ----------
    semaphore : sync.Semaphore or sync.BoundedSemaphore
        In shared memory, and without undo.
    words : Words, optional
        By what to wait. None: by `Words.running()`.

    Raises
    ------
    TypeError, ValueError
        It does not lie in shared memory; it has undo.
    """

    def __init__(self, semaphore: sync.Semaphore, *, words: Words | None = None) -> None:
        super().__init__(steps.semaphore_place(semaphore), words)
        self._semaphore = semaphore
        self._gates = gates()

    async def acquire(self) -> Literal[True]:
        """Take a permit, after the tasks of the loop that came before. `asyncio.timeout` gives up."""
        has_slept = False
        async with self._gates.here():
            while (seen := steps.semaphore_step(self._semaphore, has_slept)) is not None:
                await self._sleep(seen, lambda: not self.locked())
                has_slept = True
        return True

    def release(self, n: int = 1) -> None:
        """Give back `n` permits; see `sync.Semaphore.release`."""
        self._semaphore.release(n)

    def locked(self) -> bool:
        """Whether there is no permit."""
        return self._semaphore.value == 0


class Event(_Awaited):
    """A shared flag that coroutines wait for.

    Parameters
    ----------
    event : sync.Event
        In shared memory.
    words : Words, optional
        By what to wait. None: by `Words.running()`.

    Raises
    ------
    TypeError
        It does not lie in shared memory.
    """

    def __init__(self, event: sync.Event, *, words: Words | None = None) -> None:
        super().__init__(steps.event_place(event), words)
        self._event = event
        self._crowds = OfLoops(Crowd)

    async def wait(self) -> Literal[True]:
        """Wait until it is set, now or since the call, even if it has been cleared again. `asyncio.timeout` gives up."""
        began = steps.event_began(self._event)
        crowd = self._crowds.here()
        while (seen := steps.event_step(self._event, began)) is not None:
            if crowd.has_sleeper:
                await crowd.wait()
            else:
                with crowd:
                    await self._sleep(seen, partial(steps.event_has_ended, self._event, began))
        crowd.let_go()
        return True

    def is_set(self) -> bool:
        """Whether the flag is set."""
        return self._event.is_set()

    def set(self) -> None:
        """Set the flag, and wake all who wait for it."""
        self._event.set()

    def clear(self) -> None:
        """Take the flag back."""
        self._event.clear()


class Condition(_Awaited, HeldByTasks):
    """A shared condition, on which coroutines wait until a thread or a coroutine of any process tells them to look again.

    Parameters
    ----------
    condition : sync.Condition
        In shared memory. Its lock has no priority inheritance.
    lock : Lock, optional
        Its lock, where that is used by itself, too. None: one is made.
    words : Words, optional
        By what to wait. None: by `Words.running()`.

    Raises
    ------
    TypeError, ValueError
        It does not lie in shared memory; its lock has priority inheritance; `lock` is another.
    """

    def __init__(
        self, condition: sync.Condition, lock: Lock | None = None, *, words: Words | None = None
    ) -> None:
        super().__init__(steps.condition_place(condition), words)
        if lock is not None and lock._lock is not condition.lock:
            raise ValueError("the condition has another lock")
        self.lock = Lock(condition.lock, words=words) if lock is None else lock
        self._condition = condition

    async def acquire(self) -> Literal[True]:
        """Take the lock; see there."""
        return await self.lock.acquire()

    def release(self) -> None:
        """Let the lock go; see there."""
        self.lock.release()

    def locked(self) -> bool:
        """Whether somebody holds the lock."""
        return self.lock.locked()

    def consistent(self) -> None:
        """Say, after `OwnerDied`, that what the lock protects is whole again."""
        self.lock.consistent()

    async def wait(self) -> Literal[True]:
        """Let the lock go, wait until notified, take the lock again, also if the wait was cancelled.

        Raises
        ------
        RuntimeError
            The thread of the loop does not hold the lock.
        OwnerDied
            Whoever had the lock meanwhile died with it. It is held now.
        """
        if not steps.condition_is_owned(self._condition):
            raise RuntimeError("cannot wait on un-acquired lock")
        seen = steps.condition_enter(self._condition)
        self.lock.release()
        error = await self._notice(seen)
        try:
            error = await self._take_again() or error
        finally:
            is_noticed = steps.condition_is_owned(self._condition) and steps.condition_leave(
                self._condition, seen
            )
        if error is not None:
            if is_noticed:
                self._condition.notify()  # it may have been ours, which nobody will act on now
            raise error
        return True

    async def _notice(self, seen: int) -> BaseException | None:
        """Sleep until a notice comes: what ended it otherwise."""
        try:
            await self._sleep(seen, partial(steps.condition_is_noticed, self._condition, seen))
        except (Exception, asyncio.CancelledError) as error:
            return error
        return None

    async def _take_again(self) -> asyncio.CancelledError | None:
        """Take the lock, whatever comes: the last cancellation meanwhile."""
        cancelled = None
        while True:
            try:
                # A notice may have moved us to the lock, and a wake of the lock's have been spent on us.
                await self.lock._acquire(has_slept=True)
            except asyncio.CancelledError as error:
                cancelled = error
            else:
                return cancelled

    async def wait_for(self, predicate: Callable[[], _T]) -> _T:
        """Wait until `predicate()` is true, and return what it said last."""
        while not (result := predicate()):
            await self.wait()
        return result

    def notify(self, n: int = 1) -> None:
        """Let the `n` that have waited longest go on; see `sync.Condition.notify`."""
        self._condition.notify(n)

    def notify_all(self) -> None:
        """Let all that wait go on; see `sync.Condition.notify_all`."""
        self._condition.notify_all()
