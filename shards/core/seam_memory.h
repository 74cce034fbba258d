/* A shard's own memory: one reserved range, no malloc after start. Handed to the shard as its
 * `struct memory`; boot/ reserves and releases it. Not synchronised, except for the gauge, `used_size`, which
 * anyone may read with memory_used_size. */
#ifndef SHARDS_CORE_SEAM_MEMORY_H
#define SHARDS_CORE_SEAM_MEMORY_H

#include "base/error.h"
#include "base/memory.h"

/* From any thread. */
static inline size_t
memory_used_size(const struct memory *source)
{
    return __atomic_load_n(&source->used_size, __ATOMIC_RELAXED);
}

struct range;

/* Reserves `size` bytes of address space (rounded down to 2 MiB; at least 4 MiB), huge-page-advised.
 * Pages are touched, and so placed on the node of the thread, only when they are used. */
err_t range_create(struct range **out, size_t size);
void range_destroy(struct range *range);
/* For binding it to a NUMA node before it is used. */
void range_bounds(const struct range *range, void **base, size_t *size);
/* A source that takes from the range. One per range. */
struct memory range_memory(struct range *range);
/* Asserts what the essay in seam_memory.c promises; walks everything. */
void range_check(const struct range *range);

#endif
