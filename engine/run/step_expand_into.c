/* EXPAND_INTO: each row meets the relationships between two nodes it already has. */
#include "engine/run/step.h"

static err_t
row_expand_into(
    struct step_context *context,
    const struct step *step,
    uint64_t from,
    uint64_t to,
    struct step_cursor *cursor,
    struct batch *out,
    uint32_t *made)
{
    struct expand_output output = {0};
    struct column *rel_column = step->rel_slot != SLOT_NONE && out->columns[step->rel_slot].nodes
                                    ? &out->columns[step->rel_slot]
                                    : NULL;
    if (rel_column) {
        output.rels = context->scratch->rels;
        output.types = context->scratch->types;
        output.directions = context->scratch->directions;
    }
    uint32_t got = store_expand_into(
        context->store, context->view, (node_id){from}, (node_id){to}, step->direction, step->types,
        step->type_count, &cursor->expand, &output, BATCH_ROW_COUNT_MAX - *made);
    for (uint32_t i = 0; i < got; i++) {
        uint32_t row = *made + i;
        context->scratch->sources[row] = cursor->row;
        if (!rel_column)
            continue;
        if (rel_column->kind == COLUMN_NODE) {
            rel_column->nodes[row] = context->scratch->rels[i];
            continue;
        }
        const struct value_rel *rel = rel_make(
            context->expressions.arena, context->scratch->rels[i], context->scratch->types[i],
            context->scratch->directions[i], from, to);
        if (!rel)
            return ERR(MEMORY_QUERY);
        rel_column->values[row] = value_relationship(rel);
    }
    *made += got;
    return 0;
}

static err_t
expand_into_expand(
    struct step_context *context,
    const struct step *step,
    const struct batch *in,
    struct step_cursor *cursor,
    struct slot_list kept,
    struct batch *out,
    bool *done)
{
    uint32_t made = 0;
    while (made < BATCH_ROW_COUNT_MAX && cursor->row < in->row_count) {
        struct value from = batch_value(in, step->from_slot, cursor->row);
        struct value to = batch_value(in, step->to_slot, cursor->row);
        if (from.type != VALUE_NODE || to.type != VALUE_NODE) {
            cursor->expand.done = true;
        } else {
            err_t err = row_expand_into(
                context, step, value_node_id(from).id, value_node_id(to).id, cursor, out, &made);
            if (err)
                return err;
        }
        if (!cursor->expand.done)
            break;
        cursor->row++;
        cursor->expand = (struct expand_cursor){0};
    }
    rows_gather(context, in, out, kept, context->scratch->sources, made);
    out->row_count = made;
    *done = cursor->row == in->row_count;
    return 0;
}

const struct step_class step_class_EXPAND_INTO = {.expand = expand_into_expand};
