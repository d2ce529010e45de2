"""The command ``python -m pyfutex demo crash``."""

import argparse
import gc
import mmap
import platform
import sys
import time
from importlib.metadata import version
from typing import Final

from pyfutex._commandline import teach
from pyfutex.demo import board
from pyfutex.demo.forgotten import leaves_one_asleep
from pyfutex.demo.gang import Gang, Stuck, Tally
from pyfutex.demo.livelines import Show, live_lines
from pyfutex.demo.mortallock import MortalLock
from pyfutex.demo.robustlock import Contender, NotHere
from pyfutex.demo.robustpthread import RobustPthread
from pyfutex.demo.turn import turn_source
from pyfutex.sync import Lock

DESCRIPTION = """\
Processes keep two numbers in shared memory equal, under a lock, while one of them after another is killed with
SIGKILL, whoever holds the lock or anybody, and replaced. Over multiprocessing.Lock, a robust pthread mutex and
pyfutex.sync.Lock, one after the other: who hangs, who sleeps on a free lock, and who goes on.
"""
EXAMPLES = (
    ("", "processes are killed for 20 seconds over each lock"),
    ("--seconds 5", "the same in 15 seconds"),
    ("--seed monday", "others are killed"),
)


def _our_lock(memory: mmap.mmap) -> Lock:
    try:
        return Lock.attach(memory)
    except OSError as error:
        raise NotHere(f"pyfutex.sync.Lock: {error.strerror}") from error


MORTAL: Final = Contender("multiprocessing.Lock", MortalLock)
PTHREAD: Final = Contender("robust pthread mutex", RobustPthread)
OURS: Final = Contender("pyfutex.sync.Lock", _our_lock)

_REDRAW_S: Final = 0.1
_SHARES: Final = {MORTAL: 0.2, PTHREAD: 0.3}  # of the time, at most; the rest is for ours


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command, and `run` as what it does."""
    teach(parser, DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "--seconds", type=_seconds, default=20.0, metavar="S", help="how long to kill (default 20)"
    )
    parser.add_argument(
        "--workers", type=_workers, default=4, metavar="N", help="processes that take turns (default 4)"
    )
    parser.add_argument("--seed", default="pyfutex", help="of who is killed when (default %(default)s)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the demo.

    Returns
    -------
    int
        The exit status: 0, or 1 if a lock of pyfutex.sync lost anything, or is not to be had here.
    """
    print(
        f"pyfutex {version('pyfutex')}, {platform.python_implementation()} {platform.python_version()}, "
        f"Linux {platform.release()}\n{options.workers} processes keep a == b in shared memory while they are killed\n",
        flush=True,
    )
    gc.freeze()
    try:
        with live_lines(sys.stdout) as show:
            found = _Campaign(options.seconds, options.workers, options.seed, show).run()
    except NotHere as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        gc.unfreeze()
    print(
        f"\nWhat each of the last ones did, over and over, with `lock = Lock.attach(memory)`:\n\n{turn_source()}"
    )
    faults = losses(found)
    for fault in faults:
        print(f"FAILED: {fault}", file=sys.stderr)
    if not faults:
        print("ok  after each kill every process that was left got its turn, and a == b")
    return int(bool(faults))


def losses(tally: Tally) -> list[str]:
    """What must not be, of a lock that survives its owners; empty if all is well."""
    stuck = len(tally.stuck.pids) if tally.stuck else 0
    named = {
        "processes were stuck": stuck,
        "times the numbers were torn, or two were inside": tally.torn,
        "dead owners nobody was told of": tally.untold,
        "turns were lost or counted twice": tally.miscounted,
    }
    return [f"{count} {name}" for name, count in named.items() if count]


class _Campaign:
    """One gang after the other, and a line for each."""

    def __init__(self, seconds: float, n_workers: int, seed: str, show: Show) -> None:
        self._seconds = seconds
        self._n_workers = n_workers
        self._seed = seed
        self._show = show
        self._lines = dict.fromkeys((MORTAL, PTHREAD, OURS), "...")
        self._drawn_at = 0.0

    def run(self) -> Tally:
        """All three; the tally of ours. NotHere: there is none of ours."""
        end = time.monotonic() + self._seconds
        for contender, share in _SHARES.items():
            try:
                self._play(contender, time.monotonic() + share * self._seconds)
            except NotHere as reason:
                self._say(contender, str(reason))
        return self._play(OURS, end)

    def _play(self, contender: Contender, end: float) -> Tally:
        with Gang(contender, self._n_workers, f"{self._seed}:{contender.name}") as gang:
            tally = gang.tally()
            while tally.stuck is None and time.monotonic() < end:
                gang.play()
                tally = gang.tally()
                self._say(contender, describe(tally), in_passing=True)
            gang.stop()
            tally = gang.tally()
        self._say(contender, describe(tally))
        if contender is PTHREAD and tally.stuck is None:
            self._say(contender, self._by_script(tally))
        return tally

    def _by_script(self, tally: Tally) -> str:
        """What is to be said of the pthread mutex where nobody was killed at the right moment."""
        try:
            is_left = leaves_one_asleep(lambda: RobustPthread(board.new_memory()))
        except NotHere:
            return describe(tally)
        if is_left:
            return f"one sleeps on a FREE lock when a waiter is killed as it wakes; else {describe(tally)}"
        return f"{describe(tally)}; a waiter killed as it wakes leaves nobody asleep on this kernel"

    def _say(self, contender: Contender, what: str, *, in_passing: bool = False) -> None:
        self._lines[contender] = what
        now = time.monotonic()
        if in_passing and now - self._drawn_at < _REDRAW_S:
            return
        self._drawn_at = now
        self._show([f"{each.name:22}{line}" for each, line in self._lines.items()])


def describe(tally: Tally) -> str:
    """What became of a gang, in a line."""
    line = f"{tally.kills:,} kills, {tally.recoveries + tally.untold:,} owner deaths"
    if not tally.stuck:
        line += f", 0 stuck, {tally.torn:,} torn"
    line += f", {tally.recoveries:,} recoveries"
    if tally.median_us is not None:
        line += f" (median {tally.median_us:,.0f} us)"
    if tally.stuck:
        stuck = _describe_stuck(tally.stuck)
        return f"{stuck}; {line}" if tally.recoveries else stuck
    return line


def _describe_stuck(stuck: Stuck) -> str:
    n = len(stuck.pids)
    if stuck.is_free:
        who = f"process {stuck.pids[0]} sleeps" if n == 1 else f"{n} processes sleep"
        return f"{who} on a FREE lock since kill {stuck.kill:,}"
    return f"HUNG since kill {stuck.kill:,}: {n} processes wait for a dead one, for ever"


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0")
    return seconds


def _workers(text: str) -> int:
    number = int(text)
    if not 2 <= number <= board.MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"must be from 2 to {board.MOST_WORKERS}")
    return number
