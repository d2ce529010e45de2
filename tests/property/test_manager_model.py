"""A Hypothesis state machine that holds forked managers against the sequential model, step by step.

No threads: every waiter is prepared first. After each step the two sides must agree on the answer, on every word, on
the state and result of every waiter, on who stands behind whom, and on the order in which waiters were taken.
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, precondition, rule
from model import ANY, DONE, OWNER_DIED, QUEUED, REQUEUE_PI, TID_MASK, WAITERS, ModelError, ModelWaiter
from property.manager_beside_model import ManagerBesideModel
from property.manager_spots import (
    MOST_MANAGERS,
    WORDS,
    anywhere,
    bitsets,
    counts,
    notices,
    operations,
    other_spots,
    priorities,
    signed_counts,
    spots,
    tids,
    values,
)

from pyfutex import WaitResult


class ManagerAgainstModel(ManagerBesideModel):
    """Every operation that does not sleep, on several words, memories, kinds of key and managers."""

    pairs = Bundle("pairs")

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

    @precondition(lambda self: len(self.all_pairs) > 20)
    @rule()
    def close(self):
        self.real[-1].close()
        self.models[-1].close()


TestManagerAgainstModel = ManagerAgainstModel.TestCase
TestManagerAgainstModel.settings = settings(
    max_examples=250,
    stateful_step_count=60,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
