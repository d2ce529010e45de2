"""CPython's own tests of queue and threading, from the running interpreter, with ours in place of threading's primitives.

`python -m sync.judged.threading_suite`; arguments go to unittest.
"""

from __future__ import annotations

import importlib
import sys
import threading
import unittest

from sync.judged.excuses import excuse

from pyfutex import sync

SUITES = ["test.test_queue", "test.test_threading"]
OURS = ["Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "Event", "Barrier"]
EXCUSED = {
    "ConditionAsRLockTests.test_release_save_unacquired": "of a condition it calls what only a lock promises",
    "CRLockTests.test_signature": "arguments that threading.RLock ignores, and warns of, are refused",
    "EventTests.test_at_fork_reinit": "it looks at the condition inside threading's event; ours has none",
    "MiscTestCase.test__all__": "it asks whether what threading exports is threading's",
    "ThreadTests.test_disallow_instantiation": "it asks whether threading.Lock is a function; ours is a class",
}

if __name__ == "__main__":
    # queue looks each of them up when it makes one.
    for name in OURS:
        setattr(threading, name, getattr(sync, name))
    excuse(vars(importlib.import_module("test.test_threading")), EXCUSED)
    unittest.main(module=None, argv=["unittest", *(sys.argv[1:] or SUITES)])
