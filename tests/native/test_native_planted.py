"""Controls of `make asan` and `make tsan`: each sanitizer reports the bugs that were planted for it, and nothing else.

They run where PYFUTEX_SANITIZERS says what is watching, which `.ci/under` sets: a sanitizer that was not built in or sees
nothing fails here.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pyfutex

pytest.importorskip("pyfutex_native.planted", reason="pyfutex-native-tests is not installed")

SANITIZERS = set(filter(None, os.environ.get("PYFUTEX_SANITIZERS", "").split(",")))

pytestmark = pytest.mark.skipif(not SANITIZERS, reason="nothing watches: make asan, make tsan")

SECONDS = 50
PROGRAM = """
import threading
from pyfutex_native import planted

def together(*calls):
    barrier = threading.Barrier(len(calls))
    threads = [threading.Thread(target=lambda call=call: (barrier.wait(), call())) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

"""
REPORTED = [
    ("planted.past_the_end()", "address", "heap-buffer-overflow"),
    ("planted.after_free()", "address", "heap-use-after-free"),
    ("planted.shift_too_far()", "undefined", "shift exponent 32 is too large"),
    ("planted.misaligned()", "undefined", "misaligned address"),
    ("planted.leak()", "leak", "123 byte(s) leaked in 1 allocation(s)"),
    ("together(*[lambda: planted.count(10_000_000)] * 2)", "thread", "data race"),
    ("together(planted.subscribe, planted.publish)", "thread", "data race"),
]


def run(code):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM + code], capture_output=True, text=True, check=False, timeout=SECONDS
    )


@pytest.mark.parametrize(("code", "sanitizer", "report"), REPORTED, ids=[code for code, _, _ in REPORTED])
def test_a_planted_bug_is_reported(code, sanitizer, report):
    if sanitizer not in SANITIZERS:
        pytest.skip(f"{sanitizer}: not of this run")
    done = run(code)
    assert done.returncode != 0
    assert report in done.stderr


def test_nothing_is_reported_without_a_bug():
    done = run("planted.count(1000)")
    assert (done.returncode, done.stderr) == (0, "")


def libraries():
    return sorted(Path(pyfutex.__file__).parent.rglob("*.so"))


@pytest.mark.parametrize("library", libraries(), ids=lambda path: path.name.partition(".")[0])
def test_every_library_is_watched(library):
    marks = {"address": b"__asan_init", "thread": b"__tsan_init", "undefined": b"__ubsan_handle"}
    code = library.read_bytes()
    assert [name for name, mark in marks.items() if name in SANITIZERS and mark not in code] == []
