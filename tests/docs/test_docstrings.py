"""The examples in docstrings run, and print what they say."""

import doctest
import importlib
import importlib.util
import pkgutil

import pytest

import pyfutex
from pyfutex import sync

# Without Qiling these cannot be imported, and they have no examples.
LEFT_OUT = ("pyfutex.integrations.qiling", "pyfutex.sidebyside", "pyfutex.__main__")
NEEDED = {"pyfutex.aio.anyio": "anyio", "pyfutex.aio.gevent": "gevent"}


def examples():
    """The examples of the package, a docstring each; Cython lists some of them twice."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = {}
    for info in pkgutil.walk_packages(pyfutex.__path__, "pyfutex."):
        needed = NEEDED.get(info.name)
        if not info.name.startswith(LEFT_OUT) and (needed is None or importlib.util.find_spec(needed)):
            module = importlib.import_module(info.name)
            for test in finder.find(module, info.name):
                if test.examples:
                    found.setdefault(test.docstring, test)
    return {test.name: test for test in found.values()}


EXAMPLES = examples()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_prints_what_it_says(name):
    assert doctest.DocTestRunner(verbose=False).run(EXAMPLES[name], clear_globs=False).failed == 0


def test_the_classes_of_sync_have_examples():
    classes = {name for name in sync.__all__ if isinstance(getattr(sync, name), type)}
    classes -= {name for name in classes if issubclass(getattr(sync, name), Exception)}
    shown = {name.rpartition(".")[2] for name in EXAMPLES}
    assert classes - shown == set()
