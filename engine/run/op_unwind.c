/* UNWIND: each input row meets each item of its list. */
#include "engine/run/operator.h"

struct unwind {
    struct arena lists; /* the lists of the input batch */
    struct batch *input;
    struct value *values;
    uint32_t row, item;
};

static err_t unwind_open(struct operator* op)
{
    struct unwind *state = op->state;
    arena_create(&state->lists, &op->execution->memory.memory, SIZE_MAX);
    return 0;
}

static void unwind_close(struct operator* op)
{
    struct unwind *state = op->state;
    if (state->lists.source)
        arena_destroy(&state->lists);
}

static void unwind_rewind(struct operator* op)
{
    struct unwind *state = op->state;
    state->input = NULL;
}

static enum pull unwind_input(struct operator* op)
{
    struct unwind *state = op->state;
    struct batch *input;
    enum pull pull = operator_next(op->left, &input);
    if (pull != PULL_BATCH)
        return pull;
    arena_reset(&state->lists);
    state->values = arena_allocate(&state->lists, sizeof(struct value) * input->row_count);
    if (!state->values)
        return operator_fail(op, ERR(MEMORY_QUERY));
    struct expr_context *expressions = &op->execution->expressions;
    expressions->arena = &state->lists;
    err_t err = expr_eval_batch(op->op->expr, expressions, input, state->values);
    if (err)
        return operator_fail(op, err);
    state->input = input;
    state->row = state->item = 0;
    return PULL_BATCH;
}

/* Fills rows[] and items[] from where the state stands. */
static uint32_t
unwind_rows(struct unwind *state, uint32_t *rows, struct value *items)
{
    uint32_t count = 0;
    while (count < BATCH_ROW_COUNT_MAX && state->row < state->input->row_count) {
        struct value list = state->values[state->row];
        bool is_list = list.type == VALUE_LIST;
        uint32_t size = is_list ? list.size : !value_is_null(list);
        if (state->item < size) {
            rows[count] = state->row;
            items[count++] = is_list ? list.list[state->item] : list;
            state->item++;
        } else {
            state->row++;
            state->item = 0;
        }
    }
    return count;
}

static enum pull
unwind_next(struct operator* op, struct batch **out)
{
    struct unwind *state = op->state;
    for (;;) {
        if (!state->input) {
            enum pull pull = unwind_input(op);
            if (pull != PULL_BATCH)
                return pull;
        }
        arena_reset(&op->arena);
        uint32_t rows[BATCH_ROW_COUNT_MAX];
        struct value *items = arena_allocate(&op->arena, sizeof(*items) * BATCH_ROW_COUNT_MAX);
        if (!items)
            return operator_fail(op, ERR(MEMORY_QUERY));
        uint32_t count = unwind_rows(state, rows, items);
        if (count == 0) {
            state->input = NULL;
            continue;
        }
        uint32_t last = op->out.column_count - 1;
        if (operator_columns(op, &op->out, count))
            return operator_fail(op, ERR(MEMORY_QUERY));
        for (uint32_t i = 0; i < last; i++)
            column_gather(&state->input->columns[i], &op->out.columns[i], rows, count);
        struct column item_column = {.kind = COLUMN_VALUE, .values = items};
        column_gather(&item_column, &op->out.columns[last], NULL, count);
        if (operator_is_tagged(op)) {
            op->tags = arena_allocate(&op->arena, sizeof(uint64_t) * count);
            if (!op->tags)
                return operator_fail(op, ERR(MEMORY_QUERY));
            for (uint32_t i = 0; i < count; i++)
                op->tags[i] = op->left->tags[rows[i]];
        }
        *out = &op->out;
        return PULL_BATCH;
    }
}

const struct operator_class operator_class_UNWIND = {
    .state_size = sizeof(struct unwind),
    .open = unwind_open,
    .next = unwind_next,
    .rewind = unwind_rewind,
    .close = unwind_close,
};
