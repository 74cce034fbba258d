/* INDEX_SEEK: each input row meets the nodes whose indexed property equals the row's value; the row is
 * at the owner of the value. */
#include "engine/run/step.h"

static err_t
index_seek_expand(
    struct step_context *context,
    const struct step *step,
    const struct batch *in,
    struct step_cursor *cursor,
    struct slot_list kept,
    struct batch *out,
    bool *done)
{
    uint32_t made = 0;
    uint64_t *nodes = out->columns[step->to_slot].nodes ? out->columns[step->to_slot].nodes
                                                        : context->scratch->nodes;
    while (made < BATCH_ROW_COUNT_MAX && cursor->row < in->row_count) {
        if (!cursor->prepared) {
            err_t err = expr_eval(
                step->expr, &context->expressions, in, cursor->row, &cursor->value);
            if (err)
                return err;
            cursor->prepared = true;
        }
        uint32_t got = 0;
        if (value_is_null(cursor->value) || !value_is_storable(cursor->value))
            cursor->expand.done = true;
        else
            got = store_index_seek(
                context->store, context->view, step->index, cursor->value, &cursor->expand,
                nodes + made, BATCH_ROW_COUNT_MAX - made);
        for (uint32_t i = 0; i < got; i++)
            context->scratch->sources[made + i] = cursor->row;
        made += got;
        if (cursor->expand.done) {
            cursor->row++;
            cursor->prepared = false;
            cursor->expand = (struct expand_cursor){0};
        } else if (got == 0) {
            break;
        } else {
            /* The value may live in the arena of this call's output. */
            cursor->prepared = false;
        }
    }
    rows_gather(context, in, out, kept, context->scratch->sources, made);
    out->row_count = made;
    *done = cursor->row == in->row_count;
    return 0;
}

const struct step_class step_class_INDEX_SEEK = {.expand = index_seek_expand};
