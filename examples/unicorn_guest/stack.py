"""What a program finds on its stack when it starts: arguments, environment, auxiliary vector."""

import random
import struct
from collections.abc import Sequence

from unicorn_guest.elf import Image
from unicorn_guest.memory import ARENA_SIZE, ARENA_START, PAGE, PROT_READ, PROT_WRITE, GuestMemory

STACK_SIZE = 8 << 20
STACK_TOP = ARENA_START + ARENA_SIZE

_AT_NULL, _AT_PHDR, _AT_PHENT, _AT_PHNUM, _AT_PAGESZ = 0, 3, 4, 5, 6
_AT_ENTRY, _AT_UID, _AT_EUID, _AT_GID, _AT_EGID = 9, 11, 12, 13, 14
_AT_HWCAP, _AT_CLKTCK, _AT_SECURE, _AT_RANDOM, _AT_EXECFN = 16, 17, 23, 25, 31


def build_stack(
    memory: GuestMemory, image: Image, argv: Sequence[bytes], environment: Sequence[bytes], rng: random.Random
) -> int:
    """Map the main thread's stack and fill its top.

    There is no vDSO, so that the C library asks for the time by system call.

    Parameters
    ----------
    memory : GuestMemory
        Of the guest.
    image : Image
        Of the program.
    argv, environment : sequence of bytes
        Without the closing zero bytes.
    rng : random.Random
        Where the sixteen random bytes come from.

    Returns
    -------
    int
        The stack pointer to start with.

    Raises
    ------
    ValueError
        Arguments and environment take more than half of the stack.
    """
    memory.map(STACK_TOP - STACK_SIZE, STACK_SIZE, PROT_READ | PROT_WRITE)
    strings = bytearray()
    offsets = []
    for string in (*argv, *environment):
        offsets.append(len(strings))
        strings += string + b"\0"
    random_at = len(strings)
    strings += rng.randbytes(16)
    if len(strings) + 16 * len(offsets) > STACK_SIZE // 2:
        raise ValueError("too many arguments for the stack")
    strings_at = (STACK_TOP - len(strings)) & -16
    addresses = [strings_at + offset for offset in offsets]
    vector = (
        (_AT_PHDR, image.program_headers),
        (_AT_PHENT, 56),
        (_AT_PHNUM, image.n_program_headers),
        (_AT_PAGESZ, PAGE),
        (_AT_ENTRY, image.entry),
        (_AT_UID, 0),
        (_AT_EUID, 0),
        (_AT_GID, 0),
        (_AT_EGID, 0),
        (_AT_HWCAP, 0),
        (_AT_CLKTCK, 100),
        (_AT_SECURE, 0),
        (_AT_RANDOM, strings_at + random_at),
        (_AT_EXECFN, addresses[0] if argv else 0),
        (_AT_NULL, 0),
    )
    words = [len(argv), *addresses[: len(argv)], 0, *addresses[len(argv) :], 0]
    for pair in vector:
        words += pair
    pointer = (strings_at - 8 * len(words)) & -16
    memory.write(strings_at, bytes(strings))
    memory.write(pointer, struct.pack(f"<{len(words)}Q", *words))
    return pointer
