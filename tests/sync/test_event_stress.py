"""Events between processes, where nothing but the word orders what they do."""

import struct

import pytest
from stress.crew import scaled

from pyfutex import sync

pytestmark = [
    pytest.mark.stress,
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def test_what_a_process_wrote_before_set_is_seen_by_one_that_clears_first(page, all_succeed):
    event, last, at = sync.Event.create(page), scaled(20000), 256

    def produce():
        for n in range(1, last + 1):
            struct.pack_into("I", page, at, n)
            event.set()
        return True

    def consume():
        while True:
            event.wait()
            event.clear()
            if struct.unpack_from("I", page, at)[0] == last:
                return True

    all_succeed(produce, consume)


def test_processes_that_set_for_each_other_both_go_on(page, all_succeed):
    ping, pong, rounds = sync.Event.create(page), sync.Event.create(page, 64), scaled(5000)

    def go_on(mine, other, goes_first):
        for n in range(rounds):
            if n or not goes_first:
                mine.wait()
                mine.clear()
            other.set()
        return True

    all_succeed(lambda: go_on(ping, pong, True), lambda: go_on(pong, ping, False))
    assert ping.is_set()
    assert not pong.is_set()
