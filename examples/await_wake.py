import asyncio

from pyfutex import Manager, Memory, Waiter

manager = Manager()
memory = Memory(bytearray(128))


async def nonzero(addr: int) -> int:
    waiter = Waiter()
    while memory.load(addr) == 0:
        if manager.wait_prepare(waiter, memory, addr, 0) is None:
            await waiter
    return memory.load(addr)


async def main() -> None:
    tasks = [asyncio.create_task(nonzero(addr)) for addr in (0, 64)]
    await asyncio.sleep(0)  # one turn of the loop, in which both tasks queue their waiters
    print(len(manager), "queued")
    for addr, value in ((0, 6), (64, 7)):
        memory.store(addr, value)
        manager.wake(memory, addr)
    print(await asyncio.gather(*tasks))


asyncio.run(main())
