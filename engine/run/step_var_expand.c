/* VAR_EXPAND: trails of min..max relationships, none twice.
 *
 *      begin: [] at a --> arrive at the end's owner --> long enough? a copy goes on to the next step
 *                              ^                        |
 *                              +---- one hop longer <---+ (while shorter than max)
 *
 * A row carries its whole trail as a list of relationships, because the trail is what the row may not
 * repeat. The properties asked of every relationship are checked by the shard that owns it: walking out,
 * that is where the hop begins; walking in, where it arrives. */
#include "engine/run/step.h"

#include "engine/value/value_ops.h"

static err_t
var_expand_begin(
    struct step_context *context,
    const struct step *step,
    struct batch *rows,
    struct slot_list live)
{
    (void)live;
    const struct column *from = &rows->columns[step->from_slot];
    struct column *to = &rows->columns[step->to_slot];
    struct value *trails = rows->columns[step->rel_slot].values;
    for (uint32_t row = 0; row < rows->row_count; row++) {
        struct value node = column_value(from, row);
        if (context->slot_kinds[step->to_slot] == COLUMN_NODE)
            to->nodes[row] = node.type == VALUE_NODE ? value_node_id(node).id : NODE_ABSENT;
        else
            to->values[row] = node;
        trails[row] = value_list(NULL, 0);
    }
    return 0;
}

static err_t
rel_matches(
    struct step_context *context,
    const struct step *step,
    const struct batch *rows,
    uint32_t row,
    uint64_t rel,
    bool *matches)
{
    *matches = true;
    for (uint32_t i = 0; i < step->property_count && *matches; i++) {
        struct value wanted;
        err_t err = expr_eval(step->property_values[i], &context->expressions, rows, row, &wanted);
        if (err)
            return err;
        struct value value = value_null();
        if (step->property_keys[i] != TOKEN_NONE)
            value = store_rel_property(
                context->store, context->view, (rel_id){rel}, step->property_keys[i]);
        *matches = value_equal(value, wanted) == TRIT_TRUE;
    }
    return 0;
}

err_t
var_expand_arrive(
    struct step_context *context,
    const struct step *step,
    struct batch *rows,
    struct slot_list carried)
{
    if (step->property_count == 0)
        return 0;
    uint32_t count = 0;
    for (uint32_t row = 0; row < rows->row_count; row++) {
        struct value trail = rows->columns[step->rel_slot].values[row];
        struct value end = batch_value(rows, step->to_slot, row);
        bool matches = true;
        if (trail.size > 0 && end.type == VALUE_NODE) {
            const struct value_rel *newest = trail.list[trail.size - 1].rel;
            bool walked_in = newest->start.id == value_node_id(end).id;
            if (walked_in) {
                err_t err = rel_matches(context, step, rows, row, newest->id.id, &matches);
                if (err)
                    return err;
            }
        }
        context->scratch->positions[count] = row;
        count += matches;
    }
    rows_select(context, rows, carried, context->scratch->positions, count);
    return 0;
}

uint32_t
var_expand_select(const struct step *step, const struct batch *rows, uint32_t *positions)
{
    const struct value *trails = rows->columns[step->rel_slot].values;
    uint32_t count = 0;
    for (uint32_t row = 0; row < rows->row_count; row++) {
        positions[count] = row;
        count += trails[row].size >= step->min;
    }
    return count;
}

static bool
trail_has(struct value trail, uint64_t rel)
{
    for (uint32_t i = 0; i < trail.size; i++)
        if (trail.list[i].rel->id.id == rel)
            return true;
    return false;
}

/* One more relationship at the end of the trail of row `source`; *made counts the rows that pass. */
static err_t
trail_lengthen(
    struct step_context *context,
    const struct step *step,
    const struct batch *in,
    uint32_t position,
    struct batch *out,
    uint32_t *made)
{
    uint32_t source = context->scratch->sources[position];
    struct value trail = in->columns[step->rel_slot].values[source];
    uint64_t rel = context->scratch->rels[position], other = context->scratch->nodes[position];
    if (trail.size >= step->max || trail_has(trail, rel))
        return 0;
    bool is_out = context->scratch->directions[position] == DIRECTION_OUT;
    if (is_out && step->property_count) {
        bool matches;
        err_t err = rel_matches(context, step, in, source, rel, &matches);
        if (err || !matches)
            return err;
    }
    uint64_t node = value_node_id(batch_value(in, step->to_slot, source)).id;
    struct arena *arena = context->expressions.arena;
    struct value *items = arena_allocate(arena, sizeof(*items) * (trail.size + 1));
    const struct value_rel *boxed = rel_make(
        arena, rel, context->scratch->types[position], context->scratch->directions[position], node,
        other);
    if (!items || !boxed)
        return ERR(MEMORY_QUERY);
    if (trail.size)
        memcpy(items, trail.list, sizeof(*items) * trail.size);
    items[trail.size] = value_relationship(boxed);
    out->columns[step->rel_slot].values[*made] = value_list(items, trail.size + 1);
    struct column *to = &out->columns[step->to_slot];
    if (to->kind == COLUMN_NODE)
        to->nodes[*made] = other;
    else
        to->values[*made] = value_node_bare((node_id){other});
    context->scratch->positions[*made] = source;
    (*made)++;
    return 0;
}

static err_t
var_expand_expand(
    struct step_context *context,
    const struct step *step,
    const struct batch *in,
    struct step_cursor *cursor,
    struct slot_list kept,
    struct batch *out,
    bool *done)
{
    out->row_count = 0;
    if (!cursor->nodes) {
        cursor->nodes = memory_allocate(context->memory, sizeof(uint64_t) * BATCH_ROW_COUNT_MAX);
        if (!cursor->nodes)
            return ERR(MEMORY_QUERY);
    }
    if (!cursor->nodes_ready) {
        /* A trail of full length is not expanded: no node there. */
        const struct value *trails = in->columns[step->rel_slot].values;
        for (uint32_t row = 0; row < in->row_count; row++) {
            struct value end = batch_value(in, step->to_slot, row);
            bool grows = end.type == VALUE_NODE && trails[row].size < step->max;
            cursor->nodes[row] = grows ? value_node_id(end).id : 0;
        }
        cursor->nodes_ready = true;
    }
    struct expand_output output = {
        .source_rows = context->scratch->sources,
        .others = context->scratch->nodes,
        .rels = context->scratch->rels,
        .types = context->scratch->types,
        .directions = context->scratch->directions,
    };
    uint32_t count = store_expand(
        context->store, context->view, cursor->nodes, in->row_count, step->direction, step->types,
        step->type_count, &cursor->expand, &output, BATCH_ROW_COUNT_MAX);
    context->shard->metrics.rows_expanded += count;
    uint32_t made = 0;
    for (uint32_t i = 0; i < count; i++) {
        err_t err = trail_lengthen(context, step, in, i, out, &made);
        if (err)
            return err;
    }
    /* `positions` now holds the source of each row made. */
    rows_gather(context, in, out, kept, context->scratch->positions, made);
    out->row_count = made;
    *done = cursor->expand.done;
    return 0;
}

const struct step_class step_class_VAR_EXPAND = {
    .sieve = var_expand_begin, .expand = var_expand_expand};
