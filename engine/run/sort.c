#include "engine/run/sort.h"

#include "engine/run/step.h"
#include "engine/value/value_ops.h"

enum { CUT_LIMIT_MAX = 16384 };

err_t
sorter_create(
    struct sorter *sorter,
    struct memory *memory,
    size_t limit_size,
    struct expr_context *expressions,
    const struct sort_key *keys,
    uint32_t key_count,
    uint32_t column_count,
    uint64_t limit)
{
    *sorter = (struct sorter){
        .memory = memory,
        .limit_size = limit_size,
        .expressions = expressions,
        .keys = keys,
        .key_count = key_count,
        .column_count = column_count,
        .limit = limit,
    };
    arena_create(&sorter->arena, memory, limit_size);
    sorter->columns = memory_allocate(
        memory, sizeof(struct value) * BATCH_ROW_COUNT_MAX * (key_count + 1));
    return sorter->columns ? 0 : ERR(MEMORY_QUERY);
}

void
sorter_destroy(struct sorter *sorter)
{
    if (!sorter->memory)
        return;
    arena_destroy(&sorter->arena);
    memory_release(
        sorter->memory, sorter->columns,
        sizeof(struct value) * BATCH_ROW_COUNT_MAX * (sorter->key_count + 1));
    memory_release(sorter->memory, sorter->rows, sizeof(*sorter->rows) * sorter->row_room);
    memory_release(sorter->memory, sorter->other, sizeof(*sorter->other) * sorter->row_room);
    sorter->memory = NULL;
}

/* Negative: a comes first. */
static int
row_compare(const struct sorter *sorter, const struct value *a, const struct value *b)
{
    for (uint32_t i = 0; i < sorter->key_count; i++) {
        int order = value_order(a[i], b[i]);
        if (order)
            return sorter->keys[i].descending ? -order : order;
    }
    return 0;
}

static bool
rows_grow(struct sorter *sorter)
{
    uint32_t room = sorter->row_room ? sorter->row_room * 2 : 64;
    size_t size = sizeof(*sorter->rows) * room, old_size = sizeof(*sorter->rows) * sorter->row_room;
    struct value **rows = memory_allocate(sorter->memory, size);
    struct value **other = memory_allocate(sorter->memory, size);
    if (!rows || !other) {
        memory_release(sorter->memory, rows, size);
        memory_release(sorter->memory, other, size);
        return false;
    }
    if (sorter->rows)
        memcpy(rows, sorter->rows, old_size);
    memory_release(sorter->memory, sorter->rows, old_size);
    memory_release(sorter->memory, sorter->other, old_size);
    sorter->rows = rows;
    sorter->other = other;
    sorter->row_room = room;
    return true;
}

/* Sorts, keeps the best `limit` rows and moves them to a fresh arena. */
static err_t
sorter_cut(struct sorter *sorter)
{
    while (!sorter_work(sorter, UINT32_MAX)) {
    }
    sorter->sorted = false;
    uint32_t limit = (uint32_t)sorter->limit;
    uint32_t width = sorter->key_count + sorter->column_count;
    struct arena fresh;
    arena_create(&fresh, sorter->memory, sorter->limit_size);
    err_t err = 0;
    for (uint32_t row = 0; !err && row < limit; row++) {
        struct value *copy = arena_allocate(&fresh, sizeof(*copy) * width);
        if (!copy)
            err = ERR(MEMORY_QUERY);
        for (uint32_t i = 0; !err && i < width; i++)
            err = value_copy(&fresh, sorter->rows[row][i], &copy[i]);
        if (!err)
            sorter->rows[row] = copy;
    }
    if (err) {
        arena_destroy(&fresh);
        sorter->row_count = 0;
        return err;
    }
    arena_destroy(&sorter->arena);
    sorter->arena = fresh;
    sorter->row_count = limit;
    sorter->cut = true;
    return 0;
}

static err_t
row_add(struct sorter *sorter, const struct batch *batch, const uint32_t *slots, uint32_t row)
{
    uint32_t width = sorter->key_count + sorter->column_count;
    if (sorter->row_count == sorter->row_room && !rows_grow(sorter))
        return ERR(MEMORY_QUERY);
    struct value *values = arena_allocate(&sorter->arena, sizeof(*values) * width);
    if (!values)
        return ERR(MEMORY_QUERY);
    for (uint32_t i = 0; i < width; i++) {
        struct value value;
        if (i < sorter->key_count)
            value = sorter->columns[(size_t)i * BATCH_ROW_COUNT_MAX + row];
        else
            value = batch_value(
                batch, slots ? slots[i - sorter->key_count] : i - sorter->key_count, row);
        values[i] = value;
        err_t err = value_is_inline(value) ? 0 : value_copy(&sorter->arena, value, &values[i]);
        if (err)
            return err;
    }
    sorter->rows[sorter->row_count++] = values;
    return 0;
}

