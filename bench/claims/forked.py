"""Children of this process that play a part in a measurement."""

from __future__ import annotations

import os
import traceback
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def child(play: Callable[[], object]) -> Iterator[None]:
    """Let a forked process run `play` meanwhile; ChildProcessError if it failed.

    It has what the parent had, and leaves without clearing any of that up.
    """
    with warnings.catch_warnings():
        # Where the parent has threads, the watchdog's among them: a child may not wait for those, and none here does.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        status = 1
        try:
            play()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    yield
    _, waited = os.waitpid(pid, 0)
    if waited != 0:
        raise ChildProcessError(f"a child ended with status {waited}")
