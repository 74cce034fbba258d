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

static err_t
rel_distinct_sieve(struct step_context *context, const struct step *step, struct batch *rows, struct slot_list live)
{
    uint32_t count = rows->row_count;
    for (uint32_t row = 0; row < count; row++)
        context->scratch->positions[row] = row;
    const struct column *left = &rows->columns[step->rel_slot];
    for (uint32_t i = 0; i < step->slot_count && count; i++) {
        const struct column *right = &rows->columns[step->slots[i]];
        uint32_t kept = 0;
        if (left->kind == COLUMN_NODE && right->kind == COLUMN_NODE) {
            for (uint32_t k = 0; k < count; k++) {
                uint32_t row = context->scratch->positions[k];
                context->scratch->positions[kept] = row;
                kept += left->nodes[row] != right->nodes[row];
            }
        } else {
            for (uint32_t k = 0; k < count; k++) {
                uint32_t row = context->scratch->positions[k];
                struct rel_set a, b;
                rel_set_read(left, row, &a);
                rel_set_read(right, row, &b);
                context->scratch->positions[kept] = row;
                kept += !rel_sets_meet(&a, &b);
            }
        }
        count = kept;
    }
    rows_select(context, rows, live, context->scratch->positions, count);
    return 0;
}

const struct step_class step_class_REL_DISTINCT = {.sieve = rel_distinct_sieve};
