"""Who is compared: names, what each can do, and why one is not here.

A contender is an object of some library that can do the things of a `Kind`: be a lock, a semaphore, an event, a condition or
a cell of memory, or wake nobody. Its name is that of its class, as its users write it. `futexlock`, `futexsemaphore`,
`futexevent` and `futexcondition` are what a user writes over pyfutex's words in a few lines: `pyfutex_floor.overfutex`,
`futexlocks.py`. `shared` in a name means: in memory that processes share.

    REGISTRY[Kind.LOCK]["threading.Lock"].make()
    available(Kind.LOCK), names(Kind.LOCK), why_absent("aiologic.Lock")
"""

from __future__ import annotations

import multiprocessing
import threading
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from futexlocks import FutexLock, futex_condition
from libraries import LIBRARIES
from places import WORD, closed_at_exit, fastipc_word, in_layout, page, room, word
from pyfutex_floor import overfutex

import pyfutex
from pyfutex import sync

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Kind(Enum):
    """What a contender can be."""

    LOCK = "lock"
    SEMAPHORE = "semaphore"
    EVENT = "event"
    CONDITION = "condition"
    CELL = "cell"
    WAKER = "waker"


class Lock(NamedTuple):
    """A lock, or a semaphore, and what its methods are called."""

    it: Any
    acquire: str = "acquire"
    release: str = "release"

    @property
    def statement(self) -> str:
        """Acquires `it` and releases it."""
        return f"it.{self.acquire}(); it.{self.release}()"

    @property
    def methods(self) -> tuple[Callable[[], object], Callable[[], object]]:
        """Those that acquire and release."""
        return getattr(self.it, self.acquire), getattr(self.it, self.release)


class Operations(NamedTuple):
    """Statements over some names, by what they do."""

    names: Mapping[str, object]
    statements: Mapping[str, str]


@dataclass(frozen=True)
class Entry:
    """A contender of one kind.

    Attributes
    ----------
    library : str
        A key of LIBRARIES.
    make : callable
        Of a semaphore it takes the first value; of all others, nothing.
    across_processes : bool
        Whether the object, made before a fork, is one and the same in both processes.
    across_threads : bool
        Whether threads of one process can meet at it.
    """

    library: str
    make: Callable[..., Any]
    across_processes: bool = False
    across_threads: bool = True


REGISTRY: dict[Kind, dict[str, Entry]] = {kind: {} for kind in Kind}


def enter(kind: Kind, name: str, library: str, **across: bool) -> Callable[[Any], Any]:
    """Enter a factory: the function that follows, or a class."""

    def decorate(make: Any) -> Any:
        REGISTRY[kind][name] = Entry(library, make, **across)
        return make

    return decorate


def why_absent(name: str) -> str | None:
    """Why the contender of this name is not here; None for one that is, and for a name that is not entered."""
    for entries in REGISTRY.values():
        if name in entries:
            return LIBRARIES[entries[name].library].absence
    return None


def origin(name: str) -> str | None:
    """The library and version of a contender that is here; None for a name that is not entered."""
    for entries in REGISTRY.values():
        if name in entries:
            return str(LIBRARIES[entries[name].library])
    return None


def names(kind: Kind, *across: str) -> list[str]:
    """All that could be compared, whether they are here or not: those that work across "threads", or "processes"."""
    return [
        name
        for name, entry in REGISTRY[kind].items()
        if all(getattr(entry, f"across_{whom}") for whom in across)
    ]


def available(kind: Kind, *across: str) -> dict[str, Callable[..., Any]]:
    """Factories of all of them that are here."""
    return {name: REGISTRY[kind][name].make for name in names(kind, *across) if why_absent(name) is None}


# Locks


@enter(Kind.LOCK, "sync.Lock", "pyfutex")
def _() -> Lock:
    return Lock(sync.Lock())


def shared_lock(*, pi: bool) -> Lock:
    return Lock(sync.Lock.create(page(shared=True), pi=pi))


