/* FILTER: keeps the rows where the expression is true. */
#include "engine/run/step.h"

static err_t
filter_sieve(
    struct step_context *context,
    const struct step *step,
    struct batch *rows,
    struct slot_list live)
{
    uint16_t selected[BATCH_ROW_COUNT_MAX];
    uint32_t count = 0;
    err_t err = expr_filter_batch(step->expr, &context->expressions, rows, selected, &count);
    if (err)
        return err;
    for (uint32_t i = 0; i < count; i++)
        context->scratch->positions[i] = selected[i];
    rows_select(context, rows, live, context->scratch->positions, count);
    return 0;
}

const struct step_class step_class_FILTER = {.sieve = filter_sieve};
