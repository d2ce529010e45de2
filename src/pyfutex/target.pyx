"""Target: the memory that futex words live in, and the protocol by which Python code may provide it."""

from libc.stdint cimport uint64_t

from pyfutex._arguments cimport as_address
from pyfutex._core.family cimport next_serial
from pyfutex._core.key cimport LOG2_SIZE_U32
from pyfutex._core.status cimport FAULT, OK, Status
from pyfutex._core.target cimport CALLED, IS_SHARED, READ, Word, word_close, word_open
from pyfutex._errors cimport raise_status
from pyfutex._pimutex cimport pi_init
from pyfutex.key cimport Key, key_object

from pyfutex.results import KeyKind


cdef class Target:
    """Target(*args, **kwargs)\n--\n\n\
    Memory with atomic access to futex words. Subclass it to serve memory that only Python code can reach.

    The manager calls a subclass's methods with no lock of its own held, on the thread that called the manager; they may
    do anything, also call the manager. An exception propagates to the caller of the manager, and leaves nothing queued.
    Every instance is an address space of its own: private operations on two targets never meet.

    See Also
    --------
    Memory, AddressSpace : targets that the engine reads by itself, at full speed.
    """

    def __cinit__(self, *args, **kwargs):
        self.c.kind = CALLED
        self.c.serial = next_serial()
        pi_init(&self.pi)

    def load(self, addr, size=4, /):
        """The word at `addr`, read atomically.

        Parameters
        ----------
        addr : int
            A multiple of `size`.
        size : int
            Bytes in the word.

        Returns
        -------
        int
            0 <= value < 2**(8 * size)

        Raises
        ------
        OSError
            EFAULT: nothing is mapped at `addr`.
        """
        raise NotImplementedError(f"{type(self).__name__}.load")

    def swap(self, addr, new, size=4, /):
        """Store `new` at `addr` and return what was there, as one atomic step. Parameters and errors as `load`."""
        raise NotImplementedError(f"{type(self).__name__}.swap")

    def compare_and_swap(self, addr, old, new, size=4, /):
        """Store `new` at `addr` if `old` is there, and return what was there, as one atomic step.

        Parameters and errors as `load`.
        """
        raise NotImplementedError(f"{type(self).__name__}.compare_and_swap")

    def shared_key(self, addr, /):
        """The key by which shared operations know the word at `addr`.

        Returns
        -------
        Key
            By default one of kind SHARED_PRIVATE: nothing else shares this memory.
        """
        return Key(KeyKind.SHARED_PRIVATE, addr)

    def __reduce__(self):
        raise TypeError(f"a {type(self).__name__} is memory of this process and cannot be pickled")


cdef Key shared_key_of(Target mem, object addr):
    cdef uint64_t a
    cdef Word word
    cdef Status status
    if as_address(addr, &a):
        raise_status(FAULT)
    status = word_open(&mem.c, a, LOG2_SIZE_U32, IS_SHARED, READ, &word)
    if status != OK:
        raise_status(status)
    word_close(&word)
    return key_object(&word.key)
