"""Which exceptions a call may raise: what its documentation names. All others are defects, whatever its arguments were."""

import queue

from fuzz.hostility import Planted

from pyfutex import sync

# Wrong types, values out of range, and what hostile objects raise themselves. InvalidArgument is an OSError, too; so are the
# errors of all calls that look at memory or ask the kernel.
COMMON = (TypeError, ValueError, OverflowError, OSError, Planted)

LOCKS = (
    "Lock",
    "RLock",
    "Condition",
    "processes.Lock",
    "processes.RLock",
    "processes.WholeRLock",
    "processes.Condition",
)
SEMAPHORES = ("Semaphore", "BoundedSemaphore", "processes.Semaphore", "processes.BoundedSemaphore")
QUEUES = ("Queue", "JoinableQueue")

# By exception: the calls that may raise it.
FURTHER = {
    # Not held, or held by somebody else; what another thread has to do first.
    RuntimeError: {
        *(f"{lock}.{method}" for lock in LOCKS for method in ("release", "consistent", "__exit__", "acquire", "__enter__")),
        *(f"{lock}.{method}" for lock in LOCKS for method in ("notify", "notify_all", "notifyAll", "wait", "wait_for")),
        *(f"RWLock.{method}" for method in ("acquire_read", "acquire_write", "release_read", "release_write", "consistent")),
        *(f"{semaphore}.{method}" for semaphore in SEMAPHORES for method in ("release", "__exit__")),
        "RWLockSide.__enter__", "RWLockSide.__exit__",
        "Barrier.wait", "Barrier.register", "Barrier.unregister", "Barrier.reset", "Barrier.abort",
        "processes.Barrier.wait",
        "Once.call",
        # A waiter that is queued, or is not; a task that is blocked, or is not.
        "Manager.wait_prepare", "Manager.waitv_prepare", "Manager.lock_pi_prepare", "Manager.wait_requeue_pi_prepare",
        "Manager.wait_complete", "Waiter.wait", "Waiter.__await__", "Task.result", "Task.exit",
        "futex", "futex_time64", "futex_wait", "futex_waitv", "futex_wake", "futex_requeue", "restart_syscall",
        "set_robust_list", "get_robust_list", "set_tid_address",
    },
    # multiprocessing's RLock raises that.
    AssertionError: {"processes.RLock.release", "processes.RLock.__exit__", "processes.WholeRLock.release",
                     "processes.WholeRLock.__exit__"},
    # A read-only buffer, or one with gaps.
    BufferError: {*(f"{name}.{way}" for name in sync.__all__ for way in ("create", "attach")), "Memory",
                  "AddressSpace.map", "AddressSpace.fork", "Arena.close", "Arena.__exit__"},
    KeyError: {"Arena.delete"},
    queue.Empty: {"CompletionQueue.get", *(f"processes.{name}.{way}" for name in QUEUES for way in ("get", "get_nowait"))},
    queue.Full: {f"processes.{name}.{way}" for name in QUEUES for way in ("put", "put_nowait")},
    MemoryError: {"Barrier", "RWLock", "Arena.open", "Arena.create", "Arena.create_nameless", "processes.Barrier"},
}  # fmt: skip


def is_allowed(call, error):
    """Whether a call may raise this."""
    if isinstance(error, COMMON):
        return True
    # Any call may be given a Target that nobody has derived from.
    if isinstance(error, NotImplementedError):
        return str(error).startswith("Target.")
    # The lock of a condition may be anything that has the methods which are called of it.
    if isinstance(error, AttributeError) and call.name.startswith("Condition."):
        return "has no attribute" in str(error)
    return any(isinstance(error, kind) and call.name in names for kind, names in FURTHER.items())
