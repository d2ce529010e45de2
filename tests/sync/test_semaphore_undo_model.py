"""How those who wait for a permit with undo are told, as _permits.pxd argues it, in every interleaving of a few threads.

Each step of a thread is one atomic access or one futex call, and between any two of them it may be killed. A state in which
nobody can go on, while somebody waits and a permit is free, is a lost wake: one that only a second look would find.
"""

from typing import NamedTuple

import pytest

ACQUIRE, RELEASE = "acquire", "release"
PAIR = (ACQUIRE, RELEASE)
NOBODY = -1


class Slot(NamedTuple):
    """A slot's word, and how often it was taken with WAITERS."""

    owner: int = NOBODY
    waiters: bool = False
    turns: int = 0


class Thread(NamedTuple):
    """What a thread does next, and what it does after this operation."""

    step: str
    at: int = 0  # which slot it looks at
    turn: int = 0  # as it saw it, and the owners
    seen: tuple[int, ...] = ()
    turns: int = 0  # of the slot, when it gave it back
    later: tuple[str, ...] = ()

    def then(self):
        """The thread after this operation."""
        if not self.later:
            return Thread("ended")
        first, *later = self.later
        return Thread("look" if first is ACQUIRE else "give", later=tuple(later))


class State(NamedTuple):
    """What is in memory, and the threads."""

    slots: tuple[Slot, ...]
    turn: int
    gate: int
    threads: tuple[Thread, ...]


class Protocol(NamedTuple):
    """What is left out of it, to see what it is for."""

    gate: bool = True  # one sleeps on the slots at a time
    watches: bool = True  # on the slots, too, and not on the turn alone
    tells: bool = True  # whoever gives back changes the turn


def replaced(items, at, item):
    """The tuple with another item."""
    return (*items[:at], item, *items[at + 1 :])


def woken(threads):
    """The threads after a wake of one of those asleep, and whether there was one. Who has not run since is not awake."""
    for n, thread in enumerate(threads):
        if thread.step in ("asleep", "woken"):
            return replaced(threads, n, thread._replace(step="woken")), True
    return threads, False


def after_a_kill(state, who, protocol):
    """What the kernel leaves of a state."""
    slots, turn, gate, threads = state
    threads = replaced(threads, who, Thread("ended"))
    for at, slot in enumerate(slots):
        if slot.owner == who:
            slots = replaced(slots, at, slot._replace(owner=NOBODY))
            if slot.waiters and protocol.watches:
                threads, _ = woken(threads)
    return State(slots, turn, NOBODY if gate == who else gate, threads)


def after_one_step(state, who, protocol):
    """What becomes of a state when one thread makes its next step."""
    slots, turn, gate, threads = state
    thread = threads[who]
    waits = gate == who or not protocol.gate
    slot = slots[thread.at] if thread.at < len(slots) else None
    match thread.step:
        case "look" | "woken":
            after = thread._replace(step="take", at=0, turn=turn, seen=())
        case "take" if slot and slot.owner == NOBODY:
            slots = replaced(slots, thread.at, Slot(who, slot.waiters, slot.turns + slot.waiters))
            after = thread._replace(step="leave") if gate == who else thread.then()
        case "take" if slot:
            after = thread._replace(at=thread.at + 1)
        case "take":
            after = thread._replace(step="mark" if waits else "gate", at=0)
        case "gate":
            gate = who
            after = thread._replace(step="look")
        case "leave":
            gate = NOBODY
            after = thread.then()
        case "mark" if slot and slot.owner == NOBODY:
            after = thread._replace(step="look")
        case "mark" if slot:
            slots = replaced(slots, thread.at, slot._replace(waiters=True))
            after = thread._replace(at=thread.at + 1, seen=(*thread.seen, slot.owner))
        case "mark":
            is_as_seen = all(
                slot.owner == owner and slot.waiters for slot, owner in zip(slots, thread.seen, strict=True)
            )
            sleeps = turn == thread.turn and (is_as_seen or not protocol.watches)
            after = thread._replace(step="asleep" if sleeps else "look")
        case "give":
            at = next(n for n, slot in enumerate(slots) if slot.owner == who)
            slots = replaced(slots, at, slots[at]._replace(owner=NOBODY))
            after = thread._replace(step="tell", at=at, turns=slots[at].turns)
            if slots[at].waiters:
                threads, found = woken(threads) if protocol.watches else (threads, False)
                after = after._replace(step="tell" if found else "drop")
        case "drop":
            if slot == Slot(NOBODY, True, thread.turns):
                slots = replaced(slots, thread.at, slot._replace(waiters=False))
            after = thread._replace(step="tell")
        case "tell" if gate != NOBODY and protocol.tells:
            after = thread._replace(step="turn")
        case "tell":
            after = thread.then()
        case "turn":
            turn += 1
            threads, _ = woken(threads)
            after = thread.then()
    return State(slots, turn, gate, replaced(threads, who, after))


def explore(n_slots, operations, n_kills, protocol):
    """All states that threads with these operations reach: how many, and how many of them are lost wakes."""
    threads = tuple(Thread("", later=each).then() for each in operations)
    start = State((Slot(),) * n_slots, 0, NOBODY, threads), n_kills
    seen, todo, lost = {start}, [start], 0
    while todo:
        state, kills = todo.pop()
        alive = [n for n, thread in enumerate(state.threads) if thread.step != "ended"]
        going = [
            n
            for n in alive
            if state.threads[n].step != "asleep" and (state.threads[n].step != "gate" or state.gate == NOBODY)
        ]
        lost += not going and bool(alive) and any(slot.owner == NOBODY for slot in state.slots)
        following = [(after_one_step(state, who, protocol), kills) for who in going]
        if kills:
            following += [(after_a_kill(state, who, protocol), kills - 1) for who in alive]
        for after in following:
            if after not in seen:
                seen.add(after)
                todo.append(after)
    return len(seen), lost


@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize(
    ("n_slots", "operations", "n_kills"),
    [
        (1, (PAIR, PAIR, PAIR), 2),
        (1, (PAIR * 2, PAIR, (ACQUIRE,)), 1),
        (2, (PAIR, PAIR, PAIR), 1),
        (2, ((ACQUIRE, ACQUIRE, RELEASE), PAIR, PAIR), 1),
        (2, (PAIR, PAIR, (ACQUIRE,), (ACQUIRE,)), 0),
    ],
)
def test_whoever_is_killed_no_wake_is_lost(n_slots, operations, n_kills, tells):
    # The slots alone tell all; the turn is for those that nobody can watch.
    states, lost = explore(n_slots, operations, n_kills, Protocol(tells=tells))
    assert states > 1000
    assert lost == 0


def test_the_turn_tells_what_the_living_give_back():
    # On kernels without futex_waitv.
    states, lost = explore(2, (PAIR, PAIR, PAIR), 0, Protocol(watches=False))
    assert states > 1000
    assert lost == 0


@pytest.mark.parametrize(
    ("protocol", "n_kills"),
    [(Protocol(gate=False), 1), (Protocol(watches=False), 1), (Protocol(watches=False, tells=False), 0)],
)
def test_without_one_of_these_wakes_are_lost(protocol, n_kills):
    # The model sees what each is for.
    _, lost = explore(1, (PAIR, PAIR, PAIR), n_kills, protocol)
    assert lost > 0
