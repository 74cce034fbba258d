/* Small objects of one store: free lists by size over slabs taken from the shard's memory. Objects of
 * 32 KiB and more go to the shard's memory directly. Slabs are given back when the pool is destroyed.
 * Under AddressSanitizer every object is its own allocation, so that it sees each use after release. */
#ifndef SHARDS_STORE_POOL_H
#define SHARDS_STORE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

enum { POOL_CLASS_COUNT = 57, POOL_SMALL_SIZE_MAX = 32 << 10 };

struct pool_slab;

struct pool {
    struct memory *memory;
    size_t slab_size; /* of the next slab; 0 = pass everything through */
    void *free[POOL_CLASS_COUNT];
    struct pool_slab *slabs;
    char *fresh; /* untouched rest of the newest slab */
    size_t fresh_size;
    size_t used_size; /* objects out now, rounded to their classes */
};

void pool_create(struct pool *pool, struct memory *memory, size_t slab_size_first);
/* Every object must have been released, or is forgotten with its slab; large ones must be released. */
void pool_destroy(struct pool *pool);
/* Aligned to 16, contents undefined; NULL when there is no memory. */
void *pool_allocate(struct pool *pool, size_t size);
void *pool_zeroed(struct pool *pool, size_t size);
/* `size` is what was asked for. */
void pool_release(struct pool *pool, void *object, size_t size);
/* Bytes an object of `size` takes. */
size_t pool_class_size(size_t size);

/* What store_create uses: 0 under AddressSanitizer. */
extern const size_t POOL_SLAB_SIZE_FIRST;

#endif
