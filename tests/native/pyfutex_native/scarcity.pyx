"""Memory and descriptors that pyfutex's libraries do not get: the n-th that they ask the C library for. See scarcity.h."""

cdef extern from "scarcity.h" nogil:
    const long in_use_now "scarcity_in_use"
    int scarcity_begin()
    void scarcity_ration(long refused_at)
    long scarcity_end()


def begin():
    """Count from now on, in all libraries of pyfutex that are loaded: how many these are."""
    n = scarcity_begin()
    if n <= 0:
        raise RuntimeError("the libraries of pyfutex cannot be led to other functions here")
    return n


def in_use():
    """Blocks and mappings that pyfutex's libraries got since `begin`, less those that they gave back."""
    return in_use_now


def call_refused(n, call):
    """Call, with the n-th request from 0 on refused, or each (-1): (result, exception or None, number of requests)."""
    result = error = None
    scarcity_ration(n)
    try:
        result = call()
    except Exception as raised:
        error = raised
    finally:
        asked = scarcity_end()
    return result, error, asked
