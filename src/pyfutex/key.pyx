"""What identifies a futex: `Key`, and the `Mappable` that a shared key names.

The engine keeps numbers, no references: every mappable has a serial that is never used again in the process. This file
finds the object to a number, through weak references.
"""

cimport cython

from libc.stdint cimport uint32_t, uint64_t

from pyfutex._core.family cimport next_serial
from pyfutex._core.key cimport (
    Key as CKey,
    SHARED_MAPPABLE,
    key_kind,
    key_log2_size,
    key_serial,
    pack_space,
)

from _thread import RLock  # that of threading, without the time that importing threading takes
from operator import index
from os import fstat, register_at_fork
from weakref import WeakValueDictionary

from pyfutex._arguments cimport as_address, as_size

from pyfutex.results import KeyKind

# Both under the lock: of() must not make two mappables of one file. Re-entrant: the dictionaries may collect garbage, and a
# finalizer may come here. No `with`: without memory it would not get as far as letting the lock go.
_by_serial = WeakValueDictionary()
_by_file = WeakValueDictionary()
_registry_lock = RLock()


def _after_fork():
    # Whoever held the lock in the parent does not exist in the child.
    global _registry_lock
    _registry_lock = RLock()


register_at_fork(after_in_child=_after_fork)

cdef tuple KINDS = tuple(KeyKind)


@cython.final
cdef class Mappable:
    """Mappable(name='')\n--\n\n\
    The identity of what is mapped: a file, a shared memory segment, anything two address spaces can share.

    Two mappings of one mappable meet in shared operations, wherever they are mapped. A mappable has no content; it says
    that memories are the same, and whoever gives one to two memories promises that they are.

    Parameters
    ----------
    name : str, optional
        For people; two mappables of the same name are still two.

    Notes
    -----
    Equality is identity. The identity is a 64-bit number that is not used twice in a process, so a key never matches
    one of a mappable that is gone.
    """

    def __cinit__(self, str name not None=""):
        cdef object lock = _registry_lock
        self.name = name
        self.serial = next_serial()
        lock.acquire()
        try:
            _by_serial[self.serial] = self
        finally:
            lock.release()

    @classmethod
    def of(cls, fileno):
        """The mappable of an open file: one and the same object for the same device and inode.

        Parameters
        ----------
        fileno : int
            An open file descriptor; it may be closed afterwards.

        Returns
        -------
        Mappable
            As long as anybody holds it, every call for this file returns it.

        Raises
        ------
        OSError
            EBADF: not an open descriptor.
        """
        status = fstat(fileno)
        file = (status.st_dev, status.st_ino)
        lock = _registry_lock
        lock.acquire()
        try:
            mappable = _by_file.get(file)
            if mappable is None:
                mappable = cls(f"{file[0]}:{file[1]}")
                # Not the one just made: a finalizer may have come in between and been faster.
                mappable = _by_file.setdefault(file, mappable)
        finally:
            lock.release()
        return mappable

    def __repr__(self):
        return f"<Mappable {self.name or self.serial}>"

    def __reduce__(self):
        raise TypeError("a Mappable is an identity of this process and cannot be pickled")


cdef Mappable mappable_numbered(uint64_t serial):
    cdef object lock = _registry_lock
    lock.acquire()
    try:
        mappable = _by_serial.get(serial)
        if mappable is None:
            # Nobody holds the object any more, but a key still has its number: an object for that number, from now on.
            mappable = Mappable()
            (<Mappable> mappable).serial = serial
            mappable = _by_serial.setdefault(serial, mappable)
    finally:
        lock.release()
    return mappable


@cython.final
cdef class Key:
    """Key(kind, offset, mappable=None, *, size=4)\n--\n\n\
    What identifies a futex. Immutable, hashable, comparable.

    Parameters
    ----------
    kind : KeyKind
    offset : int, 0 <= offset < 2**64
        Offset into `mappable`, or the address for the two private kinds.
    mappable : Mappable, optional
        Given for SHARED_MAPPABLE, and for no other kind.
    size : int, optional
        Bytes in the word: 1, 2, 4 or 8. Keys of words of different sizes differ, wherever the words lie.

    Raises
    ------
    TypeError
        `kind` or `offset` is no integer.
    ValueError
        `mappable` missing or superfluous, or no such kind. InvalidArgument: no such size.
    OverflowError
        `offset` does not fit 64 bits.
    """

    def __cinit__(self, kind, offset, Mappable mappable=None, *, size=4):
        cdef uint64_t number
        self.kind = KeyKind(index(kind))
        if (mappable is not None) != (self.kind == KINDS[SHARED_MAPPABLE]):
            raise ValueError("a mappable belongs to SHARED_MAPPABLE keys, and to no others")
        if as_address(offset, &number):
            raise OverflowError("offset does not fit 64 bits")
        self.offset = number
        self.mappable = mappable
        self.size = 1 << as_size(size)

    def __eq__(self, other):
        cdef Key that
        if not isinstance(other, Key):
            return NotImplemented
        that = other
        return (self.kind == that.kind and self.offset == that.offset and self.mappable is that.mappable
                and self.space == that.space and self.size == that.size)

    def __hash__(self):
        return hash((self.kind, self.mappable, self.space, self.offset, self.size))

    def __repr__(self):
        where = f", {self.mappable!r}" if self.mappable is not None else ""
        width = f", size={self.size}" if self.size != 4 else ""
        return f"Key({self.kind.name}, {self.offset:#x}{where}{width})"

    def __reduce__(self):
        raise TypeError("a Key is an identity of this process and cannot be pickled")


cdef Key key_object(const CKey *k):
    cdef Key key = Key.__new__(Key, KINDS[key_kind(k)], k.offset,
                               mappable_numbered(key_serial(k)) if key_kind(k) == SHARED_MAPPABLE else None,
                               size=1 << key_log2_size(k))
    if key.mappable is None:
        key.space = key_serial(k)
    return key


cdef int key_struct(Key key, uint64_t space, uint32_t log2_size, CKey *k) except -1:
    if key.mappable is not None:
        space = key.mappable.serial
    k.space = pack_space(space, <int> key.kind, log2_size)
    k.offset = key.offset
    return 0
