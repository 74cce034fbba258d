/* Side chains: versions newer than what a record or cell says.
 *
 *     record/cell <- base state     chain: [intent of 9] -> [ts 40] -> [ts 31]      (under them: base)
 *
 * Invariants
 *  1. A chain has at least one version, newest first; stamps of committed ones do not rise downwards.
 *  2. Intents are on top, all of one transaction.
 *  3. The record is NODE_VERSIONED, or the slot's bit set, exactly while the chain exists. */
#include "base/hash.h"
#include "shards/store/state.h"

static uint64_t
chain_hash(uint32_t item, uint64_t id)
{
    return hash_word(id ^ (uint64_t)item << 32);
}

struct chain *
chain_lookup(const struct store *store, uint32_t item, uint64_t id)
{
    uint64_t hash = chain_hash(item, id);
    for (struct table_link *link = table_chain(&store->chains, hash); link; link = link->next) {
        struct chain *chain = table_entry(link, struct chain, link);
        if (chain->id == id && chain->item == item)
            return chain;
    }
    return NULL;
}

struct version *
chain_visible(const struct chain *chain, struct view view)
{
    struct version *version = chain ? chain->newest : NULL;
    while (version && !stamp_is_visible(version->stamp, view.snapshot, view.txid))
        version = version->older;
    return version;
}

void
dirty_add(struct store *store, struct dirty *dirty, enum dirty_kind kind)
{
    if (dirty->queued)
        return;
    dirty->kind = (uint8_t)kind;
    dirty->queued = true;
    list_push_back(&store->dirty, &dirty->link);
    store->dirty_count++;
}

void
dirty_remove(struct store *store, struct dirty *dirty)
{
    if (!dirty->queued)
        return;
    dirty->queued = false;
    list_remove(&dirty->link);
    store->dirty_count--;
}

static struct column_slot *
item_slot(const struct store *store, uint32_t item, uint64_t id)
{
    return column_slot_lookup(store, (enum entity)(item >> 31), item & INT32_MAX, id);
}

/* Makes the mark of invariant 3. The record or slot is there already. */
static bool
item_mark(struct store *store, uint32_t item, uint64_t id)
{
    if (item == CHAIN_NODE) {
        node_record_lookup(store, id)->flags |= NODE_VERSIONED;
        return true;
    }
    struct column_slot *slot = item_slot(store, item, id);
    if (!slot->versioned)
        slot->versioned = pool_zeroed(&store->pool, sizeof(uint64_t) * (CHUNK_COUNT / 64));
    if (!slot->versioned)
        return false;
    uint64_t index = id_local(id) & (CHUNK_COUNT - 1);
    slot->versioned[index / 64] |= UINT64_C(1) << (index % 64);
    slot->versioned_count++;
    return true;
}

static void
item_unmark(struct store *store, uint32_t item, uint64_t id)
{
    if (item == CHAIN_NODE) {
        node_record_lookup(store, id)->flags &= ~(uint32_t)NODE_VERSIONED;
        return;
    }
    struct column_slot *slot = item_slot(store, item, id);
    uint64_t index = id_local(id) & (CHUNK_COUNT - 1);
    slot->versioned[index / 64] &= ~(UINT64_C(1) << (index % 64));
    if (--slot->versioned_count == 0) {
        pool_release(&store->pool, slot->versioned, sizeof(uint64_t) * (CHUNK_COUNT / 64));
        slot->versioned = NULL;
    }
}

static struct chain *
chain_make(struct store *store, uint32_t item, uint64_t id)
{
    struct chain *chain = chain_lookup(store, item, id);
    if (chain)
        return chain;
    chain = pool_zeroed(&store->pool, sizeof(*chain));
    if (!chain)
        return NULL;
    if (!item_mark(store, item, id)) {
        pool_release(&store->pool, chain, sizeof(*chain));
        return NULL;
    }
    chain->id = id;
    chain->item = item;
    list_init(&chain->dirty.link);
    table_insert(&store->chains, &chain->link, chain_hash(item, id));
    return chain;
}

void
version_destroy(struct store *store, uint32_t item, struct version *version)
{
    if (item != CHAIN_NODE)
        value_disown(&store->pool, version->value);
    pool_release(&store->pool, version, sizeof(*version));
}

/* Nobody sees what is under the newest version that everybody sees. */
static void
chain_prune(struct store *store, struct chain *chain, uint64_t horizon)
{
    struct version *version = chain->newest;
    while (version && version->stamp > horizon)
        version = version->older;
    if (!version)
        return;
    /* Label bits of pruned versions may stay behind: they are hints. */
    struct version *older = version->older;
    version->older = NULL;
    while (older) {
        struct version *next = older->older;
        version_destroy(store, chain->item, older);
        older = next;
    }
}

struct version *
chain_push(struct store *store, uint32_t item, uint64_t id, uint64_t stamp, struct chain **out)
{
    struct version *version = pool_zeroed(&store->pool, sizeof(*version));
    if (!version)
        return NULL;
    struct chain *chain = chain_make(store, item, id);
    if (!chain) {
        pool_release(&store->pool, version, sizeof(*version));
        return NULL;
    }
    chain_prune(store, chain, store->collect_horizon);
    version->stamp = stamp;
    version->older = chain->newest;
    chain->newest = version;
    dirty_add(store, &chain->dirty, DIRTY_CHAIN);
    *out = chain;
    return version;
}

void
chain_destroy(struct store *store, struct chain *chain)
{
    while (chain->newest) {
        struct version *version = chain->newest;
        chain->newest = version->older;
        version_destroy(store, chain->item, version);
    }
    item_unmark(store, chain->item, chain->id);
    dirty_remove(store, &chain->dirty);
    table_remove(&store->chains, &chain->link);
    pool_release(&store->pool, chain, sizeof(*chain));
}

void
chain_pop(struct store *store, struct chain *chain, struct version *version)
{
    assert(chain->newest == version);
    chain->newest = version->older;
    version_destroy(store, chain->item, version);
    if (!chain->newest)
        chain_destroy(store, chain);
}
