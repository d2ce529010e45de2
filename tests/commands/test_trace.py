"""``python -m pyfutex trace``: the program runs as it would without, and its trace is written however it ends."""

import json
import os
import subprocess
import sys

import pytest

from pyfutex.__main__ import main

WAITS = """
import threading
from pyfutex.sync import Event
ready = Event()
def wait():
    ready.wait()
threads = [threading.Thread(target=wait, name=f"guest {i}") for i in range(2)]
for thread in threads:
    thread.start()
while not ready.wait(timeout=0.01):
    if all(open(f"/proc/self/task/{each.native_id}/syscall").read().startswith("FUTEX ") for each in threads):
        ready.set()
"""
SYS_FUTEX = {"x86_64": 202, "aarch64": 98}[os.uname().machine]


def traced(tmp_path, source, *options, arguments=(), name="program.py", **more):
    """Run a program under the command: what it printed and so on, and its trace."""
    (tmp_path / name).write_text(source.replace("FUTEX", str(SYS_FUTEX)))
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pyfutex", "trace", "-o", "trace.json", *options, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        **more,
    )
    file = tmp_path / "trace.json"
    return ended, json.loads(file.read_text()) if file.exists() and file.stat().st_size else None


def waits(trace):
    """The waits of a trace."""
    return [event for event in trace["traceEvents"] if event.get("cat") == "wait"]


def test_the_waits_of_a_script_are_in_the_file(tmp_path):
    ended, trace = traced(tmp_path, WAITS, arguments=["program.py"])
    assert (ended.returncode, ended.stdout) == (0, "")
    assert "waited for Event ready, woken by MainThread" in ended.stderr
    assert {event["name"] for event in waits(trace)} == {"wait for Event ready"}
    names = {event["args"]["name"] for event in trace["traceEvents"] if event["ph"] == "M"}
    assert names == {"program.py", "MainThread", "guest 0", "guest 1"}
    assert {event["args"]["at"].rpartition(":")[0] for event in waits(trace)} == {"program.py"}
    assert trace["otherData"]["lost"] == 0


def test_a_script_has_its_arguments_its_name_and_its_folder(tmp_path):
    (tmp_path / "beside.py").write_text("here = 1")
    source = "import beside, sys; print(__name__, sys.argv[1:], beside.here)"
    ended, _ = traced(tmp_path, source, arguments=["program.py", "-o", "--most", "x"])
    assert ended.stdout == "__main__ ['-o', '--most', 'x'] 1\n"


def test_a_module_is_run_by_its_name(tmp_path):
    source = "import sys; print(__name__, sys.argv[1:])"
    ended, _ = traced(tmp_path, source, "-m", arguments=["program", "-v"])
    assert ended.stdout == "__main__ ['-v']\n"


@pytest.mark.parametrize(
    ("end", "status", "complaint"),
    [
        ("raise SystemExit(7)", 7, ""),
        ("raise ValueError('sold out')", 1, "ValueError: sold out"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", 130, "interrupted"),
    ],
)
def test_a_program_ends_as_it_would_and_leaves_its_trace(end, status, complaint, tmp_path):
    source = f"from pyfutex.sync import Event\nEvent().wait(timeout=0)\n{end}"
    ended, trace = traced(tmp_path, source, arguments=["program.py"])
    assert ended.returncode == status
    assert complaint in ended.stderr
    assert len(waits(trace)) == 1


def test_threads_that_outlive_the_script_are_waited_for(tmp_path):
    source = """
import os, threading
from pyfutex.sync import Event
goes_on = threading.Event()
def late():
    goes_on.wait()
    Event().wait(timeout=0)
threading.Thread(target=late).start()
threading.Timer(0.01, goes_on.set).start()
"""
    ended, trace = traced(tmp_path, source, arguments=["program.py"])
    assert ended.returncode == 0
    assert len(waits(trace)) == 1


def test_a_child_of_the_program_writes_no_trace(tmp_path):
    source = """
import os
from pyfutex.sync import Event
child = os.fork()
Event().wait(timeout=0)
if child:
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    ended, trace = traced(tmp_path, source, arguments=["program.py"])
    assert ended.stdout == "0\n"
    assert ended.stderr.count("trace.json") == 1
    assert len(waits(trace)) == 1


def test_what_finds_no_room_is_said(tmp_path):
    source = "from pyfutex.sync import Event\nfor _ in range(3): Event().wait(timeout=0)"
    ended, trace = traced(tmp_path, source, "--most", "1", arguments=["program.py"])
    assert "2 waits and wakes more found no room; see --most" in ended.stderr
    assert trace["otherData"]["lost"] == 2


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["-o", "/nowhere/trace.json", "program.py"], "/nowhere/trace.json: No such file or directory"),
        (["nothing.py"], "there is no nothing.py"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_program_runs(words, complaint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program.py").write_text("raise AssertionError('it ran')")
    assert main(["trace", *words]) == 2
    assert complaint in capsys.readouterr().err
