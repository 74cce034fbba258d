/* Replay: operations that are history, applied straight to records, cells and base lists.
 *
 * Adjacency would be slow one list at a time: each relationship would touch two random lists. So entries
 * go to a log per partition, written in sequence, and store_replay_finish turns the log of one partition
 * after the other into lists:
 *
 *     log of a partition        count by (node, direction)      scatter            each list: sort, build
 *     [n7 out b][n3 in a]...  ->  n3 out 0, in 2 | n7 out 1 ..  ->  [n3 in][n3 in][n7 out] -> base lists
 *
 * which is linear but for the sorting of single lists, and needs memory beside the lists only for the
 * logs (16 bytes per entry) and for one partition's scatter.
 *
 * Invariants
 *  1. The log of a partition has entries of its own nodes, in order of replay.
 *  2. An entry and its removal may both be in the log; the removal is later. */
#include <string.h>

#include "shards/store/state.h"

/* The other node is packed; above its partition stand the flags. */
struct load_entry {
    uint32_t node_local, other_local, number;
    uint16_t other_partition;
    uint16_t type;
};
static_assert(sizeof(struct load_entry) == 16, "16 bytes per entry and direction");
enum { LOAD_INCOMING = 1 << PARTITION_BITS, LOAD_REMOVAL = 2 << PARTITION_BITS };

/* Blocks grow with the partition's log, and go back to the shard's memory as soon as it is sorted. */
enum { LOAD_COUNT_FIRST = 254, LOAD_COUNT_MAX = 4094 };
struct load_block {
    struct load_block *older;
    uint32_t count, capacity;
    uint64_t padding[2];
    struct load_entry entries[];
};
static_assert(sizeof(struct load_block) == 32, "blocks are whole pages");

static size_t
load_block_size(uint32_t capacity)
{
    return sizeof(struct load_block) + capacity * sizeof(struct load_entry);
}

static struct load_block *
load_block_add(struct store *store, struct partition *partition)
{
    uint32_t capacity = partition->load ? partition->load->capacity * 2 + 2 : LOAD_COUNT_FIRST;
    if (capacity > LOAD_COUNT_MAX)
        capacity = LOAD_COUNT_MAX;
    struct load_block *block = memory_allocate(
        shard_memory(store->shard), load_block_size(capacity));
    if (!block)
        return NULL;
    *block = (struct load_block){.older = partition->load, .capacity = capacity};
    partition->load = block;
    return block;
}

static err_t
load_add(struct store *store, uint64_t node, bool incoming, bool removal, struct key key)
{
    struct partition *partition = &store->partitions[partition_of(node)];
    struct load_block *block = partition->load;
    if ((id_local(node) | id_local(key.other) | key.number) > UINT32_MAX || key.type > UINT16_MAX)
        return ERR(LIMIT);
    if (!block || block->count == block->capacity)
        block = load_block_add(store, partition);
    if (!block)
        return ERR(MEMORY_POOL);
    uint32_t flags = (incoming ? LOAD_INCOMING : 0u) | (removal ? LOAD_REMOVAL : 0u);
    block->entries[block->count++] = (struct load_entry){
        .node_local = (uint32_t)id_local(node),
        .other_local = (uint32_t)id_local(key.other),
        .number = (uint32_t)key.number,
        .other_partition = (uint16_t)(partition_of(key.other) | flags),
        .type = (uint16_t)key.type,
    };
    partition->load_count++;
    store->loading = true;
    return 0;
}

/* Which list of the partition an entry is for: local * 2, and 1 for IN. */
static uint64_t
load_list(const struct load_entry *entry)
{
    return entry->node_local * UINT64_C(2) + ((entry->other_partition & LOAD_INCOMING) != 0);
}

/* --- building lists --- */

/* Where the entries of each list begin in the scatter: offsets[local * 2 + incoming]. */
struct scatter {
    struct entry *entries;
    uint32_t *offsets;
    uint64_t count, list_count;
};

static void
load_count(const struct partition *partition, uint32_t *offsets)
{
    for (const struct load_block *block = partition->load; block; block = block->older)
        for (uint32_t i = 0; i < block->count; i++)
            offsets[load_list(&block->entries[i])]++;
}

/* Blocks are linked newest first, so each list fills from its end: order of arrival is kept. */
static void
load_scatter(const struct partition *partition, struct scatter *scatter)
{
    for (const struct load_block *block = partition->load; block; block = block->older) {
        for (uint32_t i = block->count; i-- > 0;) {
            const struct load_entry *entry = &block->entries[i];
            bool removal = entry->other_partition & LOAD_REMOVAL;
            uint32_t *offset = &scatter->offsets[load_list(entry)];
            scatter->entries[--*offset] = (struct entry){
                .other = id_make(
                    entry->other_local, entry->other_partition & (PARTITION_COUNT - 1)),
                .number = entry->number,
                .type = entry->type,
                .created = removal ? STAMP_BASE : 1,
                .deleted = removal ? 1 : STAMP_NEVER,
            };
        }
    }
}

