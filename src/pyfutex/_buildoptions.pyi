from typing import Final, Literal

PARKING: Final[Literal["futex", "pthread"]]  # how threads of one process sleep
KERNEL: Final[bool]  # whether there is what needs the futexes of a Linux kernel
