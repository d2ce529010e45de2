"""The sources keep to the layers of docs/architecture.md, and block only where the GIL is released."""

import os
import re
import subprocess
import sys
import sysconfig
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import NamedTuple

import pytest

import pyfutex

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
INSTALLED = Path(pyfutex.__file__).parent

# From the top down. A module imports from rows below its own alone.
LAYERS = (
    "pyfutex.aio._sharedsteps",
    "pyfutex.sync.barrier pyfutex.sync.condition pyfutex.sync.rwlock",
    "pyfutex.sync.lock pyfutex.sync.rlock pyfutex.sync.once",
    "pyfutex.sync.event pyfutex.sync.latch pyfutex.sync.semaphore",
    "pyfutex.sync._waitword pyfutex.sync._retire",
    "pyfutex.sync._shared",
    "pyfutex.sync._permits",
    "pyfutex.sync._slots",
    "pyfutex.sync._mutex",
    "pyfutex.sync._inherited",
    "pyfutex.sync._bell",
    "pyfutex.sync._thread pyfutex.sync._timeouts pyfutex.sync._sleepers pyfutex.sync.errors",
    "pyfutex.sync._robust",
    "pyfutex._capi",
    "pyfutex.cyfutex",
    "pyfutex.linux.calls pyfutex.linux.futex2",
    "pyfutex.linux.operations",
    "pyfutex.linux.task",
    "pyfutex.linux.exit pyfutex.linux.timespec",
    "pyfutex.linux.usercopy",
    "pyfutex.aio",
    "pyfutex.aio._uring pyfutex.aio._waitv",
    "pyfutex.aio._wordwait",
    "pyfutex.futex pyfutex.kernel",
    "pyfutex.manager pyfutex._kernelwaits",
    "pyfutex._vectormanager",
    "pyfutex._pimanager",
    "pyfutex._pi pyfutex._requeuepi",
    "pyfutex._blocking pyfutex._immediate pyfutex._calledpi pyfutex._wakes",
    "pyfutex._vectors",
    "pyfutex._calledtarget pyfutex._delivery pyfutex._inspection",
    "pyfutex._claims",
    "pyfutex.waiter pyfutex._futexword pyfutex._realwords",
    "pyfutex.completionqueue pyfutex.addressspace pyfutex._owners pyfutex.nativetarget",
    "pyfutex.memory pyfutex._words",
    "pyfutex.target",
    "pyfutex.key pyfutex._pimutex",
    "pyfutex._arguments pyfutex._kernelfeatures pyfutex._callbacks pyfutex._wakerule pyfutex._recording",
    "pyfutex._errors pyfutex._immortal pyfutex.results",
    "pyfutex._firstloaded",
    "pyfutex._core.nativecalls pyfutex._core.nativepi pyfutex._core.nativelife",
    "pyfutex._core.nativewaiter pyfutex._core.place",
    "pyfutex._core.waitv",
    "pyfutex._core.engine pyfutex._core.requeuepi pyfutex._core.wakev",
    "pyfutex._core.pi pyfutex._core.inspect",
    "pyfutex._core.pilending",
    "pyfutex._core.bucketlocks",
    "pyfutex._core.family",
    "pyfutex._core.table",
    "pyfutex._core.bucket pyfutex._core.completions pyfutex._core.target",
    "pyfutex._core.parts",
    "pyfutex._core.pistate pyfutex._core.vector pyfutex._core.word",
    "pyfutex._core.waiter pyfutex._core.region pyfutex._core.wakeop",
    "pyfutex._core.key pyfutex._core.wordlock",
    "pyfutex._core.parker",
    "pyfutex._core.kernelcalls pyfutex._core.pages pyfutex._core.parking",
    "pyfutex._core.atomic pyfutex._core.checks pyfutex._core.clock pyfutex._core.status",
)
ROW = {module: number for number, row in enumerate(LAYERS) for module in row.split()}
CORE = "pyfutex._core."

# Imports that stand in a function because they point up: the module is loaded when the function is called.
LATE_IMPORTS = {("pyfutex.manager", "pyfutex.futex"), ("pyfutex.waiter", "pyfutex.aio")}

IMPORT = re.compile(
    r"(?P<late>\s*)(?:from\s+(?P<of>[\w.]+)\s+(?P<from>c?import)\b|(?P<plain>c?import)\s+(?P<name>[\w.]+))"
)

