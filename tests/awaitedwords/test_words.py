"""Words of real memory, awaited: by io_uring, and by threads with futex_waitv."""

import asyncio
import mmap
import os
import threading
from errno import EFAULT

import pytest
from awaitedwords.awaiting import started, until
from forking import os_fork

from pyfutex import AddressSpace, InvalidArgument, Kernel, Memory, Target, WaitResult
from pyfutex.aio import Words

KERNEL = Kernel()
CHANGED = {WaitResult.WOKEN, WaitResult.MISMATCH}


def change(memory, addr=0):
    """Change a word, and wake all who wait for it."""
    memory.fetch_add(addr, 1)
    KERNEL.wake(memory, addr, 1 << 30)


def test_another_value_ends_the_wait_at_once(run, memory):
    async def body(words):
        assert await words.wait(memory, 0, 1) is WaitResult.MISMATCH
        assert words.waiting == 0

    run(body)


def test_a_wake_ends_it(run, memory):
    async def body(words):
        (task,) = await started([words.wait(memory, 0, 0)], words)
        while not KERNEL.wake(memory, 0):
            await asyncio.sleep(0)
        assert await task is WaitResult.WOKEN
        assert words.waiting == 0

    run(body)


def test_a_change_by_another_thread_ends_it(run, memory):
    async def body(words):
        (task,) = await started([words.wait(memory, 0, 0)], words)
        thread = threading.Thread(target=change, args=(memory,))
        thread.start()
        assert await task in CHANGED
        thread.join()

    run(body)


def test_a_change_by_another_process_ends_it(run, memory):
    async def body(words):
        (task,) = await started([words.wait(memory, 0, 0)], words)
        await asyncio.to_thread(in_process, lambda: change(memory))
        assert await task in CHANGED

    memory = Memory(mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS))
    run(body)


def in_process(call):
    """Fork a process that makes a call."""
    pid = os_fork()
    if pid == 0:
        call()
        os._exit(0)
    os.waitpid(pid, 0)


def test_private_operations_meet_private_ones(run, memory):
    async def body(words):
        (task,) = await started([words.wait(memory, 0, 0, private=True)], words)
        while not KERNEL.wake(memory, 0, private=True):
            assert KERNEL.wake(memory, 0) == 0
            await asyncio.sleep(0)
        assert await task is WaitResult.WOKEN

    run(body)


def test_a_timeout_ends_it(run, memory):
    async def body(words):
        assert await words.wait(memory, 0, 0, 0.001) is WaitResult.TIMEOUT
        assert await words.wait(memory, 0, 0, 0) is WaitResult.TIMEOUT
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await words.wait(memory, 0, 0)
        await until(lambda: words.waiting == 0)
        assert KERNEL.wake(memory, 0) == 0

    run(body)


def test_thousands_are_woken_at_once(run):
    async def body(words):
        tasks = await started((words.wait(memory, 4 * i, 0) for i in range(3000)), words)
        assert words.threads in {0, 24}
        for i in range(3000):
            change(memory, 4 * i)
        assert set(await asyncio.gather(*tasks)) <= CHANGED
        assert words.waiting == 0

    memory = Memory(bytearray(4 * 3000))
    run(body)


def test_what_is_woken_at_once_on_one_word_is_all_answered(run, memory):
    async def body(words):
        tasks = await started((words.wait(memory, 0, 0) for _ in range(300)), words)
        change(memory)
        assert set(await asyncio.gather(*tasks)) <= CHANGED

    run(body)


def test_bad_arguments_are_errors(run, memory):
    class Called(Target):
        def load(self, addr, size):
            return 0

    async def body(words):
        for bad, error in (
            ((memory, 2, 0), InvalidArgument),
            ((memory, 1 << 40, 0), OSError),
            ((memory, -4, 0), OSError),
            ((memory, 0, 1 << 32), OverflowError),
            ((memory, 0, 1.5), TypeError),
            ((Called(), 0, 0), TypeError),
            ((bytearray(8), 0, 0), TypeError),
        ):
            with pytest.raises(error):
                await words.wait(*bad)
        assert words.waiting == 0

    run(body)


def test_a_word_of_an_address_space_stays_mapped(run):
    async def body(words):
        space = AddressSpace()
        buffer = mmap.mmap(-1, mmap.PAGESIZE)
        space.map(0x1000, buffer)
        (task,) = await started([words.wait(space, 0x1000, 0)], words)
        space.unmap(0x1000, mmap.PAGESIZE)
        with pytest.raises(BufferError):
            buffer.close()
        task.cancel()
        await until(task.done)

    run(body)


def test_a_file_that_is_cut_off_is_an_error_and_no_signal(run, tmp_path):
    path = tmp_path / "words"
    path.write_bytes(bytes(mmap.PAGESIZE))
    with path.open("r+b") as file:
        memory = Memory(mmap.mmap(file.fileno(), mmap.PAGESIZE))

    async def body(words):
        (task,) = await started([words.wait(memory, 0, 0)], words)
        os.truncate(path, 0)
        with pytest.raises(OSError) as caught:
            await words.wait(memory, 4, 0)
        assert caught.value.errno == EFAULT
        task.cancel()
        await asyncio.wait([task])
        await until(lambda: words.waiting == 0)

    run(body)


def test_a_buffer_stays_exported_while_it_is_waited_on(run):
    async def body(words):
        buffer = bytearray(8)
        memory = Memory(buffer)
        (task,) = await started([words.wait(memory, 0, 0)], words)
        del memory
        with pytest.raises(BufferError):
            buffer.clear()
        task.cancel()
        await asyncio.wait([task])
        await until(lambda: words.waiting == 0)
        del task
        buffer.clear()

    run(body)


def test_the_words_of_a_loop_are_made_once():
    async def body():
        words = Words.running()
        assert Words.running() is words
        assert words.engine in {"io_uring", "futex_waitv"}
        return words

    first, second = asyncio.run(body()), asyncio.run(body())
    assert first is not second


def test_words_of_another_loop_are_refused(memory):
    async def made():
        return Words.running()

    async def use(words):
        await words.wait(memory, 0, 1)

    words = asyncio.run(made())
    with pytest.raises(RuntimeError, match="another event loop"):
        asyncio.run(use(words))


def test_without_a_loop_there_are_none():
    with pytest.raises(RuntimeError, match="no running event loop"):
        Words()
