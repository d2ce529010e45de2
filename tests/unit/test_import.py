"""What an import brings with it: no module of the standard library that takes long to import and can be done without."""

import subprocess
import sys

import pytest

OF_THE_PACKAGE = {"typing", "re", "threading", "queue"}
OF_ANY_PART = {
    "asyncio",
    "ctypes",
    "dataclasses",
    "hashlib",
    "inspect",
    "multiprocessing",
    "random",
    "secrets",
    "tempfile",
}


@pytest.mark.parametrize(
    ("module", "left_out"), [("pyfutex", OF_THE_PACKAGE | OF_ANY_PART), ("pyfutex.sync", OF_ANY_PART)]
)
def test_import_is_spared_what_is_slow(module, left_out):
    script = f"import sys; before = set(sys.modules); import {module}; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert module in imported
    assert imported & left_out == set()


def test_it_is_imported_without_docstrings_too():
    script = "import pyfutex.sync, pyfutex.aio; print(pyfutex.WaitItem._fields[0])"
    done = subprocess.run(
        [sys.executable, "-I", "-OO", "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "mem\n", "")


@pytest.mark.parametrize("module", ["addressspace", "kernel", "nativetarget"])
def test_a_module_that_is_imported_late_is_an_attribute(module):
    script = f"import pyfutex; print(pyfutex.{module}.__name__)"
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"pyfutex.{module}\n", "")
