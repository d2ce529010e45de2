"""The PI operations of futex(2), as guest threads make them."""

from errno import EAGAIN, EDEADLK, EFAULT, EINTR, EINVAL, ENOSYS, EPERM, ESRCH, ETIMEDOUT
from time import CLOCK_MONOTONIC, CLOCK_REALTIME

import pytest
from guests import BASE, KINDS, PAGE, TIME, WORD, WORD2, Guest, flat

from pyfutex import Manager
from pyfutex.linux import (
    FUTEX_CLOCK_REALTIME,
    FUTEX_CMP_REQUEUE_PI,
    FUTEX_LOCK_PI,
    FUTEX_LOCK_PI2,
    FUTEX_OWNER_DIED,
    FUTEX_PRIVATE_FLAG,
    FUTEX_REQUEUE,
    FUTEX_TRYLOCK_PI,
    FUTEX_UNLOCK_PI,
    FUTEX_WAIT,
    FUTEX_WAIT_REQUEUE_PI,
    FUTEX_WAITERS,
    FUTEX_WAKE,
    RESTART,
    futex,
)

LOCKS = [FUTEX_LOCK_PI, FUTEX_LOCK_PI2]
NOWHERE = BASE + PAGE


@pytest.fixture(params=[f"{kind}, {flag}" for kind in KINDS for flag in ("private", "shared")])
def guest(request):
    """A process with memory of each kind, and the flag that its calls have."""
    kind, flag = request.param.split(", ")
    guest = Guest(KINDS[kind]())
    guest.flag = FUTEX_PRIVATE_FLAG if flag == "private" else 0
    return guest


def queue(guest, *tids, addr=WORD, priorities=()):
    """Tasks that wait for a PI word, first come first."""
    tasks = []
    for index, tid in enumerate(tids):
        task = guest.task(tid, priority=priorities[index] if priorities else 0)
        assert futex(task, addr, FUTEX_LOCK_PI | guest.flag, 0) is None
        tasks.append(task)
    return tasks


# --- lock, try, unlock ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", [*LOCKS, FUTEX_TRYLOCK_PI])
def test_a_free_word_is_had(guest, op):
    task = guest.task(7)
    assert futex(task, WORD, op | guest.flag, 0) == 0
    assert guest.load(WORD) == 7
    assert futex(task, WORD, op | guest.flag, 0) == -EDEADLK
    assert futex(task, WORD, FUTEX_UNLOCK_PI | guest.flag, 0) == 0
    assert guest.load(WORD) == 0


@pytest.mark.parametrize("op", LOCKS)
def test_an_unlock_hands_over(guest, op):
    owner, heir = guest.task(7), guest.task(8)
    assert futex(owner, WORD, FUTEX_LOCK_PI | guest.flag, 0) == 0
    assert futex(heir, WORD, op | guest.flag, 0) is None
    assert guest.load(WORD) == 7 | FUTEX_WAITERS
    assert futex(owner, WORD, FUTEX_UNLOCK_PI | guest.flag, 0) == 0
    assert guest.load(WORD) == 8 | FUTEX_WAITERS
    assert heir.result() == 0


def test_owners_follow_by_priority(guest):
    owner = guest.task(7)
    futex(owner, WORD, FUTEX_LOCK_PI | guest.flag, 0)
    tasks = queue(guest, 1, 2, 3, priorities=[0, 5, 9])
    order = []
    holder = owner
    for _ in tasks:
        futex(holder, WORD, FUTEX_UNLOCK_PI | guest.flag, 0)
        holder = next(task for task in tasks if not task.blocked and task.tid not in order)
        order.append(holder.tid)
    assert order == [3, 2, 1]


def test_a_failed_try_says_that_somebody_came(guest):
    owner, other = guest.task(7), guest.task(8)
    futex(owner, WORD, FUTEX_LOCK_PI | guest.flag, 0)
    assert futex(other, WORD, FUTEX_TRYLOCK_PI | guest.flag, 0) == -EAGAIN
    assert guest.load(WORD) == 7 | FUTEX_WAITERS


@pytest.mark.parametrize("op", [*LOCKS, FUTEX_TRYLOCK_PI])
def test_an_owner_that_is_no_task(guest, op):
    guest.store(WORD, 99)
    assert futex(guest.task(), WORD, op | guest.flag, 0) == -ESRCH
    assert guest.load(WORD) == 99 | FUTEX_WAITERS


