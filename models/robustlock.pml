/* The lock that outlives its owner: its word, its count of turns, the thread's list, and the kernel's walk at a thread's end.
 *
 * include/pyfutex_lock.h pyfutex_acquire_until, pyfutex_lock_try, pyfutex_lock_taken, pyfutex_lock_sleep, pyfutex_lock_release,
 * pyfutex_lock_pass_on, pyfutex_lock_drop_waiters, pyfutex_lock_consistent; docs/adr/0010. Python's threads do the same in
 * sync/_mutex.pyx robust_acquire, with signal handlers between two sleeps. The kernel: exit_robust_list, handle_futex_death,
 * futex_wake_op of Linux 6.2 and later.
 * Left out: the look of a sleeper after a second and pyfutex_lock_look_after, so that nothing rests on them; the links
 * themselves; EDEADLK, ENOLCK; the wrap of the turns after 2^32.
 *
 * Any thread may be killed between any two steps, asleep, woken or holding. Nobody else sleeps for ever; no two hold the lock;
 * whoever comes after one that died in the middle is told. FALLBACK: where a filter refuses FUTEX_WAKE_OP. PATIENT: nobody
 * gives up, no signals, all is made good. LATE_SWAP begins where 0 has woken nobody and not yet made WAITERS go, 1 holds the
 * lock, 2 and 3 sleep, and may be killed.
 *
 * check quick -DTHREADS=2 -DROUNDS=2 -DKILLS=1
 * check quick -DTHREADS=3 -DROUNDS=1 -DKILLS=1 -DPATIENT
 * check quick -DTHREADS=4 -DROUNDS=1 -DKILLS=1 -DPATIENT -DLATE_SWAP
 * check -DTHREADS=3 -DROUNDS=1 -DKILLS=1
 * check -DTHREADS=3 -DROUNDS=1 -DKILLS=1 -DFALLBACK
 * check -DTHREADS=3 -DROUNDS=1 -DKILLS=2 -DPATIENT
 * mutant STORES_ZERO_THEN_WAKES glibc's unlock: 0, then a wake; whoever was woken says again that others sleep
 * mutant TAKER_DROPS_WAITERS who takes the lock without having slept forgets that others sleep
 * mutant SLEEPER_NOT_PENDING a sleeper has not named the word: the wake spent on it dies with it
 * mutant CAS_WITHOUT_TURNS WAITERS goes by a swap of the word alone
 * mutant WAITERS_GO_FIRST WAITERS goes before the wake, if nobody seems to sleep
 * mutant PENDING_ENDS_BEFORE_LINK taken, the word is no longer named, but not linked yet
 * mutant UNLINKED_BEFORE_PENDING let go, it is unlinked, but not named yet
 * mutant PENDING_ENDS_BEFORE_WAKE let go, the word is no longer named when the wake is to come
 * mutant DEATH_IS_FORGOTTEN OWNER_DIED in the word that was taken is not looked at
 * mutant TAKES_OVER_THE_LIVING OWNER_DIED is looked for in the word before it is taken, which may be another's by then
 * mutant KERNEL_BEFORE_6_2 a kernel that wakes the next one for a killed waiter only where the word is 0
 */
#include "futex.inc"

#define TID 7
#define WAITERS 8
#define OWNER_DIED 16
#define WORD 1

byte word, turns, wake_op;          /* wake_op: the thread in the middle of that call, which holds up other futex calls */
mtype = { CONSISTENT, INCONSISTENT, NOT_RECOVERABLE };
mtype state = CONSISTENT;
bool listed[THREADS], pending[THREADS], killed[THREADS];
byte holder;
bool torn;                          /* what the lock protects is half changed */

inline kernel_dies(is_pending)
{
    uval = word;
    if
#ifdef KERNEL_BEFORE_6_2
    :: is_pending && uval == 0 -> atomic { wake_op == 0; futex_wake_one(WORD) }
#else
    :: is_pending && (uval & TID) == 0 -> atomic { wake_op == 0; futex_wake_one(WORD) }
#endif
    :: (uval & TID) == me + 1 ->
         atomic { uval = word; word = (uval & WAITERS) | OWNER_DIED; if :: holder == me + 1 -> holder = 0 :: else fi };
         if :: uval & WAITERS -> atomic { wake_op == 0; futex_wake_one(WORD) } :: else fi
    :: else
    fi
}

inline begin_pending()
{
#ifndef SLEEPER_NOT_PENDING
    pending[me] = true
#else
    skip
#endif
}

inline take()
{
    /* pyfutex_lock_try, then pyfutex_lock_taken */
#ifdef TAKES_OVER_THE_LIVING
    found = word;
    if
    :: (found & TID) == 0 || (found & OWNER_DIED) ->
         atomic { word = me + 1 | (found & WAITERS) | (has_slept -> WAITERS : 0) }; has_it = true
    :: else
    fi;
#else
    atomic {
        if
        :: (word & TID) == 0 ->
             found = word;
#ifdef TAKER_DROPS_WAITERS
             word = (me + 1) | (has_slept -> WAITERS : 0);
#elif defined(STORES_ZERO_THEN_WAKES)
             word = (me + 1) | ((has_slept || (found & WAITERS)) -> WAITERS : 0);
#else
             word = (me + 1) | (found & WAITERS) | (has_slept -> WAITERS : 0);
#endif
#ifdef SLEEPER_NOT_PENDING
             pending[me] = true;
#endif
             has_it = true
        :: else
        fi
    };
#endif
    if
    :: has_it ->
#ifdef PENDING_ENDS_BEFORE_LINK
         pending[me] = false;
         listed[me] = true;
#else
         listed[me] = true;
         pending[me] = false;
#endif
         if :: found & WAITERS -> turns++ :: else fi
    :: else
    fi
}

