/* A wake that reads the bucket's count, and its tags, without the lock, against those who queue themselves.
 *
 * _core/engine.pyx engine_prepare, engine_complete, engine_sleep, await_mark, engine_wake_slow, deliver_threads; engine.pxd
 * nobody_at; bucket.pxd bucket_holds_nobody, bucket_append, bucket_take, bucket_unlock, bucket_retag. One bucket, of two keys.
 * Left out: growth (growth.pml), requeue (requeue.pml), how a bucket lock and a mark are waited for (bucketlock.pml, park.pml).
 *
 * The wakers' plain stores to the futex word pass through store buffers, as on x86; a read-modify-write is a barrier there. What
 * weaker machines do is for litmus/.
 *
 * The last waiter waits for a key of its own in the same bucket. No waiter sleeps on once its word has changed and a wake
 * came; no wake takes more than was asked for, or counts somebody who says that its time was over; nobody's memory is touched
 * when it has left.
 *
 * check quick -DWAITERS=2 -DWAKERS=1
 * check quick -DWAITERS=3 -DWAKERS=1
 * check quick -DWAITERS=3 -DWAKERS=1 -DWAKES=2
 * check quick -DWAITERS=2 -DWAKERS=2
 * check -DWAITERS=3 -DWAKERS=2
 * mutant WAKER_WITHOUT_FENCE the user's store is still in the buffer when the count is read
 * mutant PREPARE_WITHOUT_BARRIER the futex word is read before the count is raised
 * mutant COUNTED_WHEN_QUEUED the count rises with the queueing, not with the lock
 * mutant COMPARED_BEFORE_THE_LOCK the look without the lock is the only one
 * mutant LOCKED_MEANS_NOTHING the tags are believed while somebody has the lock
 * mutant TAGGED_AFTER_UNLOCK the tag is written when the lock is free again
 * mutant TAG_GOES_WITH_ONE the tag goes with the first waiter taken, though its key is queued still
 * mutant LOWERED_TWICE who finds another word lowers the count for the key, too, though others wait for it
 * mutant TIMEOUT_WINS whoever finds itself taken says that its time was over
 * mutant NO_MARK_AWAITED whoever finds itself taken does not wait for the mark
 * mutant NEXT_AFTER_MARK the next of those taken is read from memory that was marked
 * mutant UNLINKED_UNLOOKED whoever leaves does not look again, with the lock, whether it was taken
 */

#define N 3
#define NONE 255
#ifndef WAKES
#define WAKES 1
#endif
#define AT_ONCE (WAITERS / (WAKERS * WAKES))

byte value[2];              /* of the futex words, in memory */
bool stored[2];             /* waker: its store to word 0 is in its buffer */
byte count, lock;           /* of the bucket; 0: free, or who has it */
bool tag[2];
bool is_counted;            /* the count is that of the keys that are queued, or more */
bool queued[N], marked[N], alive[N];
byte next[N];               /* of a taken one: the next */
byte n_taken, n_told;       /* what wakes returned; what waiters returned */

#define KEY(w) ((w) == WAITERS - 1 && WAITERS > 1)
#define waits_for(k) ((queued[0] && KEY(0) == k) || (queued[1] && KEY(1) == k) || (queued[2] && KEY(2) == k))
#define anybody (queued[0] || queued[1] || queued[2])

inline unlock(lowered)
{
    atomic {
        is_counted = count >= lowered;
        assert(is_counted);
        if :: !anybody -> tag[0] = false; tag[1] = false :: else fi;
        count = count - lowered;
        is_counted = count >= waits_for(0) + waits_for(1);
        assert(is_counted);
        lock = 0
    }
}

