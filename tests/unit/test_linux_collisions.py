"""Addresses chosen to meet in one bucket: chains stay short, and tables as large as who waits makes them.

The hash has a seed that a guest does not know. The control gives it the seed away.
"""

import json
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
from guests import Guest

import pyfutex
from pyfutex import linux
from pyfutex.linux import futex

N = 2000
# What 2,000 keys that were spread by chance would not reach.
LONGEST = 16
TOP = 1 << 47
GOLDEN = 0x9E3779B97F4A7C15


class Anywhere(pyfutex.Target):
    """Memory that is zero at every address."""

    def load(self, addr, size=4, /):
        return 0


def multiples(stride):
    return [stride * i % TOP & -4 for i in range(N)]


def bits(first):
    """All combinations of eleven neighbouring bits, which only those tell apart."""
    return [i << first for i in range(1 << 11)]


def inverse_multiples():
    """Where a multiplication by the golden ratio alone would give neighbouring numbers."""
    inverse = pow(GOLDEN, -1, 1 << 64)
    found = (a for i in range(1, 1 << 30) if (a := i * inverse % 2**64) % 4 == 0 and a < 2**64 - 4096)
    return list(islice(found, N))


def halves_alike():
    """Whose halves are the same, or cancel each other where they are added or folded."""
    return [half << 32 | half for half in range(0, 4 * N, 4)]


CHOSEN = {
    **{f"stride of {stride}": multiples(stride) for stride in (4, 60, 64, 4092, 4096, 1 << 20, (1 << 32) - 4, 1 << 34)},
    **{f"bits from {first}": bits(first) for first in (2, 12, 24, 36)},
    "multiples of the inverse": inverse_multiples(),
    "equal halves": halves_alike(),
}  # fmt: skip


def chain_of(addresses):
    """How the tables look when a task waits at each address."""
    guest = Guest(Anywhere(), address_limit=2**64 - 1)
    waiting = 0
    for tid, addr in enumerate(addresses, start=2):
        assert futex(guest.task(tid), addr, linux.FUTEX_WAIT_PRIVATE, 0) is None
        waiting += 1
    figures = guest.manager.stats()
    assert figures["keys"] == figures["waiters"] == waiting
    guest.manager.close()
    return figures


@pytest.mark.parametrize("name", CHOSEN)
def test_addresses_with_a_pattern_are_spread(name):
    figures = chain_of(CHOSEN[name])
    assert figures["longest_chain"] < LONGEST
    assert figures["table_bytes"] < 512 * figures["keys"]


# --- a guest that knows a seed ---

# As _core/key.pxd and _core/family.pyx have it, for a host that is given PYFUTEX_HASH_SEED.
MASK = (1 << 64) - 1


def folded(a, b):
    product = a * b
    return (product ^ product >> 64) & MASK


def hash_of(addr, space, seed):
    seed_space = folded(seed ^ 0x243F6A8885A308D3, GOLDEN)
    seed_offset = folded(seed ^ 0x13198A2E03707344, 0xD1B54A32D192ED03)
    return folded(addr ^ seed_offset, space ^ seed_space) * GOLDEN & MASK


def colliding(seed, space, n):
    """Addresses whose hashes begin with the same eleven bits."""
    return list(islice((addr for addr in range(0, 1 << 40, 4) if hash_of(addr, space, seed) >> 53 == 0), n))


def figures_with_seed(seed, addresses):
    """What `chain_of` finds in a process whose hash has this seed."""
    script = (
        "import json, sys\n"
        "from unit.test_linux_collisions import chain_of\n"
        "print(json.dumps(chain_of(json.loads(sys.stdin.read()))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(addresses),
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "PYFUTEX_HASH_SEED": str(seed)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def space_of_a_first_target():
    """The serial of a process's first target, its kind and its width, as a key packs them."""
    return 1 << 4 | 2


def test_addresses_that_collide_under_another_seed_do_not_under_this_one():
    addresses = colliding(1, space_of_a_first_target(), 100)
    control, spread = figures_with_seed(1, addresses), figures_with_seed(2, addresses)
    assert spread["longest_chain"] < LONGEST / 2
    # Whoever knows the seed gets a long chain, and that is all: no table grows because of it.
    assert control["longest_chain"] > 2 * LONGEST
    assert control["table_bytes"] <= 16 * spread["table_bytes"]
