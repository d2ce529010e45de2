"""Hash quality, packing, and wake_op's arithmetic, against plain Python."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

arithmetic = pytest.importorskip("pyfutex_native.arithmetic", reason="pyfutex-native-tests is not installed")

WORD = st.integers(0, 2**32 - 1)
LONG = st.integers(0, 2**64 - 1)
SEEDS = [
    (0x9E3779B97F4A7C15, 0x6A09E667F3BCC908),
    (0x243F6A8885A308D3, 0x13198A2E03707344),
    (0xB7E151628AED2A6A, 0xBF7158809CF4F3C7),
]
PRIVATE, SHARED_PRIVATE, SHARED_MAPPABLE = range(3)


def test_sizes_that_are_promised():
    sizes = arithmetic.sizes()
    assert sizes["key"] == 16
    assert sizes["bucket"] == 16
    assert sizes["waiter"] <= 112


def poisson_tail(load, at_least):
    """Probability that a bucket of a good hash holds so many keys."""
    return 1 - sum(math.exp(-load) * load**k / math.factorial(k) for k in range(at_least))


def check_spread(histogram, n_keys, n_buckets):
    """The histogram looks like that of a random function: no bucket too long, the variance near the mean."""
    load = n_keys / n_buckets
    longest = next(k for k in range(2, 100) if n_buckets * poisson_tail(load, k) < 1e-4)
    assert len(histogram) - 1 < longest, f"a bucket of {len(histogram) - 1} keys at load {load:.2f}"
    variance = sum(count * (k - load) ** 2 for k, count in enumerate(histogram)) / n_buckets
    assert variance / load < 1 + 6 * math.sqrt(2 / n_buckets)


@pytest.mark.parametrize("seed", SEEDS, ids=["phi", "pi", "e"])
@pytest.mark.parametrize("kind", [PRIVATE, SHARED_PRIVATE, SHARED_MAPPABLE])
@pytest.mark.parametrize("stride", [4, 8, 64, 4092, 4096, 4100, 1 << 16, 1 << 21, 1 << 32])
def test_addresses_of_any_stride_spread(stride, kind, seed):
    n, log2 = 1 << 16, 16
    histogram = arithmetic.chain_lengths(kind, 7, 0, 0x7F00_0000_0000, stride, n, log2, *seed)
    check_spread(histogram, n, 1 << log2)


@pytest.mark.parametrize("seed", SEEDS, ids=["phi", "pi", "e"])
@pytest.mark.parametrize("log2", [6, 10, 20])
def test_spread_at_every_table_size(log2, seed):
    n = 1 << log2
    histogram = arithmetic.chain_lengths(PRIVATE, 7, 0, 0x1000, 4, n, log2, *seed)
    check_spread(histogram, n, 1 << log2)


@pytest.mark.parametrize("step", [1, 3, 1 << 20])
def test_one_address_in_many_spaces_spreads(step):
    histogram = arithmetic.chain_lengths(SHARED_MAPPABLE, 1, step, 0, 0, 1 << 16, 16, *SEEDS[0])
    check_spread(histogram, 1 << 16, 1 << 16)


def test_seeds_change_the_bucket():
    places = {arithmetic.hashed(0x10, 0x1000, *seed) >> 32 for seed in SEEDS}
    assert len(places) == len(SEEDS)


@given(serial=st.integers(0, 2**60 - 1), kind=st.integers(0, 2), log2_size=st.integers(0, 3), offset=LONG)
def test_key_packs_and_unpacks(serial, kind, log2_size, offset):
    assert arithmetic.pack(serial, kind, log2_size, offset) == (kind, serial, offset)


@given(LONG, LONG, LONG, LONG)
def test_keys_match_when_both_words_do(space, offset, space2, offset2):
    assert arithmetic.equal(space, offset, space, offset)
    assert arithmetic.equal(space, offset, space2, offset2) == ((space, offset) == (space2, offset2))


@given(hashed=LONG, table=st.integers(1, 2**24 - 1))
def test_location_keeps_the_high_bits_and_the_table(hashed, table):
    low = 1 << arithmetic.location_shift()
    assert arithmetic.located(hashed, table) == (hashed // low * low, table)


def signed(value, bits):
    """Two's complement."""
    return value - (1 << bits) if value >> (bits - 1) & 1 else value


def model(op, old):
    """wake_op by the manual page: (operand, new value, comparison or None), or None for an unknown operation."""
    operation, shifted, cmp = op >> 28 & 7, op >> 31, op >> 24 & 15
    oparg, cmparg = signed(op >> 12 & 0xFFF, 12), signed(op & 0xFFF, 12)
    if shifted:
        oparg = 1 << (oparg & 31)
    if operation > 4:
        return None
    new = (oparg, old + oparg, old | oparg, old & ~oparg, old ^ oparg)[operation] & 0xFFFF_FFFF
    was = signed(old, 32)
    held = (
        (was == cmparg, was != cmparg, was < cmparg, was <= cmparg, was > cmparg, was >= cmparg)[cmp]
        if cmp < 6
        else None
    )
    return oparg & 0xFFFF_FFFF, new, held


@given(op=WORD, old=WORD)
def test_wake_op_computes_what_the_manual_says(op, old):
    expected, got = model(op, old), arithmetic.wake_op(op, old)
    if expected is None:
        assert got is None
        return
    operand, new, held = expected
    assert got == (operand, new, new, old, held)


@pytest.mark.parametrize("timeout", [2**63 - 1, 2**63 - 2, 2**62])
def test_deadlines_saturate(timeout):
    ahead = arithmetic.deadline_ns(timeout)
    assert ahead is None or ahead > time.monotonic_ns()
    assert (ahead is None) == (timeout > 2**62)


def test_deadline_is_on_the_monotonic_clock():
    before = time.monotonic_ns()
    ahead = arithmetic.deadline_ns(1_000_000)
    assert before + 1_000_000 <= ahead <= time.monotonic_ns() + 1_000_000
