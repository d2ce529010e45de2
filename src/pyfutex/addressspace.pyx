"""AddressSpace: regions mapped at guest addresses, looked up without the GIL while others map and unmap."""

cimport cython

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free

from pyfutex._arguments cimport as_address, as_size, as_word
from pyfutex._core.region cimport (
    Region as CRegion,
    RegionArray,
    region_array_new,
    region_map_free,
    region_map_lock,
    region_map_new,
    region_map_publish,
    region_map_unlock,
)
from pyfutex._core.status cimport FAULT, MISFIT, OK, Status
from pyfutex._core.target cimport BY_MEMORY, MAPPED, READ, WRITE, Access, word_close, word_open
from pyfutex._core.word cimport Word, cell_cas_previous, cell_exchange, cell_load
from pyfutex._errors cimport raise_status
from pyfutex.key cimport Mappable
from pyfutex.memory cimport Memory
from pyfutex.target cimport shared_key_of

from bisect import bisect_right
from operator import attrgetter

from pyfutex.results import Region

_by_address = attrgetter("addr")


cdef uint64_t number(object o, str what) except? 0:
    cdef uint64_t value
    if as_address(o, &value):
        raise OverflowError(f"{what} does not fit 64 bits")
    return value


@cython.final
cdef class _Mapping:
    """A region and what nogil lookups need of it. Immutable."""

    cdef readonly uint64_t addr
    cdef readonly uint64_t length
    cdef readonly Memory memory
    cdef readonly uint64_t offset
    cdef readonly Mappable mappable
    cdef readonly uint64_t mappable_offset
    cdef readonly bint writable

    cdef object region(self):
        return Region(self.addr, self.length, self.memory, self.offset, self.mappable)

    cdef _Mapping part(self, uint64_t addr, uint64_t length):
        # What is left of this mapping when it is cut.
        cdef uint64_t skipped = addr - self.addr
        cdef uint64_t shared_at = self.mappable_offset + skipped if self.mappable is not None else 0
        return make_mapping(addr, length, self.memory, self.offset + skipped, self.mappable, shared_at, self.writable)


cdef _Mapping make_mapping(uint64_t addr, uint64_t length, Memory memory, uint64_t offset, Mappable mappable,
                           uint64_t mappable_offset, bint writable):
    cdef _Mapping m = _Mapping.__new__(_Mapping)
    m.addr = addr
    m.length = length
    m.memory = memory
    m.offset = offset
    m.mappable = mappable
    m.mappable_offset = mappable_offset
    m.writable = writable
    return m


