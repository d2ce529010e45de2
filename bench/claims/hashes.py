"""How the hash spreads addresses over buckets, beside others: the fullest bucket, and the keys that a search meets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from measure import ALLOWED_CPUS, Plan, Row, pinned, timed
from pyfutex_floor import hashes
from subjects import Figure, Measurements, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

GROUP = f"hash, {hashes.BUCKETS:,} buckets"
KEYS = 10_000
STACK_TOP = 0x7F80_0000_0000
STACK = 0x80_1000  # 8 MiB and a guard page: what glibc maps for a thread
LOCAL = 0x6C0  # from the top of a stack to a local variable of the thread's function
STRIDES = range(4, 8193, 4)

# Families of addresses, by how many there are.
FAMILIES: dict[str, Callable[[int], Sequence[int]]] = {
    "malloc(40)": lambda n: hashes.allocated(n, 40),
    "thread stacks": lambda n: [STACK_TOP - i * STACK - LOCAL for i in range(n)],
    "cache lines": lambda n: range(0x10000, 0x10000 + n * 64, 64),
    "pages": lambda n: range(0x10000, 0x10000 + n * 4096, 4096),
    "stride 4092": lambda n: range(0x10000, 0x10000 + n * 4092, 4092),
}


def figure(subject: str, who: str, value: float, unit: str, note: str = "") -> Figure:
    """A figure without a spread."""
    row = Row(
        group=GROUP,
        name=f"{subject}, {who}",
        best=value,
        median=value,
        low=value,
        high=value,
        unit=unit,
        note=note,
    )
    return Figure(subject, who, row)


def of_family(family: str, who: str, plan: Plan) -> Iterator[Figure]:
    """Of one family: the fullest bucket, and how many keys a search for another of its addresses meets."""
    n = plan.size(KEYS)
    fullest, met = hashes.spread(who, FAMILIES[family](n))
    yield figure(f"{family}: fullest bucket", who, fullest, "keys")
    yield figure(f"{family}: met by a search", who, met, "keys", f"even: {n / hashes.BUCKETS:.1f}")


def of_strides(who: str, plan: Plan) -> Iterator[Figure]:
    """Of all strides: the worst, and how many meet twice as many keys as there would be if they were even."""
    n = plan.size(KEYS)
    strides = STRIDES[:: 64 if plan.smoke else 1]
    found = hashes.spread_of_strides(who, strides, n)
    limit = 2 * max(1.0, n / hashes.BUCKETS)
    where = f"strides {STRIDES[0]} to {STRIDES[-1]:,}"
    worst = max(range(len(found)), key=lambda i: found[i][1])
    yield figure(f"{where}: fullest bucket", who, max(fullest for fullest, _ in found), "keys")
    yield figure(
        f"{where}: met by a search, worst", who, found[worst][1], "keys", f"of stride {strides[worst]}"
    )
    bad = sum(met > limit for _, met in found)
    yield figure(f"{where}: over twice the even", who, bad, "strides", f"of {len(found):,}")


def cost() -> Subject:
    """Hashing one address."""
    return Subject(
        name="hash of an address, no GIL",
        contenders=lambda: {
            who: timed(lambda n, who=who: hashes.run(who, n))  # type: ignore[misc]
            for who in hashes.HASHES
        },
        base="pyfutex",
        calls=50_000,
    )


def measure(plan: Plan) -> Iterator[Row]:
    """Yield the spread of each family under each hash, then what a hash costs."""
    for who in hashes.HASHES:
        for family in FAMILIES:
            for each in of_family(family, who, plan):
                yield each.row
        for each in of_strides(who, plan):
            yield each.row
    with pinned(ALLOWED_CPUS[-1]):
        yield from Measurements(plan).of(cost()).rows()
