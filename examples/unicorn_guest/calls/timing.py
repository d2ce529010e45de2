"""Clocks, sleeping, and the interval timer."""

import signal
import struct
from typing import TYPE_CHECKING

from unicorn_guest.clock import CLOCK_REALTIME, SECOND
from unicorn_guest.memory import Fault
from unicorn_guest.signals import SI_KERNEL
from unicorn_guest.thread import SignalInfo

if TYPE_CHECKING:
    from unicorn_guest.machine import Machine
    from unicorn_guest.thread import Thread

_EINTR, _EFAULT, _EINVAL = -4, -14, -22
_TIMER_ABSTIME = 1
_N_CLOCKS = 12
_CLOCK_MONOTONIC = 1
_LONGEST = 2**62


class Sleep:
    """Somebody in nanosleep."""

    reason = "clock_nanosleep"

    def __init__(self, machine: "Machine", deadline: int, remaining: int) -> None:
        self.deadline = deadline
        self._machine = machine
        self._remaining = remaining

    def expire(self) -> int:
        """0 when the time has come."""
        return 0

    def interrupt(self, sa_restart: bool) -> int:
        """EINTR, whatever the handler's flags; what is left of a relative sleep is written."""
        if self._remaining:
            left = max(self.deadline - self._machine.clock.now, 0)
            try:
                self._machine.memory.write(self._remaining, as_timespec(left))
            except Fault:
                return _EFAULT
        return _EINTR


def as_timespec(ns: int) -> bytes:
    """A struct timespec."""
    return struct.pack("<qq", *divmod(ns, SECOND))


def read_timespec(machine: "Machine", addr: int) -> int:
    """Nanoseconds from a struct timespec; OSError EINVAL if it is none."""
    seconds, ns = struct.unpack("<qq", machine.memory.read(addr, 16))
    if seconds < 0 or not 0 <= ns < SECOND:
        raise OSError(-_EINVAL, "no timespec")
    return min(seconds * SECOND + ns, _LONGEST)


def nanosleep(machine: "Machine", thread: "Thread", request: int, remaining: int, *_: int) -> None:
    """Sleep for a time."""
    machine.block(thread, Sleep(machine, machine.clock.now + read_timespec(machine, request), remaining))


def clock_nanosleep(
    machine: "Machine", thread: "Thread", clock: int, flags: int, request: int, remaining: int, *_: int
) -> int | None:
    """Sleep for a time, or until one."""
    if clock >= _N_CLOCKS:
        return _EINVAL
    when = read_timespec(machine, request)
    if flags & _TIMER_ABSTIME:
        machine.block(thread, Sleep(machine, machine.clock.to_monotonic(clock, when), 0))
    else:
        machine.block(thread, Sleep(machine, machine.clock.now + when, remaining))
    return None


def clock_gettime(machine: "Machine", thread: "Thread", clock: int, addr: int, *_: int) -> int:
    """What a clock shows. The clocks of a process or thread show the monotonic one too."""
    if _N_CLOCKS <= clock < 2**31:
        return _EINVAL
    machine.memory.write(addr, as_timespec(machine.clock.read(clock)))
    return 0


def clock_getres(machine: "Machine", thread: "Thread", clock: int, addr: int, *_: int) -> int:
    """A nanosecond."""
    if _N_CLOCKS <= clock < 2**31:
        return _EINVAL
    if addr:
        machine.memory.write(addr, as_timespec(1))
    return 0


def gettimeofday(machine: "Machine", thread: "Thread", addr: int, *_: int) -> int:
    """The realtime clock in microseconds."""
    if addr:
        seconds, ns = divmod(machine.clock.read(CLOCK_REALTIME), SECOND)
        machine.memory.write(addr, struct.pack("<qq", seconds, ns // 1000))
    return 0


def time(machine: "Machine", thread: "Thread", addr: int, *_: int) -> int:
    """The realtime clock in seconds."""
    seconds = machine.clock.read(CLOCK_REALTIME) // SECOND
    if addr:
        machine.memory.write_u64(addr, seconds)
    return seconds


def alarm(machine: "Machine", thread: "Thread", seconds: int, *_: int) -> int:
    """SIGALRM once, some seconds from now."""
    left = _set_timer(machine, (seconds & 0xFFFF_FFFF) * SECOND, 0)
    return (left + SECOND - 1) // SECOND


def setitimer(machine: "Machine", thread: "Thread", which: int, new: int, old: int, *_: int) -> int:
    """SIGALRM after a time, and again after each interval. Only ITIMER_REAL."""
    if which != 0:
        return _EINVAL
    interval_s, interval_us, value_s, value_us = struct.unpack("<4q", machine.memory.read(new, 32))
    if not (
        0 <= interval_us < 10**6
        and 0 <= value_us < 10**6
        and 0 <= interval_s < 2**32
        and 0 <= value_s < 2**32
    ):
        return _EINVAL
    left = _set_timer(machine, value_s * SECOND + value_us * 1000, interval_s * SECOND + interval_us * 1000)
    if old:
        machine.memory.write(old, struct.pack("<4q", 0, 0, left // SECOND, left % SECOND // 1000))
    return 0


def _set_timer(machine: "Machine", value: int, interval: int) -> int:
    # Returns what was left of the timer before.
    before = machine.interval_timer
    left = 0
    if before is not None and before.action is not None:
        left = before.when - machine.clock.now
        before.cancel()
    machine.interval_timer = None

    def ring() -> None:
        if interval:
            machine.interval_timer = machine.clock.call_at(machine.clock.now + interval, ring)
        machine.signals.send(SignalInfo(signal.SIGALRM, SI_KERNEL))

    if value:
        machine.interval_timer = machine.clock.call_at(machine.clock.now + value, ring)
    return left


CALLS = {
    35: nanosleep,
    37: alarm,
    38: setitimer,
    96: gettimeofday,
    201: time,
    228: clock_gettime,
    229: clock_getres,
    230: clock_nanosleep,
}
