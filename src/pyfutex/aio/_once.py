"""Once: something that is done once, by whichever task or thread comes first."""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING

from pyfutex.aio._rlock import RLock

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Once"]


class Once:
    """Something that is done once, by whoever comes first, while the others wait: tasks, of any loops, and threads.

    If it raises, or the task that does it is cancelled, it was not done, and the next one tries.
    """

    def __init__(self) -> None:
        self._lock = RLock()  # its owner is at it
        self._is_done = False

    @property
    def done(self) -> bool:
        """Whether it has been done."""
        return self._is_done

    async def call(self, function: Callable[[], object]) -> bool:
        """Call `function`, unless this has been done; if somebody else is at it, wait until he is done.

        Parameters
        ----------
        function : callable
            Without arguments. If what it returns can be awaited, it is, and this has been done when that is done. What it
            raises is raised, and then it was not done.

        Returns
        -------
        bool
            Whether this call did it.

        Raises
        ------
        RuntimeError
            It is called by its own function, in the same task.
        """
        if self._is_done:
            return False
        self._refuse_again()
        async with self._lock:
            if self._is_done:
                return False
            result = function()
            if isawaitable(result):
                await result
            self._is_done = True
        return True

    def call_blocking(self, function: Callable[[], object]) -> bool:
        """Do the same in a thread that runs no loop, as `pyfutex.sync.Once.call`. What `function` returns is dropped.

        Raises
        ------
        RuntimeError
            It is called by its own function; or this thread runs a loop, and it has not been done.
        """
        if self._is_done:
            return False
        self._refuse_again()
        with self._lock:
            if self._is_done:
                return False
            function()
            self._is_done = True
        return True

    def _refuse_again(self) -> None:
        if self._lock._is_owned():
            raise RuntimeError("a function that is called once calls itself")

    def __repr__(self) -> str:
        return f"<Once {'done' if self._is_done else 'not done'} at {id(self):#x}>"
