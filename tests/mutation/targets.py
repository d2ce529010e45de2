"""Whose lines are changed, and which tests are to notice: those that are quick to, first."""

from __future__ import annotations

from typing import Final, NamedTuple

ENGINE: Final = (
    "tests/unit/test_wait.py",
    "tests/unit/test_wake.py",
    "tests/unit/test_requeue.py",
    "tests/unit/test_cmp_requeue.py",
    "tests/unit/test_wake_op.py",
    "tests/unit/test_wait_prepare.py",
    "tests/unit/test_inspection.py",
    "tests/unit/test_waiter_fileno.py",
    "tests/unit/test_completion_queue.py",
    "tests/unit/test_waitv_prepare.py",
    "tests/unit/test_await.py",
    "tests/capi/test_capi_halfway.py",
    "tests/capi/test_capi_meetings.py",
    "tests/native/test_native_locks.py",
    "tests/native/test_native_queues.py",
    "tests/native/test_native_halfway.py",
    "tests/native/test_native_hazards.py",
    "tests/unit/test_priority.py",
    "tests/unit/test_waitv.py",
    "tests/unit/test_wakev.py",
    "tests/unit/test_fork.py",
    "tests/unit/test_os_fork.py",
    "tests/resources/test_engine_memory.py",
    "tests/hazards",
    "tests/property",
    "tests/native",
    "tests/stress",
)
LOCKS: Final = (
    "tests/sync/test_cpython_locks.py",
    "tests/sync/test_lock_places.py",
    "tests/sync/test_lock_kills.py",
    "tests/sync/test_lock_signals.py",
    "tests/sync/test_condition.py",
    "tests/commands/test_recording.py",
    "tests/sync/test_condition_deaths.py",
    "tests/sync/test_barrier.py",
    "tests/sync/test_lock_endings.py",
    "tests/sync/test_kills.py",
)


class Target(NamedTuple):
    """A file of the package, and tests in the order in which they run."""

    file: str
    tests: tuple[str, ...]


TARGETS: Final = (
    Target("_core/wordlock.pxd", ("tests/native/test_native_locks.py", *ENGINE)),
    Target("_core/bucket.pxd", ENGINE),
    Target("_core/bucketlocks.pxd", ("tests/unit/test_wakev.py", "tests/unit/test_inspection.py", *ENGINE)),
    Target(
        "_core/table.pyx",
        (
            "tests/native/test_native_queues.py",
            "tests/stress/test_stress_growth.py",
            "tests/unit/test_inspection.py",
            "tests/resources/test_engine_memory.py",
            "tests/unit/test_os_fork.py",
            *ENGINE,
        ),
    ),
    Target("_core/engine.pyx", ENGINE),
    Target(
        "_core/parker.pyx",
        ("tests/native/test_native_locks.py", "tests/resources/test_engine_memory.py", *ENGINE),
    ),
    Target(
        "_core/wakeop.pxd",
        (
            "tests/unit/test_wake_op.py",
            "tests/unit/test_word_sizes.py",
            "tests/unit/test_linux_bounds.py",
            *ENGINE,
        ),
    ),
    Target(
        "_recording.pyx",
        (
            "tests/commands/test_recording.py",
            "tests/commands/test_recording_memory.py",
        ),
    ),
    Target("sync/_mutex.pyx", LOCKS),
    Target("sync/_mutex.pxd", LOCKS),
    Target(
        "sync/condition.pyx",
        (
            "tests/sync/test_condition.py",
            "tests/sync/test_condition_deaths.py",
            "tests/sync/test_cpython_locks.py",
            "tests/commands/test_recording.py",
            "tests/sync/test_threading_names.py",
        ),
    ),
    Target(
        "sync/semaphore.pyx",
        (
            "tests/sync/test_semaphore.py",
            "tests/sync/test_word_places.py",
            "tests/sync/test_cpython_semaphore_event.py",
            "tests/sync/test_semaphore_model.py",
            "tests/sync/test_semaphore_undo.py",
            "tests/sync/test_semaphore_stress.py",
        ),
    ),
    Target(
        "sync/event.pyx",
        ("tests/sync/test_event.py", "tests/sync/test_word_places.py", "tests/sync/test_event_stress.py"),
    ),
    Target(
        "sync/latch.pyx",
        ("tests/sync/test_latch.py", "tests/sync/test_word_places.py", "tests/commands/test_recording.py"),
    ),
    Target("sync/once.pyx", ("tests/sync/test_once.py", "tests/sync/test_word_places.py")),
    Target(
        "sync/_slots.pyx",
        (
            "tests/sync/test_rwlock.py",
            "tests/sync/test_rwlock_deaths.py",
            "tests/sync/test_barrier.py",
            "tests/sync/test_barrier_deaths.py",
            "tests/sync/test_semaphore_undo.py",
            "tests/sync/test_semaphore_undo_deaths.py",
        ),
    ),
    Target(
        "sync/rwlock.pyx",
        (
            "tests/sync/test_rwlock.py",
            "tests/sync/test_rwlock_deaths.py",
            "tests/sync/test_rwlock_stress.py",
            "tests/commands/test_recording.py",
        ),
    ),
    Target(
        "sync/barrier.pyx",
        (
            "tests/sync/test_barrier.py",
            "tests/sync/test_cpython_barrier.py",
            "tests/commands/test_recording.py",
            "tests/sync/test_barrier_deaths.py",
        ),
    ),
)
