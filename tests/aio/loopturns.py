"""Giving way to a loop until others have come as far as a test wants them."""

import asyncio


async def turns(n):
    """Give way so many times."""
    for _ in range(n):
        await asyncio.sleep(0)


def asleep(primitive):
    """How many wait on the word of a primitive of `pyfutex.aio`, tasks and threads."""
    return len(primitive._word.engine.waiters(primitive._word.mem, 0))


async def until_asleep(primitive, n):
    """Give way until so many wait."""
    while asleep(primitive) != n:
        await asyncio.sleep(0)
