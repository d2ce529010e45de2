"""A world in which calls are made with arguments that numbers choose: 0 is harmless, and the higher ones are hostile."""

import contextlib
import gc
import itertools
import math
import os
import signal
import threading
import time
from collections import defaultdict

from fuzz import hostility
from fuzz.hostility import BUFFERS, PythonTarget

import pyfutex
from pyfutex import linux, sync
from pyfutex.sync.processes import locks

# From here on a number chooses one of the arguments that no call expects.
HOSTILE = 160
MOST_OF_A_TYPE = 12
MOST_NESTED = 3
MOST_DEPTH = 100

ADDRESSES = (0, 4, 8, 64, 128, 256, 1020)
WORDS = (0, 1, 2, 7, 0x8000_0000, 0x8000_0007, 0xFFFF_FFFF, 0x4000_0000)
COUNTS = (1, 0, 2, pyfutex.ALL, 2**31 - 1)
NUMBERS = (0, 1, 2, 3, 4, 5, 7, 64, 128)
TIMES = (0, 0.0, 1e-9, 0.0005, None)
NAMES = ("a", "b", "c", "ü" * 20, "x" * 255)

OF_A_NAME = {
    **dict.fromkeys(("addr", "addr2", "wake_addr", "wait_addr", "uaddr", "uaddr2"), ADDRESSES),
    **dict.fromkeys(("val", "value", "val3", "expected", "desired", "old", "new", "op"), WORDS),
    **dict.fromkeys(("n", "n_wake", "n_wake2", "n_requeue", "nr", "nr_wake", "nr_requeue"), COUNTS),
    **dict.fromkeys(("limit", "count", "parties", "readers", "maxsize"), NUMBERS),
    "timeout": TIMES,
    "deadline": (None, 0, 0.0, 1.5),
    "clock": (1, 0),
    "bitset": (2**32 - 1, 1, 2),
    "private": (None, True, False),
    "size": (4, 1, 2, 8),
    "tid": (7, 8, 9, 1),
    "pid": (7, 8, 0),
    "priority": (0, 1, 99),
    "uid": (0, 1),
    "op": (*range(14), 128, 129, 0x1000_0000, 0x8000_1001),
    "offset": (0, 64, 128, 512, 4),
    "mappable_offset": (0, 64),
    "length": (None, 64, 256),
    "base": (None, 0, 4096, 2**64 - 4096),
    "abi": ("lp64", "ilp32"),
    "byteorder": ("little", "big"),
    "address_limit": (None, 1024, 2**47),
    "profile": ("linux-6.18", "linux-6.12"),
    "name": NAMES,
    "label": NAMES,
    "maximum": (1 << 16, 1 << 18),
    "mode": (0o600, 0o640),
    "kind": tuple(pyfutex.KeyKind),
    "blocking": (True, False),
    "block": (True, False),
    "robust": (True, False),
    "futex2": (False, True),
    "sa_restart": (False, True),
    "error": (4, 110),
    "method": ("fork", "spawn", None),
    "flags": (2, 130, 0),
    "mask": (2**32 - 1,),
    "clockid": (1, 0),
    "nr_futexes": (1, 2, 128),
    "head": (0, 256),
    "fileno": (0,),
    "queue": (None,),
    "obj": (5, "text"),
}  # fmt: skip

# Parameters whose value is an object of this type.
OF_A_TYPE = {
    "mem": pyfutex.Target, "mem2": pyfutex.Target, "memory": pyfutex.Memory, "w": pyfutex.Waiter, "waiter": pyfutex.Waiter,
    "engine": pyfutex.Manager, "manager": pyfutex.Manager, "other": pyfutex.Futex, "task": linux.Task,
    "mappable": pyfutex.Mappable, "lock": sync.Lock, "queue": pyfutex.CompletionQueue,
}  # fmt: skip

# The kernel goes on by itself when a signal comes, so that they end by their time alone.
UNINTERRUPTED = {"Kernel.lock_pi", "Kernel.wait_requeue_pi"}

CALLABLES = {"on_wake", "on_complete", "owner_alive", "now", "copy", "action", "function", "predicate"}


LOCKS = (sync.Lock, sync.RLock, sync.Condition, locks.Lock, locks.RLock, locks.WholeRLock, locks.Condition)


class Interrupted(BaseException):
    """A call took longer than its time, and a signal handler ended it."""


def is_time_of_uninterrupted(call, parameter):
    return call.name in UNINTERRUPTED and parameter.name == "timeout"


