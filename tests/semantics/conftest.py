"""Guest processes whose futex calls are private, shared on anonymous memory, and shared on a file that is mapped."""

import pytest
from differential import kernel
from semantics.process import LAYOUTS, Process
from semantics.registers import Registers


@pytest.fixture(params=LAYOUTS)
def process(request):
    """A process, once with private calls, once with shared ones on anonymous memory, once on a file."""
    return Process(request.param)


@pytest.fixture
def private():
    """A process whose calls are private."""
    return Process("private")


@pytest.fixture
def shared():
    """A process whose calls are shared, on a file."""
    return Process("file")


@pytest.fixture
def registers():
    """One system call that does not block, made to the running kernel and to pyfutex alike."""
    if not kernel.usable():
        pytest.skip("no futex(2) to compare with on this machine")
    return Registers()
