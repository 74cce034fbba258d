/* ID_SEEK: binds the node with the row's id, if there is one; the row is at the owner of the id. */
#include "engine/run/step.h"

static err_t
id_seek_expand(
    struct step_context *context,
    const struct step *step,
    const struct batch *in,
    struct step_cursor *cursor,
    struct slot_list kept,
    struct batch *out,
    bool *done)
{
    err_t err = expr_eval_batch(step->expr, &context->expressions, in, context->scratch->values);
    if (err)
        return err;
    uint32_t count = 0;
    for (uint32_t row = 0; row < in->row_count; row++) {
        struct value value = context->scratch->values[row];
        if (value.type != VALUE_INTEGER || value.integer <= 0 || (uint64_t)value.integer > ID_MAX)
            continue;
        uint64_t id = (uint64_t)value.integer;
        if (id_owner(context->shard, id) != context->shard->index ||
            !store_node_exists(context->store, context->view, (node_id){id}))
            continue;
        context->scratch->sources[count] = row;
        context->scratch->nodes[count++] = id;
    }
    if (out->columns[step->to_slot].nodes)
        memcpy(
            out->columns[step->to_slot].nodes, context->scratch->nodes, sizeof(uint64_t) * count);
    rows_gather(context, in, out, kept, context->scratch->sources, count);
    out->row_count = count;
    cursor->row = in->row_count;
    *done = true;
    return 0;
}

const struct step_class step_class_ID_SEEK = {.expand = id_seek_expand};
