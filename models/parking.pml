/* How a thread sleeps on a word by a mutex and a condition that it shares with strangers.
 *
 * _core/parking_pthread.h pf_parking_wait, pf_parking_wake. All words are of one cell. Each has a sleeper, which takes what it was woken
 * for ROUNDS times, and a waker, which changes the word when its sleeper has taken the change before.
 * Left out: deadlines, and the slices of the main thread, which end a sleep as they do; the second condition of a cell.
 *
 * Nobody sleeps on when its word has been changed.
 *
 * check quick -DTHREADS=2 -DROUNDS=2
 * check -DTHREADS=3 -DROUNDS=2
 * mutant LOOKED_BEFORE_THE_MUTEX the sleeper looks at its word, then takes the mutex
 * mutant WOKEN_WITHOUT_THE_MUTEX the waker does not take the mutex
 * mutant CHANGED_AFTER_THE_MUTEX the waker changes the word when it has had the mutex
 * mutant CHANGED_AFTER_THE_WAKE the waker changes the word when it has woken all
 * mutant ONE_IS_WOKEN the waker wakes one, who may be a stranger
 * mutant MUTEX_LET_GO_FIRST the sleeper lets the mutex go, then is on the condition
 */
#define CONDITION 1

#include "futex.inc"

byte word[THREADS];
bool mutex;

inline lock() { atomic { !mutex -> mutex = true } }
inline unlock() { mutex = false }

inline be_woken()
{
#ifdef MUTEX_LET_GO_FIRST
    unlock();
    queue_of[me] = CONDITION;
#else
    atomic { queue_of[me] = CONDITION; mutex = false };
#endif
    !asleep(me);
    lock()
}

proctype sleeper(byte me)
{
    byte round;
    do
    :: round < ROUNDS ->
#ifdef LOOKED_BEFORE_THE_MUTEX
         do
         :: word[me] == 0 -> lock(); be_woken(); unlock()
         :: else -> break
         od;
#else
         lock();
         do
         :: word[me] == 0 -> be_woken()
         :: else -> break
         od;
         unlock();
#endif
         assert(word[me] == 1);
         word[me] = 0;
         round++
    :: else -> break
    od
}

inline change() { word[n] = 1 }

proctype waker(byte n)
{
    byte round;
    do
    :: round < ROUNDS ->
         word[n] == 0;
#if !defined(CHANGED_AFTER_THE_MUTEX) && !defined(CHANGED_AFTER_THE_WAKE)
         change();
#endif
#ifndef WOKEN_WITHOUT_THE_MUTEX
         lock();
         unlock();
#endif
#ifdef CHANGED_AFTER_THE_MUTEX
         change();
#endif
#ifdef ONE_IS_WOKEN
         atomic { futex_wake_one(CONDITION) };
#else
         atomic { futex_wake_all(CONDITION) };
#endif
#ifdef CHANGED_AFTER_THE_WAKE
         change();
#endif
         round++
    :: else -> break
    od
}

init
{
    byte i;
    atomic { do :: i < THREADS -> run sleeper(i); run waker(i); i++ :: else -> break od };
    _nr_pr == 1
}
