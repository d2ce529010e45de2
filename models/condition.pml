/* Condition: a notice moves sleepers to the lock's word, asleep; each release of the lock then wakes one.
 *
 * sync/condition.pyx wait_for_notice, sleep_once, notify, take_again; sync/_mutex.pyx plain_acquire, plain_release_parked; of a
 * robust lock (-DROBUST) pyfutex_lock.h as in robustlock.pml, with the lock named as pending during the wait.
 * Left out: RLock's depth, foreign locks, whose waiters are woken and not moved; a signal handler that raises,
 * after which its waiter notifies another.
 *
 * Thread 0 notifies when it finds, under the lock, that all the others wait or have waited: each of them once, or all at once
 * (-DALL). Thread 1 may time out, and with KILLS be killed. Nobody else sleeps for
 * ever, whether moved or not; no wait ends without a notice but by its time.
 *
 * check quick -DTHREADS=3 -DALL
 * check quick -DTHREADS=3
 * check quick -DTHREADS=3 -DALL -DROBUST -DKILLS
 * check -DTHREADS=3 -DROBUST -DKILLS
 * mutant LOCK_NOT_PARKED the notifier does not say in the lock that somebody sleeps on it
 * mutant READ_WHEN_LET_GO the number of notices is read when the lock is free
 * mutant COUNTED_WHEN_LET_GO a waiter counts itself when the lock is free
 * mutant RAISED_AFTER_THE_MOVE the number of notices is raised when the sleepers have moved
 * mutant TAKES_AS_HELD whoever was moved takes the lock as one that has not slept
 * mutant NOT_PENDING the lock is not named during the wait
 * mutant TIMEOUT_IS_NO_NOTICE whoever was moved and then timed out says that no notice came
 */
#include "futex.inc"

#define TID 7
#define WAITERS 8
#define OWNER_DIED 16
#define LOCK 1
#define NOTICES 2

byte word, n_notices, n_waiting, turns;
bool pending[THREADS], listed[THREADS], killed;
byte holder, n_begun, n_moved;
bool was_moved[THREADS];

/* The plain lock says HELD_PARKED by WAITERS, and is FREE in one step before the wake. */
inline acquire(has_slept_before)
{
    pending[me] = true;
    has_slept = has_slept_before;
    do
    :: atomic {
           if
           :: (word & TID) == 0 ->
                found = word & WAITERS;
                word = (me + 1) | found | (has_slept -> WAITERS : 0);
                break
           :: else
           fi
       };
       seen = word;
       if
       :: (seen & TID) == 0
       :: else ->
            if
            :: seen & WAITERS -> done = true
            :: else -> atomic { if :: word == seen -> word = seen | WAITERS; done = true :: else -> done = false fi }
            fi;
            if
            :: done ->
                 atomic { if :: word == (seen | WAITERS) -> queue_of[me] = LOCK :: else fi };
                 !asleep(me);
                 has_slept = true
            :: else
            fi
       fi
    od;
    atomic { listed[me] = true; pending[me] = false; if :: found -> turns++ :: else fi };
    atomic { assert(holder == 0); holder = me + 1; has_slept = false; done = false; seen = 0; found = 0 }
}

inline release()
{
    atomic { assert(holder == me + 1); holder = 0; pending[me] = true; listed[me] = false };
    atomic { if :: word == me + 1 -> word = 0; done = true :: else -> done = false fi };
    if
    :: done
    :: else ->
#ifdef ROBUST
         atomic { seen = turns; word = WAITERS; futex_wake_one(LOCK); done = woken == 0 };
         if
         :: done -> atomic { if :: word == WAITERS && turns == seen -> word = 0 :: else fi }
         :: else
         fi
#else
         word = 0;
         atomic { futex_wake_one(LOCK) }
#endif
    fi;
    atomic { pending[me] = false; seen = 0; done = false }
}

inline kernel_dies()
{
    if
    :: (word & TID) == 0 && pending[me] -> atomic { futex_wake_one(LOCK) }
    :: (word & TID) == me + 1 ->
         atomic { seen = word & WAITERS; word = seen | OWNER_DIED; if :: holder == me + 1 -> holder = 0 :: else fi };
         if :: seen -> atomic { futex_wake_one(LOCK) } :: else fi
    :: else
    fi
}

proctype waiter(byte me)
{
    byte seen, found, notices;
    bool has_slept, done, timed_out, has_begun;
    {
        acquire(false);
#ifdef READ_WHEN_LET_GO
        atomic { n_waiting++; n_begun++; has_begun = true };
        release();
        notices = n_notices;
#elif defined(COUNTED_WHEN_LET_GO)
        atomic { notices = n_notices; n_begun++; has_begun = true };
        release();
        n_waiting++;
#else
        atomic { notices = n_notices; n_waiting++; n_begun++; has_begun = true };
        release();
#endif
#ifndef NOT_PENDING
        pending[me] = true;
#endif
        atomic { if :: n_notices == notices -> queue_of[me] = NOTICES :: else fi };
        if
        :: !asleep(me)
        :: me == 1 -> atomic { if :: asleep(me) -> queue_of[me] = 0; timed_out = true :: else fi }
        fi;
#ifdef TAKES_AS_HELD
        acquire(false);
#else
        acquire(true);
#endif
#ifdef TIMEOUT_IS_NO_NOTICE
        assert(!(was_moved[me] && timed_out));
#else
        assert(!(was_moved[me] && timed_out && n_notices == notices));
#endif
        assert(timed_out || n_notices != notices);
        n_waiting--;
        release()
    } unless {
        atomic { me == 1 && killed; queue_of[me] = 0 };
        kernel_dies();
        /* So that the notifier does not wait for its wait to begin. */
        atomic { if :: !has_begun -> n_begun++ :: else fi }
    }
}

/* FUTEX_CMP_REQUEUE: in the order of their coming, which is any. */
inline move_one()
{
    woken = 0;
    if
    :: queue_of[1] == NOTICES -> queue_of[1] = LOCK; was_moved[1] = true; woken = 1
    :: queue_of[2] == NOTICES -> queue_of[2] = LOCK; was_moved[2] = true; woken = 1
#if THREADS > 3
    :: queue_of[3] == NOTICES -> queue_of[3] = LOCK; was_moved[3] = true; woken = 1
#endif
    :: else
    fi
}

inline notify(everybody)
{
    if
    :: n_waiting != 0 ->
#ifndef RAISED_AFTER_THE_MOVE
         n_notices++;
#endif
#ifndef LOCK_NOT_PARKED
         atomic { word = word | WAITERS };
#endif
         atomic {
             do
             :: move_one();
                if :: !woken || !everybody -> break :: else fi
             od
         };
#ifdef RAISED_AFTER_THE_MOVE
         n_notices++;
#endif
    :: else
    fi
}

proctype notifier(byte me)
{
    byte seen, found, n;
    bool has_slept, done;
    n_begun >= THREADS - 1;
    do
    :: n < THREADS - 1 ->
         n++;
         acquire(false);
#ifdef ALL
         notify(true);
         n = THREADS - 1;
#else
         notify(false);
#endif
         release()
    :: else -> break
    od
}

proctype killer()
{
    killed = true
}

init
{
    byte i = 1;
    atomic {
        run notifier(0);
        do :: i < THREADS -> run waiter(i); i++ :: else -> break od;
#ifdef KILLS
        run killer()
#endif
    };
    _nr_pr == 1;
    assert((word & TID) == 0)
}
