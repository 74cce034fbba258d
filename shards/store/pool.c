/* Size classes: multiples of 16 up to 512, then four steps per doubling.
 *
 *     16 32 48 ... 512 | 640 768 896 1024 | 1280 1536 1792 2048 | ... 32768
 *
 * Invariants
 *  1. class_size(class_of(n)) >= n, and every class size is a multiple of 16.
 *  2. An object on a free list is not out; its first word links to the next. */
#include "shards/store/pool.h"

#include <string.h>

#include "base/assert.h"
#include "base/poison.h"

enum { FINE_SIZE_MAX = 512, FINE_COUNT = FINE_SIZE_MAX / 16, SLAB_SIZE_MAX = 2 << 20 };

#ifdef BASE_POISON_ON
const size_t POOL_SLAB_SIZE_FIRST = 0;
#else
const size_t POOL_SLAB_SIZE_FIRST = 64 << 10;
#endif

struct pool_slab {
    struct pool_slab *older;
    size_t size;
};

static uint32_t
class_of(size_t size)
{
    assert(size <= POOL_SMALL_SIZE_MAX);
    if (size <= FINE_SIZE_MAX)
        return size ? (uint32_t)((size - 1) / 16) : 0;
    uint32_t power = 63 - (uint32_t)__builtin_clzll(size - 1); /* 2^power < size <= 2^(power + 1) */
    uint32_t quarter = (uint32_t)((size - 1) >> (power - 2)) & 3;
    return FINE_COUNT + (power - 9) * 4 + quarter;
}

static size_t
class_size(uint32_t class)
{
    if (class < FINE_COUNT)
        return (class + 1) * (size_t)16;
    uint32_t power = 9 + (class - FINE_COUNT) / 4, quarter = (class - FINE_COUNT) % 4;
    return ((size_t)1 << power) + ((size_t)(quarter + 1) << (power - 2));
}

size_t
pool_class_size(size_t size)
{
    return size > POOL_SMALL_SIZE_MAX ? size : class_size(class_of(size));
}

void
pool_create(struct pool *pool, struct memory *memory, size_t slab_size_first)
{
    assert(class_of(POOL_SMALL_SIZE_MAX) < POOL_CLASS_COUNT);
    *pool = (struct pool){.memory = memory, .slab_size = slab_size_first};
}

void
pool_destroy(struct pool *pool)
{
    while (pool->slabs) {
        struct pool_slab *slab = pool->slabs;
        pool->slabs = slab->older;
        memory_release(pool->memory, slab, slab->size);
    }
    *pool = (struct pool){0};
}

static void
free_push(struct pool *pool, uint32_t class, void *object)
{
    *(void **)object = pool->free[class];
    pool->free[class] = object;
}

/* The rest of the slab before is at most one object of waste: it goes to the free lists. */
static void
fresh_give_up(struct pool *pool)
{
    while (pool->fresh_size >= 16) {
        size_t size = pool->fresh_size > FINE_SIZE_MAX ? FINE_SIZE_MAX
                                                       : pool->fresh_size & ~(size_t)15;
        uint32_t class = class_of(size);
        free_push(pool, class, pool->fresh);
        pool->fresh += size;
        pool->fresh_size -= size;
    }
}

static bool
slab_add(struct pool *pool, size_t need)
{
    size_t size = pool->slab_size;
    while (size < need + sizeof(struct pool_slab))
        size *= 2;
    struct pool_slab *slab = memory_allocate(pool->memory, size);
    if (!slab)
        return false;
    fresh_give_up(pool);
    *slab = (struct pool_slab){.older = pool->slabs, .size = size};
    pool->slabs = slab;
    pool->fresh = (char *)slab + 64;
    pool->fresh_size = size - 64;
    if (pool->slab_size < SLAB_SIZE_MAX)
        pool->slab_size *= 2;
    return true;
}

void *
pool_allocate(struct pool *pool, size_t size)
{
    if (size > POOL_SMALL_SIZE_MAX || pool->slab_size == 0) {
        void *object = memory_allocate(pool->memory, size);
        pool->used_size += object ? size : 0;
        return object;
    }
    uint32_t class = class_of(size);
    size_t rounded = class_size(class);
    void *object = pool->free[class];
    if (object) {
        pool->free[class] = *(void **)object;
    } else {
        if (pool->fresh_size < rounded && !slab_add(pool, rounded + 64))
            return NULL;
        object = pool->fresh;
        pool->fresh += rounded;
        pool->fresh_size -= rounded;
    }
    pool->used_size += rounded;
    return object;
}

void *
pool_zeroed(struct pool *pool, size_t size)
{
    void *object = pool_allocate(pool, size);
    if (object)
        memset(object, 0, size);
    return object;
}

void
pool_release(struct pool *pool, void *object, size_t size)
{
    if (!object)
        return;
    if (size > POOL_SMALL_SIZE_MAX || pool->slab_size == 0) {
        assert(pool->used_size >= size);
        pool->used_size -= size;
        memory_release(pool->memory, object, size);
        return;
    }
    uint32_t class = class_of(size);
    assert(pool->used_size >= class_size(class));
    pool->used_size -= class_size(class);
    free_push(pool, class, object);
}
