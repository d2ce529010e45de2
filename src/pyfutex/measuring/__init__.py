"""A table for the machine that one has: each thing beside what the standard library has for it, in turns.

Layers, lowest first::

    partners      threads and processes that answer
    subjects      what is measured, and beside what
    rounds        measuring all of it in turns
    report        the figures, as text and as JSON
    command       ``python -m pyfutex bench``

The project's own benchmarks, with more contenders and with history, are in bench/ of the repository.
"""