/* Two of one key are an entry and its removal: one dead entry. Returns how many are left. */
static uint64_t
entries_join(struct entry *entries, uint64_t count)
{
    uint64_t kept = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct entry *last = kept ? &entries[kept - 1] : NULL;
        bool same = last && last->type == entries[i].type && last->other == entries[i].other &&
                    last->number == entries[i].number;
        if (same)
            last->deleted = 1;
        else
            entries[kept++] = entries[i];
    }
    return kept;
}

static err_t
list_load(struct store *store, uint64_t node, bool incoming, struct entry *entries, uint64_t count)
{
    uint64_t *list = node_list(store, node, incoming);
    if (!list)
        return ERR(STORAGE_DAMAGE); /* a relationship of a node nobody created */
    assert(!list_is_dirty(*list));
    entries_sort(entries, count);
    count = entries_join(entries, count);
    struct base *old = (struct base *)(uintptr_t)*list, *base;
    err_t err = base_build(&store->pool, old, entries, count, 1, node, &base);
    if (err)
        return err;
    base_destroy(&store->pool, old);
    *list = (uint64_t)(uintptr_t)base;
    return 0;
}

static void
load_release(struct store *store, struct partition *partition)
{
    while (partition->load) {
        struct load_block *block = partition->load;
        partition->load = block->older;
        memory_release(shard_memory(store->shard), block, load_block_size(block->capacity));
    }
    partition->load_count = 0;
}

static err_t
partition_load(struct store *store, uint32_t index)
{
    struct partition *partition = &store->partitions[index];
    struct scatter scatter = {.count = partition->load_count, .list_count = 0};
    if (scatter.count == 0)
        return 0;
    if (scatter.count > UINT32_MAX)
        return ERR(LIMIT);
    for (const struct load_block *block = partition->load; block; block = block->older)
        for (uint32_t i = 0; i < block->count; i++)
            if (load_list(&block->entries[i]) >= scatter.list_count)
                scatter.list_count = load_list(&block->entries[i]) + 1;
    err_t err = 0;
    scatter.entries = pool_allocate(&store->pool, scatter.count * sizeof(*scatter.entries));
    scatter.offsets = pool_zeroed(&store->pool, scatter.list_count * sizeof(*scatter.offsets));
    if (!scatter.entries || !scatter.offsets) {
        err = ERR(MEMORY_POOL);
        goto fail;
    }
    load_count(partition, scatter.offsets);
    uint32_t end = 0;
    for (uint64_t i = 0; i < scatter.list_count; i++)
        end = scatter.offsets[i] += end; /* the end of each list, for now */
    load_scatter(partition, &scatter);   /* and now its beginning */
    for (uint64_t i = 0; i < scatter.list_count && !err; i++) {
        uint64_t from = scatter.offsets[i];
        uint64_t to = i + 1 < scatter.list_count ? scatter.offsets[i + 1] : scatter.count;
        if (to > from)
            err = list_load(
                store, id_make(i / 2, index), i % 2 == 1, scatter.entries + from, to - from);
    }
    if (!err)
        load_release(store, partition);
fail:
    pool_release(&store->pool, scatter.entries, scatter.count * sizeof(*scatter.entries));
    pool_release(&store->pool, scatter.offsets, scatter.list_count * sizeof(*scatter.offsets));
    return err;
}

err_t
store_replay_finish(struct store *store)
{
    for (uint32_t i = 0; i < PARTITION_COUNT; i++) {
        err_t err = partition_load(store, i);
        if (err)
            return err;
    }
    store->loading = false;
    return 0;
}

void
store_replay_abandon(struct store *store)
{
    for (uint32_t i = 0; i < PARTITION_COUNT; i++)
        load_release(store, &store->partitions[i]);
}

/* --- operations --- */

static err_t
cell_replay(struct store *store, enum entity entity, uint32_t key, uint64_t id, struct value value)
{
    struct column_slot *slot = value_is_null(value) ? column_slot_lookup(store, entity, key, id)
                                                    : column_slot_make(store, entity, key, id);
    if (!slot)
        return value_is_null(value) ? 0 : ERR(MEMORY_POOL);
    struct value owned;
    err_t err = value_own(&store->pool, value, &owned);
    if (err)
        return err;
    err = cell_base_set(store, slot, id, owned);
    if (err)
        value_disown(&store->pool, owned);
    return err;
}

static err_t
properties_replay(
    struct store *store, enum entity entity, uint64_t id, const struct operation *operation)
{
    const struct key_list *list = operation->replace ? key_list_lookup(store, entity, id) : NULL;
    err_t err = 0;
    for (uint32_t i = 0; list && !err && i < list->count; i++)
        err = cell_replay(store, entity, list->keys[i], id, value_null());
    for (uint32_t i = 0; !err && i < operation->property_count; i++)
        err = cell_replay(
            store, entity, operation->properties[i].key, id, operation->properties[i].value);
    return err;
}

