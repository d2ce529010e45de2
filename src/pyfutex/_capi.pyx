"""The table of pyfutex.h, in a capsule."""

from cpython.pycapsule cimport PyCapsule_New

cimport pyfutex.cyfutex as cyfutex


cdef extern from *:
    """
    #include "pyfutex.h"

    static pyfutex_api pf_table;

    /* Every slot is a pointer to a function, one behind the other. */
    static int pf_fill_table(void *const *functions, size_t n)
    {
        size_t offset = offsetof(pyfutex_api, manager_new);
        if (n != PYFUTEX_SLOTS || offset + n * sizeof *functions != sizeof pf_table)
            return -1;
        pf_table.abi = PYFUTEX_ABI;
        pf_table.n_slots = PYFUTEX_SLOTS;
        memcpy((char *)&pf_table + offset, functions, n * sizeof *functions);
        return 0;
    }
    """
    int fill_table "pf_fill_table" (void *const *functions, size_t n)
    const void *the_table "((void *)&pf_table)"


# In the order of the header, for ever.
cdef void *functions[43]
functions[:] = [
    <void *> cyfutex.manager_new,
    <void *> cyfutex.manager_free,
    <void *> cyfutex.manager_of,
    <void *> cyfutex.manager_stats,
    <void *> cyfutex.manager_owner_alive,
    <void *> cyfutex.host_target,
    <void *> cyfutex.target_new,
    <void *> cyfutex.target_free,
    <void *> cyfutex.target_of,
    <void *> cyfutex.mappable_new,
    <void *> cyfutex.mappable_of,
    <void *> cyfutex.wake,
    <void *> cyfutex.wakev,
    <void *> cyfutex.requeue,
    <void *> cyfutex.cmp_requeue,
    <void *> cyfutex.wake_op,
    <void *> cyfutex.wait,
    <void *> cyfutex.wake_wait,
    <void *> cyfutex.waitv,
    <void *> cyfutex.waiter_init,
    <void *> cyfutex.waiter_init_queue,
    <void *> cyfutex.wait_prepare,
    <void *> cyfutex.waitv_prepare,
    <void *> cyfutex.waiter_cancel,
    <void *> cyfutex.waiter_wait,
    <void *> cyfutex.waiter_result,
    <void *> cyfutex.waiter_context,
    <void *> cyfutex.queue_new,
    <void *> cyfutex.queue_free,
    <void *> cyfutex.queue_fileno,
    <void *> cyfutex.queue_pop,
    <void *> cyfutex.lock_pi,
    <void *> cyfutex.trylock_pi,
    <void *> cyfutex.unlock_pi,
    <void *> cyfutex.lock_pi_prepare,
    <void *> cyfutex.wait_requeue_pi,
    <void *> cyfutex.wait_requeue_pi_prepare,
    <void *> cyfutex.cmp_requeue_pi,
    <void *> cyfutex.owner_exit,
    <void *> cyfutex.manager_waiters,
    <void *> cyfutex.key_of,
    <void *> cyfutex.now,
    <void *> cyfutex.prefetch,
]

if fill_table(functions, 43) != 0:
    raise ImportError("pyfutex was built with another table of functions than that of pyfutex.h")

_c_api = PyCapsule_New(<void *> the_table, "pyfutex._c_api", NULL)
