"""Constructors and operations of pyfutex, each in a small world whose state can be compared."""

import mmap
import tempfile
from functools import partial

from pyfutex import (
    ALL,
    AddressSpace,
    CompletionQueue,
    Manager,
    Mappable,
    Memory,
    Target,
    Waiter,
    WaitItem,
    sync,
)

A, B, C = 64, 128, 192
TID = 4242


class World:
    """A manager with a page of memory, and those who wait there."""

    def __init__(self):
        self.manager = Manager()
        self.page = bytearray(mmap.PAGESIZE)
        self.memory = Memory(self.page)
        self.waiters = []
        self.calls = []
        self.ends = []
        self.seen = [
            lambda: bytes(self.page),
            lambda: len(self.manager),
            lambda: [(w.state, w.result) for w in self.waiters],
            lambda: list(self.calls),
        ]

    def queue(self, *addresses, **options):
        """Queue a waiter at each address; the last of them."""
        for addr in addresses:
            w = Waiter(**options)
            assert self.manager.wait_prepare(w, self.memory, addr, 0) is None
            self.waiters.append(w)
        return w

    def idle(self, **options):
        """A waiter that is not queued yet."""
        w = Waiter(**options)
        self.waiters.append(w)
        return w

    def state(self):
        """What an operation that failed must not have changed."""
        return [see() for see in self.seen]

    def end(self):
        """Take everybody off the queue, so that nothing is left but what leaks."""
        for w in self.waiters:
            w.cancel()
        self.manager.close()
        for end in self.ends:
            end()
        self.waiters.clear()
        self.seen.clear()
        self.ends.clear()


class Words(Target):
    """A target in Python."""

    def __init__(self):
        self.words = {}

    def load(self, addr, size=4, /):
        """Read a word."""
        return self.words.get(addr, 0)

    def swap(self, addr, new, size=4, /):
        """Write a word and return what it was."""
        old, self.words[addr] = self.words.get(addr, 0), new
        return old

    def compare_and_swap(self, addr, old, new, size=4, /):
        """Write a word if it holds `old`, and return what it was."""
        seen = self.words.get(addr, 0)
        if seen == old:
            self.words[addr] = new
        return seen


def queued_for_pi(world):
    """Two who wait for a PI lock that TID holds."""
    assert world.manager.trylock_pi(world.memory, A, tid=TID)
    for i in (1, 2):
        assert world.manager.lock_pi_prepare(world.idle(), world.memory, A, tid=TID + i) is None


def prepare_lock_pi(world):
    """Queue for a PI lock that TID holds: the first state of the family's owners."""
    # WAITERS, because who gets no memory may have set it already: legal without a waiter.
    world.memory.store(A, TID | 1 << 31)
    w = world.idle()
    return lambda: world.manager.lock_pi_prepare(w, world.memory, A, tid=TID + 1)


def unlock_pi(world):
    """Hand a PI lock over."""
    queued_for_pi(world)
    return lambda: world.manager.unlock_pi(world.memory, A, tid=TID)


def prepare_requeue_pi(world):
    """Queue for a requeue to a PI word."""
    w = world.idle()
    return lambda: world.manager.wait_requeue_pi_prepare(w, world.memory, A, B, 0, tid=TID)


def requeue_pi(world):
    """From a plain word to a PI word, one with it and two behind."""
    for i in range(3):
        w = world.idle()
        assert world.manager.wait_requeue_pi_prepare(w, world.memory, A, B, 0, tid=TID + i) is None
    return lambda: world.manager.cmp_requeue_pi(world.memory, A, B, 0)


def wake_with_callbacks(world, n=40):
    """More objects than fit on the stack of who delivers."""
    world.queue(*[A] * n, on_wake=lambda w: world.calls.append(1))
    return lambda: world.manager.wake(world.memory, A, ALL)


def wake_in_a_chain(world, n=24):
    """Each callback wakes the next one, deeper than callbacks run inside each other."""
    for i in range(n):
        world.queue(4 * i, on_wake=partial(wake_next, world, 4 * i + 4))
    return lambda: world.manager.wake(world.memory, 0)


def wake_next(world, addr, _):
    """Wake who waits at an address."""
    world.manager.wake(world.memory, addr)


