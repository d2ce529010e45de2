"""The command ``python -m pyfutex demo await``."""

import argparse
import asyncio
import os
import platform
import statistics
import sys
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import Final

from pyfutex._commandline import teach
from pyfutex.aio import why_no_ring
from pyfutex.demo.wordboard import WordBoard
from pyfutex.demo.wordsetter import WordSetter
from pyfutex.demo.wordwaits import LOST_S, POLL, RING, THREADS, WATCHERS, Wait, Waits, Way, measured
from pyfutex.kernel import Kernel

DESCRIPTION = """\
An unrelated process sets words in shared memory, one after the other. One event loop awaits them all: by io_uring, by
futex_waitv as in a container that refuses io_uring, by a thread a word, and by a look at all of them each millisecond.
How long from when a word is set until its coroutine goes on, and how much processor time a wait costs.
"""
EXAMPLES = (
    ("", "a thousand words"),
    ("--words 10000 --rounds 1", "what a thread for each of them costs"),
    ("--no-io-uring", "as in a container that refuses io_uring"),
)
_WARM_UP_US: Final = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command, and `run` as what it does."""
    teach(parser, DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "--words", type=_number, default=1000, metavar="N", help="how many words (default 1000)"
    )
    parser.add_argument(
        "--rounds", type=_number, default=2, metavar="N", help="interleaved rounds (default 2)"
    )
    parser.add_argument(
        "--pause",
        type=_number,
        default=500,
        metavar="US",
        help="microseconds between two words (default 500)",
    )
    parser.add_argument("--no-io-uring", action="store_true", help="as where it is refused")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the demo.

    Returns
    -------
    int
        The exit status: 1 if a word was set and its wait did not end.
    """
    ways, why = _ways(no_io_uring=options.no_io_uring)
    print(f"pyfutex {version('pyfutex')}, Python {platform.python_version()}, {_cpus()} CPUs; {why}")
    print(
        f"{options.words:,} words, set {options.pause:,} us apart by another process, {options.rounds} rounds\n"
    )
    board = WordBoard.made(options.words)
    try:
        results = asyncio.run(_measure(ways, board, options))
    except TimeoutError:
        print(f"LOST: a word was set, and its wait had not ended after {LOST_S:.0f} s", file=sys.stderr)
        return 1
    finally:
        board.close()
    print(_table(results, options.words))
    n = options.words * (options.rounds + 1) * len(ways)
    print(f"\nok  each of {n:,} waits ended, and none was lost")
    return 0


def _ways(*, no_io_uring: bool) -> tuple[list[Way], str]:
    refused = why_no_ring()
    ways = [THREADS, POLL]
    if "waitv" in Kernel.supported:
        ways.insert(0, WATCHERS)
    if no_io_uring:
        return ways, "io_uring not asked for"
    if refused is not None:
        return ways, f"no io_uring here: {refused.strerror}"
    return [RING, *ways], "io_uring is allowed"


async def _measure(ways: list[Way], board: WordBoard, options: argparse.Namespace) -> dict[Way, list[Waits]]:
    results: dict[Way, list[Waits]] = {way: [] for way in ways}
    async with AsyncExitStack() as stack:
        setter = stack.enter_context(WordSetter(board))
        waits: dict[Way, Wait] = {}
        for way in ways:
            waits[way] = await stack.enter_async_context(way.opened(board))
            await measured(waits[way], board, setter, _WARM_UP_US)
        for _ in range(options.rounds):
            for way, wait in waits.items():
                results[way].append(await measured(wait, board, setter, options.pause))
    return results


def _table(results: dict[Way, list[Waits]], n: int) -> str:
    lines = [f"{'':22}{'threads':>9}{'median us':>11}{'p99 us':>9}{'CPU us a wait':>15}"]
    for way, rounds in results.items():
        latencies = sorted(each for waits in rounds for each in waits.latencies_us)
        median, p99 = statistics.median(latencies), latencies[len(latencies) * 99 // 100]
        cpu = statistics.median(waits.cpu_us for waits in rounds)
        lines.append(f"{way.name:22}{way.threads(n):9,}{median:11,.0f}{p99:9,.0f}{cpu:15,.0f}")
    return "\n".join(lines)


def _cpus() -> int:
    return len(os.sched_getaffinity(0))


def _number(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 100_000:
        raise argparse.ArgumentTypeError("must be from 1 to 100,000")
    return number
