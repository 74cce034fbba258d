/* CREATE: makes nodes and relationships for every input row. A barrier: all input first, then batch by
 * batch one write, then the rows. */
#include "engine/run/barrier.h"

struct creating {
    struct barrier barrier;
    struct writer *writer;
    bool missing;
};

static err_t create_open(struct operator* op)
{
    struct creating *state = op->state;
    barrier_create(&state->barrier, op);
    return writer_create(op->execution, &state->writer);
}

static void create_close(struct operator* op)
{
    struct creating *state = op->state;
    barrier_destroy(&state->barrier);
    writer_destroy(state->writer);
    state->writer = NULL;
}

static void create_rewind(struct operator* op)
{
    struct creating *state = op->state;
    barrier_rewind(&state->barrier);
}

/* END: the batch is written and its created columns are filled. */
static enum pull
create_work(struct operator* op, struct barrier_item *item)
{
    struct creating *state = op->state;
    struct writer *writer = state->writer;
    while (!item->built) {
        if (state->missing) {
            enum pull pull = writer_names_run(writer);
            if (pull != PULL_END)
                return pull;
        }
        writer_reset(writer);
        state->missing = false;
        err_t err = create_rows(
            op, writer, &item->rows, NULL, item->rows.row_count, &state->missing);
        if (err)
            return operator_fail(op, err);
        item->built = !state->missing;
    }
    enum pull pull = writer_run(writer);
    if (pull == PULL_END) {
        create_rels_resolve(writer);
        writer_reset(writer);
    }
    return pull;
}

static enum pull
create_next(struct operator* op, struct batch **out)
{
    struct creating *state = op->state;
    return barrier_next(&state->barrier, create_work, NULL, out);
}

const struct operator_class operator_class_CREATE = {
    .state_size = sizeof(struct creating),
    .open = create_open,
    .next = create_next,
    .rewind = create_rewind,
    .close = create_close,
};
