"""Threads that make system calls as they are told, watched until each is done or sleeps in its call."""

from libc.errno cimport errno
from posix.unistd cimport close


cdef extern from "crew.h" nogil:
    ctypedef struct member:
        int tid
        long number
        long arguments[6]
        long result

    void member_once()
    int member_start(member *m)
    void member_begin(member *m)
    void member_end(member *m)
    void member_interrupt(member *m, bint restarts)
    int member_settle(const member *m)
    int open_task_file(int tid, const char *name)
    int sleeps_in_call(int syscall_file, int stat_file, long number, const long *first)
    int first_argument(int syscall_file, unsigned long *value)
    long member_call(long number, const long *arguments)


cdef enum:
    N_MEMBERS = 8

# As `Crew.start` answers for a call that sleeps: no call answers it.
ASLEEP = -(1 << 40)


cdef inline void fill(long *arguments, tuple given):
    cdef int i
    for i in range(6):
        arguments[i] = <long> <unsigned long> given[i] if i < len(given) else 0


cdef class Crew:
    """Eight threads, by number, each made when it is first needed. For one caller at a time.

    All of them run where the caller does: give the caller one processor, and to give a job costs a switch.
    """

    cdef member members[8]
    cdef bint blocked[8]

    def __cinit__(self):
        cdef int i
        member_once()
        for i in range(N_MEMBERS):
            self.members[i].tid = 0
            self.blocked[i] = False

    cdef member *there(self, int i) except NULL:
        cdef int failed
        if not 0 <= i < N_MEMBERS:
            raise IndexError(i)
        if self.members[i].tid == 0:
            failed = member_start(&self.members[i])
            if failed:
                raise OSError(failed, "no thread, or no /proc")
        return &self.members[i]

    def tid(self, int i):
        """The id of a thread."""
        return self.there(i).tid

    def start(self, int i, long number, tuple arguments):
        """Let a thread that is idle make a system call: its result or negative errno; ASLEEP if it sleeps in it."""
        cdef member *m = self.there(i)
        cdef bint over
        if self.blocked[i]:
            raise RuntimeError(f"thread {i} sleeps")
        m.number = number
        fill(m.arguments, arguments)
        with nogil:
            member_begin(m)
            over = member_settle(m)
        self.blocked[i] = not over
        return m.result if over else ASLEEP

    def call(self, long number, tuple arguments):
        """Make a system call in the calling thread: its result or negative errno."""
        cdef long a[6]
        fill(a, arguments)
        return member_call(number, a)

    def ended(self):
        """Look at all that slept: a dict of those that are done, by number, with their results."""
        cdef int i
        cdef dict ended = {}
        for i in range(N_MEMBERS):
            if self.blocked[i] and member_settle(&self.members[i]):
                self.blocked[i] = False
                ended[i] = self.members[i].result
        return ended

    def is_asleep(self, int i):
        """Whether a thread slept when it was looked at last."""
        return self.blocked[i]

    def interrupt(self, int i, *, bint restarts=False):
        """Send a sleeping thread a signal whose handler does nothing; `restarts`: it has SA_RESTART."""
        member_interrupt(self.there(i), restarts)

    def end(self, int i):
        """Let an idle thread end; the next job of this number is for a new one."""
        if self.blocked[i]:
            raise RuntimeError(f"thread {i} sleeps")
        if self.members[i].tid:
            with nogil:
                member_end(&self.members[i])

    def close(self):
        """Let all idle threads end."""
        for i in range(N_MEMBERS):
            if not self.blocked[i]:
                self.end(i)


cdef class Watch:
    """A thread of this process, by its id, watched from outside."""

    cdef int syscall_file, stat_file

    def __cinit__(self, int tid):
        self.syscall_file = open_task_file(tid, "syscall")
        self.stat_file = open_task_file(tid, "stat")
        if self.syscall_file < 0 or self.stat_file < 0:
            raise OSError(errno, "no thread, or no /proc")

    def __dealloc__(self):
        if self.syscall_file > 0:
            close(self.syscall_file)
        if self.stat_file > 0:
            close(self.stat_file)

    def sleeps_in(self, long number, first=None):
        """Whether it sleeps in the system call of this number, whose first argument is `first` if that is given."""
        cdef long argument
        if first is None:
            return bool(sleeps_in_call(self.syscall_file, self.stat_file, number, NULL))
        argument = <long> <unsigned long> first
        return bool(sleeps_in_call(self.syscall_file, self.stat_file, number, &argument))

    def first_argument(self):
        """The first argument of the system call in which it sleeps; None: it runs."""
        cdef unsigned long value
        return value if first_argument(self.syscall_file, &value) else None
