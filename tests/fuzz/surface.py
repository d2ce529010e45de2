"""What can be called: every public class, method, property and function of pyfutex, with the names of its parameters.

Read from the stubs, which stubtest holds against what is compiled, and from the sources of what is written in Python.
"""

import ast
import importlib
from pathlib import Path
from typing import NamedTuple

import pyfutex

PACKAGE = Path(pyfutex.__file__).parent

# Modules of the public names, those of base classes first. What they define under a name with an underscore is not public,
# but for special methods.
MODULES = (
    "target", "_futexword", "addressspace", "completionqueue", "futex", "kernel", "key", "manager", "memory",
    "nativetarget", "waiter", "linux.calls", "linux.futex2", "linux.task", "sync.arena", "sync.barrier",
    "sync.condition", "sync.event", "sync.latch", "sync.lock", "sync.once", "sync.rlock", "sync.rwlock", "sync.semaphore",
    "sync.processes.contexts", "sync.processes.locks", "sync.processes.signals", "sync.processes.queues",
)  # fmt: skip

# A base without a constructor of its own, and what another process must take part in.
LEFT_OUT = {
    "Kernel.supported": "a constant",
    "FutexWord": "the base of Futex and KernelFutex, whose methods are called on those",
    "CrashProofContext.Pool": "starts processes and threads, in which a fork for each program cannot be",
    "Queue": "made by a context, as multiprocessing's",
    "JoinableQueue": "likewise",
    "SimpleQueue": "likewise",
    "JoinableQueue.join": "waits for whoever called get, and swallows what a handler raises while it looks again",
}


class Parameter(NamedTuple):
    """A parameter of a call."""

    name: str
    is_keyword: bool
    is_optional: bool


class Call(NamedTuple):
    """Something that can be called, or read.

    Attributes
    ----------
    name : str
        As in `Lock.acquire`; a class alone is its constructor.
    owner : type or None
        Of whose instances it is a method; None: of none.
    """

    name: str
    owner: type | None
    function: object
    parameters: tuple[Parameter, ...]
    is_property: bool = False
    is_attribute: bool = False  # it is set, and read


def parameters_of(node, skips):
    """Those of a function, without the first ones."""
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    n_required = len(positional) - len(arguments.defaults)
    found = [
        Parameter(argument.arg, False, i >= n_required) for i, argument in enumerate(positional) if i >= skips
    ]
    found += [
        Parameter(argument.arg, True, default is not None)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    return tuple(found)


# What pickle calls, with what it has made itself.
PICKLING = {"__getstate__", "__setstate__"}


def is_public(name):
    is_special = name.startswith("__") and name.endswith("__") and name not in PICKLING
    return is_special or not name.startswith("_")


def decorators(node):
    return {ast.unparse(decorator).split(".")[-1] for decorator in node.decorator_list}


def calls_of_class(owner, node, methods):
    """What can be called of a class; `methods`: those of its bases."""
    found = {}
    for method in [*methods, *(part for part in node.body if isinstance(part, ast.FunctionDef))]:
        name, marks = method.name, decorators(method)
        if not is_public(name) or "setter" in marks:
            continue
        if name in ("__init__", "__new__"):
            found[owner.__name__] = Call(owner.__name__, None, owner, parameters_of(method, 1))
            continue
        full = f"{owner.__name__}.{name}"
        if marks & {"classmethod", "staticmethod"}:
            skips = 1 if "classmethod" in marks else 0
            found[full] = Call(full, None, getattr(owner, name), parameters_of(method, skips))
        else:
            found[full] = Call(full, owner, name, parameters_of(method, 1), "property" in marks)
    for part in node.body:
        if (
            isinstance(part, ast.AnnAssign)
            and is_public(part.target.id)
            and "ClassVar" not in ast.unparse(part.annotation)
        ):
            full = f"{owner.__name__}.{part.target.id}"
            value = (Parameter("value", False, False),)
            found[full] = Call(full, owner, part.target.id, value, is_attribute=True)
    if owner.__name__ not in found:
        found[owner.__name__] = Call(owner.__name__, None, owner, ())
    return found


def calls_of_module(name, methods):
    """What a module defines, by name. `methods`: of the classes until now, and then of its own, too."""
    module = importlib.import_module(f"pyfutex.{name}")
    path = PACKAGE / f"{name.replace('.', '/')}.pyi"
    if not path.exists():
        path = path.with_suffix(".py")
    prefix = "processes." if ".processes." in name else ""
    found = {}
    for node in ast.parse(path.read_text()).body:
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef)) or not is_public(node.name):
            continue
        if isinstance(node, ast.FunctionDef):
            if hasattr(module, node.name):
                found[node.name] = Call(node.name, None, getattr(module, node.name), parameters_of(node, 0))
            continue
        if "NamedTuple" in map(ast.unparse, node.bases):
            continue
        inherited = [m for base in node.bases for m in methods.get(ast.unparse(base), [])]
        methods[node.name] = inherited + [part for part in node.body if isinstance(part, ast.FunctionDef)]
        found.update(calls_of_class(getattr(module, node.name), node, inherited))
    return {prefix + call: what._replace(name=prefix + call) for call, what in found.items()}


def is_left_out(name):
    return name.removeprefix("processes.") in LEFT_OUT or name.startswith("FutexWord.")


def all_calls():
    """Everything, in a fixed order."""
    found, methods = {}, {}
    for module in MODULES:
        found.update(calls_of_module(module, methods))
    return [call for name, call in sorted(found.items()) if not is_left_out(name)]