def queue_of_woken(world):
    """A completion queue with two waiters in it, and one to come."""
    queue = CompletionQueue()
    world.queue(A, A, A, queue=queue)
    assert world.manager.wake(world.memory, A, 2) == 2
    world.seen.append(queue.empty)
    world.ends.append(queue.drain)
    return queue


def wait_that_times_out(world):
    """A thread sleeps, and nobody comes."""
    return lambda: world.manager.wait(world.memory, A, 0, 1e-6)


def items_of(world):
    """One for each of six words."""
    return [WaitItem(world.memory, addr, 0) for addr in (A, B, C, 256, 320, 384)]


def on_a_python_target(world):
    """A prepared wait on memory that only Python can read, then a wake, a requeue, and a change with a wake."""
    target = Words()

    def call():
        w = Waiter()
        world.manager.wait_prepare(w, target, A, 0)
        try:
            world.manager.cmp_requeue(target, A, B, 0, 0, 1)
            return world.manager.wake_op(target, C, B, 0x2000_0000)
        finally:
            w.cancel()

    return call


def of_manager(call):
    """An operation with two waiters at A and one at B."""

    def made(world):
        world.queue(A, A, B)
        return lambda: call(world.manager, world.memory)

    return made


def prepare(how):
    """An operation that queues one new waiter."""

    def made(world):
        w = world.idle()
        return lambda: how(world.manager, w, world.memory)

    return made


def alone(call):
    """An operation that needs no world."""
    return lambda world: call


def on_page(create):
    """A constructor in shared memory, which is of that primitive then or as it was."""

    def made(world):
        page = mmap.mmap(-1, mmap.PAGESIZE)
        world.seen.append(lambda: page[:])
        return lambda: create(page)

    return made


def of(make, call):
    """An operation on a new object."""

    def made(_):
        thing = make()
        return lambda: call(thing)

    return made


def shared(create):
    """A new object in shared memory of its own, as `of` wants it."""
    return lambda: create(mmap.mmap(-1, mmap.PAGESIZE))


def in_arena(call):
    """An operation on an arena of this world, in which there is an event."""

    def made(world):
        arena = sync.Arena.create_nameless("operations", maximum=1 << 16)
        arena.event("event")
        world.seen.append(arena.names)
        world.ends.append(arena.close)
        return lambda: call(arena)

    return made


def arena_file(world):
    """An arena in a file, which is there then, or not."""
    folder = tempfile.TemporaryDirectory()
    world.ends.append(folder.cleanup)
    return lambda: sync.Arena.open(f"{folder.name}/arena", maximum=1 << 16).close()


def in_and_out(lock):
    """Take a lock and let it go."""
    with lock:
        pass


def fork_manager(world):
    """A child with the parent's family, and a waiter in it."""
    return lambda: world.manager.fork().close()


# Of the engine's surface.
ENGINE = {
    "Manager": alone(Manager),
    "Manager.fork": fork_manager,
    "Manager.futex": lambda world: lambda: world.manager.futex(world.memory, A).wake(),
    "Manager.completions": lambda world: lambda: world.manager.completions(),
    "Memory": alone(lambda: Memory(bytearray(64), base=1 << 40)),
    "Mappable": alone(lambda: Mappable("name")),
    "AddressSpace": alone(lambda: AddressSpace().map(0, bytearray(4096))),
    "Waiter": alone(lambda: Waiter(print, tag=object())),
    "Waiter.fileno": lambda world: world.queue(A).fileno,
    "CompletionQueue": alone(CompletionQueue),
    "CompletionQueue.fileno": alone(lambda: CompletionQueue().fileno()),
    "wake": of_manager(lambda m, mem: m.wake(mem, A)),
    "wake a thousand and one": lambda world: wake_with_callbacks(world, 1001),
    "wake with callbacks": wake_with_callbacks,
    "wake in a chain": wake_in_a_chain,
    "wake into a queue": lambda world: (queue_of_woken(world), lambda: world.manager.wake(world.memory, A))[
        1
    ],
    "CompletionQueue.get": lambda world: queue_of_woken(world).get,
    "CompletionQueue.drain": lambda world: queue_of_woken(world).drain,
    "wakev": of_manager(lambda m, mem: m.wakev([(mem, A, ALL), (mem, B)])),
    "wake_op": of_manager(lambda m, mem: m.wake_op(mem, A, B, 0x2000_0000)),
    "requeue": of_manager(lambda m, mem: m.requeue(mem, A, C)),
    "cmp_requeue": of_manager(lambda m, mem: m.cmp_requeue(mem, A, C, 0)),
    "wait": wait_that_times_out,
    "wait_prepare": prepare(lambda m, w, mem: m.wait_prepare(w, mem, A, 0)),
    "waitv": lambda world: partial(world.manager.waitv, items_of(world), 1e-6),
    "waitv_prepare": lambda world: partial(world.manager.waitv_prepare, world.idle(), items_of(world)),
    "wake_wait": of_manager(lambda m, mem: m.wake_wait(mem, A, B, 0, 1e-6)),
    "lock_pi_prepare": prepare_lock_pi,
    "unlock_pi": unlock_pi,
    "wait_requeue_pi_prepare": prepare_requeue_pi,
    "cmp_requeue_pi": requeue_pi,
    "waiters": of_manager(lambda m, mem: m.waiters()),
    "stats": of_manager(lambda m, mem: m.stats()),
    "Python target": on_a_python_target,
}


