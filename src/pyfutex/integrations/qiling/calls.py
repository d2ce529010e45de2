"""The system calls that `install` takes over."""

import errno
import os
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event
from qiling import Qiling
from qiling.const import QL_ARCH, QL_INTERCEPT, QL_OS
from qiling.os.linux.thread import QlLinuxThread

from pyfutex import Manager, linux
from pyfutex.integrations.qiling import clocks
from pyfutex.integrations.qiling.memory import GuestMemory
from pyfutex.integrations.qiling.table import Waiting, name_of_call, owner_of
from pyfutex.integrations.qiling.threads import GuestThread

CLONE_VM = 0x100
CLONE_THREAD = 0x10000
# Calls that no table of Qiling lists. Numbers of this age are the same on all processors, but for the base that MIPS adds.
NEW_CALLS = {449: "futex_waitv", 454: "futex_wake", 455: "futex_wait", 456: "futex_requeue"}
MIPS_O32_BASE = 4000
# Error numbers are those of the guest's processor; of the ones a futex call can give, MIPS has these three of its own.
MIPS_ERRORS = {errno.EDEADLK: 45, errno.ENOSYS: 89, errno.ETIMEDOUT: 145}


def install(ql: Qiling, *, profile: str = "linux-6.18") -> "Futexes":
    """Let pyfutex answer the futex calls of a guest.

    Takes over futex, futex_time64, futex_waitv, futex_wake, futex_wait, futex_requeue, set_robust_list, get_robust_list,
    set_tid_address, exit, exit_group, clock_gettime and clock_gettime64, and follows clone, fork and vfork. clone3 gives
    ENOSYS, after which a C library takes clone. Call it once, before ``ql.run()``.

    Parameters
    ----------
    ql : Qiling
        A Linux guest with ``multithread=True``.
    profile : str
        The kernel whose answers are given where versions differ, as for `Manager`.

    Returns
    -------
    Futexes
        What serves the guest: its `manager`, and the table of who waits for whom.

    Raises
    ------
    ValueError
        The guest is not Linux, not multithreaded, or Qiling has no threads for its processor.
    """
    if ql.os.type != QL_OS.LINUX:
        raise ValueError("pyfutex serves Linux guests")
    if not ql.multithread:
        raise ValueError("the guest has no threads: Qiling(..., multithread=True) gives it some")
    if ql.os.thread_class is None:
        raise ValueError(f"Qiling has no threads on {ql.arch.type.name}")
    return Futexes(ql, profile)


