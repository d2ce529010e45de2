"""The file of an arena: made whole before it has a name, mapped once for as large as it may become, grown in place.

What is mapped is never touched before it is known to have memory behind it: a full file system is an error, and no SIGBUS.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import stat
import struct
import weakref
from errno import EDQUOT, EEXIST, EINVAL, EISDIR, ENAMETOOLONG, ENOENT, ENOSPC, EOPNOTSUPP
from typing import TYPE_CHECKING

from pyfutex.memory import Memory
from pyfutex.sync._directory import ALLOCATED_AT, FIRST_AT, UNIT, Directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

MAGIC = b"pfarena\0"
LAYOUT_VERSION = 1
ORDER = 0x01020304
HEAD = struct.Struct("=8sIIQQQ")

SHARED_MEMORY = "/dev/shm"
PREFIX = "pyfutex-"

MOST_BYTES = 1 << 36
GRAIN = 1 << 16  # a multiple of every page size
STEP = 1 << 22  # what it grows by at most, if less is enough

MADV_POPULATE_WRITE = 23  # the mmap module lacks it


def path_of(name: str | os.PathLike[str]) -> str:
    """The path of an arena: a name without a slash is one in shared memory.

    Raises
    ------
    ValueError
        The name is empty, a dot or two, or has a zero character.
    OSError
        ENAMETOOLONG.
    """
    given = os.fspath(name)
    if not isinstance(given, str):
        raise TypeError("the name of an arena is a str or a path of one")
    if "\0" in given or given in ("", ".", ".."):
        raise ValueError(f"not a name of an arena: {given!r}")
    if "/" in given or not isinstance(name, str):
        return os.path.abspath(given)
    if len(os.fsencode(PREFIX + given)) > 255:
        raise OSError(ENAMETOOLONG, os.strerror(ENAMETOOLONG), given)
    return f"{SHARED_MEMORY}/{PREFIX}{given}"


class ArenaFile:
    """A mapped arena.

    Attributes
    ----------
    path : str
        Its path when it was opened, or what tells a descriptor's.
    fd : int
    map : mmap
        All that it may become.
    memory : Memory
        The same, whose addresses are bytes from its beginning.
    """

    def __init__(self, fd: int, path: str, maximum: int) -> None:
        self.fd = fd
        self.path = path
        self.maximum = maximum
        self.map = mmap.mmap(fd, maximum)
        self.memory = Memory(self.map)
        self._populated = 0

    def _owning(self) -> Self:
        """Own the descriptor from now on: it is closed with this object, if not before; also if this raises."""
        try:
            self._close_descriptor = weakref.finalize(self, os.close, self.fd)
        except BaseException:
            os.close(self.fd)
            raise
        self._close_descriptor.atexit = False
        return self

    # --- making ---

    @classmethod
    def create(cls, path: str, maximum: int, mode: int) -> ArenaFile:
        """Make an arena, and give it its name when it is whole. FileExistsError: something has that name."""
        directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # A name that is taken is mostly seen here; the link below is what decides.
            if os.path.lexists(path):
                raise FileExistsError(EEXIST, os.strerror(17), path)
            with _nameless(directory, path) as (fd, temporary):
                os.fchmod(fd, mode)
                made = cls._made(fd, path, maximum)
                # Named by a directory, or os.link would not follow the link of /proc.
                os.link(
                    temporary or f"/proc/self/fd/{fd}",
                    os.path.basename(path),
                    src_dir_fd=directory,
                    dst_dir_fd=directory,
                    follow_symlinks=True,
                )
            return made._owning()
        finally:
            os.close(directory)

    @classmethod
    def create_nameless(cls, label: str, maximum: int) -> ArenaFile:
        """Make an arena that is passed on as a descriptor, and cannot be truncated."""
        fd = os.memfd_create(label, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            made = cls._made(fd, f"memfd:{label}", maximum)
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        except BaseException:
            os.close(fd)
            raise
        return made._owning()

    @classmethod
    def _made(cls, fd: int, path: str, maximum: int) -> ArenaFile:
        if not GRAIN <= maximum <= MOST_BYTES:
            raise ValueError(f"the maximum must be from {GRAIN:,} to {MOST_BYTES:,} bytes")
        maximum = -(-maximum // GRAIN) * GRAIN
        os.ftruncate(fd, maximum)
        os.posix_fallocate(fd, 0, GRAIN)
        made = cls(fd, path, maximum)
        made.map[: HEAD.size] = HEAD.pack(MAGIC, LAYOUT_VERSION, ORDER, maximum, GRAIN, FIRST_AT)
        made.populate()
        Directory(made).format()  # nobody else has it
        return made

    # --- finding ---

    @classmethod
    def attach(cls, path: str) -> ArenaFile:
        """Map the arena of this name. FileNotFoundError; ValueError: that is no arena, or one of another layout."""
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
        if os.path.dirname(path) == SHARED_MEMORY:
            flags |= os.O_NOFOLLOW  # anybody may put a link there
        return cls.attach_fd(os.open(path, flags), path)

    @classmethod
    def attach_fd(cls, fd: int, path: str) -> ArenaFile:
        """Map the arena that a descriptor is of, which is this object's from now on, and closed if that fails."""
        try:
            made = cls(fd, path, checked_size(fd, path))
            made.populate()
        except BaseException:
            os.close(fd)
            raise
        return made._owning()

    # --- growing ---

    @property
    def allocated(self) -> int:
        """How many bytes have memory."""
        return self.memory.load64(ALLOCATED_AT)

    def grow(self, end: int) -> None:
        """Allocate memory up to `end` at least. OSError (ENOSPC): there is none. Requires: the directory's lock."""
        if end > self.maximum:
            raise OSError(ENOSPC, f"the arena is full: {self.maximum:,} bytes are its maximum", self.path)
        old = self.allocated
        least = min(-(-end // GRAIN) * GRAIN, self.maximum)
        good = min(max(least, old + min(old, STEP)), self.maximum)
        try:
            new = self._allocate(old, good)
        except OSError as error:
            if error.errno not in (ENOSPC, EDQUOT) or least == good:
                raise
            new = self._allocate(old, least)
        self._populate(old, new)
        self.memory.store64(ALLOCATED_AT, new)
        self._populated = new

    def _allocate(self, start: int, end: int) -> int:
        try:
            os.posix_fallocate(self.fd, start, end - start)
        except OSError as error:
            error.filename = self.path
            raise
        return end

    def populate(self) -> None:
        """Have all that is allocated in this process's page table. OSError (ENOSPC): it cannot be had."""
        allocated = self.allocated
        if allocated > self._populated:
            self._populate(self._populated, allocated)
            self._populated = allocated

    def _populate(self, start: int, end: int) -> None:
        start -= start % mmap.PAGESIZE
        try:
            self.map.madvise(MADV_POPULATE_WRITE, start, end - start)
        except OSError as error:
            if error.errno != EINVAL:
                raise OSError(
                    ENOSPC,
                    "the arena's memory cannot be had: its file system is full, or it was cut off",
                    self.path,
                ) from error
            # Before Linux 5.14. To touch it would be to risk the SIGBUS; what has as many blocks as bytes has no holes.
            # SEEK_HOLE does not tell: what was allocated and not yet written is a hole to it.
            if os.fstat(self.fd).st_blocks * 512 < end:
                raise OSError(
                    ENOSPC, "the arena's file has holes, for which memory may be missing", self.path
                ) from None

    # --- ending ---

    def close(self) -> None:
        """Close its descriptor, and unmap it, or leave that to the last object of this process that lies in it."""
        mapping = self.map
        del self.memory, self.map
        with contextlib.suppress(BufferError):
            mapping.close()
        self._close_descriptor()

    def abandon(self) -> None:
        """Be done with it where an exception that is on its way still shows its memory, which is unmapped later."""
        self._close_descriptor()

    def is_at(self, path: str) -> bool:
        """Whether this is the file that has a name now."""
        try:
            return os.path.samestat(os.stat(path), os.fstat(self.fd))
        except FileNotFoundError:
            return False


def checked_size(fd: int, path: str) -> int:
    """The maximum of the arena that a descriptor is of; what is no arena raises ValueError, and is not mapped."""
    about = os.fstat(fd)
    if stat.S_ISDIR(about.st_mode):
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR), path)
    if not stat.S_ISREG(about.st_mode):
        raise ValueError(f"{path} is not a file")
    head = os.pread(fd, HEAD.size, 0)
    if len(head) < HEAD.size or head[: len(MAGIC)] != MAGIC:
        raise ValueError(f"{path} is not an arena of pyfutex")
    _, version, order, maximum, allocated, used = HEAD.unpack(head)
    if order != ORDER:
        raise ValueError(f"{path} is an arena of a machine with another byte order")
    if version != LAYOUT_VERSION:
        raise ValueError(f"{path} has layout version {version}, where this pyfutex knows {LAYOUT_VERSION}")
    if about.st_size != maximum:
        raise ValueError(f"{path} is damaged: {about.st_size:,} bytes long, and {maximum:,} when it was made")
    sizes = FIRST_AT <= used <= allocated <= maximum <= MOST_BYTES and allocated >= GRAIN
    if not sizes or used % UNIT or allocated % GRAIN or maximum % GRAIN:
        raise ValueError(f"{path} is damaged: its head is not possible")
    return int(maximum)


@contextlib.contextmanager
def _nameless(directory: int, path: str) -> Iterator[tuple[int, str]]:
    """A new file without a name; where the file system knows none, one with a name that nobody looks for, too."""
    temporary = ""
    try:
        fd = os.open(os.path.dirname(path), os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in (EOPNOTSUPP, EISDIR, ENOENT):
            raise
        temporary = f".{os.urandom(8).hex()}.pyfutex"
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=directory)
    try:
        yield fd, temporary
    except BaseException:
        os.close(fd)
        raise
    finally:
        if temporary:
            os.unlink(temporary, dir_fd=directory)
