"""Empty methods with the signatures of the product: what a call costs when it does nothing."""

cimport cython

cdef object ANY = 0xFFFFFFFF
cdef object ALL = 0x7FFFFFFF


@cython.final
cdef class Manager:
    """Answers as a manager on which nobody waits."""

    def wake(self, mem, addr, n=1, *, bitset=ANY, private=None, size=4):
        """Wake nobody."""
        return 0

    def wait(self, mem, addr, val, timeout=None, *, deadline=None, clock=1, bitset=ANY, private=None, size=4):
        """Find that the word has changed."""
        return 2

    def requeue(self, mem, addr, addr2, n_wake=1, n_requeue=ALL, *, mem2=None, private=None, size=4):
        """Move nobody."""

    def cmp_requeue(self, mem, addr, addr2, val, n_wake=1, n_requeue=ALL, *, mem2=None, private=None, size=4):
        """Move nobody."""

    def wake_op(self, mem, addr, addr2, op, n_wake=1, n_wake2=1, *, mem2=None, private=None, size=4):
        """Change nothing and wake nobody."""
        return 0

    def lock_pi(self, mem, addr, timeout=None, *, tid=None, deadline=None, clock=1, private=None, size=4):
        """Lock nothing."""
        return True

    def unlock_pi(self, mem, addr, *, tid=None, private=None, size=4):
        """Unlock nothing."""

    def wait_prepare(self, w, mem, addr, val, *, bitset=ANY, private=None, size=4):
        """Queue nothing."""

    def wait_complete(self, w):
        """Complete nothing."""
        return True


@cython.final
cdef class Futex:
    """Answers as a futex word on which nobody waits."""

    def wake(self, n=1, /):
        """Wake nobody."""
        return 0

    def wait(self, val, timeout=None, /):
        """Find that the word has changed."""
        return 2

    def load(self):
        """Read nothing."""
        return 0


@cython.final
cdef class Memory:
    """Answers as memory that holds zeros."""

    def load(self, addr, size=4, /):
        """Read nothing."""
        return 0

    def fetch_add(self, addr, value, /):
        """Add nothing."""
        return 0

    def compare_exchange(self, addr, expected, desired, /):
        """Compare nothing."""
        return True


def futex(Memory task not None, uaddr, op, val, timeout=0, uaddr2=0, val3=0, /):
    """Answers as `pyfutex.linux.futex` where nobody waits; the first argument is checked for its type as there."""
    return 0
