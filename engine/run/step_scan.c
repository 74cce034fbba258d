/* SCAN: each input row meets every node of this shard that has the label. */
#include "engine/run/step.h"

static err_t
scan_expand(
    struct step_context *context,
    const struct step *step,
    const struct batch *in,
    struct step_cursor *cursor,
    struct slot_list kept,
    struct batch *out,
    bool *done)
{
    uint32_t made = 0;
    bool wanted = step->to_slot != SLOT_NONE && out->columns[step->to_slot].nodes;
    uint64_t *nodes = wanted ? out->columns[step->to_slot].nodes : context->scratch->nodes;
    while (made < BATCH_ROW_COUNT_MAX && cursor->row < in->row_count) {
        uint32_t got = 0;
        if (step->label != TOKEN_NONE || step->label == LABEL_ANY)
            got = store_scan_nodes(
                context->store, context->view, step->label, &cursor->scan, nodes + made,
                BATCH_ROW_COUNT_MAX - made);
        for (uint32_t i = 0; i < got; i++)
            context->scratch->sources[made + i] = cursor->row;
        made += got;
        if (cursor->scan.done) {
            cursor->row++;
            cursor->scan = (struct scan_cursor){0};
        } else if (got == 0) {
            break;
        }
    }
    rows_gather(context, in, out, kept, context->scratch->sources, made);
    out->row_count = made;
    *done = cursor->row == in->row_count;
    return 0;
}

const struct step_class step_class_SCAN = {.expand = scan_expand};
