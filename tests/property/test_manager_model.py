"""A Hypothesis state machine that holds forked managers against the sequential model, step by step.

No threads: every waiter is prepared first. After each step the two sides must agree on the answer, on every word, on
the state and result of every waiter, on who stands behind whom, and on the order in which waiters were taken.
"""

import select
from collections import defaultdict
from typing import NamedTuple

from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from model import (
    ANY,
    DONE,
    IDLE,
    OWNER_DIED,
    PLAIN,
    QUEUED,
    REQUEUE_PI,
    TID_MASK,
    WAITERS,
    ModelError,
    ModelManager,
    ModelWaiter,
    encode_op,
)

from pyfutex import ALL, CompletionQueue, KeyKind, Manager, Mappable, Memory, Waiter, WaitResult

WORDS = (0, 4, 4092)
DEAD_TID = 6
MOST_MANAGERS = 3

values = st.sampled_from([0, 1, 2, 0x7FFF_FFFF, 0x8000_0000, ANY])
bitsets = st.sampled_from([ANY, ANY, 1, 2, 3, 1 << 31])
counts = st.sampled_from([1, 1, 2, 2, 3, ALL, 2**40, 0])
signed_counts = st.sampled_from([1, 1, 2, 2, 3, 4, 0, ALL, 2**40, -1])
tids = st.integers(1, DEAD_TID)
priorities = st.sampled_from([0, 0, 0, 1, 2, 99])
operands = st.sampled_from([0, 1, 2, 33, 0x7FF, 0x800, 0xFFF])
operations = st.builds(
    encode_op, st.integers(0, 4) | st.integers(0, 15), operands, st.integers(0, 5) | st.integers(0, 15), operands
)  # fmt: skip
notices = st.sampled_from(["call", "queue", "descriptor"])


class Spot(NamedTuple):
    """A word, through a memory, in a manager; or, if `aim` is given, where that waiter of the queued ones waits."""

    aim: int | None
    index: int = 0
    memory: str = "plain"
    addr: int = 0
    private: bool | None = None


class Place(NamedTuple):
    """A spot resolved: both managers, and the key that the rule for kinds gives the word."""

    real: Manager
    model: ModelManager
    memory: str
    addr: int
    private: bool | None
    key: tuple


aimed = st.integers(0, 9).map(Spot)
anywhere = st.builds(
    Spot,
    st.none(),
    st.integers(0, MOST_MANAGERS - 1),
    st.sampled_from(["plain", "mapped"]),
    st.sampled_from(WORDS),
    st.sampled_from([None, None, True, False]),
)
spots = aimed | aimed | aimed | anywhere
other_spots = anywhere | anywhere | aimed
reach = {
    KeyKind.PRIVATE: ("plain", True),
    KeyKind.SHARED_PRIVATE: ("plain", False),
    KeyKind.SHARED_MAPPABLE: ("mapped", False),
}


class Pair:
    """A waiter and its model, and how its wake is noticed."""

    def __init__(self, name, notice, calls, completions):
        self.name = name
        self.notice = notice
        self.model = ModelWaiter(name)
        self.real = Waiter(
            (lambda w: calls.append(w.tag)) if notice == "call" else None,
            queue=completions if notice == "queue" else None,
            tag=name,
        )


