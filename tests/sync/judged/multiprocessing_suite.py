"""CPython's own tests of multiprocessing, from the running interpreter, on a context of ours.

`python -m unittest sync.judged.multiprocessing_suite`, with the start method in PYFUTEX_START_METHOD. What the children of a
test run is found in this module, too, so all that is said here is said in them as well.
"""

from __future__ import annotations

import multiprocessing
import os

from test import _test_multiprocessing as suite

from pyfutex import sync

METHOD = os.environ["PYFUTEX_START_METHOD"]
# Where the number of those who wait lies in a condition: docs/sync.md.
WAITING_AT = 17
OURS = """
    Lock RLock Semaphore BoundedSemaphore Condition Event Barrier
    Queue JoinableQueue SimpleQueue Pool Value Array get_context
""".split()  # noqa: SIM905


def nobody_waits(_, condition):
    """Look into a condition as `check_invariant` of CPython's test looks into theirs, which is made of semaphores."""
    assert condition._place.view(condition.shared.SIZE).cast("I")[WAITING_AT] == 0


context = sync.get_context(METHOD)
for name in OURS:
    ours = getattr(context, name) if name != "get_context" else sync.get_context
    setattr(multiprocessing, name, ours)
    if hasattr(suite.ProcessesMixin, name):
        setattr(suite.ProcessesMixin, name, staticmethod(ours))
suite._TestCondition.check_invariant = nobody_waits

suite.install_tests_in_module_dict(globals(), METHOD, only_type="processes")


class TestSimpleQueue(suite.TestSimpleQueue):
    """One of the tests that are of no type."""


# Classes of these tests that use no primitive, queue or pool.
for name in (
    "WithProcessesTestConnection",
    "WithProcessesTestFinalize",
    "WithProcessesTestListener",
    "WithProcessesTestListenerClient",
    "WithProcessesTestLogging",
    "WithProcessesTestPicklingConnections",
    "WithProcessesTestPoll",
    "WithProcessesTestPollEintr",
    "WithProcessesTestSharedMemory",
):
    globals().pop(name, None)
