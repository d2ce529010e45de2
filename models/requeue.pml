/* A requeue from one key to another, against waiters who give up, and against wakes of the one key and then the other.
 *
 * _core/engine.pyx engine_requeue, engine_prepare, engine_complete, engine_wake_slow; bucketlocks.pxd lock_two, unlock_two,
 * lock_queued; bucket.pxd bucket_move. Two buckets, of one key each; a waiter's location is one word.
 * Left out: tags and fences (wake.pml), growth (growth.pml), priorities, what is between a taking and its mark (wake.pml).
 *
 * Nobody stays queued when the one key and then the other was woken; a waiter is taken out with the lock of the bucket that it is
 * in; counts are never below the keys; a requeue that compares moves only those who saw the same. BACK: another requeue goes
 * the other way, and all give up. LATE: the requeue compares, and the last waiter waits for the value that comes later.
 *
 * check quick -DWAITERS=2
 * check quick -DWAITERS=2 -DBACK
 * check quick -DWAITERS=2 -DLATE
 * check -DWAITERS=3
 * mutant LOWERS_FIRST the count of the source falls before that of the target rises
 * mutant TARGET_UNLOCKED the second bucket is not locked
 * mutant LOCKED_AS_NAMED the source is locked first, whatever its address
 * mutant TORN_LOCATION a location is written in two halves
 * mutant NO_SECOND_LOOK whoever gives up does not read its location again with the lock
 * mutant TAKEN_IN_THE_OLD_PLACE whoever finds it moved takes itself out with the lock that it has
 * mutant COMPARED_BEFORE_THE_LOCKS the word is compared without the locks alone
 * mutant MOVED_AS_TAKEN a waiter has no location while it is moved
 * mutant SOURCE_STAYS_COUNTED the count of the source does not fall
 */
#define N 3
#define NOWHERE 255

byte value, lock[3], count[2];
byte location[N], in[N];        /* as others may read it; where it is queued in truth */
byte expected[N];
bool is_taken[N], is_counted, is_locked;
byte n_taken, n_told;

#define queued(b) (in[0] == b || in[1] == b || in[2] == b)

inline lock_one(b, raised) { atomic { lock[b] == 0; lock[b] = me; count[b] = count[b] + raised } }

inline unlock_one(b, lowered)
{
    atomic {
        is_counted = count[b] >= lowered;
        assert(is_counted);
        count[b] = count[b] - lowered;
        is_counted = count[b] >= queued(b);
        assert(is_counted);
        lock[b] = 0
    }
}

proctype waiter(byte w)
{
    byte me = w + 1, seen;
    bool is_new, gives_up;
#ifdef BACK
    gives_up = true;
#else
    if :: gives_up = true :: gives_up = (expected[w] != 0) fi;
#endif
    lock_one(0, 1);
    if
    :: value != expected[w] -> unlock_one(0, 1); goto left
    :: else
    fi;
    atomic { is_new = !queued(0); in[w] = 0; location[w] = 0 };
    unlock_one(0, !is_new);
    if
    :: is_taken[w] -> goto told
    :: gives_up
    fi;
again:
    seen = location[w];
    if :: seen == NOWHERE -> goto told :: else fi;
    atomic { lock[seen] == 0; lock[seen] = me };
#ifndef NO_SECOND_LOOK
#ifdef TAKEN_IN_THE_OLD_PLACE
    if :: location[w] == NOWHERE -> lock[seen] = 0; goto again :: else fi;
#else
    if :: location[w] != seen -> lock[seen] = 0; goto again :: else fi;
#endif
#endif
    atomic {
        is_locked = in[w] != NOWHERE && lock[in[w]] == me;
        assert(is_locked);
        in[w] = NOWHERE;
        location[w] = NOWHERE
    };
    unlock_one(seen, (queued(seen) -> 0 : 1));
    goto left;
told:
    is_taken[w];
    n_told++;
left:
    skip
}

