"""What the header of an ELF program says about who can run it."""

import os
import platform
import shutil
from pathlib import Path
from typing import NamedTuple

MACHINES = {3: "x86", 8: "mips", 40: "arm", 62: "x86_64", 183: "aarch64"}
HEADER_SIZE = 20


class Program(NamedTuple):
    """A program and its processor."""

    path: Path
    machine: str  # as `MACHINES` names it, or the number
    is_big_endian: bool

    def __str__(self) -> str:
        order = (" big-endian" if self.is_big_endian else " little-endian") if self.machine == "mips" else ""
        return f"{self.path.name} ({self.machine}{order})"


def read_program(path: Path) -> Program:
    """Look at the header of the file at `path`; ValueError if it is no ELF program, OSError if it cannot be read."""
    with open(path, "rb") as file:
        header = file.read(HEADER_SIZE)
    if len(header) < HEADER_SIZE or header[:4] != b"\x7fELF":
        raise ValueError(f"{path} is no ELF program")
    is_big_endian = header[5] == 2
    machine = int.from_bytes(header[18:20], "big" if is_big_endian else "little")
    return Program(path.resolve(), MACHINES.get(machine, str(machine)), is_big_endian)


def native_command(program: Program) -> list[str] | None:
    """How this machine runs the program without Qiling: by itself, or through qemu's user mode; None if it cannot."""
    if program.machine == platform.machine():
        return [os.fspath(program.path)]
    suffix = {"arm": "arm", "mips": "mips" if program.is_big_endian else "mipsel"}.get(program.machine)
    if suffix is None:
        return None
    for name in (f"qemu-{suffix}-static", f"qemu-{suffix}"):
        emulator = shutil.which(name)
        if emulator:
            return [emulator, os.fspath(program.path)]
    return None
