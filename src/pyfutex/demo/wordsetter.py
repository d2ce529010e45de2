"""A process that sets words in a file, in random order: ``python -m pyfutex.demo.wordsetter PATH N``.

For each line of its input, which is how many microseconds to let pass between two words, it sets them all. It knows of those
who wait no more than that a word may have any: it wakes them by one call of the kernel.
"""

import random
import subprocess
import sys
import time
from types import TracebackType
from typing import Final, Self

from pyfutex.demo.wordboard import WordBoard
from pyfutex.kernel import Kernel

_ALL: Final = 0x7FFFFFFF


class WordSetter:
    """Such a process, as long as the body of a `with` runs."""

    def __init__(self, board: WordBoard) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, board.path, str(board.n)], stdin=subprocess.PIPE, text=True
        )

    def set_all(self, pause_us: int) -> None:
        """Have all words set, with a pause between each two."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{pause_us}\n")
        self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main(path: str, n: str) -> None:
    """Set the words, once for each line of the input."""
    board, kernel = WordBoard(path, int(n)), Kernel()
    order = list(range(board.n))
    for line in sys.stdin:
        random.shuffle(order)
        for i in order:
            board.set(i)
            kernel.wake(board.memory, board.address(i), _ALL)
            if int(line):
                time.sleep(int(line) / 1e6)


if __name__ == "__main__":
    main(*sys.argv[1:])