@cython.final
cdef class AddressSpace(Target):
    """AddressSpace()\n--\n\n\
    The memory of one guest: regions of host memory at guest addresses.

    Regions are private, or backed by a mappable; operations with `private=None` on the latter are shared, and meet those
    of other address spaces that map the same mappable. Regions never overlap.

    Notes
    -----
    Any thread may map, unmap and use the space at the same time. Looking an address up takes no lock and costs the
    logarithm of the number of regions; mapping and unmapping copy the list of regions. Unmapping does not wake those who
    wait on a word of the region: they time out, or are cancelled.
    """

    def __cinit__(self):
        self.c.map = region_map_new()
        if self.c.map == NULL:
            raise MemoryError
        self.c.kind = MAPPED
        self.mapped = []

    def __init__(self):
        pass        # takes no arguments: without this, any would be ignored

    def __dealloc__(self):
        # No reader is left: each holds a reference to the target it reads.
        if self.c.map != NULL:
            region_map_free(self.c.map)

    def map(self, addr, memory, *, length=None, offset=0, Mappable mappable=None, mappable_offset=0, writable=True):
        """Map memory at a guest address.

        Parameters
        ----------
        addr : int
            Guest address of the first byte; it agrees with the host address modulo 8.
        memory : buffer or Memory
            A Memory brings its mappable along, unless `mappable` is given.
        length : int, optional
            Bytes to map, at least 1; by default what `memory` has from `offset` on.
        offset : int, optional
            Of the first mapped byte in `memory`.
        mappable : Mappable, optional
            What the memory is a mapping of.
        mappable_offset : int, optional
            Of the first mapped byte in `mappable`.
        writable : bool, optional
            False: `wake_op` and the PI operations, which write, fail with EFAULT there.

        Returns
        -------
        Region

        Raises
        ------
        ValueError
            The region overlaps another one; it is empty or longer than the memory; `mappable_offset` without
            `mappable`.
        InvalidArgument
            Guest and host address do not agree modulo 8.
        OverflowError
            An argument, or the end of the region, beyond 64 bits.
        BufferError, TypeError
            `memory` is no writable contiguous buffer.
        """
        cdef Memory mem = memory if isinstance(memory, Memory) else Memory(memory)
        cdef uint64_t a = number(addr, "addr"), skip = number(offset, "offset"), n
        cdef uint64_t shared_at = number(mappable_offset, "mappable_offset")
        cdef _Mapping new
        cdef list mapped
        cdef Py_ssize_t i
        if skip >= mem.c.nbytes:
            raise ValueError("offset lies beyond the memory")
        n = mem.c.nbytes - skip if length is None else number(length, "length")
        if n == 0 or n > mem.c.nbytes - skip:
            raise ValueError("length is 0, or more than the memory has")
        if a + (n - 1) < a:
            raise OverflowError("the region would end beyond 64 bits")
        if (<uint64_t> mem.c.host + skip - a) & 7:
            raise_status(MISFIT)
        if mappable is None:
            if shared_at:
                raise ValueError("a mappable_offset belongs to a mappable")
            mappable = mem.mappable
            shared_at = mem.c.mappable_offset + skip if mappable is not None else 0
        new = make_mapping(a, n, mem, skip, mappable, shared_at, bool(writable))
        while True:
            mapped = mapped_now(self)
            i = bisect_right(mapped, a, key=_by_address)
            if i > 0 and a - (<_Mapping> mapped[i - 1]).addr < (<_Mapping> mapped[i - 1]).length:
                raise ValueError(f"overlaps the region at {mapped[i - 1].addr:#x}")
            if i < len(mapped) and (<_Mapping> mapped[i]).addr - a < n:
                raise ValueError(f"overlaps the region at {mapped[i].addr:#x}")
            if publish(self, mapped, [*mapped[:i], new, *mapped[i:]]):
                break
        return new.region()

    def unmap(self, addr, length):
        """Unmap whatever is mapped in a range of guest addresses; regions that reach beyond it are cut.

        Returns when no thread uses the range any more: its memory may then be given back. Nobody is woken.

        Parameters
        ----------
        addr, length : int
            The range; nothing need be mapped there.

        Raises
        ------
        ValueError
            `length` is 0.
        OverflowError
            The range ends beyond 64 bits.
        """
        cdef uint64_t a = number(addr, "addr"), n = number(length, "length")
        cdef uint64_t last = a + (n - 1), its_last      # of the bytes: an end may lie at 2**64
        cdef _Mapping m
        cdef list mapped, kept
        if n == 0:
            raise ValueError("length is 0")
        if last < a:
            raise OverflowError("the range ends beyond 64 bits")
        while True:
            mapped = mapped_now(self)
            kept = []
            for m in mapped:
                its_last = m.addr + (m.length - 1)
                if its_last < a or m.addr > last:
                    kept.append(m)
                    continue
                if m.addr < a:
                    kept.append(m.part(m.addr, a - m.addr))
                if its_last > last:
                    kept.append(m.part(last + 1, its_last - last))
            if kept == mapped or publish(self, mapped, kept):
                break

    def regions(self):
        """The regions, by ascending address.

        Returns
        -------
        list of Region
        """
        return [(<_Mapping> m).region() for m in mapped_now(self)]

    def fork(self, copy=None):
        """The address space of a forked guest: shared regions are shared, private ones copied.

        Parameters
        ----------
        copy : callable, optional
            Called with each private `Region`; returns the buffer that the new space maps there, of the region's length
            at least. By default a bytearray with the region's content.

        Returns
        -------
        AddressSpace
            With the same regions at the same addresses. It is another space: private keys do not meet.
        """
        cdef AddressSpace child = AddressSpace()
        cdef _Mapping m
        for m in mapped_now(self):
            if m.mappable is not None:
                child.map(m.addr, m.memory, length=m.length, offset=m.offset, mappable=m.mappable,
                          mappable_offset=m.mappable_offset, writable=m.writable)
            else:
                child.map(m.addr, copy_of(m) if copy is None else copy(m.region()), length=m.length,
                          writable=m.writable)
        return child

    def __repr__(self):
        return f"<AddressSpace of {len(mapped_now(self))} regions>"

    def load(self, addr, size=4, /):
        """The word of `size` (1, 2, 4 or 8) bytes at `addr`. OSError: EFAULT where nothing is mapped."""
        cdef uint32_t log2_size = as_size(size)
        cdef uint64_t value
        cdef Word word
        open_cell(self, addr, log2_size, READ, &word)
        value = cell_load(word.host, log2_size)
        word_close(&word)
        return value

    def swap(self, addr, new, size=4, /):
        """Store `new` and return what was there. OSError: EFAULT where nothing writable is mapped."""
        cdef uint32_t log2_size = as_size(size)
        cdef uint64_t value
        cdef Word word
        as_word(new, log2_size, &value)
        open_cell(self, addr, log2_size, WRITE, &word)
        value = cell_exchange(word.host, log2_size, value)
        word_close(&word)
        return value

    def compare_and_swap(self, addr, old, new, size=4, /):
        """Store `new` if `old` is there; return what was there. OSError: EFAULT where nothing writable is mapped."""
        cdef uint32_t log2_size = as_size(size)
        cdef uint64_t expected, desired
        cdef Word word
        as_word(old, log2_size, &expected)
        as_word(new, log2_size, &desired)
        open_cell(self, addr, log2_size, WRITE, &word)
        expected = cell_cas_previous(word.host, log2_size, expected, desired)
        word_close(&word)
        return expected

    def shared_key(self, addr, /):
        """The key by which shared operations know the word at `addr`."""
        return shared_key_of(self, addr)


