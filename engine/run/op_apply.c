/* APPLY: for each left row the rows of the right side.
 *
 * With flag false the right side runs once for a batch of left rows; each of its rows carries the index
 * of its left row as tag. With flag true it is rewound for each left row. Either way rows that come
 * back are joined with, or folded into, their left row here. */
#include "engine/run/operator.h"
#include "engine/value/value_ops.h"

struct apply {
    struct batch *input;  /* left rows at work; lent by the left */
    uint64_t *input_tags; /* of an outer APPLY */
    struct batch one;     /* flag: the row at work */
    uint32_t row;         /* flag: its index */
    bool *matched;        /* by left row of `input` */
    uint64_t *counts;
    struct collected *lists;
    struct arena folded; /* matched, counts, lists, for one input */
    bool right_done;
    uint32_t left_column_count;
};

/* COLLECT: the values of one left row. */
struct collected {
    struct value *items;
    uint32_t count, room;
};

static err_t apply_open(struct operator* op)
{
    struct apply *state = op->state;
    arena_create(&state->folded, &op->execution->memory.memory, SIZE_MAX);
    state->left_column_count = op->op->left->column_count;
    state->one.columns = arena_zeroed(
        &op->execution->arena, sizeof(struct column) * state->left_column_count);
    return state->one.columns ? 0 : ERR(MEMORY_QUERY);
}

static void apply_close(struct operator* op)
{
    struct apply *state = op->state;
    if (state->folded.source)
        arena_destroy(&state->folded);
}

static void apply_rewind(struct operator* op)
{
    struct apply *state = op->state;
    state->input = NULL;
}

static struct argument *apply_argument(struct operator* op)
{
    return op->right->argument;
}

/* Points the right side's ARGUMENT at the rows it is to run for. */
static void right_begin(struct operator* op)
{
    struct apply *state = op->state;
    struct argument *argument = apply_argument(op);
    argument->batch = state->input;
    if (op->op->flag) {
        state->one.row_count = 1;
        state->one.column_count = state->left_column_count;
        for (uint32_t i = 0; i < state->left_column_count; i++) {
            state->one.columns[i] = state->input->columns[i];
            if (state->one.columns[i].kind == COLUMN_NODE)
                state->one.columns[i].nodes += state->row;
            else
                state->one.columns[i].values += state->row;
        }
        argument->batch = &state->one;
    }
    operator_rewind(op->right);
    state->right_done = false;
}

static enum pull apply_input(struct operator* op)
{
    struct apply *state = op->state;
    struct batch *input;
    enum pull pull = operator_next(op->left, &input);
    if (pull != PULL_BATCH)
        return pull;
    if (input->row_count == 0)
        return PULL_AGAIN;
    arena_reset(&state->folded);
    state->input = input;
    state->input_tags = op->left->tags;
    state->row = 0;
    state->matched = arena_zeroed(&state->folded, sizeof(bool) * input->row_count);
    state->counts = arena_zeroed(&state->folded, sizeof(uint64_t) * input->row_count);
    state->lists = arena_zeroed(&state->folded, sizeof(struct collected) * input->row_count);
    if (!state->matched || !state->counts || !state->lists)
        return operator_fail(op, ERR(MEMORY_QUERY));
    right_begin(op);
    return PULL_BATCH;
}

/* The left rows rows[0 .. count) with the right columns of `right` (NULL: nulls). */
static err_t
rows_join(struct operator* op, const uint32_t *rows, uint32_t count, const struct batch *right)
{
    struct apply *state = op->state;
    err_t err = operator_columns(op, &op->out, count);
    if (err)
        return err;
    for (uint32_t i = 0; i < op->out.column_count; i++) {
        struct column *column = &op->out.columns[i];
        if (i < state->left_column_count) {
            column_gather(&state->input->columns[i], column, rows, count);
        } else if (right) {
            column_gather(&right->columns[i - state->left_column_count], column, NULL, count);
        } else {
            for (uint32_t row = 0; row < count; row++) {
                if (column->kind == COLUMN_NODE)
                    column->nodes[row] = NODE_ABSENT;
                else
                    column->values[row] = value_null();
            }
        }
    }
    if (!operator_is_tagged(op))
        return 0;
    op->tags = arena_allocate(&op->arena, sizeof(uint64_t) * count);
    if (!op->tags)
        return ERR(MEMORY_QUERY);
    for (uint32_t row = 0; row < count; row++)
        op->tags[row] = state->input_tags[rows[row]];
    return 0;
}

