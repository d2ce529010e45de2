"""Connections of queues: a message of which whoever wrote or read it left only a part is found out.

A message is one packet or several of a SOCK_SEQPACKET socket, and the kernel hands over a packet whole or not at all. Each
packet says whether a message begins with it, so that whoever reads finds the next message again in any case:

- packets that begin no message: whoever took its first one died. They are skipped, and it is told once.
- a beginning where more was to come: whoever wrote the message died, or gave up. That is told once.
- nothing where more was to come: the same, as soon as nobody holds the writers' lock, which is looked at again and again.
"""

from __future__ import annotations

import errno
import io
import multiprocessing.context as context
import os
import socket
import struct
from multiprocessing import connection, reduction
from typing import TYPE_CHECKING, Any

from pyfutex.sync.errors import TornMessage

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyfutex.sync.processes.locks import WholeRLock

# Of a packet: whether a message begins with it, and how many bytes of the message come after it.
HEAD = struct.Struct("=?Q")
WHOLE = HEAD.pack(True, 0)
MOST_BYTES = 65536
SEND_BUFFER_BYTES = 1 << 20
LOOK_AGAIN_SECONDS = 0.05


class _End(connection.Connection):
    """One end of a channel, with the lock that is held by whoever writes."""

    def __init__(self, fd: int, writing: WholeRLock, *, readable: bool = True, writable: bool = True) -> None:
        super().__init__(fd, readable=readable, writable=writable)
        self._writing = writing

    def __reduce__(self) -> tuple[Callable[..., _End], tuple[Any, ...]]:
        context.assert_spawning(self)
        return _inherited, (type(self), reduction.DupFd(self.fileno()), self._writing)


def _inherited(end: type[Reader | Writer], fd: Any, writing: WholeRLock) -> _End:
    return end(fd.detach(), writing)


class Writer(_End):
    """Where messages are put in. Several threads and processes may do so at the same time."""

    def __init__(self, fd: int, writing: WholeRLock) -> None:
        super().__init__(fd, writing, readable=False)

    def _send_bytes(self, buf: Any) -> None:
        fd = self.fileno()
        message = memoryview(buf)
        left = len(message) - MOST_BYTES
        try:
            with self._writing:
                if left <= 0:
                    os.writev(fd, (WHOLE, message))
                    return
                os.writev(fd, (HEAD.pack(True, left), message[:MOST_BYTES]))
                while left > 0:
                    part = message[-left:][:MOST_BYTES]
                    left -= len(part)
                    os.writev(fd, (HEAD.pack(False, left), part))
        except ConnectionResetError:
            # What a socket says where a pipe says EPIPE.
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from None


class Reader(_End):
    """Where messages come out. One thread at a time may take them."""

    def __init__(self, fd: int, writing: WholeRLock) -> None:
        super().__init__(fd, writing, writable=False)

    def _recv_bytes(self, maxsize: int | None = None) -> io.BytesIO | None:
        is_first, left, part = self._take()
        if not is_first:
            while left and self._goes_on():
                _, left, _ = self._take()
            raise TornMessage(errno.EBADMSG, "a process died while it took a message; the message is lost")
        if maxsize is not None and len(part) + left > maxsize:
            return None
        message = io.BytesIO()
        message.write(part)
        while left:
            if not self._goes_on():
                raise TornMessage(
                    errno.EBADMSG,
                    f"a process died while it sent a message; its last {left} bytes are missing",
                )
            _, left, part = self._take()
            message.write(part)
        return message

    def peek_bytes(self, n_bytes: int) -> bytes:
        """The first bytes of the next message, which stays; waits for one. EOFError, TornMessage: as `recv_bytes`."""
        packet = self._peek(HEAD.size + n_bytes)
        if packet and not HEAD.unpack_from(packet)[0]:
            self._recv_bytes()
        if not packet:
            raise EOFError
        return packet[HEAD.size :]

    def _take(self) -> tuple[bool, int, memoryview]:
        packet = os.read(self.fileno(), HEAD.size + MOST_BYTES)
        if not packet:
            raise EOFError
        is_first, left = HEAD.unpack_from(packet)
        return is_first, left, memoryview(packet)[HEAD.size :]

    def _goes_on(self) -> bool:
        """Wait for the next packet: whether it belongs to the same message."""
        while not self.poll(LOOK_AGAIN_SECONDS):
            if self._writing.acquire(block=False):
                try:
                    # It may have been sent since we looked.
                    if not self.poll():
                        return False
                finally:
                    self._writing.release()
        head = self._peek(HEAD.size)
        return bool(head) and not HEAD.unpack(head)[0]

    def _peek(self, n_bytes: int) -> bytes:
        borrowed = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, self.fileno())
        try:
            if borrowed.gettimeout() is not None:  # socket.setdefaulttimeout has been called
                borrowed.setblocking(True)
            return borrowed.recv(n_bytes, socket.MSG_PEEK)
        finally:
            borrowed.detach()


def channel(writing: WholeRLock) -> tuple[Reader, Writer]:
    """Two ends: what is sent through the one is received from the other. Writers hold `writing` meanwhile."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(True)
    # As much as the system lets: each packet counts for hundreds of bytes at least.
    ends[1].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    return Reader(ends[0].detach(), writing), Writer(ends[1].detach(), writing)
