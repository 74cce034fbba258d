/* UNION: the left's rows, then the right's. */
#include "engine/run/operator.h"

static void union_rewind(struct operator* op)
{
    *(bool *)op->state = false;
}

/* The two sides may keep a column differently; the operator above knows one kind. */
static err_t
union_columns(struct operator* op, const struct batch *input)
{
    for (uint32_t i = 0; i < op->out.column_count; i++) {
        bool nodes = op->op->column_kinds && op->op->column_kinds[i] == COLUMN_NODE;
        enum column_kind kind = nodes ? COLUMN_NODE : COLUMN_VALUE;
        struct column *column = &op->out.columns[i];
        if (input->columns[i].kind == kind) {
            *column = input->columns[i];
            continue;
        }
        *column = (struct column){.kind = kind};
        void *array = arena_allocate(
            &op->arena, (nodes ? sizeof(uint64_t) : sizeof(struct value)) * input->row_count);
        if (!array)
            return ERR(MEMORY_QUERY);
        if (nodes)
            column->nodes = array;
        else
            column->values = array;
        column_gather(&input->columns[i], column, NULL, input->row_count);
    }
    op->out.row_count = input->row_count;
    return 0;
}

static enum pull
union_next(struct operator* op, struct batch **out)
{
    bool *left_done = op->state;
    struct batch *input;
    arena_reset(&op->arena);
    enum pull pull = PULL_END;
    if (!*left_done)
        pull = operator_next(op->left, &input);
    if (pull == PULL_END) {
        *left_done = true;
        pull = operator_next(op->right, &input);
    }
    if (pull != PULL_BATCH)
        return pull;
    err_t err = union_columns(op, input);
    if (err)
        return operator_fail(op, err);
    *out = &op->out;
    return PULL_BATCH;
}

const struct operator_class operator_class_UNION = {
    .state_size = sizeof(bool), .next = union_next, .rewind = union_rewind};