static bool
row_is_too_bad(const struct sorter *sorter, uint32_t row)
{
    const struct value *worst = sorter->rows[sorter->limit - 1];
    for (uint32_t i = 0; i < sorter->key_count; i++) {
        int order = value_order(sorter->columns[(size_t)i * BATCH_ROW_COUNT_MAX + row], worst[i]);
        if (order)
            return (sorter->keys[i].descending ? -order : order) > 0;
    }
    return true;
}

err_t
sorter_add(struct sorter *sorter, const struct batch *batch, const uint32_t *slots)
{
    assert(!sorter->sorted);
    if (sorter->limit == 0)
        return 0;
    for (uint32_t i = 0; i < sorter->key_count; i++) {
        err_t err = expr_eval_batch(
            sorter->keys[i].expr, sorter->expressions, batch,
            sorter->columns + (size_t)i * BATCH_ROW_COUNT_MAX);
        if (err)
            return err;
    }
    for (uint32_t row = 0; row < batch->row_count; row++) {
        if (sorter->cut && row_is_too_bad(sorter, row))
            continue;
        err_t err = row_add(sorter, batch, slots, row);
        if (err)
            return err;
    }
    if (sorter->limit <= CUT_LIMIT_MAX &&
        sorter->row_count > 2 * sorter->limit + BATCH_ROW_COUNT_MAX)
        return sorter_cut(sorter);
    return 0;
}

/* Goes on with the merge of rows[left, left + width) and the run after it; false when the budget is used up. */
static bool
pair_merge(struct sorter *sorter, uint32_t *budget)
{
    uint32_t count = sorter->row_count;
    uint32_t middle = count - sorter->left > sorter->width ? sorter->left + sorter->width : count;
    uint32_t right = count - middle > sorter->width ? middle + sorter->width : count;
    if (!sorter->merging) {
        sorter->i = sorter->k = sorter->left;
        sorter->j = middle;
        sorter->merging = true;
    }
    for (; sorter->k < right; sorter->k++) {
        if ((*budget)-- == 0) {
            *budget = 0;
            return false;
        }
        bool take_left = sorter->j == right ||
                         (sorter->i < middle &&
                          row_compare(sorter, sorter->rows[sorter->i], sorter->rows[sorter->j]) <=
                              0);
        sorter->other[sorter->k] = take_left ? sorter->rows[sorter->i++]
                                             : sorter->rows[sorter->j++];
    }
    sorter->merging = false;
    sorter->left = right;
    return true;
}

bool
sorter_work(struct sorter *sorter, uint32_t budget)
{
    if (sorter->sorted)
        return true;
    if (sorter->width == 0)
        sorter->width = 1;
    while (sorter->width < sorter->row_count) {
        while (sorter->left < sorter->row_count)
            if (!pair_merge(sorter, &budget))
                return false;
        struct value **rows = sorter->rows;
        sorter->rows = sorter->other;
        sorter->other = rows;
        sorter->left = 0;
        sorter->width = sorter->width > UINT32_MAX / 2 ? UINT32_MAX : sorter->width * 2;
    }
    sorter->width = 0;
    sorter->sorted = true;
    if (sorter->row_count > sorter->limit)
        sorter->row_count = (uint32_t)sorter->limit;
    return true;
}

void
sorter_skip(struct sorter *sorter, uint64_t count)
{
    assert(sorter->sorted);
    uint32_t left = sorter->row_count - sorter->next;
    sorter->next += count < left ? (uint32_t)count : left;
}

uint32_t
sorter_take(struct sorter *sorter, struct column *columns)
{
    assert(sorter->sorted);
    uint32_t row = 0;
    for (; row < BATCH_ROW_COUNT_MAX && sorter->next < sorter->row_count; row++, sorter->next++) {
        const struct value *values = sorter->rows[sorter->next] + sorter->key_count;
        for (uint32_t i = 0; i < sorter->column_count; i++) {
            if (columns[i].kind == COLUMN_VALUE)
                columns[i].values[row] = values[i];
            else
                columns[i].nodes[row] = values[i].type == VALUE_NODE ? value_node_id(values[i]).id
                                                                     : NODE_ABSENT;
        }
    }
    return row;
}
