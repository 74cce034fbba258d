/* FETCH: properties of an entity that is here become columns. */
#include "engine/run/step.h"

#include "engine/value/value_ops.h"

/* Copies what the store only lent. Most columns are numbers, which point at nothing. */
static err_t
values_keep(struct arena *arena, struct value *values, uint32_t count)
{
    for (uint32_t row = 0; row < count; row++) {
        if (value_is_inline(values[row]))
            continue;
        err_t err = value_copy(arena, values[row], &values[row]);
        if (err)
            return err;
    }
    return 0;
}

static err_t
label_fetch(struct step_context *context, const struct fetch *fetch, struct batch *rows)
{
    struct value *out = rows->columns[fetch->slot].values;
    for (uint32_t row = 0; row < rows->row_count; row++) {
        struct value entity = batch_value(rows, fetch->entity_slot, row);
        if (entity.type != VALUE_NODE)
            out[row] = value_null();
        else
            out[row] = value_boolean(
                fetch->key != TOKEN_NONE &&
                store_node_has_label(
                    context->store, context->view, value_node_id(entity), fetch->key));
    }
    return 0;
}

static err_t
property_fetch(struct step_context *context, const struct fetch *fetch, struct batch *rows)
{
    struct value *out = rows->columns[fetch->slot].values;
    struct arena *arena = context->expressions.arena;
    if (fetch->key != TOKEN_NONE && rows->columns[fetch->entity_slot].kind == COLUMN_NODE) {
        store_node_property_column(
            context->store, context->view, rows->columns[fetch->entity_slot].nodes, rows->row_count,
            fetch->key, out);
        return values_keep(arena, out, rows->row_count);
    }
    for (uint32_t row = 0; row < rows->row_count; row++) {
        struct value entity = batch_value(rows, fetch->entity_slot, row);
        err_t err = entity_property(context, arena, entity, fetch->key, &out[row]);
        if (err)
            return err;
    }
    return 0;
}

static err_t
fetch_sieve(
    struct step_context *context,
    const struct step *step,
    struct batch *rows,
    struct slot_list live)
{
    (void)live;
    for (uint32_t i = 0; i < step->fetch_count; i++) {
        const struct fetch *fetch = &step->fetches[i];
        if (!rows->columns[fetch->slot].values)
            continue;
        err_t err = fetch->kind == FETCH_LABEL ? label_fetch(context, fetch, rows)
                                               : property_fetch(context, fetch, rows);
        if (err)
            return err;
    }
    return 0;
}

const struct step_class step_class_FETCH = {.sieve = fetch_sieve};
