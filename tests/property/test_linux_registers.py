"""Guests that call with anything: no exception, no answer out of range, no byte changed that a call may not write.

PYFUTEX_FUZZ=100 in the environment runs a hundred times as many. A touch outside the arena ends the process: the options
``-s --hypothesis-verbosity=verbose`` then show the last guest.
"""

from errno import EAGAIN, ETIMEDOUT
from functools import partial

import fuzzing
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st
from property.hostile_calls import Pointer, Spot, Wide, calls
from property.hostile_worlds import TOP_32, TOP_47, TOP_64, CalledWorld, CountedWords, FlatWorld, MappedWorld

from pyfutex import CompletionQueue, linux
from pyfutex.linux import RESTART, Task

# A walk along a robust list looks at 2048 entries, each of a pointer and a word, and may swap the word; a wait on a vector
# reads 128 entries of 6 words. Words may be tried again, but nobody changes them here.
MOST_TARGET_CALLS = 2048 * 6 + 100

WAITS = {linux.FUTEX_WAIT, linux.FUTEX_WAIT_BITSET, linux.FUTEX_WAIT_REQUEUE_PI}
WRITES_FIRST = {linux.FUTEX_LOCK_PI, linux.FUTEX_UNLOCK_PI, linux.FUTEX_TRYLOCK_PI, linux.FUTEX_LOCK_PI2}
WRITES_SECOND = {linux.FUTEX_WAKE_OP, linux.FUTEX_CMP_REQUEUE_PI}

worlds = st.one_of(
    st.builds(
        partial,
        st.just(FlatWorld),
        st.sampled_from([None, 0, 0x10000, TOP_32 - 1024, TOP_47 - 512, TOP_64 - 1024]),
        st.sampled_from([1024, 1024, 1024, 1023, 1021, 1020, 252, 24, 4, 3]),
        st.sampled_from(["first", "last", "middle"]),
    ),
    st.builds(partial, st.just(MappedWorld)),
    st.builds(partial, st.just(CalledWorld), st.sampled_from(["little", "big"])),
)
options = st.fixed_dictionaries(
    {
        "abi": st.sampled_from(["lp64", "lp64", "ilp32"]),
        "address_limit": st.sampled_from([None] * 9 + [0, 0x10080, 0x10082, TOP_32, 2**63, TOP_64 - 1]),
        "priority": st.sampled_from([0, 0, 1, 99]),
        "uid": st.sampled_from([0, 7]),
        "tells": st.sampled_from(["callback", "queue", None]),
        "time": st.sampled_from([None, None, None, 0, 10**9, 2**62, 2**63 - 1]),
    }
)


