"""Three worlds in which one script of futex operations can run.

They are the kernel, a Manager with sleeping threads, and a Manager with prepared Waiters. A script names its
waiters and its words (offsets into one page) and gets plain integers back: 0 or more, or a negative errno. So
what two worlds answer can be compared by `==`.
"""

from __future__ import annotations

import ctypes
import mmap
import queue
import threading
import time
from abc import ABC, abstractmethod
from errno import EAGAIN, ETIMEDOUT
from typing import TYPE_CHECKING, Any, Final

from differential import kernel

import pyfutex

if TYPE_CHECKING:
    from collections.abc import Callable

ANY: Final = 0xFFFF_FFFF
ALL: Final = 0x7FFF_FFFF
BLOCKED: Final = "blocked"
VECTOR: Final = -1  # what a thread sleeps on, in place of the address of one word
NOBODY_TID: Final = 0x3FFF_FFF0  # above every limit on thread ids: nobody's

_kept_pages: list[Any] = []


def until(predicate: Callable[[], bool]) -> None:
    """Return once `predicate` holds; the watchdog ends a test in which it never does.

    It looks every few microseconds and sleeps between: on a busy machine a yielded processor comes back much later.
    """
    while not predicate():
        time.sleep(2e-5)


class Agent(threading.Thread):
    """A thread that does what it is told, one job after another."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.done = threading.Event()
        self.uaddr = 0
        self.result: Any = None
        self._jobs: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self.start()

    def run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self.result = job()
            self.done.set()

    def begin(self, job: Callable[[], Any]) -> None:
        """Give the thread its next job and do not wait for it."""
        self.done.clear()
        self._jobs.put(job)

    def do(self, job: Callable[[], Any]) -> Any:
        """Run a job that does not block, in the thread."""
        self.begin(job)
        self.done.wait()
        return self.result

    def dismiss(self) -> None:
        """Let the thread end after the job it has."""
        self._jobs.put(None)


def answer(call: Callable[[], Any]) -> int:
    """Run a Manager call and give back what the kernel's register would hold."""
    try:
        result = call()
    except OSError as error:
        return -int(error.errno or 0)
    if isinstance(result, pyfutex.Requeued):
        return result.woken + result.requeued
    if isinstance(result, pyfutex.WaitResult):
        return {
            pyfutex.WaitResult.WOKEN: 0,
            pyfutex.WaitResult.TIMEOUT: -ETIMEDOUT,
            pyfutex.WaitResult.MISMATCH: -EAGAIN,
        }[result]
    return int(result)


class World(ABC):
    """What a script sees. Words start at 0; word offsets are bytes into the page."""

    def __init__(self) -> None:
        self.page = mmap.mmap(-1, mmap.PAGESIZE)
        self.words = (ctypes.c_uint32 * (mmap.PAGESIZE // 4)).from_buffer(self.page)
        _kept_pages.append(self.words)

    def store(self, addr: int, value: int) -> None:
        self.words[addr // 4] = value

    def load(self, addr: int) -> int:
        return int(self.words[addr // 4])

    def store_owner(self, addr: int, name: str | None, flags: int = 0) -> None:
        """Write a PI word: flags and an agent's thread id."""
        self.store(addr, flags | (0 if name is None else self.tid(name)))

    def owner(self, addr: int) -> tuple[int, str | int]:
        """Read a PI word as its flags and its owner's name, so that different ids compare equal."""
        value = self.load(addr)
        tid = value & kernel.TID_MASK
        return value & ~kernel.TID_MASK, self.names().get(tid, tid)

    @abstractmethod
    def tid(self, name: str) -> int:
        """Thread id of the agent called `name`, which is made if need be."""

    @abstractmethod
    def names(self) -> dict[int, str]:
        """The agents by thread id."""

    @abstractmethod
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
        """Wait as `name`: BLOCKED once it sleeps, or the result if it did not sleep."""

    @abstractmethod
    def waitv(self, name: str, items: list[tuple[int, int, bool]], timeout: float | None = None) -> int | str:
        """Wait as `name` on words (addr, val, private): as `wait`; in the end, the index."""

    @abstractmethod
    def wake(self, addr: int, n: int = 1, *, bitset: int | None = None, private: bool = True) -> int: ...

    @abstractmethod
    def requeue(self, addr: int, addr2: int, n_wake: int, n_requeue: int, *, private: bool = True) -> int: ...

    @abstractmethod
    def cmp_requeue(
        self, addr: int, addr2: int, val: int, n_wake: int, n_requeue: int, *, private: bool = True
    ) -> int: ...

    @abstractmethod
    def wake_op(
        self, addr: int, addr2: int, op: int, n_wake: int, n_wake2: int, *, private: bool = True
    ) -> int: ...

    @abstractmethod
    def lock_pi(self, name: str, addr: int) -> int | str: ...

    @abstractmethod
    def lock_pi_for(self, name: str, addr: int, timeout: float) -> int:
        """Lock with a time limit and wait for the end of it."""

    @abstractmethod
    def trylock_pi(self, name: str, addr: int) -> int: ...

    @abstractmethod
    def unlock_pi(self, name: str, addr: int) -> int: ...

    @abstractmethod
    def wait_requeue_pi(
        self, name: str, addr: int, addr2: int, val: int, timeout: float | None = None
    ) -> int | str: ...

    @abstractmethod
    def cmp_requeue_pi(self, addr: int, addr2: int, val: int, n_requeue: int) -> int: ...

    @abstractmethod
    def die(self, name: str) -> None:
        """End the agent called `name`, whatever it holds."""

    @abstractmethod
    def ended(self) -> dict[str, int]:
        """The blocked calls that have ended since the last question, by name, with their results."""

    @abstractmethod
    def close(self) -> None: ...


class ThreadedWorld(World):
    """A world whose waiters are threads asleep."""

    def __init__(self) -> None:
        super().__init__()
        self.agents: dict[str, Agent] = {}
        self.blocked: dict[str, Agent] = {}

    def agent(self, name: str) -> Agent:
        if name not in self.agents:
            self.agents[name] = Agent(name)
        return self.agents[name]

    def tid(self, name: str) -> int:
        tid = self.agent(name).native_id
        assert tid is not None
        return tid

    def names(self) -> dict[int, str]:
        return {agent.native_id or 0: name for name, agent in self.agents.items()}

    @abstractmethod
    def settled(self) -> bool:
        """Tell whether every blocked agent has ended or is asleep."""

    def die(self, name: str) -> None:
        self.agents[name].dismiss()
        self.agents[name].join()

    def begin(self, name: str, addr: int, job: Callable[[], int], timeout: float | None = None) -> int | str:
        """Start a call that may block: BLOCKED once its agent sleeps; with a time limit, wait for the end of it."""
        agent = self.agent(name)
        if timeout is not None:
            return int(agent.do(job))
        agent.uaddr = addr
        self.blocked[name] = agent
        agent.begin(job)
        until(self.settled)
        if not agent.done.is_set():
            return BLOCKED
        del self.blocked[name]
        return int(agent.result)

    def ended(self) -> dict[str, int]:
        until(self.settled)
        ended = {name: int(agent.result) for name, agent in self.blocked.items() if agent.done.is_set()}
        for name in ended:
            del self.blocked[name]
        return ended

    def close(self) -> None:
        for agent in self.agents.values():
            agent.dismiss()
        for agent in self.agents.values():
            agent.join()


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
