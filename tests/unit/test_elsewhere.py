"""What a build without a Linux kernel's futexes says where they are missed; make portable makes one."""

import os
import subprocess
import sys

import pytest

import pyfutex
from pyfutex import _elsewhere, aio, doctor
from pyfutex._buildoptions import KERNEL, PARKING
from pyfutex.doctor import Verdict

SAID = "needs the futexes of a Linux kernel, which this build of pyfutex is without"
without_kernel = pytest.mark.skipif(KERNEL, reason="this build has the kernel's futexes")


def run(*arguments):
    """A command of the package."""
    return subprocess.run(
        [sys.executable, "-m", "pyfutex", *arguments], capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize("name", ["Kernel", "KernelFutex", "Words"])
def test_a_stand_in_cannot_be_made(name):
    with pytest.raises(NotImplementedError, match=rf"^pyfutex\.(aio\.)?{name} {SAID}$"):
        getattr(_elsewhere, name)(1, futex2=True)


def test_no_feature_of_a_kernel_is_there():
    assert _elsewhere.Kernel.supported == frozenset()
    assert SAID in _elsewhere.why_no_ring().strerror


def test_the_doctor_says_how_threads_sleep():
    (finding,) = [each for each in doctor.examine() if each.subject == "parking"]
    assert (finding.verdict is Verdict.OK) == (PARKING == "futex")
    assert "native futexes" in finding.said or "20 times a second" in finding.said


def test_every_public_name_is_there():
    assert all(hasattr(pyfutex, name) for name in pyfutex.__all__)
    assert all(hasattr(aio, name) for name in aio.__all__)


@without_kernel
def test_the_stand_ins_have_the_names():
    assert pyfutex.Kernel is _elsewhere.Kernel
    assert pyfutex.KernelFutex is _elsewhere.KernelFutex
    assert aio.Words is _elsewhere.Words


@without_kernel
@pytest.mark.parametrize("name", ["pyfutex.sync", "pyfutex.sync.lock", "pyfutex.aio.shared"])
def test_modules_that_are_not_there_say_why(name):
    with pytest.raises(ImportError, match=rf"^pyfutex\.(sync|aio\.shared) {SAID}$"):
        __import__(name)


@without_kernel
def test_the_doctor_says_what_is_missing():
    done = run("doctor")
    assert done.returncode == 1, done.stderr
    assert f"pyfutex.sync, as pyfutex.Kernel, {SAID}" in done.stdout


@without_kernel
def test_commands_that_need_it_are_gone():
    said = run("--help").stdout
    assert "doctor" in said
    assert "inspect" not in said
    assert run("demo", "queue", "--items", "100", "--rounds", "1").returncode == 0


@without_kernel
@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs /proc")
def test_nothing_of_it_is_loaded():
    program = "import pyfutex, pyfutex.linux, pyfutex.aio; print(open('/proc/self/maps').read())"
    maps = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    ).stdout
    assert "pyfutex/manager" in maps
    assert "pyfutex/kernel" not in maps
