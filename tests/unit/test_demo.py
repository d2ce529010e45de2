"""The queue demo: its mutex and condition, what it finds wrong, and its exit status."""

import io
import re
import sys
import threading
from types import SimpleNamespace

import pytest

from pyfutex import Mappable
from pyfutex.__main__ import main
from pyfutex.demo import queue
from pyfutex.demo.bounded_queue import BoundedQueue, Closed
from pyfutex.demo.condition import FutexCondition
from pyfutex.demo.contenders import CONTENDERS, Contender, Entry
from pyfutex.demo.ledger import Ledger
from pyfutex.demo.mutex import FutexMutex
from pyfutex.demo.page import FutexPage
from pyfutex.demo.progress import progress_bar
from pyfutex.demo.verdict import faults
from pyfutex.demo.workload import Load, Measurement

SMALL = ["demo", "queue", "--items=400", "--rounds=2", "--capacity=2"]


@pytest.fixture(params=[None, Mappable("test")], ids=["private", "shared"])
def page(request):
    return FutexPage(request.param)


@pytest.fixture
def ledger(page):
    return Ledger(page)


@pytest.fixture
def mutex(page, ledger):
    return FutexMutex(page.futex(), ledger)


@pytest.fixture
def condition(page, mutex, ledger):
    return FutexCondition(mutex, page.futex(), ledger)


def sleepers(page, word):
    return len(page.manager.waiters(page.memory, word.addr))


class TestMutex:
    def test_that_nobody_wants_is_taken_and_given_back_without_a_wake(self, page, mutex, ledger):
        with mutex:
            assert mutex.word.load() == 1
        assert mutex.word.load() == 0
        assert ledger.woken == 0

    def test_that_is_held_is_slept_on_until_released(self, page, mutex, ledger, spawn, wait_until):
        def enter():
            with mutex:
                return mutex.word.load()

        with mutex:
            second = spawn(enter)
            wait_until(lambda: sleepers(page, mutex.word) == 1)
        assert second.result() == 2
        assert mutex.word.load() == 0
        assert ledger.woken == ledger.woken_waits == 1


class TestCondition:
    def test_broadcast_moves_every_sleeper_to_the_mutex_and_wakes_none(
        self, page, mutex, condition, ledger, spawn, wait_until
    ):
        def await_broadcast():
            with mutex:
                condition.wait()

        threads = [spawn(await_broadcast) for _ in range(3)]
        wait_until(lambda: len(page.manager) == 3)
        with mutex:
            condition.notify_all()
            assert sleepers(page, mutex.word) == 3
            assert (ledger.requeued, ledger.woken) == (3, 0)
        for thread in threads:
            thread.result()
        assert ledger.woken == ledger.woken_waits == 3
        assert mutex.word.load() == 0

    def test_broadcast_with_nobody_waiting_leaves_the_mutex_uncontended(self, mutex, condition):
        with mutex:
            condition.notify_all()
            assert mutex.word.load() == 1

    def test_broadcast_between_release_and_sleep_is_not_lost(self, page, mutex, condition, monkeypatch):
        release = mutex.release

        def release_and_broadcast():
            release()
            monkeypatch.undo()
            with mutex:
                condition.notify_all()

        monkeypatch.setattr(mutex, "release", release_and_broadcast)
        with mutex:
            condition.wait()
        assert len(page.manager) == 0


class TestBoundedQueue:
    @pytest.fixture(params=CONTENDERS, ids=lambda contender: contender.name)
    def bounded(self, request):
        return request.param.build(2).queue

    def test_gives_items_in_the_order_they_came(self, bounded):
        bounded.put(1)
        bounded.put(2)
        assert (bounded.get(), bounded.get()) == (1, 2)

    def test_that_is_closed_gives_what_it_holds_and_takes_no_more(self, bounded):
        bounded.put(1)
        bounded.close()
        with pytest.raises(Closed):
            bounded.put(2)
        assert list(bounded) == [1]
        with pytest.raises(Closed):
            bounded.get()

    def test_close_ends_every_wait(self, bounded, spawn):
        consumers = [spawn(list, bounded) for _ in range(3)]
        bounded.close()
        assert [consumer.result() for consumer in consumers] == [[], [], []]

    def test_needs_a_capacity(self):
        with pytest.raises(ValueError, match="room for one"):
            CONTENDERS[0].build(0)


