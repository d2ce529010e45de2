"""The two-level queue of a bucket, against a dictionary of lists."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

queues = pytest.importorskip("pyfutex_native.queues", reason="pyfutex-native-tests is not installed")

ALL = 0x7FFF_FFFF
A, B, C = 64, 128, 192


@pytest.fixture
def buckets():
    return queues.Buckets(16)


def test_waiters_of_a_key_stay_in_order(buckets):
    news = [buckets.append(0, i, key) for i, key in enumerate((A, B, A, A, B))]
    assert news == [True, True, False, False, False]
    assert buckets.content(0) == {A: [0, 2, 3], B: [1, 4]}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_unlinked_head_is_replaced_by_its_follower(buckets, number):
    for i in range(3):
        buckets.append(0, i, A)
    buckets.append(0, 3, B)
    assert not buckets.unlink(0, number)
    assert buckets.content(0) == {A: [i for i in range(3) if i != number], B: [3]}


@pytest.mark.parametrize("key", [A, B, C])
def test_last_waiter_takes_its_key_along(buckets, key):
    for i, k in enumerate((A, B, C)):
        buckets.append(0, i, k)
    assert buckets.unlink(0, (A, B, C).index(key))
    assert list(buckets.content(0)) == [k for k in (A, B, C) if k != key]


def test_wake_stops_at_a_pi_waiter_and_keeps_what_it_took(buckets):
    buckets.append(0, 0, A)
    buckets.append(0, 1, A, "PI")
    buckets.append(0, 2, A)
    assert buckets.wake(0, A, ALL) == ([0], 0, True)
    assert buckets.wake(0, A, 0) == ([], 0, False)
    assert buckets.move(0, A, 1, B, ALL) == (0, 0, False, True)
    assert buckets.content(0) == {A: [1, 2]}


def test_nobody_takes_or_moves_a_placeholder(buckets):
    for i, kind in enumerate(("PLAIN", "PLACEHOLDER", "PLAIN", "PLACEHOLDER", "PLAIN")):
        buckets.append(0, i, A, kind)
    assert buckets.first(0, A) == 0
    assert buckets.count(0, A, ALL) == (3, False)
    assert buckets.count(0, A, ALL, 3) == (2, False)
    assert buckets.move(0, A, 0, B, ALL, 3) == (2, 0, True, False)
    assert buckets.content(0) == {A: [1, 3, 4], B: [0, 2]}
    assert buckets.first(0, A) == 4
    assert buckets.wake(0, A, ALL) == ([4], 0, False)
    assert buckets.first(0, A) is None
    assert buckets.wake(0, B, 1) == ([0], 0, False)


class BucketMachine(RuleBasedStateMachine):
    """Two buckets under random operations. Moves go within a bucket or across, between keys that share one or not."""

    N = 24
    place = st.tuples(st.integers(0, 1), st.sampled_from((A, B, C)))
    count = st.one_of(st.integers(0, 5), st.just(ALL))

    def __init__(self):
        super().__init__()
        self.buckets = queues.Buckets(self.N)
        self.model = {(b, key): [] for b in (0, 1) for key in (A, B, C)}
        self.traits = {}

    def free(self):
        return next((i for i in range(self.N) if i not in self.traits), None)

    @precondition(lambda self: self.free() is not None)
    @rule(
        place=place,
        kind=st.sampled_from(("PLAIN", "PLAIN", "PLAIN", "PLACEHOLDER", "PI")),
        bitset=st.sampled_from((1, 2, 3)),
    )
    def append(self, place, kind, bitset):
        number = self.free()
        assert self.buckets.append(place[0], number, place[1], kind, bitset) == (not self.model[place])
        self.model[place].append(number)
        self.traits[number] = kind, bitset

    @precondition(lambda self: self.traits)
    @rule(data=st.data())
    def unlink(self, data):
        number = data.draw(st.sampled_from(sorted(self.traits)))
        place = next(place for place, ring in self.model.items() if number in ring)
        self.model[place].remove(number)
        del self.traits[number]
        assert self.buckets.unlink(place[0], number) == (not self.model[place])

    def limit(self, place, data):
        """Where a walk is to stop: at one of the placeholders, or nowhere."""
        limits = [number for number in self.model[place] if self.traits[number][0] == "PLACEHOLDER"]
        return data.draw(st.sampled_from([-1, *limits]))

    @rule(place=place, n=count, bitset=st.sampled_from((1, 2, 4, 0xFFFF_FFFF)), data=st.data())
    def wake(self, place, n, bitset, data):
        before = self.limit(place, data)
        taken, misfit = [], False
        for number in self.model[place]:
            kind, own = self.traits[number]
            if len(taken) == n or number == before:
                break
            if kind == "PI":
                misfit = True
                break
            if kind == "PLAIN" and own & bitset:
                taken.append(number)
        had = bool(self.model[place])
        self.model[place] = [number for number in self.model[place] if number not in taken]
        for number in taken:
            del self.traits[number]
        gone = int(had and not self.model[place])
        assert self.buckets.wake(*place, n, bitset, before) == (taken, gone, misfit)

    @rule(place=place, place2=place, n=count, data=st.data())
    def move(self, place, place2, n, data):
        ring = self.model[place]
        before = self.limit(place, data)
        visited, misfit = [], False
        for number in ring:
            kind = self.traits[number][0]
            if len(visited) == n or number == before:
                break
            if kind == "PI":
                misfit = True
                break
            if kind == "PLAIN":
                visited.append(number)
        if place == place2:
            assert self.buckets.count(place[0], place[1], n, before) == (len(visited), misfit)
            return
        is_new = bool(visited) and not self.model[place2]
        self.model[place] = [number for number in ring if number not in visited]
        self.model[place2].extend(visited)
        gone = int(bool(ring) and not self.model[place])
        got = self.buckets.move(*place, *place2, n, before)
        assert got == (len(visited), gone, is_new, misfit)

    @invariant()
    def content_is_the_model(self):
        for b in (0, 1):
            expected = {key: ring for (bucket, key), ring in self.model.items() if bucket == b and ring}
            assert self.buckets.content(b) == expected


TestBucketMachine = BucketMachine.TestCase
TestBucketMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
