"""``python -m pyfutex demo await``: every wait ends, in each way, and a lost one is said."""

import re

import pytest

from pyfutex import Kernel
from pyfutex.__main__ import main
from pyfutex.aio import why_no_ring
from pyfutex.demo import awaits, wordwaits

ARGUMENTS = ["demo", "await", "--words", "140", "--rounds", "1", "--pause", "1"]


def test_each_way_has_a_line(capsys):
    assert main(ARGUMENTS) == 0
    said = capsys.readouterr().out
    watched = ["awaited, futex_waitv +2"] if "waitv" in Kernel.supported else []
    for way in ("a thread a waiter +140", "a poll each 1 ms +0", *watched):
        assert re.search(rf"^{way}( +[\d,]+){{3}}$", said, re.MULTILINE), said
    assert ("awaited, io_uring" in said) == (why_no_ring() is None)
    assert re.search(r"^ok  each of [\d,]+ waits ended", said, re.MULTILINE)


def test_io_uring_may_be_left_out(capsys):
    assert main([*ARGUMENTS, "--no-io-uring"]) == 0
    said = capsys.readouterr().out
    assert "awaited, io_uring" not in said
    assert "io_uring not asked for" in said


def test_a_wait_that_does_not_end_is_said(monkeypatch, capsys):
    monkeypatch.setattr(wordwaits, "LOST_S", 0.0)
    monkeypatch.setattr(awaits, "LOST_S", 0.0)
    assert main(ARGUMENTS) == 1
    assert "LOST" in capsys.readouterr().err


@pytest.mark.parametrize("bad", ["0", "1000000", "x"])
def test_senseless_numbers_are_refused(bad):
    with pytest.raises(SystemExit):
        main(["demo", "await", "--words", bad])
