/* A table that grows bucket by bucket, against prepare, give-up, wake without the lock, and requeue.
 *
 * _core/table.pyx split, finish_growth, table_settle, help_growth, start_growth; table.pxd table_lock, table_bucket; bucket.pxd
 * bucket_holds_nobody; bucketlocks.pxd lock_two, lock_queued; engine.pyx engine_prepare, engine_wake_slow, engine_requeue.
 * Levels of 1, 2 and 4 buckets; two keys, which share a bucket in the first alone.
 * Left out: fences (wake.pml, litmus/), sleepers on a bucket that is retired (bucketlock.pml), the sample that decides to grow.
 *
 * Nobody stays queued when a wake comes after the change of the word, whatever level the waker has read; whoever gives up finds
 * itself under the lock that it takes; no dead bucket is locked; counts are never below the keys, and end
 * at 0. REQUEUES: another thread moves those of key 0 to key 1, and the waker wakes both. QUEUED: that waiter is in the queue
 * when all begins; 1 gives up, 0 never does.
 *
 * check quick -DWAITERS=2 -DGROWTHS=1 -DQUEUED=1
 * check quick -DWAITERS=1 -DGROWTHS=2
 * check quick -DWAITERS=1 -DGROWTHS=1 -DREQUEUES -DQUEUED=0
 * check -DWAITERS=2 -DGROWTHS=1
 * check -DWAITERS=1 -DGROWTHS=1 -DREQUEUES
 * mutant DEAD_MEANS_NOBODY a count of 0 says that nobody waits, whether or not the bucket is LIVE
 * mutant LIVE_BEFORE_FILLED the new bucket is LIVE before the waiters are in it
 * mutant COUNTED_FROM_ZERO the new bucket begins with a count of 0
 * mutant TAGS_STAY_BEHIND the new bucket begins without tags
 * mutant NO_THIRD_LOAD tags are believed without another look whether the bucket is LIVE
 * mutant SPLIT_WITHOUT_LOCK the old bucket is split while somebody has its lock
 * mutant LOCKS_THE_DEAD a bucket is locked whether or not it is LIVE
 * mutant LOCATION_IS_A_BUCKET whoever gives up looks in the bucket into which it went
 * mutant SECOND_UNLOOKED lock_two takes a second bucket that is dead
 */
#define N 2
#define NOWHERE 255
#define NONE 9
#define BUCKETS 7

#define bucket(level, k) ((1 << level) - 1 + ((k << 1) >> (2 - level)))

byte current, previous = NONE, n_split, growths;
bool live[BUCKETS];
byte lock[BUCKETS], count[BUCKETS], tags[BUCKETS];
byte value;
byte in[N], key[N];
bool is_taken[N], is_right;
byte n_taken, n_told;

#define queued(b, k) ((in[0] == b && key[0] == k) || (in[1] == b && key[1] == k))

/* word_lock: `got`, or the bucket is dead. */
inline lock_word(b, raised)
{
    atomic {
#ifdef LOCKS_THE_DEAD
        lock[b] == 0;
        got = true;
#else
        lock[b] == 0 || !live[b];
        got = live[b];
#endif
        if
        :: got ->
             is_right = live[b] && count[b] < 8;
             assert(is_right);
             lock[b] = me;
             count[b] = count[b] + raised
        :: else
        fi
    }
}

inline unlock_word(b, lowered)
{
    atomic {
        is_right = lock[b] == me && count[b] >= lowered;
        assert(is_right);
        count[b] = count[b] - lowered;
        is_right = count[b] >= queued(b, 0) + queued(b, 1);
        assert(is_right);
        if :: !queued(b, 0) && !queued(b, 1) -> tags[b] = 0 :: else fi;
        lock[b] = 0
    }
}

inline child_filled(c, w)
{
    if
    :: in[w] == old && bucket((from_level + 1), key[w]) == c ->
         in[w] = c; tags[c] = tags[c] | (1 << key[w])
    :: else
    fi
}