cdef list mapped_now(AddressSpace space):
    cdef list mapped
    with nogil:
        region_map_lock(space.c.map)
    mapped = space.mapped       # a reference more, nothing else
    region_map_unlock(space.c.map)
    return mapped


cdef bint publish(AddressSpace space, list old, list new) except -1:
    """Put `new` in the place of `old`, and return when no reader uses that any more. False: somebody else was faster.

    Under the lock of the map nothing is allocated and nothing deallocated: either may run Python code, in a collection or
    at the end of a buffer, which may map and unmap here.
    """
    cdef RegionArray *array = region_array_new(len(new))
    cdef _Mapping m
    cdef CRegion *r
    cdef Py_ssize_t i
    cdef bint is_ours
    if array == NULL:
        raise MemoryError
    for i, m in enumerate(new):
        r = &array.regions[i]
        r.addr = m.addr
        r.length = m.length
        r.host = m.memory.c.host + m.offset
        r.mappable = 0 if m.mappable is None else m.mappable.serial
        r.mappable_offset = m.mappable_offset
        r.is_writable = m.writable
    with nogil:
        region_map_lock(space.c.map)
    is_ours = space.mapped is old
    if is_ours:
        space.mapped = new      # `old` stays with our caller
        with nogil:
            region_map_publish(space.c.map, array)
    region_map_unlock(space.c.map)
    if not is_ours:
        free(array)
    return is_ours


cdef object copy_of(_Mapping m):
    return bytearray(memoryview(m.memory.obj).cast("B")[m.offset:m.offset + m.length])


cdef int open_cell(AddressSpace space, object addr, uint32_t log2_size, Access access, Word *word) except -1:
    cdef uint64_t a
    cdef Status status
    if as_address(addr, &a):
        raise_status(FAULT)
    status = word_open(&space.c, a, log2_size, BY_MEMORY, access, word)
    if status != OK:
        raise_status(status)
    return 0