enter(Kind.LOCK, "sync.Lock-shared", "pyfutex", across_processes=True)(lambda: shared_lock(pi=False))
enter(Kind.LOCK, "sync.Lock-pi", "pyfutex", across_processes=True)(lambda: shared_lock(pi=True))
enter(Kind.LOCK, "sync.RLock", "pyfutex")(lambda: Lock(sync.RLock()))


@enter(Kind.LOCK, "futexlock", "pyfutex")
def _() -> Lock:
    return Lock(overfutex.Lock(word()))


@enter(Kind.LOCK, "futexlock-kernel", "pyfutex", across_processes=True)
def _() -> Lock:
    return Lock(overfutex.Lock(word(kernel=True)))


@enter(Kind.LOCK, "futexlock-python", "pyfutex")
def _() -> Lock:
    return Lock(FutexLock(word()))


@enter(Kind.LOCK, "threading.Lock", "python")
def _() -> Lock:
    return Lock(threading.Lock())


@enter(Kind.LOCK, "threading.RLock", "python")
def _() -> Lock:
    return Lock(threading.RLock())


@enter(Kind.LOCK, "multiprocessing.Lock", "python", across_processes=True)
def _() -> Lock:
    return Lock(multiprocessing.Lock())


@enter(Kind.LOCK, "posix_ipc.Semaphore-as-lock", "posix_ipc", across_processes=True)
def _() -> Lock:
    return posix_ipc_semaphore(1)


@enter(Kind.LOCK, "posixipc.Mutex", "posixipc")
def _() -> Lock:
    import posixipc

    return Lock(closed_at_exit(posixipc.Mutex()))


@enter(Kind.LOCK, "posixipc.Mutex-shared", "posixipc", across_processes=True)
def _() -> Lock:
    import posixipc

    return Lock(in_layout(posixipc.Mutex))


@enter(Kind.LOCK, "posixipc.RobustMutex-shared", "posixipc", across_processes=True)
def _() -> Lock:
    import posixipc

    return Lock(in_layout(posixipc.RobustMutex, on_owner_died=lambda mutex: None))


# It belongs to a process: a second thread is told that its process has it already.
@enter(Kind.LOCK, "fastipc.Mutex", "fastipc", across_processes=True, across_threads=False)
def _() -> Lock:
    from fastipc._primitives import Mutex

    return Lock(Mutex(room()))


@enter(Kind.LOCK, "aiologic.Lock", "aiologic")
def _() -> Lock:
    import aiologic

    return Lock(aiologic.Lock(), "green_acquire", "green_release")


# Semaphores


@enter(Kind.SEMAPHORE, "sync.Semaphore", "pyfutex")
def _(value: int) -> Lock:
    return Lock(sync.Semaphore(value))


@enter(Kind.SEMAPHORE, "sync.Semaphore-shared", "pyfutex", across_processes=True)
def _(value: int) -> Lock:
    return Lock(sync.Semaphore.create(page(shared=True), value=value))


@enter(Kind.SEMAPHORE, "futexsemaphore", "pyfutex")
def _(value: int) -> Lock:
    return Lock(overfutex.Semaphore(word(), value))


@enter(Kind.SEMAPHORE, "futexsemaphore-kernel", "pyfutex", across_processes=True)
def _(value: int) -> Lock:
    return Lock(overfutex.Semaphore(word(kernel=True), value))


@enter(Kind.SEMAPHORE, "threading.Semaphore", "python")
def _(value: int) -> Lock:
    return Lock(threading.Semaphore(value))


@enter(Kind.SEMAPHORE, "multiprocessing.Semaphore", "python", across_processes=True)
def _(value: int) -> Lock:
    return Lock(multiprocessing.Semaphore(value))


@enter(Kind.SEMAPHORE, "posix_ipc.Semaphore", "posix_ipc", across_processes=True)
def posix_ipc_semaphore(value: int) -> Lock:
    """One whose name is gone."""
    import posix_ipc

    semaphore = posix_ipc.Semaphore(None, posix_ipc.O_CREX, initial_value=value)
    semaphore.unlink()
    return Lock(semaphore)