class TestVerdict:
    LOAD = Load(n_items=4, n_producers=2, n_consumers=2, capacity=1)

    def found(self, *received, errors=(), ledger=None):
        return faults(Measurement(1.0, list(received), list(errors), ledger), self.LOAD)

    def test_all_arrived(self):
        assert self.found([0, 1], [2, 3]) == []

    def test_lost(self):
        assert self.found([0, 1], [3]) == ["1 of 4 items never arrived, the first is 2"]

    def test_repeated(self):
        assert self.found([0, 1, 2], [2, 3]) == ["1 of 4 items arrived more than once"]

    def test_out_of_order(self):
        assert self.found([1, 2, 0], [3]) == ["consumer 0 took item 0 after item 2"]

    def test_error_of_a_thread(self):
        assert self.found([0, 1, 2, 3], errors=["producer 0 failed"]) == ["producer 0 failed"]

    def test_books_that_do_not_balance(self):
        ledger = SimpleNamespace(
            woken=3, woken_waits=2, left_queued=1, describe_sleepers=lambda: ["thread 7 sleeps"]
        )
        assert self.found([0, 1, 2, 3], ledger=ledger) == [
            "the wakes woke 3 threads, but 2 waits were woken",
            "threads still asleep in the manager: 1",
            "thread 7 sleeps",
        ]


class Terminal(io.StringIO):
    def isatty(self):
        return True


class TestProgress:
    def draw(self, stream, n_steps=20):
        with progress_bar(n_steps, stream) as step:
            for i in range(n_steps):
                step(f"step {i}")
        return stream.getvalue()

    def test_in_a_log_it_is_a_line_for_every_tenth(self):
        lines = self.draw(io.StringIO()).splitlines()
        assert lines[:2] == ["  0 % step 0", " 10 % step 2"]
        assert len(lines) == 10

    def test_on_a_terminal_without_rich_it_is_redrawn_and_erased(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "rich.console", None)
        drawn = self.draw(Terminal())
        assert "[###############...............] 10/20 step 10" in drawn
        assert drawn.endswith("\r\x1b[K")

    def test_on_a_terminal_with_rich_it_shows_the_step(self):
        pytest.importorskip("rich")
        assert "step 19" in self.draw(Terminal())


class Forgetful(BoundedQueue):
    def put(self, item):
        if item != 7:
            super().put(item)


class Failing(BoundedQueue):
    def get(self):
        raise RuntimeError("no hands")


def build_with(queue_type):
    def build(capacity):
        mutex = threading.Lock()
        conditions = threading.Condition(mutex), threading.Condition(mutex)
        return Entry(queue_type(capacity, mutex, *conditions), None)

    return build


class TestCommand:
    def test_ends_well_and_reports_each_contender(self, capsys):
        assert main(SMALL) == 0
        printed = capsys.readouterr().out
        for contender in CONTENDERS:
            assert re.search(rf"^{contender.name} +[\d,]+ ", printed, re.MULTILINE)
        assert "every one of 2,400 items arrived exactly once" in printed

    @pytest.mark.parametrize(
        ("queue_type", "complaint"),
        [(Forgetful, "1 of 400 items never arrived, the first is 7"), (Failing, "no hands")],
    )
    def test_a_queue_that_fails_ends_it_with_status_1(self, queue_type, complaint, monkeypatch, capsys):
        monkeypatch.setattr(queue, "CONTENDERS", (Contender("broken", build_with(queue_type)),))
        assert main(SMALL) == 1
        complaints = capsys.readouterr().err
        assert "FAILED: the queue on broken:" in complaints
        assert complaint in complaints

    @pytest.mark.parametrize("option", ["--items=0", "--rounds=x", "--nonsense"])
    def test_a_bad_option_is_a_usage_error(self, option, capsys):
        with pytest.raises(SystemExit) as exit_info:
            main(["demo", "queue", option])
        assert exit_info.value.code == 2
