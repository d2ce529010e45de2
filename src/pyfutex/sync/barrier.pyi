from collections.abc import Callable
from typing import ClassVar, NoReturn, Self, SupportsIndex, final

from typing_extensions import Buffer

@final
class Barrier:
    SIZE: ClassVar[int]
    def __init__(
        self, parties: SupportsIndex, action: Callable[[], object] | None = None, timeout: float | None = None
    ) -> None: ...
    @staticmethod
    def size(parties: SupportsIndex, /) -> int: ...
    @classmethod
    def create(
        cls,
        buffer: Buffer,
        offset: SupportsIndex = 0,
        /,
        *,
        parties: SupportsIndex,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
        robust: bool = True,
    ) -> Self: ...
    @classmethod
    def attach(
        cls,
        buffer: Buffer,
        offset: SupportsIndex = 0,
        /,
        *,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
    ) -> Self: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def register(self) -> None: ...
    def unregister(self) -> None: ...
    def reset(self) -> None: ...
    def abort(self) -> None: ...
    @property
    def parties(self) -> int: ...
    @property
    def n_waiting(self) -> int: ...
    @property
    def broken(self) -> bool: ...
    def __reduce__(self) -> NoReturn: ...
