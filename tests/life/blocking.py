"""Every call of the package that blocks, each as something that a test can enter, interrupt, let end and let time out.

Nothing of pytest here: programs that a test starts import it too.
"""

from __future__ import annotations

import mmap
import threading
from queue import Empty
from typing import TYPE_CHECKING, Any, NamedTuple

from pyfutex import CompletionQueue, Kernel, Manager, Memory, Waiter, WaitResult, sync

if TYPE_CHECKING:
    from collections.abc import Callable

OTHER = 4242  # a thread id that PI calls of a Manager take for an owner


class Blocked(NamedTuple):
    """One call that will block."""

    call: Callable[[float | None], object]
    """Block, at most so many seconds; None: for ever."""
    end: Callable[[], object]
    """From another thread: what the call waits for happens. True once that had an effect."""
    ended: object
    """What the call answers then."""
    timed_out: object
    """What it answers after its timeout; or the exception that it raises."""

    def times_out(self, seconds: float) -> bool:
        """Run the call; whether it ended for its timeout."""
        if isinstance(self.timed_out, type):
            try:
                self.call(seconds)
            except self.timed_out:
                return True
            return False
        return self.call(seconds) == self.timed_out


def page() -> mmap.mmap:
    """Memory that forked children share."""
    return mmap.mmap(-1, 4 * mmap.PAGESIZE)


def on_a_word(method: str, *before: object, engine: Any = Manager, **options: Any) -> Blocked:
    """A wait of an engine on the word at 0, which holds 0."""
    manager, memory = engine(**options), Memory(page())
    return Blocked(
        lambda timeout: getattr(manager, method)(memory, *before, 0, 0, timeout),
        lambda: manager.wake(memory, 0) == 1,
        WaitResult.WOKEN,
        WaitResult.TIMEOUT,
    )


def with_a_wake(engine: Any) -> Blocked:
    """A wake of nobody and a wait, in one call."""
    blocked = on_a_word("wake_wait", 64, engine=engine)
    return blocked._replace(ended=(0, WaitResult.WOKEN), timed_out=(0, WaitResult.TIMEOUT))


def on_several(engine: Any) -> Blocked:
    """A wait on two words."""
    manager, memory = engine(), Memory(page())
    items = [(memory, 64, 0), (memory, 0, 0)]
    return Blocked(lambda timeout: manager.waitv(items, timeout), lambda: manager.wake(memory, 0) == 1, 1, -1)


def on_a_futex(engine: Any) -> Blocked:
    """A wait of a word's own object."""
    futex = engine().futex(Memory(page()), 0)
    return Blocked(
        lambda timeout: futex.wait(0, timeout),
        lambda: futex.wake() == 1,
        WaitResult.WOKEN,
        WaitResult.TIMEOUT,
    )


def on_a_waiter() -> Blocked:
    """A thread that sleeps on an object which is queued already."""
    manager, memory, w = Manager(), Memory(page()), Waiter()
    manager.wait_prepare(w, memory, 0, 0)
    return Blocked(
        lambda timeout: w.wait(timeout),
        lambda: manager.wake(memory, 0) == 1,
        WaitResult.WOKEN,
        WaitResult.TIMEOUT,
    )


def on_completions() -> Blocked:
    """A wait for whatever is woken next."""
    manager, memory, completions = Manager(), Memory(page()), CompletionQueue()
    w = Waiter(queue=completions)
    manager.wait_prepare(w, memory, 0, 0)
    return Blocked(lambda timeout: completions.get(timeout), lambda: manager.wake(memory, 0) == 1, w, Empty)


def on_a_pi_word() -> Blocked:
    """A PI lock of a Manager, which somebody else owns."""
    manager, memory = Manager(), Memory(page())
    manager.lock_pi(memory, 0, tid=OTHER)

    def unlock() -> bool:
        if manager.waiters(memory, 0):
            manager.unlock_pi(memory, 0, tid=OTHER)
            return True
        return False

    return Blocked(lambda timeout: manager.lock_pi(memory, 0, timeout), unlock, True, False)


def on_a_pi_word_of_the_kernel() -> Blocked:
    """A PI lock of the kernel, which another thread owns."""
    kernel, memory = Kernel(), Memory(page())
    let_go = held_by_another(lambda: kernel.lock_pi(memory, 0), lambda: kernel.unlock_pi(memory, 0))
    return Blocked(lambda timeout: kernel.lock_pi(memory, 0, timeout), let_go, True, False)


def for_a_requeue(engine: Any) -> Blocked:
    """A wait to be moved to a PI word, which is free then."""
    manager, memory = engine(), Memory(page())

    def requeue() -> bool:
        moved = manager.cmp_requeue_pi(memory, 0, 64, 0)
        return sum(moved) == 1 if isinstance(moved, tuple) else moved == 1

    return Blocked(
        lambda timeout: manager.wait_requeue_pi(memory, 0, 64, 0, timeout),
        requeue,
        WaitResult.WOKEN,
        WaitResult.TIMEOUT,
    )


def held_by_another(acquire: Callable[[], object], release: Callable[[], object]) -> Callable[[], bool]:
    """Have another thread take something; what is answered has it let go."""
    go, held = threading.Event(), threading.Event()

    def hold() -> None:
        acquire()
        held.set()
        go.wait()
        release()

    threading.Thread(target=hold, daemon=True).start()
    held.wait()

    def let_go() -> bool:
        go.set()
        return True

    return let_go


def true_after(function: Callable[[], object]) -> Callable[[], bool]:
    """The function, which answers True."""

    def call() -> bool:
        function()
        return True

    return call


