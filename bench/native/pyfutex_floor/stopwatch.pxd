"""stopwatch.h, declared."""

from libc.stdint cimport int64_t, uint64_t


cdef extern from "stopwatch.h" nogil:
    struct stopwatch:
        int64_t start
        int64_t before
        int64_t longest
        int64_t longest_wall
        uint64_t laps

    int CLOCK_MONOTONIC
    int64_t stopwatch_clock(int clock)
    void stopwatch_start(stopwatch *s)
    void stopwatch_lap(stopwatch *s)
