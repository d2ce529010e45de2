"""Compilers as others would call them: against the installed package, with its headers alone, warnings as errors."""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

import pyfutex

HERE = Path(__file__).parent
INSTALLED = Path(pyfutex.__file__).resolve().parents[1]
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
INCLUDES = ("-isystem", sysconfig.get_path("include"), "-I", pyfutex.get_include())
WARNINGS = ("-Wall", "-Wextra", "-Werror")
# What Cython generates: static functions of inlined .pxd files that nobody uses, casts of methods.
OF_CYTHON = (
    "-Wno-unused-function",
    "-Wno-cast-function-type",
    "-Wno-missing-field-initializers",
    "-Wno-unused-parameter",
)


def command_of(variable, *names):
    """The words of an environment variable, or the first of the commands that is there; None."""
    if given := os.environ.get(variable):
        return shlex.split(given)
    return next(([found] for name in names if (found := shutil.which(name))), None)


class Builder:
    """Compiles into a folder of its own, once for each name."""

    def __init__(self, folder):
        self.folder = folder
        self.made = {}
        self.cc = command_of("CC", "cc", "gcc", "clang")
        self.cxx = command_of("CXX", "c++", "g++", "clang++")

    def run(self, command, **options):
        """The output of a compiler, which has nothing to say if it succeeds."""
        done = subprocess.run(
            [os.fspath(word) for word in command], capture_output=True, text=True, check=False, **options
        )
        said = done.stdout + done.stderr
        assert (done.returncode, said) == (0, ""), said

    def new_folder(self):
        """A folder for one product, whose name says what it is."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    def needs_c(self):
        """Skip where C cannot be compiled for this Python."""
        if self.cc is None:
            pytest.skip("no C compiler")
        if not Path(sysconfig.get_path("include"), "Python.h").exists():
            pytest.skip("no headers of Python")

    def check_c(self, source, *, first_includes=()):
        """Compile, and keep nothing."""
        self.needs_c()
        first = [word for folder in first_includes for word in ("-I", folder)]
        self.run([*self.cc, "-std=c11", "-fsyntax-only", *WARNINGS, *first, *INCLUDES, source])

    def check_cxx(self, source):
        """Compile C as C++, and keep nothing."""
        self.needs_c()
        if self.cxx is None:
            pytest.skip("no C++ compiler")
        flags = ("-x", "c++", "-std=c++17", "-fsyntax-only", *WARNINGS, *INCLUDES)
        self.run([*self.cxx, *flags, source])

    def extension(self, source, *options, first_includes=()):
        """The path of an extension module made of a file of C."""
        self.needs_c()
        key = source, options, first_includes
        if key not in self.made:
            target = self.new_folder() / (source.stem + SUFFIX)
            first = [word for folder in first_includes for word in ("-I", folder)]
            flags = ("-std=gnu11", "-O1", "-g0", "-shared", "-fPIC", "-pthread", *WARNINGS)
            self.run([*self.cc, *flags, *options, *first, *INCLUDES, "-o", target, source])
            self.made[key] = target
        return self.made[key]

    def cython(self, source, *first_includes):
        """The path of the C that Cython makes of a file; its own warnings are errors too."""
        self.needs_c()
        if importlib.util.find_spec("Cython") is None:
            pytest.skip("no Cython")
        key = source, first_includes
        if key not in self.made:
            target = self.new_folder() / (source.stem + ".c")
            folders = [
                word for folder in (*first_includes, INSTALLED, source.parent) for word in ("-I", folder)
            ]
            flags = ("-3", "--warning-errors", "--warning-extra", "-Xfreethreading_compatible=True")
            self.run([sys.executable, "-m", "cython", *flags, *folders, "-o", target, source])
            self.made[key] = target
        return self.made[key]

    def cython_extension(self, source, *options, first_includes=()):
        """The path of an extension module made of a file of Cython."""
        made = self.cython(source, *first_includes)
        return self.extension(made, *OF_CYTHON, *options)
