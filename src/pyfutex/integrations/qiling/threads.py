"""Guest threads of Qiling: greenlets that wait, outside the processor, for the end of the call they are blocked in."""

import errno
import time
from collections.abc import Callable
from typing import Any

from gevent.event import Event
from qiling import Qiling
from qiling.os.linux.thread import QlLinuxThread

from pyfutex import Manager, Target
from pyfutex.linux import Task


class GuestThread:
    """A thread of the guest: the `Task` that pyfutex knows, and the greenlet in which Qiling runs it.

    Parameters
    ----------
    ql : Qiling
    thread : QlLinuxThread
        As Qiling knows it. A clear_child_tid address that it bears moves to the task.
    memory, manager
        Of its process.
    is_process : bool
        Whether it shares memory without being of the same process, as a child of vfork does.
    **options
        For `Task`.
    """

    def __init__(
        self,
        ql: Qiling,
        thread: QlLinuxThread,
        memory: Target,
        manager: Manager,
        *,
        is_process: bool,
        **options: Any,
    ) -> None:
        self.is_process = is_process
        self.call = ""  # the call it is blocked in, or was last
        self.task = Task(thread.id, memory, manager, on_complete=self._complete, **options)
        self.task.clear_child_tid = thread.clear_child_tid_address or 0
        thread.clear_child_tid_address = None  # Qiling's own clearing finds nothing to do
        self._ql = ql
        self._ended = Event()
        self._value = 0

    def _complete(self, _: Task, value: int) -> None:
        # Called inside the call of the thread that woke this one: notes the end, and switches nowhere.
        self._value = value
        self._ended.set()

    def block(self, thread: QlLinuxThread, set_return: Callable[[int], None]) -> None:
        """Stop the processor; `thread` goes on when the call in which its task is blocked has ended.

        Parameters
        ----------
        thread : QlLinuxThread
            The running thread, which this object stands for.
        set_return : callable
            Takes the result of the call to the return register.
        """

        def wait(current: QlLinuxThread) -> None:
            value = self._wait()
            current.restore()
            set_return(value)
            current.save()

        self._ended.clear()
        thread.sched_cb = wait
        self._ql.emu_stop()

    def _wait(self) -> int:
        while not self._ended.is_set():
            deadline = self.task.deadline
            if deadline is None:
                self._ended.wait()
                continue
            clock, until_ns = deadline
            left_ns = until_ns - time.clock_gettime_ns(clock)
            if left_ns > 0:
                self._ended.wait(left_ns / 1e9)
                continue
            value = self.task.interrupt(errno.ETIMEDOUT)
            if value is not None:
                return value
        return self._value
