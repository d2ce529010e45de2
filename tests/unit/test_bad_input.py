"""Bad input: the right exception, the queues as they were, and nothing kept."""

import errno
import math
import sys
from dataclasses import dataclass, field

import pytest
from model import CMP_EQ, OP_SET, encode_op

from pyfutex import (
    ANY,
    AddressSpace,
    CompletionQueue,
    InvalidArgument,
    Key,
    KeyKind,
    Manager,
    Mappable,
    Memory,
    Target,
    Waiter,
    WaiterState,
)

SET_ONE = encode_op(OP_SET, 1, CMP_EQ, 0)
PAST_END = 4096


@dataclass
class Scene:
    """A manager with one waiter on each of three words, and things to misuse it with."""

    manager: Manager
    memory: Memory
    plain: Waiter = field(default_factory=Waiter)
    other: Waiter = field(default_factory=Waiter)
    pi: Waiter = field(default_factory=Waiter)
    idle: Waiter = field(default_factory=Waiter)
    stranger: Manager = field(default_factory=Manager)
    completions: CompletionQueue = field(default_factory=CompletionQueue)
    space: AddressSpace = field(default_factory=AddressSpace)

    def __post_init__(self):
        self.memory.store(128, 77)
        assert self.manager.wait_prepare(self.plain, self.memory, 0, 0) is None
        assert self.manager.wait_prepare(self.other, self.memory, 64, 0, bitset=6) is None
        assert self.manager.lock_pi_prepare(self.pi, self.memory, 128, tid=5) is None

    def look(self):
        """What must not change: who is queued where, and every word."""
        listing = [
            (info.key, info.kind, info.bitset, info.tid, info.waiter.state)
            for addr in (0, 64, 128)
            for info in self.manager.waiters(self.memory, addr)
        ]
        states = [w.state for w in (self.plain, self.other, self.pi, self.idle)]
        return listing, states, len(self.manager), len(self.stranger), bytes(self.memory.obj)

    def references(self):
        """How many references each of the objects has."""
        things = (self.manager, self.memory, self.plain, self.other, self.pi, self.idle, self.stranger)
        return [sys.getrefcount(thing) for thing in things]


@pytest.fixture
def scene(manager):
    """The scene, in a memory of its own."""
    return Scene(manager, Memory(bytearray(PAST_END)))


def raised_by(call, scene):
    """The exception type and errno of a call that must raise; no traceback is kept."""
    try:
        answer = call(scene)
    except Exception as error:
        return type(error), getattr(error, "errno", None)
    pytest.fail(f"answered {answer!r}")


