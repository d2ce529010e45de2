"""Forked managers and their sequential model, and in what they must agree after each step."""

import select
from collections import defaultdict

from hypothesis import note
from hypothesis.stateful import RuleBasedStateMachine, invariant
from model import ANY, DONE, IDLE, PLAIN, QUEUED, ModelError, ModelManager, ModelWaiter
from property.manager_spots import DEAD_TID, WORDS, Place, reach

from pyfutex import CompletionQueue, KeyKind, Manager, Mappable, Memory, Waiter


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


class ManagerBesideModel(RuleBasedStateMachine):
    """The managers, their model and all waiters; a subclass has the rules."""

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

    def teardown(self):
        queued = [pair for pair in self.all_pairs if pair.model.state == QUEUED]
        for real in self.real:
            real.close()
        assert all(pair.real.state.name == "CANCELLED" for pair in queued)
        assert [len(real) for real in self.real] == [0] * len(self.real)
        assert self.calls == self.taken("call")
