"""CPython's own tests of its locks and conditions, from the running interpreter, on ours."""

from __future__ import annotations

import threading

import pytest

from pyfutex import sync

lock_tests = pytest.importorskip("test.lock_tests", reason="this Python was installed without its tests")


class TestLock(lock_tests.LockTests):
    locktype = staticmethod(sync.Lock)


class TestRLock(lock_tests.RLockTests):
    locktype = staticmethod(sync.RLock)


class TestCondition(lock_tests.ConditionTests):
    locktype = staticmethod(sync.RLock)
    condtype = staticmethod(sync.Condition)


class TestConditionOfForeignLock(lock_tests.ConditionTests):
    locktype = staticmethod(threading.RLock)
    condtype = staticmethod(lambda lock=None: sync.Condition(threading.RLock() if lock is None else lock))


class TestThreadingConditionOfOurLock(lock_tests.ConditionTests):
    locktype = staticmethod(sync.RLock)
    condtype = staticmethod(lambda lock=None: threading.Condition(sync.RLock() if lock is None else lock))
