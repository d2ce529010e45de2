"""A checked build ends a process that breaks the core's rules, and says which, where and by which thread."""

import re
import signal
import subprocess
import sys

import pytest

violations = pytest.importorskip("pyfutex_native.violations", reason="pyfutex-native-tests is not installed")

pytestmark = pytest.mark.skipif(
    not violations.CHECKED, reason="pyfutex was built without -Dchecks=true: make checks"
)

# What a function of `violations` does, where it is caught, and as what.
CAUGHT = [
    ("unlock_of_another", "word_unlock", "it lets go of a lock that it does not hold"),
    ("lock_twice", "word_lock", "it locks what it holds already"),
    ("lock_descending", "word_lock", "bucket locks are taken by ascending address"),
    ("lock_pi_under_bucket", "directory_lock", "a bucket lock is held"),
    ("lock_table_under_bucket", "table_lock", "a bucket lock is held"),
    ("grow_under_bucket", "table_grow", "a bucket lock is held"),
    ("park_under_bucket", "park", "a bucket lock or a PI lock is held"),
    ("park_under_pi", "park", "a bucket lock or a PI lock is held"),
    ("deliver_under_bucket", "deliver", "a bucket lock or a PI lock is held"),
    ("raise_under_bucket", "raise_status", "a bucket lock or a PI lock is held"),
    ("make_manager_under_bucket", "lock_registry", "a bucket lock or a PI lock is held"),
    ("find_unlocked", "bucket_find", "the bucket lock is not held"),
    ("find_in_another", "bucket_find", "the bucket lock is not held"),
    ("append_unlocked", "bucket_append", "the bucket lock is not held"),
    ("unlink_unlocked", "bucket_unlink", "no bucket lock is held"),
    ("wake_unlocked", "bucket_wake", "no bucket lock is held"),
    ("look_at_owners_unlocked", "wait_blocked", "the PI lock is not held"),
    ("finish_head_while_queued", "bucket_find", "a waiter in the queue whose wait is over"),
    ("finish_second_while_queued", "check_bucket", "a waiter in the queue whose wait is over"),
    ("tear_ring", "bucket_find", "links that do not agree"),
    ("leave_without_unlinking", "check_bucket", "a waiter in the queue that says it is in none"),
    ("stray", "check_bucket", "a key in a bucket that its hash does not name"),
]
PROGRAM = """
import resource, sys, threading
from pyfutex_native import violations
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
print(threading.get_native_id(), flush=True)
getattr(violations, sys.argv[1])()
"""


@pytest.mark.parametrize(("violation", "where", "what"), CAUGHT, ids=[name for name, _, _ in CAUGHT])
def test_violation_ends_the_process(violation, where, what):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, violation], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == -signal.SIGABRT, done.stderr
    assert f"pyfutex: check failed in {where}, thread {done.stdout.strip()}: {what}\n" in done.stderr


def test_each_violation_is_tried():
    named = {name for name, value in vars(violations).items() if callable(value) and re.match(r"[a-z]", name)}
    assert named == {name for name, _, _ in CAUGHT}
