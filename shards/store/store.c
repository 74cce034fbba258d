/* Birth, death and numbers of a store. Where to read what: README.md. */
#include "shards/store/store.h"

#include <string.h>

#include "shards/store/state.h"

err_t
store_create(struct shard *shard, struct store **out)
{
    struct store *store = memory_allocate(shard_memory(shard), sizeof(*store));
    if (!store)
        return ERR(MEMORY_POOL);
    memset(store, 0, sizeof(*store));
    store->shard = shard;
    store->allocate_partition = shard->index;
    store->label_set_count = 1; /* 0 is the empty set */
    pool_create(&store->pool, shard_memory(shard), POOL_SLAB_SIZE_FIRST);
    table_create(&store->chains, &store->pool);
    table_create(&store->groups, &store->pool);
    table_create(&store->txns, &store->pool);
    table_create(&store->label_set_table, &store->pool);
    list_init(&store->dirty);
    for (uint32_t i = 0; i < PARTITION_COUNT; i++)
        for (int entity = 0; entity < ENTITY_COUNT; entity++)
            store->partitions[i].next_local[entity] = 1;
    *out = store;
    return 0;
}

static void
chains_destroy(struct store *store)
{
    struct table_link *link;
    for (uint64_t bucket = 0; bucket < store->chains.bucket_count; bucket++)
        while ((link = table_bucket(&store->chains, bucket)))
            chain_destroy(store, table_entry(link, struct chain, link));
}

static void
partition_destroy(struct store *store, uint32_t index)
{
    struct pool *pool = &store->pool;
    struct node_chunks *nodes = &store->nodes[index];
    for (uint32_t i = 0; i < nodes->count; i++) {
        for (uint32_t j = 0; nodes->chunks[i] && j < CHUNK_COUNT; j++) {
            list_destroy(pool, &nodes->chunks[i][j].out);
            list_destroy(pool, &nodes->chunks[i][j].in);
        }
        pool_release(pool, nodes->chunks[i], sizeof(struct node_record) * CHUNK_COUNT);
    }
    pool_release(pool, nodes->chunks, sizeof(void *) * nodes->count);
    struct rel_chunks *rels = &store->rels[index];
    for (uint32_t i = 0; i < rels->count; i++)
        pool_release(pool, rels->chunks[i], sizeof(struct rel_stored) * CHUNK_COUNT);
    pool_release(pool, rels->chunks, sizeof(void *) * rels->count);
    for (int entity = 0; entity < ENTITY_COUNT; entity++) {
        struct key_list *lists = store->partitions[index].key_lists[entity];
        uint32_t count = store->partitions[index].key_list_count[entity];
        for (uint32_t i = 0; i < count; i++)
            pool_release(pool, lists[i].keys, lists[i].capacity * sizeof(uint32_t));
        pool_release(pool, lists, count * sizeof(*lists));
    }
}

static void
labels_destroy(struct store *store)
{
    struct pool *pool = &store->pool;
    for (uint32_t i = 0; i < store->label_count; i++) {
        struct label *label = store->labels[i];
        for (uint32_t j = 0; label && j < PARTITION_COUNT; j++)
            pool_release(
                pool, label->parts[j].words, label->parts[j].word_count * sizeof(uint64_t));
        pool_release(pool, label, sizeof(*label));
    }
    pool_release(pool, store->labels, store->label_count * sizeof(void *));
    for (uint32_t i = 1; i < store->label_set_count; i++)
        pool_release(
            pool, store->label_sets[i],
            sizeof(struct label_set) + store->label_sets[i]->count * sizeof(uint32_t));
    pool_release(pool, store->label_sets, store->label_set_capacity * sizeof(void *));
}

void
store_destroy(struct store *store)
{
    store_replay_abandon(store);
    store_txns_destroy(store);
    groups_destroy(store);
    chains_destroy(store);
    for (uint32_t i = 0; i < PARTITION_COUNT; i++)
        partition_destroy(store, i);
    columns_destroy(store);
    labels_destroy(store);
    pool_release(&store->pool, store->index_since, store->index_since_count * sizeof(uint64_t));
    pool_release(&store->pool, store->type_counts, store->type_count * sizeof(uint64_t));
    table_destroy(&store->chains);
    table_destroy(&store->groups);
    table_destroy(&store->txns);
    table_destroy(&store->label_set_table);
    assert(store->pool.used_size == 0);
    pool_destroy(&store->pool);
    memory_release(shard_memory(store->shard), store, sizeof(*store));
}

uint64_t
store_node_count(const struct store *store, uint32_t label)
{
    if (label == LABEL_ANY)
        return store->node_count;
    return label < store->label_count && store->labels[label] ? store->labels[label]->node_count
                                                              : 0;
}

uint64_t
store_rel_count(const struct store *store, uint32_t type)
{
    if (type == TYPE_ANY)
        return store->rel_count;
    return type < store->type_count ? store->type_counts[type] : 0;
}