inline move(to)
{
    w = 0;
    do
    :: w < WAITERS ->
         if
         :: in[w] == from ->
#ifdef LATE
              assert(expected[w] == 0);
#endif
#ifdef TORN_LOCATION
              atomic { is_locked = lock[from] == me; assert(is_locked); in[w] = to; location[w] = 2 };
              location[w] = to;
#elif defined(MOVED_AS_TAKEN)
              location[w] = NOWHERE;
              atomic { is_locked = lock[from] == me; assert(is_locked); in[w] = to; location[w] = to };
#else
              atomic { is_locked = lock[from] == me && lock[to] == me; assert(is_locked); in[w] = to; location[w] = to };
#endif
              moved++
         :: else
         fi;
         w++
    :: else -> break
    od
}

proctype requeuer(byte me; byte from)
{
    byte w, moved, low, high, source_lowered;
    bool was_queued;
#ifdef LATE
    if :: value != 0 -> goto done :: else fi;
#endif
#ifdef LOCKED_AS_NAMED
    low = from;
#else
    low = 0;
#endif
    high = 1 - low;
#if defined(TARGET_UNLOCKED)
    lock_one(from, 0);
    atomic { count[1 - from]++ };
#elif defined(LOWERS_FIRST)
    lock_one(low, 0);
    lock_one(high, 0);
#else
    lock_one(low, (low == from -> 0 : 1));
    lock_one(high, (high == from -> 0 : 1));
#endif
#if defined(LATE) && !defined(COMPARED_BEFORE_THE_LOCKS)
    if
    :: value != 0 ->
#if defined(LOWERS_FIRST)
         unlock_one(from, 0); unlock_one(1 - from, 0);
#elif defined(TARGET_UNLOCKED)
         unlock_one(from, 0); atomic { count[1 - from]-- };
#else
         unlock_one(from, 0); unlock_one(1 - from, 1);
#endif
         goto done
    :: else
    fi;
#endif
    atomic { was_queued = queued((1 - from)); source_lowered = queued(from) };
#ifdef LOWERS_FIRST
    count[from] = count[from] - source_lowered;
    source_lowered = 0;
    count[1 - from]++;
#endif
    move((1 - from));
#ifdef SOURCE_STAYS_COUNTED
    source_lowered = 0;
#endif
#ifdef TARGET_UNLOCKED
    atomic { if :: moved > 0 && !was_queued :: else -> count[1 - from]-- fi };
#else
    unlock_one((1 - from), (moved > 0 && !was_queued -> 0 : 1));
#endif
    unlock_one(from, source_lowered);
done:
    skip
}

inline wake(b)
{
    if
    :: count[b] != 0 ->
         lock_one(b, 0);
         was_queued = queued(b);
         w = 0;
         do
         :: w < WAITERS ->
              atomic {
                  if
                  :: in[w] == b -> in[w] = NOWHERE; location[w] = NOWHERE; n_taken++; taken = taken | (1 << w)
                  :: else
                  fi;
                  w++
              }
         :: else -> break
         od;
         unlock_one(b, was_queued);
         w = 0;
         do
         :: w < WAITERS -> atomic { is_taken[w] = is_taken[w] || (taken & (1 << w)); w++ }
         :: else -> break
         od;
         taken = 0
    :: else
    fi
}

proctype waker(byte me)
{
    byte w, taken;
    bool was_queued;
    value = 1;
    wake(0);
    wake(1)
}

init
{
    byte i;
    atomic {
        i = 0;
        do :: i < N -> location[i] = NOWHERE; in[i] = NOWHERE; i++ :: else -> break od;
#ifdef LATE
        expected[WAITERS - 1] = 1;
#endif
        i = 0;
        do :: i < WAITERS -> run waiter(i); i++ :: else -> break od;
        run requeuer(11, 0);
#ifdef BACK
        run requeuer(12, 1);
#endif
        run waker(13)
    };
    _nr_pr == 1;
    assert(n_taken == n_told);
    assert(count[0] == 0 && count[1] == 0)
}
