"""An arena that was written over is refused, or raises EBADMSG, or is of use: in a bounded time; nothing else is touched.

The inputs that the fuzzer found worth keeping, each field set to each of some numbers, and changes at random.
"""

import struct

import fuzzing
import pytest
from fuzz import corpora
from fuzz.arena_bytes import good_arena, load, places, try_one, use
from sync.programs import ended, forked

# Set, or with 0x20 added to; 64 bits, and 32 bits at the beginning and in the middle.
HOW = (3, 2, 18, 0x23, 0x22, 0x32)
NUMBERS = (0, 1, 2, 64, 255, 1 << 16, 1 << 31, 1 << 40, (1 << 64) - 1, (1 << 64) - 64)
CHANGING = struct.pack("<HBQ", 6, 2, 1)


def in_a_child(inputs):
    """Try them in a process of its own: what it takes from an arena that is gone must not outlive it."""

    def child():
        sync = load()
        good = good_arena(sync)
        for data in inputs(good):
            try:
                try_one(sync, good, data)
            except BaseException:
                print("input:", data.hex())
                raise

    with forked(child) as pid:
        assert ended(pid) == 0


def test_inputs_that_were_kept():
    in_a_child(lambda good: corpora.read("arena"))


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("changing", [b"", CHANGING], ids=["whole", "to be repaired"])
def test_a_field_of_any_number(how, changing):
    def inputs(good):
        for where in range(len(places(good))):
            number = NUMBERS[where % len(NUMBERS)]
            # The first fields have all numbers, the others one each.
            for value in NUMBERS if where < 24 else [number]:
                yield struct.pack("<HBQ", where, how, value) + changing

    in_a_child(inputs)


def test_changes_at_random(rng):
    in_a_child(lambda good: (rng.randbytes(11 * rng.randint(1, 6)) for _ in range(fuzzing.examples(300))))


def test_a_good_one_is_of_use_whole():
    """The control: nothing of what the fuzz does is refused where nothing was changed."""
    failures = []

    def child():
        import os

        from fuzz import arena_bytes

        arena_bytes.check = failures.append
        sync = load()
        good = good_arena(sync)
        fd = os.memfd_create("good")
        os.write(fd, good)
        use(sync, fd)
        assert failures == []

    with forked(child) as pid:
        assert ended(pid) == 0