def test_an_owner_that_exited(guest):
    owner = guest.task(7)
    futex(owner, WORD, FUTEX_LOCK_PI | guest.flag, 0)
    owner.exit()
    assert guest.load(WORD) == 7
    assert futex(guest.task(8), WORD, FUTEX_LOCK_PI | guest.flag, 0) == -ESRCH


def test_an_owner_whom_the_manager_vouches_for():
    guest = Guest(flat(), manager=Manager(owner_alive=lambda tid: tid == 99))
    guest.store(WORD, 99)
    guest.store(WORD2, 98)
    assert futex(guest.task(), WORD, FUTEX_TRYLOCK_PI, 0) == -EAGAIN
    assert futex(guest.task(2), WORD2, FUTEX_TRYLOCK_PI, 0) == -ESRCH


def test_a_circle_of_locks(guest):
    one, two = guest.task(1), guest.task(2)
    futex(one, WORD, FUTEX_LOCK_PI | guest.flag, 0)
    futex(two, WORD2, FUTEX_LOCK_PI | guest.flag, 0)
    assert futex(one, WORD2, FUTEX_LOCK_PI | guest.flag, 0) is None
    assert futex(two, WORD, FUTEX_LOCK_PI | guest.flag, 0) == -EDEADLK


def test_who_may_unlock_comes_before_where(guest):
    task = guest.task(7)
    assert futex(task, WORD, FUTEX_UNLOCK_PI | guest.flag, 0) == -EPERM
    assert futex(task, WORD + 2, FUTEX_UNLOCK_PI | guest.flag, 0) == -EPERM
    guest.store(WORD, 7 << 16, 0)
    assert futex(task, WORD + 2, FUTEX_UNLOCK_PI | guest.flag, 0) == -EINVAL
    assert futex(task, 0, FUTEX_UNLOCK_PI | guest.flag, 0) == -EFAULT
    assert futex(task, 2, FUTEX_UNLOCK_PI | guest.flag, 0) == -EFAULT


@pytest.mark.parametrize("op", [*LOCKS, FUTEX_TRYLOCK_PI])
@pytest.mark.parametrize(("addr", "answer"), [(WORD + 1, -EINVAL), (NOWHERE, -EFAULT), (-4, -EFAULT)])
def test_where_no_word_is(guest, op, addr, answer):
    assert futex(guest.task(), addr, op | guest.flag, 0) == answer


def test_plain_waiters_where_a_pi_word_should_be(guest):
    assert futex(guest.task(1), WORD, FUTEX_WAIT | guest.flag, 0) is None
    guest.store(WORD, 2)
    guest.task(2)
    assert futex(guest.task(3), WORD, FUTEX_LOCK_PI | guest.flag, 0) == -EINVAL


def test_pi_waiters_where_a_plain_word_should_be(guest):
    futex(guest.task(7), WORD, FUTEX_LOCK_PI | guest.flag, 0)
    (waiter,) = queue(guest, 8)
    task = guest.task(9)
    assert futex(task, WORD, FUTEX_WAKE | guest.flag, 1) == -EINVAL
    assert futex(task, WORD, FUTEX_REQUEUE | guest.flag, 0, 1, WORD2) == -EINVAL
    assert waiter.blocked


# --- time and signals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "clock"),
    [
        (FUTEX_LOCK_PI, CLOCK_REALTIME),
        (FUTEX_LOCK_PI2, CLOCK_MONOTONIC),
        (FUTEX_LOCK_PI2 | FUTEX_CLOCK_REALTIME, CLOCK_REALTIME),
        (FUTEX_WAIT_REQUEUE_PI, CLOCK_MONOTONIC),
        (FUTEX_WAIT_REQUEUE_PI | FUTEX_CLOCK_REALTIME, CLOCK_REALTIME),
    ],
)
def test_whose_clock_a_deadline_is_on(guest, op, clock):
    guest.store(WORD, 99)
    guest.task(99)
    task = guest.task(1)
    guest.timespec(2**33, 5)
    assert futex(task, WORD, op | guest.flag, 99, TIME, WORD2) is None
    assert task.deadline == (clock, 2**33 * 10**9 + 5)
    assert task.interrupt(ETIMEDOUT) == -ETIMEDOUT


