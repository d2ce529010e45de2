"""Arena: memory in which unrelated processes find locks and their like by name.

The file and its growth are those of `_arenafile`, the layout and the directory of names those of `_directory`.
"""

from __future__ import annotations

import os
from errno import ENOENT, ESTALE, EXDEV
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pyfutex.sync._anatomy import INHERITS, NOT_ROBUST, TID_MASK, UNDO, Kind, Primitive, check_same
from pyfutex.sync._arenafile import ArenaFile, path_of
from pyfutex.sync._directory import BLOCK_SERIAL_AT, Directory, Entry, encoded_name
from pyfutex.sync._retiring import retire
from pyfutex.sync.barrier import Barrier
from pyfutex.sync.condition import Condition
from pyfutex.sync.event import Event
from pyfutex.sync.latch import Latch
from pyfutex.sync.lock import Lock
from pyfutex.sync.once import Once
from pyfutex.sync.rlock import RLock
from pyfutex.sync.rwlock import RWLock
from pyfutex.sync.semaphore import BoundedSemaphore, Semaphore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import NoReturn, Self

T = TypeVar("T")
S = TypeVar("S", bound=Semaphore)

MAXIMUM = 1 << 28
MOST_TRIES = 100  # against somebody who makes and unlinks all the while


class Handle(NamedTuple):
    """What this process has found under a name; true for as long as the block has this serial number."""

    primitive: Any
    what: Primitive
    block: int
    serial: int


