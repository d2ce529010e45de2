"""Targets in Python that wake, fail and dawdle under stress; address spaces whose regions come and go under waits."""

import mmap
import os
import signal
import threading
from collections import Counter
from errno import EFAULT

import pytest
from stress.conftest import ListTarget
from stress.crew import scaled

from pyfutex import ALL, AddressSpace, Memory, Waiter, WaitResult

pytestmark = pytest.mark.stress

PAGE = mmap.PAGESIZE
WORDS = [0, 64, 128]
ADD_ONE = 0x1100_1FFF  # add 1; true unless the word was -1


class Refused(Exception):
    """What a target raises that does not answer."""


class MoodyTarget(ListTarget):
    """A target that, now and then, raises, or wakes its own waiters while it is asked."""

    def __init__(self, manager, rng):
        super().__init__()
        self.manager = manager
        self.rng = rng
        self.taken = Counter()

    def load(self, addr, size=4, /):
        """Read a word, or raise, or wake somebody first."""
        mood = self.rng.random()
        if mood < 0.05:
            raise Refused
        if mood < 0.15:
            woken = self.manager.wake(self, addr)
            with self.lock:
                self.taken["wakes"] += woken
        return super().load(addr, size)


def test_target_that_raises_and_wakes_leaves_nobody_queued(manager, crew, rng):
    target = MoodyTarget(manager, rng)

    def wait(rng):
        sums = Counter()
        for _ in range(scaled(1200)):
            try:
                sums[manager.wait(target, rng.choice(WORDS), 0, rng.choice((1e-5, 2e-4)))] += 1
            except Refused:
                sums["refused"] += 1
        return sums

    def wake(rng):
        sums = Counter()
        while not crew.stopping.is_set():
            sums["wakes"] += manager.wake(target, rng.choice(WORDS))
            try:
                answer = manager.cmp_requeue(target, rng.choice(WORDS), rng.choice(WORDS), 0, 1, ALL)
                sums["wakes"] += answer.woken
            except Refused:
                sums["refused"] += 1
        return sums

    crew.add(wait, 4)
    crew.add(wake, 2)
    with crew:
        while len(crew.results) < 4 and crew.working():
            crew.stopping.wait(0.005)
    sums = sum(crew.results, target.taken)
    # Who was woken while the target raised gives the wake on, if somebody else waits there to have it.
    assert sums[WaitResult.WOKEN] > 0
    assert 0 <= sums["wakes"] - sums[WaitResult.WOKEN] <= sums["refused"]
    assert sums["refused"] > 0
    assert len(manager) == 0


def test_wake_op_counts_every_step_on_any_target(manager, target, crew):
    n_threads, rounds = 3, scaled(1500)

    def operate(rng):
        return "wakes", sum(manager.wake_op(target, 0, 64, ADD_ONE, 1, 1) for _ in range(rounds))

    def wait(rng):
        woken = 0
        while not crew.stopping.is_set():
            addr = rng.choice((0, 64))
            woken += manager.wait(target, addr, target.load(addr), 1e-4) is WaitResult.WOKEN
        return "waits", woken

    crew.add(operate, n_threads)
    crew.add(wait, 3)
    with crew:
        while sum(side == "wakes" for side, _ in crew.results) < n_threads and crew.working():
            crew.stopping.wait(0.005)
    sums = Counter()
    for side, n in crew.results:
        sums[side] += n
    assert target.load(64) == n_threads * rounds
    assert sums["wakes"] == sums["waits"]


def test_targets_die_while_their_waiters_are_queued(manager, crew):
    """The queue keeps the target of a queued waiter alive, and the id of a dead one is not used again."""

    def body(rng):
        cancelled = 0
        waiters = []
        for _ in range(scaled(1500)):
            target = rng.choice((ListTarget, lambda: Memory(bytearray(64), 0)))()
            waiter = Waiter()
            assert manager.wait_prepare(waiter, target, 0, 0) is None
            assert manager.wake(rng.choice((ListTarget(), Memory(bytearray(64), 0))), 0) == 0
            waiters.append(waiter)
            del target
            if len(waiters) > 20:
                cancelled += waiters.pop(rng.randrange(20)).cancel()
        return cancelled + sum(w.cancel() for w in waiters)

    crew.add(body, 3)
    with crew:
        crew.join()
    assert crew.results == [scaled(1500)] * 3
    assert len(manager) == 0


