"""A Hypothesis state machine that holds forked managers against the sequential model, step by step.

No threads: every waiter is prepared first. After each step the two sides must agree on the answer, on every word, on
the state and result of every waiter, on who stands behind whom, and on the order in which waiters were taken.
"""

import select

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
    PI,
    PLAIN,
    QUEUED,
    TID_MASK,
    WAITERS,
    ModelError,
    ModelManager,
    ModelWaiter,
    encode_op,
)

from pyfutex import ALL, CompletionQueue, KeyKind, Manager, Mappable, Memory, Waiter, WaitResult

WORDS = (0, 4, 64, 4092)
DEAD_TID = 6
MOST_MANAGERS = 3

addresses = st.sampled_from(WORDS)
values = st.sampled_from([0, 1, 2, 0x7FFF_FFFF, 0x8000_0000, ANY])
bitsets = st.sampled_from([ANY, 1, 2, 3, 1 << 31, 0])
counts = st.sampled_from([0, 1, 2, 3, ALL, 2**40, -1])
tids = st.integers(1, DEAD_TID)
operands = st.sampled_from([0, 1, 2, 33, 0x7FF, 0x800, 0xFFF])
operations = st.builds(
    encode_op, st.one_of(st.integers(0, 4), st.integers(0, 15)), operands,
    st.one_of(st.integers(0, 5), st.integers(0, 15)), operands,
)  # fmt: skip
privacies = st.sampled_from([None, True, False])
memories = st.sampled_from(["plain", "mapped"])
managers = st.integers(0, MOST_MANAGERS - 1)
notices = st.sampled_from(["call", "queue", "descriptor"])


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

    @initialize()
    def begin(self):
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

    def both(self, index):
        """A manager and its model."""
        index %= len(self.real)
        return self.real[index], self.models[index]

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

    def closes_a_circle(self, addr, tid):
        """Whether waiting for the owner of a word would be waiting for oneself, or twice."""
        queued = {w.tid: w for pair in self.all_pairs if (w := pair.model).state == QUEUED and w.kind == PI}
        owner = self.words[addr] & TID_MASK
        seen = set()
        while owner in queued and owner not in seen:
            seen.add(owner)
            owner = self.words[queued[owner].key[1]] & TID_MASK
        return tid in queued or owner == tid or owner in seen

    @precondition(lambda self: len(self.real) < MOST_MANAGERS)
    @rule(index=managers)
    def fork(self, index):
        real, model = self.both(index)
        self.real.append(real.fork())
        self.models.append(model.fork())

    @rule(addr=addresses, value=values)
    def store(self, addr, value):
        self.memories["plain"].store(addr, value)
        self.words[addr] = value

    @rule(addr=addresses)
    def owner_dies(self, addr):
        value = self.words[addr] & WAITERS | OWNER_DIED
        self.memories["mapped"].store(addr, value)
        self.words[addr] = value

    @rule(target=pairs, notice=notices)
    def new_waiter(self, notice):
        pair = Pair(len(self.all_pairs), notice, self.calls, self.completions)
        if notice == "descriptor":
            pair.real.fileno()
        self.all_pairs.append(pair)
        return pair

    @rule(
        pair=pairs, index=managers, memory=memories, addr=addresses, private=privacies,
        current=st.sampled_from([True, True, True, False]), value=values, bitset=bitsets,
    )  # fmt: skip
    def wait_prepare(self, pair, index, memory, addr, private, current, value, bitset):
        real, model = self.both(index)
        val = self.words[addr] if current else value

        self.prepare(
            pair,
            lambda: real.wait_prepare(
                pair.real, self.memories[memory], addr, val, bitset=bitset, private=private
            ),
            lambda: model.wait_prepare(pair.model, self.key(memory, addr, private), addr, val, bitset),
        )

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

    @rule(pair=pairs)
    def cancel(self, pair):
        self.agree(pair.real.cancel, lambda: self.models[0].cancel(pair.model))

    @rule(pair=pairs, index=managers)
    def wait_complete(self, pair, index):
        real, model = self.both(index)
        self.agree(lambda: real.wait_complete(pair.real), lambda: model.wait_complete(pair.model))

    @rule(pair=pairs)
    def poll(self, pair):
        if pair.model.state == QUEUED:
            assert pair.real.wait(0) is WaitResult.TIMEOUT
        elif pair.model.state == DONE:
            assert pair.real.wait() is WaitResult.WOKEN

    @rule(index=managers, memory=memories, addr=addresses, n=counts, bitset=bitsets, private=privacies)
    def wake(self, index, memory, addr, n, bitset, private):
        real, model = self.both(index)
        self.agree(
            lambda: real.wake(self.memories[memory], addr, n, bitset=bitset, private=private),
            lambda: model.wake(self.key(memory, addr, private), n, bitset),
        )

    @rule(
        index=managers, memory=memories, memory2=memories, addr=addresses, addr2=addresses,
        n_wake=counts, n_requeue=counts, private=privacies,
    )  # fmt: skip
    def requeue(self, index, memory, memory2, addr, addr2, n_wake, n_requeue, private):
        real, model = self.both(index)
        mem, mem2 = self.memories[memory], self.memories[memory2]
        key, key2 = self.key(memory, addr, private), self.key(memory2, addr2, private)
        self.agree(
            lambda: real.requeue(mem, addr, addr2, n_wake, n_requeue, mem2=mem2, private=private),
            lambda: model.requeue(key, key2, n_wake, n_requeue),
        )

    @rule(
        index=managers, memory=memories, memory2=memories, addr=addresses, addr2=addresses, current=st.booleans(),
        value=values, n_wake=counts, n_requeue=counts, private=privacies,
    )  # fmt: skip
    def cmp_requeue(self, index, memory, memory2, addr, addr2, current, value, n_wake, n_requeue, private):
        real, model = self.both(index)
        mem, mem2 = self.memories[memory], self.memories[memory2]
        key, key2 = self.key(memory, addr, private), self.key(memory2, addr2, private)
        val = self.words[addr] if current else value
        self.agree(
            lambda: real.cmp_requeue(mem, addr, addr2, val, n_wake, n_requeue, mem2=mem2, private=private),
            lambda: model.cmp_requeue(key, addr, key2, val, n_wake, n_requeue),
        )

    @rule(
        index=managers, memory=memories, memory2=memories, addr=addresses, addr2=addresses, op=operations,
        n_wake=counts, n_wake2=counts, private=privacies,
    )  # fmt: skip
    def wake_op(self, index, memory, memory2, addr, addr2, op, n_wake, n_wake2, private):
        real, model = self.both(index)
        mem, mem2 = self.memories[memory], self.memories[memory2]
        key, key2 = self.key(memory, addr, private), self.key(memory2, addr2, private)
        self.agree(
            lambda: real.wake_op(mem, addr, addr2, op, n_wake, n_wake2, mem2=mem2, private=private),
            lambda: model.wake_op(key, key2, addr2, op, n_wake, n_wake2),
        )

    @rule(
        index=managers,
        memory=memories,
        addr=addresses,
        current=st.booleans(),
        value=values,
        private=privacies,
    )
    def wait_without_time(self, index, memory, addr, current, value, private):
        real, _ = self.both(index)
        val = self.words[addr] if current else value
        expected = WaitResult.TIMEOUT if self.words[addr] == val else WaitResult.MISMATCH
        assert real.wait(self.memories[memory], addr, val, 0, private=private) is expected

    @rule(pair=pairs, index=managers, memory=memories, addr=addresses, tid=tids, private=privacies)
    def lock_pi_prepare(self, pair, index, memory, addr, tid, private):
        real, model = self.both(index)
        if self.closes_a_circle(addr, tid):
            return

        self.prepare(
            pair,
            lambda: real.lock_pi_prepare(pair.real, self.memories[memory], addr, tid=tid, private=private),
            lambda: model.lock_pi_prepare(pair.model, self.key(memory, addr, private), addr, tid),
        )

    @rule(
        index=managers, memory=memories, addr=addresses, tid=tids, private=privacies, blocking=st.booleans()
    )
    def lock_pi_without_time(self, index, memory, addr, tid, private, blocking):
        real, model = self.both(index)
        if self.closes_a_circle(addr, tid):
            return
        mem = self.memories[memory]
        self.agree(
            lambda: (
                real.lock_pi(mem, addr, 0, tid=tid, private=private)
                if blocking
                else real.trylock_pi(mem, addr, tid=tid, private=private)
            ),
            lambda: model.trylock_pi(self.key(memory, addr, private), addr, tid),
        )

    @rule(index=managers, memory=memories, addr=addresses, owner=st.booleans(), tid=tids, private=privacies)
    def unlock_pi(self, index, memory, addr, owner, tid, private):
        real, model = self.both(index)
        holder = self.words[addr] & TID_MASK
        tid = holder if owner and holder else tid
        self.agree(
            lambda: real.unlock_pi(self.memories[memory], addr, tid=tid, private=private),
            lambda: model.unlock_pi(self.key(memory, addr, private), addr, tid),
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
        readable = select.select([pair.real for pair in pairs], [], [], 0)[0]
        woken = [pair.real for pair in pairs if pair.model.state == DONE]
        assert readable == woken

    @invariant()
    def queues_agree(self):
        for real, model in zip(self.real, self.models, strict=True):
            expected = [[(w.kind, w.bitset, w.name) for w in line] for line in model.lines()]
            assert len(real) == sum(map(len, expected))
            listed = {}
            for info in real.waiters():
                bitset = info.bitset if info.kind == PLAIN else ANY
                listed.setdefault(info.key, []).append((info.kind, bitset, info.waiter.tag))
            assert sorted(listed.values()) == sorted(expected)

    @rule(index=managers)
    def close(self, index):
        real, model = self.both(index)
        real.close()
        model.close()

    def teardown(self):
        queued = [pair for pair in self.all_pairs if pair.model.state == QUEUED]
        for real in self.real:
            real.close()
        assert all(pair.real.state.name == "CANCELLED" for pair in queued)
        assert [len(real) for real in self.real] == [0] * len(self.real)
        assert self.calls == self.taken("call")


TestManagerAgainstModel = ManagerAgainstModel.TestCase
TestManagerAgainstModel.settings = settings(
    max_examples=120,
    stateful_step_count=60,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
