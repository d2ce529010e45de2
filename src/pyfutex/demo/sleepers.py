"""Whether processes sleep, as the kernel tells."""

import contextlib
from collections.abc import Sequence
from pathlib import Path


def _sleeps_so_far(pid: int) -> int | None:
    """How often a process has gone to sleep, if it sleeps now; None: it does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
        if "\nState:\tS" in status:
            return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return None


def all_sleep(pids: Sequence[int]) -> bool:
    """Whether all of them sleep at one and the same moment."""
    # Who has not gone to sleep again between two looks has slept from the one to the other.
    before = [_sleeps_so_far(pid) for pid in pids]
    return None not in before and before == [_sleeps_so_far(pid) for pid in pids]
