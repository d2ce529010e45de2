"""A plain sequential model of the futex manager: what every operation must answer when nothing runs beside it.

It is an oracle for tests, written from the rules and not from the engine: no hashing, no locks, no growth. A futex
word is an entry of a dict, a queue a list, a key any hashable value. Answers follow the manager's Python surface:
counts, named tuples as plain tuples, a `ModelError` where the manager raises an OSError, and for the prepare
operations ``None`` (queued) or an int.
"""

import errno
from collections import defaultdict
from dataclasses import dataclass, field

WAITERS = 0x8000_0000
OWNER_DIED = 0x4000_0000
TID_MASK = 0x3FFF_FFFF
ANY = 0xFFFF_FFFF
MASK32 = 0xFFFF_FFFF

PLAIN = "PLAIN"
PI = "PI"
REQUEUE_PI = "REQUEUE_PI"

IDLE, QUEUED, DONE, CANCELLED = range(4)

OP_SET, OP_ADD, OP_OR, OP_ANDN, OP_XOR = range(5)
OP_SHIFT = 8
CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE = range(6)


def encode_op(op, oparg, cmp, cmparg):
    """Pack a wake_op operation as futex(2) does: 4 bits op, 4 bits cmp, 12 bits each operand."""
    return (op & 0xF) << 28 | (cmp & 0xF) << 24 | (oparg & 0xFFF) << 12 | (cmparg & 0xFFF)


