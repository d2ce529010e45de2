"""Semaphores and events have the names and the parameters of threading's."""

import inspect
import threading

import pytest

from pyfutex import sync


def public_methods(cls):
    """Names and functions of a class of threading."""
    return {name: each for name, each in inspect.getmembers(cls, callable) if not name.startswith("_")}


def parameters(function):
    """Names and defaults of all parameters but the first."""
    _, *others = inspect.signature(function).parameters.values()
    return [(each.name, each.default) for each in others]


@pytest.mark.parametrize("name", ["Semaphore", "BoundedSemaphore", "Event"])
def test_methods_take_what_those_of_threading_take(name):
    ours, methods = getattr(sync, name), public_methods(getattr(threading, name))
    assert len(methods) >= 2
    for method, theirs in methods.items():
        assert parameters(getattr(ours, method)) == parameters(theirs), method
    assert hasattr(ours, "__enter__") == hasattr(getattr(threading, name), "__enter__")


def test_older_names_say_that_they_are_deprecated():
    condition = sync.Condition()
    with condition, pytest.warns(DeprecationWarning, match="use notify_all"):
        condition.notifyAll()
    with pytest.warns(DeprecationWarning, match="use is_set"):
        sync.Event().isSet()
