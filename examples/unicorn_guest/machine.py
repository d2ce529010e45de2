"""The machine: one process, whose threads take turns in one processor.

Who runs next, and for how many instructions, is drawn from a seeded generator, and nothing else the guest can see
depends on the host: with the same seed, a run is the same, instruction by instruction.
"""

import random
import signal
import sys
from collections.abc import Callable, Sequence

from unicorn import x86_const as x86

from pyfutex import Manager
from pyfutex.linux import Task
from unicorn_guest import calls
from unicorn_guest.calls.futexes import on_complete
from unicorn_guest.clock import Alarm, Clock
from unicorn_guest.cpu import Cpu, Stop
from unicorn_guest.elf import Image
from unicorn_guest.ledger import FutexLedger
from unicorn_guest.memory import PROT_READ, PROT_WRITE, GuestMemory
from unicorn_guest.signals import SI_KERNEL, Signals
from unicorn_guest.stack import build_stack
from unicorn_guest.thread import SignalInfo, Thread, Wait

PID = 1000
MAX_THREADS = 1024
HEAP_SIZE = 64 << 20

# Virtual time that passes, in nanoseconds.
INSTRUCTION = 4
SYSCALL = 400

# A slice is this many instructions. Short ones now and then, so that a thread is also stopped soon after it was let
# go on, in the midst of what it does with a lock.
_SHORT_SLICE = (2, 60)
_LONG_SLICE = (200, 6000)
_SHORT_IN = 4


class Deadlock(Exception):
    """Every thread waits for another; the message says what for."""


class OutOfInstructions(Exception):
    """The guest has carried out as many instructions as it may."""


