/* Collection: what every snapshot sees the same goes into records, cells and base lists, and what nobody
 * sees is freed.
 *
 *     dirty:  [chain] - [list] - [chain] - ...        a queue; each visit takes one from its head and puts
 *                                                     it back at the tail unless it came out clean
 *
 * A pass visits each element once, in slices of `budget`. When the horizon has not moved since the last
 * pass there is nothing to find, and the next call says so at once.
 *
 * Folding one list copies its base, so a large base waits until a fair part of it is new: the work per
 * entry stays constant on average. */
#include "shards/store/state.h"

/* A base of this size or less is rewritten for a single new entry; a larger one when the new entries are
 * at least 1/FOLD_PART of it, or after SKIPS_MAX visits. */
enum { BASE_SMALL_COUNT = 256, FOLD_PART = 8, SKIPS_MAX = 16 };

/* A label that only `gone` had: no version or record says it any more. */
static void
label_bits_drop(
    struct store *store, const struct chain *chain, const struct node_record *record, uint32_t gone)
{
    for (uint32_t i = 0; gone && i < store->label_sets[gone]->count; i++) {
        uint32_t label = store->label_sets[gone]->tokens[i];
        bool used = label_set_has(store, record->label_set, label);
        for (const struct version *version = chain->newest; version && !used;
             version = version->older)
            used = label_set_has(store, version->label_set, label);
        if (!used)
            label_bit_clear(store, label, chain->id);
    }
}

static void
node_settle(struct store *store, struct chain *chain, const struct version *version)
{
    struct node_record *record = node_record_lookup(store, chain->id);
    uint32_t before = record->label_set;
    record->label_set = version->label_set;
    record->flags = (record->flags & ~(uint32_t)NODE_EXISTS) | (version->exists ? NODE_EXISTS : 0);
    label_bits_drop(store, chain, record, before);
}

/* Takes the version that everybody sees, and those under it, off the chain; base becomes what it says. */
static err_t
chain_settle(struct store *store, struct chain *chain, uint64_t horizon)
{
    struct version **link = &chain->newest;
    while (*link && (*link)->stamp > horizon)
        link = &(*link)->older;
    struct version *version = *link;
    if (!version)
        return 0;
    if (chain->item != CHAIN_NODE) {
        struct column_slot *slot = column_slot_lookup(
            store, (enum entity)(chain->item >> 31), chain->item & INT32_MAX, chain->id);
        err_t err = cell_base_set(store, slot, chain->id, version->value);
        if (err)
            return err;
        version->value = value_null(); /* the cell owns it now */
    }
    *link = NULL;
    if (chain->item == CHAIN_NODE)
        node_settle(store, chain, version);
    while (version) {
        struct version *older = version->older;
        if (chain->item == CHAIN_NODE)
            label_bits_drop(store, chain, node_record_lookup(store, chain->id), version->label_set);
        version_destroy(store, chain->item, version);
        version = older;
    }
    return 0;
}

/* Collects a chain; true when it is gone. */
static bool
chain_collect(struct store *store, struct chain *chain, uint64_t horizon)
{
    if (chain_settle(store, chain, horizon) || chain->newest)
        return false;
    chain_destroy(store, chain);
    return true;
}

static void
entry_gone(void *context, const struct delta *delta, const struct entry *entry, bool kept)
{
    struct store *store = context;
    if (delta->kind != LIST_OUT)
        return;
    struct rel_stored *stored = rel_stored_lookup(
        store, id_make(entry->number, partition_of(delta->owner)));
    if (!kept)
        *stored = (struct rel_stored){0};
    else
        stored->end_partition = (uint16_t)((stored->end_partition & ~REL_VERSIONED) | REL_EXISTS);
}

/* While an index is populated, entries that ended must stay: they tell the population that they were
 * there (index.c). */
static bool
group_is_populating(const struct store *store, const struct group *group)
{
    const struct catalog *catalog = store->shard->catalog;
    const struct index_info *info = catalog ? catalog_index_by_id(catalog, group->index) : NULL;
    return !info || info->state == INDEX_POPULATING; /* or one this shard has yet to hear of */
}

/* Collects a list; true when its delta is gone. `cost` is what it took. */
static bool
list_collect(struct store *store, struct delta *delta, uint64_t horizon, uint32_t *cost)
{
    struct group *group = delta->kind == LIST_INDEX ? (struct group *)(uintptr_t)delta->owner
                                                    : NULL;
    if (group && group_is_populating(store, group))
        return false;
    uint32_t foldable = delta_foldable_count(delta, horizon);
    uint32_t base_count = delta->base ? delta->base->count : 0;
    *cost += delta->count / 16;
    if (foldable == 0 && delta->count)
        return false;
    if (base_count > BASE_SMALL_COUNT && foldable < base_count / FOLD_PART &&
        delta->skipped_count < SKIPS_MAX) {
        delta->skipped_count++;
        return false;
    }
    delta->skipped_count = 0;
    *cost += (base_count + delta->count) / 16;
    uint32_t count = delta->count;
    uint64_t *home = delta->home;
    uint64_t self = delta->kind == LIST_INDEX ? UINT64_MAX : delta->owner;
    assert(!delta->dirty.queued);
    if (delta_fold(&store->pool, delta, horizon, self, entry_gone, store))
        return false;
    assert(count == 0 || list_is_dirty(*home) || foldable == count);
    if (group && *home == 0)
        group_destroy(store, group);
    else if (list_is_dirty(*home))
        return false;
    return true;
}

bool
store_collect(struct store *store, uint64_t horizon, uint32_t budget)
{
    assert(!store->loading);
    if (horizon >= STAMP_INTENT)
        horizon = STAMP_INTENT - 1;
    if (horizon > store->collect_horizon) {
        store->collect_horizon = horizon;
        store->collect_left = store->dirty_count;
    }
    uint32_t cost = 0;
    while (store->collect_left && !list_is_empty(&store->dirty)) {
        if (cost >= budget)
            return true;
        cost++;
        store->collect_left--;
        struct dirty *dirty = list_entry(store->dirty.next, struct dirty, link);
        dirty_remove(store, dirty);
        if (dirty->kind == DIRTY_CHAIN) {
            struct chain *chain = list_entry(&dirty->link, struct chain, dirty.link);
            if (!chain_collect(store, chain, store->collect_horizon))
                dirty_add(store, dirty, DIRTY_CHAIN);
        } else {
            struct delta *delta = list_entry(&dirty->link, struct delta, dirty.link);
            if (!list_collect(store, delta, store->collect_horizon, &cost))
                dirty_add(store, dirty, DIRTY_LIST);
        }
    }
    store->collect_left = 0;
    return false;
}
