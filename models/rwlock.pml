/* RWLock that counts its readers in a word, in one process or not robust.
 *
 * sync/rwlock.pyx count_in, read_behind_gate, read_release, drain_count, write_acquire, write_release, gate_release.
 * Left out: the gate's own sleepers (lock.pml); RuntimeError for a thread that waits for itself.
 *
 * Nobody is in beside a writer; nobody sleeps for ever. The first writer may give up while readers are in.
 *
 * check quick -DREADERS=2 -DWRITERS=1
 * check quick -DREADERS=1 -DWRITERS=2
 * check -DREADERS=2 -DWRITERS=2
 * check -DREADERS=3 -DWRITERS=1
 * mutant READER_IGNORES_CLOSED a reader counts itself in whatever the word says
 * mutant CLOSED_AND_IN a writer closes the word and does not wait
 * mutant LAST_READER_WAKES_NOBODY the last reader to leave wakes nobody
 * mutant WAKES_WHEN_ONE_IS_LEFT the wake comes one reader too early, and no other
 * mutant SLEEPS_WITHOUT_COMPARING the kernel does not look at the word again before the sleep
 * mutant STAYS_CLOSED a writer that gives up leaves the word closed
 * mutant GATE_OPENS_FIRST a writer lets the gate go, then opens the word, which may be another's
 * mutant COUNTED_WITHOUT_GATE a reader that has waited lets the gate go, then counts itself in
 */
#define THREADS (READERS + WRITERS)
#define CLOSED 8
#define WORD 1

#include "futex.inc"

byte word, gate, n_reading, n_writing;

inline take_gate() { atomic { gate == 0; gate = me + 1 } }

proctype reader(byte me)
{
    byte seen, rounds;
    bool done;
    do
    :: rounds < 2 ->
         rounds++;
         seen = word;
again:
         if
#ifdef READER_IGNORES_CLOSED
         :: true ->
#else
         :: !(seen & CLOSED) ->
#endif
              atomic { if :: word == seen -> word = seen + 1; done = true :: else -> seen = word; done = false fi };
              if :: done :: else -> goto again fi
         :: else ->
              take_gate();
#ifdef COUNTED_WITHOUT_GATE
              gate = 0;
              atomic { word = word + 1 }
#else
              atomic { word = word + 1 };
              gate = 0
#endif
         fi;
         atomic { n_reading++; assert(n_writing == 0) };
         n_reading--;
         atomic { seen = word; word = word - 1 };
#ifdef WAKES_WHEN_ONE_IS_LEFT
         if :: seen == (CLOSED | 2) -> atomic { futex_wake_one(WORD) } :: else fi;
#elif !defined(LAST_READER_WAKES_NOBODY)
         if :: seen == (CLOSED | 1) -> atomic { futex_wake_one(WORD) } :: else fi;
#endif
         atomic { seen = 0; done = false }
    :: else -> break
    od
}

proctype writer(byte me)
{
    byte seen, rounds;
    bool gives_up;
    do
    :: rounds < 2 ->
         rounds++;
         take_gate();
         atomic { word = word | CLOSED; seen = word };
         do
#ifdef CLOSED_AND_IN
         :: true -> break
#else
         :: seen == CLOSED -> break
#endif
         :: else ->
#ifdef SLEEPS_WITHOUT_COMPARING
              queue_of[me] = WORD;
#else
              atomic { if :: word == seen -> queue_of[me] = WORD :: else fi };
#endif
              if
              :: !asleep(me)
              :: me == READERS -> atomic { if :: asleep(me) -> queue_of[me] = 0; gives_up = true :: else fi }
              fi;
              if :: gives_up -> break :: else fi;
              seen = word
         od;
         if
         :: gives_up
         :: else ->
              atomic { n_writing++; assert(n_writing == 1 && n_reading == 0) };
              n_writing--
         fi;
#if defined(STAYS_CLOSED)
         if :: gives_up :: else -> atomic { word = word & ~CLOSED } fi;
         gate = 0;
#elif defined(GATE_OPENS_FIRST)
         gate = 0;
         atomic { word = word & ~CLOSED };
#else
         atomic { word = word & ~CLOSED };
         gate = 0;
#endif
         atomic { gives_up = false; seen = 0 }
    :: else -> break
    od
}

init
{
    byte i;
    atomic {
        do :: i < READERS -> run reader(i); i++ :: else -> break od;
        do :: i < THREADS -> run writer(i); i++ :: else -> break od
    };
    _nr_pr == 1;
    assert(word == 0 && gate == 0)
}
