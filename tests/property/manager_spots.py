"""Where and with what the managers and their model are called: words, memories, kinds of key, values."""

from typing import NamedTuple

from hypothesis import strategies as st
from model import ANY, ModelManager, encode_op

from pyfutex import ALL, KeyKind, Manager

WORDS = (0, 4, 4092)
DEAD_TID = 6
MOST_MANAGERS = 3

values = st.sampled_from([0, 1, 2, 0x7FFF_FFFF, 0x8000_0000, ANY])
bitsets = st.sampled_from([ANY, ANY, 1, 2, 3, 1 << 31])
counts = st.sampled_from([1, 1, 2, 2, 3, ALL, 2**40, 0])
signed_counts = st.sampled_from([1, 1, 2, 2, 3, 4, 0, ALL, 2**40, -1])
tids = st.integers(1, DEAD_TID)
priorities = st.sampled_from([0, 0, 0, 1, 2, 99])
operands = st.sampled_from([0, 1, 2, 33, 0x7FF, 0x800, 0xFFF])
operations = st.builds(
    encode_op, st.integers(0, 4) | st.integers(0, 15), operands, st.integers(0, 5) | st.integers(0, 15), operands
)  # fmt: skip
notices = st.sampled_from(["call", "queue", "descriptor"])


class Spot(NamedTuple):
    """A word, through a memory, in a manager; or, if `aim` is given, where that waiter of the queued ones waits."""

    aim: int | None
    index: int = 0
    memory: str = "plain"
    addr: int = 0
    private: bool | None = None


class Place(NamedTuple):
    """A spot resolved: both managers, and the key that the rule for kinds gives the word."""

    real: Manager
    model: ModelManager
    memory: str
    addr: int
    private: bool | None
    key: tuple


aimed = st.integers(0, 9).map(Spot)
anywhere = st.builds(
    Spot,
    st.none(),
    st.integers(0, MOST_MANAGERS - 1),
    st.sampled_from(["plain", "mapped"]),
    st.sampled_from(WORDS),
    st.sampled_from([None, None, True, False]),
)
spots = aimed | aimed | aimed | anywhere
other_spots = anywhere | anywhere | aimed
reach = {
    KeyKind.PRIVATE: ("plain", True),
    KeyKind.SHARED_PRIVATE: ("plain", False),
    KeyKind.SHARED_MAPPABLE: ("mapped", False),
}
