/* What callers reserve for pyfutex, and what they pass: frozen, for C and for C++. */
#include "pyfutex.h"

#ifdef __cplusplus
#define ASSERT(condition) static_assert(condition, #condition)
#define ALIGNMENT(type) alignof(type)
#else
#define ASSERT(condition) _Static_assert(condition, #condition)
#define ALIGNMENT(type) _Alignof(type)
#endif
#define IS(type, bytes) ASSERT(sizeof(type) == (bytes) && ALIGNMENT(type) == 8)
#define AT(type, member, offset) ASSERT(offsetof(type, member) == (offset))

IS(pyfutex_waiter, 128);
IS(pyfutex_pi_wait, 128);
IS(pyfutex_vector, 64);

IS(pyfutex_place, 24);
AT(pyfutex_place, target, 0);
AT(pyfutex_place, addr, 8);
AT(pyfutex_place, size, 16);
AT(pyfutex_place, sharing, 20);

IS(pyfutex_deadline, 16);
AT(pyfutex_deadline, ns, 0);
AT(pyfutex_deadline, clock, 8);

IS(pyfutex_item, 32);
AT(pyfutex_item, place, 0);
AT(pyfutex_item, value, 24);

IS(pyfutex_wake_item, 40);
AT(pyfutex_wake_item, place, 0);
AT(pyfutex_wake_item, n, 24);
AT(pyfutex_wake_item, bitset, 28);
AT(pyfutex_wake_item, result, 32);

ASSERT(sizeof(pyfutex_counts) == 8 && ALIGNMENT(pyfutex_counts) == 4);
AT(pyfutex_counts, woken, 0);
AT(pyfutex_counts, requeued, 4);

IS(pyfutex_stats, 64);
AT(pyfutex_stats, waiters, 0);
AT(pyfutex_stats, keys, 8);
AT(pyfutex_stats, buckets, 16);
AT(pyfutex_stats, longest_chain, 24);
AT(pyfutex_stats, growths, 32);
AT(pyfutex_stats, table_bytes, 40);

IS(pyfutex_target_functions, 32);
AT(pyfutex_target_functions, load, 0);
AT(pyfutex_target_functions, swap, 8);
AT(pyfutex_target_functions, compare_and_swap, 16);
AT(pyfutex_target_functions, shared_key, 24);

AT(pyfutex_api, abi, 0);
AT(pyfutex_api, n_slots, 4);
AT(pyfutex_api, manager_new, 8);
AT(pyfutex_api, wake, 8 + 11 * 8);
AT(pyfutex_api, wait, 8 + 16 * 8);
AT(pyfutex_api, lock_pi, 8 + 31 * 8);
AT(pyfutex_api, now, 8 + 41 * 8);

ASSERT(PYFUTEX_BY_MEMORY == 0 && PYFUTEX_PRIVATE == 1 && PYFUTEX_SHARED == 2);
ASSERT(PYFUTEX_ANY == 0xFFFFFFFF && PYFUTEX_ALL == 0x7FFFFFFF && PYFUTEX_QUEUED == 1 << 30);
