"""Locks made of nothing but a target's compare-and-swap and a manager's operations: what users of a futex build."""

from pyfutex import ALL

FREE, HELD, CONTENDED = 0, 1, 2


class Mutex:
    """The mutex of three states, on any target.

    Parameters
    ----------
    manager : Manager
    target : Target
    addr : int
        Address of the futex word, which must hold 0.
    """

    def __init__(self, manager, target, addr):
        self.manager = manager
        self.target = target
        self.addr = addr

    def lock(self):
        """Take the lock; sleep while it is held."""
        if self.target.compare_and_swap(self.addr, FREE, HELD) != FREE:
            self.lock_contended()

    def lock_contended(self):
        """Take the lock and leave it marked as contended, as one who has slept on it must."""
        while self.target.swap(self.addr, CONTENDED) != FREE:
            self.manager.wait(self.target, self.addr, CONTENDED)

    def unlock(self):
        """Let the lock go and wake one who may sleep on it."""
        if self.target.swap(self.addr, FREE) == CONTENDED:
            self.manager.wake(self.target, self.addr)

    def __enter__(self):
        self.lock()

    def __exit__(self, *exc):
        self.unlock()


class Condition:
    """A condition variable whose broadcast moves all but one waiter to the mutex.

    Parameters
    ----------
    mutex : Mutex
    addr : int
        Address of the sequence word, in the mutex's target.
    """

    def __init__(self, mutex, addr):
        self.mutex = mutex
        self.addr = addr
        self.requeued = 0

    def wait(self):
        """Let the mutex go, wait to be notified, take the mutex again."""
        m, target = self.mutex.manager, self.mutex.target
        seen = target.load(self.addr)
        self.mutex.unlock()
        m.wait(target, self.addr, seen)
        self.mutex.lock_contended()

    def _advance(self):
        target = self.mutex.target
        seen = target.load(self.addr)
        target.swap(self.addr, (seen + 1) & 0xFFFF_FFFF)
        return (seen + 1) & 0xFFFF_FFFF

    def notify(self):
        """Wake one. Requires: the mutex is held."""
        self._advance()
        self.mutex.manager.wake(self.mutex.target, self.addr)

    def notify_all(self):
        """Wake one and have the others wait for the mutex. Requires: the mutex is held."""
        m, target = self.mutex.manager, self.mutex.target
        value = self._advance()
        answer = m.cmp_requeue(target, self.addr, self.mutex.addr, value, 1, ALL)
        assert answer is not None, "the sequence changed though the mutex is held"
        if answer.requeued:
            self.requeued += answer.requeued
            target.swap(self.mutex.addr, CONTENDED)
