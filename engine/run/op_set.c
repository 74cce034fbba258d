/* SET and REMOVE: their items in order, row by row. A barrier. */
#include "engine/run/barrier.h"

struct setting {
    struct barrier barrier;
    struct writer *writer;
    bool missing;
};

static err_t set_open(struct operator* op)
{
    struct setting *state = op->state;
    barrier_create(&state->barrier, op);
    return writer_create(op->execution, &state->writer);
}

static void set_close(struct operator* op)
{
    struct setting *state = op->state;
    barrier_destroy(&state->barrier);
    writer_destroy(state->writer);
    state->writer = NULL;
}

static void set_rewind(struct operator* op)
{
    struct setting *state = op->state;
    barrier_rewind(&state->barrier);
}

static enum pull
set_work(struct operator* op, struct barrier_item *item)
{
    struct setting *state = op->state;
    struct writer *writer = state->writer;
    while (!item->built) {
        if (state->missing) {
            enum pull pull = writer_names_run(writer);
            if (pull != PULL_END)
                return pull;
        }
        writer_reset(writer);
        state->missing = false;
        err_t err = set_rows(
            op, writer, op->op->sets, op->op->set_count, &item->rows, NULL, item->rows.row_count,
            &state->missing);
        if (err)
            return operator_fail(op, err);
        item->built = !state->missing;
    }
    enum pull pull = writer_run(writer);
    if (pull == PULL_END)
        writer_reset(writer);
    return pull;
}

static enum pull
set_next(struct operator* op, struct batch **out)
{
    struct setting *state = op->state;
    return barrier_next(&state->barrier, set_work, NULL, out);
}

const struct operator_class operator_class_SET = {
    .state_size = sizeof(struct setting),
    .open = set_open,
    .next = set_next,
    .rewind = set_rewind,
    .close = set_close,
};
