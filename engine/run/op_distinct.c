/* DISTINCT: rows not seen before, in the order they came. */
#include "engine/run/group.h"
#include "engine/run/operator.h"

struct distinct {
    struct grouping grouping;
    const struct expr **keys;
};

static err_t distinct_open(struct operator* op)
{
    struct distinct *state = op->state;
    struct execution *execution = op->execution;
    state->keys = arena_allocate(&execution->arena, sizeof(*state->keys) * op->op->column_count);
    if (!state->keys)
        return ERR(MEMORY_QUERY);
    for (uint32_t i = 0; i < op->op->column_count; i++) {
        state->keys[i] = expr_column(&execution->arena, 0, i);
        if (!state->keys[i])
            return ERR(MEMORY_QUERY);
    }
    return grouping_create(
        &state->grouping, &execution->memory.memory, SIZE_MAX, &execution->expressions, state->keys,
        op->op->column_count, NULL, 0);
}

static void distinct_close(struct operator* op)
{
    struct distinct *state = op->state;
    grouping_destroy(&state->grouping);
}

static void distinct_rewind(struct operator* op)
{
    struct distinct *state = op->state;
    struct memory *memory = &op->execution->memory.memory;
    grouping_destroy(&state->grouping);
    if (grouping_create(
            &state->grouping, memory, SIZE_MAX, &op->execution->expressions, state->keys,
            op->op->column_count, NULL, 0))
        execution_fail(op->execution, ERR(MEMORY_QUERY), NULL);
}

static enum pull
distinct_next(struct operator* op, struct batch **out)
{
    struct distinct *state = op->state;
    if (execution_failed(op->execution))
        return PULL_FAILED;
    for (;;) {
        struct batch *input;
        arena_reset(&op->arena);
        enum pull pull = operator_next(op->left, &input);
        if (pull != PULL_BATCH)
            return pull;
        uint32_t rows[BATCH_ROW_COUNT_MAX], count = 0;
        op->execution->expressions.arena = &op->arena;
        err_t err = grouping_distinct(&state->grouping, input, rows, &count, NULL);
        if (!err && count == input->row_count && count) {
            *out = input;
            return PULL_BATCH;
        }
        if (!err && count) {
            err = operator_columns(op, &op->out, count);
            for (uint32_t i = 0; !err && i < op->out.column_count; i++)
                column_gather(&input->columns[i], &op->out.columns[i], rows, count);
            *out = &op->out;
            return err ? operator_fail(op, err) : PULL_BATCH;
        }
        if (err)
            return operator_fail(op, err);
        if (task_slice_is_over(op->execution->shard))
            return PULL_AGAIN;
    }
}

const struct operator_class operator_class_DISTINCT = {
    .state_size = sizeof(struct distinct),
    .open = distinct_open,
    .next = distinct_next,
    .rewind = distinct_rewind,
    .close = distinct_close,
};
