/* Functions of Cypher: one list, functions.def. An entry is immutable and static, so plans point at it
 * from any shard. Names are matched without regard to ASCII case. */
#ifndef ENGINE_RUN_FUNCTION_H
#define ENGINE_RUN_FUNCTION_H

#include "engine/run/aggregate.h"
#include "engine/run/expr.h"

enum function_flags {
    /* A null argument makes the result null; `run` never sees one. */
    FUNCTION_NULL_IN_NULL_OUT = 1,
    /* Differs from row to row: rand(), realtime clocks. */
    FUNCTION_NOT_DETERMINISTIC = 2,
    /* The same for one statement, not for the next: datetime(), timestamp(). */
    FUNCTION_STATEMENT = 4,
    /* Argument 0, if an entity, must be hydrated: labels(), keys(), properties(). */
    FUNCTION_READS_ENTITY = 8,
    /* `aggregate` says which; `run` is NULL. */
    FUNCTION_AGGREGATE = 16,
    /* coalesce(): nothing behind the first argument that is not null is evaluated. */
    FUNCTION_LAZY = 32,
};

enum { FUNCTION_ARGUMENTS_ANY = 255 };

/* `at` is the CALL node, for positions in errors. */
typedef err_t function_fn(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out);

struct function {
    struct text name; /* as documented: toUpper, duration.between */
    uint8_t arguments_min, arguments_max;
    uint8_t flags;
    uint8_t aggregate; /* enum aggregate_kind */
    function_fn *run;
};

/* NULL when there is no such function. */
const struct function *function_lookup(struct text name);
/* All of them, for SHOW FUNCTIONS; the list ends at *count. */
const struct function *function_list(uint32_t *count);
/* A known function whose name resembles `name`, for "did you mean"; NULL when none does. */
const struct function *function_suggest(struct text name);

#endif
