"""Every public callable tells its signature to `inspect.signature`, which editors and `help()` ask, and has a docstring."""

import importlib
import inspect
from enum import Enum

import pytest

MODULES = [
    importlib.import_module(name) for name in ("pyfutex", "pyfutex.aio", "pyfutex.linux", "pyfutex.sync")
]
# Of these the interpreter makes the constructor, which has no signature.
MADE_BY_PYTHON = (BaseException, Enum)


def public_callables():
    """Functions, classes and methods of ours by the names that users know."""
    for module in MODULES:
        for name in module.__all__:
            named = getattr(module, name)
            if not callable(named) or not named.__module__.startswith("pyfutex"):
                continue
            if not isinstance(named, type):
                yield f"{module.__name__}.{name}", named
                continue
            if not issubclass(named, MADE_BY_PYTHON):
                yield f"{module.__name__}.{name}", named
            for owner in named.__mro__:
                if owner.__module__.startswith("pyfutex"):
                    for attribute in vars(owner):
                        if not attribute.startswith("_") and callable(getattr(named, attribute)):
                            yield f"{module.__name__}.{name}.{attribute}", getattr(named, attribute)


CALLABLES = dict(public_callables())


def test_the_walk_finds_what_compiled_classes_and_their_bases_have():
    assert {"pyfutex.Manager", "pyfutex.Manager.lock_pi", "pyfutex.sync.Lock.create"} <= CALLABLES.keys()


@pytest.mark.parametrize("name", CALLABLES)
def test_its_signature_and_its_docstring_are_to_be_seen(name):
    assert "args" not in inspect.signature(CALLABLES[name]).parameters or name == "pyfutex.Target"
    text = inspect.getdoc(CALLABLES[name])
    assert text
    assert "\n--\n" not in text
