/* What each open transaction has changed: enough to stamp it or to take it back, touching nothing else.
 *
 *     txn -> [ 8 intents ] <-> [ 16 ] <-> [ 32 ] ... <-> [ 512 ]   oldest first
 *
 * Invariants
 *  1. Every version and list entry with the stamp of an open transaction is named by exactly one of its
 *     intents, and the other way round.
 *  2. Taking back goes from the newest to the oldest, so a version taken off its chain is on top of it.
 *
 * A list entry is found by its key. When a transaction ends that has many entries in one list, looking for
 * each (and closing the gap it leaves) would cost the square of their number; so the intents of each list
 * are counted first, and a list of which they are a fair part is gone through once. */
#include <string.h>

#include "base/hash.h"
#include "shards/store/state.h"

static size_t
block_size(uint32_t capacity)
{
    return sizeof(struct intent_block) + capacity * sizeof(struct intent);
}

struct store_txn *
store_txn_lookup(struct store *store, uint64_t txid)
{
    uint64_t hash = hash_word(txid);
    for (struct table_link *link = table_chain(&store->txns, hash); link; link = link->next) {
        struct store_txn *txn = table_entry(link, struct store_txn, link);
        if (txn->txid == txid)
            return txn;
    }
    return NULL;
}

struct store_txn *
store_txn_make(struct store *store, uint64_t txid)
{
    assert(txid && txid < STAMP_INTENT - 1);
    struct store_txn *txn = store_txn_lookup(store, txid);
    if (txn)
        return txn;
    txn = pool_zeroed(&store->pool, sizeof(*txn));
    if (!txn)
        return NULL;
    txn->txid = txid;
    txn->sequence = ++store->txn_sequence;
    table_insert(&store->txns, &txn->link, hash_word(txid));
    return txn;
}

struct intent *
intent_open(struct store *store, struct store_txn *txn)
{
    struct intent_block *block = txn->newest;
    if (!block || block->count == block->capacity) {
        uint32_t capacity = !block                                   ? INTENT_BLOCK_FIRST
                            : block->capacity * 2 < INTENT_BLOCK_MAX ? block->capacity * 2
                                                                     : INTENT_BLOCK_MAX;
        struct intent_block *fresh = pool_allocate(&store->pool, block_size(capacity));
        if (!fresh)
            return NULL;
        *fresh = (struct intent_block){.older = block, .capacity = capacity};
        if (block)
            block->newer = fresh;
        else
            txn->oldest = fresh;
        txn->newest = block = fresh;
    }
    return &block->intents[block->count];
}

void
intent_keep(struct store_txn *txn)
{
    txn->newest->count++;
    txn->count++;
}

static struct entry *
intent_entry(struct store *store, const struct intent *intent)
{
    struct delta *delta = list_delta(*intent->list);
    assert(delta);
    struct key key = {.other = intent->other, .number = intent->number, .type = intent->type};
    struct entry *entry = delta_find(&store->pool, delta, key);
    assert(entry);
    return entry;
}

/* The record of the relationship whose OUT entry this is. */
static struct rel_stored *
entry_rel(struct store *store, const struct delta *delta, uint64_t number)
{
    return rel_stored_lookup(store, id_make(number, partition_of(delta->owner)));
}

static bool
intent_is_of_list(const struct intent *intent)
{
    return intent->kind == INTENT_ENTRY_CREATE || intent->kind == INTENT_ENTRY_DELETE;
}

/* What an entry leaves behind when the transaction's part in it is taken back. True: the entry goes. */
static bool
entry_undo(struct store *store, const struct delta *delta, struct entry *entry, bool created)
{
    struct rel_stored *stored = delta->kind == LIST_OUT ? entry_rel(store, delta, entry->number)
                                                        : NULL;
    if (created) {
        if (stored)
            memset(stored, 0, sizeof(*stored));
        return true;
    }
    entry->deleted = STAMP_NEVER;
    if (entry->created != STAMP_BASE)
        return entry->flags & ENTRY_AHEAD;
    /* The entry may have gone to base while its deletion was open. */
    if (stored)
        stored->end_partition = (uint16_t)((stored->end_partition & ~REL_VERSIONED) | REL_EXISTS);
    return true;
}

static void
undo_one(struct store *store, const struct intent *intent)
{
    if (!intent_is_of_list(intent)) {
        chain_pop(store, intent->chain, intent->version);
        return;
    }
    struct delta *delta = list_delta(*intent->list);
    struct entry *entry = intent_entry(store, intent);
    if (entry_undo(store, delta, entry, intent->kind == INTENT_ENTRY_CREATE))
        delta_remove(delta, entry);
}

void
intent_undo(struct store *store, struct store_txn *txn, uint64_t mark)
{
    while (txn->count > mark) {
        struct intent_block *block = txn->newest;
        if (block->count == 0) {
            txn->newest = block->older;
            txn->newest->newer = NULL;
            pool_release(&store->pool, block, block_size(block->capacity));
            continue;
        }
        undo_one(store, &block->intents[block->count - 1]);
        block->count--;
        txn->count--;
    }
}

