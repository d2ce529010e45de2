/* The parking word: how a thread of this process goes to sleep on a 32-bit word, and how it is woken.
 *
 * One contract, and one file for each way to keep it; `meson setup -Dparking=` chooses. The engine sleeps in no other way.
 * `cells` is what a way needs besides the word: the process has one, in parker.pyx.
 *
 * pf_parking_wait(cells, word, expected, bitset, deadline): sleep while *word == expected.
 *     0: another value was seen, or somebody was woken, perhaps for nothing. ETIMEDOUT: the absolute deadline, on either
 *     clock, has passed. EINTR: a signal handler ran, or may have. Any other error is as good as 0. Whatever comes, the
 *     caller looks again at what it waits for, and sleeps anew if that has not come.
 *     Requires: detached. Under a bucket lock only for the word of a second one, by the order of bucketlocks.pxd. As long as
 *     the value stands, its waker is still to come: so an implementation need not return from a wake after which the value
 *     is there again.
 *
 * pf_parking_wake(cells, word, n, bitset): wake n of those who sleep through a bit of `bitset`, and perhaps others.
 *     Requires: the caller has changed the word before. It may be freed memory by now, and is not read. Blocks no longer
 *     than it takes another thread to go to sleep. Legal attached, and under a bucket lock. Not from a signal handler.
 *
 * pf_cells_init(cells): once before the first sleep, and in a child of a fork before it does anything else: those who
 *     slept are not there, and whoever was about to wake them is not, either.
 */
#ifndef PYFUTEX_PARKING_H
#define PYFUTEX_PARKING_H

#include "build_options.h"

#if PF_PARKING_PTHREAD
#include "parking_pthread.h"
#else
#include "parking_futex.h"
#endif

#endif
