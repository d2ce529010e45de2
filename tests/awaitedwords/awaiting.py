"""What the tests of awaited words have in common: states of a loop that can be seen."""

import asyncio
import time

SECONDS = 20


async def until(predicate):
    """Let the loop run until an observable state holds."""
    give_up = time.monotonic() + SECONDS
    while not predicate():
        assert time.monotonic() < give_up, f"{predicate} did not hold within {SECONDS} s"
        await asyncio.sleep(0)


async def started(coroutines, words):
    """Their tasks, once each of them waits."""
    before = words.waiting
    tasks = [asyncio.create_task(each) for each in coroutines]
    await until(lambda: words.waiting == before + len(tasks))
    return tasks


async def crowded(coroutines, words):
    """Their tasks, once one of them waits, and the others have it wait for them."""
    before = words.waiting
    tasks = [asyncio.create_task(each) for each in coroutines]
    await until(lambda: words.waiting)
    for _ in range(3):
        await asyncio.sleep(0)
    assert words.waiting == before + 1
    return tasks
