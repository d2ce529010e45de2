"""The memory of a recording: where there is none, and when it is given back."""

import mmap

import pytest

from pyfutex import _recording

MEGABYTE = 1 << 20
N_RECORDS = 1 << 18  # 18 MB


def n_bytes_mapped():
    """How much memory this process has mapped."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * mmap.PAGESIZE


def check_it_is_less_than(limit):
    """Whether memory was given back."""
    assert n_bytes_mapped() < limit


def test_a_recording_that_finds_no_memory_is_none():
    with pytest.raises(MemoryError):
        _recording.begin(1 << 45)
    _recording.begin(1)
    assert _recording.end() == ([], 0)


def test_its_memory_is_given_back_in_a_child_too(in_child):
    before = n_bytes_mapped()
    _recording.begin(N_RECORDS)
    recorded = n_bytes_mapped()
    assert recorded > before + 16 * MEGABYTE
    in_child(lambda: check_it_is_less_than(recorded - 16 * MEGABYTE))
    _recording.end()
    check_it_is_less_than(recorded - 16 * MEGABYTE)


def test_what_lies_where_a_recording_was_stays_there_in_a_child(in_child):
    _recording.begin(N_RECORDS)
    _recording.end()
    blocks = [mmap.mmap(-1, MEGABYTE) for _ in range(32)]
    in_child(lambda: [block[-1] for block in blocks])
