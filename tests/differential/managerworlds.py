"""The worlds of a Manager: with threads that sleep, and with prepared Waiters."""

from __future__ import annotations

from errno import EAGAIN, ETIMEDOUT
from typing import Final

from differential.worlds import ALL, ANY, BLOCKED, NOBODY_TID, VECTOR, ThreadedWorld, World, answer

import pyfutex


class ManagerCalls(World):
    """The operations that never block, on a Manager."""

    def __init__(self) -> None:
        super().__init__()
        self.manager = pyfutex.Manager(owner_alive=lambda tid: tid != NOBODY_TID)
        self.memory = pyfutex.Memory(self.page)

    def wake(self, addr: int, n: int = 1, *, bitset: int | None = None, private: bool = True) -> int:
        mask = ANY if bitset is None else bitset
        return answer(lambda: self.manager.wake(self.memory, addr, n, bitset=mask, private=private))

    def requeue(self, addr: int, addr2: int, n_wake: int, n_requeue: int, *, private: bool = True) -> int:
        return answer(
            lambda: self.manager.requeue(self.memory, addr, addr2, n_wake, n_requeue, private=private)
        )

    def cmp_requeue(
        self, addr: int, addr2: int, val: int, n_wake: int, n_requeue: int, *, private: bool = True
    ) -> int:
        def call() -> object:
            result = self.manager.cmp_requeue(
                self.memory, addr, addr2, val, n_wake, n_requeue, private=private
            )
            return -EAGAIN if result is None else result

        return answer(call)

    def wake_op(
        self, addr: int, addr2: int, op: int, n_wake: int, n_wake2: int, *, private: bool = True
    ) -> int:
        return answer(
            lambda: self.manager.wake_op(self.memory, addr, addr2, op, n_wake, n_wake2, private=private)
        )

    def cmp_requeue_pi(self, addr: int, addr2: int, val: int, n_requeue: int) -> int:
        def call() -> object:
            result = self.manager.cmp_requeue_pi(self.memory, addr, addr2, val, n_requeue, private=True)
            return -EAGAIN if result is None else result

        return answer(call)

    def _trylock(self, addr: int, tid: int | None) -> int:
        return answer(
            lambda: 0 if self.manager.trylock_pi(self.memory, addr, tid=tid, private=True) else -EAGAIN
        )

    def _unlock(self, addr: int, tid: int | None) -> int:
        return answer(lambda: self.manager.unlock_pi(self.memory, addr, tid=tid, private=True) or 0)


class SleepingWorld(ManagerCalls, ThreadedWorld):
    """A Manager whose waiters are threads asleep in Manager.wait and Manager.lock_pi."""

    def __init__(self) -> None:
        super().__init__()
        self.words_of: dict[str, list[int]] = {}

    def settled(self) -> bool:
        # The manager counts each entry of a vector.
        running = [name for name, agent in self.blocked.items() if not agent.done.is_set()]
        entries = sum(
            len(self.words_of[name]) if self.blocked[name].uaddr == VECTOR else 1 for name in running
        )
        return entries == len(self.manager)

    def waitv(self, name: str, items: list[tuple[int, int, bool]], timeout: float | None = None) -> int | str:
        vector = [pyfutex.WaitItem(self.memory, *item) for item in items]
        self.words_of[name] = [addr for addr, *_ in items]
        call = lambda: {-1: -ETIMEDOUT, -2: -EAGAIN}.get(i := self.manager.waitv(vector, timeout), i)  # noqa: E731
        return self.begin(name, VECTOR, lambda: answer(call), timeout)

    def wait(
        self,
        name: str,
        addr: int,
        val: int,
        timeout: float | None = None,
        *,
        bitset: int | None = None,
        private: bool = True,
    ) -> int | str:
        mask = ANY if bitset is None else bitset
        call = lambda: self.manager.wait(self.memory, addr, val, timeout, bitset=mask, private=private)  # noqa: E731
        return self.begin(name, addr, lambda: answer(call), timeout)

    def _lock(self, addr: int, timeout: float | None) -> int:
        return answer(
            lambda: 0 if self.manager.lock_pi(self.memory, addr, timeout, private=True) else -ETIMEDOUT
        )

    def lock_pi(self, name: str, addr: int) -> int | str:
        return self.begin(name, addr, lambda: self._lock(addr, None))

    def lock_pi_for(self, name: str, addr: int, timeout: float) -> int:
        return int(self.agent(name).do(lambda: self._lock(addr, timeout)))

    def trylock_pi(self, name: str, addr: int) -> int:
        return int(self.agent(name).do(lambda: self._trylock(addr, None)))

    def unlock_pi(self, name: str, addr: int) -> int:
        return int(self.agent(name).do(lambda: self._unlock(addr, None)))

    def wait_requeue_pi(
        self, name: str, addr: int, addr2: int, val: int, timeout: float | None = None
    ) -> int | str:
        call = lambda: self.manager.wait_requeue_pi(self.memory, addr, addr2, val, timeout, private=True)  # noqa: E731
        return self.begin(name, addr, lambda: answer(call), timeout)

    def die(self, name: str) -> None:
        super().die(name)
        self.manager.owner_exit(self.tid(name))

    def close(self) -> None:
        for name, agent in self.blocked.items():
            for addr in self.words_of[name] if agent.uaddr == VECTOR else [agent.uaddr]:
                for private in (True, False):
                    self.wake(addr, ALL, private=private)
        super().close()