@enter(Kind.SEMAPHORE, "posixipc.Semaphore", "posixipc")
def _(value: int) -> Lock:
    import posixipc

    return Lock(closed_at_exit(posixipc.Semaphore(value)))


@enter(Kind.SEMAPHORE, "posixipc.Semaphore-shared", "posixipc", across_processes=True)
def _(value: int) -> Lock:
    import posixipc

    return Lock(in_layout(posixipc.Semaphore, value=value))


@enter(Kind.SEMAPHORE, "fastipc.Semaphore", "fastipc", across_processes=True)
def _(value: int) -> Lock:
    from fastipc._primitives import Semaphore

    return Lock(Semaphore(room(), value), "wait", "post1")


@enter(Kind.SEMAPHORE, "aiologic.Semaphore", "aiologic")
def _(value: int) -> Lock:
    import aiologic

    return Lock(aiologic.Semaphore(value), "green_acquire", "green_release")


# Events

EVENT = {"set + clear": "it.set(); it.clear()", "is_set": "it.is_set()"}


@enter(Kind.EVENT, "sync.Event", "pyfutex")
def _() -> Operations:
    return Operations({"it": sync.Event()}, EVENT)


@enter(Kind.EVENT, "futexevent", "pyfutex")
def _() -> Operations:
    return Operations({"it": overfutex.Event(word())}, EVENT)


@enter(Kind.EVENT, "futexevent-kernel", "pyfutex", across_processes=True)
def _() -> Operations:
    return Operations({"it": overfutex.Event(word(kernel=True))}, EVENT)


@enter(Kind.EVENT, "threading.Event", "python")
def _() -> Operations:
    return Operations({"it": threading.Event()}, EVENT)


@enter(Kind.EVENT, "multiprocessing.Event", "python", across_processes=True)
def _() -> Operations:
    return Operations({"it": multiprocessing.Event()}, EVENT)


@enter(Kind.EVENT, "aiologic.REvent", "aiologic")
def _() -> Operations:
    import aiologic

    return Operations({"it": aiologic.REvent()}, EVENT)


# Conditions, with a lock of their own


enter(Kind.CONDITION, "sync.Condition", "pyfutex")(sync.Condition)


@enter(Kind.CONDITION, "sync.Condition-shared", "pyfutex", across_processes=True)
def _() -> Any:
    return sync.Condition.create(page(shared=True))


@enter(Kind.CONDITION, "futexcondition", "pyfutex")
def _() -> Any:
    return futex_condition(requeues=True)


@enter(Kind.CONDITION, "futexcondition-wakes-all", "pyfutex")
def _() -> Any:
    return futex_condition(requeues=False)


enter(Kind.CONDITION, "threading.Condition", "python")(threading.Condition)


enter(Kind.CONDITION, "multiprocessing.Condition", "python", across_processes=True)(multiprocessing.Condition)


class PosixipcCondition:
    """One whose lock is taken by `with`, as of all others."""

    def __init__(self, mutex: Any) -> None:
        import posixipc

        it = closed_at_exit(posixipc.Condition(mutex))
        self.mutex, self.wait, self.notify_all = mutex, it.wait, it.notify_all

    def __enter__(self) -> None:
        self.mutex.acquire()

    def __exit__(self, *exc: object) -> None:
        self.mutex.release()


@enter(Kind.CONDITION, "posixipc.Condition", "posixipc")
def _() -> Any:
    import posixipc

    return PosixipcCondition(closed_at_exit(posixipc.Mutex()))


@enter(Kind.CONDITION, "aiologic.Condition", "aiologic")
def _() -> Any:
    import aiologic

    return aiologic.Condition()


# Cells of 32 bits. What a library lacks is left out.


