"""An interpreter that ends while its threads sleep on semaphores, events, latches and what is being done once."""

import subprocess
import sys

import pytest

PROGRAM = """
import mmap, threading
from pyfutex import sync
from sync.sleeping import inside, sleeps_on, within

page = mmap.mmap(-1, 4096)
def until_asleep(primitive, method, *arguments):
    thread = threading.Thread(target=getattr(primitive, method), args=arguments, daemon=True)
    thread.start()
    while not sleeps_on(thread.native_id, inside(primitive), within(page)):
        pass
"""


@pytest.mark.parametrize(
    "last",
    [
        "until_asleep(sync.Semaphore(0), 'acquire')",
        "until_asleep(sync.Semaphore.create(page, value=0), 'acquire')",
        "until_asleep(sync.Event(), 'wait')",
        "until_asleep(sync.Event.create(page), 'wait')",
        "until_asleep(sync.Latch(1), 'wait')",
        "until_asleep(sync.Latch.create(page, count=1), 'wait')",
        "once = sync.Once(); once.call(lambda: until_asleep(once, 'call', int))",
        "once = sync.Once.create(page); once.call(lambda: until_asleep(once, 'call', int))",
    ],
)
def test_a_sleeping_daemon_thread_does_not_keep_the_interpreter(last):
    program = f"import sys; sys.path[:] = {sys.path!r}\n{PROGRAM}\n{last}\nprint('left')"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "left\n", "")
