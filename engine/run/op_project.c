/* PROJECT: one output column for each expression. A plain column is handed on without a copy. */
#include "engine/run/operator.h"

static err_t
column_project(struct operator* op, const struct batch *input, uint32_t index)
{
    const struct expr *expr = op->op->exprs[index];
    struct column *column = &op->out.columns[index];
    enum column_kind kind = op->op->column_kinds && op->op->column_kinds[index] == COLUMN_NODE
                                ? COLUMN_NODE
                                : COLUMN_VALUE;
    if (expr->kind == EXPR_COLUMN && input->columns[expr->slot].kind == kind) {
        *column = input->columns[expr->slot];
        return 0;
    }
    struct expr_context *expressions = &op->execution->expressions;
    struct column values = {.kind = COLUMN_VALUE};
    values.values = arena_allocate(&op->arena, sizeof(struct value) * input->row_count);
    if (!values.values)
        return ERR(MEMORY_QUERY);
    expressions->arena = &op->arena;
    err_t err = expr_eval_batch(expr, expressions, input, values.values);
    if (err || kind == COLUMN_VALUE) {
        *column = values;
        return err;
    }
    column->kind = COLUMN_NODE;
    column->nodes = arena_allocate(&op->arena, sizeof(uint64_t) * input->row_count);
    if (!column->nodes)
        return ERR(MEMORY_QUERY);
    column_gather(&values, column, NULL, input->row_count);
    return 0;
}

static enum pull
project_next(struct operator* op, struct batch **out)
{
    struct batch *input;
    arena_reset(&op->arena);
    enum pull pull = operator_next(op->left, &input);
    if (pull != PULL_BATCH)
        return pull;
    assert(op->op->expr_count == op->out.column_count);
    for (uint32_t i = 0; i < op->op->expr_count; i++) {
        err_t err = column_project(op, input, i);
        if (err)
            return operator_fail(op, err);
    }
    op->out.row_count = input->row_count;
    op->tags = op->left->tags;
    *out = &op->out;
    return PULL_BATCH;
}

const struct operator_class operator_class_PROJECT = {.next = project_next};
