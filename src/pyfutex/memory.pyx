"""Memory: one buffer as a target, with the atomic operations of 32-bit and 64-bit cells."""

cimport cython

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from pyfutex._arguments cimport as_address, as_modulo, as_size, as_u32, as_word, convert_u64, small_int
from pyfutex._core.atomic cimport (
    cas_u32,
    cas_u64,
    exchange_u32,
    exchange_u64,
    fetch_add_u32,
    fetch_add_u64,
    fetch_and_u32,
    fetch_and_u64,
    fetch_or_u32,
    fetch_or_u64,
    fetch_sub_u32,
    fetch_sub_u64,
    fetch_xor_u32,
    fetch_xor_u64,
    load_u64,
    store_u32,
    store_u64,
)
from pyfutex._core.status cimport FAULT, MISFIT
from pyfutex._core.target cimport FLAT
from pyfutex._core.word cimport cell_cas_previous, cell_exchange, cell_load
from pyfutex._errors cimport raise_status
from pyfutex.target cimport shared_key_of


cdef char *cell(Memory mem, object addr, uint32_t log2_size) except NULL:
    cdef uint64_t a, offset, size = <uint64_t> 1 << log2_size
    if as_address(addr, &a):
        raise_status(FAULT)
    offset = a - mem.c.base
    if (<uint64_t> mem.c.host + offset) & (size - 1):
        raise_status(MISFIT)
    if offset >= mem.c.nbytes or mem.c.nbytes - offset < size:
        raise_status(FAULT)
    return mem.c.host + offset


cdef inline uint32_t *cell32(Memory mem, object addr) except NULL:
    return <uint32_t *> cell(mem, addr, 2)


cdef inline uint64_t *cell64(Memory mem, object addr) except NULL:
    return <uint64_t *> cell(mem, addr, 3)


cdef inline uint64_t as_u64(object o) except? 0:
    cdef uint64_t value
    if not small_int(o, &value):
        convert_u64(o, <uint64_t> 0xFFFFFFFFFFFFFFFF, &value)
    return value


cdef inline uint32_t u32(object o) except? 0:
    cdef uint32_t value
    as_u32(o, &value)
    return value


cdef inline uint64_t modulo(object o) except? 0:
    cdef uint64_t value
    as_modulo(o, &value)
    return value


cdef extern from *:
    """
    /* Python before 3.12.7 clears a memoryview that is in a cycle although it has exports, and crashes when they are
       released (gh-77894). While our reference is out of the collector's sight it looks like one from outside, and the
       view is never taken for garbage before we are. Asked at run time: a module may run on an older release than it was
       built with. */
    static inline PyObject *pf_take_out_of_sight(Py_buffer *view) {
        PyObject *obj = view->obj;
        if (Py_Version >= 0x030C0700 || !PyMemoryView_Check(obj))
            return NULL;
        view->obj = NULL;
        return obj;
    }
    static inline void pf_bring_back(Py_buffer *view, PyObject *obj) {
        if (obj != NULL)
            view->obj = obj;
    }
    """
    PyObject *take_out_of_sight "pf_take_out_of_sight" (Py_buffer *view)
    void bring_back "pf_bring_back" (Py_buffer *view, PyObject *obj)


