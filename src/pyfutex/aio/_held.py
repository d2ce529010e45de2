"""What `with` and `async with` do to what is acquired and released."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType


class HeldByTasks:
    """Held for the time of a block of a coroutine, by `async with`."""

    if TYPE_CHECKING:  # methods, or those of the lock that a condition is over
        acquire: Callable[[], Awaitable[bool]]
        release: Callable[[], None]

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


class Held(HeldByTasks):
    """Held by threads, too, by `with`."""

    if TYPE_CHECKING:
        acquire_blocking: Callable[[], bool]

    def __enter__(self) -> bool:
        return self.acquire_blocking()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()