def test_regions_come_and_go_under_waits(manager, crew):
    space = AddressSpace()
    homes = [PAGE * i for i in range(1, 5)]

    def answered(sums, call):
        """Run a call that may find its region gone."""
        try:
            return call()
        except OSError as error:
            sums[error.errno] += 1
            return None

    def wait(rng):
        sums = Counter()
        while not crew.stopping.is_set():
            addr = rng.choice(homes) + rng.choice(WORDS)
            timeout = rng.choice((1e-6, 1e-4))
            result = answered(sums, lambda addr=addr, timeout=timeout: manager.wait(space, addr, 0, timeout))
            sums["waits"] += result is WaitResult.WOKEN
        return sums

    def wake(rng):
        sums = Counter()
        while not crew.stopping.is_set():
            addr, addr2 = (rng.choice(homes) + rng.choice(WORDS) for _ in range(2))
            sums["wakes"] += answered(sums, lambda addr=addr: manager.wake(space, addr, 3)) or 0
            moved = answered(sums, lambda addr=addr, addr2=addr2: manager.requeue(space, addr, addr2, 1, ALL))
            sums["wakes"] += moved.woken if moved else 0
        return sums

    def remap(mine):
        def body(rng):
            for _ in range(scaled(400)):
                home = rng.choice(mine)
                space.map(home, mmap.mmap(-1, PAGE))
                if rng.random() < 0.5:
                    crew.stopping.wait(1e-4)
                space.unmap(home, PAGE)
            return Counter(remapped=1)

        return body

    crew.add(wait, 3)
    crew.add(wake, 1)
    crew.add(remap(homes[:2]))
    crew.add(remap(homes[2:]))
    with crew:
        while sum(sums["remapped"] for sums in crew.results) < 2 and crew.working():
            crew.stopping.wait(0.005)
    sums = sum(crew.results, Counter())
    assert sums["wakes"] == sums["waits"]
    assert sums[EFAULT] > 0
    assert set(sums) <= {"waits", "wakes", "remapped", EFAULT}
    assert space.regions() == []
    assert len(manager) == 0


class SlowTarget(ListTarget):
    """A target that takes its time, in a thread that holds its PI mutex, until it is let go."""

    def __init__(self):
        super().__init__()
        self.entered = threading.Event()
        self.let_go = threading.Event()
        self.is_slow = True

    def load(self, addr, size=4, /):
        """Read a word, some time."""
        if self.is_slow:
            self.entered.set()
            self.let_go.wait()
        return super().load(addr, size)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork_during_another_threads_pi_operation_leaves_the_target_usable(manager, spawn):
    target = SlowTarget()
    locking = spawn(manager.lock_pi, target, 0)
    target.entered.wait()
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(5)
        target.is_slow = False
        target.lock = threading.Lock()
        status = 1
        try:
            locked = manager.lock_pi(target, 0)
            manager.unlock_pi(target, 0)
            status = 0 if locked else 1
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    target.is_slow = False
    target.let_go.set()
    assert locking.result()
    assert status == 0


class Interruption(Exception):
    """What a signal handler raises."""


def test_handler_that_wakes_the_waiter_and_raises_is_heard(manager, memory):
    """The wake counts, but an exception must not vanish: think of KeyboardInterrupt."""
    raised = []
    for target in (memory, ListTarget()):
        woken = []

        def handler(number, frame, target=target, woken=woken):
            woken.append(manager.wake(target, 0))
            raise Interruption

        before = signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        try:
            raised.append(manager.wait(target, 0, 0, 10.0))
        except Interruption:
            raised.append(Interruption)
        finally:
            signal.signal(signal.SIGALRM, before)
        assert woken in ([0], [1])
    assert raised == [Interruption, Interruption]
    assert len(manager) == 0
