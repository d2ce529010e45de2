/* How a thread sleeps on a waiter: the parker in the mark, and the parker's own word, which outlives the wait.
 *
 * _core/parker.pyx park; parker.pxd unpark; waiter.pxd mark_waiter; engine.pyx await_mark. One parker, whose thread waits WAITS
 * times, each time on another waiter, that another waker marks; so a poke meant for one sleep may come in the next.
 * Left out: the pool; cancellation by another thread, which marks WITHDRAWN as a waker marks MARKED.
 *
 * No wait ends without its mark, but by its deadline; none sleeps on once it is marked; nobody touches a waiter after its mark.
 *
 * check quick -DWAITS=2
 * check quick -DWAITS=3
 * check -DWAITS=4
 * mutant NO_LOOK_AFTER_ASLEEP after a poke for nothing, ASLEEP is stored and the mark not looked at
 * mutant MARKED_IN_TWO_STEPS the mark is read, then stored
 * mutant POKED_BEFORE_MARK the parker is woken before the mark is there
 * mutant MARK_LOOKED_AT_FIRST whether the mark is there is looked at before ASLEEP is stored, not after
 * mutant WITHDRAWN_BY_STORE whoever's time is over takes its parker out by a store
 * mutant POKE_COUNTS_AS_MARK whoever is woken believes that it is marked
 * mutant NOT_AWAITED whoever's withdrawal fails does not wait for the mark to be its own
 */
#define THREADS 1
#define FREE 0
#define MARKED 1
#define PARKED 2
#define QUEUE 1

#include "futex.inc"

byte mark[WAITS], asleep_word;
bool is_alive[WAITS], is_taken[WAITS];

inline look()
{
    if :: mark[n] != PARKED -> goto woken_up :: else fi
}

proctype sleeper()
{
    byte n, me;
    bool is_over, cas;
    do
    :: n < WAITS ->
         is_alive[n] = true;
         is_over = false;
#ifdef MARK_LOOKED_AT_FIRST
         if :: mark[n] == MARKED -> goto woken_up :: else -> mark[n] = PARKED fi;
         asleep_word = 1;
#else
         asleep_word = 1;
         atomic { if :: mark[n] == FREE -> mark[n] = PARKED :: else -> goto woken_up fi };
#endif
         do
         :: atomic { if :: asleep_word == 1 -> queue_of[0] = QUEUE :: else fi };
            if
            :: !asleep(0)
            :: n == 0 -> atomic { if :: asleep(0) -> queue_of[0] = 0; is_over = true :: else fi }
            fi;
#ifdef POKE_COUNTS_AS_MARK
            if :: !is_over -> goto woken_up :: else fi;
#endif
            look();
            if
            :: is_over ->
#ifdef WITHDRAWN_BY_STORE
                 mark[n] = FREE;
                 break
#else
                 atomic { if :: mark[n] == PARKED -> mark[n] = FREE; cas = true :: else -> cas = false fi };
                 if :: cas -> break :: else -> goto woken_up fi
#endif
            :: else
            fi;
            asleep_word = 1;
#ifndef NO_LOOK_AFTER_ASLEEP
            look()
#endif
         od;
         /* Its time is over: out of the queue, or taken, and then its waker's until the mark. */
         atomic { if :: !is_taken[n] -> is_taken[n] = true; goto left :: else fi };
#ifdef NOT_AWAITED
         goto left;
#endif
         asleep_word = 1;
         atomic { if :: mark[n] == FREE -> mark[n] = PARKED :: else -> goto woken_up fi };
         do
         :: atomic { if :: asleep_word == 1 -> queue_of[0] = QUEUE :: else fi };
            !asleep(0);
            look();
            asleep_word = 1;
            look()
         od;
woken_up:
         assert(mark[n] == MARKED);
left:
         is_alive[n] = false;
         n++
    :: else -> break
    od
}

proctype waker(byte n)
{
    byte was;
    is_alive[n] || is_taken[n];
    /* Under the bucket lock: whoever finds it queued takes it. */
    atomic { if :: !is_taken[n] -> is_taken[n] = true :: else -> goto done fi };
    assert(is_alive[n]);
#if defined(MARKED_IN_TWO_STEPS)
    was = mark[n];
    mark[n] = MARKED;
#elif defined(POKED_BEFORE_MARK)
    was = mark[n];
    if :: was == PARKED -> asleep_word = 0; atomic { futex_wake_one(QUEUE) } :: else fi;
    atomic { was = mark[n] != was; mark[n] = MARKED };
    if :: was -> was = PARKED :: else fi;
#else
    atomic { was = mark[n]; mark[n] = MARKED };
#endif
#ifndef POKED_BEFORE_MARK
    if :: was == PARKED -> asleep_word = 0; atomic { futex_wake_one(QUEUE) } :: else fi;
#endif
done:
    skip
}

init
{
    byte i;
    atomic { run sleeper(); do :: i < WAITS -> run waker(i); i++ :: else -> break od };
    _nr_pr == 1
}
