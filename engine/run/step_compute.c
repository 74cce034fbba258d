/* COMPUTE: a column from an expression over the row. */
#include "engine/run/step.h"

static err_t
compute_sieve(
    struct step_context *context,
    const struct step *step,
    struct batch *rows,
    struct slot_list live)
{
    (void)live;
    struct column *column = &rows->columns[step->to_slot];
    if (!column->values)
        return 0;
    if (column->kind == COLUMN_VALUE)
        return expr_eval_batch(step->expr, &context->expressions, rows, column->values);
    err_t err = expr_eval_batch(step->expr, &context->expressions, rows, context->scratch->values);
    for (uint32_t row = 0; !err && row < rows->row_count; row++) {
        struct value value = context->scratch->values[row];
        column->nodes[row] = value.type == VALUE_NODE ? value_node_id(value).id : NODE_ABSENT;
    }
    return err;
}

const struct step_class step_class_COMPUTE = {.sieve = compute_sieve};
