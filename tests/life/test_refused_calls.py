"""A system-call filter that knows none of the newer calls, as older containers have: what stands in for them is used.

Tests of what could use them run once more under such a filter, in a process of their own.
"""

import os
import subprocess
import sys
from errno import ENOSYS, EPERM
from pathlib import Path

import pytest
from life.filtered import NOT_PERMITTED

TESTS = Path(__file__).parents[1]
WITHOUT_NEW = [
    "life/refused.py",
    "unit/test_kernel.py",
    "unit/test_kernel_signals.py",
    "unit/test_waitv.py",
    "sync/test_doctor.py",
]
WITHOUT_IO_URING = [
    "life/ring_refused.py",
    "awaitedwords/test_words.py",
    "awaitedwords/test_words_life.py",
]
WITHOUT_WAITV = ["sync/test_barrier_deaths.py", "sync/test_rwlock_deaths.py"]
WITHOUT_WAKE_OP = ["sync/test_lock_signals.py", "sync/test_lock_endings.py"]


@pytest.fixture
def watchdog_seconds(watchdog_seconds):
    """Each test runs many."""
    return 5 * watchdog_seconds


@pytest.mark.parametrize(
    ("calls", "error", "names"),
    [
        pytest.param("new", ENOSYS, WITHOUT_NEW + WITHOUT_WAITV, id="new-ENOSYS"),
        pytest.param("new", EPERM, WITHOUT_NEW, id="new-EPERM"),
        pytest.param("io_uring", ENOSYS, WITHOUT_IO_URING[:1], id="io_uring-ENOSYS"),
        pytest.param("io_uring", EPERM, WITHOUT_IO_URING, id="io_uring-EPERM"),
        pytest.param("wake_op", ENOSYS, WITHOUT_WAKE_OP, id="wake_op-ENOSYS"),
        pytest.param("wake_op", EPERM, WITHOUT_WAKE_OP[:1], id="wake_op-EPERM"),
    ],
)
def test_it_works_where_calls_are_refused(calls, error, names):
    files = [os.fspath(TESTS / name) for name in names]
    command = [
        sys.executable,
        "-m",
        "life.filtered",
        str(error),
        calls,
        "-q",
        "-p",
        "no:cacheprovider",
        *files,
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=TESTS.parent,
        env=os.environ | {"PYTHONPATH": os.fspath(TESTS)},
    )
    if done.returncode == NOT_PERMITTED:
        pytest.skip("no system-call filter may be installed here")
    assert done.returncode == 0, done.stdout
