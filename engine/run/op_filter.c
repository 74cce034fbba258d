/* FILTER: the rows where the expression is true. */
#include "engine/run/operator.h"

static err_t
rows_keep(struct operator* op, const struct batch *input, const uint16_t *selected, uint32_t count)
{
    uint32_t rows[BATCH_ROW_COUNT_MAX];
    for (uint32_t i = 0; i < count; i++)
        rows[i] = selected[i];
    err_t err = operator_columns(op, &op->out, count);
    if (err)
        return err;
    assert(op->out.column_count <= input->column_count);
    for (uint32_t i = 0; i < op->out.column_count; i++)
        column_gather(&input->columns[i], &op->out.columns[i], rows, count);
    if (!op->left->tags)
        return 0;
    op->tags = arena_allocate(&op->arena, sizeof(uint64_t) * count);
    if (!op->tags)
        return ERR(MEMORY_QUERY);
    for (uint32_t i = 0; i < count; i++)
        op->tags[i] = op->left->tags[rows[i]];
    return 0;
}

static enum pull
filter_next(struct operator* op, struct batch **out)
{
    struct expr_context *expressions = &op->execution->expressions;
    for (;;) {
        struct batch *input;
        arena_reset(&op->arena);
        enum pull pull = operator_next(op->left, &input);
        if (pull != PULL_BATCH)
            return pull;
        uint16_t selected[BATCH_ROW_COUNT_MAX];
        uint32_t count;
        expressions->arena = &op->arena;
        err_t err = expr_filter_batch(op->op->expr, expressions, input, selected, &count);
        if (err)
            return operator_fail(op, err);
        if (count == input->row_count) {
            op->tags = op->left->tags;
            *out = input;
            return PULL_BATCH;
        }
        if (count) {
            err = rows_keep(op, input, selected, count);
            *out = &op->out;
            return err ? operator_fail(op, err) : PULL_BATCH;
        }
        if (task_slice_is_over(op->execution->shard))
            return PULL_AGAIN;
    }
}

const struct operator_class operator_class_FILTER = {.next = filter_next};
