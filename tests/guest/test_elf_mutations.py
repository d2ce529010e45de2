"""A small program with its headers spoilt: refused with BadElf, or loaded and stopped after so many instructions.

PYFUTEX_FUZZ=100 in the environment runs a hundred times as many.
"""

import signal
import struct
from itertools import pairwise

import fuzzing
import pytest
from guest.smallelf import (
    ET_DYN,
    ET_EXEC,
    HEADER,
    N_HEADERS,
    PRINTED,
    PROGRAM_HEADER,
    STATUS,
    TEXT,
    small_elf,
)
from hypothesis import event, given, settings
from hypothesis import strategies as st

MOST_INSTRUCTIONS = 5000
MOST_OUTPUT = 1 << 20  # of one call of write(2)

fuzz = settings(max_examples=fuzzing.examples(200), deadline=None, print_blob=True)

# Fields by place and size.
HEADER_FIELDS = [(4, 1), (5, 1), (6, 1), (16, 2), (18, 2), (20, 4), (24, 8), (32, 8), (52, 2), (54, 2), (56, 2)]  # fmt: skip
PROGRAM_FIELDS = [(0, 4), (4, 4), (8, 8), (16, 8), (24, 8), (32, 8), (40, 8), (48, 8)]
FIELDS = HEADER_FIELDS + [
    (HEADER.size + i * PROGRAM_HEADER.size + at, size)
    for i in range(N_HEADERS)
    for at, size in PROGRAM_FIELDS
]
FILE_SIZE = len(small_elf())

EXTREMES = (
    0, 1, 2, 3, 4, 5, 6, 7, 56, 64, 65, 4095, 4096, 4097, 0x2000, FILE_SIZE - 1, FILE_SIZE, FILE_SIZE + 1,
    0xFFFF, 0x1_0000, 0x40_0000, 0x40_1000, 256 << 20, (256 << 20) + 1, 2**31, 2**32 - 1, 2**32,
    0x5555_5555_4000, 0x6FFF_FFFF_F000, 0x7000_0000_0000, 0x7F00_0000_0000, 2**47 - 4096, 2**63, 2**64 - 1,
    2**64 - 4096, 2**64 - 0x5555_5555_4000, 2**64 - 0x40_0000
)  # fmt: skip
numbers = st.sampled_from(EXTREMES)
changes = (
    st.tuples(st.just("set"), st.sampled_from(FIELDS), numbers)
    | st.tuples(st.just("add"), st.sampled_from(FIELDS), numbers | st.sampled_from([-1, -4096, -(2**32)]))
    | st.tuples(st.just("byte"), st.integers(0, TEXT - 1), st.integers(0, 255))
    | st.tuples(st.just("byte"), st.integers(TEXT, TEXT + 64), st.integers(0, 255))
    | st.tuples(st.just("cut"), st.integers(0, FILE_SIZE), st.none())
)


@pytest.fixture
def watchdog_seconds():
    """Enough for all examples, and to report the smallest."""
    return fuzzing.seconds(300)


def changed(file, change):
    """A file with one thing spoilt."""
    what, where, value = change
    if what == "cut":
        return file[:where]
    data = bytearray(file)
    if what == "byte":
        data[where : where + 1] = bytes([value])
    else:
        at, size = where
        old = int.from_bytes(file[at : at + size], "little") if what == "add" else 0
        data[at : at + size] = ((old + value) % 2 ** (8 * size)).to_bytes(size, "little")
    return bytes(data)


def run(image, output):
    """Run a program for so many instructions: its exit status, or how else that ended."""
    from unicorn_guest.elf import MAX_SPAN, PAGE
    from unicorn_guest.machine import HEAP_SIZE, Deadlock, Machine, OutOfInstructions
    from unicorn_guest.memory import ARENA_SIZE

    machine = Machine(
        image, [b"guest"], output=lambda fd, data: output.append(data), max_instructions=MOST_INSTRUCTIONS
    )
    reserved = sum(backing.end - backing.start for backing in machine.memory._backings)
    assert reserved <= ARENA_SIZE + MAX_SPAN + HEAP_SIZE + PAGE
    try:
        return machine.run()
    except (Deadlock, OutOfInstructions) as end:
        return type(end).__name__


@pytest.mark.parametrize("kind", [ET_EXEC, ET_DYN])
def test_the_program_as_it_is(kind):
    from unicorn_guest.elf import read_elf

    output = []
    assert run(read_elf(small_elf(kind)), output) == STATUS
    assert output == [PRINTED]