class Futexes:
    """The futexes of one guest, and its threads. Made by `install`.

    Attributes
    ----------
    manager : Manager
        The queues.
    memory : GuestMemory
        The guest's memory as pyfutex reaches it.
    """

    def __init__(self, ql: Qiling, profile: str) -> None:
        self._ql = ql
        self._profile = profile
        self._is_mips = ql.arch.type == QL_ARCH.MIPS
        self._threads: dict[int, GuestThread] = {}
        self._last_left = Event()
        # Qiling's stack for x86-64 reaches beyond what Linux gives to programs.
        self._task_options: dict[str, Any] = {
            "abi": "ilp32" if ql.arch.bits == 32 else "lp64",
            "address_limit": 1 << (32 if ql.arch.bits == 32 else 48),
        }
        self.manager = Manager(profile=profile)
        self.memory = GuestMemory(ql)
        if self.memory.byte_order == "big":
            self._task_options["byteorder"] = "big"
        self._take_over()

    def waiting(self) -> list[Waiting]:
        """Who waits on which word, and for whom; in the order of thread ids.

        Safe to call whenever no guest code runs: when ``ql.run()`` has returned or raised, or in another greenlet.
        """
        alive = self._threads.keys()
        rows = []
        for info in self.manager.waiters():
            task = info.waiter and info.waiter.tag
            if not isinstance(task, linux.Task):
                continue
            tid, word = task.tid, info.key.offset
            rows.append(
                Waiting(
                    tid, self._threads[tid].call, word, self._load(word), owner_of(word, self._load, alive)
                )
            )
        return sorted(rows, key=lambda row: row.tid)

    def _load(self, addr: int) -> int | None:
        try:
            return self.memory.load(addr)
        except OSError:
            return None

    # What Qiling calls. The names of parameters are those of the registers, in their order.

    def futex(
        self, ql: Qiling, uaddr: int, op: int, val: int, timeout: int, uaddr2: int, val3: int
    ) -> int | None:
        """futex(2)."""
        return self._answer(linux.futex, uaddr, op, val, timeout, uaddr2, val3)

    def futex_time64(
        self, ql: Qiling, uaddr: int, op: int, val: int, timeout: int, uaddr2: int, val3: int
    ) -> int | None:
        """futex(2) of 32-bit guests with a 64-bit timespec."""
        return self._answer(linux.futex_time64, uaddr, op, val, timeout, uaddr2, val3)

    def futex_waitv(
        self, ql: Qiling, waiters: int, nr: int, flags: int, timeout: int, clockid: int
    ) -> int | None:
        """futex_waitv(2)."""
        return self._answer(linux.futex_waitv, waiters, nr, flags, timeout, clockid)

    def futex_wake(self, ql: Qiling, uaddr: int, mask: int, nr: int, flags: int) -> int | None:
        """futex_wake(2)."""
        return self._answer(linux.futex_wake, uaddr, mask, nr, flags)

    def futex_wait(
        self, ql: Qiling, uaddr: int, val: int, mask: int, flags: int, timeout: int, clockid: int
    ) -> int | None:
        """futex_wait(2)."""
        return self._answer(linux.futex_wait, uaddr, val, mask, flags, timeout, clockid)

    def futex_requeue(
        self, ql: Qiling, waiters: int, flags: int, nr_wake: int, nr_requeue: int
    ) -> int | None:
        """futex_requeue(2)."""
        return self._answer(linux.futex_requeue, waiters, flags, nr_wake, nr_requeue)

    def set_robust_list(self, ql: Qiling, head: int, length: int) -> int | None:
        """set_robust_list(2)."""
        return self._answer(linux.set_robust_list, head, length)

    def get_robust_list(self, ql: Qiling, pid: int, head_ptr: int, len_ptr: int) -> int | None:
        """get_robust_list(2)."""
        return self._answer(linux.get_robust_list, pid, head_ptr, len_ptr)

    def set_tid_address(self, ql: Qiling, tidptr: int) -> int | None:
        """set_tid_address(2)."""
        return self._answer(linux.set_tid_address, tidptr)

    def clone3(self, ql: Qiling) -> int:
        """clone3(2): not here, which C libraries take for an old kernel."""
        return self._register(-errno.ENOSYS)

    def exit(self, ql: Qiling, code: int) -> None:
        """exit(2): of the calling thread alone. The first thread stays, without running, until the others have left."""
        thread = self._current()
        self._leave(thread.id)
        if ql.os.child_processes:
            os._exit(code & 0xFF)
        management = ql.os.thread_management

        def end(current: QlLinuxThread) -> None:
            if current is management.main_thread:
                ql.os.exit_code = code
                while self._has_threads():
                    self._last_left.wait()
            current.exit_code = code
            management.stop_thread(current)

        self._stop(thread, end)

    def exit_group(self, ql: Qiling, code: int) -> None:
        """exit_group(2): of all threads of the process, whatever they wait for."""
        thread = self._current()
        if self._thread(thread).is_process or ql.os.child_processes:
            self.exit(ql, code)
            return
        for tid in list(self._threads):
            self._leave(tid)
        management = ql.os.thread_management

        def end_all(current: QlLinuxThread) -> None:
            ql.os.exit_code = current.exit_code = code
            others = [
                other for other in management.threads | {management.main_thread} if other is not current
            ]
            for other in others:
                other.stop()  # one that could go on does not run guest code again
            gevent.killall(others, block=False)  # one that waits for something else comes back
            management.stop_thread(management.main_thread)

        self._stop(thread, end_all)

    def _cloned(
        self,
        ql: Qiling,
        flags: int,
        child_stack: int,
        parent_tidptr: int,
        newtls: int,
        child_tidptr: int,
        tid: int,
    ) -> None:
        if not flags & CLONE_VM:
            self._forked(ql, tid)
            return
        child = next((thread for thread in ql.os.thread_management.threads if thread.id == tid), None)
        if child is not None:
            self._adopt(child, is_process=not flags & CLONE_THREAD)

    def _forked(self, ql: Qiling, pid: int) -> None:
        if pid == 0:  # this is the child of a fork of the host, with the calling thread alone
            self.manager = Manager(profile=self._profile)
            self._threads.clear()

    # What these have in common.

    def _answer(self, call: Callable[..., int | None], *registers: int) -> int | None:
        thread = self._current()
        guest = self._thread(thread)
        value = call(guest.task, *registers)
        if value is not None:
            return self._register(value)
        guest.call = name_of_call(call, registers)
        guest.block(thread, self._set_return)
        return None

    def _register(self, value: int) -> int:
        return -MIPS_ERRORS.get(-value, -value) if self._is_mips else value

    def _set_return(self, value: int) -> None:
        self._ql.os.set_syscall_return(self._register(value))

    def _current(self) -> QlLinuxThread:
        return self._ql.os.thread_management.cur_thread

    def _thread(self, thread: QlLinuxThread) -> GuestThread:
        # By id: the thread that ran the dynamic loader and the one that runs the program are two greenlets of one id.
        return self._threads.get(thread.id) or self._adopt(thread, is_process=False)

    def _adopt(self, thread: QlLinuxThread, *, is_process: bool) -> GuestThread:
        guest = GuestThread(
            self._ql, thread, self.memory, self.manager, is_process=is_process, **self._task_options
        )
        self._threads[thread.id] = guest
        return guest

    def _leave(self, tid: int) -> None:
        guest = self._threads.pop(tid, None)
        if guest is not None:
            guest.task.exit()
        if not self._has_threads():
            self._last_left.set()

    def _has_threads(self) -> bool:
        return not all(guest.is_process for guest in self._threads.values())

    def _stop(self, thread: QlLinuxThread, end: Callable[[QlLinuxThread], None]) -> None:
        # What follows happens outside the processor: Qiling's rule is to switch nowhere inside a call.
        self._ql.emu_stop()
        thread.sched_cb = end

    def _take_over(self) -> None:
        os_ = self._ql.os
        for call in (
            self.futex,
            self.futex_time64,
            self.set_robust_list,
            self.get_robust_list,
            self.set_tid_address,
            self.exit,
            self.exit_group,
            clocks.clock_gettime,
            clocks.clock_gettime64,
            self.clone3,
        ):
            os_.set_syscall(call.__name__, call)
        os_.set_syscall("clone", self._cloned, QL_INTERCEPT.EXIT)
        for name in ("fork", "vfork"):
            os_.set_syscall(name, self._forked, QL_INTERCEPT.EXIT)
        self._name_new_calls()

    def _name_new_calls(self) -> None:
        os_ = self._ql.os
        base = MIPS_O32_BASE if self._is_mips else 0
        for name in NEW_CALLS.values():
            os_.set_syscall(name, getattr(self, name))
        named_by_qiling = os_.syscall_mapper

        def name_of(number: int) -> str:
            name = NEW_CALLS.get(number - base)
            return named_by_qiling(number) if name is None else f"ql_syscall_{name}"

        os_.syscall_mapper = name_of
