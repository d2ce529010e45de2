"""Modules in Python whose classes compiled modules hold: one of each in a process, as there is one of those."""

cdef dict loaded = {}


def first_loaded(module):
    """The module of this name that was loaded first: another's classes are not those that compiled code answers with."""
    return loaded.setdefault(module.__name__, module)
