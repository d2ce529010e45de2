"""The libraries that contenders come from: which version is here, and why one is not."""

from __future__ import annotations

import importlib
import subprocess
import sys
import warnings
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

from measure import free_threaded


@dataclass(frozen=True)
class Library:
    """Where contenders come from.

    Attributes
    ----------
    module : str
    distribution : str, optional
        Its name on PyPI; None for what Python brings.
    needs : str, optional
        What keeps it from being installed on some Pythons.
    """

    module: str
    distribution: str | None = None
    needs: str = ""

    @property
    def version(self) -> str:
        """Of the library, or of Python."""
        return version(self.distribution) if self.distribution else sys.version.split()[0]

    def __str__(self) -> str:
        return f"{self.distribution or 'Python'} {self.version}"

    @property
    def absence(self) -> str | None:
        """Why it cannot be used, if it cannot."""
        return self.distribution and absence_of(self.module, self.distribution, self.needs)


@cache
def absence_of(module: str, distribution: str, needs: str) -> str | None:
    """Why a module cannot be imported here, if it cannot."""
    # Where there is no GIL, an extension that is not made for that brings it back when it is imported, for everybody.
    attempt = [sys.executable, "-W", "error::RuntimeWarning", "-c", f"import {module}"]
    if free_threaded() and subprocess.run(attempt, capture_output=True, check=False).returncode:
        return f"{distribution} is not installed, or needs the GIL"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            importlib.import_module(module)
        except ModuleNotFoundError:
            return f"{distribution} is not installed" + (needs and f"; it needs {needs}")
        except ImportError as error:
            return f"{distribution} cannot be imported: {error}"
    return None


LIBRARIES = {
    "pyfutex": Library("pyfutex", "pyfutex"),
    "python": Library("threading"),
    "posix_ipc": Library("posix_ipc", "posix_ipc"),
    "posixipc": Library("posixipc.linux", "python-posixipc", "Python 3.12"),
    "fastipc": Library("fastipc._primitives", "fastipc"),
    "atomicshm": Library("atomicshm", "atomicshm"),
    "aiologic": Library("aiologic", "aiologic"),
}