proctype waiter(byte me)
{
    bool is_new, is_mine, gives_up;
    byte seen;
    alive[me] = true;
    if :: gives_up = true :: gives_up = KEY(me) fi;
    seen = value[KEY(me)];
    if :: seen != 0 -> goto left :: else fi;
#ifdef PREPARE_WITHOUT_BARRIER
    seen = value[KEY(me)];
#endif
#ifdef COUNTED_WHEN_QUEUED
    atomic { lock == 0; lock = 1 + me };
#else
    atomic { lock == 0; lock = 1 + me; count++ };
#endif
#if !defined(COMPARED_BEFORE_THE_LOCK) && !defined(PREPARE_WITHOUT_BARRIER)
    seen = value[KEY(me)];
#endif
    if
    :: seen != 0 ->
#ifdef LOWERED_TWICE
         unlock((waits_for(KEY(me)) -> 2 : 1));
#elif defined(COUNTED_WHEN_QUEUED)
         unlock(0);
#else
         unlock(1);
#endif
         goto left
    :: else
    fi;
#ifdef COUNTED_WHEN_QUEUED
    count++;
#endif
    atomic { is_new = !waits_for(KEY(me)); queued[me] = true };
#ifndef TAGGED_AFTER_UNLOCK
    tag[KEY(me)] = true;
#endif
    unlock(!is_new);
#ifdef TAGGED_AFTER_UNLOCK
    tag[KEY(me)] = true;
#endif
    if
    :: marked[me] -> goto told
    :: gives_up
    fi;
    if :: !queued[me] -> goto taken :: else fi;
    atomic { lock == 0; lock = 1 + me };
#ifdef UNLINKED_UNLOOKED
    is_mine = true;
#else
    is_mine = queued[me];
#endif
    queued[me] = false;
    unlock((is_mine && !waits_for(KEY(me)) -> 1 : 0));
    if :: is_mine -> goto left :: else fi;
taken:
#ifdef TIMEOUT_WINS
    marked[me];
    goto left;
#endif
#ifndef NO_MARK_AWAITED
    marked[me];
#endif
told:
    n_told++;
left:
    alive[me] = false
}

proctype waker(byte me)
{
    byte w, following, first, last, n, round;
    bool is_left, is_locked;
again:
    stored[me] = true;
#ifndef WAKER_WITHOUT_FENCE
    !stored[me];
#endif
    atomic { n = count; is_locked = lock != 0 };
    if :: n == 0 -> goto done :: else fi;
#ifndef LOCKED_MEANS_NOTHING
    if :: is_locked -> goto slow :: else fi;
#endif
    if :: !tag[0] -> goto done :: else fi;
slow:
    atomic { lock == 0; lock = 10 + me };
    first = NONE; last = NONE; n = 0;
    if
    :: !waits_for(0) -> atomic { tag[0] = false; tag[1] = waits_for(1) }
    :: else ->
         w = 0;
         do
         :: w < WAITERS && n < AT_ONCE ->
              atomic {
                  if
                  :: queued[w] && !KEY(w) ->
                       assert(alive[w]);
                       queued[w] = false;
                       next[w] = NONE;
                       if :: last == NONE -> first = w :: else -> next[last] = w fi;
                       last = w;
                       n++
                  :: else
                  fi;
                  w++
              }
         :: else -> break
         od
    fi;
    is_left = waits_for(0);
    n_taken = n_taken + n;
#ifdef TAG_GOES_WITH_ONE
    if :: n > 0 -> tag[0] = false :: else fi;
#endif
    unlock((n > 0 && !is_left -> 1 : 0));
    do
    :: first != NONE ->
#ifdef NEXT_AFTER_MARK
         atomic { assert(alive[first]); marked[first] = true };
         atomic { assert(alive[first]); first = next[first] }
#else
         atomic { assert(alive[first]); following = next[first] };
         atomic { assert(alive[first]); marked[first] = true };
         first = following
#endif
    :: else -> break
    od;
done:
    atomic { round++; n = 0; is_left = false; is_locked = false };
    if :: round < WAKES -> goto again :: else fi
}

/* What is in a store buffer arrives at some time. */
proctype memory(byte me)
{
end:
    do :: atomic { stored[me]; value[0] = 1; stored[me] = false } od
}

init
{
    byte i;
    atomic {
        do :: i < WAKERS -> run memory(i); i++ :: else -> break od;
        i = 0;
        do :: i < WAITERS -> run waiter(i); i++ :: else -> break od;
        i = 0;
        do :: i < WAKERS -> run waker(i); i++ :: else -> break od
    };
    _nr_pr == 1 + WAKERS;
    assert(n_taken == n_told);
    assert(count == 0)
}
