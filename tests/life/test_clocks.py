"""On which clock each call sleeps, as the kernel is told: what a step of the realtime clock does to it follows from that.

Nobody sets the machine's clock here. Timeouts are on CLOCK_MONOTONIC, which no step moves and which stands still while the
machine is suspended; a deadline on CLOCK_REALTIME is handed to the kernel as it is, absolute and on that clock, and the
kernel wakes its sleepers when the clock is set past it.
"""

import time

import pytest
from differential.kernel import SYS_FUTEX, SYS_FUTEX_WAIT, SYS_FUTEX_WAITV, Timespec
from life.asleep import SYS_POLL, asleep
from life.blocking import CALLS, page
from sync.sleeping import system_call

from pyfutex import Kernel, Manager, Memory, Waiter

FUTEX_CLOCK_REALTIME, LOCK_PI = 256, 6
CLOCK_AT = {SYS_FUTEX_WAITV: 4, SYS_FUTEX_WAIT: 5}
LONG = 1000


def clock_of(number, arguments):
    """The clock of a call that sleeps until a time on it."""
    if number == SYS_POLL:
        return time.CLOCK_MONOTONIC
    if number in CLOCK_AT:
        # An int: the other half of the register says nothing.
        return arguments[CLOCK_AT[number]] & 0xFFFFFFFF
    assert number == SYS_FUTEX
    command = arguments[1] & 127
    on_realtime = command == LOCK_PI or arguments[1] & FUTEX_CLOCK_REALTIME
    return time.CLOCK_REALTIME if on_realtime else time.CLOCK_MONOTONIC


def sleeping_in(spawn, wait_until, function, *arguments, **options):
    """Run a call in a thread; the number and the arguments of the system call that it sleeps in."""
    running = spawn(function, *arguments, **options)
    wait_until(lambda: asleep(running.tid))
    return [int(field, 0) for field in system_call("self", running.tid)[:7]]


def test_no_timeout_is_on_the_realtime_clock(name, spawn, wait_until):
    blocked = CALLS[name]()
    if blocked.timed_out is None:
        pytest.skip("it takes no timeout")
    number, *arguments = sleeping_in(spawn, wait_until, blocked.call, LONG)
    assert clock_of(number, arguments) == time.CLOCK_MONOTONIC
    wait_until(blocked.end)


def waiter_wait(memory, engine, **options):
    w = Waiter()
    assert engine.wait_prepare(w, memory, 0, 0) is None
    return w.wait(**options)


ON_A_CLOCK = {
    "Manager.wait": (Manager, lambda memory, engine, **o: engine.wait(memory, 0, 0, **o)),
    "Manager.wake_wait": (Manager, lambda memory, engine, **o: engine.wake_wait(memory, 64, 0, 0, **o)),
    "Manager.waitv": (Manager, lambda memory, engine, **o: engine.waitv([(memory, 0, 0)], **o)),
    "Waiter.wait": (Manager, waiter_wait),
    "Kernel.wait": (Kernel, lambda memory, engine, **o: engine.wait(memory, 0, 0, **o)),
    "Kernel.wake_wait": (Kernel, lambda memory, engine, **o: engine.wake_wait(memory, 64, 0, 0, **o)),
    "Kernel.waitv": (Kernel, lambda memory, engine, **o: engine.waitv([(memory, 0, 0)], **o)),
}


@pytest.mark.parametrize("call", ON_A_CLOCK)
@pytest.mark.parametrize("clock", [time.CLOCK_MONOTONIC, time.CLOCK_REALTIME])
def test_a_deadline_is_handed_to_the_kernel_on_its_own_clock(call, clock, spawn, wait_until):
    if call == "Kernel.waitv" and "waitv" not in Kernel.supported:
        pytest.skip("no waitv here")
    make, wait = ON_A_CLOCK[call]
    engine, memory = make(), Memory(page())
    deadline = time.clock_gettime(clock) + LONG
    number, *arguments = sleeping_in(spawn, wait_until, wait, memory, engine, deadline=deadline, clock=clock)
    assert clock_of(number, arguments) == clock
    until = Timespec.from_address(arguments[3])
    assert abs(until.tv_sec + until.tv_nsec / 1e9 - deadline) < 1e-3
    wait_until(lambda: engine.wake(memory, 0) == 1)
