"""A C function as `on_wake`: a capsule that names itself "pyfutex.on_wake"."""

import ctypes
import errno

import pytest

from pyfutex import AddressSpace, CompletionQueue, Waiter

NAME = b"pyfutex.on_wake"
Callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int)

new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.restype = ctypes.py_object
new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
set_context = ctypes.pythonapi.PyCapsule_SetContext
set_context.argtypes = [ctypes.py_object, ctypes.c_void_p]


@pytest.fixture
def called():
    """What the C function was called with, so far; and a capsule of it with a given context."""
    calls = []
    function = Callback(lambda context, result: calls.append((context, result)))

    def capsule(context, name=NAME):
        made = new_capsule(ctypes.cast(function, ctypes.c_void_p).value, name, None)
        set_context(made, context)
        return made

    return calls, capsule


def test_is_called_with_its_context_and_the_result(manager, memory, called):
    calls, capsule = called
    w = Waiter(capsule(4711))
    assert manager.wait_prepare(w, memory, 0, 0) is None
    assert manager.wake(memory, 0) == 1
    assert calls == [(4711, 0)]


def test_result_of_a_vector_is_its_index(manager, memory, called):
    calls, capsule = called
    w = Waiter(capsule(1))
    assert manager.waitv_prepare(w, [(memory, 0, 0), (memory, 4, 0), (memory, 8, 0)]) is None
    assert manager.wake(memory, 4) == 1
    assert calls == [(1, 1)]


def test_result_may_be_an_error(manager, called):
    calls, capsule = called
    space = AddressSpace()
    space.map(0x1000, bytearray(4096))
    w = Waiter(capsule(2))
    assert manager.lock_pi_prepare(Waiter(), space, 0x1000, tid=1) == 0
    assert manager.lock_pi_prepare(w, space, 0x1000, tid=2) is None
    space.unmap(0x1000, 4096)
    manager.owner_exit(1)
    assert calls == [(2, -errno.EFAULT)]


def test_runs_from_a_completion_queue(manager, memory, called):
    calls, capsule = called
    queue = CompletionQueue()
    w = Waiter(capsule(3), queue=queue)
    assert manager.wait_prepare(w, memory, 0, 0) is None
    assert manager.wake(memory, 0) == 1
    assert calls == []
    assert queue.run() == 1
    assert calls == [(3, 0)]


def test_a_capsule_of_another_name_is_refused(called):
    _, capsule = called
    with pytest.raises(TypeError, match=r"pyfutex\.on_wake"):
        Waiter(capsule(0, b"something else"))
