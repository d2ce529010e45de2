/* Lock, plain: one word, which anybody may release.
 *
 * sync/_mutex.pyx plain_acquire, plain_release_parked; _mutex.pxd mutex_try, mutex_release; lock.pyx acquire.
 * Left out: the GIL, which orders nothing here. A signal that ends a sleep is a sleep that ends for nothing.
 *
 * Each thread takes the lock ROUNDS times; one of them may give up. Nobody sleeps for ever.
 *
 * check quick -DTHREADS=3 -DROUNDS=1
 * check quick -DTHREADS=2 -DROUNDS=2
 * check -DTHREADS=3 -DROUNDS=2
 * check -DTHREADS=4 -DROUNDS=1
 * mutant TAKES_AS_HELD who has slept takes the lock as HELD: the others are forgotten
 * mutant SLEEPS_WITHOUT_COMPARING the kernel does not look at the word again before the sleep
 * mutant SLEEPS_ON_HELD nobody says that somebody sleeps
 * mutant STORES_PARKED HELD_PARKED is stored, not compared and swapped: a free lock becomes held by nobody
 * mutant WAKES_FIRST the wake comes before the word is FREE
 * mutant RELEASES_BY_STORE FREE is stored where HELD was read before
 */
#include "futex.inc"

#define FREE 0
#define HELD 1
#define HELD_PARKED 2
#define WORD 1

#ifdef TAKES_AS_HELD
#define HELD_TAKEN HELD
#else
#define HELD_TAKEN HELD_PARKED
#endif

byte word, holders, spurious = 1;

inline acquire()
{
    has_slept = false;
    do
    :: atomic { word == FREE -> word = (has_slept -> HELD_TAKEN : HELD); has_it = true }; break
    :: atomic { word != FREE -> skip };
       seen = word;
#ifdef SLEEPS_ON_HELD
       if
       :: seen != FREE -> atomic { if :: word == seen -> queue_of[me] = WORD :: else fi }
       :: else -> goto again
       fi;
#else
       if
       :: seen == HELD_PARKED
#ifdef STORES_PARKED
       :: seen != HELD_PARKED -> word = HELD_PARKED
#else
       :: seen != HELD_PARKED ->
            atomic { if :: word == HELD -> word = HELD_PARKED; cas = true :: else -> cas = false fi };
            if :: !cas -> goto again :: else fi
#endif
       fi;
#ifdef SLEEPS_WITHOUT_COMPARING
       queue_of[me] = WORD;
#else
       atomic { if :: word == HELD_PARKED -> queue_of[me] = WORD :: else fi };
#endif
#endif
       if
       :: !asleep(me)
       :: me == 0 -> atomic { if :: asleep(me) -> queue_of[me] = 0; has_it = false :: else -> goto awake fi }; break
       :: atomic { asleep(me) && spurious > 0 -> spurious--; queue_of[me] = 0 }
       fi;
awake: has_slept = true;
again: skip
    od
}

inline release()
{
#ifdef RELEASES_BY_STORE
    seen = word;
    if
    :: seen == HELD -> word = FREE; cas = true
    :: else -> cas = false
    fi;
#else
    atomic { if :: word == HELD -> word = FREE; cas = true :: else -> cas = false fi };
#endif
    if
    :: cas
    :: else ->
#ifdef WAKES_FIRST
        atomic { futex_wake_one(WORD) };
        atomic { assert(word == HELD_PARKED); word = FREE }
#else
        atomic { assert(word == HELD_PARKED); word = FREE };
        atomic { futex_wake_one(WORD) }
#endif
    fi
}

proctype locker(byte me)
{
    byte seen, round;
    bool has_slept, has_it, cas;
    do
    :: round < ROUNDS ->
        round++;
        acquire();
        if
        :: has_it ->
            holders++;
            assert(holders == 1);
            holders--;
            release()
        :: else
        fi
    :: else -> break
    od
}

init
{
    byte i;
    atomic { do :: i < THREADS -> run locker(i); i++ :: else -> break od };
    _nr_pr == 1;
    assert(word == FREE)
}
