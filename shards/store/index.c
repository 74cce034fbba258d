/* Index entries: for each (index, value) that occurs a group with the list of nodes that have it.
 *
 *     groups: hash(index, value) -> group { index, value } -> list of (node, number)
 *
 * The list is an ordinary adjacency list (adjacency.h), so entries are versioned, fold into a plain
 * array, and a value that a million nodes share costs no more per entry than one that nobody shares.
 * A node may leave a value and come back to it while both times are still seen by somebody; `number`,
 * from one counter, tells the times apart.
 *
 * Populating an index while others write (catalog_flow.c has the order of events). A node's shard reads the
 * node's newest committed value and sends it to the value's shard; meanwhile transactions send what they
 * add and remove. The two meet here in any order, and this makes them right:
 *   - a population entry has number 0 and STAMP_POPULATED; it is not made when the node has any entry in
 *     the group already;
 *   - a removal that finds nothing to end puts the population's entry there itself, ended by its intent; if
 *     it aborts, the entry stays when the population came by meanwhile, and goes when it did not;
 *   - ended entries of a populating index are not collected, so a late population entry still meets them;
 *   - transactions that wrote at a shard before it heard of the index maintain nothing there, and the
 *     shard begins to read only when they are over;
 *   - a shard takes entries of an index it has not heard of yet, so none of the others' are lost.
 *
 * Invariants
 *  1. Equal values are one group: 1 and 1.0 too. Null and NaN are in no group: they equal nothing.
 *  2. A view sees a node at most once in a group. */
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "shards/store/state.h"

static bool
scalars_index_equal(struct value a, struct value b)
{
    if (a.type == VALUE_FLOAT && b.type == VALUE_INTEGER)
        return scalars_index_equal(b, a);
    if (a.type == VALUE_INTEGER && b.type == VALUE_FLOAT)
        return b.real >= -9223372036854775808.0 && b.real < 9223372036854775808.0 &&
               b.real == floor(b.real) && (int64_t)b.real == a.integer;
    if (a.type != b.type)
        return false;
    if (a.type == VALUE_FLOAT)
        return a.real == b.real;
    if (a.type == VALUE_STRING || a.type == VALUE_BYTES)
        return text_equal((struct text){a.string, a.size}, (struct text){b.string, b.size});
    uint8_t a_bytes[512], b_bytes[512];
    size_t size = property_size(a);
    if (size != property_size(b))
        return false;
    assert(size <= sizeof(a_bytes));
    property_encode(a, a_bytes);
    property_encode(b, b_bytes);
    return memcmp(a_bytes, b_bytes, size) == 0;
}

bool
values_index_equal(struct value a, struct value b)
{
    if (a.type != VALUE_LIST || b.type != VALUE_LIST)
        return a.type != VALUE_LIST && b.type != VALUE_LIST && scalars_index_equal(a, b);
    if (a.size != b.size)
        return false;
    for (uint32_t i = 0; i < a.size; i++)
        if (!scalars_index_equal(a.list[i], b.list[i]))
            return false;
    return true;
}

bool
value_is_indexable(struct value value)
{
    if (value.type == VALUE_NULL || (value.type == VALUE_FLOAT && isnan(value.real)))
        return false;
    for (uint32_t i = 0; value.type == VALUE_LIST && i < value.size; i++)
        if (value.list[i].type == VALUE_FLOAT && isnan(value.list[i].real))
            return false;
    return true;
}

static uint64_t
group_hash(uint32_t index, struct value value)
{
    return hash_word(property_index_hash(value) ^ index);
}

struct group *
group_lookup(const struct store *store, uint32_t index, struct value value)
{
    uint64_t hash = group_hash(index, value);
    for (struct table_link *link = table_chain(&store->groups, hash); link; link = link->next) {
        struct group *group = table_entry(link, struct group, link);
        if (link->hash == hash && group->index == index && values_index_equal(group->value, value))
            return group;
    }
    return NULL;
}

struct group *
group_make(struct store *store, uint32_t index, struct value value)
{
    struct group *group = group_lookup(store, index, value);
    if (group)
        return group;
    group = pool_zeroed(&store->pool, sizeof(*group));
    if (!group)
        return NULL;
    if (value_own(&store->pool, value, &group->value)) {
        pool_release(&store->pool, group, sizeof(*group));
        return NULL;
    }
    group->index = index;
    table_insert(&store->groups, &group->link, group_hash(index, value));
    return group;
}

void
group_destroy(struct store *store, struct group *group)
{
    table_remove(&store->groups, &group->link);
    struct delta *delta = list_delta(group->list);
    if (delta)
        dirty_remove(store, &delta->dirty);
    list_destroy(&store->pool, &group->list);
    value_disown(&store->pool, group->value);
    pool_release(&store->pool, group, sizeof(*group));
}

void
groups_destroy(struct store *store)
{
    for (uint64_t bucket = 0; bucket < store->groups.bucket_count; bucket++) {
        struct table_link *link;
        while ((link = table_bucket(&store->groups, bucket)))
            group_destroy(store, table_entry(link, struct group, link));
    }
}

/* --- population --- */

err_t
store_index_announce(struct store *store, uint32_t index)
{
    if (!array_grow(
            &store->pool, (void **)&store->index_since, &store->index_since_count,
            index + UINT64_C(1), sizeof(uint64_t)))
        return ERR(MEMORY_POOL);
    store->index_since[index] = store->txn_sequence;
    return 0;
}

