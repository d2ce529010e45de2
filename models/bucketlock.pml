/* The bucket lock: one word, whose sleepers hand it over by PARKED and STARVED, and which growth may retire under them.
 *
 * _core/wordlock.pxd word_lock, word_lock_slow, word_unlock, word_wake_sleeper; table.pyx split, its last lines.
 * Left out: the count (wake.pml), ATTACHED callers, who leave instead of sleeping, and the pauses. "Has waited for a
 * millisecond" may come true for whoever has slept.
 *
 * Nobody holds the lock beside another, or after it was retired; nobody sleeps for ever. `served`: whoever wants the lock gets
 * it, though another takes it again and again; among several sleepers that rests on the kernel's order, left out here. There
 * each look at the word is one step with the compare-and-swap that follows it, which in theory may fail for as long as others
 * change the word in between.
 *
 * check quick -DTHREADS=3 -DROUNDS=1
 * check quick -DTHREADS=2 -DROUNDS=2 -DRETIRES
 * check quick -DTHREADS=3 -DROUNDS=1 -DRETIRES
 * claim quick served -DTHREADS=2 -DROUNDS=1 -DBARGES
 * check -DTHREADS=3 -DROUNDS=2
 * mutant NOT_PASSED_ON whoever was woken and finds the bucket dead wakes nobody
 * mutant RETIRED_WITHOUT_WAKE growth retires the bucket and wakes nobody
 * mutant PARKED_IS_LOST whoever slept takes the lock and does not say that others may sleep
 * mutant STARVED_WAKES_ANY the starved one is woken as any other is
 * mutant STARVED_FORGOTTEN unlock looks for PARKED alone
 * mutant STARVED_STAYS the starved one takes the lock and leaves STARVED up
 * mutant ALL_TAKE_STARVED a word that says STARVED is taken by anybody
 * mutant SLEEPS_WITHOUT_COMPARING the kernel does not look at the word again before the sleep
 * mutant WAKES_WITHOUT_LOOKING unlock clears PARKED by a store
 * mutant DEAD_IS_TAKEN the fast path does not look for LIVE
 * mutant UNLOCKED_BY_STORE unlock stores what it read, without LOCKED
 */
#include "futex.inc"

#define LOCKED 1
#define PARKED 2
#define STARVED 4
#define LIVE 8
#define ANY 1           /* the queues of the two bits of a sleeper's bitset */
#define THE_STARVED 2

byte word = LIVE, holder;
bool wants, has;        /* thread 0: what `served` is about */

inline cas(from, to)
{
    atomic { if :: word == from -> word = to; done = true :: else -> done = false fi }
}

#ifdef BARGES
#define begin_look atomic {
#define end_look };
#else
#define begin_look
#define end_look
#endif

inline wake_everybody() { futex_wake_all(ANY); futex_wake_all(THE_STARVED) }

inline take()
{
    atomic {
        assert(holder == 0 && (word & LIVE));
        holder = me + 1
    }
}

inline lock()
{
    /* word_lock, and the spins of word_lock_slow */
    seen = word;
    if
#ifdef DEAD_IS_TAKEN
    :: (seen & (LOCKED | STARVED)) == 0 ->
#elif defined(ALL_TAKE_STARVED)
    :: (seen & (LIVE | LOCKED)) == LIVE ->
#else
    :: (seen & (LIVE | LOCKED | STARVED)) == LIVE ->
#endif
         cas(seen, seen | LOCKED);
         if :: done -> goto taken :: else fi
    :: else
    fi;
again:
    begin_look
    seen = word;
    done = false;
    if
    :: !(seen & LIVE) ->
#ifndef NOT_PASSED_ON
         if :: slept -> atomic { wake_everybody() } :: else fi;
#endif
         goto dead
    :: else
    fi;
    if
#ifdef ALL_TAKE_STARVED
    :: !(seen & LOCKED) ->
#else
    :: !(seen & LOCKED) && (starved || !(seen & STARVED)) ->
#endif
#ifdef PARKED_IS_LOST
         cas(seen, (seen & (LIVE | PARKED)) | LOCKED);
#elif defined(STARVED_STAYS)
         cas(seen, seen | LOCKED | (slept -> PARKED : 0));
#else
         cas(seen, (seen & (LIVE | PARKED)) | LOCKED | (slept -> PARKED : 0));
#endif
         if :: done -> goto taken :: else -> goto again fi
    :: else
    fi;
    if
    :: slept && !starved && !(seen & STARVED) -> cas(seen, seen | STARVED | PARKED); starved = done; goto again
#ifndef BARGES
    :: true
#else
    :: else
#endif
    fi;
    if
    :: !(seen & PARKED) ->
         cas(seen, seen | PARKED);
         if :: !done -> goto again :: else -> seen = seen | PARKED fi
    :: else
    fi;
    end_look
#ifdef SLEEPS_WITHOUT_COMPARING
    queue_of[me] = (starved -> THE_STARVED : ANY);
#else
    atomic { if :: word == seen -> queue_of[me] = (starved -> THE_STARVED : ANY) :: else fi };
#endif
    !asleep(me);
    slept = true;
    goto again
}

inline unlock()
{
#ifdef UNLOCKED_BY_STORE
    seen = word;
    atomic { assert(holder == me + 1); holder = 0; word = seen & ~LOCKED };
#else
    atomic { assert(holder == me + 1); holder = 0; seen = word; word = seen & ~LOCKED };
#endif
#ifdef STARVED_FORGOTTEN
    if :: !(seen & PARKED) -> goto unlocked :: else fi;
#else
    if :: !(seen & (PARKED | STARVED)) -> goto unlocked :: else fi;
#endif
wakes:
    seen = word;
    if
#ifndef STARVED_FORGOTTEN
    :: seen & STARVED ->
#ifdef STARVED_WAKES_ANY
         atomic { futex_wake_one(ANY) };
#else
         atomic { futex_wake_one(THE_STARVED) };
#endif
         goto unlocked
#endif
    :: else
    fi;
    if :: !(seen & PARKED) || (seen & LOCKED) || !(seen & LIVE) -> goto unlocked :: else fi;
#ifdef WAKES_WITHOUT_LOOKING
    word = seen & ~PARKED;
    done = true;
#else
    cas(seen, seen & ~PARKED);
#endif
    if :: done -> atomic { futex_wake_one(ANY) } :: else -> goto wakes fi;
unlocked:
    skip
}

proctype locker(byte me)
{
    byte seen, round;
    bool slept, starved, done;
    do
    :: round < ROUNDS ->
         if :: me == 0 -> wants = true :: else fi;
         lock();
taken:
         take();
#ifndef BARGES
         round++;
#else
         if :: me == 0 -> has = true; round++ :: else fi;
#endif
         unlock();
         atomic { slept = false; starved = false; done = false; seen = 0 }
    :: else -> break
    od;
dead:
    skip
}

proctype grower()
{
    byte me = THREADS, seen;
    atomic { (word & (LOCKED | STARVED)) == 0; word = word | LOCKED; take() };
    atomic { assert(holder == me + 1); holder = 0; seen = word; word = 0 };
    if
#ifndef RETIRED_WITHOUT_WAKE
    :: seen & (PARKED | STARVED) -> atomic { wake_everybody() }
#endif
    :: else
    fi
}

init
{
    byte i;
    atomic {
        do :: i < THREADS -> run locker(i); i++ :: else -> break od;
#ifdef RETIRES
        run grower()
#endif
    };
    _nr_pr == 1;
    assert(holder == 0);
    assert((word & (LOCKED | STARVED)) == 0)
}

ltl served { [] (wants -> <> has) }