ALIGNMENT = {
    "wait": lambda s: s.manager.wait(s.memory, 2, 0, 0),
    "wake": lambda s: s.manager.wake(s.memory, 2),
    "requeue from": lambda s: s.manager.requeue(s.memory, 2, 64),
    "requeue to": lambda s: s.manager.requeue(s.memory, 0, 66),
    "cmp_requeue from": lambda s: s.manager.cmp_requeue(s.memory, 2, 64, 0),
    "cmp_requeue to": lambda s: s.manager.cmp_requeue(s.memory, 0, 66, 0),
    "wake_op first": lambda s: s.manager.wake_op(s.memory, 2, 64, SET_ONE),
    "wake_op second": lambda s: s.manager.wake_op(s.memory, 0, 66, SET_ONE),
    "wake_wait wake": lambda s: s.manager.wake_wait(s.memory, 2, 64, 0, 0),
    "wake_wait wait": lambda s: s.manager.wake_wait(s.memory, 0, 66, 0, 0),
    "lock_pi": lambda s: s.manager.lock_pi(s.memory, 2, 0, tid=7),
    "trylock_pi": lambda s: s.manager.trylock_pi(s.memory, 2, tid=7),
    "futex": lambda s: s.manager.futex(s.memory, 2),
    "waiters": lambda s: s.manager.waiters(s.memory, 2),
    "load": lambda s: s.memory.load(2),
    "store": lambda s: s.memory.store(2, 1),
    "load64": lambda s: s.memory.load64(4),
}
RANGE = {
    "wait": lambda s: s.manager.wait(s.memory, PAST_END, 0, 0),
    "wait before": lambda s: s.manager.wait(s.memory, -4, 0, 0),
    "wake": lambda s: s.manager.wake(s.memory, PAST_END),
    "wake before": lambda s: s.manager.wake(s.memory, -4),
    "requeue from": lambda s: s.manager.requeue(s.memory, PAST_END, 64),
    "requeue to": lambda s: s.manager.requeue(s.memory, 0, PAST_END),
    "cmp_requeue from": lambda s: s.manager.cmp_requeue(s.memory, PAST_END, 64, 0),
    "cmp_requeue to": lambda s: s.manager.cmp_requeue(s.memory, 0, PAST_END, 0),
    "wake_op first": lambda s: s.manager.wake_op(s.memory, PAST_END, 64, SET_ONE),
    "wake_op second": lambda s: s.manager.wake_op(s.memory, 0, PAST_END, SET_ONE),
    "wake_wait wake": lambda s: s.manager.wake_wait(s.memory, PAST_END, 64, 0, 0),
    "wake_wait wait": lambda s: s.manager.wake_wait(s.memory, 0, PAST_END, 0, 0),
    "lock_pi": lambda s: s.manager.lock_pi(s.memory, PAST_END, 0, tid=7),
    "trylock_pi": lambda s: s.manager.trylock_pi(s.memory, PAST_END, tid=7),
    "unlock_pi": lambda s: s.manager.unlock_pi(s.memory, PAST_END, tid=7),
    "futex": lambda s: s.manager.futex(s.memory, PAST_END),
    "waiters": lambda s: s.manager.waiters(s.memory, PAST_END),
    "load": lambda s: s.memory.load(PAST_END),
    "store": lambda s: s.memory.store(PAST_END, 1),
}
COUNTS = {
    "wake": lambda s: s.manager.wake(s.memory, 0, -1),
    "requeue n_wake": lambda s: s.manager.requeue(s.memory, 0, 64, -1),
    "requeue n_requeue": lambda s: s.manager.requeue(s.memory, 0, 64, 1, -1),
    "cmp_requeue n_wake": lambda s: s.manager.cmp_requeue(s.memory, 0, 64, 0, -1),
    "cmp_requeue n_requeue": lambda s: s.manager.cmp_requeue(s.memory, 0, 64, 0, 1, -1),
    "wake_op n_wake": lambda s: s.manager.wake_op(s.memory, 0, 64, SET_ONE, -1),
    "wake_op n_wake2": lambda s: s.manager.wake_op(s.memory, 0, 64, SET_ONE, 1, -1),
    "wake_wait": lambda s: s.manager.wake_wait(s.memory, 0, 64, 0, 0, n=-1),
    "Futex.wake": lambda s: s.manager.futex(s.memory, 0).wake(-1),
    "drain": lambda s: s.completions.drain(-1),
    "run": lambda s: s.completions.run(-1),
}
BITSETS = {
    "wait": lambda s: s.manager.wait(s.memory, 0, 0, 0, bitset=0),
    "wake": lambda s: s.manager.wake(s.memory, 0, bitset=0),
}
CLOCKS = {
    "wait": lambda s: s.manager.wait(s.memory, 0, 0, deadline=1, clock=7),
    "wake_wait": lambda s: s.manager.wake_wait(s.memory, 0, 64, 0, deadline=1, clock=7),
    "lock_pi": lambda s: s.manager.lock_pi(s.memory, 128, deadline=1, clock=7, tid=7),
    "Waiter.wait": lambda s: s.plain.wait(deadline=1, clock=7),
}
PI_MET = {
    "wake": lambda s: s.manager.wake(s.memory, 128),
    "requeue": lambda s: s.manager.requeue(s.memory, 128, 0),
    "requeue same": lambda s: s.manager.requeue(s.memory, 128, 128),
    "cmp_requeue": lambda s: s.manager.cmp_requeue(s.memory, 128, 0, s.memory.load(128)),
    "wake_wait": lambda s: s.manager.wake_wait(s.memory, 128, 64, 0, 0),
}
STRANGERS = {
    "wait_complete": lambda s: s.stranger.wait_complete(s.plain),
}


def rows(error, number, **tables):
    """Name every call of the tables, with the exception it must raise."""
    return [
        pytest.param(error, number, call, id=f"{table}-{name.replace(' ', '-')}")
        for table, calls in tables.items()
        for name, call in calls.items()
    ]


def each(template, values, names):
    """One call for each value under a name for each: `template(value)` gives the call."""
    return {name: template(value) for name, value in zip(names, values, strict=True)}


