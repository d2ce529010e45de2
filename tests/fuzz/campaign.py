"""The fuzzers one after the other, for a while each.

    python -m fuzz.campaign SECONDS [--only lock,arena,surface] [--keep]

`lock` is libFuzzer on C code, which needs clang; `arena` is atheris on Python code; `surface` makes programs of calls. Where
they find something, it is printed or written to the working directory, and the status is not 0; nor is it where a tool is
missing.
"""

import argparse
import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fuzz import corpora
from fuzz.smaller import smaller
from fuzz.surface import all_calls
from fuzz.zygote import run

import pyfutex

HERE = Path(__file__).parent
CLANGS = ("clang", *(f"clang-{version}" for version in range(22, 12, -1)))
SANITIZERS = "-fsanitize=fuzzer,address,undefined"


class Missing(Exception):
    """A tool that is not there."""


def ran(command, **options):
    """Run a fuzzer of libFuzzer's; whether it found nothing."""
    print("$", *map(str, command), flush=True)
    return subprocess.run(command, check=False, **options).returncode == 0


def options_of(seconds):
    return [
        f"-max_total_time={seconds}",
        "-timeout=20",
        "-rss_limit_mb=4096",
        "-print_final_stats=1",
        "-verbosity=0",
    ]


def fuzz_lock(seconds, work):
    """Locks over any bytes."""
    clang = next(filter(None, map(shutil.which, CLANGS)), None)
    if clang is None:
        raise Missing("the fuzz of locks needs clang with libFuzzer: apt-get install clang libclang-rt-dev")
    fuzzer = work / "lock_bytes"
    build = [clang, "-g", "-O1", SANITIZERS, "-fno-sanitize-recover=undefined", f"-I{pyfutex.get_include()}",
             HERE / "c" / "lock_bytes.c", "-o", fuzzer, "-lpthread"]  # fmt: skip
    if not ran(build):
        raise Missing(f"{clang} has no libFuzzer: apt-get install libclang-rt-dev")
    return ran([fuzzer, *options_of(seconds), "-max_len=256", work / "lock"])


def fuzz_arena(seconds, work):
    """Arenas that were written over."""
    if importlib.util.find_spec("atheris") is None:
        raise Missing("the fuzz of arenas needs atheris, which has wheels for Python 3.11 to 3.13")
    command = [sys.executable, "-W", "ignore", "-m", "fuzz.arena_bytes"]
    return ran([*command, *options_of(seconds), "-max_len=66", "-len_control=0", work / "arena"])


def a_program(seed, n_calls):
    """As `test_surface` has Hypothesis make them, of a seed."""
    rng = random.Random(seed)
    return [
        [rng.randrange(n_calls), [rng.choice((0, rng.randrange(160), rng.randrange(256))) for _ in range(10)]]
        for _ in range(60)
    ]


def fuzz_surface(seconds, work):
    """Programs of calls, from a seed on; one that fails is made smaller, and printed."""
    calls = all_calls()
    seed = first = random.SystemRandom().getrandbits(32)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        program = a_program(seed, len(calls))
        finding = run(calls, program)
        if finding:
            program = smaller(program, lambda shorter: (run(calls, shorter) or [None])[0] == finding[0])
            print(f"seed {seed}: {finding[0]}\n{finding[1]}")
            for number, choices in program:
                print(f"  {calls[number].name} {choices}")
            print(json.dumps(program))
            return False
        seed += 1
    print(f"{seed - first} programs of 60 calls from seed {first} on: no finding")
    return True


FUZZERS = {"lock": fuzz_lock, "arena": fuzz_arena, "surface": fuzz_surface}


def main():
    parser = argparse.ArgumentParser(prog="python -m fuzz.campaign", description=__doc__.split("\n")[0])
    parser.add_argument("seconds", type=int, help="for each")
    parser.add_argument("--only", default=",".join(FUZZERS), help="which, by commas")
    parser.add_argument(
        "--keep", action="store_true", help="write what was found worth keeping to the corpus"
    )
    options = parser.parse_args()
    status = 0
    with tempfile.TemporaryDirectory(prefix="pyfutex-fuzz-") as name:
        work = Path(name)
        os.environ["PYTHONPATH"] = str(HERE.parent)
        for fuzzer in options.only.split(","):
            print(f"--- {fuzzer}", flush=True)
            has_corpus = corpora.file_of(fuzzer).exists()
            if has_corpus:
                corpora.unpack(fuzzer, work / fuzzer)
            try:
                if not FUZZERS[fuzzer](options.seconds, work):
                    status = 1
            except Missing as error:
                print(error, file=sys.stderr)
                status = 1
            if has_corpus and options.keep:
                corpora.pack(fuzzer, work / fuzzer)
    return status


if __name__ == "__main__":
    sys.exit(main())
