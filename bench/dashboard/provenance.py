"""What a saved run says about itself: the machine, the versions of all that is in it, the commit.

Hooks of pytest-benchmark. bench/conftest.py takes them over.
"""

from __future__ import annotations

import os
import platform
import re
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pyfutex._core import engine

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

__all__ = [
    "pytest_benchmark_update_commit_info",
    "pytest_benchmark_update_json",
    "pytest_benchmark_update_machine_info",
]

# Every Cython module of a process shares its types through a module of this name, which only Cython's version tells apart.
CYTHON_SHARED_TYPES = re.compile(r"_cython_(\d+_\d+(?:_\w+)*)$")
# What a compiler leaves in the .comment section of an object.
COMPILER_COMMENT = re.compile(rb"(?:GCC: \([^)\0]*\) [\d.]+|[\w ]*clang version [\d.]+)")


def cython_version() -> str:
    """The Cython that generated the modules in this process, or "unknown"."""
    found = {match[1].replace("_", ".") for name in sys.modules if (match := CYTHON_SHARED_TYPES.match(name))}
    return ", ".join(sorted(found)) or "unknown"


def compiler_of(library: Path) -> str:
    """The compiler named in a shared library, or "unknown"."""
    found = COMPILER_COMMENT.findall(library.read_bytes())
    return ", ".join(sorted({text.decode().strip() for text in found})) or "unknown"


def libc_version() -> str:
    """The C library of this process."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or "unknown"
    except (ValueError, OSError):
        return " ".join(platform.libc_ver()).strip() or "unknown"


def versions() -> dict[str, str]:
    """Whatever a figure can depend on beside the machine and the commit."""
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    return {
        "pyfutex": version("pyfutex"),
        "python": f"{platform.python_implementation()} {platform.python_version()}{'t' * free_threaded}",
        "cython": cython_version(),
        "compiler": compiler_of(Path(engine.__file__)),
        "libc": libc_version(),
        "kernel": platform.release(),
        "pytest-benchmark": version("pytest-benchmark"),
    }


def pytest_benchmark_update_machine_info(machine_info: MutableMapping[str, Any]) -> None:
    """Say how many cores there were to run on, and how much memory; leave out a hundred names of processor features."""
    machine_info["cores"] = len(os.sched_getaffinity(0))
    machine_info["ram"] = f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB"
    machine_info["cpu"].pop("flags", None)


def pytest_benchmark_update_commit_info(commit_info: MutableMapping[str, Any]) -> None:
    """Name the project, whatever the directory of the checkout is called."""
    commit_info["project"] = "pyfutex"


def pytest_benchmark_update_json(output_json: MutableMapping[str, Any]) -> None:
    """Add the versions and the load, and a unit and a direction to each benchmark that has not said its own."""
    output_json["versions"] = versions()
    output_json["load"] = os.getloadavg()[0]
    for benchmark in output_json["benchmarks"]:
        benchmark["extra_info"].setdefault("unit", "ns")
        benchmark["extra_info"].setdefault("direction", "lower")
