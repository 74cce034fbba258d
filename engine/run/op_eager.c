/* EAGER: takes all input before it gives the first row, so that what is read below cannot see what is
 * written above. */
#include "engine/run/operator.h"

struct eager {
    struct arena rows;
    struct batch_list list;
    bool collected;
};

static err_t eager_open(struct operator* op)
{
    struct eager *state = op->state;
    arena_create(&state->rows, &op->execution->memory.memory, SIZE_MAX);
    return 0;
}

static void eager_close(struct operator* op)
{
    struct eager *state = op->state;
    if (state->rows.source)
        arena_destroy(&state->rows);
}

static void eager_rewind(struct operator* op)
{
    struct eager *state = op->state;
    arena_reset(&state->rows);
    state->list = (struct batch_list){0};
    state->collected = false;
}

static enum pull
eager_next(struct operator* op, struct batch **out)
{
    struct eager *state = op->state;
    while (!state->collected) {
        struct batch *input;
        enum pull pull = operator_next(op->left, &input);
        if (pull == PULL_END) {
            state->collected = true;
            state->list.cursor = state->list.first;
            break;
        }
        if (pull != PULL_BATCH)
            return pull;
        err_t err = batch_list_add(&state->list, &state->rows, input, op->left->tags);
        if (err)
            return operator_fail(op, err);
        if (task_slice_is_over(op->execution->shard))
            return PULL_AGAIN;
    }
    struct batch_node *node = state->list.cursor;
    if (!node)
        return PULL_END;
    state->list.cursor = node->next;
    op->tags = node->tags;
    *out = &node->batch;
    return PULL_BATCH;
}

const struct operator_class operator_class_EAGER = {
    .state_size = sizeof(struct eager),
    .open = eager_open,
    .next = eager_next,
    .rewind = eager_rewind,
    .close = eager_close,
};
