"""What the guest's futex calls were, and what became of them."""

from collections import Counter
from collections.abc import Callable

from pyfutex import linux

# The operations of futex(2) by number, and the calls beside it by their own names.
_OPERATIONS = (
    "WAIT",
    "WAKE",
    "FD",
    "REQUEUE",
    "CMP_REQUEUE",
    "WAKE_OP",
    "LOCK_PI",
    "UNLOCK_PI",
    "TRYLOCK_PI",
    "WAIT_BITSET",
    "WAKE_BITSET",
    "WAIT_REQUEUE_PI",
    "CMP_REQUEUE_PI",
    "LOCK_PI2",
)
_MOVING = frozenset({"REQUEUE", "CMP_REQUEUE", "CMP_REQUEUE_PI", "futex_requeue"})


def operation_name(op: int) -> str:
    """The name of a futex operation, without its flags."""
    number = op & 0xFFFF_FFFF & linux.FUTEX_CMD_MASK
    return _OPERATIONS[number] if number < len(_OPERATIONS) else f"operation {number}"


class FutexLedger:
    """Counts futex calls, and hands a line for each to whoever wants a trace.

    Parameters
    ----------
    trace : callable, optional
        Called with one line for each call and one for each end of a wait.

    Attributes
    ----------
    calls : Counter
        Calls, by operation.
    n_waits, n_woken, n_requeued : int
        Waits that blocked; waits that another thread's call ended; places in queues that a requeue changed.
    n_timeouts, n_interrupted : int
        Waits that ended at their deadline, and for a signal.
    blocked_ns : int
        Virtual time that threads spent in waits, in nanoseconds.
    """

    def __init__(self, trace: Callable[[str], object] | None = None) -> None:
        self.trace = trace
        self.calls: Counter[str] = Counter()
        self.n_waits = 0
        self.n_woken = 0
        self.n_requeued = 0
        self.n_timeouts = 0
        self.n_interrupted = 0
        self.blocked_ns = 0
        self._since: dict[int, int] = {}

    def called(
        self, now: int, tid: int, name: str, arguments: tuple[int, ...], result: int | None, n_woken: int
    ) -> None:
        """A call has answered; `n_woken` waits ended while it ran."""
        self.calls[name] += 1
        if result is None:
            self.n_waits += 1
            self._since[tid] = now
        elif name in _MOVING and result > n_woken:
            self.n_requeued += result - n_woken
        if self.trace is not None:
            shown = ", ".join(f"{argument:#x}" for argument in arguments)
            self.trace(f"{now:>12} {tid} {name}({shown}) = {'blocked' if result is None else result}")

    def ended(self, now: int, tid: int, how: str, result: int | None) -> None:
        """A wait has ended: `how` is woken, timeout, signal or exit."""
        self.n_woken += how == "woken"
        self.n_timeouts += how == "timeout"
        self.n_interrupted += how == "signal"
        self.blocked_ns += now - self._since.pop(tid, now)
        if self.trace is not None:
            self.trace(f"{now:>12} {tid} {how}: {result}")
