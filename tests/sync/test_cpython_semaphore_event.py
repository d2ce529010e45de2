"""CPython's own tests of its semaphores and events, from the running interpreter, on ours."""

from __future__ import annotations

import pytest

from pyfutex import sync

lock_tests = pytest.importorskip("test.lock_tests", reason="this Python was installed without its tests")


class TestSemaphore(lock_tests.SemaphoreTests):
    semtype = staticmethod(sync.Semaphore)


class TestBoundedSemaphore(lock_tests.BoundedSemaphoreTests):
    semtype = staticmethod(sync.BoundedSemaphore)


class TestEvent(lock_tests.EventTests):
    eventtype = staticmethod(sync.Event)

    @pytest.mark.skip(reason="it looks at the condition inside threading's event; ours has none")
    def test_at_fork_reinit(self):
        raise NotImplementedError
