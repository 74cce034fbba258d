/* Where memory comes from. Nothing in engine, shards or net calls malloc: it asks a `struct memory`
 * it was handed. The shard's own (shards/core) counts, limits and, in the simulator, fails on demand.
 * A source belongs to one shard and is not synchronised.
 *
 * memory_heap() is the plain process heap, for tools, tests and start-up code. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

struct memory {
    /* Returns `size` bytes aligned to 16, contents undefined, or NULL when the limit is reached. */
    void *(*allocate)(struct memory *source, size_t size);
    /* `size` is what was asked for. */
    void (*release)(struct memory *source, void *pointer, size_t size);
    size_t used_size; /* bytes out now: the gauge */
    size_t limit_size;
    void *state; /* the source's own */
};

static inline void *
memory_allocate(struct memory *source, size_t size)
{
    return source->allocate(source, size);
}

static inline void
memory_release(struct memory *source, void *pointer, size_t size)
{
    if (pointer)
        source->release(source, pointer, size);
}

/* A copy of `old_size` bytes in a block of `new_size`; the old block is released. NULL when there is no
 * memory, and then the old block is untouched. */
void *memory_resize(struct memory *source, void *old, size_t old_size, size_t new_size);

struct memory *memory_heap(void);

#endif
