"""Words in a file that two processes map, and beside each the time when it was set."""

import mmap
import tempfile
import time
from pathlib import Path
from typing import Final, Self

from pyfutex.memory import Memory

_SHARED_MEMORY: Final = Path("/dev/shm")
_WORD: Final = 4
_STAMP: Final = 8


class WordBoard:
    """`n` words, and when each was set.

    Parameters
    ----------
    path : str
        Of a file that is long enough.
    n : int
        How many words.
    """

    def __init__(self, path: str, n: int) -> None:
        self.path = path
        self.n = n
        with open(path, "r+b") as file:
            self.memory = Memory(mmap.mmap(file.fileno(), _size(n)))

    @classmethod
    def made(cls, n: int) -> Self:
        """One in a new file, which `close` removes."""
        directory = _SHARED_MEMORY if _SHARED_MEMORY.is_dir() else None
        with tempfile.NamedTemporaryFile(prefix="pyfutex-await-", dir=directory, delete=False) as file:
            file.truncate(_size(n))
        return cls(file.name, n)

    def close(self) -> None:
        """Remove the file."""
        Path(self.path).unlink(missing_ok=True)

    def address(self, i: int) -> int:
        """Of a word, in `memory`."""
        return i * _WORD

    def is_set(self, i: int) -> bool:
        """Whether a word has been set."""
        return self.memory.load(i * _WORD) != 0

    def set(self, i: int) -> None:
        """Set a word, and write when."""
        self.memory.store64(self._stamp(i), time.monotonic_ns())
        self.memory.store(i * _WORD, 1)

    def age_us(self, i: int) -> float:
        """How long ago a word was set."""
        return (time.monotonic_ns() - self.memory.load64(self._stamp(i))) / 1000

    def clear(self) -> None:
        """Take all words back."""
        for i in range(self.n):
            self.memory.store(i * _WORD, 0)

    def _stamp(self, i: int) -> int:
        return _stamps_at(self.n) + i * _STAMP


def _stamps_at(n: int) -> int:
    return -(-n * _WORD // _STAMP) * _STAMP


def _size(n: int) -> int:
    return _stamps_at(n) + n * _STAMP
