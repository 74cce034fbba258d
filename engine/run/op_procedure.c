/* PROCEDURE: each input row meets the rows of the procedure called with its arguments. */
#include "engine/run/operator.h"
#include "engine/run/procedure.h"

struct calling {
    struct arena rows; /* of the call for one input row */
    struct batch *input;
    uint32_t row;
    struct procedure_call call;
    struct procedure_row *next;
    bool called;
};

static err_t procedure_open(struct operator* op)
{
    struct calling *state = op->state;
    arena_create(&state->rows, &op->execution->memory.memory, SIZE_MAX);
    return 0;
}

static void procedure_close(struct operator* op)
{
    struct calling *state = op->state;
    if (state->rows.source)
        arena_destroy(&state->rows);
}

static void procedure_rewind(struct operator* op)
{
    struct calling *state = op->state;
    state->input = NULL;
    state->called = false;
}

static err_t procedure_call(struct operator* op)
{
    struct calling *state = op->state;
    struct expr_context *expressions = &op->execution->expressions;
    arena_reset(&state->rows);
    struct value *arguments = arena_allocate(&state->rows, sizeof(*arguments) * op->op->expr_count);
    if (!arguments)
        return ERR(MEMORY_QUERY);
    expressions->arena = &state->rows;
    for (uint32_t i = 0; i < op->op->expr_count; i++) {
        err_t err = expr_eval(
            op->op->exprs[i], expressions, state->input, state->row, &arguments[i]);
        if (err)
            return err;
    }
    state->call = (struct procedure_call){
        .execution = op->execution,
        .procedure = op->op->procedure,
        .arena = &state->rows,
        .arguments = arguments,
        .argument_count = op->op->expr_count,
    };
    err_t err = op->op->procedure->run(&state->call);
    state->next = state->call.first;
    state->called = true;
    return err;
}

static enum pull
procedure_rows(struct operator* op, struct batch **out)
{
    struct calling *state = op->state;
    uint32_t count = 0, rows[BATCH_ROW_COUNT_MAX];
    uint32_t input_columns = op->out.column_count - op->op->slot_count;
    arena_reset(&op->arena);
    if (operator_columns(op, &op->out, BATCH_ROW_COUNT_MAX))
        return operator_fail(op, ERR(MEMORY_QUERY));
    for (; count < BATCH_ROW_COUNT_MAX && state->next; count++, state->next = state->next->next) {
        rows[count] = state->row;
        for (uint32_t i = 0; i < op->op->slot_count; i++)
            op->out.columns[input_columns + i].values[count] =
                state->next->values[op->op->slots[i]];
    }
    for (uint32_t i = 0; i < input_columns; i++)
        column_gather(&state->input->columns[i], &op->out.columns[i], rows, count);
    op->out.row_count = count;
    *out = &op->out;
    return PULL_BATCH;
}

static enum pull
procedure_next(struct operator* op, struct batch **out)
{
    struct calling *state = op->state;
    for (;;) {
        if (!state->input) {
            struct batch *input;
            enum pull pull = operator_next(op->left, &input);
            if (pull != PULL_BATCH)
                return pull;
            state->input = input;
            state->row = 0;
            state->called = false;
        }
        if (state->row == state->input->row_count) {
            state->input = NULL;
            continue;
        }
        if (!state->called) {
            err_t err = procedure_call(op);
            if (err)
                return operator_fail(op, err);
        }
        if (state->next)
            return procedure_rows(op, out);
        /* A procedure that yields nothing passes its row on. */
        bool passes = op->op->procedure->column_count == 0;
        state->row++;
        state->called = false;
        if (passes) {
            for (uint32_t i = 0; i < op->out.column_count; i++) {
                op->out.columns[i] = state->input->columns[i];
                if (op->out.columns[i].kind == COLUMN_NODE)
                    op->out.columns[i].nodes += state->row - 1;
                else
                    op->out.columns[i].values += state->row - 1;
            }
            op->out.row_count = 1;
            *out = &op->out;
            return PULL_BATCH;
        }
    }
}

const struct operator_class operator_class_PROCEDURE = {
    .state_size = sizeof(struct calling),
    .open = procedure_open,
    .next = procedure_next,
    .rewind = procedure_rewind,
    .close = procedure_close,
};
