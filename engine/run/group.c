#include "engine/run/group.h"

#include <string.h>

#include "base/hash.h"
#include "engine/run/step.h"
#include "engine/value/value_codec.h"
#include "engine/value/value_ops.h"

enum { TABLE_SIZE_MIN = 64 };

static bool
counts_rows_only(const struct aggregation *aggregates, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (aggregates[i].kind != AGGREGATE_COUNT_ROWS)
            return false;
    return true;
}

err_t
grouping_create(
    struct grouping *grouping,
    struct memory *memory,
    size_t limit_size,
    struct expr_context *expressions,
    const struct expr *const *keys,
    uint32_t key_count,
    const struct aggregation *aggregates,
    uint32_t aggregate_count)
{
    *grouping = (struct grouping){
        .memory = memory,
        .expressions = expressions,
        .key_count = key_count,
        .aggregate_count = aggregate_count,
        .keys = keys,
        .aggregates = aggregates,
    };
    grouping->counts_rows_only = key_count == 0 && counts_rows_only(aggregates, aggregate_count);
    arena_create(&grouping->arena, memory, limit_size);
    if (grouping->counts_rows_only)
        return 0;
    grouping->columns_size = sizeof(struct value) * BATCH_ROW_COUNT_MAX *
                             (key_count + 2 * (size_t)aggregate_count);
    grouping->columns = memory_allocate(memory, grouping->columns_size);
    return grouping->columns || grouping->columns_size == 0 ? 0 : ERR(MEMORY_QUERY);
}

void
grouping_destroy(struct grouping *grouping)
{
    if (!grouping->memory)
        return;
    arena_destroy(&grouping->arena);
    memory_release(grouping->memory, grouping->columns, grouping->columns_size);
    memory_release(
        grouping->memory, grouping->groups, sizeof(*grouping->groups) * grouping->group_room);
    memory_release(
        grouping->memory, grouping->table, sizeof(*grouping->table) * grouping->table_size);
    grouping->memory = NULL;
}

static uint64_t
keys_hash(const struct value *keys, uint32_t key_count)
{
    uint64_t hash = 0;
    for (uint32_t i = 0; i < key_count; i++) {
        /* Bare nodes and integers are the common keys. value_hash must agree with equivalence, so only
         * nodes, which equal nothing else, take the short way. */
        if (keys[i].type == VALUE_NODE)
            hash = hash_word(hash ^ hash_word(value_node_id(keys[i]).id + 1));
        else
            hash = value_hash(keys[i], hash);
    }
    return hash;
}

static bool
table_grow(struct grouping *grouping)
{
    uint32_t size = grouping->table_size ? grouping->table_size * 2 : TABLE_SIZE_MIN;
    uint32_t *table = memory_allocate(grouping->memory, sizeof(*table) * size);
    if (!table)
        return false;
    memset(table, 0, sizeof(*table) * size);
    for (uint32_t i = 0; i < grouping->group_count; i++) {
        uint32_t at = (uint32_t)grouping->groups[i]->hash & (size - 1);
        while (table[at])
            at = (at + 1) & (size - 1);
        table[at] = i + 1;
    }
    memory_release(grouping->memory, grouping->table, sizeof(*table) * grouping->table_size);
    grouping->table = table;
    grouping->table_size = size;
    return true;
}

static bool
room_grow(struct grouping *grouping)
{
    uint32_t room = grouping->group_room ? grouping->group_room * 2 : 16;
    struct group **groups = memory_resize(
        grouping->memory, grouping->groups, sizeof(*groups) * grouping->group_room,
        sizeof(*groups) * room);
    if (!groups)
        return false;
    grouping->groups = groups;
    grouping->group_room = room;
    return true;
}

/* A new group with copies of the keys and empty states. */
static err_t
group_add(struct grouping *grouping, uint64_t hash, const struct value *keys, struct group **out)
{
    if (grouping->group_count == grouping->group_room && !room_grow(grouping))
        return ERR(MEMORY_QUERY);
    size_t keys_size = sizeof(struct value) * grouping->key_count;
    size_t states_size = sizeof(struct aggregate) * grouping->aggregate_count;
    struct group *group = arena_allocate(
        &grouping->arena, sizeof(*group) + keys_size + states_size);
    if (!group)
        return ERR(MEMORY_QUERY);
    group->hash = hash;
    group->index = grouping->group_count;
    group->keys = (struct value *)(group + 1);
    group->states = (struct aggregate *)(void *)(group->keys + grouping->key_count);
    for (uint32_t i = 0; i < grouping->key_count; i++) {
        err_t err = value_copy(&grouping->arena, keys[i], &group->keys[i]);
        if (err)
            return err;
    }
    for (uint32_t i = 0; i < grouping->aggregate_count; i++)
        aggregate_create(
            &group->states[i], grouping->aggregates[i].kind, grouping->aggregates[i].distinct);
    grouping->groups[grouping->group_count++] = group;
    *out = group;
    return 0;
}

