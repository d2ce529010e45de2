"""Crowd: tasks of a loop that wait for the same shared word, so that one wait in the kernel does for all of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Crowd"]


class Crowd:
    """Tasks that go on together. One of them sleeps, in a `with` of this; the others wait for it.

    Each looks whether it may go on; if not, it does as `has_sleeper` says, and looks again. Who goes on after that calls
    `let_go`. A sleeper that ends with an exception leaves it to another.
    """

    __slots__ = ("_others", "has_sleeper")

    def __init__(self) -> None:
        self.has_sleeper = False
        self._others: dict[asyncio.Future[None], None] = {}  # in the order in which they came

    def __enter__(self) -> None:
        self.has_sleeper = True

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.has_sleeper = False
        if exc_type is not None:
            self._appoint()

    async def wait(self) -> None:
        """Wait for the sleeper, or to be the next one."""
        future = asyncio.get_running_loop().create_future()
        self._others[future] = None
        try:
            await future
        except BaseException:
            if not future.cancelled():
                self._appoint()
            raise
        finally:
            self._others.pop(future, None)

    def let_go(self) -> None:
        """Have all the others look."""
        others, self._others = self._others, {}
        for future in others:
            _resume(future)

    def _appoint(self) -> None:
        """Have the first of the others look, who sleeps then if it may not go on."""
        for future in self._others:
            if _resume(future):
                del self._others[future]
                return


def _resume(future: asyncio.Future[None]) -> bool:
    """Have its task go on, unless that is about to anyhow."""
    if future.done():
        return False
    future.set_result(None)
    return True
