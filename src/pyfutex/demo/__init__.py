"""Programs that show pyfutex at work, run by ``python -m pyfutex demo NAME``.

Each demo is built from the public interface alone, shows itself beside what the standard library offers,
checks what it did, and ends with status 1 if anything was lost.

Layers of the queue demo, lowest first::

    page            one mmap, one manager: hands out futex words and counters
    ledger          every wake and every woken wait, counted in the same page
    mutex           three states of one futex word
    condition       a sequence number in one futex word; broadcast by requeue
    bounded_queue   the queue itself, over any mutex and condition
    contenders      the queue over futex words and over threading.Condition
    workload        producers and consumers through one queue, once, timed
    verdict         what must be true afterwards
    report          medians and ratios as a table
    progress        the bar while it runs
    queue           the command: options, rounds, exit status

Layers of the crash demo, lowest first::

    sleepers        whether processes sleep, as the kernel tells
    children        forked processes that do not outlive their parent
    robustlock      what is asked of a lock
    robustpthread   the C library's, by ctypes
    mortallock      multiprocessing's
    turn            the ten lines that a worker does again and again
    board           where the processes write what they do, in shared memory
    watchedlock     a lock that writes there who takes it, and what he finds
    gang            workers under one lock, killed at random
    forgotten       the death of a waiter that a lock may not survive, step by step
    livelines       lines that change in place
    crash           the command: options, the three gangs, exit status

Layers of the await demo, lowest first::

    wordboard       words in a file, and when each was set
    wordsetter      the unrelated process that sets them
    wordwaits       four ways to wait for all of them in one event loop
    awaits          the command: options, rounds, the table
"""
