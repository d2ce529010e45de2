"""Threads of C on pyfutex_lock.h under the compiler's sanitizers: silent, and not silent where they must not be."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from consumer.compilers import WARNINGS, Builder

import pyfutex

SOURCE = Path(__file__).parent / "c" / "crowd.c"
INCLUDE = pyfutex.get_include()
SECONDS = 50
RUNTIMES = {"thread": "tsan", "address,undefined": "asan"}
OF_THE_KERNEL = "__atomic_fetch_or(word, 0, __ATOMIC_RELEASE)"


@pytest.fixture
def crowd(tmp_path):
    """Compile and run: ``crowd(sanitizer, *options, include=)`` gives the ended process."""
    builder = Builder(tmp_path)
    builder.needs_c()

    def run(sanitizer, *options, include=INCLUDE):
        runtime = subprocess.run(
            [*builder.cc, f"-print-file-name=lib{RUNTIMES[sanitizer]}.so"], capture_output=True, check=False
        )
        if not os.path.isabs(runtime.stdout.strip()):
            pytest.skip(f"the compiler has no lib{RUNTIMES[sanitizer]}")
        program = builder.new_folder() / "crowd"
        flags = ("-std=gnu11", "-O1", "-g", "-pthread", *WARNINGS, "-I", include)
        checked = (f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all")
        builder.run([*builder.cc, *flags, *checked, *options, "-o", program, SOURCE])
        # Its own runtime is linked in; another one would come before it.
        environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        environment["TSAN_OPTIONS"] = "halt_on_error=1"
        fixed = ["setarch", os.uname().machine, "-R"] if shutil.which("setarch") else []
        if fixed and subprocess.run([*fixed, "true"], capture_output=True, check=False).returncode:
            fixed = []
        return subprocess.run(
            [*fixed, program],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )

    return run


@pytest.mark.parametrize("sanitizer", RUNTIMES)
def test_nothing_is_reported(crowd, sanitizer):
    done = crowd(sanitizer)
    assert (done.returncode, done.stderr) == (0, "")


def test_threads_without_the_lock_are_reported(crowd):
    done = crowd("thread", "-DNO_LOCK")
    assert done.returncode != 0
    assert "data race" in done.stderr


def test_a_release_that_the_kernel_would_not_order_is_reported(crowd, tmp_path):
    """What the sanitizer is told of the kernel's store is needed, and where it is told, the lock is contended."""
    include = tmp_path / "mutant"
    shutil.copytree(INCLUDE, include)
    header = include / "pyfutex_lock.h"
    text = header.read_text(encoding="utf-8")
    assert text.count(OF_THE_KERNEL) == 1
    header.write_text(text.replace(OF_THE_KERNEL, "(void)word"), encoding="utf-8")
    done = crowd("thread", include=include)
    assert done.returncode != 0
    assert "data race" in done.stderr
