"""A guest may do anything: no Python exception comes of it, and it gets to no memory but its own."""

import signal

import pytest

SEEDS = range(120)
CALLS = 100
SCRATCH, SCRATCH_SIZE = 0x7F00_0000_0000, 1 << 16

# Numbers at which something begins or ends.
EDGES = (0, 1, 2, 8, 16, 24, 64, 128, 4096, 2**31, 2**32 - 1, 2**47 - 4096, 2**63, 2**64 - 8, 2**64 - 1)
# Calls that end the guest are made less often, so that others follow.
ENDING = {15, 60, 62, 200, 231, 234}


@pytest.fixture
def machine_of(guests):
    from unicorn_guest.elf import read_elf
    from unicorn_guest.machine import Machine

    def make(data, seed=0):
        return Machine(read_elf(data), [b"guest"], seed=seed, output=lambda fd, data: None)

    return make


def argument(machine, rng):
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice(EDGES)
    if kind == 1:
        return rng.choice((SCRATCH, machine.heap_start - 4096, 0x7F00_3FFF_EFF8)) + 4 * rng.randrange(64)
    return rng.getrandbits(6 if kind == 2 else 64)


def call_at_random(machine, rng):
    from unicorn_guest import calls

    number = rng.choice(list(calls.TABLE))
    if number in ENDING and rng.random() < 0.9:
        return
    thread = rng.choice(list(machine._ready))
    machine._enter(thread)
    if machine.exit_status is not None:
        return
    thread.call = number
    result = calls.serve(machine, thread, number, [argument(machine, rng) for _ in range(6)])
    assert result is None or -4096 < result < 2**64
    machine.clock.advance(rng.choice((100, 10**6, 10**10)))


def test_system_calls_with_any_arguments(guests, machine_of, rng):
    from unicorn_guest.memory import Fault

    data = guests.build("hello", "gcc").read_bytes()
    for seed in SEEDS:
        machine = machine_of(data, seed)
        machine.memory.map(SCRATCH, SCRATCH_SIZE, 3)
        for _ in range(CALLS):
            if machine.exit_status is not None or not machine._ready:
                break
            try:
                machine.memory.write(SCRATCH, rng.randbytes(1024))
            except Fault:
                pass  # a call before has unmapped it
            call_at_random(machine, rng)


def test_instructions_of_any_kind(guests, machine_of, rng):
    from unicorn_guest.elf import read_elf
    from unicorn_guest.machine import Deadlock

    data = guests.build("hello", "gcc").read_bytes()
    image = read_elf(data)
    text = next(segment for segment in image.segments if segment.prot & 4)
    start = data.index(text.data)
    for _ in SEEDS:
        changed = bytearray(data)
        for _ in range(rng.randrange(1, 40)):
            changed[start + rng.randrange(len(text.data))] = rng.randrange(256)
        machine = machine_of(bytes(changed))
        try:
            for _ in range(100):
                if machine.exit_status is not None:
                    break
                machine.step()
        except Deadlock:
            pass  # it made threads of its own that way


@pytest.mark.parametrize(
    ("code", "signo"),
    [
        ("0f0b", signal.SIGILL),
        ("cc", signal.SIGTRAP),
        ("31c9f7f1", signal.SIGFPE),
        ("8b042500000000", signal.SIGSEGV),  # reads address 0
        ("48b800000000000080ff488b00", signal.SIGSEGV),  # reads where the host's kernel would be
        ("c6042500104000", signal.SIGSEGV),  # writes to its own text
        ("bc00000000c3", signal.SIGSEGV),  # returns without a stack
    ],
)
def test_a_fault_ends_the_guest_by_its_signal(guests, machine_of, code, signo):
    from unicorn_guest.elf import read_elf

    data = bytearray(guests.build("hello", "gcc").read_bytes())
    image = read_elf(bytes(data))
    text = next(segment for segment in image.segments if segment.prot & 4)
    at = data.index(text.data) + image.entry - text.addr
    instructions = bytes.fromhex(code)
    data[at : at + len(instructions)] = instructions
    machine = machine_of(bytes(data))
    assert machine.run() == 128 + signo
    assert machine.killed_by.signo == signo
    assert len(machine.manager) == 0
