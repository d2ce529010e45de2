"""CPython's own tests of ProcessPoolExecutor, from the running interpreter, on contexts of ours.

`python -m sync.judged.futures_suite`; arguments go to unittest.
"""

from __future__ import annotations

import multiprocessing
import sys
import unittest

from pyfutex import sync

SUITES = [
    f"test.test_concurrent_futures.{name}"
    for name in (
        "test_process_pool",
        "test_as_completed",
        "test_wait",
        "test_init",
        "test_shutdown",
        "test_deadlock",
    )
]

if __name__ == "__main__":
    sync.get_context()  # finds the interpreter's own before it is replaced
    multiprocessing.get_context = sync.get_context
    unittest.main(module=None, argv=["unittest", *(sys.argv[1:] or ["-k", "ProcessPool", *SUITES])])
