/* EXPAND_EXISTS: keeps the rows whose node has a relationship (to to_slot, or to any node); negate: has
 * none. A null end has no relationship. */
#include "engine/run/step.h"

static bool
row_has_relationship(
    struct step_context *context, const struct step *step, const struct batch *rows, uint32_t row)
{
    struct value from = batch_value(rows, step->from_slot, row);
    if (from.type != VALUE_NODE)
        return false;
    struct expand_cursor cursor = {0};
    uint64_t other;
    struct expand_output output = {.others = &other};
    if (step->to_slot == SLOT_NONE) {
        uint64_t id = value_node_id(from).id;
        return store_expand(
                   context->store, context->view, &id, 1, step->direction, step->types,
                   step->type_count, &cursor, &output, 1) > 0;
    }
    struct value to = batch_value(rows, step->to_slot, row);
    return to.type == VALUE_NODE &&
           store_expand_into(
               context->store, context->view, value_node_id(from), value_node_id(to),
               step->direction, step->types, step->type_count, &cursor, &output, 1) > 0;
}

static err_t
expand_exists_sieve(
    struct step_context *context,
    const struct step *step,
    struct batch *rows,
    struct slot_list live)
{
    uint32_t count = 0;
    for (uint32_t row = 0; row < rows->row_count; row++) {
        context->scratch->positions[count] = row;
        count += row_has_relationship(context, step, rows, row) != step->negate;
    }
    rows_select(context, rows, live, context->scratch->positions, count);
    return 0;
}

const struct step_class step_class_EXPAND_EXISTS = {.sieve = expand_exists_sieve};
