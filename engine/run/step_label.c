/* LABEL: keeps the rows whose node exists and has the label; negate: has not. */
#include "engine/run/step.h"

static err_t
label_sieve(
    struct step_context *context,
    const struct step *step,
    struct batch *rows,
    struct slot_list live)
{
    const uint64_t *nodes = rows_nodes(rows, step->from_slot, context->scratch->nodes);
    uint32_t count = 0;
    if (!step->negate && rows->columns[step->from_slot].kind == COLUMN_NODE) {
        count = store_node_select_label(
            context->store, context->view, nodes, rows->row_count, step->label,
            context->scratch->positions);
    } else {
        for (uint32_t row = 0; row < rows->row_count; row++) {
            context->scratch->positions[count] = row;
            node_id node = {nodes[row]};
            bool exists = node.id != NODE_ABSENT &&
                          store_node_exists(context->store, context->view, node);
            bool has = exists &&
                       (step->label == LABEL_ANY ||
                        store_node_has_label(context->store, context->view, node, step->label));
            count += exists && has != step->negate;
        }
    }
    rows_select(context, rows, live, context->scratch->positions, count);
    return 0;
}

const struct step_class step_class_LABEL = {.sieve = label_sieve};
