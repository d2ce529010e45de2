"""Kernel: two processes over shared memory."""

import mmap
import os
import signal

from pyfutex import Memory, WaitResult


def test_two_processes_meet_on_shared_memory(kernel, wait_until):
    page = Memory(mmap.mmap(-1, mmap.PAGESIZE))
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(20)
            page.store(4, 1)
            result = kernel.wait(page, 0, 0)
            os._exit(result is not WaitResult.WOKEN)
        finally:
            os._exit(9)
    wait_until(lambda: page.load(4) == 1)
    assert kernel.wake(page, 0, private=True) == 0
    wait_until(lambda: kernel.wake(page, 0) == 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
