"""The part of a Manager that is about many words at once. The four steps of an operation are in manager.pyx."""

from libc.stdint cimport uint8_t

from pyfutex._arguments cimport as_deadline, convert_priority
from pyfutex._blocking cimport block_waitv
from pyfutex._core.clock cimport Deadline
from pyfutex._core.status cimport OK, Status, status_errno
from pyfutex._vectors cimport queue_vector
from pyfutex._wakes cimport wake_items
from pyfutex.waiter cimport Waiter


cdef class VectorManager(PIManager):
    """The operations of a `Manager` on many words at once, which see."""

    # --- waiting ---

    def waitv(self, items, timeout=None, *, deadline=None, clock=1):
        """Sleep until woken on one of several words, provided each holds its value.

        Parameters
        ----------
        items : sequence of WaitItem, or of tuples (mem, addr, val[, private[, size]])
            At least one word, in any memories and of any sizes; the same word may stand there more than once. There is no
            limit of 128, as Linux has it.

        Returns
        -------
        int
            The index of the item that was woken; of several, the last one. -1: timed out. -2: a word held another
            value, nobody slept.

        Raises
        ------
        InvalidArgument
            No item, an address is misaligned, or there are no words of such a size.
        OSError
            EFAULT: nothing is mapped at an address.
        TypeError, ValueError, OverflowError
            An item is no such tuple, `val` does not fit into its word; or as in `wait`.

        Notes
        -----
        Each item is queued and compared by itself, in order; who waits for two words may be counted by two wakes, and
        twice by one that finds its word listed twice. A wake that meets an earlier item while a later one is found to
        differ wins: its index is returned.
        """
        cdef Deadline until
        as_deadline(timeout, deadline, clock, &until)
        return block_waitv(self, self.m, items, until)

    def waitv_prepare(self, Waiter w not None, items, *, priority=0):
        """Queue a Waiter on several words, provided each holds its value. Never blocks.

        Parameters
        ----------
        items : sequence of WaitItem, or of tuples (mem, addr, val[, private[, size]])
            As for `waitv`.
        priority : int, 0 to 99
            As for `wait_prepare`, at each of the words.

        Returns
        -------
        int or None
            None: queued, or woken already: `Waiter.result` is then the index. Else the result at once, a negative
            errno: -EAGAIN, a word held another value; -EINVAL, misaligned, or no item; -EFAULT, nothing is
            mapped at an address.

        Raises
        ------
        RuntimeError
            `w` is queued already, or not taken from its completion queue yet.
        """
        cdef Status status = queue_vector(self, self.m, w, items, <uint8_t> convert_priority(priority))
        return None if status == OK else -status_errno(status)

    # --- waking ---

    def wakev(self, items):
        """Wake waiters on many words in one pass, which hides most of what each word waits for memory.

        Parameters
        ----------
        items : sequence of WakeItem, or of tuples (mem, addr[, n[, bitset[, private[, size]]]])
            Any number of words, in any memories and of any sizes. For each: wake its oldest `n` waiters (by default one)
            whose bitset meets `bitset`.

        Returns
        -------
        list of int
            How many were woken, for each item.

        Raises
        ------
        InvalidArgument
            Misaligned, a negative `n`, `bitset` 0, no such size: nobody was woken. Or PI waiters were met: all other
            words were served, and `exc.woken` says how many were woken in all.
        OSError
            EFAULT: nothing is mapped at an address; nobody was woken.
        TypeError, OverflowError
            An item is no such tuple.

        Notes
        -----
        Up to 64 items that follow one another are one atomic step: nobody can be queued on one of their words between the
        wake on the first and that on the last.
        """
        return wake_items(self.m, items)
