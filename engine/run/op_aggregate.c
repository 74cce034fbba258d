/* AGGREGATE: groups of the input by keys, with aggregates over each. */
#include "engine/run/group.h"
#include "engine/run/operator.h"

struct aggregating {
    struct grouping grouping;
    bool collected;
};

static err_t aggregate_begin(struct operator* op)
{
    struct aggregating *state = op->state;
    struct execution *execution = op->execution;
    return grouping_create(
        &state->grouping, &execution->memory.memory, SIZE_MAX, &execution->expressions,
        op->op->exprs, op->op->group_count, op->op->aggregates, op->op->aggregate_count);
}

static void aggregate_close(struct operator* op)
{
    struct aggregating *state = op->state;
    grouping_destroy(&state->grouping);
}

static void aggregate_rewind(struct operator* op)
{
    struct aggregating *state = op->state;
    aggregate_close(op);
    state->collected = false;
    err_t err = aggregate_begin(op);
    if (err)
        execution_fail(op->execution, err, NULL);
}

static enum pull aggregate_collect(struct operator* op)
{
    struct aggregating *state = op->state;
    for (;;) {
        struct batch *input;
        enum pull pull = operator_next(op->left, &input);
        if (pull != PULL_BATCH)
            return pull;
        arena_reset(&op->arena);
        op->execution->expressions.arena = &op->arena;
        err_t err = grouping_add(&state->grouping, input);
        if (err)
            return operator_fail(op, err);
        if (task_slice_is_over(op->execution->shard))
            return PULL_AGAIN;
    }
}

static enum pull
aggregate_next(struct operator* op, struct batch **out)
{
    struct aggregating *state = op->state;
    if (execution_failed(op->execution))
        return PULL_FAILED;
    if (!state->collected) {
        enum pull pull = aggregate_collect(op);
        if (pull != PULL_END)
            return pull;
        err_t err = grouping_settle(&state->grouping);
        if (err)
            return operator_fail(op, err);
        state->collected = true;
    }
    arena_reset(&op->arena);
    op->execution->expressions.arena = &op->arena;
    uint32_t count = 0;
    err_t err = operator_columns(op, &op->out, BATCH_ROW_COUNT_MAX);
    struct column *columns = op->out.columns;
    /* Keys that are nodes come out as values and are unpacked after. */
    struct column *values = arena_zeroed(&op->arena, sizeof(*values) * (op->out.column_count + 1));
    for (uint32_t i = 0; !err && values && i < op->out.column_count; i++) {
        values[i] = columns[i];
        if (columns[i].kind == COLUMN_NODE) {
            values[i].kind = COLUMN_VALUE;
            values[i].values = arena_allocate(
                &op->arena, sizeof(struct value) * BATCH_ROW_COUNT_MAX);
            if (!values[i].values)
                err = ERR(MEMORY_QUERY);
        }
    }
    if (!values)
        err = ERR(MEMORY_QUERY);
    if (!err)
        err = grouping_take(&state->grouping, &op->arena, values, &count);
    if (err)
        return operator_fail(op, err);
    for (uint32_t i = 0; i < op->out.column_count; i++)
        if (columns[i].kind == COLUMN_NODE)
            column_gather(&values[i], &columns[i], NULL, count);
    op->out.row_count = count;
    *out = &op->out;
    return count ? PULL_BATCH : PULL_END;
}

const struct operator_class operator_class_AGGREGATE = {
    .state_size = sizeof(struct aggregating),
    .open = aggregate_begin,
    .next = aggregate_next,
    .rewind = aggregate_rewind,
    .close = aggregate_close,
};