NOT_INTEGERS = (1.0, "1", None, b"1", object())
NOT_INTEGER_NAMES = ("float", "str", "none", "bytes", "object")
WIDE = (-1, 2**32, 2**64, 2**100)
WIDE_NAMES = ("negative", "33-bits", "65-bits", "huge")
INTEGER_PLACES = {
    "wait addr": lambda v: lambda s: s.manager.wait(s.memory, v, 0, 0),
    "wait val": lambda v: lambda s: s.manager.wait(s.memory, 0, v, 0),
    "wait bitset": lambda v: lambda s: s.manager.wait(s.memory, 0, 0, 0, bitset=v),
    "prepare addr": lambda v: lambda s: s.manager.wait_prepare(s.idle, s.memory, v, 0),
    "prepare val": lambda v: lambda s: s.manager.wait_prepare(s.idle, s.memory, 0, v),
    "prepare bitset": lambda v: lambda s: s.manager.wait_prepare(s.idle, s.memory, 0, 0, bitset=v),
    "wake addr": lambda v: lambda s: s.manager.wake(s.memory, v),
    "wake n": lambda v: lambda s: s.manager.wake(s.memory, 0, v),
    "wake bitset": lambda v: lambda s: s.manager.wake(s.memory, 0, bitset=v),
    "requeue addr2": lambda v: lambda s: s.manager.requeue(s.memory, 0, v),
    "requeue n_wake": lambda v: lambda s: s.manager.requeue(s.memory, 0, 64, v),
    "requeue n_requeue": lambda v: lambda s: s.manager.requeue(s.memory, 0, 64, 1, v),
    "cmp_requeue val": lambda v: lambda s: s.manager.cmp_requeue(s.memory, 0, 64, v),
    "wake_op op": lambda v: lambda s: s.manager.wake_op(s.memory, 0, 64, v),
    "wake_op n_wake": lambda v: lambda s: s.manager.wake_op(s.memory, 0, 64, SET_ONE, v),
    "lock_pi addr": lambda v: lambda s: s.manager.lock_pi(s.memory, v, 0, tid=7),
    "trylock_pi addr": lambda v: lambda s: s.manager.trylock_pi(s.memory, v, tid=7),
    "unlock_pi addr": lambda v: lambda s: s.manager.unlock_pi(s.memory, v, tid=7),
    "lock_pi_prepare tid": lambda v: lambda s: s.manager.lock_pi_prepare(s.idle, s.memory, 128, tid=v),
    "wake_wait n": lambda v: lambda s: s.manager.wake_wait(s.memory, 0, 64, 1, n=v),
    "wait clock": lambda v: lambda s: s.manager.wait(s.memory, 0, 0, 0, clock=v),
    "futex addr": lambda v: lambda s: s.manager.futex(s.memory, v),
    "drain": lambda v: lambda s: s.completions.drain(v),
    "run": lambda v: lambda s: s.completions.run(v),
    "load addr": lambda v: lambda s: s.memory.load(v),
    "store": lambda v: lambda s: s.memory.store(0, v),
    "exchange": lambda v: lambda s: s.memory.exchange(0, v),
    "compare_exchange expected": lambda v: lambda s: s.memory.compare_exchange(0, v, 0),
    "compare_exchange desired": lambda v: lambda s: s.memory.compare_exchange(0, 0, v),
    "compare_and_swap": lambda v: lambda s: s.memory.compare_and_swap(0, 0, v),
    "fetch_add": lambda v: lambda s: s.memory.fetch_add(0, v),
    "fetch_xor64": lambda v: lambda s: s.memory.fetch_xor64(0, v),
    "store64": lambda v: lambda s: s.memory.store64(0, v),
    "Futex.store": lambda v: lambda s: s.manager.futex(s.memory, 0).store(v),
    "Futex.wake": lambda v: lambda s: s.manager.futex(s.memory, 0).wake(v),
    "Futex.wait": lambda v: lambda s: s.manager.futex(s.memory, 0).wait(v, 0),
    "Memory offset": lambda v: lambda s: Memory(bytearray(64), mappable=Mappable(), offset=v),
    "map addr": lambda v: lambda s: s.space.map(v, bytearray(64)),
    "map offset": lambda v: lambda s: s.space.map(0, bytearray(64), offset=v),
    "unmap addr": lambda v: lambda s: s.space.unmap(v, 64),
    "unmap length": lambda v: lambda s: s.space.unmap(0, v),
    "Key kind": lambda v: lambda s: Key(v, 0),
    "Key offset": lambda v: lambda s: Key(KeyKind.PRIVATE, v),
}
VALUE_PLACES = (
    "wait val",
    "wait bitset",
    "prepare val",
    "prepare bitset",
    "wake bitset",
    "cmp_requeue val",
    "wake_op op",
)
TIME_PLACES = {
    "wait timeout": lambda v: lambda s: s.manager.wait(s.memory, 0, 0, v),
    "wait deadline": lambda v: lambda s: s.manager.wait(s.memory, 0, 0, deadline=v),
    "wake_wait timeout": lambda v: lambda s: s.manager.wake_wait(s.memory, 256, 64, 0, v),
    "lock_pi timeout": lambda v: lambda s: s.manager.lock_pi(s.memory, 256, v, tid=7),
    "Waiter.wait timeout": lambda v: lambda s: s.plain.wait(v),
    "Waiter.wait deadline": lambda v: lambda s: s.plain.wait(deadline=v),
}
NOT_TARGETS = {
    "none": lambda s: s.manager.wake(None, 0),
    "buffer": lambda s: s.manager.wait(bytearray(64), 0, 0, 0),
    "class": lambda s: s.manager.wait_prepare(s.idle, Target, 0, 0),
    "mem2": lambda s: s.manager.requeue(s.memory, 0, 64, mem2=5),
    "cmp_requeue": lambda s: s.manager.cmp_requeue("memory", 0, 64, 0),
    "wake_op": lambda s: s.manager.wake_op(object(), 0, 64, SET_ONE),
    "lock_pi": lambda s: s.manager.lock_pi(5, 0, tid=7),
    "futex": lambda s: s.manager.futex(None, 0),
    "waiters": lambda s: s.manager.waiters(5),
    "read-only buffer": lambda s: s.manager.wake(bytes(64), 0),
}
NOT_WAITERS = {
    "none": lambda s: s.manager.wait_prepare(None, s.memory, 0, 0),
    "text": lambda s: s.manager.wait_prepare("waiter", s.memory, 0, 0),
    "pi": lambda s: s.manager.lock_pi_prepare(object(), s.memory, 128, tid=7),
    "complete": lambda s: s.manager.wait_complete(None),
    "on_wake": lambda s: Waiter(5),
    "queue": lambda s: Waiter(queue=5),
    "owner_alive": lambda s: Manager(owner_alive=5),
}
BOTH_TIMES = {
    "wait": lambda s: s.manager.wait(s.memory, 0, 0, 1, deadline=1),
    "wake_wait": lambda s: s.manager.wake_wait(s.memory, 256, 64, 0, 1, deadline=1),
    "lock_pi": lambda s: s.manager.lock_pi(s.memory, 256, 1, deadline=1, tid=7),
    "Waiter.wait": lambda s: s.plain.wait(1, deadline=1),
}
QUEUED = {
    "prepare": lambda s: s.manager.wait_prepare(s.plain, s.memory, 64, 0),
    "prepare same word": lambda s: s.manager.wait_prepare(s.plain, s.memory, 0, 0),
    "lock_pi_prepare": lambda s: s.manager.lock_pi_prepare(s.plain, s.memory, 128, tid=7),
    "prepare elsewhere": lambda s: s.stranger.wait_prepare(s.plain, s.memory, 0, 0),
    "prepare pi": lambda s: s.manager.wait_prepare(s.pi, s.memory, 0, 0),
}