class PreparedWorld(ManagerCalls):
    """A Manager whose waiters are prepared Waiters: no thread but the script's own."""

    def __init__(self) -> None:
        super().__init__()
        self.tids: dict[str, int] = {}
        self.blocked: dict[str, pyfutex.Waiter] = {}

    def tid(self, name: str) -> int:
        return self.tids.setdefault(name, 1001 + len(self.tids))

    def names(self) -> dict[int, str]:
        return {tid: name for name, tid in self.tids.items()}

    def wait(
        self,
        name: str,
        addr: int,
        val: int,
        timeout: float | None = None,
        *,
        bitset: int | None = None,
        private: bool = True,
    ) -> int | str:
        mask = ANY if bitset is None else bitset
        waiter = pyfutex.Waiter()
        result = self.manager.wait_prepare(waiter, self.memory, addr, val, bitset=mask, private=private)
        if result is not None:
            return result
        if timeout is None:
            self.blocked[name] = waiter
            return BLOCKED
        ending = waiter.wait(timeout)
        return -ETIMEDOUT if ending is pyfutex.WaitResult.TIMEOUT and waiter.cancel() else 0

    def waitv(self, name: str, items: list[tuple[int, int, bool]], timeout: float | None = None) -> int | str:
        waiter = pyfutex.Waiter()
        result = self.manager.waitv_prepare(waiter, [(self.memory, *item) for item in items])
        if result is not None:
            return result
        if timeout is None:
            self.blocked[name] = waiter
            return BLOCKED
        ending = waiter.wait(timeout)
        if ending is pyfutex.WaitResult.TIMEOUT and waiter.cancel():
            return -ETIMEDOUT
        return waiter.result if waiter.result is not None else BLOCKED

    def lock_pi(self, name: str, addr: int) -> int | str:
        waiter = pyfutex.Waiter()
        result = self.manager.lock_pi_prepare(waiter, self.memory, addr, tid=self.tid(name), private=True)
        if result is not None:
            return result
        self.blocked[name] = waiter
        return BLOCKED

    def lock_pi_for(self, name: str, addr: int, timeout: float) -> int:
        waiter = pyfutex.Waiter()
        result = self.manager.lock_pi_prepare(waiter, self.memory, addr, tid=self.tid(name), private=True)
        if result is not None:
            return result
        waiter.wait(timeout)
        return -ETIMEDOUT if waiter.cancel() else 0

    def trylock_pi(self, name: str, addr: int) -> int:
        return self._trylock(addr, self.tid(name))

    def unlock_pi(self, name: str, addr: int) -> int:
        return self._unlock(addr, self.tid(name))

    def wait_requeue_pi(
        self, name: str, addr: int, addr2: int, val: int, timeout: float | None = None
    ) -> int | str:
        waiter = pyfutex.Waiter()
        result = self.manager.wait_requeue_pi_prepare(
            waiter, self.memory, addr, addr2, val, tid=self.tid(name), private=True
        )
        if result is not None:
            return result
        if timeout is None:
            self.blocked[name] = waiter
            return BLOCKED
        waiter.wait(timeout)
        return -ETIMEDOUT if waiter.cancel() else 0

    def die(self, name: str) -> None:
        self.manager.owner_exit(self.tid(name))

    def ended(self) -> dict[str, int]:
        ended = {name: waiter.result for name, waiter in self.blocked.items() if waiter.result is not None}
        for name in ended:
            del self.blocked[name]
        return ended

    def close(self) -> None:
        self.manager.close()


MANAGER_WORLDS: Final = (SleepingWorld, PreparedWorld)
