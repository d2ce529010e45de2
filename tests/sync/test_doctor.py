"""``python -m pyfutex doctor``: what works here is said, and what does not."""

import errno
import os
import re
import subprocess
import sys

import pytest
from sync.test_lock_places import apart

from pyfutex import doctor
from pyfutex.__main__ import main
from pyfutex.doctor import Verdict


def found(subject):
    """What is found about a subject."""
    (finding,) = [each for each in doctor.examine() if each.subject == subject]
    return finding


def test_every_line_has_a_verdict(capsys):
    status = main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 10
    assert all(re.match(r"(ok|less|no)  +\S", line) for line in lines)
    assert status == any(line.startswith("no ") for line in lines)


def test_it_says_which_kernel_library_and_interpreter():
    assert os.uname().release in found("kernel").said
    assert found("interpreter").said.endswith("the GIL")
    assert found("C library").said


def test_a_lock_outlives_its_owner():
    assert found("robust locks").verdict is Verdict.OK


def test_without_proc_there_are_no_robust_locks():
    hide_proc = 'mount -t tmpfs none /proc && exec "$@"'
    command = [*apart("--mount"), "sh", "-c", hide_proc, "sh", sys.executable, "-m", "pyfutex", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert re.search(r"^no +robust locks +.*robust=False$", done.stdout, re.MULTILINE)
    assert re.search(r"^no +PID namespace +/proc does not tell", done.stdout, re.MULTILINE)
    assert re.search(r"^less +inspect", done.stdout, re.MULTILINE)


def test_a_pid_namespace_that_is_not_the_machines_is_said():
    command = [*apart("--pid", "--fork", "--mount-proc"), sys.executable, "-m", "pyfutex", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^less +PID namespace +pid:\[\d+\], a container's", done.stdout, re.MULTILINE)


def test_the_machines_pid_namespace_is_said(monkeypatch):
    monkeypatch.setattr(doctor, "FIRST_PID_NAMESPACE", os.readlink("/proc/self/ns/pid"))
    assert found("PID namespace").verdict is Verdict.OK


def test_small_shared_memory_is_said():
    small = 'mount -t tmpfs -o size=64m none /dev/shm && exec "$@"'
    command = [*apart("--mount"), "sh", "-c", small, "sh", sys.executable, "-m", "pyfutex", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert re.search(r"^less +/dev/shm +64 MiB, 64 MiB free: small", done.stdout, re.MULTILINE), done.stderr


def test_no_shared_memory_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "SHARED_MEMORY", str(tmp_path / "none"))
    assert found(str(tmp_path / "none")).verdict is Verdict.NO


@pytest.mark.parametrize("name", ["pi", "requeue_pi", "lock_pi2", "waitv", "futex2"])
def test_a_call_that_the_kernel_lacks_is_said(monkeypatch, name):
    class Old:
        supported = doctor.Kernel.supported - {name}

    monkeypatch.setattr(doctor, "Kernel", Old)
    assert found(f"futex: {name}").verdict is Verdict.LESS


def test_old_kernels_and_file_systems_are_said(monkeypatch):
    def refuse(*args):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(doctor, "MADV_POPULATE_WRITE", 9999)
    assert found("MADV_POPULATE").verdict is Verdict.LESS
    monkeypatch.setattr(os, "open", refuse)
    assert doctor.nameless_files().verdict is Verdict.LESS


@pytest.mark.parametrize(
    ("why", "supported", "verdict", "said"),
    [
        (None, {"waitv"}, Verdict.OK, "io_uring"),
        (
            PermissionError(errno.EPERM, "Refused"),
            {"waitv"},
            Verdict.LESS,
            r"no io_uring \(Refused\): a thread",
        ),
        (
            OSError(errno.ENOSYS, "Unknown"),
            set(),
            Verdict.LESS,
            r"no io_uring \(Unknown\) and no futex_waitv",
        ),
    ],
)
def test_it_says_by_what_words_are_awaited(monkeypatch, why, supported, verdict, said):
    class Other:
        pass

    Other.supported = supported
    monkeypatch.setattr(doctor, "why_no_ring", lambda: why)
    monkeypatch.setattr(doctor, "Kernel", Other)
    finding = doctor.awaited_words()
    assert finding.verdict is verdict
    assert re.search(said, finding.said)
