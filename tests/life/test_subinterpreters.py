"""Subinterpreters: the package is for one interpreter of a process, and says so; what lies in memory is for all of them.

Each program is a process of its own, since whichever interpreter imports the package first has it for good.
"""

import subprocess
import sys

import pytest

PRELUDE = """
import sys, threading
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

def create(gil):
    if sys.version_info >= (3, 13):
        return interpreters.create("isolated" if gil == "own" else "legacy")
    return interpreters.create(isolated=gil == "own")

def run(interpreter, code):
    # What it raised, as text; None: nothing. Up to 3.12 it is raised here.
    try:
        raised = interpreters.run_string(interpreter, code)
    except Exception as error:
        return str(error)
    return raised and raised.formatted

"""
GILS = ["shared", pytest.param("own", marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="one GIL"))]
MODULES = ["pyfutex", "pyfutex.sync", "pyfutex.manager", "pyfutex.sync.lock", "pyfutex._core.family"]


def program(body):
    """Run a program; its exit status, and what it wrote."""
    command = [sys.executable, "-W", "ignore", "-c", PRELUDE + body]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("gil", GILS)
@pytest.mark.parametrize("module", MODULES)
def test_a_subinterpreter_beside_one_that_has_it_is_refused(gil, module):
    status, said = program(
        f"import {module}, pyfutex, pyfutex.sync\n"
        f"i = create({gil!r})\n"
        f"for _ in range(2):\n    print(run(i, 'import {module}'))\n"
        "interpreters.destroy(i)\n"
        "with pyfutex.sync.Lock():\n    print('works')\n"
    )
    refusals, _, works = said.strip().rpartition("\n")
    assert (status, works) == (0, "works"), said
    assert refusals.count("ImportError") == 2, said
    assert "can only be loaded into one interpreter" in said or "does not support loading" in said


def test_a_subinterpreter_with_its_own_gil_is_refused_though_it_is_the_first():
    if sys.version_info < (3, 12):
        pytest.skip("one GIL")
    status, said = program(
        "i = create('own')\nprint(run(i, 'import pyfutex'))\ninterpreters.destroy(i)\n"
        "import pyfutex, pyfutex.sync\nprint('works')\n"
    )
    assert status == 0, said
    assert "does not support loading in subinterpreters" in said
    assert said.endswith("works\n")


def test_a_subinterpreter_with_the_shared_gil_that_is_the_first_has_it_alone():
    status, said = program(
        "i = create('shared')\n"
        "print(run(i, 'import pyfutex, pyfutex.sync\\nwith pyfutex.sync.Lock(): pass'))\n"
        "def is_refused():\n"
        "    try:\n        import pyfutex\n    except ImportError as error:\n        print(error)\n"
        "is_refused()\ninterpreters.destroy(i)\nis_refused()\n"
    )
    assert status == 0, said
    first, *refused = said.splitlines()
    assert first == "None"
    assert len(refused) == 2
    assert all("only be loaded into one interpreter per process" in line for line in refused)


# A word of the main interpreter, woken by a subinterpreter that has nothing but its address and the system call.
WAKE = """
sys.path[:] = {path}
import ctypes, mmap
from differential.kernel import SYS_FUTEX, WAKE
from sync.sleeping import sleeps_on, within
from pyfutex import Kernel, Memory

page = mmap.mmap(-1, mmap.PAGESIZE)
address = within(page).start
answers = []
t = threading.Thread(target=lambda: answers.append(Kernel().wait(Memory(page), 0, 0, private=False)))
t.start()
while not sleeps_on(t.native_id, within(page)):
    pass
i = create({gil!r})
print(run(i, f'''
import ctypes
assert ctypes.CDLL(None).syscall({{SYS_FUTEX}}, ctypes.c_void_p({{address}}), {{WAKE}}, 1) == 1
'''))
t.join()
print(answers[0].name)
interpreters.destroy(i)
"""


@pytest.mark.parametrize("gil", GILS)
def test_what_waits_in_one_interpreter_is_woken_by_another(gil):
    if gil == "own" and sys.version_info < (3, 13):
        pytest.skip("ctypes does not load there")
    assert program(WAKE.format(path=sys.path, gil=gil)) == (0, "None\nWOKEN\n")


# A daemon thread of a subinterpreter that waits while it is destroyed: fatal, whatever the lock.
DESTROY = """
import resource
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
i = create("shared")
print(run(i, '''
import threading, _thread
{make}
lock.acquire()
reached = _thread.allocate_lock()
reached.acquire()
def wait():
    reached.release()
    lock.acquire()
_thread.start_new_thread(wait, ())
reached.acquire()
'''), flush=True)
interpreters.destroy(i)
print("destroyed")
"""


def test_to_destroy_one_whose_thread_waits_is_what_it_is_with_the_interpreters_own_lock():
    ours = program(DESTROY.replace("{make}", "import pyfutex.sync\nlock = pyfutex.sync.Lock()"))
    theirs = program(DESTROY.replace("{make}", "lock = threading.Lock()"))
    assert ours[0] == theirs[0], ours[1] + theirs[1]
    assert ours[1].startswith("None\n")
    assert ours[1].splitlines()[:2] == theirs[1].splitlines()[:2]