@pytest.mark.parametrize("op", [*LOCKS, FUTEX_WAIT_REQUEUE_PI])
def test_a_deadline_that_has_passed(guest, op):
    guest.store(WORD, 99)
    guest.task(99)
    task = guest.task(1)
    guest.timespec(1, 0)
    assert futex(task, WORD, op | guest.flag, 99, TIME, WORD2) == -ETIMEDOUT
    assert not task.blocked
    assert len(guest.manager) == 0


def test_a_free_word_is_had_after_the_deadline(guest):
    guest.timespec(1, 0)
    assert futex(guest.task(1), WORD, FUTEX_LOCK_PI | guest.flag, 0, TIME) == 0


@pytest.mark.parametrize("op", [FUTEX_LOCK_PI, FUTEX_UNLOCK_PI, FUTEX_TRYLOCK_PI, FUTEX_CMP_REQUEUE_PI])
def test_operations_without_a_choice_of_clocks(guest, op):
    assert futex(guest.task(), WORD, op | guest.flag | FUTEX_CLOCK_REALTIME, 1, 0, WORD2) == -ENOSYS


@pytest.mark.parametrize("op", LOCKS)
@pytest.mark.parametrize("sa_restart", [False, True])
def test_a_signal_never_shows(guest, op, sa_restart):
    owner, task = guest.task(7), guest.task(8)
    futex(owner, WORD, FUTEX_LOCK_PI | guest.flag, 0)
    assert futex(task, WORD, op | guest.flag, 0) is None
    assert task.interrupt(EINTR, sa_restart=sa_restart) == RESTART
    assert guest.load(WORD) == 7 | FUTEX_WAITERS
    assert futex(owner, WORD, FUTEX_UNLOCK_PI | guest.flag, 0) == 0
    assert guest.load(WORD) == 0


# --- from a condition to a PI word ----------------------------------------------------------------------------------


def wait_for_both(guest, *tids):
    tasks = [guest.task(tid) for tid in tids]
    for task in tasks:
        assert futex(task, WORD, FUTEX_WAIT_REQUEUE_PI | guest.flag, guest.load(WORD), 0, WORD2) is None
    return tasks


def test_the_first_gets_the_word_and_the_rest_stand_in_line(guest):
    tasks = wait_for_both(guest, 1, 2, 3)
    caller = guest.task(9)
    assert futex(caller, WORD, FUTEX_CMP_REQUEUE_PI | guest.flag, 1, 1, WORD2, 0) == 2
    assert [task.blocked for task in tasks] == [False, True, True]
    assert guest.load(WORD2) == 1 | FUTEX_WAITERS
    assert futex(tasks[0], WORD2, FUTEX_UNLOCK_PI | guest.flag, 0) == 0
    assert [task.blocked for task in tasks] == [False, False, True]
    assert guest.load(WORD2) == 2 | FUTEX_WAITERS


def test_nobody_waits(guest):
    assert futex(guest.task(), WORD, FUTEX_CMP_REQUEUE_PI | guest.flag, 1, 5, WORD2, 0) == 0


@pytest.mark.parametrize(
    ("addr", "n_wake", "n_requeue", "addr2", "val", "answer"),
    [
        (WORD, 0, 1, WORD2, 0, -EINVAL),
        (WORD, 2, 1, WORD2, 0, -EINVAL),
        (WORD, 1, -1, WORD2, 0, -EINVAL),
        (WORD, 1, 1, WORD, 0, -EINVAL),
        (WORD, 1, 1, WORD2, 1, -EAGAIN),
        (WORD + 1, 1, 1, WORD2, 0, -EINVAL),
        (WORD, 1, 1, WORD2 + 2, 0, -EINVAL),
        (NOWHERE, 1, 1, WORD2, 0, -EFAULT),
        (WORD, 1, 1, NOWHERE, 0, -EFAULT),
    ],
)
def test_what_a_requeue_refuses(guest, addr, n_wake, n_requeue, addr2, val, answer):
    (task,) = wait_for_both(guest, 1)
    assert (
        futex(guest.task(9), addr, FUTEX_CMP_REQUEUE_PI | guest.flag, n_wake, n_requeue, addr2, val) == answer
    )
    assert task.blocked


