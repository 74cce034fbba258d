/* An operator of a plan at work on the home shard.
 *
 *      operator_next(op, &batch) -> PULL_BATCH  a batch, lent until the next call on the same operator
 *                                   PULL_END    no more; calling again says END again
 *                                   PULL_WAIT   something asynchronous is out; pull again when woken
 *                                   PULL_AGAIN  the time slice is over; pull again later
 *                                   PULL_FAILED execution->failure says why
 *
 * One kind, one file (op_*.c), one line in ops.def. An operator that gets WAIT, AGAIN or FAILED from its
 * input passes it up unchanged and can go on from there when it is called again.
 *
 * Under the right side of APPLY, MERGE and FOREACH stands ARGUMENT, which gives the rows its `argument`
 * holds. When APPLY runs many left rows at once, batches carry a tag for each row, the index of its left
 * row; operators there pass tags along (`tags` of the operator that made the batch). */
#ifndef ENGINE_RUN_OPERATOR_H
#define ENGINE_RUN_OPERATOR_H

#include "engine/run/execution.h"

enum pull { PULL_BATCH, PULL_END, PULL_WAIT, PULL_AGAIN, PULL_FAILED };

/* The rows ARGUMENT gives. */
struct argument {
    const struct batch *batch;
    bool tagged;
};

struct operator
{
    const struct operator_class *class;
    const struct op *op;
    struct execution *execution;
    struct operator* left, *right;
    struct argument *argument; /* of the innermost operator whose right side this is; NULL */
    struct arena arena;        /* what the batch handed out last points at */
    struct batch out;
    uint64_t *tags; /* of the batch handed out last; NULL when rows are not tagged */
    void *state;
    uint64_t row_count; /* handed out */
};

struct operator_class {
    size_t state_size; /* zeroed before open */
    err_t (*open)(struct operator* op);
    enum pull (*next)(struct operator* op, struct batch **out);
    /* Forget everything and begin again; the inputs are rewound by the caller. */
    void (*rewind)(struct operator* op);
    void (*close)(struct operator* op);
};

#define OP(name, text) extern const struct operator_class operator_class_##name;
#include "engine/plan/ops.def"
#undef OP

/* The tree for a plan's; everything in the execution's arena. On failure the execution has failed. */
struct operator*
    operator_open(struct execution *execution, const struct op *op, struct argument *argument);
void operator_close(struct operator* op);
void operator_rewind(struct operator* op);
enum pull operator_next(struct operator* op, struct batch **out);
/* Records the failure and returns PULL_FAILED. */
enum pull operator_fail(struct operator* op, err_t err);

static inline bool
operator_is_tagged(const struct operator* op)
{
    return op->argument && op->argument->tagged;
}

/* Gives `out` arrays for `row_count` rows of the given kinds, from the operator's arena. */
err_t operator_columns(struct operator* op, struct batch *out, uint32_t row_count);
/* Copies rows of an input column to an output column of whatever kind; NULL rows: the first `count`. */
void
column_gather(const struct column *from, struct column *to, const uint32_t *rows, uint32_t count);
/* A deep copy of a batch, in the arena. */
err_t batch_copy(struct arena *arena, const struct batch *batch, struct batch *out);
/* An integer >= 0 for SKIP and LIMIT; `none` when the expression is NULL. */
err_t operator_row_count(
    struct operator* op, const struct expr *expr, const char *clause, uint64_t none, uint64_t *out);

/* op_merge.c: whether the right side of a MERGE may run for many rows at once. */
bool merge_right_is_tagged(const struct op *op);

/* Batches kept for later, copied, in order: the input of a barrier. */
struct batch_list {
    struct batch_node *first, *last;
    struct batch_node *cursor;
    uint64_t row_count;
};
struct batch_node {
    struct batch_node *next;
    struct batch batch;
    uint64_t *tags;
};
err_t batch_list_add(
    struct batch_list *list, struct arena *arena, const struct batch *batch, const uint64_t *tags);

#endif
