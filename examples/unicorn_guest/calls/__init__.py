"""The system calls, by number. A call answers the register's value, or None if the thread is blocked or gone."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from unicorn_guest.calls import files, futexes, identity, mappings, signalling, threads, timing
from unicorn_guest.memory import Fault

if TYPE_CHECKING:
    from unicorn_guest.machine import Machine
    from unicorn_guest.thread import Thread

_EFAULT, _ENOSYS = -14, -38

TABLE: dict[int, Callable[..., int | None]] = {
    **files.CALLS,
    **identity.CALLS,
    **mappings.CALLS,
    **signalling.CALLS,
    **threads.CALLS,
    **timing.CALLS,
    **futexes.CALLS,
}


def serve(machine: "Machine", thread: "Thread", number: int, arguments: Sequence[Any]) -> int | None:
    """Carry out a system call.

    Parameters
    ----------
    number : int
        From the guest's rax.
    arguments : sequence of int
        The six argument registers, as unsigned 64-bit integers.

    Returns
    -------
    int or None
        The result, or a negative errno: ENOSYS for a call that this machine lacks. None: rax stays as it is.
    """
    call = TABLE.get(number)
    if call is None:
        return _ENOSYS
    try:
        return call(machine, thread, *arguments)
    except Fault:
        return _EFAULT
    except OSError as error:
        return -error.errno
