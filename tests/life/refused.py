"""Not a test of the suite: what test_refused_calls asks under its filter."""

import errno

import pytest

from pyfutex import Kernel, Memory


def test_what_is_refused_is_not_supported():
    assert Kernel.supported & {"waitv", "futex2", "numa", "mpol"} == set()
    assert {"pi", "requeue_pi"} <= Kernel.supported


def test_without_a_call_that_is_an_error():
    memory = Memory(bytearray(64))
    with pytest.raises(OSError) as caught:
        Kernel().waitv([(memory, 0, 0)], 0)
    assert caught.value.errno == errno.ENOSYS
    with pytest.raises(OSError) as caught:
        Kernel(futex2=True)
    assert caught.value.errno == errno.ENOSYS