# Functions that sleep. They have no mode: their contract is to be called detached.
SLEEPERS = {
    "await_mark",
    "barrier_sleep",
    "bell_wait",
    "engine_sleep",
    "kernel_lock_pi",
    "kernel_wait",
    "kernel_wait2",
    "kernel_wait_requeue_pi",
    "kernel_waitv",
    "park",
    "pi_enter",
    "region_map_lock",
    "region_map_publish",
    "robust_sleep",
    "slots_watch",
    "words_watch",
}


class Import(NamedTuple):
    """One import line."""

    importer: str
    imported: str
    keyword: str
    is_late: bool
    where: str


class Line(NamedTuple):
    """One logical line: brackets closed, comments and the contents of strings gone."""

    number: int
    indent: int
    text: str


def cython_files(*suffixes):
    """The Cython sources, and the module that each belongs to."""
    for path in sorted(SOURCE.rglob("*")):
        if path.suffix in suffixes and path.stem != "__init__":
            yield path, ".".join(path.relative_to(SOURCE).with_suffix("").parts)


def imports():
    """Every import and cimport of this package within it."""
    for path, module in cython_files(".pyx", ".pxd"):
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = IMPORT.match(text)
            name = match and (match["of"] or match["name"])
            if name and name.partition(".")[0] == "pyfutex":
                keyword = match["from"] or match["plain"]
                yield Import(module, name, keyword, bool(match["late"]), f"{path.relative_to(ROOT)}:{number}")


def logical_lines(path):
    """The logical lines of a Cython source."""
    source = re.sub(
        r'"""(.*?)"""',
        lambda match: '""' + "\n" * match[1].count("\n"),
        path.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )
    lines, depth = [], 0
    for number, raw in enumerate(source.splitlines(), 1):
        text = re.sub(r'"[^"]*"', '""', raw).partition("#")[0].rstrip()
        if not text:
            continue
        if depth:
            lines[-1] = lines[-1]._replace(text=f"{lines[-1].text} {text.strip()}")
        else:
            lines.append(Line(number, len(text) - len(text.lstrip()), text.strip()))
        depth += sum(map(text.count, "([{")) - sum(map(text.count, ")]}"))
    return lines


def enclosing(lines, index):
    """The lines whose blocks a line stands in, innermost first."""
    indent = lines[index].indent
    for line in reversed(lines[:index]):
        if line.indent < indent:
            indent = line.indent
            yield line


def is_detached(lines, index):
    """Whether a line stands in a `with nogil:` block of its function, or in a function that sleeps itself."""
    return any(line.text == "with nogil:" or defines_sleeper(line) for line in enclosing(lines, index))


def defines_sleeper(line):
    """Whether a function that sleeps, and needs no interpreter, begins in this line."""
    name = re.match(r"cdef [\w *]*?(\w+)\(", line.text)
    return name is not None and name[1] in SLEEPERS and line.text.endswith("nogil:")


def rest_of_function(lines, index):
    """The indices of the lines that follow a line in the same function."""
    def_indent = next(line.indent for line in enclosing(lines, index) if re.match(r"c?p?def\b", line.text))
    for later in range(index + 1, len(lines)):
        if lines[later].indent <= def_indent:
            return
        yield later


def calls(mode):
    """Every call outside the core that passes a mode: the file's name and lines, the line's index, the name called."""
    for path, module in cython_files(".pyx"):
        if module.startswith(CORE):
            continue
        lines = logical_lines(path)
        for index, line in enumerate(lines):
            if re.match(r"from\b|cimport\b", line.text) or not re.search(rf"\b{mode}\b", line.text):
                continue
            call = re.search(rf"\b(\w+)\([^()]*(?:\([^()]*\)[^()]*)*\b{mode}\)", line.text)
            assert call, (
                f"{path.name}:{line.number} says {mode} otherwise than as the last argument of a call"
            )
            yield path.name, lines, index, call[1]


def where(name, lines, index):
    """A place in the sources."""
    return f"{name}:{lines[index].number}: {lines[index].text}"


def test_every_module_has_its_layer():
    modules = {module for _, module in cython_files(".pyx", ".pxd")}
    modules |= {"pyfutex.results", "pyfutex.aio", "pyfutex.sync.errors"}
    assert modules == set(ROW)