def test_an_endless_program_is_stopped():
    from unicorn_guest.elf import read_elf

    file = bytearray(small_elf())
    file[TEXT : TEXT + 2] = b"\xeb\xfe"
    assert run(read_elf(bytes(file)), []) == "OutOfInstructions"


def test_a_guest_that_sleeps_for_ever_beside_a_timer_is_stopped():
    """Alarms that nobody is told of come for ever, and no thread ever runs."""
    from unicorn_guest.elf import read_elf

    file = bytearray(small_elf())
    ignore = struct.pack("<4Q", 1, 0, 0, 0)  # a sigaction of SIG_IGN
    file[FILE_SIZE:] = ignore + struct.pack("<4q", 0, 1, 0, 1) + struct.pack("<I", 0)
    data = 0x40_1000 + 4
    # rt_sigaction(SIGALRM), setitimer(ITIMER_REAL), futex(word, FUTEX_WAIT, 0)
    calls = [(13, signal.SIGALRM, data, 0, 8), (38, 0, data + 32, 0, 0), (202, data + 64, 0, 0, 0)]
    code = b""
    for number, first, second, third, fourth in calls:
        code += b"\xb8" + struct.pack("<I", number) + b"\xbf" + struct.pack("<I", first)
        code += b"\xbe" + struct.pack("<I", second) + b"\xba" + struct.pack("<I", third)
        code += b"\x41\xba" + struct.pack("<I", fourth) + b"\x0f\x05"
    file[TEXT : TEXT + len(code)] = code
    header = HEADER.size + PROGRAM_HEADER.size
    struct.pack_into("<QQ", file, header + 32, TEXT + len(code), TEXT + len(code))
    struct.pack_into("<Q", file, header + PROGRAM_HEADER.size + 32, len(file) - 0x1000)
    assert run(read_elf(bytes(file)), []) == "OutOfInstructions"


def check(image):
    """Hold an image against what `read_elf` promises."""
    from unicorn_guest.elf import HIGHEST, LOWEST, MAX_SPAN

    assert image.segments[0].addr >= LOWEST
    assert image.segments[-1].addr + image.segments[-1].length <= HIGHEST
    assert image.end - image.start <= MAX_SPAN
    assert all(one.pages.stop <= other.pages.start for one, other in pairwise(image.segments))
    assert all(len(segment.data) <= segment.length for segment in image.segments)
    assert 0 <= image.program_headers < 2**64


def read_and_run(file):
    """How a file ends, if it is not refused."""
    from unicorn_guest.elf import BadElf, read_elf

    try:
        image = read_elf(file)
    except BadElf:
        return "refused"
    check(image)
    output = []
    status = run(image, output)
    assert status in ("Deadlock", "OutOfInstructions") or 0 <= status < 256
    assert sum(map(len, output)) <= MOST_INSTRUCTIONS * MOST_OUTPUT
    return status


@pytest.mark.parametrize("kind", [ET_EXEC, ET_DYN])
def test_each_field_at_each_extreme(kind):
    ends = {
        read_and_run(changed(small_elf(kind), ("set", field, number)))
        for field in FIELDS
        for number in EXTREMES
    }
    assert {"refused", STATUS} <= ends


@pytest.mark.parametrize(
    ("base", "end"),
    [
        (0xF000, "refused"),
        (0x1_0000, STATUS),
        (0x6FFF_FFFF_C000, STATUS),
        (0x6FFF_FFFF_D000, "refused"),
        (0x7F00_0000_0000, "refused"),
        (2**64 - 0x4000, "refused"),
    ],
)
def test_a_program_anywhere(base, end):
    file = bytearray(small_elf(ET_DYN))
    struct.pack_into("<H", file, 16, ET_EXEC)
    for at in (24, *(HEADER.size + i * PROGRAM_HEADER.size + 16 for i in range(N_HEADERS))):
        struct.pack_into("<Q", file, at, base + struct.unpack_from("<Q", file, at)[0])
    assert read_and_run(bytes(file)) == end


@pytest.mark.parametrize("kind", [ET_EXEC, ET_DYN])
@fuzz
@given(spoilt=st.lists(changes, min_size=1, max_size=5))
def test_spoilt_headers(kind, spoilt):
    file = small_elf(kind)
    for change in spoilt:
        file = changed(file, change)
    event(f"ends: {read_and_run(file)}")
