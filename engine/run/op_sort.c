/* SORT: all rows in order, or the best few when there is a limit. */
#include "engine/run/operator.h"
#include "engine/run/sort.h"

struct sorting {
    struct sorter sorter;
    uint64_t skip;
    bool begun, collected, skipped;
};

static void sort_close(struct operator* op)
{
    struct sorting *state = op->state;
    sorter_destroy(&state->sorter);
}

static void sort_rewind(struct operator* op)
{
    struct sorting *state = op->state;
    sort_close(op);
    *state = (struct sorting){0};
}

static err_t sort_begin(struct operator* op)
{
    struct sorting *state = op->state;
    struct execution *execution = op->execution;
    uint64_t limit;
    err_t err = operator_row_count(op, op->op->skip, "SKIP", 0, &state->skip);
    if (!err)
        err = operator_row_count(op, op->op->limit, "LIMIT", UINT64_MAX, &limit);
    if (err)
        return err;
    uint64_t wanted = limit > UINT64_MAX - state->skip ? UINT64_MAX : limit + state->skip;
    state->begun = true;
    return sorter_create(
        &state->sorter, &execution->memory.memory, SIZE_MAX, &execution->expressions,
        op->op->sort_keys, op->op->sort_key_count, op->op->column_count, limit == 0 ? 0 : wanted);
}

static enum pull sort_collect(struct operator* op)
{
    struct sorting *state = op->state;
    for (;;) {
        struct batch *input;
        enum pull pull = operator_next(op->left, &input);
        if (pull != PULL_BATCH)
            return pull;
        arena_reset(&op->arena);
        op->execution->expressions.arena = &op->arena;
        err_t err = sorter_add(&state->sorter, input, NULL);
        if (err)
            return operator_fail(op, err);
        if (task_slice_is_over(op->execution->shard))
            return PULL_AGAIN;
    }
}

static enum pull
sort_next(struct operator* op, struct batch **out)
{
    struct sorting *state = op->state;
    err_t err = state->begun ? 0 : sort_begin(op);
    if (err)
        return operator_fail(op, err);
    if (!state->collected) {
        enum pull pull = sort_collect(op);
        if (pull != PULL_END)
            return pull;
        state->collected = true;
    }
    while (!sorter_work(&state->sorter, 8 * BATCH_ROW_COUNT_MAX))
        if (task_slice_is_over(op->execution->shard))
            return PULL_AGAIN;
    if (!state->skipped)
        sorter_skip(&state->sorter, state->skip);
    state->skipped = true;
    arena_reset(&op->arena);
    if (operator_columns(op, &op->out, BATCH_ROW_COUNT_MAX))
        return operator_fail(op, ERR(MEMORY_QUERY));
    op->out.row_count = sorter_take(&state->sorter, op->out.columns);
    *out = &op->out;
    return op->out.row_count ? PULL_BATCH : PULL_END;
}

const struct operator_class operator_class_SORT = {
    .state_size = sizeof(struct sorting),
    .next = sort_next,
    .rewind = sort_rewind,
    .close = sort_close,
};
