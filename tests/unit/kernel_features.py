"""Marks for tests that need something of the running kernel: ``@needs["pi"]``."""

import pytest

from pyfutex import Kernel

needs = {
    name: pytest.mark.skipif(name not in Kernel.supported, reason=f"no {name} here")
    for name in ("pi", "requeue_pi", "lock_pi2", "waitv", "futex2")
}