static err_t
node_replay(struct store *store, const struct operation *operation, struct arena *arena)
{
    uint64_t node = operation->node.id;
    struct node_record *record = node_record_make(store, node);
    if (!record)
        return ERR(MEMORY_POOL);
    bool had = record->flags & NODE_EXISTS;
    uint32_t from = record->label_set, to = from;
    bool has = operation->type != OPERATION_NODE_DELETE;
    err_t err = 0;
    if (!has)
        to = 0;
    else if (operation->type != OPERATION_NODE_PROPERTIES)
        err = label_set_change(store, arena, from, operation, &to);
    if (!err)
        err = label_bits_set(store, to, node);
    if (!err) {
        const struct operation none = {.replace = true};
        err = properties_replay(store, ENTITY_NODE, node, has ? operation : &none);
    }
    if (err)
        return err;
    for (uint32_t i = 0; from && i < store->label_sets[from]->count; i++)
        if (!label_set_has(store, to, store->label_sets[from]->tokens[i]))
            label_bit_clear(store, store->label_sets[from]->tokens[i], node);
    label_counts_move(store, had, from, has, to);
    record->label_set = to;
    record->flags = has ? NODE_EXISTS : 0;
    return 0;
}

static err_t
rel_create_replay(struct store *store, const struct operation *operation)
{
    uint64_t rel = operation->rel.id;
    struct rel_stored *stored = rel_stored_make(store, rel);
    if (!stored || !array_grow(
                       &store->pool, (void **)&store->type_counts, &store->type_count,
                       operation->rel_type + UINT64_C(1), sizeof(uint64_t)))
        return ERR(MEMORY_POOL);
    if (id_local(operation->start.id) > UINT32_MAX || id_local(operation->end.id) > UINT32_MAX)
        return ERR(LIMIT);
    struct key key = {
        .other = operation->end.id, .number = id_local(rel), .type = operation->rel_type};
    err_t err = load_add(store, operation->start.id, false, false, key);
    if (!err)
        err = properties_replay(store, ENTITY_REL, rel, operation);
    if (err)
        return err;
    *stored = (struct rel_stored){
        .start_local = (uint32_t)id_local(operation->start.id),
        .end_local = (uint32_t)id_local(operation->end.id),
        .end_partition = (uint16_t)(partition_of(operation->end.id) | REL_EXISTS),
        .type = (uint16_t)operation->rel_type,
    };
    store->type_counts[operation->rel_type]++;
    store->rel_count++;
    return 0;
}

static err_t
rel_delete_replay(struct store *store, const struct operation *operation)
{
    struct rel_stored *stored = rel_stored_lookup(store, operation->rel.id);
    if (!stored || rel_stored_is_empty(stored))
        return ERR(STORAGE_DAMAGE);
    struct key key = {
        .other = operation->end.id,
        .number = id_local(operation->rel.id),
        .type = operation->rel_type};
    err_t err = load_add(store, operation->start.id, false, true, key);
    const struct operation none = {.replace = true};
    if (!err)
        err = properties_replay(store, ENTITY_REL, operation->rel.id, &none);
    if (err)
        return err;
    store->type_counts[stored->type]--;
    store->rel_count--;
    *stored = (struct rel_stored){0};
    return 0;
}

err_t
store_replay(
    struct store *store, const struct operation *operation, uint64_t timestamp, struct arena *arena)
{
    assert(timestamp < STAMP_INTENT);
    assert(store->dirty_count == 0);
    struct key in_key = {
        .other = operation->start.id,
        .number = id_local(operation->rel.id),
        .type = operation->rel_type};
    switch ((enum operation_type)operation->type) {
    case OPERATION_NODE_CREATE:
    case OPERATION_NODE_DELETE:
    case OPERATION_NODE_LABELS:
    case OPERATION_NODE_PROPERTIES:
        return node_replay(store, operation, arena);
    case OPERATION_REL_CREATE:
        return rel_create_replay(store, operation);
    case OPERATION_REL_ATTACH:
        return load_add(store, operation->end.id, true, false, in_key);
    case OPERATION_REL_DELETE:
        return rel_delete_replay(store, operation);
    case OPERATION_REL_DETACH:
        return load_add(store, operation->end.id, true, true, in_key);
    case OPERATION_REL_PROPERTIES:
        return properties_replay(store, ENTITY_REL, operation->rel.id, operation);
    case OPERATION_INDEX_ADD:
    case OPERATION_INDEX_REMOVE:
        return 0; /* derived: rebuilt afterwards */
    case OPERATION_NONE:
    case OPERATION_TYPE_COUNT:
        break;
    }
    return ERR(STORAGE_DAMAGE);
}