def condition_waits(condition):
    """Wait for a notification that does not come."""
    with condition:
        condition.wait(1e-6)


# Of pyfutex.sync: what it allocates, Python and the kernel give.
SYNC = {
    "Lock": of(sync.Lock, in_and_out),
    "RLock": of(sync.RLock, in_and_out),
    "Condition": alone(sync.Condition),
    "Condition.wait": of(sync.Condition, condition_waits),
    "Semaphore": of(sync.Semaphore, in_and_out),
    "BoundedSemaphore": of(sync.BoundedSemaphore, in_and_out),
    "Event": alone(lambda: sync.Event().wait(1e-6)),
    "Barrier": alone(lambda: sync.Barrier(1).wait()),
    "RWLock.read": of(sync.RWLock, lambda lock: in_and_out(lock.read())),
    "RWLock.write": of(sync.RWLock, lambda lock: in_and_out(lock.write())),
    "Once": of(sync.Once, lambda once: once.call(int)),
    "Latch": alone(lambda: sync.Latch(1).count_down()),
    "Lock.create": on_page(sync.Lock.create),
    "RLock.create": on_page(sync.RLock.create),
    "Condition.create": on_page(sync.Condition.create),
    "Semaphore.create": on_page(sync.Semaphore.create),
    "Event.create": on_page(sync.Event.create),
    "Barrier.create": on_page(lambda page: sync.Barrier.create(page, parties=2)),
    "RWLock.create": on_page(lambda page: sync.RWLock.create(page, readers=2)),
    "Once.create": on_page(sync.Once.create),
    "Latch.create": on_page(lambda page: sync.Latch.create(page, count=1)),
    "shared Lock": of(shared(sync.Lock.create), in_and_out),
    "shared RLock": of(shared(sync.RLock.create), in_and_out),
    "shared Condition.wait": of(shared(sync.Condition.create), condition_waits),
    "shared Semaphore": of(shared(sync.Semaphore.create), in_and_out),
    "shared Event": of(shared(sync.Event.create), lambda event: event.set()),
    "shared RWLock.read": of(shared(sync.RWLock.create), lambda lock: in_and_out(lock.read())),
    "shared RWLock.write": of(shared(sync.RWLock.create), lambda lock: in_and_out(lock.write())),
    "shared Once": of(shared(sync.Once.create), lambda once: once.call(int)),
    "Arena.open": arena_file,
    "Arena.create_nameless": alone(lambda: sync.Arena.create_nameless("alone", maximum=1 << 16).close()),
    "Arena.lock": in_arena(lambda arena: arena.lock("lock")),
    "Arena.names": in_arena(lambda arena: arena.names()),
    "Arena.delete": in_arena(lambda arena: arena.delete("event")),
    "context Lock": of(sync.get_context("spawn").Lock, in_and_out),
    "context Event": of(sync.get_context("spawn").Event, lambda event: event.set()),
    "context SimpleQueue": alone(lambda: sync.get_context("spawn").SimpleQueue().close()),
}