class ManagerAgainstModel(RuleBasedStateMachine):
    """Every operation that does not sleep, on several words, memories, kinds of key and managers."""

    pairs = Bundle("pairs")

    def __init__(self):
        super().__init__()
        buffer = bytearray(4096)
        self.memories = {"plain": Memory(buffer), "mapped": Memory(buffer, mappable=Mappable("segment"))}
        self.words = dict.fromkeys(WORDS, 0)
        self.real = [Manager(owner_alive=lambda tid: tid != DEAD_TID)]
        self.models = [
            ModelManager(
                self.words,
                is_shared=lambda key: key[0] is KeyKind.SHARED_MAPPABLE,
                owner_alive=lambda tid: tid != DEAD_TID,
            )
        ]
        self.all_pairs = []
        self.calls = []
        self.completions = CompletionQueue()
        self.drained = 0

    def place(self, spot):
        """Where a spot is: of the waiters that are queued now, if it aims at one."""
        memory, addr, private, index = spot.memory, spot.addr, spot.private, spot.index % len(self.real)
        queued = [pair.model for pair in self.all_pairs if pair.model.state == QUEUED]
        if spot.aim is not None and queued:
            w = queued[spot.aim % len(queued)]
            kind, addr = w.key
            memory, private = reach[kind]
            index = next(i for i, model in enumerate(self.models) if model.queue(w.key) is w.line)
        key = self.key(memory, addr, private)
        return Place(self.real[index], self.models[index], memory, addr, private, key)

    def two_places(self, spot, spot2):
        """Two places for one call: of one manager, and private or shared alike."""
        one, two = self.place(spot), self.place(spot2)
        return one, two._replace(private=one.private, key=self.key(two.memory, two.addr, one.private))

    @staticmethod
    def key(memory, addr, private):
        """The model's key for a word, by the rule that chooses a kind."""
        if private or (private is None and memory == "plain"):
            return KeyKind.PRIVATE, addr
        return (KeyKind.SHARED_PRIVATE if memory == "plain" else KeyKind.SHARED_MAPPABLE), addr

    def agree(self, real_call, model_call):
        """Make both calls and compare what they answer or raise."""
        try:
            expected = ("answered", model_call())
        except ModelError as error:
            expected = ("raised", error.number, error.woken, error.requeued)
        try:
            answer = ("answered", real_call())
        except OSError as error:
            answer = ("raised", error.errno, getattr(error, "woken", 0), getattr(error, "requeued", 0))
        note(f"expected {expected}")
        assert answer == expected

    def taken(self, notice):
        """Names of the waiters the model has taken, of those whose wake is noticed this way."""
        kinds = {pair.name: pair.notice for pair in self.all_pairs}
        return [w.name for w in self.models[0].family.taken if kinds[w.name] == notice]

    def undrained(self, pair):
        """Whether the waiter lies in the completion queue."""
        return pair.notice == "queue" and pair.name in self.taken("queue")[self.drained :]

    @precondition(lambda self: len(self.real) < MOST_MANAGERS)
    @rule()
    def fork(self):
        self.real.append(self.real[-1].fork())
        self.models.append(self.models[-1].fork())

    @rule(addr=st.sampled_from(WORDS), value=values)
    def store(self, addr, value):
        self.memories["plain"].store(addr, value)
        self.words[addr] = value

    @rule(addr=st.sampled_from(WORDS))
    def owner_dies(self, addr):
        value = self.words[addr] & WAITERS | OWNER_DIED
        self.memories["mapped"].store(addr, value)
        self.words[addr] = value

    def new_pair(self, notice):
        """A waiter that was never queued."""
        pair = Pair(len(self.all_pairs), notice, self.calls, self.completions)
        if notice == "descriptor":
            pair.real.fileno()
        self.all_pairs.append(pair)
        return pair

    def prepare(self, pair, real_call, model_call):
        """Prepare on both sides; a waiter that is not free is refused."""
        if pair.model.state == QUEUED or self.undrained(pair):
            try:
                answer = real_call()
            except RuntimeError:
                return
            # Arguments may be looked at first.
            assert answer is not None
            assert answer < 0
            return
        before = pair.real.state
        self.agree(real_call, model_call)
        if pair.model.state != QUEUED:
            # It was answered at once: the waiter is as it was or as new.
            assert pair.real.state in (before, IDLE)
            pair.model.state = int(pair.real.state)

    def wait_on(self, pair, place, val, bitset):
        """Prepare a waiter on the word at a place."""
        mem = self.memories[place.memory]
        self.prepare(
            pair,
            lambda: place.real.wait_prepare(
                pair.real, mem, place.addr, val, bitset=bitset, private=place.private
            ),
            lambda: place.model.wait_prepare(pair.model, place.key, place.addr, val, bitset),
        )

    @rule(target=pairs, spot=spots, notice=notices, bitset=bitsets)
    def arrive(self, spot, notice, bitset):
        pair, place = self.new_pair(notice), self.place(spot)
        self.wait_on(pair, place, self.words[place.addr], bitset)
        return pair

    @initialize(target=pairs, spots=st.lists(anywhere, min_size=2, max_size=3, unique=True), notice=notices)
    def crowds(self, spots, notice):
        return [pair for spot in spots for pair in self.crowd(spot, notice, 4)][-1]

    @rule(target=pairs, spot=spots, notice=notices, number=st.integers(2, 6))
    def arrive_together(self, spot, notice, number):
        return self.crowd(spot, notice, number)[-1]

    def crowd(self, spot, notice, number):
        """Queue several new waiters in one place."""
        place = self.place(spot)
        arrived = [self.new_pair(notice) for _ in range(number)]
        for pair in arrived:
            self.wait_on(pair, place, self.words[place.addr], ANY)
        return arrived

    @rule(pair=pairs, spot=spots, value=st.none() | values, bitset=bitsets | st.just(0))
    def arrive_again(self, pair, spot, value, bitset):
        place = self.place(spot)
        self.wait_on(pair, place, self.words[place.addr] if value is None else value, bitset)

    @rule(pair=pairs)
    def cancel(self, pair):
        self.agree(pair.real.cancel, lambda: self.models[0].cancel(pair.model))

    @rule(pair=pairs, index=st.integers(0, MOST_MANAGERS - 1))
    def wait_complete(self, pair, index):
        index %= len(self.real)
        self.agree(
            lambda: self.real[index].wait_complete(pair.real),
            lambda: self.models[index].wait_complete(pair.model),
        )

    @rule(pair=pairs)
    def poll(self, pair):
        if pair.model.state == QUEUED:
            assert pair.real.wait(0) is WaitResult.TIMEOUT
        elif pair.model.state == DONE:
            assert pair.real.wait() is WaitResult.WOKEN

    @rule(spot=spots, n=signed_counts, bitset=bitsets | st.just(0))
    def wake(self, spot, n, bitset):
        at = self.place(spot)
        self.agree(
            lambda: at.real.wake(self.memories[at.memory], at.addr, n, bitset=bitset, private=at.private),
            lambda: at.model.wake(at.key, n, bitset),
        )

    @rule(spot=spots, spot2=other_spots, n_wake=signed_counts, n_requeue=signed_counts)
    def requeue(self, spot, spot2, n_wake, n_requeue):
        at, to = self.two_places(spot, spot2)
        mem, mem2 = self.memories[at.memory], self.memories[to.memory]
        self.agree(
            lambda: at.real.requeue(mem, at.addr, to.addr, n_wake, n_requeue, mem2=mem2, private=at.private),
            lambda: at.model.requeue(at.key, to.key, n_wake, n_requeue),
        )

    @rule(spot=spots, spot2=other_spots, value=st.none() | values, n_wake=counts, n_requeue=signed_counts)
    def cmp_requeue(self, spot, spot2, value, n_wake, n_requeue):
        at, to = self.two_places(spot, spot2)
        mem, mem2 = self.memories[at.memory], self.memories[to.memory]
        val = self.words[at.addr] if value is None else value
        self.agree(
            lambda: at.real.cmp_requeue(
                mem, at.addr, to.addr, val, n_wake, n_requeue, mem2=mem2, private=at.private
            ),
            lambda: at.model.cmp_requeue(at.key, at.addr, to.key, val, n_wake, n_requeue),
        )

    @rule(spot=spots, spot2=other_spots, op=operations, n_wake=counts, n_wake2=signed_counts)
    def wake_op(self, spot, spot2, op, n_wake, n_wake2):
        at, also = self.two_places(spot, spot2)
        mem, mem2 = self.memories[at.memory], self.memories[also.memory]
        self.agree(
            lambda: at.real.wake_op(
                mem, at.addr, also.addr, op, n_wake, n_wake2, mem2=mem2, private=at.private
            ),
            lambda: at.model.wake_op(at.key, also.key, also.addr, op, n_wake, n_wake2),
        )

    @rule(spot=spots, value=st.none() | values)
    def wait_without_time(self, spot, value):
        at = self.place(spot)
        val = self.words[at.addr] if value is None else value
        expected = WaitResult.TIMEOUT if self.words[at.addr] == val else WaitResult.MISMATCH
        assert at.real.wait(self.memories[at.memory], at.addr, val, 0, private=at.private) is expected

    @rule(target=pairs, spot=spots, notice=notices, tid=tids, priority=priorities)
    def lock_pi_prepare(self, spot, notice, tid, priority):
        at, pair = self.place(spot), self.new_pair(notice)
        if not self.is_blocked(tid):
            mem = self.memories[at.memory]
            self.prepare(
                pair,
                lambda: at.real.lock_pi_prepare(
                    pair.real, mem, at.addr, tid=tid, priority=priority, private=at.private
                ),
                lambda: at.model.lock_pi_prepare(pair.model, at.key, at.addr, tid, priority),
            )
        return pair

    @rule(
        target=pairs,
        spot=spots,
        spot2=anywhere,
        value=st.none() | values,
        notice=notices,
        tid=tids,
        priority=priorities,
    )
    def wait_requeue_pi_prepare(self, spot, spot2, value, notice, tid, priority):
        (at, pi), pair = self.two_places(spot, spot2), self.new_pair(notice)
        if not self.is_blocked(tid) and not self.is_half_alike(at, pi):
            mem, mem2 = self.memories[at.memory], self.memories[pi.memory]
            val = self.words[at.addr] if value is None else value
            self.prepare(
                pair,
                lambda: at.real.wait_requeue_pi_prepare(
                    pair.real,
                    mem,
                    at.addr,
                    pi.addr,
                    val,
                    tid=tid,
                    priority=priority,
                    mem2=mem2,
                    private=at.private,
                ),
                lambda: at.model.wait_requeue_pi_prepare(
                    pair.model, at.key, at.addr, pi.key, pi.addr, val, tid, priority
                ),
            )
        return pair

    @rule(spot=spots, spot2=anywhere, value=st.none() | values, n_requeue=counts)
    def cmp_requeue_pi(self, spot, spot2, value, n_requeue):
        queued = [
            pair.model
            for pair in self.all_pairs
            if pair.model.state == QUEUED and pair.model.kind == REQUEUE_PI
        ]
        at, pi = self.two_places(spot, spot2)
        if queued:
            # Aim at somebody who waits for it: two places that fit each other are too rare to be found by chance.
            w = queued[spot.index % len(queued)]
            at = at._replace(
                real=self.real[self.models.index(w.manager)], model=w.manager, **self.reaching(w.key)
            )
            pi = pi._replace(real=at.real, model=at.model, **self.reaching(w.pi_key))
            if at.private != pi.private:
                return
        if self.is_half_alike(at, pi):
            return
        mem, mem2 = self.memories[at.memory], self.memories[pi.memory]
        val = self.words[at.addr] if value is None else value
        self.agree(
            lambda: at.real.cmp_requeue_pi(
                mem, at.addr, pi.addr, val, n_requeue, mem2=mem2, private=at.private
            ),
            lambda: at.model.cmp_requeue_pi(at.key, at.addr, pi.key, pi.addr, val, n_requeue),
        )

    @rule(spot=spots, tid=tids)
    def owner_exit(self, spot, tid):
        at = self.place(spot)
        assert at.real.owner_exit(tid) == at.model.owner_exit(tid)

    @staticmethod
    def is_half_alike(at, pi):
        """Whether two places are one word through two memories: which error wins then is the memory's affair."""
        return at.addr == pi.addr and (at.key != pi.key or at.memory != pi.memory)

    @staticmethod
    def reaching(key):
        """Memory, address and `private` by which a key is reached."""
        memory, private = reach[key[0]]
        return {"memory": memory, "addr": key[1], "private": private, "key": key}

    def is_blocked(self, tid):
        """Whether a thread waits already: one thread waits once."""
        return any(pair.model.state == QUEUED and pair.model.tid == tid for pair in self.all_pairs)

    @rule(spot=spots, tid=tids, blocking=st.booleans())
    def lock_pi_without_time(self, spot, tid, blocking):
        at = self.place(spot)
        if self.is_blocked(tid):
            return
        mem, w = self.memories[at.memory], ModelWaiter()

        def model_lock():
            answer = at.model.lock_pi_prepare(w, at.key, at.addr, tid)
            at.model.cancel(w)
            if answer:
                raise ModelError(-answer)
            return answer == 0

        self.agree(
            lambda: (
                at.real.lock_pi(mem, at.addr, 0, tid=tid, private=at.private)
                if blocking
                else at.real.trylock_pi(mem, at.addr, tid=tid, private=at.private)
            ),
            model_lock if blocking else lambda: at.model.trylock_pi(at.key, at.addr, tid),
        )

    @rule(spot=spots, stranger=st.none() | tids)
    def unlock_pi(self, spot, stranger):
        at = self.place(spot)
        tid = stranger or self.words[at.addr] & TID_MASK or 1
        self.agree(
            lambda: at.real.unlock_pi(self.memories[at.memory], at.addr, tid=tid, private=at.private),
            lambda: at.model.unlock_pi(at.key, at.addr, tid),
        )

    @rule(limit=st.integers(1, 4))
    def drain(self, limit):
        expected = self.taken("queue")[self.drained : self.drained + limit]
        assert [w.tag for w in self.completions.drain(limit)] == expected
        self.drained += len(expected)

    @invariant()
    def words_agree(self):
        for addr, value in self.words.items():
            assert self.memories["plain"].load(addr) == value

    @invariant()
    def waiters_agree(self):
        for pair in self.all_pairs:
            if pair.model.state:
                assert (pair.name, pair.real.state, pair.real.woken) == (
                    pair.name,
                    pair.model.state,
                    pair.model.state == DONE,
                )
            if pair.model.state in (QUEUED, DONE):
                assert pair.real.result == pair.model.result
                assert pair.real.key.kind is pair.model.key[0]

    @invariant()
    def wakes_agree_in_order(self):
        assert self.calls == self.taken("call")
        assert self.completions.empty() == (self.drained == len(self.taken("queue")))

    @invariant()
    def descriptors_agree(self):
        pairs = [pair for pair in self.all_pairs if pair.notice == "descriptor"]
        poll = select.poll()
        for pair in pairs:
            poll.register(pair.real, select.POLLIN)
        readable = {descriptor for descriptor, _ in poll.poll(0)}
        assert readable == {pair.real.fileno() for pair in pairs if pair.model.state == DONE}

    @invariant()
    def queues_agree(self):
        for real, model in zip(self.real, self.models, strict=True):
            host = self.memories["plain"].host_address
            listed, expected = defaultdict(list), defaultdict(list)
            for info in real.waiters():
                addr = info.key.offset - (0 if info.key.kind is KeyKind.SHARED_MAPPABLE else host)
                bitset = info.bitset if info.kind == PLAIN else ANY
                listed[info.key.kind, addr].append((info.kind, bitset, info.waiter.tag))
            for line in model.lines():
                names = [(w.kind, w.bitset, w.name) for w in line]
                expected[line[0].key].extend(names)
                # A relative's requeue may have taken waiters of this manager to a key of its own that equals one here.
                assert [seen for seen in listed[line[0].key] if seen in names] == names
            assert {key: sorted(seen) for key, seen in listed.items()} == {
                key: sorted(names) for key, names in expected.items()
            }
            assert len(real) == sum(map(len, expected.values()))

    @precondition(lambda self: len(self.all_pairs) > 20)
    @rule()
    def close(self):
        self.real[-1].close()
        self.models[-1].close()

    def teardown(self):
        queued = [pair for pair in self.all_pairs if pair.model.state == QUEUED]
        for real in self.real:
            real.close()
        assert all(pair.real.state.name == "CANCELLED" for pair in queued)
        assert [len(real) for real in self.real] == [0] * len(self.real)
        assert self.calls == self.taken("call")


TestManagerAgainstModel = ManagerAgainstModel.TestCase
TestManagerAgainstModel.settings = settings(
    max_examples=250,
    stateful_step_count=60,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