def places(names, values, value_names, table=INTEGER_PLACES):
    """Every value in every place."""
    return {
        f"{place} {name}": call
        for place in names
        for name, call in each(table[place], values, value_names).items()
    }


@pytest.mark.parametrize(
    ("error", "number", "call"),
    [
        *rows(InvalidArgument, errno.EINVAL, alignment=ALIGNMENT, count=COUNTS, bitset=BITSETS, clock=CLOCKS),
        *rows(InvalidArgument, errno.EINVAL, pi=PI_MET, stranger=STRANGERS),
        *rows(OSError, errno.EFAULT, range=RANGE),
        *rows(TypeError, None, integer=places(INTEGER_PLACES, NOT_INTEGERS, NOT_INTEGER_NAMES)),
        *rows(OverflowError, None, wide=places(VALUE_PLACES, WIDE, WIDE_NAMES)),
        *rows(
            TypeError,
            None,
            time=places(TIME_PLACES, ("1", b"1", object()), ("str", "bytes", "object"), TIME_PLACES),
        ),
        *rows(
            ValueError,
            None,
            time=places(TIME_PLACES, (-1, -0.5, math.nan), ("minus", "less", "nan"), TIME_PLACES),
        ),
        *rows(
            OverflowError,
            None,
            time=places(TIME_PLACES, (math.inf, 1e20, 2**64), ("inf", "1e20", "2-64"), TIME_PLACES),
        ),
        *rows(TypeError, None, target=NOT_TARGETS, waiter=NOT_WAITERS, both=BOTH_TIMES),
        *rows(RuntimeError, None, queued=QUEUED),
    ],
)
def test_bad_input_raises_and_changes_nothing(scene, error, number, call):
    before = scene.look()
    assert raised_by(call, scene) == (error, number)
    assert scene.look() == before
    references = scene.references()
    for _ in range(5):
        raised_by(call, scene)
    assert scene.references() == references


