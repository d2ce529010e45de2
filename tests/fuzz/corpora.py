"""Inputs that a fuzzer found worth keeping: a line of hexadecimal digits each, in one file a fuzzer."""

from pathlib import Path

HERE = Path(__file__).parent / "corpus"
# So that the tests, which try all of them, stay short.
MOST = 200


def file_of(name):
    return HERE / f"{name}.txt"


def read(name):
    """The inputs of a fuzzer."""
    return [bytes.fromhex(line) for line in file_of(name).read_text().split()]


def unpack(name, directory):
    """A file each, as libFuzzer has them."""
    directory.mkdir(parents=True, exist_ok=True)
    for i, data in enumerate(read(name)):
        (directory / f"{i}").write_bytes(data)


def pack(name, directory):
    """Keep what a directory has, the shortest inputs first."""
    inputs = {path.read_bytes().hex() for path in directory.iterdir()} - {""}
    kept = sorted(inputs, key=lambda text: (len(text), text))[:MOST]
    file_of(name).write_text("".join(f"{text}\n" for text in kept))
