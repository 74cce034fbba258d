/* EXPAND: each row meets the relationships of its node. The hottest loop of the engine: one call into
 * the store writes up to a batch of neighbours straight into the output column; nothing is boxed unless
 * the relationship itself is wanted as a value. */
#include "engine/run/step.h"

/* True when a list of types can match nothing. */
static bool
types_are_unknown(const struct step *step)
{
    for (uint32_t i = 0; i < step->type_count; i++)
        if (step->types[i] != TOKEN_NONE)
            return false;
    return step->type_count > 0;
}

static err_t
rels_box(
    struct step_context *context,
    const struct step *step,
    const uint64_t *from,
    const uint64_t *others,
    struct batch *out,
    uint32_t count)
{
    struct value *values = out->columns[step->rel_slot].values;
    struct value_rel *rels = arena_zeroed(context->expressions.arena, sizeof(*rels) * count);
    if (!rels)
        return ERR(MEMORY_QUERY);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t node = from[context->scratch->sources[i]];
        bool is_out = context->scratch->directions[i] == DIRECTION_OUT;
        rels[i].id = (rel_id){context->scratch->rels[i]};
        rels[i].start = (node_id){is_out ? node : others[i]};
        rels[i].end = (node_id){is_out ? others[i] : node};
        rels[i].type_token = context->scratch->types[i];
        values[i] = value_relationship(&rels[i]);
    }
    return 0;
}

static err_t
expand_expand(
    struct step_context *context,
    const struct step *step,
    const struct batch *in,
    struct step_cursor *cursor,
    struct slot_list kept,
    struct batch *out,
    bool *done)
{
    out->row_count = 0;
    *done = true;
    if (types_are_unknown(step))
        return 0;
    const uint64_t *from = in->columns[step->from_slot].nodes;
    if (in->columns[step->from_slot].kind == COLUMN_VALUE) {
        if (!cursor->nodes) {
            cursor->nodes = memory_allocate(
                context->memory, sizeof(uint64_t) * BATCH_ROW_COUNT_MAX);
            if (!cursor->nodes)
                return ERR(MEMORY_QUERY);
        }
        if (!cursor->nodes_ready)
            rows_nodes(in, step->from_slot, cursor->nodes);
        cursor->nodes_ready = true;
        from = cursor->nodes;
    }
    struct expand_output output = {0};
    bool rel_ids = false, rel_values = false;
    if (step->rel_slot != SLOT_NONE && out->columns[step->rel_slot].nodes) {
        rel_ids = context->slot_kinds[step->rel_slot] == COLUMN_NODE;
        rel_values = !rel_ids;
    }
    if (kept.count || rel_values)
        output.source_rows = context->scratch->sources;
    bool to_wanted = step->to_slot != SLOT_NONE && out->columns[step->to_slot].nodes;
    bool to_boxed = to_wanted && context->slot_kinds[step->to_slot] == COLUMN_VALUE;
    if (to_wanted && !to_boxed)
        output.others = out->columns[step->to_slot].nodes;
    else if (to_boxed || rel_values)
        output.others = context->scratch->nodes;
    if (rel_ids)
        output.rels = out->columns[step->rel_slot].nodes;
    if (rel_values) {
        output.rels = context->scratch->rels;
        output.types = context->scratch->types;
        output.directions = context->scratch->directions;
    }
    uint32_t count = store_expand(
        context->store, context->view, from, in->row_count, step->direction, step->types,
        step->type_count, &cursor->expand, &output, BATCH_ROW_COUNT_MAX);
    rows_gather(context, in, out, kept, context->scratch->sources, count);
    if (rel_values) {
        err_t err = rels_box(context, step, from, output.others, out, count);
        if (err)
            return err;
    }
    for (uint32_t i = 0; to_boxed && i < count; i++)
        out->columns[step->to_slot].values[i] = value_node_bare((node_id){output.others[i]});
    context->shard->metrics.rows_expanded += count;
    out->row_count = count;
    *done = cursor->expand.done;
    return 0;
}

const struct step_class step_class_EXPAND = {.expand = expand_expand};