static void
txn_destroy(struct store *store, struct store_txn *txn)
{
    while (txn->oldest) {
        struct intent_block *block = txn->oldest;
        txn->oldest = block->newer;
        pool_release(&store->pool, block, block_size(block->capacity));
    }
    table_remove(&store->txns, &txn->link);
    pool_release(&store->pool, txn, sizeof(*txn));
}

void
store_txns_destroy(struct store *store)
{
    struct table_link *link;
    while ((link = table_any(&store->txns)))
        txn_destroy(store, table_entry(link, struct store_txn, link));
}

/* --- the end of a transaction --- */

/* A list whose entries are at least this part the transaction's is gone through as a whole. */
enum { WHOLE_PART = 16 };

static void
list_intents_count(struct store_txn *txn)
{
    for (struct intent_block *block = txn->oldest; block; block = block->newer)
        for (uint32_t i = 0; i < block->count; i++)
            if (intent_is_of_list(&block->intents[i]))
                list_delta(*block->intents[i].list)->ending_count++;
}

static void
delta_commit_whole(struct delta *delta, uint64_t stamp, uint64_t timestamp)
{
    for (uint32_t i = 0; i < delta->count; i++) {
        struct entry *entry = &delta->entries[i];
        if (entry->created == stamp)
            entry->created = timestamp;
        if (entry->deleted == stamp)
            entry->deleted = timestamp;
    }
}

static void
delta_abort_whole(struct store *store, struct delta *delta, uint64_t stamp)
{
    uint32_t kept = 0, kept_sorted = 0;
    for (uint32_t i = 0; i < delta->count; i++) {
        struct entry *entry = &delta->entries[i];
        bool created = entry->created == stamp;
        if ((created || entry->deleted == stamp) && entry_undo(store, delta, entry, created))
            continue;
        delta->entries[kept++] = *entry;
        kept_sorted += i < delta->sorted_count;
    }
    delta->count = kept;
    delta->sorted_count = kept_sorted;
}

static bool
delta_is_whole(const struct delta *delta)
{
    return (uint64_t)delta->ending_count * WHOLE_PART >= delta->count;
}

static void
type_count_move(struct store *store, uint32_t type, bool up)
{
    assert(type < store->type_count);
    store->type_counts[type] += up ? 1 : UINT64_MAX;
    store->rel_count += up ? 1 : UINT64_MAX;
}

static void
commit_one(struct store *store, const struct intent *intent, uint64_t stamp, uint64_t timestamp)
{
    if (intent->kind == INTENT_CELL) {
        intent->version->stamp = timestamp;
        return;
    }
    if (intent->kind == INTENT_NODE) {
        const struct version *version = intent->version, *older = version->older;
        const struct node_record *record = node_record_lookup(store, intent->chain->id);
        bool had = older ? older->exists : (record->flags & NODE_EXISTS) != 0;
        uint32_t from = older ? older->label_set : record->label_set;
        label_counts_move(store, had, from, version->exists, version->label_set);
        intent->version->stamp = timestamp;
        return;
    }
    struct delta *delta = list_delta(*intent->list);
    bool create = intent->kind == INTENT_ENTRY_CREATE;
    if (delta->kind == LIST_OUT)
        type_count_move(store, intent->type, create);
    if (delta->ending_count == 0)
        return; /* done with the whole list */
    if (delta_is_whole(delta)) {
        delta_commit_whole(delta, stamp, timestamp);
        delta->ending_count = 0;
        return;
    }
    delta->ending_count--;
    struct entry *entry = intent_entry(store, intent);
    if (create)
        entry->created = timestamp;
    else
        entry->deleted = timestamp;
}

static void
abort_one(struct store *store, const struct intent *intent, uint64_t stamp)
{
    if (!intent_is_of_list(intent)) {
        chain_pop(store, intent->chain, intent->version);
        return;
    }
    struct delta *delta = list_delta(*intent->list);
    if (delta->ending_count == 0)
        return;
    if (delta_is_whole(delta)) {
        delta_abort_whole(store, delta, stamp);
        delta->ending_count = 0;
        return;
    }
    delta->ending_count--;
    undo_one(store, intent);
}

void
store_commit(struct store *store, uint64_t txid, uint64_t timestamp)
{
    assert(timestamp && timestamp < STAMP_INTENT);
    struct store_txn *txn = store_txn_lookup(store, txid);
    if (!txn)
        return;
    if (timestamp > store->commit_timestamp_max)
        store->commit_timestamp_max = timestamp;
    list_intents_count(txn);
    for (const struct intent_block *block = txn->oldest; block; block = block->newer)
        for (uint32_t i = 0; i < block->count; i++)
            commit_one(store, &block->intents[i], STAMP_INTENT | txid, timestamp);
    txn_destroy(store, txn);
}

void
store_abort(struct store *store, uint64_t txid)
{
    struct store_txn *txn = store_txn_lookup(store, txid);
    if (!txn)
        return;
    list_intents_count(txn);
    for (const struct intent_block *block = txn->newest; block; block = block->older)
        for (uint32_t i = block->count; i > 0; i--)
            abort_one(store, &block->intents[i - 1], STAMP_INTENT | txid);
    txn_destroy(store, txn);
}
