"""The calls that block, one by one, and processes that a test forks."""

import pytest
from differential.kernel import usable
from life.blocking import CALLS, lacking
from sync.conftest import fork as fork

if not usable():
    pytest.skip("the kernel does not tell here where a thread sleeps", allow_module_level=True)


@pytest.fixture(params=CALLS)
def name(request):
    """The name of a call that blocks, in `CALLS`."""
    feature = lacking(request.param)
    if feature is not None:
        pytest.skip(f"no {feature} here")
    return request.param