@pytest.mark.parametrize(
    ("answer", "call"),
    [
        (-errno.EINVAL, lambda s: s.manager.wait_prepare(s.idle, s.memory, 2, 0)),
        (-errno.EFAULT, lambda s: s.manager.wait_prepare(s.idle, s.memory, PAST_END, 0)),
        (-errno.EFAULT, lambda s: s.manager.wait_prepare(s.idle, s.memory, -4, 0)),
        (-errno.EAGAIN, lambda s: s.manager.wait_prepare(s.idle, s.memory, 0, 1)),
        (-errno.EINVAL, lambda s: s.manager.wait_prepare(s.idle, s.memory, 0, 0, bitset=0)),
        (-errno.EINVAL, lambda s: s.manager.lock_pi_prepare(s.idle, s.memory, 2, tid=7)),
        (-errno.EFAULT, lambda s: s.manager.lock_pi_prepare(s.idle, s.memory, PAST_END, tid=7)),
        (-errno.EINVAL, lambda s: s.manager.lock_pi_prepare(s.idle, s.memory, 0, tid=7)),
        (-errno.EDEADLK, lambda s: s.manager.lock_pi_prepare(s.idle, s.memory, 128, tid=77)),
    ],
)
def test_a_refused_prepare_answers_and_changes_nothing(scene, answer, call):
    before = scene.look()
    assert call(scene) == answer
    listing, states, *rest = scene.look()
    assert (listing, states[:3], rest) == (before[0], before[1][:3], list(before[2:]))
    assert scene.idle.state is not WaiterState.QUEUED
    references = scene.references()
    for _ in range(5):
        assert call(scene) == answer
    assert scene.references() == references


def test_a_callback_that_raises_keeps_nothing(manager, memory, monkeypatch):
    monkeypatch.setattr("sys.unraisablehook", lambda report: None)

    def fail(w):
        raise LookupError

    w = Waiter(fail)
    before = None
    for _ in range(5):
        assert manager.wait_prepare(w, memory, 0, 0) is None
        assert manager.wake(memory, 0) == 1
        before = before or (sys.getrefcount(w), sys.getrefcount(manager), sys.getrefcount(memory))
    assert (sys.getrefcount(w), sys.getrefcount(manager), sys.getrefcount(memory)) == before


def test_a_round_of_every_operation_keeps_nothing(manager, memory):
    w = Waiter()

    def everything():
        assert manager.wait_prepare(w, memory, 0, 0, bitset=ANY) is None
        manager.waiters(memory, 0)
        manager.requeue(memory, 0, 4, 0, 1)
        manager.cmp_requeue(memory, 4, 8, 0, 0)
        manager.wake_op(memory, 8, 12, SET_ONE, 0, 0)
        assert manager.wake(memory, 8) == 1
        memory.store(12, 0)
        assert manager.wait(memory, 0, 0, 0) == 0
        manager.wake_wait(memory, 0, 4, 1)
        assert manager.lock_pi(memory, 16, tid=7)
        manager.unlock_pi(memory, 16, tid=7)
        manager.futex(memory, 0).wake()
        assert manager.wait_prepare(w, memory, 0, 0) is None
        assert w.cancel()

    everything()
    before = (sys.getrefcount(w), sys.getrefcount(manager), sys.getrefcount(memory))
    for _ in range(20):
        everything()
    assert (sys.getrefcount(w), sys.getrefcount(manager), sys.getrefcount(memory)) == before