inline fill(c)
{
    atomic {
        tags[c] = 0;
        child_filled(c, 0);
        child_filled(c, 1);
#ifdef TAGS_STAY_BEHIND
        tags[c] = 0;
#endif
    }
}

#ifdef COUNTED_FROM_ZERO
#define counted(c) 0
#else
#define counted(c) (queued(c, 0) + queued(c, 1))
#endif

/* split: bucket `old` of a level. */
inline split(level, b)
{
    from_level = level; old = b;
#ifdef SPLIT_WITHOUT_LOCK
    atomic { got = live[old] && lock[old] < 20; if :: got -> lock[old] = me :: else fi };
#else
    lock_word(old, 0);
#endif
    if
    :: got ->
         n = 2 * (old - (1 << from_level) + 1) + (1 << (from_level + 1)) - 1;
#ifdef LIVE_BEFORE_FILLED
         atomic { live[n] = true; count[n] = counted(n) };
         fill(n);
         count[n] = count[n] + queued(n, 0) + queued(n, 1);
#else
         fill(n);
         atomic { live[n] = true; count[n] = counted(n) };
#endif
         n++;
         fill(n);
         atomic { live[n] = true; count[n] = counted(n) };
         atomic { live[old] = false; count[old] = 0; lock[old] = 0 };
         atomic { n_split++; n = n_split };
         if
         :: n == (1 << from_level) ->
              /* finish_growth: the pages are given back, and read 0 */
              n = 0;
              do
              :: n < (1 << from_level) -> tags[(1 << from_level) - 1 + n] = 0; n++
              :: else -> break
              od;
              previous = NONE;
              growths++;
              n = 0
         :: else
         fi
    :: else
    fi;
    atomic { got = false; from_level = 0; old = 0; n = 0 }
}

inline settle(k)
{
    do
    :: seen = current;
       if :: live[bucket(seen, k)] -> break :: else fi;
       before = previous;
       if
       :: before == NONE || before == seen || current != seen
       :: else -> split(before, bucket(before, k))
       fi
    od;
    before = 0
}

inline table_lock(k, raised)
{
    do
    :: b = bucket(current, k);
       lock_word(b, raised);
       if :: got -> break :: else -> settle(k) fi
    od;
    atomic { got = false; seen = 0 }
}

proctype waiter(byte w)
{
    byte me = w + 1, b, seen, before, from_level, old, n;
    bool got, is_new, gives_up;
#ifdef QUEUED
    gives_up = (w == 1);
    if :: w == QUEUED -> goto queues :: else fi;
#else
    if :: gives_up = true :: gives_up = (w == 1) fi;
#endif
    table_lock(key[w], 1);
    if
    :: value != 0 -> unlock_word(b, 1); goto left
    :: else
    fi;
    atomic { is_new = !queued(b, key[w]); in[w] = b; tags[b] = tags[b] | (1 << key[w]) };
    unlock_word(b, !is_new);
queues:
    atomic { is_new = false; b = NOWHERE };
    if
    :: is_taken[w] -> n_told++; goto left
    :: gives_up
    fi;
again:
    n = key[w];
    if :: in[w] == NOWHERE -> is_taken[w]; n_told++; goto left :: else fi;
#ifdef LOCATION_IS_A_BUCKET
    b = bucket(0, n);
    atomic { lock[b] == 0; lock[b] = me };
#else
    table_lock(n, 0);
#endif
    if :: in[w] == NOWHERE || key[w] != n -> unlock_word(b, 0); goto again :: else fi;
    atomic { is_right = in[w] == b; assert(is_right); in[w] = NOWHERE };
    unlock_word(b, (queued(b, key[w]) -> 0 : 1));
left:
    skip
}

