"""The crash demo: its ten lines, its gangs, what it says of them, and its exit status."""

import io
import os
import re
import subprocess
import sys

import pytest
from sync.sleeping import sleeps_on_shared
from sync.test_lock_kills import FREE, HELD, WithoutOwner

from pyfutex.__main__ import main
from pyfutex.demo import board, crash
from pyfutex.demo.forgotten import leaves_one_asleep
from pyfutex.demo.gang import Gang, Stuck, Tally
from pyfutex.demo.livelines import live_lines
from pyfutex.demo.robustlock import Contender, NotHere
from pyfutex.demo.robustpthread import RobustPthread
from pyfutex.demo.turn import take_a_turn, turn_source
from pyfutex.demo.watchedlock import WatchedLock
from pyfutex.sync import Lock, OwnerDied

WELL = Tally(kills=1200, recoveries=300, untold=0, median_us=41.5, torn=0, miscounted=0, stuck=None)


class Wakeless(WithoutOwner):
    def acquire(self, blocking=True):
        if blocking:
            super().acquire()
            return True
        return self.memory.compare_exchange(self.word, FREE, HELD)

    def release(self):
        self.memory.exchange(self.word, FREE)


@pytest.fixture
def memory():
    return board.new_memory()


@pytest.fixture
def numbers(memory):
    return board.cells_of(memory)[board.NUMBERS : board.NUMBERS + 2]


def died(lock, numbers=None):
    """Leave the lock to a child that dies with it, between one number and the other."""
    pid = os.fork()
    if pid == 0:
        lock.acquire()
        if numbers is not None:
            numbers[0] += 1
        os._exit(0)
    os.waitpid(pid, 0)


pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")


class TestTurn:
    def test_is_ten_lines(self):
        assert len(turn_source().splitlines()) == 10

    def test_adds_to_both(self, memory, numbers):
        lock = Lock.attach(memory)
        for _ in range(3):
            take_a_turn(lock, numbers)
        assert (*numbers, lock.locked()) == (3, 3, False)

    def test_makes_good_what_a_dead_owner_left(self, memory, numbers):
        lock = Lock.attach(memory)
        died(lock, numbers)
        assert [*numbers] == [1, 0]
        take_a_turn(lock, numbers)
        assert [*numbers] == [2, 2]
        take_a_turn(lock, numbers)
        assert [*numbers] == [3, 3]


class TestWatchedLock:
    @pytest.fixture
    def cells(self, memory):
        return board.cells_of(memory)

    @pytest.fixture
    def lock(self, memory, cells):
        return WatchedLock(Lock.attach(memory), cells, 3)

    def test_counts_turns_and_says_who_is_inside(self, lock, cells):
        lock.acquire()
        assert cells[board.INSIDE] == 4
        assert cells[board.own_cells(3) + board.HOLDS] == 1
        lock.release()
        assert cells[board.INSIDE] == 0
        assert cells[board.own_cells(3) + board.TURNS] == 1
        assert cells[board.TORN] == 0

    @pytest.mark.parametrize("cell", [board.NUMBERS, board.INSIDE])
    def test_notes_what_is_torn(self, lock, cells, cell):
        cells[cell] = 1
        lock.acquire()
        assert cells[board.TORN] == 1
        lock.release()

    def test_counts_and_times_recoveries(self, lock, cells):
        died(lock)
        with pytest.raises(OwnerDied):
            lock.acquire()
        assert cells[board.RECOVERIES] == 1
        assert cells[board.TIMES] > 0
        assert cells[board.TORN] == 0
        lock.release()


class TestGang:
    def test_of_a_lock_that_knows_no_owner_hangs(self):
        with Gang(crash.MORTAL, 2, "test") as gang:
            while gang.tally().stuck is None:
                gang.play()
            tally = gang.tally()
        assert len(tally.stuck.pids) == 2
        assert not tally.stuck.is_free
        assert tally.recoveries == tally.torn == tally.miscounted == 0

    def test_of_a_lock_that_wakes_nobody_sleeps_though_it_is_free(self, wait_until):
        with Gang(Contender("wakes nobody", Wakeless), 2, "test") as gang:
            wait_until(lambda: any(map(sleeps_on_shared, gang._pids.values())))
            gang.stop()
            stuck = gang.tally().stuck
        assert stuck.is_free
        assert len(stuck.pids) == 1

    def test_of_ours_goes_on(self):
        with Gang(crash.OURS, 3, "test") as gang:
            while gang.tally().recoveries < 5:
                gang.play()
            gang.stop()
            tally = gang.tally()
        assert crash.losses(tally) == []
        assert tally.kills >= tally.recoveries


