/* The invariants of this folder as code. */
#include "shards/store/state.h"

static bool
entry_keys_ascend(const struct entry *a, const struct entry *b)
{
    if (a->type != b->type)
        return a->type < b->type;
    return a->other != b->other ? a->other < b->other : a->number < b->number;
}

static bool
base_is_sane(const struct base *base)
{
    uint64_t total = 0;
    if (base->count == 0 || base->run_count == 0)
        return false;
    for (uint32_t run = 0; run < base->run_count; run++) {
        if (base->runs[run].count == 0 || (run && base->runs[run - 1].type >= base->runs[run].type))
            return false;
        for (uint64_t at = total + 1; at < total + base->runs[run].count; at++) {
            uint64_t before = base_other(base, at - 1), other = base_other(base, at);
            if (before > other ||
                (before == other && base_number(base, at - 1) >= base_number(base, at)))
                return false;
        }
        total += base->runs[run].count;
    }
    return total == base->count;
}

static bool
stamp_is_sane(struct store *store, uint64_t stamp)
{
    return !stamp_is_intent(stamp) || store_txn_lookup(store, stamp & ~STAMP_INTENT);
}

static bool
list_is_sane(struct store *store, const uint64_t *list)
{
    const struct base *base = list_base(*list);
    const struct delta *delta = list_delta(*list);
    if (base && !base_is_sane(base))
        return false;
    if (!delta)
        return true;
    if (delta->home != list || !delta->dirty.queued || delta->sorted_count > delta->count)
        return false;
    for (uint32_t i = 0; i < delta->count; i++) {
        const struct entry *entry = &delta->entries[i];
        struct key key = {.other = entry->other, .number = entry->number, .type = entry->type};
        if (i && i < delta->sorted_count && !entry_keys_ascend(entry - 1, entry))
            return false;
        if (entry->deleted < entry->created ||
            (entry->created == STAMP_BASE) != base_has(base, key))
            return false;
        if (!stamp_is_sane(store, entry->created) || !stamp_is_sane(store, entry->deleted))
            return false;
    }
    return true;
}

static bool
chain_is_sane(struct store *store, const struct chain *chain)
{
    uint64_t last = UINT64_MAX;
    if (!chain->newest || !chain->dirty.queued)
        return false;
    for (const struct version *version = chain->newest; version; version = version->older) {
        if (version->stamp > last || !stamp_is_sane(store, version->stamp))
            return false;
        last = version->stamp;
    }
    if (chain->item == CHAIN_NODE)
        return node_record_lookup(store, chain->id)->flags & NODE_VERSIONED;
    const struct column_slot *slot = column_slot_lookup(
        store, (enum entity)(chain->item >> 31), chain->item & INT32_MAX, chain->id);
    return slot && slot_is_versioned(slot, chain->id);
}

static bool
nodes_are_sane(struct store *store, uint32_t partition)
{
    const struct node_chunks *nodes = &store->nodes[partition];
    for (uint32_t i = 0; i < nodes->count; i++) {
        for (uint32_t j = 0; nodes->chunks[i] && j < CHUNK_COUNT; j++) {
            const struct node_record *record = &nodes->chunks[i][j];
            uint64_t node = id_make((uint64_t)i << CHUNK_BITS | j, partition);
            if (!list_is_sane(store, &record->out) || !list_is_sane(store, &record->in))
                return false;
            bool versioned = record->flags & NODE_VERSIONED;
            if (versioned != (chain_lookup(store, CHAIN_NODE, node) != NULL))
                return false;
            /* Nothing hangs on a node that is gone. */
            if (record->flags == 0 && (list_base(record->out) || list_base(record->in)))
                return false;
        }
    }
    return true;
}

static bool
rels_are_sane(struct store *store, uint32_t partition)
{
    const struct rel_chunks *rels = &store->rels[partition];
    for (uint32_t i = 0; i < rels->count; i++) {
        for (uint32_t j = 0; rels->chunks[i] && j < CHUNK_COUNT; j++) {
            const struct rel_stored *stored = &rels->chunks[i][j];
            if (rel_stored_is_empty(stored))
                continue;
            uint64_t list = *node_list(store, id_make(stored->start_local, partition), false);
            struct key key = {
                .other = rel_stored_end(stored),
                .number = (uint64_t)i << CHUNK_BITS | j,
                .type = stored->type};
            struct delta *delta = list_delta(list);
            bool in_delta = delta && delta_find(&store->pool, delta, key);
            if (in_delta != ((stored->end_partition & REL_VERSIONED) != 0))
                return false;
            if (!in_delta &&
                (!base_has(list_base(list), key) || !(stored->end_partition & REL_EXISTS)))
                return false;
        }
    }
    return true;
}

bool
store_is_sane(struct store *store)
{
    for (uint32_t partition = 0; partition < PARTITION_COUNT; partition++)
        if (!nodes_are_sane(store, partition) || !rels_are_sane(store, partition))
            return false;
    for (uint64_t bucket = 0; bucket < store->chains.bucket_count; bucket++)
        for (struct table_link *link = table_bucket(&store->chains, bucket); link;
             link = link->next)
            if (!chain_is_sane(store, table_entry(link, struct chain, link)))
                return false;
    for (uint64_t bucket = 0; bucket < store->groups.bucket_count; bucket++)
        for (struct table_link *link = table_bucket(&store->groups, bucket); link;
             link = link->next)
            if (!list_is_sane(store, &table_entry(link, struct group, link)->list))
                return false;
    return true;
}
