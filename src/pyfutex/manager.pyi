from collections.abc import Callable, Iterable
from typing import Literal, NoReturn, Self, TypeAlias, final

from pyfutex.completionqueue import CompletionQueue
from pyfutex.futex import Futex
from pyfutex.memory import Memory
from pyfutex.results import Requeued, WaiterInfo, WaitItem, WaitResult, WakeItem, WakeWait
from pyfutex.target import Target
from pyfutex.waiter import Waiter

_Item: TypeAlias = (
    WaitItem
    | tuple[Target, int, int]
    | tuple[Target, int, int, bool | None]
    | tuple[Target, int, int, bool | None, int]
)
_WakeItem: TypeAlias = (
    WakeItem
    | tuple[Target, int]
    | tuple[Target, int, int]
    | tuple[Target, int, int, int]
    | tuple[Target, int, int, int, bool | None]
    | tuple[Target, int, int, int, bool | None, int]
)

@final
class Manager:
    def __new__(
        cls, *, owner_alive: Callable[[int], bool] | None = None, profile: str = "linux-6.18"
    ) -> Self: ...
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
    def wait_prepare(
        self,
        w: Waiter,
        mem: Target,
        addr: int,
        val: int,
        *,
        bitset: int = ...,
        priority: int = 0,
        private: bool | None = None,
        size: int = 4,
    ) -> int | None: ...
    def waitv(
        self,
        items: Iterable[_Item],
        timeout: float | None = None,
        *,
        deadline: float | None = None,
        clock: int = 1,
    ) -> int: ...
    def waitv_prepare(self, w: Waiter, items: Iterable[_Item], *, priority: int = 0) -> int | None: ...
    def wakev(self, items: Iterable[_WakeItem]) -> list[int]: ...
    def wait_complete(self, w: Waiter) -> bool: ...
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
    def lock_pi_prepare(
        self, w: Waiter, mem: Target, addr: int, *, tid: int, priority: int = 0, private: bool | None = None
    ) -> int | None: ...
    def unlock_pi(
        self, mem: Target, addr: int, *, tid: int | None = None, private: bool | None = None
    ) -> None: ...
    def owner_exit(self, tid: int) -> int: ...
    def wait_requeue_pi(
        self,
        mem: Target,
        addr: int,
        addr2: int,
        val: int,
        timeout: float | None = None,
        *,
        mem2: Target | None = None,
        tid: int | None = None,
        deadline: float | None = None,
        clock: int = 1,
        private: bool | None = None,
    ) -> WaitResult: ...
    def wait_requeue_pi_prepare(
        self,
        w: Waiter,
        mem: Target,
        addr: int,
        addr2: int,
        val: int,
        *,
        tid: int,
        priority: int = 0,
        mem2: Target | None = None,
        private: bool | None = None,
    ) -> int | None: ...
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
    ) -> Requeued | None: ...
    def futex(self, mem: Memory, addr: int, size: int = 4) -> Futex: ...
    def fork(self) -> Manager: ...
    def completions(self) -> CompletionQueue: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
    def __bool__(self) -> Literal[True]: ...
    def __len__(self) -> int: ...
    def waiters(
        self, mem: Target | None = None, addr: int | None = None, *, size: int = 4
    ) -> list[WaiterInfo]: ...
    def stats(self) -> dict[str, int]: ...
    def _wake_key_of(self, w: Waiter) -> None: ...
    def __reduce__(self) -> NoReturn: ...
