/* TRAVERSE: input rows go through a traversal on all shards; what comes back are rows, or groups, or
 * the best few rows. The run itself is engine/route/run.h. */
#include "engine/route/run.h"
#include "engine/run/operator.h"

struct traverse {
    struct shape *shape;
    struct run *run;
    uint64_t top_limit;
    bool top_limit_known;
    bool input_done, finishing, gathered, done;
};

static err_t traverse_open(struct operator* op)
{
    struct traverse *state = op->state;
    return shape_create(
        &op->execution->arena, op->op->traversal, operator_is_tagged(op), &state->shape);
}

static void traverse_close(struct operator* op)
{
    struct traverse *state = op->state;
    if (state->run)
        run_close(state->run);
    state->run = NULL;
}

/* A drained run in rows mode is fed again: its shards need not hear of a new one. */
static void traverse_rewind(struct operator* op)
{
    struct traverse *state = op->state;
    bool reusable = state->run && state->done && !state->shape->gathers &&
                    run_is_current(state->run);
    if (state->run && !reusable)
        traverse_close(op);
    state->input_done = state->finishing = state->gathered = state->done = false;
}

static enum pull traverse_begin(struct operator* op)
{
    struct traverse *state = op->state;
    if (!state->top_limit_known) {
        err_t err = operator_row_count(
            op, op->op->traversal->top_limit, "LIMIT", UINT64_MAX, &state->top_limit);
        if (err)
            return operator_fail(op, err);
        state->top_limit_known = true;
    }
    err_t err = run_create(op->execution, state->shape, state->top_limit, &state->run);
    return err ? operator_fail(op, err) : PULL_BATCH;
}

static void
rows_hand_out(struct operator* op, const struct batch *rows)
{
    const struct traverse *state = op->state;
    const struct traversal *traversal = op->op->traversal;
    for (uint32_t i = 0; i < traversal->output_count; i++)
        op->out.columns[i] = rows->columns[traversal->output_slots[i]];
    op->out.row_count = rows->row_count;
    if (state->shape->tag_slot != SLOT_NONE)
        op->tags = rows->columns[state->shape->tag_slot].nodes;
}

static enum pull
groups_hand_out(struct operator* op, struct batch **out)
{
    struct traverse *state = op->state;
    struct grouping *grouping = run_grouping(state->run);
    err_t err = state->gathered ? 0 : grouping_settle(grouping);
    state->gathered = true;
    if (!err)
        err = operator_columns(op, &op->out, BATCH_ROW_COUNT_MAX);
    uint32_t count = 0;
    grouping->expressions->failure = &op->execution->failure;
    if (!err)
        err = grouping_take(grouping, &op->arena, op->out.columns, &count);
    if (err)
        return operator_fail(op, err);
    if (count == 0) {
        state->done = true;
        return PULL_END;
    }
    op->out.row_count = count;
    *out = &op->out;
    return PULL_BATCH;
}

/* The sorter's columns are the exit's live slots; the operator's are some of them. */
static enum pull
best_hand_out(struct operator* op, struct batch **out)
{
    struct traverse *state = op->state;
    struct sorter *sorter = run_sorter(state->run);
    const struct traversal *traversal = op->op->traversal;
    struct slot_list carried = state->shape->segments[state->shape->exit].carried;
    if (!sorter_work(sorter, BATCH_ROW_COUNT_MAX * 8))
        return PULL_AGAIN;
    struct column *columns = arena_zeroed(&op->arena, sizeof(*columns) * (carried.count + 1));
    for (uint32_t i = 0; columns && i < carried.count; i++) {
        columns[i].values = arena_allocate(&op->arena, sizeof(struct value) * BATCH_ROW_COUNT_MAX);
        if (!columns[i].values)
            columns = NULL;
    }
    if (!columns || operator_columns(op, &op->out, BATCH_ROW_COUNT_MAX))
        return operator_fail(op, ERR(MEMORY_QUERY));
    uint32_t count = sorter_take(sorter, columns);
    if (count == 0) {
        state->done = true;
        return PULL_END;
    }
    for (uint32_t i = 0; i < traversal->output_count; i++)
        for (uint32_t k = 0; k < carried.count; k++)
            if (carried.slots[k] == traversal->output_slots[i])
                column_gather(&columns[k], &op->out.columns[i], NULL, count);
    op->out.row_count = count;
    *out = &op->out;
    return PULL_BATCH;
}

/* Input for an idle run. BATCH: fed. */
static enum pull traverse_feed(struct operator* op)
{
    struct traverse *state = op->state;
    struct batch *input;
    enum pull pull = operator_next(op->left, &input);
    if (pull == PULL_END) {
        state->input_done = true;
        run_flush(state->run);
    } else if (pull == PULL_WAIT) {
        run_flush(state->run);
    } else if (pull == PULL_BATCH) {
        err_t err = run_feed(state->run, input, op->left->tags);
        if (err)
            return operator_fail(op, err);
    }
    return pull;
}

static enum pull
traverse_next(struct operator* op, struct batch **out)
{
    struct traverse *state = op->state;
    if (state->done)
        return PULL_END;
    arena_reset(&op->arena);
    if (!state->run && traverse_begin(op) == PULL_FAILED)
        return PULL_FAILED;
    for (;;) {
        if (state->gathered)
            break;
        const struct batch *rows;
        enum pull pull = run_pull(state->run, &rows);
        if (pull == PULL_BATCH) {
            rows_hand_out(op, rows);
            *out = &op->out;
            return PULL_BATCH;
        }
        if (pull == PULL_FAILED || pull == PULL_AGAIN)
            return pull;
        if (!state->input_done && run_wants_input(state->run)) {
            enum pull fed = traverse_feed(op);
            if (fed == PULL_BATCH || fed == PULL_END)
                continue;
            return fed;
        }
        if (pull == PULL_WAIT) {
            /* Rows that came from other shards may have left half-filled messages behind, and no input
             * will come to fill them. */
            if (state->input_done)
                run_flush(state->run);
            return PULL_WAIT;
        }
        if (!state->input_done)
            return PULL_WAIT;
        if (!state->shape->gathers) {
            state->done = true;
            return PULL_END;
        }
        if (state->finishing)
            break;
        run_finish(state->run);
        state->finishing = true;
    }
    return op->op->traversal->aggregate_partial ? groups_hand_out(op, out) : best_hand_out(op, out);
}

const struct operator_class operator_class_TRAVERSE = {
    .state_size = sizeof(struct traverse),
    .open = traverse_open,
    .next = traverse_next,
    .rewind = traverse_rewind,
    .close = traverse_close,
};
