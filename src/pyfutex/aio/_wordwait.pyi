from typing import final

from pyfutex.results import WaitResult

@final
class WordWait:
    def result(self) -> WaitResult: ...
