"""Processes whose tasks take turns under a shared lock, beside one without a loop, are killed: all others go on."""

import asyncio
import os
import struct

import pytest
from awaitedwords.conftest import WAYS
from sync.conftest import fork, page

from pyfutex import sync
from pyfutex.aio import Words, shared

__all__ = ["fork", "page"]  # fixtures
KILLS = 12
TASKS = 3
ONE_AT, OTHER_AT, TORN_AT, TURNS_AT = 1024, 1032, 1040, 1048


def read(page, at):
    """A number in the page."""
    return struct.unpack_from("Q", page, at)[0]


def write(page, at, n):
    """Write one."""
    struct.pack_into("Q", page, at, n)


def turn(page, slot):
    """Two numbers that are equal become unequal, and equal again."""
    if read(page, ONE_AT) != read(page, OTHER_AT):
        write(page, TORN_AT, 1)
    write(page, ONE_AT, read(page, ONE_AT) + 1)
    os.sched_yield()
    write(page, OTHER_AT, read(page, ONE_AT))
    write(page, TURNS_AT + 8 * slot, read(page, TURNS_AT + 8 * slot) + 1)


def repaired(page, lock):
    """What is made good after a death."""
    write(page, OTHER_AT, read(page, ONE_AT))
    lock.consistent()


async def turns_of_tasks(page, lock, slot, io_uring):
    """As long as the process lives."""

    async def task():
        while True:
            try:
                await awaited.acquire()
            except sync.OwnerDied:
                repaired(page, awaited)
            turn(page, slot)
            awaited.release()
            await asyncio.sleep(0)

    awaited = shared.Lock(lock, words=Words(io_uring=io_uring))
    await asyncio.gather(*[task() for _ in range(TASKS)])


def turns_of_a_thread(page, lock, slot):
    """As long as the process lives."""
    while True:
        try:
            lock.acquire()
        except sync.OwnerDied:
            repaired(page, lock)
        turn(page, slot)
        lock.release()
        os.sched_yield()


@pytest.mark.stress
def test_who_survives_goes_on(way, page, fork, wait_until, rng):
    lock = sync.Lock.create(page)

    def start(slot):
        if slot == 0:
            return fork(lambda: turns_of_a_thread(page, lock, slot))
        return fork(lambda: asyncio.run(turns_of_tasks(page, lock, slot, WAYS[way])))

    def turns():
        return [read(page, TURNS_AT + 8 * slot) for slot in range(len(children))]

    children = [start(slot) for slot in range(3)]
    for _ in range(KILLS):
        before = turns()
        wait_until(lambda before=before: all(now > then for now, then in zip(turns(), before, strict=True)))
        slot = rng.randrange(len(children))
        children[slot].kill()
        children[slot] = start(slot)
    for child in children:
        child.kill()
    try:
        lock.acquire()
    except sync.OwnerDied:
        repaired(page, lock)
    lock.release()
    assert read(page, TORN_AT) == 0