def test_cimports_point_down():
    up = [i.where for i in imports() if i.importer != i.imported and ROW[i.imported] <= ROW[i.importer]]
    late = [i.where for i in imports() if (i.importer, i.imported) in LATE_IMPORTS and i.is_late]
    assert sorted(set(up) - set(late)) == []
    assert len(late) == len(LATE_IMPORTS)


def test_the_core_imports_nothing_from_above_it():
    assert [
        i.where for i in imports() if i.importer.startswith(CORE) and not i.imported.startswith(CORE)
    ] == []


def test_the_core_imports_no_python():
    python = re.compile(r"import\b|from\s+\S+\s+import\b|(from|cimport)\s+cpython\b")
    for path, module in cython_files(".pyx", ".pxd"):
        if module.startswith(CORE):
            lines = logical_lines(path)
            assert [line for line in lines if python.match(line.text)] == [], path.name


def test_every_function_of_the_core_is_nogil():
    for path, module in cython_files(".pyx", ".pxd"):
        if not module.startswith(CORE):
            continue
        lines = logical_lines(path)
        for index, line in enumerate(lines):
            if re.match(r"c?p?def\b[^=]*\(", line.text) and "(*" not in line.text.partition(")")[0]:
                assert re.search(r"\bnoexcept nogil\b", line.text), where(path.name, lines, index)


def test_detached_is_said_where_the_gil_is_released_alone():
    seen = list(calls("DETACHED"))
    assert seen
    assert [
        where(name, lines, index) for name, lines, index, _ in seen if not is_detached(lines, index)
    ] == []


def test_attached_is_not_said_where_the_gil_is_released():
    seen = list(calls("ATTACHED"))
    assert seen
    assert [where(name, lines, index) for name, lines, index, _ in seen if is_detached(lines, index)] == []


def test_every_attached_call_is_made_again_detached_if_contended():
    for name, lines, index, function in calls("ATTACHED"):
        following = list(rest_of_function(lines, index))
        tests = [lines[index].text, *(lines[later].text for later in following[:1])]
        assert any(re.match(r"(if|while)\b.*\bCONTENDED\b", text) for text in tests), where(
            name, lines, index
        )
        again = [
            later for later in following if re.search(rf"\b{function}\(.*\bDETACHED\)", lines[later].text)
        ]
        assert again, where(name, lines, index)
        assert is_detached(lines, again[0])


def test_functions_that_sleep_are_called_detached():
    seen = set()
    for path, module in cython_files(".pyx"):
        if module.startswith(CORE):
            continue
        lines = logical_lines(path)
        for index, line in enumerate(lines):
            if defines_sleeper(line):
                continue
            for function in SLEEPERS.intersection(re.findall(r"\b(\w+)\(", line.text)):
                seen.add(function)
                assert is_detached(lines, index), where(path.name, lines, index)
    assert seen == SLEEPERS


def extensions():
    """Every extension module of the installed package."""
    for path in sorted(INSTALLED.rglob("*")):
        if path.name.endswith(EXTENSION_SUFFIXES[0]):
            name = path.name.removesuffix(EXTENSION_SUFFIXES[0])
            yield ".".join(["pyfutex", *path.relative_to(INSTALLED).parent.parts, name])


def python_modules():
    """Every other module of it."""
    for path in INSTALLED.rglob("*.py"):
        parts = path.relative_to(INSTALLED.parent).with_suffix("").parts
        yield ".".join(parts).removesuffix(".__init__")


EXTENSIONS = list(extensions())


def test_every_source_becomes_an_extension():
    assert sorted(EXTENSIONS) == sorted(module for _, module in cython_files(".pyx"))


def test_the_build_declares_every_extension_free_threading_compatible():
    assert "-Xfreethreading_compatible=True" in (ROOT / "meson.build").read_text(encoding="utf-8")
    for path, _ in cython_files(".pyx"):
        assert "freethreading_compatible" not in path.read_text(encoding="utf-8"), path.name


# Imports what it is told to, but for what needs a package that is not here.
IMPORTS = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name.partition(".")[0] == "pyfutex":
            raise
sys.exit(sys._is_gil_enabled())
"""


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="shows without a GIL alone")
def test_no_module_enables_the_gil():
    names = sorted([*EXTENSIONS, *python_modules()])
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON_GIL"}
    subprocess.run([sys.executable, "-W", "error", "-c", IMPORTS, *names], check=True, env=environment)
