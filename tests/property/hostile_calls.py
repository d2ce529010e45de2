"""What hostile guests do: system calls with any registers, and memory filled with what those calls read."""

from typing import NamedTuple

from hypothesis import strategies as st

INT_MAX = 0x7FFF_FFFF
N_SPOTS = 24


class Spot(NamedTuple):
    """An address: the `index`-th of a world's, and so many bytes further."""

    index: int
    offset: int


class Wide(NamedTuple):
    """A field of 64 bits, of a number or a spot."""

    value: int | Spot


class Pointer(NamedTuple):
    """A field as wide as a register."""

    value: int | Spot


class Call(NamedTuple):
    """A system call of a task, or what its emulator does with it."""

    name: str
    arguments: tuple


def flattened(rows):
    return [field for row in rows for field in row]


def call(name, *arguments):
    return st.builds(Call, st.just(name), st.tuples(*arguments))


offsets = st.sampled_from([0, 0, 0, 0, 4, 8, 16, 24, 48, 64, 128, -4, -8, 1, 2, 3, -1, -3, -24, 252])
spots = st.builds(Spot, st.integers(0, N_SPOTS - 1), offsets)
# In the first region of a world, or in its third, which one kind of world has to be read alone.
near = st.builds(Spot, st.sampled_from([0, 0, 0, 2]), st.sampled_from([0, 0, 4, 8, 24, 48, 64]))
edges = st.sampled_from(
    [0, 1, 4, 8, 128, INT_MAX, 2**31, 2**32 - 4, 2**32 - 1, 2**32,
     2**47 - 4096, 2**47 - 4095, 2**47, 2**63 - 1, 2**63, 2**64 - 8, 2**64 - 4, 2**64 - 1, 2**70, -1, -4]
)  # fmt: skip
addresses = near | near | spots | spots | edges | st.integers(0, 2**64 - 1)
plain_words = st.sampled_from([0, 0, 0, 0, 1, 2, 3, 0x8000_0000, 0x8000_0001, 0x4000_0002, 0xFFFF_FFFF])
words = plain_words | plain_words | plain_words | edges | st.integers(0, 2**32 - 1)
counts = st.sampled_from([0, 1, 1, 2, 3, INT_MAX, -1, 2**31, 2**32 - 1, 2**32 + 1])
bitsets = st.sampled_from([0xFFFF_FFFF, 0xFFFF_FFFF, 1, 2, 0, 2**32, 2**32 + 1, -1])
clocks = st.sampled_from([0, 1, 1, 2, 2**32 + 1, -1])
deadlines = st.just(0) | addresses
operations = st.builds(
    int.__or__, st.integers(0, 13), st.sampled_from([0, 0, 128, 128, 128, 256, 384])
) | st.sampled_from([14, 15, 127, 512, 513, 2**31, 2**32, 2**32 + 128, -1])
wake_ops = st.integers(0, 2**32 - 1)
flags = st.sampled_from([2, 2, 130, 130, 130, 6, 134, 10, 142, 0, 1, 3, 18, 2**31 | 2, 2**32 | 130, -1])

wides = st.builds(Wide, addresses)
timespecs = st.tuples(
    st.builds(Wide, st.sampled_from([0, 1, 2**33, 2**63, -1, 2**63 - 1])),
    st.builds(Wide, st.sampled_from([0, 1, 999_999_999, 10**9, 2**32, -1])),
)
entries = st.tuples(st.builds(Wide, words), wides, flags, st.sampled_from([0, 0, 0, 1]))
heads = st.tuples(st.builds(Pointer, addresses), st.builds(Pointer, addresses), st.builds(Pointer, addresses))
fillings = (
    st.lists(words, min_size=1, max_size=8)
    | timespecs.map(list)
    | st.lists(entries, min_size=1, max_size=3).map(flattened)
    | heads.map(list)
    | st.lists(st.builds(Pointer, spots), min_size=1, max_size=6)
)

# What is likely to be right, so that guests also get into queues, and meet there.
zeros = st.sampled_from([0, 0, 0, 0, 0, 0, 1, 0x8000_0001])
likely = st.builds(Spot, st.sampled_from([0, 0, 0, 0, 2]), st.sampled_from([0, 0, 0, 4, 8, 16]))
laid_at = st.builds(Spot, st.just(0), st.sampled_from([64, 64, 128, 256])) | spots
likely_operations = st.builds(int.__or__, st.integers(0, 13), st.sampled_from([0, 128, 128]))
likely_waits = st.builds(int.__or__, st.sampled_from([0, 6, 9, 11, 13]), st.sampled_from([0, 128, 128]))
likely_entries = st.tuples(
    st.builds(Wide, zeros), st.builds(Wide, likely), st.sampled_from([2, 130, 130, 6]), st.just(0)
)
likely_wait = call(
    "futex", likely, likely_waits, zeros, st.just(0), likely, st.sampled_from([1, 0xFFFF_FFFF])
)
likely_call = call(
    "futex", likely, likely_operations, zeros | counts, st.just(0) | counts, likely, zeros | bitsets
)
calls = st.one_of(
    *[likely_wait, likely_call] * 2,
    # A call whose pointer, the argument of that index, leads to what it reads.
    call("laid", laid_at, timespecs.map(list), st.sampled_from(["futex", "futex_time64"]), st.just(3),
         st.tuples(likely, likely_waits, zeros, st.just(0), likely, st.just(1))),
    call("laid", laid_at, st.lists(likely_entries, min_size=3, max_size=3).map(flattened), st.just("futex_waitv"),
         st.just(0), st.tuples(st.just(0), st.integers(1, 4), st.just(0), st.just(0), st.just(1))),
    call("laid", laid_at, st.lists(likely_entries, min_size=2, max_size=2).map(flattened), st.just("futex_requeue"),
         st.just(0), st.tuples(st.just(0), st.just(0), counts, counts)),
    call("futex", addresses, operations, words, addresses | counts | st.just(0), addresses, words | wake_ops),
    call("futex", near, operations, plain_words, counts | st.just(0), near, plain_words),
    call("futex_time64", addresses, operations, words, deadlines, addresses, words | bitsets),
    call("futex_wake", addresses, bitsets, counts, flags),
    call("futex_wait", addresses, words, bitsets, flags, deadlines, clocks),
    call("futex_requeue", addresses, st.sampled_from([0, 0, 0, 1]), counts, counts),
    call("futex_waitv", addresses, st.sampled_from([1, 1, 2, 3, 10, 128, 129, 0, 2**32 + 1, -1]),
         st.sampled_from([0, 0, 0, 1, 2**32]), deadlines, clocks),
    call("set_robust_list", addresses, st.sampled_from([24, 24, 12, 12, 0, 2**32 + 24, -1])),
    call("get_robust_list", st.just(0), near, near),
    call("get_robust_list", st.sampled_from([0, 1, 2, 3, 9, 2**31, -1]), addresses, addresses),
    call("set_tid_address", addresses),
    call("restart_syscall"),
    call("interrupt", st.sampled_from([4, 4, 110, 1, 4095]), st.booleans()),
    call("exit"),
    call("fill", addresses, fillings),
    call("fill", near, fillings),
    # A ring of so many nodes from a spot on, each followed by the word of an owner; then it is the robust list.
    call("ring", spots, st.integers(0, 6), st.sampled_from([0, 8, 8, 4, 1, -8, 2**63]), plain_words, st.booleans()),
    call("ring", laid_at, st.integers(1, 3), st.just(8), st.just(0), st.just(True)),
    call("unmap", spots),
)  # fmt: skip
