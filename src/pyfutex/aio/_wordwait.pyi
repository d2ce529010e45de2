from typing import final

from pyfutex.results import WaitResult

@final
class WordWait:
    @property
    def is_over(self) -> bool: ...
    def result(self) -> WaitResult: ...
