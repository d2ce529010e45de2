from collections.abc import Callable, Iterable
from typing import ClassVar, Literal, Self, final

from pyfutex._futexword import FutexWord
from pyfutex.memory import Memory
from pyfutex.results import Requeued, WaitItem, WaitResult, WakeWait
from pyfutex.target import Target

@final
class Kernel:
    supported: ClassVar[frozenset[str]]
    def __new__(cls, *, futex2: bool = False) -> Self: ...
    @property
    def futex2(self) -> bool: ...
    def wake(
        self,
        mem: Target,
        addr: int,
        n: int = 1,
        *,
        bitset: int = ...,
        private: bool | None = None,
        size: int = 4,
    ) -> int: ...
    def requeue(
        self,
        mem: Target,
        addr: int,
        addr2: int,
        n_wake: int = 1,
        n_requeue: int = ...,
        *,
        mem2: Target | None = None,
        private: bool | None = None,
        size: int = 4,
    ) -> Requeued: ...
    def cmp_requeue(
        self,
        mem: Target,
        addr: int,
        addr2: int,
        val: int,
        n_wake: int = 1,
        n_requeue: int = ...,
        *,
        mem2: Target | None = None,
        private: bool | None = None,
        size: int = 4,
    ) -> Requeued | None: ...
    def wake_op(
        self,
        mem: Target,
        addr: int,
        addr2: int,
        op: int,
        n_wake: int = 1,
        n_wake2: int = 1,
        *,
        mem2: Target | None = None,
        private: bool | None = None,
        size: int = 4,
    ) -> int: ...
    def wait(
        self,
        mem: Target,
        addr: int,
        val: int,
        timeout: float | None = None,
        *,
        deadline: float | None = None,
        clock: int = 1,
        bitset: int = ...,
        private: bool | None = None,
        size: int = 4,
    ) -> WaitResult: ...
    def wake_wait(
        self,
        mem: Target,
        wake_addr: int,
        wait_addr: int,
        val: int,
        timeout: float | None = None,
        *,
        n: int = 1,
        mem2: Target | None = None,
        deadline: float | None = None,
        clock: int = 1,
        private: bool | None = None,
        size: int = 4,
    ) -> WakeWait: ...
    def waitv(
        self,
        items: Iterable[WaitItem | tuple[Target, int, int] | tuple[Target, int, int, bool | None]],
        timeout: float | None = None,
        *,
        deadline: float | None = None,
        clock: int = 1,
    ) -> int: ...
    def lock_pi(
        self,
        mem: Target,
        addr: int,
        timeout: float | None = None,
        *,
        tid: int | None = None,
        deadline: float | None = None,
        clock: int = 1,
        private: bool | None = None,
    ) -> bool: ...
    def trylock_pi(
        self, mem: Target, addr: int, *, tid: int | None = None, private: bool | None = None
    ) -> bool: ...
    def unlock_pi(
        self, mem: Target, addr: int, *, tid: int | None = None, private: bool | None = None
    ) -> None: ...
    def wait_requeue_pi(
        self,
        mem: Target,
        addr: int,
        addr2: int,
        val: int,
        timeout: float | None = None,
        *,
        tid: int | None = None,
        deadline: float | None = None,
        clock: int = 1,
        mem2: Target | None = None,
        private: bool | None = None,
    ) -> WaitResult: ...
    def cmp_requeue_pi(
        self,
        mem: Target,
        addr: int,
        addr2: int,
        val: int,
        n_requeue: int = ...,
        *,
        mem2: Target | None = None,
        private: bool | None = None,
    ) -> int | None: ...
    def futex(self, mem: Memory, addr: int) -> KernelFutex: ...
    def __bool__(self) -> Literal[True]: ...
    def __reduce__(self) -> tuple[Callable[[], Kernel], tuple[()]]: ...

@final
class KernelFutex(FutexWord):
    def __new__(cls, engine: Kernel, mem: Memory, addr: int, /) -> Self: ...
    @property
    def engine(self) -> Kernel: ...
    def wait(self, val: int, timeout: float | None = None, /) -> WaitResult: ...
    def wake(self, n: int = 1, /) -> int: ...
    def wake_wait(self, other: KernelFutex, val: int, timeout: float | None = None, /) -> WakeWait: ...
