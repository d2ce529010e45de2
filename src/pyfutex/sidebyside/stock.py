"""Qiling 1.4.6 as it is released: its table of futexes, and the one call without which glibc starts no thread on it."""

from qiling import Qiling
from qiling.const import QL_ARCH

from pyfutex.integrations.qiling.table import Waiting, owner_of

# What a thread of Qiling runs, outside the processor, while it waits on a futex.
WAITS = "_sched_wait_event"


def refuse_clone3(ql: Qiling) -> None:
    """Let clone3 give ENOSYS. Otherwise it leaves its own number in the register, which a C library takes for a thread."""
    enosys = 89 if ql.arch.type == QL_ARCH.MIPS else 38

    def clone3(ql: Qiling) -> int:
        return -enosys

    ql.os.set_syscall("clone3", clone3)


def stock_waiting(ql: Qiling) -> list[Waiting]:
    """Who is queued where in Qiling's own table, and who sleeps without being in it; in the order of thread ids."""
    threads = [thread for thread in ql.os.thread_management.threads if not thread.dead]
    alive = {thread.id for thread in threads}
    asleep = {thread.id for thread in threads if getattr(thread.sched_cb, "__name__", "") == WAITS}
    rows: dict[int, Waiting] = {}

    def load(addr: int) -> int | None:
        try:
            return int(ql.mem.read_ptr(addr, 4))
        except Exception:  # Unicorn's, whatever it is: the address is the guest's
            return None

    for word, queue in ql.os.futexm.wait_list.items():
        for _, thread, _ in queue.queue:
            owner = owner_of(word, load, alive)
            rows[thread.id] = Waiting(thread.id, "futex", word, load(word), owner)
    for tid in asleep - rows.keys():
        rows[tid] = Waiting(tid, "futex", None, None, None)
    return [rows[tid] for tid in sorted(rows)]


def stock_exit_status(ql: Qiling) -> int:
    """The exit status of a program that has finished: Qiling keeps that of a multithreaded one with its first thread."""
    return int(getattr(ql.os.thread_management.main_thread, "exit_code", 0)) & 0xFF
