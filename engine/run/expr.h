/* Compiled expressions: what the planner makes of the syntax tree, and what operators evaluate.
 *
 *          BINARY >                     every node: kind, operator, byte offset of its source text,
 *          /       \                    children, and a payload that depends on the kind
 *     PROPERTY   LITERAL 30
 *     "age" |
 *        COLUMN 2
 *
 * A tree lives in an arena of its maker, is immutable once evaluated, and holds no per-query state: the
 * same tree may be evaluated by many queries with different contexts. Kinds are listed in expr.def, with
 * what children and payload mean; operators in operators.def; functions in functions.def.
 *
 * Rules for who builds a tree
 *  1. `children` entries are NULL only where expr.def says "or NULL".
 *  2. A chained comparison (a < b < c) is an AND of two comparisons.
 *  3. An aggregate never stands in a tree that is evaluated: the planner replaces it by a COLUMN.
 *  4. PROPERTY, LABEL_TEST and functions flagged FUNCTION_READS_ENTITY see an entity only when it is
 *     hydrated (VALUE_FLAG_HYDRATED, rel->hydrated); a bare one is ERR(INTERNAL).
 *  5. MAP_PROJECTION: children[0] is the subject; children[i + 1] belongs to keys[i]:
 *       keys[i].data == NULL           `.*`   (the child is NULL)
 *       child NULL                     `.key`
 *       else                           `key: child`, and `variable` as key and COLUMN or LOCAL
 *  6. PATH: children alternate node and relationship, beginning and ending with a node. A relationship
 *     child may give a list (variable length), walked from the node on its left; the nodes inside are
 *     found from the ends of the relationships and come out bare. Any null child makes the path null.
 *  7. Label expressions (A|B&!C) are trees of AND, OR and NOT over LABEL_TEST. */
#ifndef ENGINE_RUN_EXPR_H
#define ENGINE_RUN_EXPR_H

#include "base/arena.h"
#include "base/error.h"
#include "engine/value/batch.h"

struct function;
struct zone_source;
struct regex_cache;
struct expr_scratch;

enum expr_kind {
#define EXPR(name, text) EXPR_##name,
#include "engine/run/expr.def"
#undef EXPR
    EXPR_KIND_COUNT
};

enum expr_operator {
    OPERATOR_NONE = 0,
#define OPERATOR(name, operands, text) OPERATOR_##name,
#include "engine/run/operators.def"
#undef OPERATOR
    OPERATOR_COUNT
};

/* The type of `x IS :: LIST<INTEGER NOT NULL> NOT NULL`. */
struct expr_type {
    uint32_t type_mask;           /* 1 << enum value_type, of every alternative; all bits = ANY */
    bool not_null;                /* null does not match */
    bool negated;                 /* IS NOT :: */
    const struct expr_type *item; /* of a list; NULL = any */
};

struct expr {
    uint8_t kind;    /* enum expr_kind */
    uint8_t op;      /* enum expr_operator, for UNARY and BINARY */
    uint32_t offset; /* bytes from the start of the query text */
    uint32_t child_count;
    const struct expr **children;
    union {
        struct value literal;
        struct {
            struct text name;
            uint32_t index;
        } parameter;
        struct {
            uint32_t slot;
            uint32_t slot2;
        };
        struct text name;
        const struct text *keys;
        const struct function *function;
        const struct expr_type *type;
    };
};

/* What an evaluation may reach. Owned by the operator (or whoever evaluates), one per run and shard.
 * Zero-initialise, then expr_context_create, then set what is known; a missing function pointer makes
 * what needs it an error, not a crash. */
struct expr_context {
    struct arena *arena;   /* results live here; its owner resets it between batches */
    struct memory *memory; /* for what outlives a batch: compiled regexes, scratch columns */
    const struct value *parameters;
    uint32_t parameter_count;
    uint32_t local_count;
    struct value *locals;    /* local_count values */
    struct failure *failure; /* filled in when an evaluation fails; may be NULL */

    /* Clocks, as nanoseconds since 1970 UTC: the same for a whole statement, or transaction. */
    uint64_t statement_wall_ns;
    uint64_t transaction_wall_ns;
    /* The clock of the realtime functions; NULL: the statement's. */
    uint64_t (*realtime_wall_ns)(void *argument);
    void *realtime_argument;
    struct zone_source *zones; /* named time zones; NULL: offsets and UTC only */

    uint64_t (*random)(void *argument);
    void *random_argument;

    /* Name of a relationship type's token, for relationships that are not hydrated. data NULL = unknown. */
    struct text (*type_name)(void *argument, uint32_t type_token);
    void *catalog_argument;

