/* UNIT: one row without columns, where a statement begins. */
#include "engine/run/operator.h"

static enum pull
unit_next(struct operator* op, struct batch **out)
{
    bool *given = op->state;
    if (*given)
        return PULL_END;
    *given = true;
    op->out.row_count = 1;
    *out = &op->out;
    if (operator_is_tagged(op)) {
        arena_reset(&op->arena);
        op->tags = arena_zeroed(&op->arena, sizeof(uint64_t));
        if (!op->tags)
            return operator_fail(op, ERR(MEMORY_QUERY));
    }
    return PULL_BATCH;
}

static void unit_rewind(struct operator* op)
{
    *(bool *)op->state = false;
}

const struct operator_class operator_class_UNIT = {
    .state_size = sizeof(bool), .next = unit_next, .rewind = unit_rewind};
