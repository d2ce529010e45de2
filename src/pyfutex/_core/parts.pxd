"""Memory for what belongs to the kind of a waiter that lives long: its PIWait, or its vector."""

from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free

from pyfutex._core.checks cimport poison
from pyfutex._core.vector cimport Vector
from pyfutex._core.waiter cimport Waiter


cdef struct Part:
    # In front of what `Waiter.part` points to.
    Part *next          # ring of all that this waiter has had
    size_t size         # bytes behind this
    bint is_vector      # else a PIWait


cdef inline Part *part_before(void *memory) noexcept nogil:
    return <Part *> memory - 1


cdef inline void *part_for(Waiter *w, bint is_vector, size_t size) noexcept nogil:
    """As w.part: memory of an earlier time, or new and zeroed. NULL: there is none.

    None of it moves, or is given back, before w goes: another thread may be looking at it. Requires: w idle.
    """
    cdef Part *last = NULL if w.part == NULL else part_before(w.part)
    cdef Part *part = last
    while part != NULL:
        if part.is_vector == is_vector and part.size >= size:
            w.part = part + 1
            return w.part
        part = part.next if part.next != last else NULL
    part = <Part *> calloc(1, sizeof(Part) + size)
    if part == NULL:
        return NULL
    part.size = size
    part.is_vector = is_vector
    part.next = part if last == NULL else last.next
    if last != NULL:
        last.next = part
    w.part = part + 1
    return w.part


cdef inline Vector *vector_for(Waiter *w, uint32_t n) noexcept nogil:
    # In sizes that double, so that what is kept is no more than twice the largest.
    cdef Vector *v
    cdef uint32_t room = 4
    while room < n:
        room *= 2
    v = <Vector *> part_for(w, True, sizeof(Vector) + room * sizeof(Waiter))
    if v != NULL:
        v.entries = <Waiter *> (v + 1)
    return v


cdef inline void parts_free(Waiter *w) noexcept nogil:
    # w goes too. Requires: nobody looks at it any more.
    cdef Part *part = NULL if w.part == NULL else part_before(w.part)
    cdef Part *next
    poison(w, sizeof(Waiter))
    if part == NULL:
        return
    next = part.next
    part.next = NULL        # the ring ends here
    while next != NULL:
        part = next
        next = part.next
        poison(part + 1, part.size)
        free(part)
