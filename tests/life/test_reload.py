"""The package loaded a second time: importlib.reload, and an import after its modules were deleted from sys.modules.

What is compiled is loaded once in a process, whatever is done to sys.modules; what is in Python must fit to it.
"""

import subprocess
import sys

import pytest

PRELUDE = """
import gc, importlib, mmap, os, sys
import pyfutex
import pyfutex.sync

def ours():
    return [name for name in sys.modules if name.partition(".")[0] == "pyfutex"]

def use():
    import pyfutex
    from pyfutex import sync
    from pyfutex.results import WaiterState
    from pyfutex.sync.errors import OwnerDied
    with pyfutex.Manager() as manager:
        memory, w = pyfutex.Memory(mmap.mmap(-1, mmap.PAGESIZE)), pyfutex.Waiter()
        assert manager.wait(memory, 0, 0, 0.001) is pyfutex.WaitResult.TIMEOUT
        assert manager.wait_prepare(w, memory, 0, 0) is None
        assert w.state is WaiterState.QUEUED
        assert type(manager.waiters()[0]) is pyfutex.WaiterInfo
        assert type(manager.requeue(memory, 0, 4)) is pyfutex.Requeued
        try:
            manager.wait(memory, 1, 0)
        except pyfutex.InvalidArgument:
            pass
    page = mmap.mmap(-1, mmap.PAGESIZE)
    lock = sync.Lock.create(page)
    pid = os.fork()
    if pid == 0:
        lock.acquire()
        os._exit(0)
    os.waitpid(pid, 0)
    try:
        lock.acquire()
    except sync.OwnerDied as error:
        assert type(error) is OwnerDied
        lock.consistent()
        lock.release()
    with sync.Arena.create_nameless() as arena:
        with arena.lock("one"):
            pass

"""


AGAIN = {
    "the package reloaded": "importlib.reload(pyfutex)",
    "all packages reloaded": "importlib.reload(pyfutex)\nimportlib.reload(pyfutex.sync)",
    "compiled modules reloaded": "importlib.reload(pyfutex.manager)\nimportlib.reload(pyfutex.sync.lock)",
    "deleted and imported": "for name in ours():\n    del sys.modules[name]",
    "deleted, forgotten and imported": (
        "for name in ours():\n    del sys.modules[name]\ndel pyfutex, name\ngc.collect()"
    ),
    "the package alone deleted and imported": "del sys.modules['pyfutex']",
    "sync alone deleted and imported": "for name in ours():\n    if '.sync' in name:\n        del sys.modules[name]",
}


@pytest.mark.parametrize("how", AGAIN)
def test_it_works_when_loaded_again(how):
    again = f"{AGAIN[how]}\nimport pyfutex, pyfutex.sync\nuse()\n"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"{PRELUDE}use()\n{again}{again}print('works')"],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "works\n", "")
