/* NODE_EQUAL: keeps the rows where two slots hold the same node; negate: different ones. A null is
 * neither. */
#include "engine/run/step.h"

static err_t
node_equal_sieve(
    struct step_context *context,
    const struct step *step,
    struct batch *rows,
    struct slot_list live)
{
    const uint64_t *left = rows_nodes(rows, step->from_slot, context->scratch->nodes);
    const uint64_t *right = rows_nodes(rows, step->to_slot, context->scratch->rels);
    uint32_t count = 0;
    for (uint32_t row = 0; row < rows->row_count; row++) {
        context->scratch->positions[count] = row;
        bool both = left[row] != NODE_ABSENT && right[row] != NODE_ABSENT;
        count += both && (left[row] == right[row]) != step->negate;
    }
    rows_select(context, rows, live, context->scratch->positions, count);
    return 0;
}

const struct step_class step_class_NODE_EQUAL = {.sieve = node_equal_sieve};
