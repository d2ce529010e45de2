"""``python examples/unicorn_guest --demo``: programs natively and as guests, in many interleavings, side by side."""

import os
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from pyfutex.demo.progress import progress_bar
from unicorn_guest.elf import read_elf
from unicorn_guest.ledger import FutexLedger
from unicorn_guest.machine import Machine

PROGRAMS = Path(__file__).parent / "programs"
NAMES = ("sync", "owners", "clockwait", "c11", "signals", "futexcalls")
SEEDS = range(12)
SECONDS = 60  # for a native run
NOT_HERE = 77  # exit status of a program that needs a newer kernel


class Program(NamedTuple):
    """A static program, and what it printed natively."""

    name: str
    path: Path
    output: bytes
    status: int


def compile_program(compiler: str, name: str, directory: Path) -> Path | None:
    """A static executable of one of the programs; None if the compiler cannot make it."""
    path = directory / name
    command = [
        compiler,
        "-O1",
        "-static",
        "-pthread",
        "-o",
        os.fspath(path),
        os.fspath(PROGRAMS / f"{name}.c"),
    ]
    done = subprocess.run(command, capture_output=True, check=False)
    return path if done.returncode == 0 else None


def run_natively(name: str, path: Path) -> Program:
    """Run a program on this machine."""
    done = subprocess.run([os.fspath(path)], stdout=subprocess.PIPE, timeout=SECONDS, check=False)
    return Program(name, path, done.stdout, done.returncode)


def run_as_guest(program: Program, seed: int) -> tuple[bytes, int, FutexLedger]:
    """Run a program in Unicorn: what it printed, its exit status, and what its futex calls were."""
    output = bytearray()
    ledger = FutexLedger()
    machine = Machine(
        read_elf(program.path.read_bytes()),
        [os.fsencode(program.path)],
        seed=seed,
        output=lambda fd, data: output.extend(data) if fd == 1 else None,
        ledger=ledger,
    )
    status = machine.run()
    return bytes(output), status, ledger


def main() -> int:
    """Run the demo; the exit status: 0, also where there is nothing to compile with, or 1 if a run differed."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        print("guest demo: no C compiler here, so there is no program to run")
        return 0
    with tempfile.TemporaryDirectory(prefix="pyfutex-guest-") as directory:
        paths = [(name, compile_program(compiler, name, Path(directory))) for name in NAMES]
        natives = [run_natively(name, path) for name, path in paths if path is not None]
        programs = [program for program in natives if program.status != NOT_HERE]
        if not programs:
            print(
                f"guest demo: {compiler} makes no static programs here (is the static C library installed?)"
            )
            return 0
        print(
            f"{len(programs)} unmodified pthread programs, natively and as guests of Unicorn,\n"
            f"each in {len(SEEDS)} interleavings; every futex call of the guests is answered by pyfutex.linux\n",
            flush=True,
        )
        return compare(programs)


def compare(programs: list[Program]) -> int:
    """Run each program with every seed, and print what came of it."""
    differing: list[str] = []
    ledgers = {program.name: FutexLedger() for program in programs}
    with progress_bar(len(programs) * len(SEEDS)) as step:
        for program in programs:
            for seed in SEEDS:
                step(f"{program.name}, seed {seed}")
                output, status, ledger = run_as_guest(program, seed)
                add(ledgers[program.name], ledger)
                if (output, status) != (program.output, program.status):
                    differing.append(f"{program.name} with seed {seed}")
    print(
        f"\n{'program':<12}{'printed':>9}{'calls':>9}{'waits':>9}{'woken':>9}{'timeouts':>10}{'signals':>9}"
        f"{'requeued':>10}{'blocked':>10}"
    )
    for program in programs:
        ledger = ledgers[program.name]
        print(
            f"{program.name:<12}{len(program.output):>7} B{ledger.calls.total():>9,}{ledger.n_waits:>9,}"
            f"{ledger.n_woken:>9,}{ledger.n_timeouts:>10,}{ledger.n_interrupted:>9,}{ledger.n_requeued:>10,}"
            f"{ledger.blocked_ns / 1e9:>8.2f} s"
        )
    print("blocked: virtual time that threads spent in futex waits, all of them together")
    total: Counter[str] = sum((ledger.calls for ledger in ledgers.values()), Counter())
    print("\nby operation: " + ", ".join(f"{name} {count:,}" for name, count in total.most_common()))
    for found in differing:
        print(f"FAILED  {found}: the guest's output is not the native one")
    if not differing:
        print(f"ok  all {len(programs) * len(SEEDS)} runs printed what the native runs printed")
    return int(bool(differing))


def add(total: FutexLedger, ledger: FutexLedger) -> None:
    """Add one run to the sum of others."""
    total.calls += ledger.calls
    total.n_waits += ledger.n_waits
    total.n_woken += ledger.n_woken
    total.n_timeouts += ledger.n_timeouts
    total.n_interrupted += ledger.n_interrupted
    total.n_requeued += ledger.n_requeued
    total.blocked_ns += ledger.blocked_ns
