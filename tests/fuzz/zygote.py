"""Runs programs of hostile calls, each in a child of its own: a crash, a hang, a leak or a strange exception is a report.

A program is a list of steps, each the number of a call and numbers that choose its arguments. The server reads one as a
line of JSON, and answers with a line: a finding, or null.
"""

import array
import faulthandler
import gc
import itertools
import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
import warnings

from fuzz.allowed import is_allowed
from fuzz.surface import all_calls
from fuzz.world import Alarm, Interrupted, World

from pyfutex import aio  # noqa: F401  # or its import could be interrupted
from pyfutex.sync import _arenafile

HANG_SECONDS = 20
ADDRESS_SPACE = 1 << 33
# Objects that are made once and kept are made in the first rounds.
WARM_ROUNDS, ROUNDS = 2, 7
# A program whose calls block is not run again and again.
SHORT_SECONDS = 0.1


def play(calls, program, directory, alarm, report):
    """Make all calls of a program in a new world; what none may raise goes to `report`."""
    world = World(directory)
    try:
        for number, choices in program:
            call = calls[number % len(calls)]
            try:
                try:
                    alarm.began = time.monotonic()
                    world.perform(call, choices)
                finally:
                    alarm.began = None
            except Interrupted:
                pass
            except BaseException as error:
                if not is_allowed(call, error):
                    report(f"{call.name} raised {type(error).__name__}", traceback.format_exc())
    finally:
        alarm.began = None
        world.end()


def counted():
    gc.collect()
    return sys.getallocatedblocks(), len(os.listdir("/proc/self/fd"))


def child(calls, program, say):
    """Play a program, and again and again to see whether it leaves something behind."""
    # A sanitizer maps more than any machine has.
    if "PYFUTEX_SANITIZERS" not in os.environ:
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    findings = []

    def report(what, trace):
        findings.append([what, trace])

    def unraisable(about):
        if isinstance(about.exc_value, SystemError):
            report("SystemError in a callback", "".join(traceback.format_exception(about.exc_value)))

    # A shared lock that is dropped while it is held stays mapped, and says so.
    dropped = []
    warnings.simplefilter("always", ResourceWarning)
    warnings.showwarning = lambda message, *where: dropped.append(message)
    sys.unraisablehook = unraisable
    with tempfile.TemporaryDirectory() as directory:
        _arenafile.SHARED_MEMORY = directory
        alarm = Alarm()
        began = time.monotonic()
        play(calls, program, directory, alarm, report)
        if not findings and time.monotonic() - began < SHORT_SECONDS:
            # Made before, so that what is counted is not in it.
            seen = array.array("q", bytes(16 * ROUNDS))
            for i in range(ROUNDS):
                for name in os.listdir(directory):
                    os.unlink(os.path.join(directory, name))
                play(calls, program, directory, alarm, report)
                seen[i], seen[ROUNDS + i] = counted()
            for kind, first in ("blocks of memory", 0), ("descriptors", ROUNDS):
                row = list(seen[first + WARM_ROUNDS : first + ROUNDS])
                if not dropped and all(later > earlier for earlier, later in itertools.pairwise(row)):
                    report(f"a leak of {kind}", f"after each round: {row}")
        alarm.stop()
    say(findings[0] if findings else None)


def run(calls, program):
    """The finding of a program, or None."""
    with tempfile.TemporaryFile() as errors:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.dup2(errors.fileno(), 2)
            os.dup2(os.open(os.devnull, os.O_RDWR), 0)
            os.dup2(2, 1)
            faulthandler.enable(2)
            try:
                child(calls, program, lambda finding: os.write(writing, json.dumps(finding).encode()))
            except BaseException:
                traceback.print_exc()
                os._exit(99)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as answer:
            ready = select.select([answer], [], [], HANG_SECONDS)[0]
            if not ready:
                os.kill(pid, signal.SIGABRT)
            said = answer.read()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        errors.seek(0)
        trace = errors.read().decode(errors="replace")
    if not ready:
        return ["a hang", trace]
    if status or not said:
        return [f"ended with status {status}", trace]
    return json.loads(said)


def main():
    calls = all_calls()
    for line in sys.stdin:
        print(json.dumps(run(calls, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