class Arena:
    """Memory in which unrelated processes make, find, list and delete primitives by name.

    `open`, `create` and `attach` give one; it is never made by a call of the class. Each of the methods `lock` to `latch`
    gives the primitive of that name, and makes it if there is none: whoever comes first makes it, whole, and everybody has
    the same. A process gets the same object each time, as long as the name stands for the same primitive.

    Whatever is in it stays until somebody calls `unlink`: no process cleans up when it exits.

    Thread safety: all methods but `close`, from any thread, and from any process that maps it. In the child of a fork it
    goes on to work.

    Examples
    --------
    >>> from pyfutex.sync import Arena
    >>> with Arena.open("example") as arena:
    ...     with arena.lock("db"):
    ...         arena.names()
    ...     arena.unlink()
    ['db']
    """

    def __init__(self) -> None:
        raise TypeError("an arena is made by Arena.open, Arena.create or Arena.attach")

    @classmethod
    def _of(cls, file: ArenaFile) -> Self:
        arena = cls.__new__(cls)
        arena._file = file
        arena._handles = {}
        try:
            arena._directory = Directory(file)
        except OSError as error:
            file.abandon()
            if error.errno != EXDEV:
                raise
            raise OSError(
                EXDEV,
                "the arena belongs to another PID namespace or to the time before the last boot, where thread ids mean "
                "other threads: share the namespace (--pid=host, --pid=container:...), or remove a file that nobody uses",
                file.path,
            ) from None
        return arena

    _file: ArenaFile
    _directory: Directory
    _handles: dict[str, Handle]

    # --- the arena itself ---

    @classmethod
    def open(cls, name: str | os.PathLike[str], /, *, maximum: int = MAXIMUM, mode: int = 0o600) -> Self:
        """Attach to the arena of a name, and create it if there is none.

        Parameters
        ----------
        name : str or path
            One without a slash is in /dev/shm, for all who have the same; one with a slash, or a path object, is a file.
        maximum : int, optional
            Bytes that a new one may ever have, from 65,536 to 2**36. They cost nothing until they are used.
        mode : int, optional
            Permissions of a new one, as of `os.chmod`.

        Raises
        ------
        PermissionError
            It is somebody else's.
        ValueError
            There is something that is no arena, one of another layout, or one that was cut off.
        OSError
            EXDEV: it is of another PID namespace, or of the time before the last boot; ENOSPC: there is no memory for it;
            ENOSYS: there are no robust futexes here.
        """
        for _ in range(MOST_TRIES):
            try:
                return cls.attach(name)
            except FileNotFoundError:
                pass
            try:
                return cls.create(name, maximum=maximum, mode=mode)
            except FileExistsError:
                pass
        raise OSError(ESTALE, "others make and unlink this arena all the while", path_of(name))

    @classmethod
    def create(cls, name: str | os.PathLike[str], /, *, maximum: int = MAXIMUM, mode: int = 0o600) -> Self:
        """Make an arena. It gets its name when it is whole, so that nobody ever finds half of one.

        Parameters and errors are those of `open`; and FileExistsError: there is something of that name.
        """
        return cls._of(ArenaFile.create(path_of(name), maximum, mode))

    @classmethod
    def create_nameless(cls, label: str = "arena", /, *, maximum: int = MAXIMUM) -> Self:
        """Make an arena without a name, for those who get its `fileno`, and `attach` to that.

        It is gone when the last of them is, and nobody can truncate it.

        Parameters
        ----------
        label : str, optional
            What /proc calls it.
        maximum : int, optional
            As of `open`.
        """
        return cls._of(ArenaFile.create_nameless(label, maximum))

    @classmethod
    def attach(cls, name: str | os.PathLike[str] | int, /) -> Self:
        """Find the arena that somebody created, by its name or by a descriptor of it.

        Parameters
        ----------
        name : str, path or int
            As of `open`; a descriptor stays the caller's.

        Raises
        ------
        FileNotFoundError
            There is none.

        The other errors are those of `open`.
        """
        if isinstance(name, int):
            return cls._of(ArenaFile.attach_fd(os.dup(name), f"descriptor {name}"))
        return cls._of(ArenaFile.attach(path_of(name)))

    @property
    def path(self) -> str:
        """Path of its file; of one without a name, what to call it."""
        return self._file.path

    @property
    def size(self) -> int:
        """Bytes of memory that it has."""
        return self._opened().allocated

    @property
    def maximum(self) -> int:
        """Bytes that it may have."""
        return self._file.maximum

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return not hasattr(self, "_directory")

    def fileno(self) -> int:
        """The descriptor of its file."""
        return self._opened().fd

    def unlink(self) -> None:
        """Take away its name. Those who have it go on to use it; whoever opens that name makes another one.

        Raises
        ------
        FileNotFoundError
            Somebody has done so; or another arena has the name by now, which stays.
        """
        if not self._opened().is_at(self._file.path):
            raise FileNotFoundError(ENOENT, os.strerror(ENOENT), self._file.path)
        os.unlink(self._file.path)

    def close(self) -> None:
        """Be done with it. The names and what they stand for stay; a second call does nothing.

        It is unmapped when the last object in it is gone that this process has; those that are left work until then.

        Raises
        ------
        BufferError
            A thread of this process holds something in it.
        """
        if self.closed:
            return
        self._check_nothing_is_held()
        self._handles.clear()
        del self._directory
        self._file.close()

    def _opened(self) -> ArenaFile:
        if self.closed:
            raise ValueError("the arena is closed")
        return self._file

    def _check_nothing_is_held(self) -> None:
        for name, handle in self._handles.items():
            tid = self._holder_here(handle)
            if tid:
                raise BufferError(f"{name!r} is held by thread {tid} of this process")

    def _holder_here(self, handle: Handle) -> int:
        memory = self._file.memory
        if memory.load64(handle.block + BLOCK_SERIAL_AT) != handle.serial:
            return 0
        at = self._directory.entry(handle.block).at
        for word in handle.what.owned_words():
            tid = memory.load(at + word) & TID_MASK
            if tid and os.path.exists(f"/proc/self/task/{tid}"):
                return tid
        return 0

    def __enter__(self) -> Self:
        self._opened()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # --- what is in it ---

    def lock(self, name: str, /, *, robust: bool = True, pi: bool = False) -> Lock:
        """The `Lock` of a name.

        Parameters
        ----------
        name : str
            Up to 255 bytes in UTF-8.
        robust, pi : bool, optional
            See `Lock.create`.

        Raises
        ------
        ValueError
            What has this name is something else, or was made with other parameters; or there can be no such name.
        OSError
            ENOSPC: the arena is full, or there is no memory for more; EBADMSG: somebody wrote over its directory.
        TimeoutError
            A process that is stopped holds the directory.
        """
        what = Primitive(Kind.LOCK, (0 if robust else NOT_ROBUST) | (INHERITS if pi else 0), 0)
        return self._get(
            name, what, Lock.SIZE, Lock.attach, lambda m, at: Lock.create(m, at, robust=robust, pi=pi)
        )

    def rlock(self, name: str, /) -> RLock:
        """The `RLock` of a name. Parameters and errors are those of `lock`, as of all that follow."""
        return self._get(name, Primitive(Kind.RLOCK, 0, 0), RLock.SIZE, RLock.attach, RLock.create)

    def condition(self, name: str, /) -> Condition:
        """The `Condition` of a name, with a lock of its own."""
        return self._get(
            name, Primitive(Kind.CONDITION, 0, 0), Condition.SIZE, Condition.attach, Condition.create
        )

    def semaphore(self, name: str, /, value: int = 1, *, undo: bool = False) -> Semaphore:
        """The `Semaphore` of a name, which began with `value` permits; `undo`: see `Semaphore.create`."""
        return self._semaphore(name, Kind.SEMAPHORE, Semaphore, value, undo)

    def bounded_semaphore(self, name: str, /, value: int = 1, *, undo: bool = False) -> BoundedSemaphore:
        """The `BoundedSemaphore` of a name, which began with `value` permits."""
        return self._semaphore(name, Kind.BOUNDED_SEMAPHORE, BoundedSemaphore, value, undo)

    def _semaphore(self, name: str, kind: Kind, cls: type[S], value: int, undo: bool) -> S:
        return self._get(
            name,
            Primitive(kind, UNDO if undo else 0, value),
            cls.size(value) if undo else cls.SIZE,
            cls.attach,
            lambda m, at: cls.create(m, at, value=value, undo=undo),
        )

    def event(self, name: str, /) -> Event:
        """The `Event` of a name."""
        return self._get(name, Primitive(Kind.EVENT, 0, 0), Event.SIZE, Event.attach, Event.create)

    def barrier(
        self,
        name: str,
        /,
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
    ) -> Barrier:
        """The `Barrier` of a name. `action` and `timeout` are the object's, a new one with each call that names any."""
        return self._get(
            name,
            Primitive(Kind.BARRIER, 0, parties),
            Barrier.size(parties),
            lambda m, at: Barrier.attach(m, at, action=action, timeout=timeout),
            lambda m, at: Barrier.create(m, at, parties=parties, action=action, timeout=timeout),
            keep=action is None and timeout is None,
        )

    def rwlock(self, name: str, /, readers: int = 62) -> RWLock:
        """The `RWLock` of a name, for so many readers at a time."""
        return self._get(
            name,
            Primitive(Kind.RWLOCK, 0, readers),
            RWLock.size(readers),
            RWLock.attach,
            lambda m, at: RWLock.create(m, at, readers=readers),
        )

    def once(self, name: str, /) -> Once:
        """The `Once` of a name."""
        return self._get(name, Primitive(Kind.ONCE, 0, 0), Once.SIZE, Once.attach, Once.create)

    def latch(self, name: str, /, count: int) -> Latch:
        """The `Latch` of a name, which began with `count`."""
        return self._get(
            name,
            Primitive(Kind.LATCH, 0, count),
            Latch.SIZE,
            Latch.attach,
            lambda m, at: Latch.create(m, at, count=count),
        )

    def _get(
        self,
        name: str,
        what: Primitive,
        size: int,
        attach: Callable[..., T],
        create: Callable[..., T],
        keep: bool = True,
    ) -> T:
        file = self._opened()
        handle = self._handles.get(name) if keep else None
        if (
            handle is not None
            and handle.what == what
            and file.memory.load64(handle.block + BLOCK_SERIAL_AT) == handle.serial
        ):
            found: T = handle.primitive
            return found
        encoded = encoded_name(name)
        directory = self._directory
        directory.acquire()
        try:
            file.populate()
            block = directory.find(encoded)
            if block:
                entry = directory.entry(block)
                check_same(name, entry.primitive, what)
                primitive = attach(file.memory, entry.at)
            else:
                block, primitive = directory.insert(encoded, size, lambda at: create(file.memory, at))
            if keep:
                self._handles[name] = Handle(primitive, what, block, directory.serial(block))
        finally:
            directory.release()
        return primitive

    def names(self) -> list[str]:
        """All names, in no order that means anything."""
        return [entry.name for entry in self.entries()]

    def entries(self) -> list[Entry]:
        """All names, with what they stand for and where it lies: tuples of name, block, at, size, primitive."""
        self._opened().populate()
        directory = self._directory
        directory.acquire()
        try:
            return list(directory.entries())
        finally:
            directory.release()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        self._opened()
        directory = self._directory
        directory.acquire()
        try:
            return len(directory)
        finally:
            directory.release()

    def __contains__(self, name: object) -> bool:
        self._opened()
        if not isinstance(name, str):
            return False
        try:
            encoded = encoded_name(name)
        except (OSError, ValueError):
            return False
        directory = self._directory
        directory.acquire()
        try:
            self._file.populate()
            return directory.find(encoded) != 0
        finally:
            directory.release()

    def delete(self, name: str, /) -> None:
        """Delete what has a name; its place is used again.

        Who else has an object of it must not use it any more: a lock of such an object raises `NotRecoverable` until its
        place is used again, and is another one's then, or half of one that is being made: who takes that may get EBADMSG
        from whatever robust lock he lets go next. Where that can come about, find and use under a lock that nobody deletes,
        and delete under it.

        Raises
        ------
        KeyError
            There is no such name.
        OSError
            EBUSY: somebody holds it, or sleeps on it. A permit that was taken from a semaphore belongs to nobody, and does
            not count.
        """
        encoded = encoded_name(name)
        file = self._opened()
        directory = self._directory
        directory.acquire()
        try:
            file.populate()
            if not directory.find(encoded):
                raise KeyError(name)
            directory.remove(encoded, lambda entry: retire(file.memory, entry))
        finally:
            directory.release()
        self._handles.pop(name, None)

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self.size} of at most {self.maximum} bytes"
        return f"<{type(self).__module__}.{type(self).__qualname__} {self.path!r}, {state}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an Arena is memory; pass on its name, and attach to it")