inline sleep_once()
{
    seen = word;
    if
    :: (seen & TID) == 0
    :: (seen & TID) != 0 ->
         if
         :: (seen & WAITERS) -> cas = true
         :: else -> atomic { if :: word == seen -> word = seen | WAITERS; cas = true :: else -> cas = false fi }
         fi;
         if
         :: cas ->
              atomic { wake_op == 0; if :: word == (seen | WAITERS) -> queue_of[me] = WORD :: else fi };
              if
              :: !asleep(me)
#ifndef PATIENT
              :: me == 0 -> atomic { wake_op == 0; if :: asleep(me) -> queue_of[me] = 0; gives_up = true :: else fi }
              :: me == 1 && !interrupted ->         /* a signal, and its handler */
                   atomic { wake_op == 0; if :: asleep(me) -> queue_of[me] = 0; interrupted = true :: else fi };
                   if :: interrupted -> pending[me] = false; begin_pending() :: else fi
#endif
              fi
         :: else
         fi
    fi
}

inline acquire()
{
    do
    :: take();
       if :: has_it -> break :: else fi;
       sleep_once();
       atomic { has_slept = true; seen = 0; cas = false };
       if :: gives_up -> pending[me] = false; break :: else fi
    od;
    atomic { has_slept = false; gives_up = false; cas = false }
}

inline drop_waiters()
{
#ifdef CAS_WITHOUT_TURNS
    atomic { if :: word == WAITERS -> word = 0 :: else fi }
#else
    atomic { if :: word == WAITERS && turns == seen -> word = 0 :: else fi }
#endif
}

inline release()
{
#ifdef UNLINKED_BEFORE_PENDING
    listed[me] = false;
    pending[me] = true;
#else
    pending[me] = true;
    listed[me] = false;
#endif
    if :: state == INCONSISTENT -> state = NOT_RECOVERABLE :: else fi;
    atomic { if :: word == me + 1 -> word = 0; cas = true :: else -> cas = false fi };
    if
    :: cas
    :: else ->
#ifdef PENDING_ENDS_BEFORE_WAKE
         pending[me] = false;
#endif
         seen = turns;
#if defined(STORES_ZERO_THEN_WAKES)
         word = 0;
         atomic { wake_op == 0; futex_wake_one(WORD) };
         n = 1;
#elif defined(WAITERS_GO_FIRST)
         atomic { word = (queue_of[0] + queue_of[1] + queue_of[THREADS - 1] -> WAITERS : 0) };
         atomic { wake_op == 0; futex_wake_one(WORD) };
         n = 1;
#elif defined(FALLBACK) || defined(PENDING_ENDS_BEFORE_WAKE)
         word = WAITERS;
         atomic { wake_op == 0; futex_wake_one(WORD); n = woken };
#else
         atomic { wake_op == 0; wake_op = me + 1; word = WAITERS };
         atomic { futex_wake_one(WORD); n = woken; wake_op = 0 };
#endif
         if :: n == 0 -> drop_waiters() :: else fi
    fi;
    atomic { pending[me] = false; seen = 0; n = 0; found = 0; has_it = false; cas = false }
}

proctype thread(byte me)
{
    byte found, seen, round, n, uval;
    bool has_slept, has_it, gives_up, cas, interrupted;
    {
#ifdef LATE_SWAP
        if
        :: me == 0 -> round = ROUNDS; drop_waiters(); pending[me] = false
        :: me == 1 -> round = ROUNDS - 1; release()
        :: else -> !asleep(me); has_slept = true
        fi;
#endif
        do
        :: round < ROUNDS ->
             atomic { round++; begin_pending() };
             acquire();
             if
             :: has_it && state == NOT_RECOVERABLE -> release()
             :: has_it && state != NOT_RECOVERABLE ->
                  atomic {
                      assert(holder == 0);
                      holder = me + 1;
#ifdef DEATH_IS_FORGOTTEN
                      found = 0;
#endif
                      if
                      :: (found & OWNER_DIED) || state == INCONSISTENT -> state = INCONSISTENT
                      :: else -> assert(!torn)
                      fi;
                      torn = true
                  };
                  if
                  :: state == INCONSISTENT -> state = CONSISTENT     /* pyfutex_consistent */
#ifndef PATIENT
                  :: state == INCONSISTENT                           /* or not: nobody is to use it again */
#endif
                  :: else
                  fi;
                  atomic { torn = false; assert(holder == me + 1); holder = 0 };
                  release()
             :: else
             fi
        :: else -> break
        od
    } unless {
        atomic {
            killed[me] && wake_op != me + 1;
            queue_of[me] = 0; seen = 0; n = 0; found = 0; has_slept = false; has_it = false; gives_up = false; cas = false
        };
        if :: listed[me] && !pending[me] -> kernel_dies(false) :: else fi;
        if :: pending[me] -> kernel_dies(true) :: else fi
    }
}

proctype killer()
{
    byte kills;
    do
    :: kills < KILLS ->
         kills++;
         if
#ifndef LATE_SWAP
         :: killed[0] = true
         :: killed[1] = true
#endif
#if THREADS > 2
         :: killed[2] = true
#endif
#if THREADS > 3
         :: killed[3] = true
#endif
         fi
    :: break
    od
}

init
{
    byte i;
#ifdef LATE_SWAP
    atomic {
        pending[0] = true; word = 2 | WAITERS; turns = 1; listed[1] = true;
        queue_of[2] = WORD; pending[2] = true; queue_of[3] = WORD; pending[3] = true
    };
#endif
    atomic { do :: i < THREADS -> run thread(i); i++ :: else -> break od; run killer() };
    _nr_pr == 1;
    assert((word & TID) == 0)
}