static bool
keys_equivalent(const struct value *a, const struct value *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!value_equivalent(a[i], b[i]))
            return false;
    return true;
}

static err_t
group_find(struct grouping *grouping, const struct value *keys, struct group **out, bool *fresh)
{
    if (grouping->group_count * 2 >= grouping->table_size && !table_grow(grouping))
        return ERR(MEMORY_QUERY);
    uint64_t hash = keys_hash(keys, grouping->key_count);
    uint32_t mask = grouping->table_size - 1;
    uint32_t at = (uint32_t)hash & mask;
    *fresh = false;
    for (; grouping->table[at]; at = (at + 1) & mask) {
        struct group *group = grouping->groups[grouping->table[at] - 1];
        if (group->hash == hash && keys_equivalent(group->keys, keys, grouping->key_count)) {
            *out = group;
            return 0;
        }
    }
    err_t err = group_add(grouping, hash, keys, out);
    if (err)
        return err;
    grouping->table[at] = grouping->group_count;
    *fresh = true;
    return 0;
}

static err_t
arguments_evaluate(struct grouping *grouping, const struct batch *batch)
{
    struct value *column = grouping->columns;
    for (uint32_t i = 0; i < grouping->key_count; i++, column += BATCH_ROW_COUNT_MAX) {
        err_t err = expr_eval_batch(grouping->keys[i], grouping->expressions, batch, column);
        if (err)
            return err;
    }
    for (uint32_t i = 0; i < grouping->aggregate_count; i++) {
        const struct expr *arguments[2] = {
            grouping->aggregates[i].argument, grouping->aggregates[i].argument2};
        for (uint32_t k = 0; k < 2; k++, column += BATCH_ROW_COUNT_MAX) {
            if (arguments[k]) {
                err_t err = expr_eval_batch(arguments[k], grouping->expressions, batch, column);
                if (err)
                    return err;
            } else {
                memset(column, 0, sizeof(*column) * batch->row_count);
            }
        }
    }
    return 0;
}

static err_t
row_step(struct grouping *grouping, struct group *group, uint32_t row)
{
    const struct value *column = grouping->columns +
                                 (size_t)grouping->key_count * BATCH_ROW_COUNT_MAX;
    for (uint32_t i = 0; i < grouping->aggregate_count;
         i++, column += 2 * (size_t)BATCH_ROW_COUNT_MAX) {
        err_t err = aggregate_step(
            &group->states[i], grouping->expressions, grouping->aggregates[i].argument,
            &grouping->arena, column[row], column[BATCH_ROW_COUNT_MAX + row]);
        if (err)
            return err;
    }
    return 0;
}

err_t
grouping_add(struct grouping *grouping, const struct batch *batch)
{
    if (grouping->counts_rows_only) {
        grouping->row_count += batch->row_count;
        return 0;
    }
    err_t err = arguments_evaluate(grouping, batch);
    if (err || batch->row_count == 0)
        return err;
    struct value keys[64], *many = keys;
    if (grouping->key_count > 64) {
        many = arena_allocate(grouping->expressions->arena, sizeof(*many) * grouping->key_count);
        if (!many)
            return ERR(MEMORY_QUERY);
    }
    struct group *group = NULL;
    for (uint32_t row = 0; row < batch->row_count; row++) {
        for (uint32_t i = 0; i < grouping->key_count; i++)
            many[i] = grouping->columns[(size_t)i * BATCH_ROW_COUNT_MAX + row];
        bool fresh;
        if (grouping->key_count || !group)
            err = group_find(grouping, many, &group, &fresh);
        if (!err)
            err = row_step(grouping, group, row);
        if (err)
            return err;
    }
    return 0;
}

