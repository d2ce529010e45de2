from typing import Protocol, final, type_check_only

from pyfutex.results import WaitResult

@type_check_only
class Answered(Protocol):  # what is told that a wait is over: a future of asyncio, for one
    def done(self) -> bool: ...
    def set_result(self, result: None, /) -> None: ...

@final
class WordWait:
    @property
    def is_over(self) -> bool: ...
    def result(self) -> WaitResult: ...
