"""A program file may be anything: it is refused with one clear error, or run inside its own memory."""

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HEADERS = 64 + 56 * 12


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"#!/bin/sh\n", bytes(4096), b"\x7fELF" + bytes(60)])
def test_what_is_no_program_is_refused(data):
    from unicorn_guest.elf import BadElf, read_elf

    with pytest.raises(BadElf):
        read_elf(data)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, HEADERS), st.integers(0, 255)), min_size=1, max_size=6))
def test_changed_headers_are_refused_or_loaded(guests, changes):
    from unicorn_guest.elf import BadElf, read_elf

    data = bytearray(guests.build("hello", "gcc").read_bytes())
    for place, value in changes:
        data[place] = value
    with contextlib.suppress(BadElf):
        read_elf(bytes(data))
