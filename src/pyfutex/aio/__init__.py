"""Waiting in an event loop: coroutines that wait where threads do, on one descriptor a loop, without a thread.

For asyncio, and loops that plug into it. `pyfutex.aio.anyio` is for trio and whatever else anyio runs on,
`pyfutex.aio.gevent` for greenlets.
"""

from pyfutex.aio._awaits import wait, woken

__all__ = ["wait", "woken"]
