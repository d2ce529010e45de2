"""The bugs of planted.h, one a function."""

cdef extern from "planted.h" nogil:
    void pf_past_the_end()
    void pf_after_free()
    void pf_shift_too_far()
    void pf_misaligned()
    void pf_leak()
    void pf_count(int rounds)
    void pf_publish()
    void pf_subscribe()


def past_the_end():
    pf_past_the_end()


def after_free():
    pf_after_free()


def shift_too_far():
    pf_shift_too_far()


def misaligned():
    pf_misaligned()


def leak():
    pf_leak()


def count(int rounds):
    with nogil:
        pf_count(rounds)


def publish():
    with nogil:
        pf_publish()


def subscribe():
    with nogil:
        pf_subscribe()
