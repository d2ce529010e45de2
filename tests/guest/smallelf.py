"""A static program of a few instructions, made by hand: what it needs is a loader that gets every header right."""

import struct

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
ET_EXEC, ET_DYN = 2, 3
PT_LOAD, PT_PHDR, PT_GNU_STACK = 1, 6, 0x6474E551
N_HEADERS = 4

PRINTED = b"ok\n"
STATUS = 42

TEXT = HEADER.size + N_HEADERS * PROGRAM_HEADER.size
DATA = 0x1000
BSS = 0x2000

# Adds 1 to a word of the bss 100 times, writes what the data segment has, and exits with a byte of it.
_CODE = bytes.fromhex(
    "b964000000"  # mov ecx, 100
    "ff05{bss}"  # inc dword [rip + bss]
    "ffc9"  # dec ecx
    "75f6"  # jnz to the inc
    "b801000000"  # mov eax, 1 (write)
    "bf01000000"  # mov edi, 1
    "488d35{data}"  # lea rsi, [rip + data]
    "ba03000000"  # mov edx, 3
    "0f05"  # syscall
    "0fb63d{status}"  # movzx edi, byte [rip + status]
    "b83c000000"  # mov eax, 60 (exit)
    "0f05".format(
        bss=struct.pack("<i", DATA + BSS - (TEXT + 11)).hex(),
        data=struct.pack("<i", DATA - (TEXT + 32)).hex(),
        status=struct.pack("<i", DATA + len(PRINTED) - (TEXT + 46)).hex(),
    )
)


def small_elf(kind=ET_EXEC):
    """The file: its text begins in the page of the headers, its data in the next, and a bss follows that.

    Parameters
    ----------
    kind : int
        ET_EXEC, at 4 MiB, or ET_DYN, wherever it is put.
    """
    base = 0x40_0000 if kind == ET_EXEC else 0
    data = PRINTED + bytes([STATUS])
    table = (
        (
            PT_PHDR,
            4,
            HEADER.size,
            base + HEADER.size,
            N_HEADERS * PROGRAM_HEADER.size,
            N_HEADERS * PROGRAM_HEADER.size,
            8,
        ),
        (PT_LOAD, 5, 0, base, TEXT + len(_CODE), TEXT + len(_CODE), 0x1000),
        (PT_LOAD, 6, DATA, base + DATA, len(data), BSS + 64, 0x1000),
        (PT_GNU_STACK, 6, 0, 0, 0, 0, 16),
    )
    file = HEADER.pack(
        b"\x7fELF\x02\x01\x01",
        kind,
        62,
        1,
        base + TEXT,
        HEADER.size,
        0,
        0,
        HEADER.size,
        PROGRAM_HEADER.size,
        N_HEADERS,
        0,
        0,
        0,
    )
    for segment, flags, offset, addr, in_file, in_memory, align in table:
        file += PROGRAM_HEADER.pack(segment, flags, offset, addr, addr, in_file, in_memory, align)
    return (file + _CODE).ljust(DATA, b"\0") + data
