"""A plugin of `make parallel`: each of the threads in which pytest-run-parallel runs a test has fixtures of its own.

pytest sets a test up once, so that its threads would share a manager, and count each other's waiters. What they are to share
is the process: the table of managers, the memory of threads that sleep, numbers of memory, handlers of forks. Threads on one
object are the subject of tests/stress.
"""

import functools
import inspect
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import pytest

# Fixtures of tests that need the process, or its first thread, for themselves.
ALONE = {
    "all_succeed": "forks",
    "context": "starts processes",
    "fork": "forks",
    "handle": "installs a signal handler",
    "in_child": "forks",
    "interrupt": "waits for a signal handler",
    "one_processor": "sets the affinity of the process",
    "start": "starts processes",
}


class Setup:
    """Fixtures of a test, made once more; what is not made for each test, and pytest's own, is taken as it is.

    Parameters
    ----------
    item
        The test.
    given
        Its fixtures by name, as pytest made them.
    ends : ExitStack
        Where the fixtures are torn down.
    """

    def __init__(self, item, given, ends):
        self._item = item
        self._definitions = item._fixtureinfo.name2fixturedefs
        self._parameters = item.callspec.params if hasattr(item, "callspec") else {}
        self._given = given
        self._ends = ends
        self._made = {}

    def __getitem__(self, name):
        """A fixture's value."""
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name):
        definition = self._definitions.get(name, [None])[-1]
        if definition is None or definition.scope != "function" or is_of_pytest(definition.func):
            return self._given[name] if name in self._given else definition.cached_result[0]
        arguments = {
            each: SimpleNamespace(param=self._parameters.get(name), node=self._item, config=self._item.config)
            if each == "request"
            else self[each]
            for each in definition.argnames
        }
        if inspect.isgeneratorfunction(definition.func):
            return self._ends.enter_context(contextmanager(definition.func)(**arguments))
        return definition.func(**arguments)


def is_of_pytest(function):
    """Whether a fixture comes with pytest or with a plugin; a parameter of a test is one of pytest's, too."""
    return function.__module__.partition(".")[0] in {"_pytest", "pytest_run_parallel"}


def apart(item):
    """The test of an item, which sets itself up."""
    test = item.obj

    @functools.wraps(test)
    def run(**given):
        with ExitStack() as ends:
            setup = Setup(item, given, ends)
            test(**{name: setup[name] for name in given})

    return run


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Wrap each test, before pytest-run-parallel does; say which must be alone, and why."""
    for item in items:
        for name in sorted(ALONE.keys() & set(item.fixturenames)):
            item.add_marker(pytest.mark.thread_unsafe(reason=ALONE[name]))
        item.obj = apart(item)
