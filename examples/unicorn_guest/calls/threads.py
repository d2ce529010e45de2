"""Threads: made, named, ended, scheduled."""

import contextlib
import struct
from typing import TYPE_CHECKING

from unicorn import x86_const as x86

from unicorn_guest.memory import Fault

if TYPE_CHECKING:
    from unicorn_guest.machine import Machine
    from unicorn_guest.thread import Thread

_EPERM, _ESRCH, _EAGAIN, _EINVAL, _ENOSYS = -1, -3, -11, -22, -38
_HIGHEST = 2**47

_CLONE_VM, _CLONE_SIGHAND, _CLONE_THREAD = 0x100, 0x800, 0x1_0000
_CLONE_SETTLS, _CLONE_PARENT_SETTID = 0x8_0000, 0x10_0000
_CLONE_CHILD_CLEARTID, _CLONE_CHILD_SETTID = 0x20_0000, 0x100_0000
_A_THREAD = _CLONE_VM | _CLONE_SIGHAND | _CLONE_THREAD

_ARCH_SET_GS, _ARCH_SET_FS, _ARCH_GET_FS, _ARCH_GET_GS = 0x1001, 0x1002, 0x1003, 0x1004

_SCHED_OTHER, _SCHED_FIFO, _SCHED_RR, _SCHED_BATCH, _SCHED_IDLE = 0, 1, 2, 3, 5
_REALTIME = (_SCHED_FIFO, _SCHED_RR)


def clone(
    machine: "Machine",
    thread: "Thread",
    flags: int,
    stack: int,
    parent_tid: int,
    child_tid: int,
    tls: int,
    *_: int,
) -> int:
    """Start a thread. ENOSYS for a process: this machine runs one."""
    from unicorn_guest.machine import MAX_THREADS

    if flags & _A_THREAD != _A_THREAD:
        return _ENOSYS
    if len(machine.threads) >= MAX_THREADS:
        return _EAGAIN
    if flags & _CLONE_SETTLS and tls >= _HIGHEST:
        return _EPERM
    child = machine.add_thread()
    child.result = 0
    child.mask = thread.mask
    child.policy, child.task.priority = thread.policy, thread.task.priority
    if flags & _CLONE_CHILD_CLEARTID:
        child.task.clear_child_tid = child_tid
    before = machine.cpu.save()
    if stack:
        machine.cpu.set(x86.UC_X86_REG_RSP, stack)
    if flags & _CLONE_SETTLS:
        machine.cpu.set(x86.UC_X86_REG_FS_BASE, tls)
    machine.save_registers(child)
    machine.cpu.restore(before)
    for flag, addr in ((_CLONE_PARENT_SETTID, parent_tid), (_CLONE_CHILD_SETTID, child_tid)):
        if flags & flag:
            # As on Linux, the thread is there whether or not its id can be told.
            with contextlib.suppress(Fault):
                machine.memory.write_u32(addr, child.tid)
    return child.tid


def clone3(machine: "Machine", thread: "Thread", addr: int, size: int, *_: int) -> int:
    """The same, from a structure."""
    if size < 64:
        return _EINVAL
    flags, _, child_tid, parent_tid, _, stack, stack_size, tls = struct.unpack(
        "<8Q", machine.memory.read(addr, 64)
    )
    return clone(machine, thread, flags, (stack + stack_size) % 2**64, parent_tid, child_tid, tls)


def exit_(machine: "Machine", thread: "Thread", status: int, *_: int) -> None:
    """End this thread."""
    machine.end_thread(thread, status)


def exit_group(machine: "Machine", thread: "Thread", status: int, *_: int) -> None:
    """End all of them."""
    machine.exit(status & 0xFF)


def gettid(machine: "Machine", thread: "Thread", *_: int) -> int:
    """The id of this thread."""
    return thread.tid


def getpid(machine: "Machine", thread: "Thread", *_: int) -> int:
    """The id of the process: that of its first thread."""
    from unicorn_guest.machine import PID

    return PID


def getppid(machine: "Machine", thread: "Thread", *_: int) -> int:
    """Nobody that the guest can reach started it."""
    return 1


def arch_prctl(machine: "Machine", thread: "Thread", code: int, addr: int, *_: int) -> int:
    """The bases of the fs and gs segments."""
    if code in (_ARCH_SET_FS, _ARCH_SET_GS):
        if addr >= _HIGHEST:
            return _EPERM
        machine.cpu.set(x86.UC_X86_REG_FS_BASE if code == _ARCH_SET_FS else x86.UC_X86_REG_GS_BASE, addr)
        return 0
    if code in (_ARCH_GET_FS, _ARCH_GET_GS):
        base = machine.cpu.get(x86.UC_X86_REG_FS_BASE if code == _ARCH_GET_FS else x86.UC_X86_REG_GS_BASE)
        machine.memory.write_u64(addr, base)
        return 0
    return _EINVAL


def sched_yield(machine: "Machine", thread: "Thread", *_: int) -> int:
    """Every system call ends a slice; nothing is left to do."""
    return 0


def sched_setparam(machine: "Machine", thread: "Thread", tid: int, param: int, *_: int) -> int:
    """Change the priority of a thread."""
    other = _thread(machine, thread, tid)
    if other is None:
        return _ESRCH
    return _schedule(other, other.policy, machine.memory.read_u32(param))


def sched_getparam(machine: "Machine", thread: "Thread", tid: int, param: int, *_: int) -> int:
    """The priority of a thread."""
    other = _thread(machine, thread, tid)
    if other is None:
        return _ESRCH
    machine.memory.write_u32(param, other.task.priority)
    return 0


def sched_setscheduler(
    machine: "Machine", thread: "Thread", tid: int, policy: int, param: int, *_: int
) -> int:
    """Change policy and priority: queues of futexes follow them, the time slices do not."""
    other = _thread(machine, thread, tid)
    if other is None:
        return _ESRCH
    return _schedule(other, policy, machine.memory.read_u32(param))


def sched_getscheduler(machine: "Machine", thread: "Thread", tid: int, *_: int) -> int:
    """The policy of a thread."""
    other = _thread(machine, thread, tid)
    return _ESRCH if other is None else other.policy


def sched_get_priority_max(machine: "Machine", thread: "Thread", policy: int, *_: int) -> int:
    """99 for the real-time policies."""
    return 99 if policy in _REALTIME else 0


def sched_get_priority_min(machine: "Machine", thread: "Thread", policy: int, *_: int) -> int:
    """1 for the real-time policies."""
    return 1 if policy in _REALTIME else 0


def _thread(machine: "Machine", thread: "Thread", tid: int) -> "Thread | None":
    return thread if tid == 0 else machine.threads.get(tid)


def _schedule(thread: "Thread", policy: int, priority: int) -> int:
    if policy in _REALTIME:
        if not 1 <= priority <= 99:
            return _EINVAL
    elif policy not in (_SCHED_OTHER, _SCHED_BATCH, _SCHED_IDLE) or priority != 0:
        return _EINVAL
    thread.policy = policy
    thread.task.priority = priority
    return 0


CALLS = {
    24: sched_yield,
    39: getpid,
    56: clone,
    60: exit_,
    110: getppid,
    142: sched_setparam,
    143: sched_getparam,
    144: sched_setscheduler,
    145: sched_getscheduler,
    146: sched_get_priority_max,
    147: sched_get_priority_min,
    158: arch_prctl,
    186: gettid,
    231: exit_group,
    435: clone3,
}
