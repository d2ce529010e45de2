"""``python -m pyfutex qiling``, and what `install` refuses."""

import subprocess
import sys

import pytest

from pyfutex.sidebyside.runs import Kind, run_on_qiling


def command(*arguments):
    """Run the command; its exit status and what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "pyfutex", "qiling", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_shows_the_runs_side_by_side(build):
    status, output = command(build("mutex", "gcc").path)
    assert status == 0, output
    assert "Qiling with pyfutex: the same as the native run" in output


def test_names_the_circle_of_a_deadlock(build):
    status, output = command("--native-limit", 2, "--limit", 20, build("deadlock", "gcc").path)
    assert status == 0, output
    assert "deadlock: thread" in output


def test_stock_is_shown_as_released(build):
    status, output = command("--stock", "--limit", 10, build("deadlines", "gcc").path)
    assert status == 0, output
    assert "Qiling, as released" in output


def test_what_is_no_program_is_said(tmp_path):
    file = tmp_path / "text"
    file.write_text("no program")
    status, output = command(file)
    assert (status, output) == (2, f"{file} is no ELF program\n")
    status, output = command(tmp_path / "missing")
    assert status == 2
    assert "No such file" in output


def test_stock_stops_where_ours_goes_on(build):
    """The reason for all this: a timed wait never ends on Qiling as released."""
    program = build("deadlines", "gcc")
    assert run_on_qiling(Kind.STOCK_CLONE3, program, [], 10).outcome != "finished"
    assert run_on_qiling(Kind.PYFUTEX, program, [], 60).outcome == "finished"


def test_a_guest_without_threads_is_refused(build):
    qiling = pytest.importorskip("qiling")
    from pyfutex.integrations.qiling import install

    program = build("mutex", "gcc")
    ql = qiling.Qiling(
        [str(program.path)], str(program.path.parent), verbose=qiling.const.QL_VERBOSE.DISABLED
    )
    with pytest.raises(ValueError, match="multithread"):
        install(ql)
