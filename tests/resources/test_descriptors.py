"""Nothing but k descriptors are free, for every k up to what is needed."""

import gc
import os
import resource
from errno import EMFILE

import pytest
from resources.operations import SYNC, World

from pyfutex import CompletionQueue, Waiter

NEEDS_DESCRIPTORS = {
    "Waiter.fileno": lambda world: world.queue(64).fileno,
    "CompletionQueue.fileno": lambda _: CompletionQueue().fileno,
    **{
        name: SYNC[name]
        for name in ("Arena.open", "Arena.create_nameless", "context Lock", "context SimpleQueue")
    },
}


def in_use():
    """How many descriptors are open."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


class FewDescriptors:
    """For the length of a `with`, only so many can be opened."""

    def __init__(self, n_free):
        self._n_free = n_free
        self._plugs = []

    def __enter__(self):
        self._limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(map(int, os.listdir("/proc/self/fd")))
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 32, self._limits[1]))
        while True:
            try:
                self._plugs.append(os.dup(0))
            except OSError:
                break
        for _ in range(self._n_free):
            os.close(self._plugs.pop())

    def __exit__(self, *exc):
        for plug in self._plugs:
            os.close(plug)
        resource.setrlimit(resource.RLIMIT_NOFILE, self._limits)


def attempt(name, n_free):
    """Whether so many free descriptors are enough."""
    world = World()
    call = NEEDS_DESCRIPTORS[name](world)
    before = world.state()
    with FewDescriptors(n_free):
        try:
            call()
            refused = None
        except OSError as error:
            refused = error.errno
    if refused is not None:
        assert refused == EMFILE
        assert world.state() == before
        call()
    del call
    world.end()
    return refused is None


@pytest.mark.parametrize("name", NEEDS_DESCRIPTORS)
def test_too_few_descriptors_are_an_error_that_changes_nothing_and_leaks_none(name):
    assert attempt(name, 16)
    before = in_use()
    n_free = 0
    while not attempt(name, n_free):
        n_free += 1
    assert n_free < 16
    assert in_use() == before
    assert name.startswith("context") or n_free > 0


def test_waiter_that_got_no_descriptor_is_woken_all_the_same(manager, memory):
    w = Waiter()
    assert manager.wait_prepare(w, memory, 64, 0) is None
    with FewDescriptors(0), pytest.raises(OSError):
        w.fileno()
    assert manager.wake(memory, 64) == 1
    assert w.woken
