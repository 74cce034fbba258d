/* REL_DISTINCT: keeps the rows whose relationship (or any of a list) is none of the others' (each one
 * relationship or a list). Columns of bare ids are compared as words. */
#include "engine/run/step.h"

/* The relationships of a column's row, as a run of values; a bare id is in *id and gives count 0. */
struct rel_set {
    const struct value *values;
    uint32_t count;
    uint64_t id;
    bool bare;
};

static void
rel_set_read(const struct column *column, uint32_t row, struct rel_set *set)
{
    *set = (struct rel_set){0};
    if (column->kind == COLUMN_NODE) {
        set->bare = true;
        set->id = column->nodes[row];
        return;
    }
    struct value value = column->values[row];
    if (value.type == VALUE_LIST) {
        set->values = value.list;
        set->count = value.size;
    } else if (value.type == VALUE_RELATIONSHIP) {
        set->bare = true;
        set->id = value.rel->id.id;
    }
}

static bool
rel_set_has(const struct rel_set *set, uint64_t id)
{
    if (set->bare)
        return set->id == id;
    for (uint32_t i = 0; i < set->count; i++)
        if (set->values[i].type == VALUE_RELATIONSHIP && set->values[i].rel->id.id == id)
            return true;
    return false;
}

static bool
rel_sets_meet(const struct rel_set *a, const struct rel_set *b)
{
    if (a->bare)
        return rel_set_has(b, a->id);
    for (uint32_t i = 0; i < a->count; i++)
        if (a->values[i].type == VALUE_RELATIONSHIP && rel_set_has(b, a->values[i].rel->id.id))
            return true;
    return false;
}

/* Whether any two of the ids side by side are the same. Written so that the compiler makes it wide: on most
 * batches the answer is no and nothing else has to be done. */
static bool
ids_meet(const uint64_t *restrict left, const uint64_t *restrict right, uint32_t count)
{
    uint64_t same = 0;
    for (uint32_t row = 0; row < count; row++)
        same |= left[row] == right[row];
    return same != 0;
}

static uint32_t
rows_without_meeting(
    struct step_context *context,
    const struct column *left,
    const struct column *right,
    uint32_t count)
{
    uint32_t *positions = context->scratch->positions;
    uint32_t kept = 0;
    for (uint32_t k = 0; k < count; k++) {
        uint32_t row = positions[k];
        struct rel_set a, b;
        rel_set_read(left, row, &a);
        rel_set_read(right, row, &b);
        positions[kept] = row;
        kept += !rel_sets_meet(&a, &b);
    }
    return kept;
}

static err_t
rel_distinct_sieve(
    struct step_context *context,
    const struct step *step,
    struct batch *rows,
    struct slot_list live)
{
    const struct column *left = &rows->columns[step->rel_slot];
    bool whole = true; /* no row was dropped, positions are not written */
    uint32_t count = rows->row_count;
    for (uint32_t i = 0; i < step->slot_count && count; i++) {
        const struct column *right = &rows->columns[step->slots[i]];
        bool bare = left->kind == COLUMN_NODE && right->kind == COLUMN_NODE;
        if (bare && whole && !ids_meet(left->nodes, right->nodes, count))
            continue;
        for (uint32_t row = 0; whole && row < count; row++)
            context->scratch->positions[row] = row;
        whole = false;
        count = rows_without_meeting(context, left, right, count);
    }
    if (!whole)
        rows_select(context, rows, live, context->scratch->positions, count);
    return 0;
}

const struct step_class step_class_REL_DISTINCT = {.sieve = rel_distinct_sieve};
