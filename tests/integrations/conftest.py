"""Skips everything here where Qiling is missing, and compiles the example programs once."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from pyfutex.sidebyside.elf import read_program
from pyfutex.sidebyside.runs import compile_static

PROGRAMS = Path(__file__).resolve().parents[2] / "examples" / "qiling"


def has_qiling():
    """Tell by one of its modules: a directory of that name among the examples looks like a package too."""
    try:
        return importlib.util.find_spec("qiling.const") is not None
    except ModuleNotFoundError:
        return False


def pytest_collection_modifyitems(items):
    """One clear reason for all."""
    if not has_qiling():
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="Qiling is not installed: make qiling has it"))


@pytest.fixture
def watchdog_seconds():
    """A run of a program may take most of this."""
    return 120


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """A static program: ``build("mutex", "gcc")``; skips where the compiler is missing."""
    made = {}

    def compiled(name, compiler):
        if shutil.which(compiler) is None:
            pytest.skip(f"no {compiler} here")
        if (name, compiler) not in made:
            directory = tmp_path_factory.mktemp(compiler)
            made[name, compiler] = read_program(compile_static(PROGRAMS / f"{name}.c", compiler, directory))
        return made[name, compiler]

    return compiled
