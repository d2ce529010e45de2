"""Calls with a defect of each kind, to see that the zygote finds them: ``python -m fuzz.planted``."""

import ctypes
import json
import os
import time

from fuzz import zygote
from fuzz.surface import Call

_kept = []


def crash():
    ctypes.string_at(8)


def hang():
    """In C, where no signal handler of Python's runs."""
    mutex = ctypes.create_string_buffer(64)
    for _ in range(2):
        ctypes.PyDLL(None).pthread_mutex_lock(mutex)


def leak():
    _kept.append([object() for _ in range(4)])


def leak_descriptor():
    os.dup(2)


def system_error():
    raise SystemError


def interrupted():
    """Nothing wrong: a signal handler ends it."""
    time.sleep(3600)


DEFECTS = (crash, hang, leak, leak_descriptor, system_error, interrupted)


def main():
    zygote.HANG_SECONDS = 3
    calls = [Call(defect.__name__, None, defect, ()) for defect in DEFECTS]
    found = {call.name: zygote.run(calls, [[i, []]]) for i, call in enumerate(calls)}
    print(json.dumps({name: finding and finding[0] for name, finding in found.items()}))


if __name__ == "__main__":
    main()
