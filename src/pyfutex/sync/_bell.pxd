"""A deadline that ends a sleep of the main thread as soon as a signal handler of Python has to run."""

from posix.time cimport timespec

from pyfutex.sync._robust cimport Thread


# Whether this thread may run signal handlers, and so has to hear of them.
cdef bint bell_is_for(const Thread *t) noexcept

# Put another deadline in the place of this one, or of NULL, none: a call that reads it when a signal has come answers
# -EINVAL. The bell has to be taken down before anything else of Python's runs. OSError: there is no descriptor for it.
# Requires: attached, bell_is_for; likewise the other.
cdef int bell_hang(const timespec **deadline) except -1

# Whether a signal has come.
cdef bint bell_take_down() noexcept
