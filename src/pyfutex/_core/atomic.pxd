"""View of atomic.h: the only place where these names are declared. Orders are in the names; see the header."""

from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef extern from "atomic.h" nogil:
    uint32_t load_relaxed_u32 "pf_load_relaxed_u32" (const uint32_t *p)
    uint32_t load_acquire_u32 "pf_load_acquire_u32" (const uint32_t *p)
    uint32_t load_u32 "pf_load_u32" (const uint32_t *p)
    void store_relaxed_u32 "pf_store_relaxed_u32" (uint32_t *p, uint32_t v)
    void store_release_u32 "pf_store_release_u32" (uint32_t *p, uint32_t v)
    void store_u32 "pf_store_u32" (uint32_t *p, uint32_t v)
    uint32_t exchange_u32 "pf_exchange_u32" (uint32_t *p, uint32_t v)
    uint32_t fetch_add_u32 "pf_fetch_add_u32" (uint32_t *p, uint32_t v)
    uint32_t fetch_sub_u32 "pf_fetch_sub_u32" (uint32_t *p, uint32_t v)
    uint32_t fetch_and_u32 "pf_fetch_and_u32" (uint32_t *p, uint32_t v)
    uint32_t fetch_or_u32 "pf_fetch_or_u32" (uint32_t *p, uint32_t v)
    uint32_t fetch_xor_u32 "pf_fetch_xor_u32" (uint32_t *p, uint32_t v)
    uint32_t fetch_sub_release_u32 "pf_fetch_sub_release_u32" (uint32_t *p, uint32_t v)
    bint cas_u32 "pf_cas_u32" (uint32_t *p, uint32_t expected, uint32_t desired)
    uint32_t cas_previous_u32 "pf_cas_previous_u32" (uint32_t *p, uint32_t expected, uint32_t desired)

    uint64_t load_relaxed_u64 "pf_load_relaxed_u64" (const uint64_t *p)
    uint64_t load_acquire_u64 "pf_load_acquire_u64" (const uint64_t *p)
    uint64_t load_u64 "pf_load_u64" (const uint64_t *p)
    void store_relaxed_u64 "pf_store_relaxed_u64" (uint64_t *p, uint64_t v)
    void store_release_u64 "pf_store_release_u64" (uint64_t *p, uint64_t v)
    void store_u64 "pf_store_u64" (uint64_t *p, uint64_t v)
    uint64_t exchange_u64 "pf_exchange_u64" (uint64_t *p, uint64_t v)
    uint64_t fetch_add_u64 "pf_fetch_add_u64" (uint64_t *p, uint64_t v)
    uint64_t fetch_sub_u64 "pf_fetch_sub_u64" (uint64_t *p, uint64_t v)
    uint64_t fetch_and_u64 "pf_fetch_and_u64" (uint64_t *p, uint64_t v)
    uint64_t fetch_or_u64 "pf_fetch_or_u64" (uint64_t *p, uint64_t v)
    uint64_t fetch_xor_u64 "pf_fetch_xor_u64" (uint64_t *p, uint64_t v)
    uint64_t fetch_add_relaxed_u64 "pf_fetch_add_relaxed_u64" (uint64_t *p, uint64_t v)
    bint cas_u64 "pf_cas_u64" (uint64_t *p, uint64_t expected, uint64_t desired)
    uint64_t cas_previous_u64 "pf_cas_previous_u64" (uint64_t *p, uint64_t expected, uint64_t desired)

    int64_t load_relaxed_i64 "pf_load_relaxed_i64" (const int64_t *p)
    void store_relaxed_i64 "pf_store_relaxed_i64" (int64_t *p, int64_t v)

    void fence "pf_fence" ()
    void fence_after_rmw "pf_fence_after_rmw" ()
    void pause "pf_pause" ()
    void prefetch "pf_prefetch" (const void *p)
    bint likely "pf_likely" (bint condition)
    bint unlikely "pf_unlikely" (bint condition)
