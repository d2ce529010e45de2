"""The books of one queue: what its wakes gave out, and what its waits received."""

from pyfutex import ALL, Futex, WaitResult
from pyfutex.demo.page import FutexPage


class Ledger:
    """Sleeps, wakes and requeues for the mutex and the conditions of one queue, and counts them.

    Every call that can take a thread off a futex word goes through here, so that afterwards `woken` (the
    sum of what the wakes returned) must equal `woken_waits` (the waits that returned ``WOKEN``). A
    manager that loses a wake, or reports a woken thread as timed out, cannot balance the two.
    """

    def __init__(self, page: FutexPage) -> None:
        self._manager = page.manager
        # Atomic cells rather than ints: they are added to by threads that hold no lock.
        self._woken = page.counter()
        self._woken_waits = page.counter()
        self._requeued = page.counter()

    def wait(self, word: Futex, expected: int) -> None:
        """Sleep on `word` while it holds `expected`. Returns early if it holds something else."""
        if word.wait(expected) is WaitResult.WOKEN:
            self._woken_waits.add(1)

    def wake(self, word: Futex) -> None:
        """Wake one thread that sleeps on `word`, if there is one."""
        woken = word.wake()
        if woken:
            self._woken.add(woken)

    def move(self, source: Futex, target: Futex, expected: int) -> int:
        """Let every thread that sleeps on `source` sleep on `target` instead, and wake none.

        Parameters
        ----------
        source, target : Futex
            Two words of the page this ledger was made for.
        expected : int
            What `source` holds.

        Returns
        -------
        int
            How many threads were moved.

        Raises
        ------
        RuntimeError
            `source` held something else: somebody changed it without the right to.
        """
        moved = self._manager.cmp_requeue(source.mem, source.addr, target.addr, expected, 0, ALL)
        if moved is None:
            raise RuntimeError("a futex word changed under the thread that owns it")
        self._woken.add(moved.woken)
        self._requeued.add(moved.requeued)
        return moved.requeued

    @property
    def woken(self) -> int:
        """The sum of all wake counts."""
        return self._woken.value

    @property
    def woken_waits(self) -> int:
        """How many waits returned ``WOKEN``."""
        return self._woken_waits.value

    @property
    def requeued(self) -> int:
        """How many sleeping threads were moved from a condition to a mutex."""
        return self._requeued.value

    @property
    def left_queued(self) -> int:
        """How many threads still sleep in the manager."""
        return len(self._manager)

    def describe_sleepers(self) -> list[str]:
        """Say of each thread that still sleeps which word it sleeps on, one line each."""
        return [
            f"thread {waiter.tid} sleeps on {waiter.key.kind.name} key at {waiter.key.offset:#x}"
            f" for {waiter.queued_for:.1f} s"
            for waiter in self._manager.waiters()
        ]
