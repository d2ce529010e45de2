"""A library of Rust, loaded through ctypes, whose threads meet in pyfutex."""

import ctypes
import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from consumer.compilers import HERE

SOURCE = HERE / "rust_cdylib" / "lib.rs"
OLDEST = (1, 82)  # `unsafe extern`


def find_rustc():
    """The compiler, and why there is none."""
    found = shutil.which("rustc") or shutil.which("rustc", path=os.fspath(Path.home() / ".cargo" / "bin"))
    if found is None:
        return None, "no rustc"
    done = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    if done.returncode:
        return None, "rustc does not run"
    version = tuple(int(number) for number in done.stdout.split()[1].split(".")[:2])
    if version < OLDEST:
        return None, f"rustc is older than {'.'.join(map(str, OLDEST))}"
    return found, None


@pytest.fixture(scope="module")
def library(builder):
    rustc, reason = find_rustc()
    if reason is None and builder.cc is None:
        reason = "rustc has no linker"
    if reason:
        pytest.skip(reason)
    target = builder.new_folder() / "libconsumer.so"
    flags = (
        "--crate-type",
        "cdylib",
        "--crate-name",
        "consumer",
        "--edition",
        "2021",
        "-D",
        "warnings",
        "-O",
    )
    builder.run([rustc, *flags, "-C", f"linker={builder.cc[0]}", "-o", target, SOURCE])
    imported = ctypes.PyDLL(os.fspath(target))
    assert imported.consumer_import() == 0
    made = ctypes.CDLL(os.fspath(target))
    made.consumer_count.restype = ctypes.c_int64
    return made


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_a_lock_keeps_threads_of_rust_apart(library, n_threads):
    assert library.consumer_count(n_threads, 5000) == n_threads * 5000


def test_a_wait_ends_at_its_deadline(library):
    assert library.consumer_too_late() == -errno.ETIMEDOUT