class TestForgotten:
    @staticmethod
    def is_one(make, tries=20):
        try:
            return leaves_one_asleep(make, tries)
        except NotHere as reason:
            pytest.skip(str(reason))

    def test_is_nobody_by_our_lock(self):
        assert not self.is_one(lambda: Lock.attach(board.new_memory()), tries=3)

    def test_is_one_by_the_usual_protocol(self):
        assert self.is_one(lambda: WithoutOwner(board.new_memory()))


class TestRobustPthread:
    @pytest.fixture
    def lock(self, memory):
        try:
            return RobustPthread(memory)
        except NotHere as reason:
            pytest.skip(str(reason))

    def test_is_held_once(self, lock):
        assert lock.acquire()
        assert not lock.acquire(False)
        lock.release()
        assert lock.acquire(False)
        lock.release()

    def test_tells_that_its_owner_died(self, lock):
        died(lock)
        with pytest.raises(OwnerDied):
            lock.acquire()
        lock.consistent()
        lock.release()
        assert lock.acquire(False)
        lock.release()

    def test_that_the_library_lacks_is_not_here(self, memory, monkeypatch):
        monkeypatch.setattr("ctypes.CDLL", lambda name: object())
        with pytest.raises(NotHere, match="not on this C library"):
            RobustPthread(memory)


class TestWords:
    def test_all_is_well(self):
        assert crash.losses(WELL) == []
        assert crash.describe(WELL) == (
            "1,200 kills, 300 owner deaths, 0 stuck, 0 torn, 300 recoveries (median 42 us)"
        )

    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            ({"stuck": Stuck((7, 8), 12, is_free=True)}, "2 processes were stuck"),
            ({"torn": 3}, "3 times the numbers were torn, or two were inside"),
            ({"untold": 1}, "1 dead owners nobody was told of"),
            ({"miscounted": 2}, "2 turns were lost or counted twice"),
        ],
    )
    def test_what_is_lost_is_named(self, change, fault):
        assert crash.losses(WELL._replace(**change)) == [fault]

    @pytest.mark.parametrize(
        ("stuck", "said"),
        [
            (Stuck((7, 8), 3, is_free=False), "HUNG since kill 3: 2 processes wait for a dead one, for ever"),
            (Stuck((7,), 52, is_free=True), "process 7 sleeps on a FREE lock since kill 52"),
            (Stuck((7, 8), 52, is_free=True), "2 processes sleep on a FREE lock since kill 52"),
        ],
    )
    def test_who_is_stuck_is_said(self, stuck, said):
        assert crash.describe(WELL._replace(recoveries=0, stuck=stuck)) == said
        assert crash.describe(WELL._replace(stuck=stuck)).startswith(f"{said}; 1,200 kills")


class Terminal(io.StringIO):
    def isatty(self):
        return True


class TestLines:
    def draw(self, stream):
        with live_lines(stream) as show:
            show(["one", "two"])
            show(["one", "three"])
        return stream.getvalue()

    def test_in_a_log_they_are_printed_in_the_end(self):
        assert self.draw(io.StringIO()) == "one\nthree\n"

    def test_on_a_terminal_without_rich_they_are_drawn_over(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "rich.console", None)
        drawn = self.draw(Terminal())
        assert drawn == "one\ntwo\n" + 2 * "\x1b[2F\x1b[Jone\nthree\n"

    def test_on_a_terminal_with_rich_they_are_shown(self):
        pytest.importorskip("rich")
        assert "three" in self.draw(Terminal())


def crash_demo(*arguments):
    """Run it: its exit status, what it printed, and what it wrote to standard error."""
    command = [sys.executable, "-W", "error", "-m", "pyfutex", "demo", "crash", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


class TestCommand:
    def test_goes_on_where_others_hang(self):
        status, printed, complaints = crash_demo("--seconds=2")
        assert (status, complaints) == (0, "")
        ours = re.search(
            r"^pyfutex\.sync\.Lock +([\d,]+) kills, .* 0 stuck, 0 torn, .*$", printed, re.MULTILINE
        )
        assert ours
        assert ours[1] != "0"
        for name in ("multiprocessing.Lock", "robust pthread mutex"):
            assert re.search(rf"^{name} +\S", printed, re.MULTILINE)
        assert turn_source() in printed

    @pytest.mark.parametrize(("torn", "status"), [(0, 0), (2, 1)])
    def test_ends_with_status_1_if_something_was_lost(self, torn, status, monkeypatch, capsys):
        monkeypatch.setattr(crash._Campaign, "run", lambda campaign: WELL._replace(torn=torn))
        assert main(["demo", "crash"]) == status
        assert ("FAILED: 2 times" in capsys.readouterr().err) == bool(status)

    @pytest.mark.parametrize("option", ["--seconds=0", "--seconds=nan", "--workers=1", "--workers=65"])
    def test_a_bad_option_is_a_usage_error(self, option, capsys):
        with pytest.raises(SystemExit) as exit_info:
            main(["demo", "crash", option])
        assert exit_info.value.code == 2
