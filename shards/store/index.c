/* Index entries: for each (index, value) that occurs a group with the list of nodes that have it.
 *
 *     groups: hash(index, value) -> group { index, value } -> list of (node, number)
 *
 * The list is an ordinary adjacency list (adjacency.h), so entries are versioned, fold into a plain
 * array, and a value that a million nodes share costs no more per entry than one that nobody shares.
 * A node may leave a value and come back to it while both times are still seen by somebody; `number`,
 * from one counter, tells the times apart.
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
        return b.real >= -9223372036854775808.0 && b.real < 9223372036854775808.0 && b.real == floor(b.real) &&
               (int64_t)b.real == a.integer;
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

uint32_t
store_index_seek(struct store *store, struct view view, uint32_t index, struct value value,
                 struct expand_cursor *cursor, uint64_t *out, uint32_t max)
{
    assert(max > 0);
    uint32_t count = 0;
    const struct group *group = value_is_indexable(value) ? group_lookup(store, index, value) : NULL;
    if (group) {
        struct list_walk walk;
        struct list_piece piece;
        uint64_t skip = cursor->skip;
        list_walk_begin(&walk, &store->pool, group->list, view.snapshot, view.txid, NULL, 0);
        while (count < max && list_walk_next(&walk, &piece)) {
            uint64_t passed = skip < piece.count ? skip : piece.count;
            skip -= passed;
            for (uint64_t i = passed; i < piece.count && count < max; i++)
                out[count++] = piece.entry ? piece.entry->other : base_other(walk.base, piece.from + i);
        }
    }
    cursor->skip += count;
    cursor->done = count < max;
    return count;
}
