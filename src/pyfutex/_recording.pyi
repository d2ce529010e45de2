from types import CodeType
from typing import TypeAlias

# what, kind, tid, began, ended, answer, space, word, other, owner, code, line: see _recording.pxd
_Record: TypeAlias = tuple[int, int, int, int, int, int, int, int, int, int, CodeType | None, int]

def begin(most: int, /) -> None: ...
def end() -> tuple[list[_Record], int]: ...
