/* Chunks of records. A chunk never moves once it is there, so list words inside records have a fixed
 * address; only the small arrays of chunk pointers grow. */
#include <string.h>

#include "shards/store/state.h"

bool
array_grow(struct pool *pool, void **items, uint32_t *count, uint64_t need, size_t item_size)
{
    if (need <= *count)
        return true;
    uint64_t grown = *count ? *count : 4;
    while (grown < need)
        grown *= 2;
    if (grown > UINT32_MAX)
        return false;
    char *fresh = pool_allocate(pool, grown * item_size);
    if (!fresh)
        return false;
    if (*count)
        memcpy(fresh, *items, *count * item_size);
    memset(fresh + *count * item_size, 0, (grown - *count) * item_size);
    pool_release(pool, *items, *count * item_size);
    *items = fresh;
    *count = (uint32_t)grown;
    return true;
}

static void
next_local_raise(struct store *store, enum entity entity, uint64_t id)
{
    uint64_t *next = &store->partitions[partition_of(id)].next_local[entity];
    if (*next <= id_local(id))
        *next = id_local(id) + 1;
}

struct node_record *
node_record_make(struct store *store, uint64_t node)
{
    struct node_chunks *chunks = &store->nodes[partition_of(node)];
    uint64_t chunk = id_local(node) >> CHUNK_BITS;
    if (!array_grow(
            &store->pool, (void **)&chunks->chunks, &chunks->count, chunk + 1, sizeof(void *)))
        return NULL;
    if (!chunks->chunks[chunk])
        chunks->chunks[chunk] = pool_zeroed(&store->pool, sizeof(struct node_record) * CHUNK_COUNT);
    if (!chunks->chunks[chunk])
        return NULL;
    next_local_raise(store, ENTITY_NODE, node);
    return &chunks->chunks[chunk][id_local(node) & (CHUNK_COUNT - 1)];
}

struct rel_stored *
rel_stored_make(struct store *store, uint64_t rel)
{
    struct rel_chunks *chunks = &store->rels[partition_of(rel)];
    uint64_t chunk = id_local(rel) >> CHUNK_BITS;
    if (!array_grow(
            &store->pool, (void **)&chunks->chunks, &chunks->count, chunk + 1, sizeof(void *)))
        return NULL;
    if (!chunks->chunks[chunk])
        chunks->chunks[chunk] = pool_zeroed(&store->pool, sizeof(struct rel_stored) * CHUNK_COUNT);
    if (!chunks->chunks[chunk])
        return NULL;
    next_local_raise(store, ENTITY_REL, rel);
    return &chunks->chunks[chunk][id_local(rel) & (CHUNK_COUNT - 1)];
}

/* Runs of this many ids come from one partition before the next one has its turn: a small graph then
 * touches few chunks, and nodes made together lie together. */
enum { ALLOCATE_RUN = 64 };

node_id
store_node_allocate(struct store *store, uint64_t near)
{
    const struct shard *shard = store->shard;
    uint32_t partition;
    if (near && id_owner(shard, near) == shard->index) {
        partition = partition_of(near);
    } else {
        if (store->allocate_left == 0) {
            store->allocate_left = ALLOCATE_RUN;
            store->allocate_partition += shard->count;
            if (store->allocate_partition >= PARTITION_COUNT)
                store->allocate_partition = shard->index;
        }
        store->allocate_left--;
        partition = store->allocate_partition;
    }
    uint64_t local = store->partitions[partition].next_local[ENTITY_NODE]++;
    assert(local <= UINT32_MAX); /* 2^42 nodes in all */
    return (node_id){id_make(local, partition)};
}
