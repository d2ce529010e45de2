"""C code without the GIL wakes tasks."""

import asyncio

from capi.capi import ANY, Table, Words

from pyfutex import Memory, WaitResult, aio


def test_a_wake_of_c_code_ends_an_await(run, manager, queued, spawn):
    async def main():
        tasks = [asyncio.create_task(aio.wait(word, 0)) for _ in range(3)]
        await queued(3)
        assert spawn(api.wake, api.manager_of(manager), place, 2, ANY).result() == 2
        first = await asyncio.gather(*tasks[:2])
        assert not tasks[2].done()
        assert api.wake(api.manager_of(manager), place, 1, ANY) == 1
        return [*first, await tasks[2]]

    api, memory = Table(), Memory(bytearray(64))
    word, place = manager.futex(memory, 0), Words(api).at(0)
    place.addr = memory.host_address
    assert run(main()) == [WaitResult.WOKEN] * 3
    assert manager.completions().empty()


def test_a_wake_of_c_code_that_a_cancelled_await_had_got_goes_to_the_next(run, manager, queued):
    async def main():
        first, second = (asyncio.create_task(aio.wait(word, 0)) for _ in range(2))
        await queued(2)
        assert api.wake(api.manager_of(manager), place, 1, ANY) == 1
        first.cancel()
        return await second, first.cancelled()

    api, memory = Table(), Memory(bytearray(64))
    word, place = manager.futex(memory, 0), Words(api).at(0)
    place.addr = memory.host_address
    assert run(main()) == (WaitResult.WOKEN, True)
