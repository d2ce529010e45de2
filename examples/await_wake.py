import asyncio

from pyfutex import Futex, Manager, Memory, aio

manager = Manager()
memory = Memory(bytearray(128))
words = [manager.futex(memory, addr) for addr in (0, 64)]


async def nonzero(word: Futex) -> int:
    while word.load() == 0:
        await aio.wait(word, 0)
    return word.load()


async def main() -> None:
    tasks = [asyncio.create_task(nonzero(word)) for word in words]
    await asyncio.sleep(0)  # one turn of the loop, in which both tasks queue their waiters
    print(len(manager), "queued")
    for word, value in zip(words, (6, 7), strict=True):
        word.store(value)
        word.wake()  # from any thread
    print(await asyncio.gather(*tasks))


asyncio.run(main())
