"""The table of pyfutex.h, a manager that only C code knows, and words."""

import pytest
from capi.capi import Callback, Table, Waiter, Words


@pytest.fixture(scope="session")
def api():
    """The table."""
    return Table()


@pytest.fixture
def m(api):
    """A manager made in C; freed, with nobody queued, when the test is over."""
    made = api.manager_new(None)
    yield made
    assert api.manager_free(made) == 0


@pytest.fixture
def words(api):
    """Words of 4 bytes, all 0."""
    return Words(api)


@pytest.fixture
def polled(api):
    """Make waiters that nobody is told of."""

    def make(n=1):
        made = [Waiter() for _ in range(n)]
        for waiter in made:
            api.waiter_init(waiter, Callback(), None)
        return made

    return make
