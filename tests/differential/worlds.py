"""Worlds in which one script of futex operations can run: what all of them are.

They are the kernel, a Manager with sleeping threads, and a Manager with prepared Waiters. A script names its
waiters and its words (offsets into one page) and gets plain integers back: 0 or more, or a negative errno. So
what two worlds answer can be compared by `==`.
"""

from __future__ import annotations

import ctypes
import mmap
from abc import ABC, abstractmethod
from errno import EAGAIN, ETIMEDOUT
from typing import TYPE_CHECKING, Any, Final

from differential import kernel
from differential.agents import Agent, until

import pyfutex

if TYPE_CHECKING:
    from collections.abc import Callable

ANY: Final = 0xFFFF_FFFF
ALL: Final = 0x7FFF_FFFF
BLOCKED: Final = "blocked"
VECTOR: Final = -1  # what a thread sleeps on, in place of the address of one word
NOBODY_TID: Final = 0x3FFF_FFF0  # above every limit on thread ids: nobody's

_kept_pages: list[Any] = []


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
        self.agents[name].end()

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
