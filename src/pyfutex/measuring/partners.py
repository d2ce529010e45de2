"""Threads and processes that answer whoever measures."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Baton(Protocol):
    """What is given by one side and taken by the other: a lock that anybody may release, or a semaphore."""

    def acquire(self) -> object:
        """Take it."""

    def release(self) -> object:
        """Give it."""


def exchange(there: Baton, back: Baton, n: int) -> None:
    """Send one and get one, `n` times."""
    for _ in range(n):
        there.release()
        back.acquire()


@contextmanager
def answering_thread(answer: Callable[[], bool], ask: Callable[[], object]) -> Iterator[None]:
    """Have a thread call `answer` until it says that it is over; `ask` gets it there."""
    thread = threading.Thread(target=_repeat, args=(answer,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ask()
        thread.join()


def _repeat(answer: Callable[[], bool]) -> None:
    while answer():
        pass


@contextmanager
def echo_thread(there: Baton, back: Baton) -> Iterator[None]:
    """Have a thread give `back` whenever it gets `there`."""
    is_over = False

    def answer() -> bool:
        there.acquire()
        back.release()
        return not is_over

    def end() -> None:
        nonlocal is_over
        is_over = True
        there.release()

    with answering_thread(answer, end):
        yield


@contextmanager
def echo_process(there: Baton, back: Baton) -> Iterator[None]:
    """Have a process give `back` whenever it gets `there`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of other threads, which the child does not need
        child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, who then ends this one
            while True:
                there.acquire()
                back.release()
        finally:
            os._exit(1)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