def on_a_lock(lock: Any, side: str = "", held: str = "") -> Blocked:
    """A lock, or a side of one, that another thread holds."""
    acquire = getattr(lock, f"acquire{side}")
    let_go = held_by_another(getattr(lock, f"acquire{held}"), getattr(lock, f"release{held}"))
    return Blocked(lambda timeout: acquire(timeout=-1 if timeout is None else timeout), let_go, True, False)


def on_a_semaphore(semaphore: Any) -> Blocked:
    """A semaphore without permits."""
    return Blocked(
        lambda timeout: semaphore.acquire(timeout=timeout), true_after(semaphore.release), True, False
    )


def on_an_event(event: Any) -> Blocked:
    """An event that is not set."""
    return Blocked(event.wait, true_after(event.set), True, False)


def on_a_latch(latch: Any) -> Blocked:
    """A latch of one."""
    return Blocked(latch.wait, true_after(latch.count_down), True, False)


def on_a_condition(condition: Any) -> Blocked:
    """A condition, waited for by whoever holds its lock."""

    waiting = []  # changed under the lock: a notice to nobody is lost

    def wait(timeout: float | None) -> object:
        with condition:
            waiting.append(None)
            try:
                return condition.wait(timeout)
            finally:
                waiting.pop()

    def notify() -> bool:
        with condition:
            condition.notify_all()
            return bool(waiting)

    return Blocked(wait, notify, True, False)


def at_a_barrier(barrier: Any) -> Blocked:
    """A barrier of two, whoever comes first."""
    return Blocked(
        lambda timeout: barrier.wait(timeout) in (0, 1),
        true_after(barrier.wait),
        True,
        threading.BrokenBarrierError,
    )


def on_what_is_done_once(once: Any) -> Blocked:
    """What another thread is doing; it takes no timeout."""
    go, begun = threading.Event(), threading.Event()

    def function() -> None:
        begun.set()
        go.wait()

    threading.Thread(target=once.call, args=(function,), daemon=True).start()
    begun.wait()

    def end() -> bool:
        go.set()
        return True

    return Blocked(lambda timeout: once.call(int), end, False, None)


ENGINES: dict[str, Callable[[], Blocked]] = {
    "Manager.wait": lambda: on_a_word("wait"),
    "Manager.wake_wait": lambda: with_a_wake(Manager),
    "Manager.waitv": lambda: on_several(Manager),
    "Manager.lock_pi": on_a_pi_word,
    "Manager.wait_requeue_pi": lambda: for_a_requeue(Manager),
    "Futex.wait": lambda: on_a_futex(Manager),
    "Waiter.wait": on_a_waiter,
    "CompletionQueue.get": on_completions,
    "Kernel.wait": lambda: on_a_word("wait", engine=Kernel),
    "Kernel.wake_wait": lambda: with_a_wake(Kernel),
    "KernelFutex.wait": lambda: on_a_futex(Kernel),
    "Kernel.waitv": lambda: on_several(Kernel),
    "Kernel.lock_pi": on_a_pi_word_of_the_kernel,
    "Kernel.wait_requeue_pi": lambda: for_a_requeue(Kernel),
    "Kernel(futex2=True).wait": lambda: on_a_word("wait", engine=Kernel, futex2=True),
}

PRIMITIVES: dict[str, Callable[[], Blocked]] = {
    "Lock": lambda: on_a_lock(sync.Lock()),
    "Lock, shared": lambda: on_a_lock(sync.Lock.create(page(), robust=False)),
    "Lock, robust": lambda: on_a_lock(sync.Lock.create(page())),
    "Lock, PI": lambda: on_a_lock(sync.Lock.create(page(), pi=True)),
    "RLock": lambda: on_a_lock(sync.RLock()),
    "RLock, robust": lambda: on_a_lock(sync.RLock.create(page())),
    "RWLock, reading": lambda: on_a_lock(sync.RWLock(), "_read", "_write"),
    "RWLock, writing": lambda: on_a_lock(sync.RWLock(), "_write", "_read"),
    "RWLock, robust, reading": lambda: on_a_lock(sync.RWLock.create(page()), "_read", "_write"),
    "RWLock, robust, writing": lambda: on_a_lock(sync.RWLock.create(page()), "_write", "_read"),
    "Semaphore": lambda: on_a_semaphore(sync.Semaphore(0)),
    "Semaphore, shared": lambda: on_a_semaphore(sync.Semaphore.create(page(), value=0)),
    "Event": lambda: on_an_event(sync.Event()),
    "Event, shared": lambda: on_an_event(sync.Event.create(page())),
    "Latch": lambda: on_a_latch(sync.Latch(1)),
    "Latch, shared": lambda: on_a_latch(sync.Latch.create(page(), count=1)),
    "Condition": lambda: on_a_condition(sync.Condition()),
    "Condition, shared": lambda: on_a_condition(sync.Condition.create(page())),
    "Barrier": lambda: at_a_barrier(sync.Barrier(2)),
    "Barrier, shared": lambda: at_a_barrier(sync.Barrier.create(page(), parties=2, robust=False)),
    "Barrier, robust": lambda: at_a_barrier(sync.Barrier.create(page(), parties=2)),
    "Once": lambda: on_what_is_done_once(sync.Once()),
    "Once, shared": lambda: on_what_is_done_once(sync.Once.create(page())),
}

CALLS = ENGINES | PRIMITIVES

NEEDED = {
    "Kernel.waitv": "waitv",
    "Kernel.lock_pi": "lock_pi2",
    "Kernel.wait_requeue_pi": "requeue_pi",
    "Kernel(futex2=True).wait": "futex2",
}


def lacking(name: str) -> str | None:
    """What of the running kernel a call lacks, or None."""
    feature = NEEDED.get(name)
    return None if feature is None or feature in Kernel.supported else feature
