/* ARGUMENT: the rows of the left side, once for each rewind. A tagged row's tag is its index. */
#include "engine/run/operator.h"

static enum pull
argument_next(struct operator* op, struct batch **out)
{
    bool *given = op->state;
    assert(op->argument);
    if (*given || !op->argument->batch || op->argument->batch->row_count == 0)
        return PULL_END;
    *given = true;
    const struct batch *batch = op->argument->batch;
    assert(op->op->column_count <= batch->column_count);
    arena_reset(&op->arena);
    for (uint32_t i = 0; i < op->op->column_count; i++)
        op->out.columns[i] = batch->columns[i];
    op->out.row_count = batch->row_count;
    if (op->argument->tagged) {
        op->tags = arena_allocate(&op->arena, sizeof(uint64_t) * batch->row_count);
        if (!op->tags)
            return operator_fail(op, ERR(MEMORY_QUERY));
        for (uint32_t row = 0; row < batch->row_count; row++)
            op->tags[row] = row;
    }
    *out = &op->out;
    return PULL_BATCH;
}

static void argument_rewind(struct operator* op)
{
    *(bool *)op->state = false;
}

const struct operator_class operator_class_ARGUMENT = {
    .state_size = sizeof(bool), .next = argument_next, .rewind = argument_rewind};
