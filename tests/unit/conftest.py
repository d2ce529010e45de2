"""Fixtures of the tests of Kernel."""

import pytest
from differential import kernel as oracle
from unit.kernel_features import needs

from pyfutex import Kernel


@pytest.fixture(params=[False, pytest.param(True, marks=needs["futex2"])], ids=["futex", "futex2"])
def kernel(request):
    """A Kernel, by each family of calls."""
    return Kernel(futex2=request.param)


@pytest.fixture
def asleep(wait_until):
    """Wait until threads sleep in a futex call: ``asleep(running, ...)``."""

    def wait(*running):
        calls = oracle.SYS_FUTEX, oracle.SYS_FUTEX_WAIT, oracle.SYS_FUTEX_WAITV
        wait_until(lambda: all(oracle.sleeps_in_call(each.tid, *calls) for each in running))

    return wait
