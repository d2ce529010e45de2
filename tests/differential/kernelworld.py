"""The world of the kernel."""

from __future__ import annotations

import ctypes

from differential import kernel
from differential.worlds import ALL, ThreadedWorld


class KernelWorld(ThreadedWorld):
    """The oracle: threads asleep in futex(2)."""

    def __init__(self) -> None:
        super().__init__()
        self.base = ctypes.addressof(self.words)
        self.words_of: dict[str, list[int]] = {}

    def settled(self) -> bool:
        return all(
            agent.done.is_set() or kernel.asleep(agent.native_id or 0, agent.uaddr)
            for agent in self.blocked.values()
        )

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
        uaddr = self.base + addr
        return self.begin(
            name, uaddr, lambda: kernel.wait(uaddr, val, timeout, bitset=bitset, private=private), timeout
        )

    def waitv(self, name: str, items: list[tuple[int, int, bool]], timeout: float | None = None) -> int | str:
        vector = kernel.Vector([(self.base + addr, val, private) for addr, val, private in items])
        self.words_of[name] = [uaddr for uaddr, *_ in items]
        return self.begin(name, vector.uaddr, lambda: vector.wait(timeout), timeout)

    def wake(self, addr: int, n: int = 1, *, bitset: int | None = None, private: bool = True) -> int:
        return kernel.wake(self.base + addr, n, bitset=bitset, private=private)

    def requeue(self, addr: int, addr2: int, n_wake: int, n_requeue: int, *, private: bool = True) -> int:
        return kernel.requeue(self.base + addr, self.base + addr2, n_wake, n_requeue, private=private)

    def cmp_requeue(
        self, addr: int, addr2: int, val: int, n_wake: int, n_requeue: int, *, private: bool = True
    ) -> int:
        return kernel.cmp_requeue(
            self.base + addr, self.base + addr2, val, n_wake, n_requeue, private=private
        )

    def wake_op(
        self, addr: int, addr2: int, op: int, n_wake: int, n_wake2: int, *, private: bool = True
    ) -> int:
        return kernel.wake_op(self.base + addr, self.base + addr2, op, n_wake, n_wake2, private=private)

    def lock_pi(self, name: str, addr: int) -> int | str:
        uaddr = self.base + addr
        return self.begin(name, uaddr, lambda: kernel.lock_pi(uaddr))

    def lock_pi_for(self, name: str, addr: int, timeout: float) -> int:
        return int(self.agent(name).do(lambda: kernel.lock_pi(self.base + addr, timeout)))

    def trylock_pi(self, name: str, addr: int) -> int:
        return int(self.agent(name).do(lambda: kernel.trylock_pi(self.base + addr)))

    def unlock_pi(self, name: str, addr: int) -> int:
        return int(self.agent(name).do(lambda: kernel.unlock_pi(self.base + addr)))

    def wait_requeue_pi(
        self, name: str, addr: int, addr2: int, val: int, timeout: float | None = None
    ) -> int | str:
        uaddr, uaddr2 = self.base + addr, self.base + addr2
        return self.begin(name, uaddr, lambda: kernel.wait_requeue_pi(uaddr, uaddr2, val, timeout), timeout)

    def cmp_requeue_pi(self, addr: int, addr2: int, val: int, n_requeue: int) -> int:
        return kernel.cmp_requeue_pi(self.base + addr, self.base + addr2, val, n_requeue)

    def close(self) -> None:
        for name, agent in self.blocked.items():
            for uaddr in [agent.uaddr, *(self.base + addr for addr in self.words_of.get(name, []))]:
                for private in (True, False):
                    kernel.wake(uaddr, ALL, private=private)
        super().close()