inline wake(k)
{
    b = bucket(current, k);
    atomic { n = (live[b] && lock[b] == 0 -> 1 : 0); is_empty = count[b] == 0 && live[b]; got = false };
#ifdef DEAD_MEANS_NOBODY
    is_empty = count[b] == 0;
#endif
    if
    :: is_empty -> skip
    :: !is_empty && n && !(tags[b] & (1 << k)) ->
#ifdef NO_THIRD_LOAD
         is_empty = true
#else
         is_empty = live[b]
#endif
    :: else
    fi;
    n = 0;
    if
    :: !is_empty ->
         table_lock(k, 0);
         atomic {
             was_queued = queued(b, k);
             if :: in[0] == b && key[0] == k -> in[0] = NOWHERE; taken = taken | 1; n_taken++ :: else fi;
             if :: in[1] == b && key[1] == k -> in[1] = NOWHERE; taken = taken | 2; n_taken++ :: else fi;
             if :: !was_queued -> tags[b] = (queued(b, (1 - k)) -> 1 << (1 - k) : 0) :: else fi
         };
         unlock_word(b, was_queued);
         if :: taken & 1 -> is_taken[0] = true :: else fi;
         if :: taken & 2 -> is_taken[1] = true :: else fi;
         atomic { taken = 0; was_queued = false }
    :: else
    fi
}

proctype waker(byte me)
{
    byte b, seen, before, from_level, old, n, taken;
    bool got, is_empty, was_queued;
    value = 1;
    wake(0);
#ifdef REQUEUES
    wake(1)
#endif
}

proctype requeuer(byte me)
{
    byte b, b2, low, high, seen, before, from_level, old, n;
    bool got, was_queued, source_queued;
    do
    :: b = bucket(current, 0); b2 = bucket(current, 1);
       low = (b < b2 -> b : b2); high = (b < b2 -> b2 : b);
       lock_word(low, (low == b2 -> 1 : 0));
       if
       :: got && low == high -> break
       :: got && low != high ->
#ifdef SECOND_UNLOOKED
            atomic { lock[high] == 0; lock[high] = me; count[high] = count[high] + (low == b2 -> 0 : 1); got = true };
#else
            lock_word(high, (low == b2 -> 0 : 1));
#endif
            if
            :: got -> break
            :: else ->
                 unlock_word(low, (low == b2 -> 1 : 0))
            fi
       :: else
       fi;
       settle(0);
       settle(1)
    od;
    atomic {
        is_right = live[b] && live[b2];
        assert(is_right);
        was_queued = queued(b2, 1);
        source_queued = queued(b, 0);
        if :: in[0] == b && key[0] == 0 -> in[0] = b2; key[0] = 1 :: else fi;
        if :: in[1] == b && key[1] == 0 -> in[1] = b2; key[1] = 1 :: else fi;
        if :: source_queued -> tags[b2] = tags[b2] | 2 :: else fi;
        got = !was_queued && source_queued;
        was_queued = false
    };
    if
    :: low == high -> unlock_word(b, source_queued + (got -> 0 : 1))
    :: else -> unlock_word(b2, (got -> 0 : 1)); unlock_word(b, source_queued)
    fi
}

/* start_growth, then help_growth until that growth is over. */
proctype grower(byte me)
{
    byte old, from_level, n, i;
    bool got;
    do
    :: i < GROWTHS ->
         n_split = 0;
         previous = i;
         current = i + 1;
         if :: split(i, ((1 << i) - 1)) :: true fi;
         if :: i == 1 -> split(1, 2) :: else fi;
         if :: i == 1 -> split(1, 1) :: else -> split(0, 0) fi;
         growths == i + 1;
         i++
    :: else -> break
    od
}

init
{
    byte i;
    atomic {
        in[0] = NOWHERE; in[1] = NOWHERE; key[1] = 1;
        live[0] = true;
#ifdef QUEUED
        in[QUEUED] = 0; count[0] = 1; tags[0] = 1 << QUEUED;
#endif
        do :: i < WAITERS -> run waiter(i); i++ :: else -> break od;
        run waker(20);
#ifdef REQUEUES
        run requeuer(21);
#endif
        run grower(22)
    };
    _nr_pr == 1;
    assert(n_taken == n_told);
    i = 0;
    do :: i < BUCKETS -> assert(count[i] == 0 && lock[i] == 0); i++ :: else -> break od
}