# No tp_clear: it would drop the buffer's reference and keep the export.
@cython.no_gc_clear
@cython.final
cdef class Memory(Target):
    """Memory(buffer, base=None, *, mappable=None, offset=0)\n--\n\n\
    Any writable contiguous buffer as a target.

    Parameters
    ----------
    buffer : buffer
        bytearray, mmap, array, `SharedMemory.buf`, a NumPy array, ... It stays exported as long as this object lives:
        until then a bytearray cannot be resized and an mmap or SharedMemory not closed (BufferError). There is no
        release; drop the last reference instead.
    base : int, optional
        Address of the first byte. None: addresses are offsets into the buffer, and private operations know words by
        their place in the process, so that two Memory objects over the same bytes meet. Given: a space of its own.
    mappable : Mappable, optional
        What the buffer is a mapping of. Operations on this memory are then shared, unless they say `private=True`.
    offset : int, optional
        Offset of the first byte in `mappable`.

    Raises
    ------
    BufferError, TypeError
        The buffer is read-only or not contiguous; no buffer at all.
    InvalidArgument
        `base` and the buffer do not agree modulo 8, so that alignment would not mean the same for both.
    ValueError
        `offset` without `mappable`.
    OverflowError
        `base` or `offset` beyond 64 bits.

    Notes
    -----
    `load`, `swap` and `compare_and_swap` take the size of the cell; the other methods work on 32-bit cells, those with 64
    in their name on 64-bit cells. All are atomic and
    sequentially consistent. A cell lies at a multiple of its size and inside the buffer: else InvalidArgument (EINVAL)
    or OSError (EFAULT). Values are unsigned; those of the `fetch_*` methods and what they leave are taken modulo 2**32
    or 2**64, others raise OverflowError. Any thread may call any of them at any time.
    """

    def __cinit__(self, buffer, base=None, *, Mappable mappable=None, offset=0):
        cdef uint64_t host
        PyObject_GetBuffer(buffer, &self.view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        self.unseen = take_out_of_sight(&self.view)
        self.c.kind = FLAT
        self.c.nbytes = <uint64_t> self.view.len
        self.mappable = mappable
        self.c.mappable = 0 if mappable is None else mappable.serial
        self.c.mappable_offset = as_u64(offset)
        if mappable is None and self.c.mappable_offset:
            raise ValueError("an offset belongs to a mappable")
        if base is not None:
            self.c.base = as_u64(base)
        # An empty buffer lies wherever it is aligned.
        host = <uint64_t> self.view.buf if self.c.nbytes else self.c.base
        self.c.host = <char *> host
        if base is None:
            # The host's own space: 0, and host addresses.
            self.c.serial = 0
            self.c.key_shift = host
        elif (host - self.c.base) & 7:
            raise_status(MISFIT)
        elif self.c.nbytes and self.c.base + (self.c.nbytes - 1) < self.c.base:
            raise OverflowError("the buffer would end beyond 64 bits")

    def __dealloc__(self):
        # No waiter of ours is queued: each holds a reference to its target. PyBuffer_Release ignores a view never got.
        bring_back(&self.view, self.unseen)
        PyBuffer_Release(&self.view)

    @property
    def base(self):
        """int: address of the first byte; 0 where none was given."""
        return self.c.base

    @property
    def nbytes(self):
        """int: size of the buffer."""
        return self.c.nbytes

    @property
    def obj(self):
        """The buffer."""
        return <object> self.unseen if self.unseen != NULL else self.view.obj

    @property
    def host_address(self):
        """int: where the first byte lies in this process."""
        return <uint64_t> self.c.host

    def __repr__(self):
        return f"<Memory of {self.c.nbytes} bytes at {self.c.base:#x}>"

    def load(self, addr, size=4, /):
        """The word of `size` (1, 2, 4 or 8) bytes at `addr`."""
        cdef uint32_t log2_size = as_size(size)
        return cell_load(cell(self, addr, log2_size), log2_size)

    def swap(self, addr, new, size=4, /):
        """As `exchange`, with the size as an argument: the method of the `Target` protocol."""
        cdef uint32_t log2_size = as_size(size)
        cdef uint64_t value
        as_word(new, log2_size, &value)
        return cell_exchange(cell(self, addr, log2_size), log2_size, value)

    def compare_and_swap(self, addr, old, new, size=4, /):
        """Store `new` if `old` is there; return what was there. The method of the `Target` protocol."""
        cdef uint32_t log2_size = as_size(size)
        cdef uint64_t expected, desired
        as_word(old, log2_size, &expected)
        as_word(new, log2_size, &desired)
        return cell_cas_previous(cell(self, addr, log2_size), log2_size, expected, desired)

    def shared_key(self, addr, /):
        """The key by which shared operations know the word at `addr`."""
        return shared_key_of(self, addr)

    def store(self, addr, value, /):
        """Store a 32-bit value."""
        store_u32(cell32(self, addr), u32(value))

    def exchange(self, addr, value, /):
        """Store a 32-bit value and return what was there."""
        return exchange_u32(cell32(self, addr), u32(value))

    def compare_exchange(self, addr, expected, desired, /):
        """Store `desired` if `expected` is there; whether it was."""
        return bool(cas_u32(cell32(self, addr), u32(expected), u32(desired)))

    def fetch_add(self, addr, value, /):
        """Add to the 32-bit cell and return what was there."""
        return fetch_add_u32(cell32(self, addr), <uint32_t> modulo(value))

    def fetch_sub(self, addr, value, /):
        """Subtract from the 32-bit cell and return what was there."""
        return fetch_sub_u32(cell32(self, addr), <uint32_t> modulo(value))

    def fetch_and(self, addr, value, /):
        """And into the 32-bit cell and return what was there."""
        return fetch_and_u32(cell32(self, addr), <uint32_t> modulo(value))

    def fetch_or(self, addr, value, /):
        """Or into the 32-bit cell and return what was there."""
        return fetch_or_u32(cell32(self, addr), <uint32_t> modulo(value))

    def fetch_xor(self, addr, value, /):
        """Exclusive-or into the 32-bit cell and return what was there."""
        return fetch_xor_u32(cell32(self, addr), <uint32_t> modulo(value))

    def load64(self, addr, /):
        """The 64-bit cell at `addr`."""
        return load_u64(cell64(self, addr))

    def store64(self, addr, value, /):
        """Store a 64-bit value."""
        store_u64(cell64(self, addr), as_u64(value))

    def exchange64(self, addr, value, /):
        """Store a 64-bit value and return what was there."""
        return exchange_u64(cell64(self, addr), as_u64(value))

    def compare_exchange64(self, addr, expected, desired, /):
        """Store `desired` if `expected` is there; whether it was."""
        return bool(cas_u64(cell64(self, addr), as_u64(expected), as_u64(desired)))

    def fetch_add64(self, addr, value, /):
        """Add to the 64-bit cell and return what was there."""
        return fetch_add_u64(cell64(self, addr), modulo(value))

    def fetch_sub64(self, addr, value, /):
        """Subtract from the 64-bit cell and return what was there."""
        return fetch_sub_u64(cell64(self, addr), modulo(value))

    def fetch_and64(self, addr, value, /):
        """And into the 64-bit cell and return what was there."""
        return fetch_and_u64(cell64(self, addr), modulo(value))

    def fetch_or64(self, addr, value, /):
        """Or into the 64-bit cell and return what was there."""
        return fetch_or_u64(cell64(self, addr), modulo(value))

    def fetch_xor64(self, addr, value, /):
        """Exclusive-or into the 64-bit cell and return what was there."""
        return fetch_xor_u64(cell64(self, addr), modulo(value))
