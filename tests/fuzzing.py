"""How long a fuzz goes on: PYFUTEX_FUZZ in the environment is a factor on its examples, and on its watchdog."""

import os

FACTOR = float(os.environ.get("PYFUTEX_FUZZ", "1"))


def examples(n):
    """A number of examples times the factor, at least 1."""
    return max(1, int(n * FACTOR))


def seconds(n):
    """The time of a watchdog times the factor, if that is above 1."""
    return n * max(1, FACTOR)
