"""Guests of Unicorn: programs compiled once, run natively once, and as guests with any seed."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PROGRAMS = EXAMPLES / "unicorn_guest" / "programs"
sys.path.insert(0, os.fspath(EXAMPLES))


def pytest_collection_modifyitems(items):
    """One clear reason for all."""
    if importlib.util.find_spec("unicorn") is None:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="Unicorn is not installed"))


class Guests:
    """Static programs, by name and compiler."""

    def __init__(self, directory):
        self.directory = directory
        self.made = {}

    def build(self, name, compiler):
        """The path of a program; skips where there is no such compiler or no static C library for it."""
        if (name, compiler) not in self.made:
            (source,) = PROGRAMS.glob(f"{name}.c*")
            path = self.directory / f"{name}.{compiler}"
            options = ["-std=c++20"] if source.suffix == ".cpp" else []
            command = [
                compiler,
                *options,
                "-O1",
                "-static",
                "-pthread",
                "-o",
                os.fspath(path),
                os.fspath(source),
            ]
            made = (
                shutil.which(compiler)
                and subprocess.run(command, capture_output=True, check=False).returncode == 0
            )
            self.made[name, compiler] = path if made else None
        if self.made[name, compiler] is None:
            pytest.skip(f"{compiler} makes no static {name} here")
        return self.made[name, compiler]

    def native(self, name, compiler):
        """What a program prints, and its exit status, on this machine."""
        done = subprocess.run([self.build(name, compiler)], stdout=subprocess.PIPE, timeout=30, check=False)
        if done.returncode == 77:
            pytest.skip(f"this kernel is too old for {name}")
        return done.stdout, done.returncode

    def run(self, name, compiler, seed=0, trace=None):
        """The same as a guest."""
        from unicorn_guest.elf import read_elf
        from unicorn_guest.ledger import FutexLedger
        from unicorn_guest.machine import Machine

        path = self.build(name, compiler)
        output = bytearray()
        machine = Machine(
            read_elf(path.read_bytes()),
            [os.fsencode(path)],
            seed=seed,
            output=lambda fd, data: output.extend(data) if fd == 1 else None,
            ledger=FutexLedger(trace),
        )
        status = machine.run()
        return bytes(output), status


@pytest.fixture(scope="session")
def guests(tmp_path_factory):
    """Builds and runs programs."""
    return Guests(tmp_path_factory.mktemp("guests"))