static err_t
item_collect(struct operator* op, struct collected *list, const struct batch *right, uint32_t row)
{
    struct apply *state = op->state;
    if (list->count == list->room) {
        uint32_t room = list->room ? list->room * 2 : 4;
        struct value *items = arena_allocate(&state->folded, sizeof(*items) * room);
        if (!items)
            return ERR(MEMORY_QUERY);
        if (list->count)
            memcpy(items, list->items, sizeof(*items) * list->count);
        list->items = items;
        list->room = room;
    }
    return value_copy(&state->folded, batch_value(right, 0, row), &list->items[list->count++]);
}

static err_t
right_fold(struct operator* op, const struct batch *right, const uint32_t *rows)
{
    struct apply *state = op->state;
    for (uint32_t i = 0; i < right->row_count; i++) {
        state->matched[rows[i]] = true;
        state->counts[rows[i]]++;
        if (op->op->mode == APPLY_COLLECT) {
            err_t err = item_collect(op, &state->lists[rows[i]], right, i);
            if (err)
                return err;
        }
    }
    return 0;
}

/* When the right side is at its end: the rows that only now are known. 0 in *count: none. */
static err_t
rows_close(struct operator* op, uint32_t *count)
{
    struct apply *state = op->state;
    uint32_t rows[BATCH_ROW_COUNT_MAX];
    *count = 0;
    bool joins = op->op->mode == APPLY_INNER || op->op->mode == APPLY_OPTIONAL;
    if (op->op->mode == APPLY_INNER)
        return 0;
    for (uint32_t row = 0; row < state->input->row_count; row++)
        if (!joins || !state->matched[row])
            rows[(*count)++] = row;
    if (*count == 0)
        return 0;
    err_t err = rows_join(op, rows, *count, NULL);
    if (err || joins)
        return err;
    struct value *values = op->out.columns[state->left_column_count].values;
    for (uint32_t row = 0; row < *count; row++) {
        if (op->op->mode == APPLY_SEMI)
            values[row] = value_boolean(state->matched[row]);
        else if (op->op->mode == APPLY_COUNT)
            values[row] = value_integer((int64_t)state->counts[row]);
        else
            values[row] = value_list(state->lists[row].items, state->lists[row].count);
    }
    return 0;
}

/* One batch of the right side. END: the right side is at its end for all of `input`. */
static enum pull
right_next(struct operator* op, struct batch **right, uint32_t *rows)
{
    struct apply *state = op->state;
    for (;;) {
        enum pull pull = operator_next(op->right, right);
        /* EXISTS { } needs to see one row only. */
        bool enough = pull == PULL_BATCH && op->op->flag && op->op->mode == APPLY_SEMI &&
                      (*right)->row_count;
        if (enough)
            state->matched[state->row] = true;
        if (pull == PULL_END || enough) {
            if (!op->op->flag || ++state->row == state->input->row_count)
                return PULL_END;
            right_begin(op);
            if (task_slice_is_over(op->execution->shard))
                return PULL_AGAIN;
            continue;
        }
        if (pull != PULL_BATCH)
            return pull;
        for (uint32_t i = 0; i < (*right)->row_count; i++) {
            rows[i] = op->op->flag ? state->row : (uint32_t)op->right->tags[i];
            assert(rows[i] < state->input->row_count);
        }
        return PULL_BATCH;
    }
}

static enum pull
apply_next(struct operator* op, struct batch **out)
{
    struct apply *state = op->state;
    for (;;) {
        arena_reset(&op->arena);
        if (!state->input) {
            enum pull pull = apply_input(op);
            if (pull != PULL_BATCH)
                return pull;
        }
        struct batch *right;
        uint32_t rows[BATCH_ROW_COUNT_MAX], count = 0;
        enum pull pull = right_next(op, &right, rows);
        if (pull != PULL_BATCH && pull != PULL_END)
            return pull;
        err_t err;
        if (pull == PULL_END) {
            err = rows_close(op, &count);
            state->input = NULL;
        } else {
            err = right_fold(op, right, rows);
            if (!err && (op->op->mode == APPLY_INNER || op->op->mode == APPLY_OPTIONAL)) {
                count = right->row_count;
                err = rows_join(op, rows, count, right);
            }
        }
        if (err)
            return operator_fail(op, err);
        if (count) {
            *out = &op->out;
            return PULL_BATCH;
        }
        if (task_slice_is_over(op->execution->shard))
            return PULL_AGAIN;
    }
}

const struct operator_class operator_class_APPLY = {
    .state_size = sizeof(struct apply),
    .open = apply_open,
    .next = apply_next,
    .rewind = apply_rewind,
    .close = apply_close,
};
