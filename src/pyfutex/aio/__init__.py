"""Awaiting, in asyncio event loops."""

from pyfutex.aio._awaits import woken
from pyfutex.aio._words import Words, why_no_ring

__all__ = ["Words", "why_no_ring", "woken"]