def signed(value, bits):
    """The low `bits` bits of `value` as a two's complement number."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def apply_op(encoded, old):
    """The new value of a word that holds `old`; None where the operation does not exist."""
    op = encoded >> 28 & 0xF
    operand = signed(encoded >> 12, 12)
    if op & OP_SHIFT:
        operand = 1 << (operand & 31)
    operations = {
        OP_SET: operand,
        OP_ADD: old + operand,
        OP_OR: old | operand,
        OP_ANDN: old & ~operand,
        OP_XOR: old ^ operand,
    }
    new = operations.get(op & ~OP_SHIFT)
    return None if new is None else new & MASK32


def compare_op(encoded, old):
    """Whether `old` passes the comparison, both sides signed; None where the comparison does not exist."""
    left = signed(old, 32)
    right = signed(encoded, 12)
    comparisons = {
        CMP_EQ: left == right,
        CMP_NE: left != right,
        CMP_LT: left < right,
        CMP_LE: left <= right,
        CMP_GT: left > right,
        CMP_GE: left >= right,
    }
    return comparisons.get(encoded >> 24 & 0xF)


class ModelError(Exception):
    """The manager raises an OSError here.

    Attributes
    ----------
    number : int
        Its errno.
    woken, requeued : int
        What had been done when the error was met, and stays done.
    """

    def __init__(self, number, woken=0, requeued=0):
        super().__init__(errno.errorcode[number])
        self.number = number
        self.woken = woken
        self.requeued = requeued


@dataclass(eq=False)
class ModelWaiter:
    """One waiter: idle, queued under a key in a line, done with a result, or cancelled.

    The line is where it stands, whichever manager of the family a requeue was made through; it counts for the manager
    through which it was queued.
    """

    name: str = ""
    state: int = IDLE
    key: object = None
    kind: str = PLAIN
    bitset: int = ANY
    tid: int = 0
    own_priority: int = 0
    priority: int = 0
    pi_key: object = None
    pi_addr: int = 0
    result: int | None = None
    line: list = field(default_factory=list, repr=False)
    manager: object = field(default=None, repr=False)


@dataclass
class Family:
    """What forked managers share: each other, the queues of shared keys, the order in which waiters were taken.

    `owners` says whose a PI word with waiters is, as those know it; who came into it last is last.
    """

    shared: dict = field(default_factory=lambda: defaultdict(list))
    taken: list = field(default_factory=list)
    members: list = field(default_factory=list)
    owners: dict = field(default_factory=dict)


class ModelManager:
    """The queues of one manager.

    Parameters
    ----------
    words : dict
        Address to value; the memory, which several managers may share.
    is_shared : callable, optional
        Whether a key belongs to the queues that forked managers have in common; none do by default.
    owner_alive : callable, optional
        Whether a tid is that of a living thread; all live by default.
    """

    def __init__(self, words, *, is_shared=lambda key: False, owner_alive=lambda tid: True, family=None):
        self.words = words
        self.family = Family() if family is None else family
        self._is_shared = is_shared
        self._owner_alive = owner_alive
        self.own = defaultdict(list)
        self.family.members.append(self)

    def fork(self):
        """A manager over the same memory that meets this one on shared keys alone."""
        return ModelManager(
            self.words, is_shared=self._is_shared, owner_alive=self._owner_alive, family=self.family
        )

    def queue(self, key):
        """The waiters of a key, first come first, as the list that the operations change."""
        return (self.family.shared if self._is_shared(key) else self.own)[key]

    def lines(self):
        """The waiters queued through this manager, line by line, each first come first."""
        queues = list(self.family.shared.values())
        for member in self.family.members:
            queues += member.own.values()
        mine = ([w for w in queue if w.manager is self] for queue in queues)
        return [line for line in mine if line]

    def wait_prepare(self, w, key, addr, val, bitset=ANY):
        """Queue `w` if the word still holds `val`."""
        if bitset == 0:
            return -errno.EINVAL
        if self.words[addr] != val:
            return -errno.EAGAIN
        self._start(w, PLAIN, bitset, 0, 0)
        self._append(w, key)
        return None

    def wait_complete(self, w):
        """Take `w` out of whichever queue a requeue left it in; tell whether it had been woken."""
        if w.state == QUEUED:
            self._leave(w)
            w.state = CANCELLED
        return w.state == DONE

    def cancel(self, w):
        """Whether `w` was queued, and is no more."""
        was_queued = w.state == QUEUED
        self.wait_complete(w)
        return was_queued

    def close(self):
        """Cancel the waiters queued through this manager."""
        for line in self.lines():
            for w in list(line):
                self.wait_complete(w)

    def wake(self, key, n=1, bitset=ANY):
        """Wake the first `n` waiters whose bitset meets `bitset`."""
        if n < 0 or bitset == 0:
            raise ModelError(errno.EINVAL)
        return self._wake(key, n, bitset, already=0)

    def requeue(self, key, key2, n_wake=1, n_requeue=MASK32):
        """Wake the first `n_wake`, move the next `n_requeue` behind those of `key2`; as (woken, requeued)."""
        if n_wake < 0 or n_requeue < 0:
            raise ModelError(errno.EINVAL)
        woken = requeued = 0
        for w in list(self.queue(key)):
            if woken == n_wake and requeued == n_requeue:
                break
            if w.kind != PLAIN:
                raise ModelError(errno.EINVAL, woken, requeued)
            if woken < n_wake:
                self._take(w)
                woken += 1
                continue
            requeued += 1
            if key2 != key:
                w.line.remove(w)
                self._append(w, key2)
        return woken, requeued

    def cmp_requeue(self, key, addr, key2, val, n_wake=1, n_requeue=MASK32):
        """Requeue if the word at `addr` holds `val`, else answer None."""
        if n_wake < 0 or n_requeue < 0:
            raise ModelError(errno.EINVAL)
        if self.words[addr] != val:
            return None
        return self.requeue(key, key2, n_wake, n_requeue)

    def wake_op(self, key, key2, addr2, op, n_wake=1, n_wake2=1):
        """Change the word at `addr2`, wake on `key`, and on `key2` if the old value passes the comparison."""
        if n_wake < 0 or n_wake2 < 0:
            raise ModelError(errno.EINVAL)
        old = self.words[addr2]
        new = apply_op(op, old)
        if new is None:
            raise ModelError(errno.ENOSYS)
        self.words[addr2] = new
        passes = compare_op(op, old)
        if passes is None:
            raise ModelError(errno.ENOSYS)
        woken = self._wake(key, n_wake, ANY, already=0)
        if passes:
            woken += self._wake(key2, n_wake2, ANY, already=woken)
        return woken

    def lock_pi_prepare(self, w, key, addr, tid, priority=0):
        """Take the lock in the word at `addr` for `tid`, or queue `w` behind its owner."""
        try:
            if self._lock_now(key, addr, tid):
                return 0
            owner = self.words[addr] & TID_MASK
            self._admit(key, owner, tid)
        except ModelError as error:
            return -error.number
        w.pi_key, w.pi_addr = key, addr
        self._start(w, PI, ANY, tid, priority)
        self._block(w, key, owner)
        return None

    def trylock_pi(self, key, addr, tid):
        """Take the lock for `tid` if nobody owns it; WAITERS is set in the word where somebody does."""
        return self._lock_now(key, addr, tid)

    def unlock_pi(self, key, addr, tid):
        """Hand the lock to the first waiter, or leave the word 0."""
        if self.words[addr] & TID_MASK != tid:
            raise ModelError(errno.EPERM)
        queue = self.queue(key)
        if not queue:
            self.words[addr] = 0
            return
        if queue[0].kind != PI or self._owners.get((id(queue), key)) != tid:
            raise ModelError(errno.EINVAL)
        self._succeed(queue[0], WAITERS)

    def wait_requeue_pi_prepare(self, w, key, addr, key2, addr2, val, tid, priority=0):
        """Queue `w`, to be moved on to the PI word at `addr2`."""
        if key == key2:
            return -errno.EINVAL if addr == addr2 or self.words[addr] == val else -errno.EAGAIN
        if self.words[addr] != val:
            return -errno.EAGAIN
        w.pi_key, w.pi_addr = key2, addr2
        self._start(w, REQUEUE_PI, ANY, tid, priority)
        self._append(w, key)
        return None

    def cmp_requeue_pi(self, key, addr, key2, addr2, val, n_requeue=MASK32):
        """Acquire the PI word for the first waiter, queue the next behind it; as (woken, requeued)."""
        if n_requeue < 0 or key == key2:
            raise ModelError(errno.EINVAL)
        if self.words[addr] != val:
            return None
        woken = requeued = 0
        if not self.queue(key):
            return 0, 0
        first = self.queue(key)[0]
        self._expect(first, key2)
        if self._lock_now(key2, addr2, first.tid):
            self.words[addr2] |= WAITERS if n_requeue else 0
            owner, woken = first.tid, 1
            first.key = key2
            self._take(first)
        else:
            owner = self.words[addr2] & TID_MASK
            n_requeue += 1
        for w in list(self.queue(key)):
            if requeued == n_requeue:
                break
            try:
                self._expect(w, key2)
                self._admit(key2, owner, w.tid)
            except ModelError as error:
                raise ModelError(error.number, woken, requeued) from None
            w.line.remove(w)
            w.kind = PI
            self._block(w, key2, owner)
            requeued += 1
        return woken, requeued

    def owner_exit(self, tid):
        """Hand on what `tid` holds and others wait for; how many words."""
        handed = 0
        while held := [place for place, owner in self._owners.items() if owner == tid]:
            line = next(w.line for w in self._blocked() if (id(w.line), w.key) == held[-1])
            self._succeed(next(w for w in line if w.kind == PI), WAITERS | OWNER_DIED)
            handed += 1
        return handed

    @property
    def _owners(self):
        return self.family.owners

    def _blocked(self):
        return [w for member in self.family.members for line in member.lines() for w in line if w.kind == PI]

    def _lock_now(self, key, addr, tid):
        word = self.words[addr]
        owner = word & TID_MASK
        if owner == tid:
            raise ModelError(errno.EDEADLK)
        queue = self.queue(key)
        if queue:
            # A word with waiters is its owner's, or free between the death of one and the succession.
            known = self._owners.get((id(queue), key)) if queue[0].kind == PI else None
            if known is None or (owner != known and not (owner == 0 and word & OWNER_DIED)):
                raise ModelError(errno.EINVAL)
            return False
        if owner == 0:
            self.words[addr] = tid | word & OWNER_DIED
            return True
        self.words[addr] = word | WAITERS
        if not self._owner_alive(owner):
            raise ModelError(errno.ESRCH)
        return False

    def _admit(self, key, owner, tid):
        """Let `tid` wait for the word, unless that closes a circle."""
        owner = self._owners.get((id(self.queue(key)), key), owner)
        blocked = {w.tid: w for w in self._blocked()}
        while owner != tid and owner in blocked:
            w = blocked[owner]
            owner = self._owners[id(w.line), w.key]
        if owner == tid:
            raise ModelError(errno.EDEADLK)

    @staticmethod
    def _expect(w, key2):
        if w.kind != REQUEUE_PI or w.pi_key != key2:
            raise ModelError(errno.EINVAL)

    def _block(self, w, key, owner):
        self._owners.setdefault((id(self.queue(key)), key), owner)
        w.priority = max(w.own_priority, self._lent(w.tid))
        self._append(w, key)
        self._lend(w.line, key)

    def _lent(self, tid):
        held = {place for place, owner in self._owners.items() if owner == tid}
        return max((w.priority for w in self._blocked() if (id(w.line), w.key) in held), default=0)

    def _lend(self, line, key):
        """The waiters of a word changed: let their owner stand where the highest of their priorities puts it."""
        while (owner := self._owners.get((id(line), key))) is not None:
            w = next((w for w in self._blocked() if w.tid == owner), None)
            priority = None if w is None else max(w.own_priority, self._lent(owner))
            if w is None or w.priority == priority:
                return
            line, key = w.line, w.key
            line.remove(w)
            w.priority = priority
            self._insert(line, w)

    def _succeed(self, w, flags):
        place = id(w.line), w.key
        self.words[w.pi_addr] = w.tid | flags
        del self._owners[place]
        self._owners[place] = w.tid
        self._take(w)

    def _leave(self, w):
        line, key = w.line, w.key
        line.remove(w)
        if w.kind == PI:
            if not any(other.kind == PI for other in line):
                self._owners.pop((id(line), key), None)
            self._lend(line, key)

    def _wake(self, key, n, bitset, already):
        woken = 0
        for w in list(self.queue(key)):
            if woken == n:
                break
            if w.kind != PLAIN:
                raise ModelError(errno.EINVAL, already + woken)
            if w.bitset & bitset:
                self._take(w)
                woken += 1
        return woken

    def _start(self, w, kind, bitset, tid, priority):
        w.state, w.kind, w.bitset, w.tid, w.result, w.manager = QUEUED, kind, bitset, tid, None, self
        w.own_priority = w.priority = priority

    def _append(self, w, key):
        w.key, w.line = key, self.queue(key)
        self._insert(w.line, w)

    @staticmethod
    def _insert(line, w):
        """Behind those of its own or a higher priority."""
        line.insert(next((i for i, other in enumerate(line) if other.priority < w.priority), len(line)), w)

    def _take(self, w):
        self._leave(w)
        w.state, w.result = DONE, 0
        self.family.taken.append(w)
