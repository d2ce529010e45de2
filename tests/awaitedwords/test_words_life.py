"""Awaited words when their loop closes, their process forks, or the interpreter ends: nothing leaks, nothing hangs."""

import asyncio
import gc
import os
import subprocess
import sys
import threading

import pytest
from awaitedwords.awaiting import started, until
from awaitedwords.conftest import WAYS
from forking import c_fork, os_fork, run_in_child

from pyfutex import Kernel, WaitResult
from pyfutex.aio import Words

KERNEL = Kernel()
AT_EXIT = """
import asyncio
from pyfutex import Memory
from pyfutex.aio import Words

memory = Memory(bytearray(8))
loop = asyncio.new_event_loop()

async def body():
    global words, task
    words = Words(io_uring={io_uring})
    task = asyncio.create_task(words.wait(memory, 0, 0))
    await asyncio.sleep(0)
    print(words.waiting)

loop.run_until_complete(body())
"""


def descriptors():
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


def test_awaits_that_are_left_when_the_words_close_raise(run, memory):
    async def body(words):
        tasks = await started([words.wait(memory, 0, 0) for _ in range(3)], words)
        words.close()
        for error in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(error, RuntimeError)
            assert "closed" in str(error)
        with pytest.raises(RuntimeError, match="closed"):
            await words.wait(memory, 0, 0)
        words.close()
        assert KERNEL.wake(memory, 0) == 0

    run(body)


def test_a_wake_that_nobody_learns_of_any_more_is_passed_on(run, exact, memory):
    async def body(words):
        (task,) = await started([words.wait(memory, 0, 0)], words)
        with Words(io_uring=True) as others:
            (other,) = await started([others.wait(memory, 0, 0)], others)
            assert KERNEL.wake(memory, 0) == 1
            words.close()
            assert await other is WaitResult.WOKEN
        with pytest.raises(RuntimeError):
            await task

    run(body)


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
def test_a_loop_that_is_closed_with_awaits_leaves_nothing(way, memory):
    async def body():
        words = Words(io_uring=WAYS[way])
        tasks = await started([words.wait(memory, 4 * i, 0) for i in range(200)], words)
        return words, tasks

    def left_open():
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda *_: None)
        loop.run_until_complete(body())
        loop.close()

    left_open()
    gc.collect()
    before, threads = descriptors(), threading.active_count()
    for _ in range(5):
        left_open()
    gc.collect()
    assert descriptors() <= before
    assert threading.active_count() <= threads


def test_the_words_of_closed_loops_do_not_add_up(memory):
    async def body():
        assert await Words.running().wait(memory, 0, 1) is WaitResult.MISMATCH

    asyncio.run(body())
    before = descriptors()
    for _ in range(20):
        asyncio.run(body())
    assert descriptors() <= before + 1


def test_a_loop_goes_on_in_another_thread(way, memory, spawn):
    """What a thread asked of io_uring ends with the thread."""

    async def begin():
        words = Words(io_uring=WAYS[way])
        return words, await started([words.wait(memory, 4 * i, 0) for i in range(3)], words)

    async def go_on(words, first, second, third):
        memory.store(0, 1)
        await until(lambda: KERNEL.wake(memory, 0) or first.done())
        await until(lambda: KERNEL.wake(memory, 4))
        assert await first in {WaitResult.WOKEN, WaitResult.MISMATCH}
        assert await second is WaitResult.WOKEN
        third.cancel()
        assert await words.wait(memory, 0, 1, 0.001) is WaitResult.TIMEOUT
        assert third.cancelled()
        words.close()

    loop = asyncio.new_event_loop()
    words, tasks = spawn(loop.run_until_complete, begin()).result()
    loop.run_until_complete(go_on(words, *tasks))
    loop.close()


@pytest.mark.parametrize("fork", [os_fork, c_fork])
def test_the_child_of_a_fork_makes_its_own(run, memory, fork):
    async def body(words):
        async def anew():
            with Words(io_uring=words.engine == "io_uring") as own:
                assert await own.wait(memory, 0, 0, 0.001) is WaitResult.TIMEOUT
            assert Words.running() is not inherited
            assert await Words.running().wait(memory, 0, 1) is WaitResult.MISMATCH

        def child():
            with pytest.raises(RuntimeError, match="another process"):
                words._engine.begin(None, memory, 0, 0, None)
            asyncio.set_event_loop(None)
            asyncio._set_running_loop(None)
            asyncio.run(anew())
            words.close()

        inherited = Words.running()
        (task,) = await started([words.wait(memory, 0, 0)], words)
        run_in_child(fork, child)
        assert not task.done()
        await until(lambda: KERNEL.wake(memory, 0))
        assert await task is WaitResult.WOKEN

    run(body)


def test_the_interpreter_ends_with_awaits(way):
    done = subprocess.run(
        [sys.executable, "-c", AT_EXIT.format(io_uring=WAYS[way])],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.stdout == "1\n"
    assert done.returncode == 0, done.stderr