class Machine:
    """One guest process.

    Parameters
    ----------
    image : Image
        The program.
    argv, environment : sequence of bytes
        Its arguments, the name included, and its environment.
    seed : int
        Draws the interleaving and the guest's random bytes.
    output : callable
        Called with a descriptor, 1 or 2, and the bytes that the guest writes to it.
    ledger : FutexLedger, optional
        Counts and traces futex calls.
    max_instructions : int, optional
        After so many, `step` and `run` end with OutOfInstructions. A slice that a system call or a fault cuts short counts
        whole, and so does each time to which a clock jumps as one. None: there is no limit.

    Attributes
    ----------
    threads : dict
        The living threads, by thread id.
    exit_status : int or None
        As a shell has it: 128 and the signal's number for one that was killed. None while it runs.
    """

    def __init__(
        self,
        image: Image,
        argv: Sequence[bytes],
        environment: Sequence[bytes] = (),
        *,
        seed: int = 0,
        output: Callable[[int, bytes], None],
        ledger: FutexLedger | None = None,
        max_instructions: int | None = None,
    ) -> None:
        self.rng = random.Random(seed)
        self.output = output
        self.clock = Clock()
        self.cpu = Cpu()
        self.memory = GuestMemory(self.cpu)
        self.manager = Manager()
        self.signals = Signals(self)
        self.ledger = FutexLedger() if ledger is None else ledger
        self.name = argv[0] if argv else b""
        self.threads: dict[int, Thread] = {}
        self.exit_status: int | None = None
        self.killed_by: SignalInfo | None = None
        self.interval_timer: Alarm | None = None
        self.n_slices = 0
        self._left = sys.maxsize if max_instructions is None else max_instructions
        self._next_tid = PID
        self._ready: list[Thread] = []
        self._alarms: dict[Thread, Alarm] = {}
        self._in_cpu: Thread | None = None
        self._load(image)
        self.cpu.set(x86.UC_X86_REG_RSP, build_stack(self.memory, image, argv, environment, self.rng))
        self.cpu.set(x86.UC_X86_REG_RIP, image.entry)
        self._in_cpu = self.add_thread()

    def _load(self, image: Image) -> None:
        self.memory.back(image.start, image.end - image.start + HEAP_SIZE)
        for segment in image.segments:
            pages = segment.pages
            self.memory.map(pages.start, pages.stop - pages.start, PROT_READ | PROT_WRITE)
            self.memory.load(segment.addr, segment.data)
            self.memory.protect(pages.start, pages.stop - pages.start, segment.prot)
        self.heap_start = self.heap_end = image.end

    def add_thread(self) -> Thread:
        """Add a thread that is ready to run."""
        task = Task(
            self._next_tid,
            self.memory.space,
            self.manager,
            on_complete=lambda _, value: on_complete(self, thread, value),
            now=self.clock.read,
        )
        thread = Thread(self._next_tid, task)
        self._next_tid += 1
        self.threads[thread.tid] = thread
        self._ready.append(thread)
        return thread

    def save_registers(self, thread: Thread) -> None:
        """Copy the registers of the processor to be those of a thread."""
        if thread.context is None:
            thread.context = self.cpu.save()
        else:
            self.cpu.save_into(thread.context)

    def run(self) -> int:
        """Run the guest to its end.

        Returns
        -------
        int
            `exit_status`.

        Raises
        ------
        Deadlock
            Every thread waits, none of them for a time.
        OutOfInstructions
            `max_instructions` were carried out.
        """
        while self.exit_status is None:
            self.step()
        return self.exit_status

    def step(self) -> None:
        """Run one slice of one thread; with all of them asleep, go to where the first wakes."""
        while not self._ready:
            self._spend(1)
            if not self.clock.jump():
                raise Deadlock(self.describe_waits())
            if self.exit_status is not None:
                return
        thread = self.rng.choice(self._ready)
        slice_from = _LONG_SLICE if self.rng.randrange(_SHORT_IN) else _SHORT_SLICE
        self._enter(thread)
        if self.exit_status is None:
            self._run_slice(thread, self._spend(self.rng.randrange(*slice_from)))

    def block(self, thread: Thread, wait: Wait) -> None:
        """Take a thread off the processor until `wake`, or until what it waits for gives up."""
        thread.wait = wait
        self._ready.remove(thread)
        if wait.deadline is not None:
            self._alarms[thread] = self.clock.call_at(wait.deadline, lambda: self._expire(thread, wait))

    def wake(self, thread: Thread, result: int | None) -> None:
        """Let a blocked thread go on, with `result` in its register."""
        thread.wait = None
        thread.result = result
        self._ready.append(thread)
        alarm = self._alarms.pop(thread, None)
        if alarm is not None:
            alarm.cancel()

    def end_thread(self, thread: Thread, status: int) -> None:
        """End a thread that is in the processor; the process ends with the last one."""
        self.threads.pop(thread.tid)
        self._ready.remove(thread)
        self._in_cpu = None
        thread.task.exit()
        if not self.threads:
            self.exit_status = status & 0xFF

    def exit(self, status: int) -> None:
        """End the process, and every thread of it."""
        self.exit_status = status
        for thread in self.threads.values():
            thread.task.exit()

    def kill(self, info: SignalInfo, thread: Thread) -> None:
        """End the process by a signal that a thread received."""
        self.killed_by = info
        self.exit(128 + info.signo)

    def describe_waits(self) -> str:
        """Say what every blocked thread waits for, as the threads and as the manager know it."""
        lines = [
            f"thread {t.tid} waits for {t.wait.reason}" for t in self.threads.values() if t.wait is not None
        ]
        lines += [
            f"the manager has thread {info.waiter.tag.tid} queued on {info.key.offset:#x} ({info.kind})"
            for info in self.manager.waiters()
        ]
        return "\n".join(lines)

    def _spend(self, n_instructions: int) -> int:
        # So many of them, or those that are left.
        if self._left == 0:
            raise OutOfInstructions
        spent = min(n_instructions, self._left)
        self._left -= spent
        return spent

    def _enter(self, thread: Thread) -> None:
        # Put a thread into the processor, with the result of the call that it was in, and into its handlers.
        before = self._in_cpu
        if before is not thread:
            if before is not None:
                self.save_registers(before)
            self.cpu.restore(thread.context)
            self._in_cpu = thread
        if thread.restarts:
            thread.restarts = False
            self.cpu.set_all(
                {
                    x86.UC_X86_REG_RAX: thread.call,
                    x86.UC_X86_REG_RIP: self.cpu.get(x86.UC_X86_REG_RIP) - 2,
                }
            )
        elif thread.result is not None:
            self.cpu.set(x86.UC_X86_REG_RAX, thread.result & 0xFFFF_FFFF_FFFF_FFFF)
            thread.result = None
        if (thread.pending or self.signals.pending) and self.signals.has_deliverable(thread):
            self.signals.deliver(thread)

    def _run_slice(self, thread: Thread, n_instructions: int) -> None:
        self.n_slices += 1
        stop = self.cpu.run(n_instructions)
        if stop is Stop.SLICE:
            self.clock.advance(n_instructions * INSTRUCTION)
        elif stop is Stop.SYSCALL:
            self._serve(thread)
            self.clock.advance(SYSCALL)
        else:
            trap = self.cpu.trap
            code = SI_KERNEL if trap.signo != signal.SIGSEGV else 1
            self.signals.force(thread, SignalInfo(trap.signo, code, addr=trap.addr))

    def _serve(self, thread: Thread) -> None:
        number, *arguments = self.cpu.syscall()
        thread.call = number
        result = calls.serve(self, thread, number, arguments)
        if result is not None:
            self.cpu.set(x86.UC_X86_REG_RAX, result & 0xFFFF_FFFF_FFFF_FFFF)

    def _expire(self, thread: Thread, wait: Wait) -> None:
        if thread.wait is wait:
            value = wait.expire()
            if value is not None:
                self.wake(thread, value)
