"""CPython's own tests of its barrier, from the running interpreter, on ours."""

from __future__ import annotations

import mmap

import pytest

from pyfutex.sync import Barrier

lock_tests = pytest.importorskip("test.lock_tests", reason="this Python was installed without its tests")


def in_shared_memory(parties, action=None, timeout=None, *, robust=True):
    memory = mmap.mmap(-1, Barrier.size(parties))
    return Barrier.create(memory, parties=parties, action=action, timeout=timeout, robust=robust)


class TestBarrier(lock_tests.BarrierTests):
    barriertype = staticmethod(Barrier)


class TestSharedBarrier(lock_tests.BarrierTests):
    barriertype = staticmethod(in_shared_memory)


class TestBarrierThatIsNotRobust(lock_tests.BarrierTests):
    @staticmethod
    def barriertype(*args, **kwargs):
        return in_shared_memory(*args, robust=False, **kwargs)
