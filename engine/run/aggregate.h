/* Aggregates: init, step, merge, finish, over a state that can be sent to another shard.
 *
 *      shard A: step step step -> encode --\
 *      shard B: step step ------> encode ---+-> merge merge -> finish -> value
 *
 * A state is plain memory of the operator's hash table (one for each group and call); what it collects
 * lives in the arena given to step and merge, which lives as long as the state. */
#ifndef ENGINE_RUN_AGGREGATE_H
#define ENGINE_RUN_AGGREGATE_H

#include "base/arena.h"
#include "base/error.h"
#include "base/value.h"

struct expr;
struct expr_context;

enum aggregate_kind {
    AGGREGATE_NONE = 0,
    AGGREGATE_COUNT_ROWS, /* count(*): step's argument is ignored */
    AGGREGATE_COUNT,
    AGGREGATE_SUM,
    AGGREGATE_AVERAGE,
    AGGREGATE_MINIMUM,
    AGGREGATE_MAXIMUM,
    AGGREGATE_COLLECT,
    AGGREGATE_DEVIATION,            /* stDev: of a sample */
    AGGREGATE_DEVIATION_POPULATION, /* stDevP */
    AGGREGATE_PERCENTILE_CONTINUOUS,
    AGGREGATE_PERCENTILE_DISCRETE,
    AGGREGATE_KIND_COUNT
};

/* Values seen, in order of arrival; with DISTINCT also a hash set over them. */
struct aggregate_values {
    struct value *items;
    uint32_t *slots; /* DISTINCT: index + 1 of an item, 0 = free */
    uint32_t count, room, slot_count;
};

struct aggregate {
    uint8_t kind; /* enum aggregate_kind */
    bool distinct;
    bool has_float;    /* sum, average: a float was seen */
    bool has_duration; /* sum, average: durations */
    uint64_t count;
    int64_t integer, integer_high; /* sum of integers: the low and the high word of 128 bits */
    double real,
        real2; /* sum of floats; mean and squared deviations; real2: the rounding error of the sum */
    double percentile;              /* second argument of percentile*; below zero = not known yet */
    struct value best;              /* minimum, maximum; the sum of durations */
    struct aggregate_values values; /* collect, percentiles, everything DISTINCT */
};

void aggregate_create(struct aggregate *aggregate, enum aggregate_kind kind, bool distinct);
/* One row. `argument2` is the percentile (null otherwise). What the value points at is copied into
 * `arena` when it must outlive the call. `at` is for the position of errors, may be NULL. */
err_t aggregate_step(
    struct aggregate *aggregate,
    struct expr_context *context,
    const struct expr *at,
    struct arena *arena,
    struct value argument,
    struct value argument2);
/* Many rows of one group (no GROUP BY key, or rows sorted by group). */
err_t aggregate_step_many(
    struct aggregate *aggregate,
    struct expr_context *context,
    const struct expr *at,
    struct arena *arena,
    const struct value *arguments,
    uint32_t count,
    struct value argument2);
/* Adds the rows `other` has seen. Both have the same kind and distinct. */
err_t aggregate_merge(
    struct aggregate *aggregate,
    struct expr_context *context,
    const struct expr *at,
    struct arena *arena,
    const struct aggregate *other);
/* The result; may point into `arena` and the state. */
err_t aggregate_finish(
    const struct aggregate *aggregate,
    struct expr_context *context,
    const struct expr *at,
    struct arena *arena,
    struct value *out);

/* The state as bytes, for a message. decode checks bounds; what it makes lives in `arena`. */
uint64_t aggregate_encoded_size(const struct aggregate *aggregate);
/* Writes exactly aggregate_encoded_size bytes; returns the first byte after them. */
uint8_t *aggregate_encode(const struct aggregate *aggregate, uint8_t *out);
/* Reads one state from *cursor and moves it; ERR(REQUEST_FORMAT) when the bytes are not one. */
err_t aggregate_decode(
    struct aggregate *aggregate, struct arena *arena, const uint8_t **cursor, const uint8_t *end);

#endif