def test_a_requeue_to_another_word_than_they_wait_for(guest):
    (task,) = wait_for_both(guest, 1)
    assert futex(guest.task(9), WORD, FUTEX_CMP_REQUEUE_PI | guest.flag, 1, 1, WORD2 + 4, 0) == -EINVAL
    assert task.blocked


@pytest.mark.parametrize(
    ("addr", "val", "addr2", "answer"),
    [
        (WORD, 1, WORD2, -EAGAIN),
        (WORD, 0, WORD, -EINVAL),
        (WORD + 1, 0, WORD2, -EINVAL),
        (WORD, 0, WORD2 + 1, -EINVAL),
        (NOWHERE, 0, WORD2, -EFAULT),
    ],
)
def test_what_a_wait_refuses(guest, addr, val, addr2, answer):
    task = guest.task()
    assert futex(task, addr, FUTEX_WAIT_REQUEUE_PI | guest.flag, val, 0, addr2) == answer
    assert not task.blocked


@pytest.mark.parametrize("sa_restart", [False, True])
def test_a_signal_before_and_after_the_requeue(guest, sa_restart):
    holder = guest.task(7)
    futex(holder, WORD2, FUTEX_LOCK_PI | guest.flag, 0)
    (task,) = wait_for_both(guest, 1)
    assert task.interrupt(EINTR, sa_restart=sa_restart) == RESTART
    assert futex(task, WORD, FUTEX_WAIT_REQUEUE_PI | guest.flag, 0, 0, WORD2) is None
    assert futex(holder, WORD, FUTEX_CMP_REQUEUE_PI | guest.flag, 1, 0, WORD2, 0) == 1
    assert task.blocked
    assert task.interrupt(EINTR, sa_restart=sa_restart) == -EAGAIN


def test_a_deadline_after_the_requeue(guest):
    holder = guest.task(7)
    futex(holder, WORD2, FUTEX_LOCK_PI | guest.flag, 0)
    (task,) = wait_for_both(guest, 1)
    assert futex(holder, WORD, FUTEX_CMP_REQUEUE_PI | guest.flag, 1, 0, WORD2, 0) == 1
    assert task.interrupt(ETIMEDOUT) == -ETIMEDOUT


# --- the end of an owner --------------------------------------------------------------------------------------------


def test_the_words_of_who_exits_go_on(guest):
    owner = guest.task(7)
    for addr in (WORD, WORD2):
        futex(owner, addr, FUTEX_LOCK_PI | guest.flag, 0)
    first, second = queue(guest, 1, 2)
    (other,) = queue(guest, 3, addr=WORD2)
    owner.exit()
    assert [task.blocked for task in (first, second, other)] == [False, True, False]
    assert guest.load(WORD) == 1 | FUTEX_WAITERS | FUTEX_OWNER_DIED
    assert guest.load(WORD2) == 3 | FUTEX_WAITERS | FUTEX_OWNER_DIED


def test_who_exits_leaves_its_own_wait(guest):
    owner = guest.task(7)
    futex(owner, WORD, FUTEX_LOCK_PI | guest.flag, 0)
    first, second = queue(guest, 1, 2)
    first.exit()
    assert not first.blocked
    assert futex(owner, WORD, FUTEX_UNLOCK_PI | guest.flag, 0) == 0
    assert second.result() == 0


def test_who_comes_while_the_owner_exits():
    """One who queues behind an owner that has given up its words already is not left behind."""
    guest = Guest(flat())
    guest.flag = 0
    owner, late = guest.task(7), guest.task(9)
    for addr in (WORD, WORD2):
        futex(owner, addr, FUTEX_LOCK_PI, 0)
    seen = []

    def came(task, value):
        seen.append(futex(late, WORD2, FUTEX_LOCK_PI, 0))

    first = guest.task(1, on_complete=came)
    assert futex(first, WORD, FUTEX_LOCK_PI, 0) is None
    owner.exit()
    assert seen == [None]
    assert late.result(timeout=10) == 0
    assert guest.load(WORD2) == 9 | FUTEX_WAITERS | FUTEX_OWNER_DIED
