"""``python -m pyfutex bench``: every subject is measured on both sides, and what was measured is printed however it ends."""

import io
import json
import os
import pty
import re
import sys
from contextlib import contextmanager

import pytest

from pyfutex.__main__ import main
from pyfutex.measuring import command, report, rounds
from pyfutex.measuring.rounds import Figures
from pyfutex.measuring.subjects import SUBJECTS, Side, Subject


@contextmanager
def nothing():
    """Work that is none."""

    def work(n):
        for _ in range(n):
            pass

    yield work


@contextmanager
def refused():
    """What cannot be had here."""
    raise OSError(28, "No space left on device")
    yield


def subject(name="something", ours=nothing, theirs=nothing):
    """Something that is done in no time."""
    return Subject("a group", Side(name, ours), Side("theirs", theirs))


def figures(ours, theirs):
    """What might have been measured."""
    return Figures(subject(), list(ours), list(theirs))


@pytest.fixture
def quick(monkeypatch):
    """Measurements that take no time."""
    monkeypatch.setattr(rounds, "MEASUREMENT_S", 1e-5)
    monkeypatch.setattr(command, "SHORTEST", 0)


@pytest.fixture
def measure_only(quick, monkeypatch):
    """Measure these subjects in place of all: ``measure_only(subject, ...)``."""

    def only(*subjects):
        monkeypatch.setattr(rounds, "SUBJECTS", subjects)

    return only


def test_every_subject_is_measured_on_both_sides(quick, capsys):
    assert main(["bench", "--seconds=0", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["interrupted"]) == (report.SCHEMA, False)
    assert {"pyfutex", "python", "implementation", "gil", "kernel", "machine", "cpus"} == told["about"].keys()
    assert [each["group"] for each in told["results"]] == [each.group for each in SUBJECTS]
    for each in told["results"]:
        assert "left_out" in each or each["rounds"] == rounds.FEWEST_ROUNDS
        if "ratio" in each:
            assert each["ours_ns"] > 0
            assert each["theirs_ns"] > 0
            assert 0 < each["ratio"]["low"] <= each["ratio"]["median"] <= each["ratio"]["high"]


def test_a_ratio_is_of_pairs_and_not_of_medians():
    ratio = report.Ratio.of(figures([1.0, 10.0, 100.0], [2.0, 20.0, 300.0]))
    assert (ratio.median, ratio.low, ratio.high) == (2.0, 2.0, 3.0)


def test_a_table_has_a_line_for_each(measure_only, capsys):
    measure_only(subject("one"), subject("two"))
    assert main(["bench", "--seconds=0"]) == 0
    printed = capsys.readouterr()
    assert re.search(r"^  one \| theirs +[\d.]+ ns +[\d.]+ ns +[\d.]+ ", printed.out, re.MULTILINE)
    assert re.search(r"^  two ", printed.out, re.MULTILINE)
    assert "\x1b" not in printed.out
    assert printed.out.count("a group\n") == 1
    assert "0 % one" in printed.err


def test_what_cannot_be_had_is_left_out_with_the_reason(measure_only, capsys):
    measure_only(subject("one", theirs=refused), subject("two"))
    assert main(["bench", "--seconds=0"]) == 0
    assert re.search(
        r"^  one \| theirs +left out: No space left on device$", capsys.readouterr().out, re.MULTILINE
    )
    assert main(["bench", "--seconds=0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"][0]["left_out"] == "No space left on device"


@pytest.mark.parametrize("option", ["--json", None])
def test_after_an_interrupt_it_prints_what_it_has(option, measure_only, capsys):
    calls = []

    @contextmanager
    def impatient():
        def work(n):
            calls.append(n)
            for _ in range(n):
                pass
            if len(calls) > 30:
                raise KeyboardInterrupt

        yield work

    measure_only(subject("one"), subject("two", impatient))
    assert main(["bench", "--seconds=3600", *filter(None, [option])]) == 130
    printed = capsys.readouterr()
    assert printed.err.endswith("interrupted\n")
    if option:
        assert json.loads(printed.out)["interrupted"]
    else:
        assert re.search(r"^  one \| theirs +[\d.]+ ns ", printed.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("variables", "is_coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colour_is_for_terminals_that_want_it(variables, is_coloured, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ours, theirs = pty.openpty()
    with os.fdopen(ours), os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        assert command.wants_colour() is is_coloured
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        assert not command.wants_colour()


def test_faster_is_green_and_slower_red():
    lines = report.table([figures([1.0], [2.0]), figures([2.0], [1.0])], is_coloured=True).splitlines()
    assert report.GREEN in lines[2]
    assert report.RED in lines[3]


@pytest.mark.parametrize("option", ["--seconds=0", "--seconds=x", "--seconds=1e9"])
def test_a_bad_option_is_a_usage_error(option):
    with pytest.raises(SystemExit) as left:
        main(["bench", option])
    assert left.value.code == 2