err_t
grouping_distinct(
    struct grouping *grouping,
    const struct batch *batch,
    uint32_t *rows,
    uint32_t *row_count,
    uint32_t *groups)
{
    *row_count = 0;
    err_t err = arguments_evaluate(grouping, batch);
    struct value *keys = arena_allocate(
        grouping->expressions->arena, sizeof(*keys) * grouping->key_count);
    if (!err && !keys)
        err = ERR(MEMORY_QUERY);
    for (uint32_t row = 0; !err && row < batch->row_count; row++) {
        for (uint32_t i = 0; i < grouping->key_count; i++)
            keys[i] = grouping->columns[(size_t)i * BATCH_ROW_COUNT_MAX + row];
        struct group *group;
        bool fresh;
        err = group_find(grouping, keys, &group, &fresh);
        if (!err && fresh)
            rows[(*row_count)++] = row;
        if (!err && groups)
            groups[row] = group->index;
    }
    return err;
}

err_t
grouping_settle(struct grouping *grouping)
{
    if (grouping->key_count)
        return 0;
    struct group *group;
    bool fresh;
    err_t err = group_find(grouping, NULL, &group, &fresh);
    if (err)
        return err;
    for (uint32_t i = 0; grouping->counts_rows_only && i < grouping->aggregate_count; i++)
        group->states[i].count += grouping->row_count;
    grouping->row_count = 0;
    return 0;
}

err_t
grouping_take(
    struct grouping *grouping, struct arena *arena, struct column *columns, uint32_t *count)
{
    uint32_t row = 0;
    for (; row < BATCH_ROW_COUNT_MAX && grouping->next < grouping->group_count;
         row++, grouping->next++) {
        const struct group *group = grouping->groups[grouping->next];
        for (uint32_t i = 0; i < grouping->key_count; i++)
            columns[i].values[row] = group->keys[i];
        for (uint32_t i = 0; i < grouping->aggregate_count; i++) {
            err_t err = aggregate_finish(
                &group->states[i], grouping->expressions, grouping->aggregates[i].argument, arena,
                &columns[grouping->key_count + i].values[row]);
            if (err)
                return err;
        }
    }
    *count = row;
    return 0;
}

static uint64_t
group_encoded_size(const struct grouping *grouping, const struct group *group)
{
    uint64_t size = 0;
    for (uint32_t i = 0; i < grouping->key_count; i++)
        size += value_encoded_size(group->keys[i]);
    for (uint32_t i = 0; i < grouping->aggregate_count; i++)
        size += aggregate_encoded_size(&group->states[i]);
    return size;
}

uint8_t *
grouping_encode(
    struct grouping *grouping,
    struct arena *arena,
    uint32_t *position,
    size_t size_goal,
    size_t *size,
    uint32_t *group_count)
{
    uint32_t first = *position, last = first;
    uint64_t total = 0;
    while (last < grouping->group_count && (last == first || total < size_goal))
        total += group_encoded_size(grouping, grouping->groups[last++]);
    uint8_t *bytes = arena_allocate(arena, total), *out = bytes;
    if (!bytes)
        return NULL;
    for (uint32_t g = first; g < last; g++) {
        const struct group *group = grouping->groups[g];
        for (uint32_t i = 0; i < grouping->key_count; i++)
            out = value_encode(group->keys[i], out);
        for (uint32_t i = 0; i < grouping->aggregate_count; i++)
            out = aggregate_encode(&group->states[i], out);
    }
    assert((uint64_t)(out - bytes) == total);
    *position = last;
    *size = total;
    *group_count = last - first;
    return bytes;
}

static err_t
group_merge(
    struct grouping *grouping, struct value *keys, const uint8_t **cursor, const uint8_t *end)
{
    err_t err = 0;
    for (uint32_t i = 0; !err && i < grouping->key_count; i++)
        err = value_decode(&grouping->arena, cursor, end, &keys[i]);
    struct group *group;
    bool fresh;
    if (!err)
        err = group_find(grouping, keys, &group, &fresh);
    for (uint32_t i = 0; !err && i < grouping->aggregate_count; i++) {
        struct aggregate other;
        err = aggregate_decode(&other, &grouping->arena, cursor, end);
        if (!err && fresh)
            group->states[i] = other;
        else if (!err)
            err = aggregate_merge(
                &group->states[i], grouping->expressions, grouping->aggregates[i].argument,
                &grouping->arena, &other);
    }
    return err;
}

err_t
grouping_merge(struct grouping *grouping, const uint8_t *bytes, size_t size, uint32_t group_count)
{
    const uint8_t *end = bytes + size;
    struct value *keys = arena_allocate(&grouping->arena, sizeof(*keys) * grouping->key_count);
    if (!keys)
        return ERR(MEMORY_QUERY);
    err_t err = 0;
    for (uint32_t i = 0; !err && i < group_count; i++)
        err = group_merge(grouping, keys, &bytes, end);
    assert(err || bytes == end);
    return err;
}
