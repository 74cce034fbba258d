/* LIMIT: some of the rows. What stands below writes all its rows before its first one comes out, so
 * stopping early stops no write; LIMIT 0 pulls once for that reason. */
#include "engine/run/operator.h"

struct limiting {
    uint64_t skip, limit; /* still to skip, still to give */
    bool begun, pulled;
};

static void limit_rewind(struct operator* op)
{
    *(struct limiting *)op->state = (struct limiting){0};
}

static enum pull
limit_next(struct operator* op, struct batch **out)
{
    struct limiting *state = op->state;
    if (!state->begun) {
        err_t err = operator_row_count(op, op->op->skip, "SKIP", 0, &state->skip);
        if (!err)
            err = operator_row_count(op, op->op->limit, "LIMIT", UINT64_MAX, &state->limit);
        if (err)
            return operator_fail(op, err);
        state->begun = true;
    }
    bool writes = op->execution->plan->kind != QUERY_READ;
    while (state->limit > 0 || (writes && !state->pulled)) {
        struct batch *input;
        arena_reset(&op->arena);
        enum pull pull = operator_next(op->left, &input);
        if (pull != PULL_BATCH)
            return pull;
        state->pulled = true;
        uint32_t first = state->skip < input->row_count ? (uint32_t)state->skip : input->row_count;
        state->skip -= first;
        uint32_t count = input->row_count - first;
        if (count > state->limit)
            count = (uint32_t)state->limit;
        state->limit -= count;
        if (count == 0)
            continue;
        op->out.row_count = count;
        for (uint32_t i = 0; i < op->out.column_count; i++) {
            op->out.columns[i] = input->columns[i];
            if (input->columns[i].kind == COLUMN_NODE)
                op->out.columns[i].nodes += first;
            else
                op->out.columns[i].values += first;
        }
        *out = &op->out;
        return PULL_BATCH;
    }
    return PULL_END;
}

const struct operator_class operator_class_LIMIT = {
    .state_size = sizeof(struct limiting), .next = limit_next, .rewind = limit_rewind};
