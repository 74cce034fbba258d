/* HYDRATE: an entity that is here gets its labels or type and its properties. */
#include "engine/run/step.h"

static err_t
hydrate_sieve(
    struct step_context *context,
    const struct step *step,
    struct batch *rows,
    struct slot_list live)
{
    (void)live;
    struct value *out = rows->columns[step->to_slot].values;
    for (uint32_t row = 0; out && row < rows->row_count; row++) {
        struct value entity = batch_value(rows, step->from_slot, row);
        err_t err = entity_hydrate(context, context->expressions.arena, entity, &out[row]);
        if (err)
            return err;
    }
    return 0;
}

const struct step_class step_class_HYDRATE = {.sieve = hydrate_sieve};
