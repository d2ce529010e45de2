/* RWLock in robust shared memory: readers have slots, and die with them.
 *
 * sync/rwlock.pyx is_open, take_slot, take_slot_behind_gate, read_behind_gate, gate_acquire, drain_slots, write_acquire,
 * write_release; sync/_slots.pxd slots_take, slot_leave. Gate and slots are robust locks, here in one step each (robustlock.pml).
 * Left out: sleeping on the gate and on a slot; non-blocking attempts.
 *
 * Taking a slot and looking at the gate, and taking the gate and looking at the slots, is a store-buffer pattern: what is taken
 * is visible to others only when the taker's next barrier is through. Nobody is in beside a writer; the next one after a writer
 * that died in the middle is told; nobody waits for ever, though one reader and one writer may be killed.
 *
 * check quick -DREADERS=2 -DWRITERS=1 -DSLOTS=2
 * check quick -DREADERS=1 -DWRITERS=2 -DSLOTS=1
 * check -DREADERS=2 -DWRITERS=2 -DSLOTS=1
 * check -DREADERS=2 -DWRITERS=2 -DSLOTS=2
 * mutant READER_LOOKS_BEFORE a reader looks at the gate before it has a slot, and not again
 * mutant READER_WITHOUT_FENCE the reader's look at the gate comes before others see its slot
 * mutant WRITER_WITHOUT_FENCE the writer's look at the slots comes before others see its gate
 * mutant WRITER_SKIPS_ONE the writer does not look at the last slot
 * mutant DEAD_GATE_IS_OPEN a reader takes a gate whose writer died for a free one
 * mutant WRITTEN_LATE a writer says that it writes when it has begun to
 * mutant SLOT_KEPT a reader that finds the gate held waits for it with its slot
 */
#define THREADS (READERS + WRITERS)
#define DEAD 9

/* As others see it. 0: free; DEAD: its owner died; else its owner. */
byte gate, slot[SLOTS];
bool written, torn;
bool killed_reader, killed_writer;
byte n_reading, n_writing;
bool is_reading[THREADS], is_writing[THREADS];

#define is_open (gate == 0)

inline take_gate()
{
    atomic { gate == 0 || gate == DEAD; told = gate == DEAD && written; gate = me + 1 }
}

inline leave_slot() { atomic { slot[at] = 0; at = SLOTS } }

inline take_any_slot()
{
    atomic {
        at = 0;
        do
        :: at < SLOTS && slot[at] != 0 && slot[at] != DEAD -> at++
        :: else -> break
        od;
        if :: at < SLOTS -> slot[at] = me + 1 :: else fi
    }
}

inline dies()
{
    atomic {
        if :: is_reading[me] -> n_reading--; is_reading[me] = false :: else fi;
        if :: is_writing[me] -> n_writing--; is_writing[me] = false :: else fi;
        at = 0;
        do
        :: at < SLOTS -> if :: slot[at] == me + 1 -> slot[at] = DEAD :: else fi; at++
        :: else -> break
        od
    };
    if :: gate == me + 1 -> gate = DEAD :: else fi
}

/* In with a gate whose writer died, whoever came: make it good, and let go. */
inline repair()
{
    atomic { assert(n_reading == 0 && n_writing == 0); torn = false };
    written = false;
    gate = 0
}

proctype reader(byte me)
{
    byte at = SLOTS, n;
    bool told, was_open;
    {
#ifdef DEAD_GATE_IS_OPEN
        if :: !(is_open || gate == DEAD) -> goto behind :: else fi;
#else
        if :: !is_open -> goto behind :: else fi;
#endif
#if defined(READER_WITHOUT_FENCE)
        was_open = is_open;
#endif
        take_any_slot();
        if :: at == SLOTS -> goto behind :: else fi;
#if defined(READER_LOOKS_BEFORE)
        goto in;
#elif defined(DEAD_GATE_IS_OPEN)
        if :: is_open || gate == DEAD -> goto in :: else fi;
#elif defined(READER_WITHOUT_FENCE)
        if :: was_open -> goto in :: else fi;
#else
        if :: is_open -> goto in :: else fi;
#endif
#ifndef SLOT_KEPT
        leave_slot();
#endif
behind:
        take_gate();
        if :: told -> repair(); goto left :: else fi;
#ifdef SLOT_KEPT
        if :: at < SLOTS -> gate = 0; goto in :: else fi;
#endif
        do
        :: take_any_slot();
           if :: at < SLOTS -> break :: else fi;
           /* It waits for one of them, with the gate. */
           slot[0] == 0 || slot[0] == DEAD
        od;
        gate = 0;
in:
        atomic { n_reading++; is_reading[me] = true; assert(n_writing == 0); assert(!torn) };
        atomic { n_reading--; is_reading[me] = false };
        leave_slot();
left:
        skip
    } unless {
        me == 0 && killed_reader;
        dies()
    }
}

proctype writer(byte me)
{
    byte at, n;
    bool told;
    {
#if defined(WRITER_WITHOUT_FENCE)
        told = slot[0] == 0;
        atomic { gate == 0 || gate == DEAD; gate = me + 1 };
        if :: told -> goto in :: else fi;
#endif
#if !(defined(WRITER_WITHOUT_FENCE))
        take_gate();
        if :: told -> repair(); goto left :: else fi;
#endif
#ifdef WRITER_SKIPS_ONE
        do
        :: n < SLOTS - 1 ->
#else
        do
        :: n < SLOTS ->
#endif
             slot[n] == 0 || slot[n] == DEAD;
             n++
        :: else -> break
        od;
in:
#ifndef WRITTEN_LATE
        written = true;
#endif
        atomic { n_writing++; is_writing[me] = true; assert(n_writing == 1 && n_reading == 0); assert(!torn); torn = true };
#ifdef WRITTEN_LATE
        written = true;
#endif
        atomic { n_writing--; is_writing[me] = false; torn = false };
        written = false;
        gate = 0;
left:
        skip
    } unless {
        me == READERS && killed_writer;
        dies()
    }
}

proctype killer()
{
    if :: killed_reader = true :: true fi;
    if :: killed_writer = true :: true fi
}

init
{
    byte i;
    atomic {
        do :: i < READERS -> run reader(i); i++ :: else -> break od;
        do :: i < THREADS -> run writer(i); i++ :: else -> break od;
        run killer()
    };
    _nr_pr == 1;
    assert(gate == 0 || gate == DEAD)
}
