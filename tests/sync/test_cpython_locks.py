"""CPython's own tests of its locks and conditions, from the running interpreter, on ours."""

from __future__ import annotations

import threading

import pytest

from pyfutex import sync

lock_tests = pytest.importorskip("test.lock_tests", reason="this Python was installed without its tests")


class TestLock(lock_tests.LockTests):
    locktype = staticmethod(sync.Lock)


drops_held_locks = pytest.mark.filterwarnings("ignore:a lock is dropped while it is held:ResourceWarning")


@drops_held_locks
class TestLockWithPriorityInheritance(lock_tests.LockTests):
    """But for those that have another thread release it."""

    locktype = staticmethod(lambda: sync.Lock(pi=True))
    test_reacquire = None
    test_different_thread = None
    test_state_after_timeout = None  # its owner waits for it


class TestRLock(lock_tests.RLockTests):
    locktype = staticmethod(sync.RLock)


class TestCondition(lock_tests.ConditionTests):
    locktype = staticmethod(sync.RLock)
    condtype = staticmethod(sync.Condition)


@drops_held_locks
class TestConditionOfLockWithPriorityInheritance(lock_tests.ConditionTests):
    locktype = staticmethod(lambda: sync.Lock(pi=True))
    condtype = staticmethod(lambda lock=None: sync.Condition(sync.Lock(pi=True) if lock is None else lock))
    test_acquire = None  # takes the lock twice


class TestConditionOfForeignLock(lock_tests.ConditionTests):
    locktype = staticmethod(threading.RLock)
    condtype = staticmethod(lambda lock=None: sync.Condition(threading.RLock() if lock is None else lock))


class TestThreadingConditionOfOurLock(lock_tests.ConditionTests):
    locktype = staticmethod(sync.RLock)
    condtype = staticmethod(lambda lock=None: threading.Condition(sync.RLock() if lock is None else lock))