bool
store_index_may_populate(const struct store *store, uint32_t index)
{
    uint64_t since = index < store->index_since_count ? store->index_since[index] : 0;
    for (uint64_t bucket = 0; bucket < store->txns.bucket_count; bucket++)
        for (struct table_link *link = table_bucket(&store->txns, bucket); link; link = link->next)
            if (table_entry(link, struct store_txn, link)->sequence <= since)
                return false;
    return true;
}

uint64_t
store_commit_timestamp_max(const struct store *store)
{
    return store->commit_timestamp_max;
}

err_t
store_index_populate(struct store *store, uint32_t index, struct value value, node_id node)
{
    if (!value_is_indexable(value))
        return 0;
    struct group *group = group_make(store, index, value);
    if (!group)
        return ERR(MEMORY_POOL);
    struct entry entry = {.other = node.id, .created = STAMP_POPULATED, .deleted = STAMP_NEVER};
    err_t err;
    if (group->list == 0) {
        struct base *base;
        err = base_build(&store->pool, NULL, &entry, 1, STAMP_POPULATED, UINT64_MAX, &base);
        group->list = err ? 0 : (uint64_t)(uintptr_t)base;
        if (err)
            group_destroy(store, group);
        return err;
    }
    if (list_has_other(&store->pool, group->list, node.id)) {
        struct delta *known = list_delta(group->list);
        struct key key = {.other = node.id};
        struct entry *ahead = known ? delta_find(&store->pool, known, key) : NULL;
        if (ahead)
            ahead->flags &= ~(uint32_t)ENTRY_AHEAD;
        return 0;
    }
    struct delta *delta = list_delta_make(
        &store->pool, &group->list, LIST_INDEX, (uint64_t)(uintptr_t)group);
    if (!delta)
        return ERR(MEMORY_POOL);
    dirty_add(store, &delta->dirty, DIRTY_LIST);
    return delta_insert(&store->pool, delta, entry);
}

/* How many nodes a group has for good, and how many depend on open transactions. */
static void
group_count(
    struct store *store,
    const struct group *group,
    uint32_t *alive,
    uint32_t *open,
    uint64_t nodes[2])
{
    struct list_walk walk;
    struct list_piece piece;
    const struct delta *delta = list_delta(group->list);
    *alive = *open = 0;
    list_walk_begin(&walk, &store->pool, group->list, STAMP_INTENT - 1, 0, NULL, 0);
    while (list_walk_next(&walk, &piece)) {
        if (piece.entry && piece.entry->deleted != STAMP_NEVER)
            continue; /* somebody is taking it away: counted below */
        for (uint64_t i = 0; i < piece.count && *alive < 2; i++)
            nodes[(*alive)++] = piece.entry ? piece.entry->other
                                            : base_other(walk.base, piece.from + i);
    }
    for (uint32_t i = 0; delta && i < delta->count; i++)
        *open += stamp_is_intent(delta->entries[i].created) ||
                 stamp_is_intent(delta->entries[i].deleted);
}

enum index_check
store_index_check_unique(
    struct store *store, uint32_t index, uint64_t *bucket, uint32_t budget, uint64_t nodes[2])
{
    for (; *bucket < store->groups.bucket_count; (*bucket)++) {
        if (budget-- == 0)
            return INDEX_CHECK_MORE;
        for (struct table_link *link = table_bucket(&store->groups, *bucket); link;
             link = link->next) {
            const struct group *group = table_entry(link, struct group, link);
            uint32_t alive, open;
            if (group->index != index)
                continue;
            group_count(store, group, &alive, &open, nodes);
            if (alive > 1)
                return INDEX_CHECK_BROKEN;
            if (alive + open > 1)
                return INDEX_CHECK_OPEN;
        }
    }
    return INDEX_CHECK_UNIQUE;
}

static bool
group_has_intents(const struct group *group)
{
    const struct delta *delta = list_delta(group->list);
    for (uint32_t i = 0; delta && i < delta->count; i++)
        if (stamp_is_intent(delta->entries[i].created) ||
            stamp_is_intent(delta->entries[i].deleted))
            return true;
    return false;
}

bool
store_index_purge(
    struct store *store, uint32_t index, uint64_t *bucket, uint32_t budget, bool *all_gone)
{
    for (; *bucket < store->groups.bucket_count; (*bucket)++) {
        if (budget-- == 0)
            return true;
        struct table_link *next;
        for (struct table_link *link = table_bucket(&store->groups, *bucket); link; link = next) {
            struct group *group = table_entry(link, struct group, link);
            next = link->next;
            if (group->index != index)
                continue;
            if (group_has_intents(group))
                *all_gone = false;
            else
                group_destroy(store, group);
        }
    }
    return false;
}

uint32_t
store_index_seek(
    struct store *store,
    struct view view,
    uint32_t index,
    struct value value,
    struct expand_cursor *cursor,
    uint64_t *out,
    uint32_t max)
{
    assert(max > 0);
    uint32_t count = 0;
    const struct group *group = value_is_indexable(value) ? group_lookup(store, index, value)
                                                          : NULL;
    if (group) {
        struct list_walk walk;
        struct list_piece piece;
        uint64_t skip = cursor->skip;
        list_walk_begin(&walk, &store->pool, group->list, view.snapshot, view.txid, NULL, 0);
        while (count < max && list_walk_next(&walk, &piece)) {
            uint64_t passed = skip < piece.count ? skip : piece.count;
            skip -= passed;
            for (uint64_t i = passed; i < piece.count && count < max; i++)
                out[count++] = piece.entry ? piece.entry->other
                                           : base_other(walk.base, piece.from + i);
        }
    }
    cursor->skip += count;
    cursor->done = count < max;
    return count;
}