class Guests:
    """The tasks of a world, and what they are asked to do."""

    def __init__(self, world, all_options):
        self.world = world
        self.queue = CompletionQueue()
        self.told = []
        self.waiting = set()  # who blocked in a call of which nobody has been told the end
        self.locks = set()  # places of words that somebody has waited for as locks
        self.options = all_options
        self.tasks = [self.new_task(i) for i in range(len(all_options))]

    def new_task(self, i):
        chosen = dict(self.options[i])
        tells, time = chosen.pop("tells"), chosen.pop("time")
        mem, manager = self.world.processes[i % len(self.world.processes)]
        return Task(
            i + 1,
            mem,
            manager,
            byteorder="big" if self.world.wide_words_swapped else "little",
            on_complete=(lambda task, value: self.told.append((task, value)))
            if tells == "callback"
            else None,
            queue=self.queue if tells == "queue" else None,
            now=None if time is None else lambda clock: time,
            **chosen,
        )

    def narrow(self, task):
        return self.options[task.tid - 1]["abi"] == "ilp32"

    def tells(self, task):
        return self.options[task.tid - 1]["tells"]

    def number(self, value):
        """A register: a spot is an address of this world."""
        if not isinstance(value, Spot):
            return value
        addresses = self.world.spots
        return (addresses[value.index % len(addresses)] + value.offset) % TOP_64 if addresses else 0

    def address(self, task, value):
        """As the task's register holds it."""
        return self.number(value) % (2**32 if self.narrow(task) else 2**64)

    def lay_out(self, task, fields):
        """Fields as words of 32 bits."""
        found = []
        for field in fields:
            number = self.number(field.value if isinstance(field, (Wide, Pointer)) else field)
            if isinstance(field, Wide) or (isinstance(field, Pointer) and not self.narrow(task)):
                halves = [number % 2**32, (number >> 32) % 2**32]
                found += halves[::-1] if self.world.wide_words_swapped else halves
            else:
                found.append(number % 2**32)
        return found

    # --- one step ---

    def step(self, index, call):
        """Have a task that is not blocked make a call, or the emulator act on any task."""
        task = self.tasks[index % len(self.tasks)]
        if call.name == "interrupt":
            self.interrupt(task, *call.arguments)
        elif call.name == "exit":
            self.exit(task)
        elif call.name == "fill":
            addr, fields = call.arguments
            self.world.poke(task.mem, self.address(task, addr) & -4, self.lay_out(task, fields))
        elif call.name == "unmap":
            self.world.unmap(task.mem, self.address(task, *call.arguments))
        else:
            if task.blocked:
                task = next((other for other in self.tasks if not other.blocked), task)
            if task.blocked:
                self.interrupt(task, ETIMEDOUT, False)
            if self.tells(task) is None:
                self.waiting.discard(task)
            assert task not in self.waiting
            if call.name == "ring":
                self.ring(task, *call.arguments)
            elif call.name == "laid":
                self.laid(task, *call.arguments)
            else:
                self.make(task, call.name, [self.number(argument) for argument in call.arguments])
        self.take_notice()

    def make(self, task, name, registers):
        """Make a system call and check what it answers and writes."""
        before, n_before = self.world.snapshot(), self.target_calls(task)
        answer = getattr(linux, name)(task, *registers)
        note(f"{task} {name}{tuple(registers)} = {answer}")
        event(f"{name} {'blocks' if answer is None else 'fails' if answer < 0 else 'succeeds'}")
        assert self.target_calls(task) - n_before <= MOST_TARGET_CALLS
        assert (answer is None) == task.blocked
        assert answer is None or (type(answer) is int and -4096 < answer < 2**31 and answer != RESTART)
        assert self.world.changed(before) <= self.writable(task, name, registers, before)
        if answer is None:
            self.waiting.add(task)
            self.check_blocked(task, name, registers)

    def check_blocked(self, task, name, registers):
        """Whoever waits for a value has seen it."""
        if name == "futex_wait" or (name in ("futex", "futex_time64") and self.command(registers) in WAITS):
            addr = registers[0] % (2**32 if self.narrow(task) else 2**64)
            assert addr % 4 == 0
            assert self.world.word(task.mem, addr) == registers[1 if name == "futex_wait" else 2] % 2**32

    @staticmethod
    def command(registers):
        return registers[1] % 2**32 & ~(linux.FUTEX_PRIVATE_FLAG | linux.FUTEX_CLOCK_REALTIME)

    def writable(self, task, name, registers, before):
        """The places that a call may write."""
        limit = 2**32 if self.narrow(task) else 2**64
        addresses = [register % limit for register in registers]
        places = self.world.places
        if name in ("futex", "futex_time64"):
            command = self.command(registers)
            first, second = places(task.mem, addresses[0], 4), places(task.mem, addresses[4], 4)
            if command in (linux.FUTEX_LOCK_PI, linux.FUTEX_LOCK_PI2):
                self.locks |= first
            if command == linux.FUTEX_CMP_REQUEUE_PI:
                self.locks |= second
            return first if command in WRITES_FIRST else second if command in WRITES_SECOND else set()
        if name == "get_robust_list":
            width = 4 if self.narrow(task) else 8
            return places(task.mem, addresses[1], width) | places(task.mem, addresses[2], width)
        if name in ("futex_wake", "futex_wait") and registers[3] & linux.FUTEX2_NUMA:
            return places(task.mem, addresses[0] + 4, 4)
        if name in ("futex_requeue", "futex_waitv"):
            # The entries name words, of which the next may be that of a NUMA node.
            return self.world.words_where(before, lambda word: word == linux.FUTEX_NO_NODE % 2**32)
        return set()

    def laid(self, task, spot, fields, name, index, registers):
        """Make a call that finds what it reads where it looks for it."""
        addr = self.address(task, spot) & -8
        self.world.poke(task.mem, addr, self.lay_out(task, fields))
        self.make(
            task, name, [addr if i == index else self.number(value) for i, value in enumerate(registers)]
        )

    def ring(self, task, spot, n, offset, word, leaves):
        """A robust list that ends in a circle, before its head or at it."""
        head, width = self.address(task, spot) & -8, 4 if self.narrow(task) else 8
        nodes = [head + 3 * width + i * 2 * width for i in range(n)]
        follow = [*nodes[1:], head if word else nodes[0]] if nodes else []
        fields = [
            Pointer(nodes[0] if nodes else head),
            Pointer(offset % 2**64),
            Pointer(nodes[-1] if word and nodes else 0),
        ]
        for target in follow:
            fields += [Pointer(target), Pointer(word + task.tid)]
        self.world.poke(task.mem, head, self.lay_out(task, fields))
        self.make(task, "set_robust_list", [head, 3 * width])
        if leaves:
            self.exit(task)

    def interrupt(self, task, error, sa_restart):
        """End a call; that of a task that is not blocked has none."""
        before, blocked = self.world.snapshot(), task.blocked
        answer = task.interrupt(error, sa_restart=sa_restart)
        assert not task.blocked
        assert answer is None or -4096 < answer < 2**31
        assert not blocked or answer in (-error, RESTART, -EAGAIN)
        if blocked:
            self.waiting.remove(task)
        assert not self.world.changed(before)

    def exit(self, task):
        """End a task. Its thread id goes to a new one."""
        before, n_before = self.world.snapshot(), self.target_calls(task)
        owned = self.world.words_where(before, lambda word: word & linux.FUTEX_TID_MASK == task.tid)
        owned |= self.world.places(task.mem, task.clear_child_tid, 4)
        task.exit()
        self.waiting.discard(task)
        assert not task.alive
        assert not task.blocked
        assert self.target_calls(task) - n_before <= MOST_TARGET_CALLS
        assert self.world.changed(before) <= owned | self.locks
        self.tasks[task.tid - 1] = self.new_task(task.tid - 1)

    def take_notice(self):
        """Everybody who was woken is told once, of a result in range."""
        self.told += [(waiter.tag, waiter.result) for waiter in self.queue.drain()]
        for task, value in self.told:
            self.waiting.remove(task)
            assert not task.blocked
            assert -4096 < value < 128
        self.told.clear()

    @staticmethod
    def target_calls(task):
        return task.mem.n_calls if isinstance(task.mem, CountedWords) else 0

    def end(self, by_exit):
        """Get everybody out of the queues."""
        for task in list(self.tasks):
            if by_exit:
                self.exit(task)
            elif task.blocked:
                self.interrupt(task, ETIMEDOUT, False)
            self.take_notice()
        assert not any(task.blocked for task in self.tasks)
        assert all(self.tells(task) is None for task in self.waiting)
        assert [len(manager) for _, manager in self.world.processes] == [0] * len(self.world.processes)
        for task in self.tasks:
            task.exit()


@settings(
    max_examples=fuzzing.examples(300),
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    make_world=worlds,
    all_options=st.lists(options, min_size=2, max_size=4),
    steps=st.lists(st.tuples(st.integers(0, 3), calls), min_size=10, max_size=40),
    by_exit=st.booleans(),
)
def test_any_registers(make_world, all_options, steps, by_exit):
    guests = Guests(make_world(), all_options)
    for index, call in steps:
        guests.step(index, call)
    guests.end(by_exit)
