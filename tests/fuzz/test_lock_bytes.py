"""Shared locks over any bytes, in C: inputs that the fuzzer found worth keeping, and others at random."""

import shutil
import subprocess
from pathlib import Path

import fuzzing
import pytest
from fuzz import corpora

import pyfutex

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def replay(tmp_path_factory):
    """The harness as a program that reads inputs."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    program = tmp_path_factory.mktemp("fuzz") / "replay"
    sources = [HERE / "c" / name for name in ("lock_bytes.c", "replay.c")]
    options = ["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", f"-I{pyfutex.get_include()}"]
    subprocess.run([compiler, *options, *sources, "-o", program], check=True)
    return program


def try_all(program, inputs):
    text = "".join(f"{data.hex()}\n" for data in inputs)
    done = subprocess.run([program], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1000:]


def test_inputs_that_were_kept(replay):
    try_all(replay, corpora.read("lock"))


# What the fuzzer has found, before it was mended.
FOUND = {
    "links that are small multiples of four": "0526f904f9d60d",
    "links that lead to the lock itself": "0d26273a7a0a000000dc05ce000000dccece0a0af9cececeee",
}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found(replay, name):
    try_all(replay, [bytes.fromhex(FOUND[name])])


def test_actions_at_random(replay, rng):
    try_all(replay, [rng.randbytes(rng.randint(1, 200)) for _ in range(fuzzing.examples(2000))])
