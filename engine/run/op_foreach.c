/* FOREACH: for each item of a list, the writing operators of the right side; the rows themselves pass
 * unchanged. The right side runs for many items at once, in order. A barrier. */
#include "engine/run/barrier.h"

struct foreach_state {
    struct barrier barrier;
    struct arena arena; /* lists and the rows given to the right side */
    struct value *lists;
    struct batch rows;
    uint32_t row, item;
    bool prepared, running;
};

static err_t foreach_open(struct operator* op)
{
    struct foreach_state *state = op->state;
    barrier_create(&state->barrier, op);
    arena_create(&state->arena, &op->execution->memory.memory, SIZE_MAX);
    return 0;
}

static void foreach_close(struct operator* op)
{
    struct foreach_state *state = op->state;
    barrier_destroy(&state->barrier);
    if (state->arena.source)
        arena_destroy(&state->arena);
}

static void foreach_rewind(struct operator* op)
{
    struct foreach_state *state = op->state;
    barrier_rewind(&state->barrier);
    state->prepared = state->running = false;
}

static err_t
lists_prepare(struct operator* op, const struct barrier_item *item)
{
    struct foreach_state *state = op->state;
    arena_reset(&state->arena);
    uint32_t column_count = op->op->left->column_count + 1;
    state->lists = arena_allocate(&state->arena, sizeof(struct value) * item->rows.row_count);
    state->rows.columns = arena_zeroed(&state->arena, sizeof(struct column) * column_count);
    if (!state->lists || !state->rows.columns)
        return ERR(MEMORY_QUERY);
    state->rows.column_count = column_count;
    for (uint32_t i = 0; i < column_count; i++) {
        struct column *column = &state->rows.columns[i];
        bool nodes = i + 1 < column_count && item->rows.columns[i].kind == COLUMN_NODE;
        column->kind = nodes ? COLUMN_NODE : COLUMN_VALUE;
        void *array = arena_allocate(
            &state->arena, (nodes ? sizeof(uint64_t) : sizeof(struct value)) * BATCH_ROW_COUNT_MAX);
        if (!array)
            return ERR(MEMORY_QUERY);
        if (nodes)
            column->nodes = array;
        else
            column->values = array;
    }
    struct expr_context *expressions = &op->execution->expressions;
    expressions->arena = &state->arena;
    state->row = state->item = 0;
    state->prepared = true;
    return expr_eval_batch(op->op->expr, expressions, &item->rows, state->lists);
}

/* The next items, each beside its row. False when there are none. */
static bool
rows_fill(struct foreach_state *state, const struct barrier_item *item)
{
    uint32_t sources[BATCH_ROW_COUNT_MAX], count = 0, last = state->rows.column_count - 1;
    while (count < BATCH_ROW_COUNT_MAX && state->row < item->rows.row_count) {
        struct value list = state->lists[state->row];
        bool is_list = list.type == VALUE_LIST;
        uint32_t size = is_list ? list.size : !value_is_null(list);
        if (state->item == size) {
            state->row++;
            state->item = 0;
            continue;
        }
        state->rows.columns[last].values[count] = is_list ? list.list[state->item] : list;
        sources[count++] = state->row;
        state->item++;
    }
    for (uint32_t i = 0; i < last; i++)
        column_gather(&item->rows.columns[i], &state->rows.columns[i], sources, count);
    state->rows.row_count = count;
    return count > 0;
}

static enum pull
foreach_work(struct operator* op, struct barrier_item *item)
{
    struct foreach_state *state = op->state;
    if (!state->prepared) {
        err_t err = lists_prepare(op, item);
        if (err)
            return operator_fail(op, err);
    }
    for (;;) {
        if (!state->running) {
            if (!rows_fill(state, item)) {
                state->prepared = false;
                return PULL_END;
            }
            op->right->argument->batch = &state->rows;
            operator_rewind(op->right);
            state->running = true;
        }
        struct batch *ignored;
        enum pull pull = operator_next(op->right, &ignored);
        if (pull == PULL_END)
            state->running = false;
        else if (pull != PULL_BATCH)
            return pull;
    }
}

static enum pull
foreach_next(struct operator* op, struct batch **out)
{
    struct foreach_state *state = op->state;
    return barrier_next(&state->barrier, foreach_work, NULL, out);
}

const struct operator_class operator_class_FOREACH = {
    .state_size = sizeof(struct foreach_state),
    .open = foreach_open,
    .next = foreach_next,
    .rewind = foreach_rewind,
    .close = foreach_close,
};