@enter(Kind.CELL, "pyfutex.Futex", "pyfutex")
def _() -> Operations:
    statements = {
        "load": "it.load()",
        "store": "it.store(1)",
        "fetch_add": "it.fetch_add(1)",
        "compare_exchange": "it.compare_exchange(0, 0)",
    }
    return Operations({"it": word()}, statements)


@enter(Kind.CELL, "pyfutex.Memory", "pyfutex")
def _() -> Operations:
    statements = {
        "load": "it.load(64)",
        "store": "it.store(64, 1)",
        "fetch_add": "it.fetch_add(64, 1)",
        "compare_exchange": "it.compare_exchange(64, 0, 0)",
    }
    return Operations({"it": pyfutex.Memory(page())}, statements)


@enter(Kind.CELL, "fastipc.AtomicU32", "fastipc", across_processes=True)
def _() -> Operations:
    from fastipc._primitives import AtomicU32

    statements = {"load": "it.load()", "store": "it.store(1)", "compare_exchange": "it.cas(0, 0)"}
    return Operations({"it": AtomicU32(room())}, statements)


@enter(Kind.CELL, "atomicshm.AtomicU32", "atomicshm", across_processes=True)
def _() -> Operations:
    import atomicshm

    statements = {
        "load": "it.load()",
        "store": "it.store(1)",
        "fetch_add": "it.fetch_add(1)",
        "compare_exchange": "it.cas(0, 0)",
    }
    return Operations({"it": atomicshm.AtomicView(page(shared=True)).cell_u32(WORD)}, statements)


@enter(Kind.CELL, "atomicshm.AtomicView", "atomicshm", across_processes=True)
def _() -> Operations:
    import atomicshm

    statements = {
        "load": "it.load_u32(64)",
        "store": "it.store_u32(64, 1)",
        "fetch_add": "it.fetch_add_u32(64, 1)",
        "compare_exchange": "it.cas_u32(64, 0, 0)",
    }
    return Operations({"it": atomicshm.AtomicView(page(shared=True))}, statements)


@enter(Kind.CELL, "multiprocessing.Value", "python", across_processes=True)
def _() -> Operations:
    statements = {
        "load": "it.value",
        "store": "it.value = 1",
        "fetch_add": "with lock: it.value += 1",
    }
    value = multiprocessing.Value("I", 0)
    return Operations({"it": value, "lock": value.get_lock()}, statements)


@enter(Kind.CELL, "memoryview", "python", across_processes=True)
def _() -> Operations:
    return Operations({"it": room().cast("I")}, {"load": "it[0]", "store": "it[0] = 1"})  # not atomic


# Wakes that find nobody

WAKE_ONE = {"wake": "it.wake()"}


@enter(Kind.WAKER, "pyfutex.Manager", "pyfutex")
def _() -> Operations:
    names = {"it": pyfutex.Manager(), "mem": pyfutex.Memory(page())}
    return Operations(names, {"wake": "it.wake(mem, 64)"})


@enter(Kind.WAKER, "pyfutex.Manager.futex", "pyfutex")
def _() -> Operations:
    return Operations({"it": word()}, WAKE_ONE)


@enter(Kind.WAKER, "pyfutex.Kernel", "pyfutex", across_processes=True)
def _() -> Operations:
    names = {"it": pyfutex.Kernel(), "mem": pyfutex.Memory(page(shared=True))}
    return Operations(names, {"wake": "it.wake(mem, 64)"})


@enter(Kind.WAKER, "pyfutex.Kernel.futex", "pyfutex", across_processes=True)
def _() -> Operations:
    return Operations({"it": word(kernel=True)}, WAKE_ONE)


@enter(Kind.WAKER, "posixipc.Futex", "posixipc")
def _() -> Operations:
    from posixipc.linux import Futex

    return Operations({"it": closed_at_exit(Futex())}, WAKE_ONE)


@enter(Kind.WAKER, "fastipc.FutexWord", "fastipc", across_processes=True)
def _() -> Operations:
    return Operations({"it": fastipc_word()}, WAKE_ONE)