class World:
    """Objects of every class, by type, and what hostile arguments do to them.

    Parameters
    ----------
    directory : str
        Of arenas.
    """

    def __init__(self, directory):
        self.directory = directory
        self.buffers = []
        self.pools = defaultdict(list)
        self.depth = 0
        self.turn = itertools.count()
        self.hostile = self.hostile_values()
        self.keep(pyfutex.Memory(bytearray(4096)))
        self.keep(pyfutex.Memory(bytearray(1024), mappable=pyfutex.Mappable("m")))
        space = pyfutex.AddressSpace()
        space.map(0, bytearray(1024))
        self.keep(space)
        self.keep(PythonTarget(self.odd_answer))
        for make in (
            pyfutex.Manager,
            pyfutex.Kernel,
            pyfutex.Waiter,
            pyfutex.CompletionQueue,
            sync.Lock,
            sync.RLock,
        ):
            self.keep(make())
        self.keep(pyfutex.Waiter(self.act))
        manager, memory = self.one(pyfutex.Manager), self.one(pyfutex.Memory)
        self.keep(manager.futex(memory, 0))
        self.keep(linux.Task(7, memory, manager))
        self.keep(linux.Task(8, memory, manager, on_complete=self.act))

    # --- objects ---

    def keep(self, thing):
        """Have an object that can be used from now on, under its class and that one's bases."""
        if not type(thing).__module__.startswith(("pyfutex", "fuzz")):
            return
        for base in type(thing).__mro__[:-1]:
            pool = self.pools[base]
            pool.append(thing)
            if len(pool) > MOST_OF_A_TYPE:
                # The oldest but for those that there were at first goes.
                del pool[4 % len(pool)]

    def one(self, kind, choice=0):
        """An object of a type, or None."""
        pool = self.pools.get(kind)
        return pool[choice % len(pool)] if pool else None

    def act(self, *args):
        """Call back into the world, of whatever it is made now."""
        if self.depth >= MOST_NESTED:
            return None
        self.depth += 1
        try:
            return self.acts[next(self.turn) % len(self.acts)](self)
        except (AttributeError, BufferError, OSError, RuntimeError, ValueError, hostility.Planted):
            return None  # what was to be called upon has gone, or is in no state for that
        finally:
            self.depth -= 1

    def clear_pool(self):
        """Let objects die in the midst of a call."""
        for kind in (pyfutex.Waiter, pyfutex.Futex, linux.Task, pyfutex.Memory):
            del self.pools[kind][4:]
        gc.collect()

    acts = (
        lambda self: self.one(pyfutex.Manager).wake(self.one(pyfutex.Memory), 0, pyfutex.ALL),
        lambda self: self.one(pyfutex.Waiter, next(self.turn)).cancel(),
        lambda self: self.one(pyfutex.Memory).store(0, next(self.turn) & 1),
        clear_pool,
        lambda self: self.one(pyfutex.Manager).wait_prepare(
            self.one(pyfutex.Waiter), self.one(pyfutex.Memory), 4, 0
        ),
        lambda self: self.one(pyfutex.Manager).requeue(self.one(pyfutex.Memory), 0, 4, 0),
        lambda self: self.one(sync.Lock).acquire(False),
        lambda self: self.one(pyfutex.AddressSpace).unmap(0, 1024),
        lambda self: self.one(pyfutex.Manager, 1).close(),
        lambda self: self.one(linux.Task, 1).exit(),
        lambda self: [hostility.vanish(buffer) for buffer in self.buffers[-2:]],
        lambda self: self.one(pyfutex.CompletionQueue).run(),
        lambda self: threading.Thread(
            target=self.one(pyfutex.Manager).wake, args=(self.one(pyfutex.Memory), 0)
        ).run(),
    )

    def odd_answer(self):
        """What a target of Python's answers beside words: nearly always nothing."""
        n = next(self.turn)
        if n % 7 == 3:
            self.act()
        return self.hostile[n % len(self.hostile)]() if n % 11 == 5 else None

    # --- arguments ---

    def hostile_values(self):
        plain = [
            None, True, -1, 1, 2, 3, 2**31, 2**32, 2**63, 2**64, -(2**63), -(2**64), 10**100, 1.5, -0.5, 1e300, math.nan,
            math.inf, -math.inf, "", "text", b"", b"bytes", (), [], {}, set(), object, int, Ellipsis, NotImplemented, 1j,
            "a\0b", "\ud800", "y" * 300, [None], ((),), lambda *args: 5, print,
        ]  # fmt: skip
        made = [
            object, hostility.RaisesEverywhere, hostility.IntThatRaises, hostility.FloatThatRaises,
            lambda: hostility.StrThatRaises("a"), hostility.AnswersOddly, lambda: hostility.CallsBack(self.act, 0),
            lambda: hostility.CallsBack(self.act, 4), lambda: iter([hostility.Planted]), lambda: self.one(pyfutex.Memory),
            lambda: self.one(pyfutex.Waiter), lambda: self.one(pyfutex.Manager), lambda: self.one(sync.Lock),
            lambda: self.buffer(3), lambda: self.buffer(14), lambda: PythonTarget(self.odd_answer),
        ]  # fmt: skip
        return [lambda value=value: value for value in plain] + made

    def buffer(self, choice):
        """A new buffer, or one that there was."""
        names = list(BUFFERS)
        if choice >= len(names) and self.buffers:
            return self.buffers[choice % len(self.buffers)]
        made = BUFFERS[names[choice % len(names)]]()
        self.buffers = [*self.buffers[-8:], made]
        return made

    def items(self, call, choice):
        """What a call with many words takes."""
        memory, n = self.one(pyfutex.Target, choice), (1, 2, 3, 128, 129)[choice % 5]
        if "wakev" in call.name:
            return [(memory, ADDRESSES[i % 7], 1) for i in range(n)]
        rows = [(memory, ADDRESSES[i % 7] if choice % 2 else 0, 0) for i in range(n)]
        return rows if choice % 3 else (row for row in rows)

    def argument(self, call, parameter, choice):
        """The value of a parameter."""
        name = parameter.name
        if is_time_of_uninterrupted(call, parameter):
            return TIMES[choice % 4]
        if choice >= HOSTILE:
            return self.hostile[choice % len(self.hostile)]()
        if name == "self":
            return None
        if name in ("buffer", "obj"):
            return self.buffer(choice)
        if name == "memory":
            return self.one(pyfutex.Memory, choice) if choice % 2 else self.buffer(choice)
        if name == "items":
            return self.items(call, choice)
        if name in ("engine", "other") and call.name.startswith("Kernel"):
            return self.one(pyfutex.Kernel if name == "engine" else pyfutex.KernelFutex, choice)
        if call.name.startswith("Arena.") and name in ("name", "label") and call.owner is None:
            return os.path.join(self.directory, NAMES[choice % 3])
        if name == "mem" and "utex" in call.name:
            return self.one(pyfutex.Memory, choice)
        if name in CALLABLES:
            return (self.act, hostility.CallsBack(self.act, choice % 2), None)[choice % 3]
        if name in OF_A_TYPE and (name not in OF_A_NAME or choice % 2):
            return self.one(OF_A_TYPE[name], choice)
        values = OF_A_NAME.get(name, NUMBERS)
        return values[choice % len(values)]

    def arguments(self, call, choices):
        """Positional and named arguments; a choice of 0 leaves out what can be left out."""
        positional, named, ended = [], {}, False
        for parameter, choice in zip(
            call.parameters, itertools.chain(choices, itertools.repeat(0)), strict=False
        ):
            is_left_out = (
                choice == 0 and parameter.is_optional and not is_time_of_uninterrupted(call, parameter)
            )
            if parameter.is_keyword:
                if not is_left_out:
                    named[parameter.name] = self.argument(call, parameter, choice)
            else:
                ended = ended or is_left_out
                if not ended:
                    positional.append(self.argument(call, parameter, choice))
        return positional, named

    # --- one step ---

    def perform(self, call, choices):
        """Make a call, and keep what it answers."""
        positional, named = self.arguments(call, choices)
        if call.owner is None:
            self.keep(call.function(*positional, **named))
            return
        receiver = self.one(call.owner, choices[-1] if choices else 0)
        if receiver is None:
            return
        if call.is_attribute:
            setattr(receiver, call.function, *positional)
        found = getattr(receiver, call.function)
        if call.is_attribute or call.is_property:
            return
        answer = found(*positional, **named)
        if call.function == "__await__":
            answer = self.driven(answer)
        self.keep(answer)

    @staticmethod
    def driven(generator):
        """Go through an awaitable outside of a loop, which it refuses."""
        try:
            next(generator)
        finally:
            generator.close()

    def end(self):
        """Let everything go."""
        for arena in self.pools.get(sync.Arena, ()):
            with contextlib.suppress(BufferError, OSError):
                arena.close()
        for lock in itertools.chain.from_iterable(self.pools.get(kind, ()) for kind in LOCKS):
            with contextlib.suppress(RuntimeError, ValueError, OSError, AssertionError, AttributeError):
                for _ in range(MOST_DEPTH):
                    lock.release()
        for manager in self.pools.get(pyfutex.Manager, ()):
            for info in manager.waiters():
                if info.waiter is not None:
                    info.waiter.cancel()
        self.pools.clear()
        self.buffers.clear()
        self.hostile.clear()


class Alarm:
    """Ends a call that takes longer than its time by a signal handler that raises; between calls it does nothing."""

    SECONDS = 0.01

    def __init__(self):
        self.began = None
        signal.signal(signal.SIGALRM, self.ring)
        signal.setitimer(signal.ITIMER_REAL, self.SECONDS, self.SECONDS)

    def ring(self, number, frame):
        if self.began is not None and time.monotonic() - self.began > self.SECONDS:
            raise Interrupted

    def stop(self):
        signal.setitimer(signal.ITIMER_REAL, 0)
