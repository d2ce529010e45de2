"""Programs of others, built as they would build them, and imported."""

import importlib.util
import os
import subprocess
import sys

import pytest
from consumer.compilers import INSTALLED, SUFFIX, Builder


@pytest.fixture(scope="session")
def builder(tmp_path_factory):
    """Builds what a test asks for; skips where it cannot."""
    return Builder(tmp_path_factory.mktemp("consumers"))


def load(path):
    """The module of an extension module's file, not entered in sys.modules."""
    spec = importlib.util.spec_from_file_location(path.name.removesuffix(SUFFIX), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def imported():
    """Load an extension module: ``imported(path)``."""
    return load


@pytest.fixture
def fails_to_import():
    """The last line of what an interpreter of its own says to the import of an extension module."""

    def attempt(path):
        name = path.name.removesuffix(SUFFIX)
        done = subprocess.run(
            [sys.executable, "-c", f"import {name}"],
            cwd=path.parent,
            env={**os.environ, "PYTHONPATH": os.fspath(INSTALLED)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        return done.stderr.splitlines()[-1]

    return attempt
