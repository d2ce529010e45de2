from collections.abc import Callable
from typing import Literal, NoReturn, Self, final

from pyfutex.completionqueue import CompletionQueue
from pyfutex.manager import Manager
from pyfutex.target import Target

@final
class Task:
    @property
    def tid(self) -> int: ...
    @property
    def mem(self) -> Target: ...
    @property
    def manager(self) -> Manager: ...
    clear_child_tid: int
    priority: int
    uid: int
    def __new__(
        cls,
        tid: int,
        mem: Target,
        manager: Manager,
        *,
        abi: Literal["lp64", "ilp32"] = "lp64",
        byteorder: Literal["little", "big"] = "little",
        address_limit: int | None = None,
        priority: int = 0,
        uid: int = 0,
        on_complete: Callable[[Task, int], object] | None = None,
        queue: CompletionQueue | None = None,
        now: Callable[[int], int] | None = None,
    ) -> Self: ...
    @property
    def robust_list(self) -> int: ...
    @property
    def blocked(self) -> bool: ...
    @property
    def deadline(self) -> tuple[int, int] | None: ...
    @property
    def alive(self) -> bool: ...
    def interrupt(self, error: int = 4, *, sa_restart: bool = False) -> int | None: ...
    def result(self, timeout: float | None = None) -> int: ...
    def exit(self) -> None: ...
    def __reduce__(self) -> NoReturn: ...
