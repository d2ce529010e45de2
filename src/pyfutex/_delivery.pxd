"""What a waker does after it let the bucket locks go: mark whom it took, and run their callbacks."""

from pyfutex._core.bucket cimport Taken


# Deliver everything in `taken`. Requires: attached, no lock held.
cdef int deliver(Taken *taken) except -1

# The part for waiters that are Python objects. Requires: as above; the threads in `taken` are marked, entries are settled.
cdef int deliver_objects(Taken *taken) except -1