    /* Called about every EXPR_STEPS_PER_CHECK items of loops over lists; an error stops the evaluation
     * (cancelled, out of time, out of budget). NULL: never. */
    err_t (*check)(void *argument);
    void *check_argument;
    uint32_t steps_left;  /* until the next check */
    uint64_t steps_spent; /* by this evaluation, counted at checks */

    struct regex_cache *regexes;  /* created on demand */
    struct expr_scratch *scratch; /* free columns of temporaries */
};

/* An evaluation runs to its end without giving way to others, so it must have one: more steps of loops over
 * lists than this, for one batch of rows, are ERR(LIMIT). It is some seconds of work. */
enum { EXPR_STEPS_PER_CHECK = 4096, EXPR_STEPS_MAX = 400 * 1000 * 1000 };

void expr_context_create(struct expr_context *context, struct arena *arena, struct memory *memory);
/* Gives back what the context holds from `memory`. */
void expr_context_destroy(struct expr_context *context);

/* A node with room for `child_count` children (NULL), zeroed payload. NULL when the arena is full. */
struct expr *
expr_new(struct arena *arena, enum expr_kind kind, uint32_t offset, uint32_t child_count);
/* Shorthands over expr_new; NULL when the arena is full or a child is NULL. */
struct expr *expr_literal(struct arena *arena, uint32_t offset, struct value literal);
struct expr *expr_column(struct arena *arena, uint32_t offset, uint32_t slot);
struct expr *expr_local(struct arena *arena, uint32_t offset, uint32_t slot);
struct expr *expr_parameter(struct arena *arena, uint32_t offset, struct text name, uint32_t index);
struct expr *
expr_property(struct arena *arena, uint32_t offset, const struct expr *subject, struct text name);
struct expr *
expr_unary(struct arena *arena, uint32_t offset, enum expr_operator op, const struct expr *operand);
struct expr *expr_binary(
    struct arena *arena,
    uint32_t offset,
    enum expr_operator op,
    const struct expr *left,
    const struct expr *right);

/* The expression over every row of the batch: out[row], row < batch->row_count. Results may point into
 * the batch, the tree, the parameters and context->arena. AND, OR and CASE evaluate their later operands
 * only for the rows that need them. */
err_t expr_eval_batch(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    struct value *out);
/* The same for the rows rows[0 .. count - 1] only; out[i] belongs to rows[i]. */
err_t expr_eval_rows(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    const uint16_t *rows,
    uint32_t count,
    struct value *out);
/* One row. `batch` may be NULL when the tree has no COLUMN. */
err_t expr_eval(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out);
/* The predicate over every row; writes the rows where it is true, ascending, and how many. Null counts as
 * false; anything else than a boolean or null is ERR(TYPE). */
err_t expr_filter_batch(
    const struct expr *predicate,
    struct expr_context *context,
    const struct batch *batch,
    uint16_t *rows,
    uint32_t *row_count);

/* True when the value does not depend on a row, a parameter, the clock, randomness or a local. */
bool expr_is_constant(const struct expr *expr);
/* True when it depends on neither rows nor locals: the same for a whole statement unless it is random. */
bool expr_is_row_free(const struct expr *expr);
/* False when the tree calls rand(), randomUUID() or a realtime clock. */
bool expr_is_deterministic(const struct expr *expr);
/* A tree in which constant subtrees are literals. A constant that fails (1 / 0) stays as it is, so that it
 * fails when, and only if, it is evaluated. NULL only when the arena is full. */
const struct expr *
expr_fold(struct arena *arena, const struct expr *expr, struct expr_context *context);

/* Calls visit for each node, parents first; stops and returns false when visit does. */
bool expr_walk(
    const struct expr *expr,
    bool (*visit)(const struct expr *expr, void *argument),
    void *argument);
/* A deep copy of the tree without literals' contents, in which COLUMN slots are mapped by map[slot]. */
const struct expr *
expr_remap(struct arena *arena, const struct expr *expr, const uint32_t *map, uint32_t map_count);
/* The tree as Cypher text, for EXPLAIN; column_names may be NULL. */
struct text
expr_print(struct arena *arena, const struct expr *expr, const struct text *column_names);
bool expr_equal(const struct expr *a, const struct expr *b);

const char *expr_kind_text(enum expr_kind kind);
const char *expr_operator_text(enum expr_operator op);

/* Fails with a message: sets context->failure (when there is one) and returns `err`. */
err_t
expr_fail(struct expr_context *context, const struct expr *at, err_t err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Every EXPR_STEPS_PER_CHECK steps: asks `check`, and refuses evaluations that make too many. */
err_t expr_step_check(struct expr_context *context);

/* Counts a step of a loop over user-sized data. */
static inline err_t
expr_step(struct expr_context *context)
{
    return context->steps_left-- > 0 ? 0 : expr_step_check(context);
}

#endif
