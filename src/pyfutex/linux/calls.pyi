from pyfutex.linux.task import Task

def futex(
    task: Task,
    uaddr: int,
    op: int,
    val: int,
    timeout: int = 0,
    uaddr2: int = 0,
    val3: int = 0,
    /,
) -> int | None: ...
def futex_time64(
    task: Task,
    uaddr: int,
    op: int,
    val: int,
    timeout: int = 0,
    uaddr2: int = 0,
    val3: int = 0,
    /,
) -> int | None: ...
def restart_syscall(task: Task, /) -> int | None: ...
def set_tid_address(task: Task, pointer: int, /) -> int: ...
def set_robust_list(task: Task, head: int, length: int, /) -> int: ...
def get_robust_list(task: Task, pid: int, head_pointer: int, length_pointer: int, /) -> int: ...
