/* The physical plan: what the planner makes and the executor runs.
 *
 * A plan has two levels.
 *
 *   Operators run on the query's home shard, as a tree that is pulled batch by batch:
 *
 *        RESULT <- SORT <- AGGREGATE <- TRAVERSE <- UNIT
 *
 *   A TRAVERSE operator hands its input rows to a *traversal*, a straight program of steps that all
 *   shards run together. Rows wander: before a step that reads a node, a MOVE sends the row to the
 *   shard that owns it. The steps between two moves are a stage.
 *
 *        stage 0            | stage 1                   | stage 2                         | home
 *        INDEX_SEEK a       | EXPAND a -> b             | EXPAND b -> c                   |
 *                    MOVE a |                    MOVE b |              MOVE c, FILTER c.v | rows, or
 *                           |                           |                                 | partial aggregates
 *
 * A plan lives in one arena, holds no pointer into a store and never changes after planning: every shard
 * reads the same one. Names are resolved to catalog tokens; `unknown_name_count` > 0 says that some were
 * not in the catalog (TOKEN_NONE), so a cached plan is good only while the catalog has as many tokens as
 * when it was made. A plan that writes names its new tokens in `new_names`: the executor has them
 * created, then plans again.
 *
 * Rules for the planner
 *  1. Slots are columns: an operator's expressions read the columns of its input by index
 *     (EXPR_COLUMN), a step's the row layout of its traversal.
 *  2. Expressions never read the store. A property of a plain variable is a column that FETCH filled;
 *     what else needs labels, properties or a relationship's type text is hydrated before
 *     (STEP_HYDRATE, or the operator HYDRATE, which looks inside lists, maps and paths).
 *  3. After a writing clause nothing fetched or hydrated before may be used: fetch again.
 *  4. A writing operator is a barrier: it takes all its input before it writes, and hands out rows only
 *     when all its writes are done.
 *  5. Two relationship variables of one MATCH are never the same relationship: STEP_REL_DISTINCT.
 *  6. A rel_slot that only REL_DISTINCT reads should be of kind COLUMN_NODE: it then holds bare
 *     relationship ids, 8 bytes a row and nothing allocated. Whoever reads more of it (type, ends,
 *     properties, a path) needs COLUMN_VALUE. VAR_EXPAND's rel_slot is always COLUMN_VALUE.
 *  7. The executor finds out itself which slots are live; `live` is for EXPLAIN and may be empty.
 *  8. APPLY with flag false runs its right side once for many left rows; the executor carries a hidden
 *     row tag. So the right side may then hold only ARGUMENT, TRAVERSE in rows mode without top-k,
 *     FILTER, PROJECT, UNWIND, FETCH, HYDRATE and APPLY; anything that looks across rows (SORT, LIMIT,
 *     AGGREGATE, DISTINCT, UNION) or writes needs flag true. APPLY_SEMI, _COUNT and _COLLECT fold the
 *     right's rows by themselves. */
#ifndef ENGINE_PLAN_PLAN_H
#define ENGINE_PLAN_PLAN_H

#include "base/arena.h"
#include "engine/run/aggregate.h"
#include "engine/run/expr.h"
#include "shards/store/store.h"

#define SLOT_NONE UINT32_MAX

/* --- traversals --- */

enum step_kind {
    STEP_NONE = 0,
#define STEP(name, text) STEP_##name,
#include "engine/plan/steps.def"
#undef STEP
    STEP_KIND_COUNT
};

/* Fetch: property `key` of the entity in `entity_slot` into value column `slot`; FETCH_LABEL: whether the
 * node has the label `key`. A name not in the catalog (TOKEN_NONE) gives null, or false. */
enum fetch_kind { FETCH_PROPERTY, FETCH_LABEL };
struct fetch {
    uint8_t kind;
    uint32_t entity_slot;
    uint32_t key;
    uint32_t slot;
};

struct step {
    uint8_t kind;      /* enum step_kind */
    uint8_t direction; /* enum direction */
    bool negate;
    uint32_t from_slot, to_slot, rel_slot; /* SLOT_NONE where not wanted */
    uint32_t type_count;                   /* 0: any type */
    const uint32_t *types;                 /* TOKEN_NONE matches nothing */
    uint32_t label;                        /* LABEL_ANY */
    uint32_t index;                        /* catalog id */
    uint32_t key;
    uint8_t compare;         /* enum compare */
    uint32_t min, max;       /* VAR_EXPAND: hops; max UINT32_MAX = unbounded */
    const struct expr *expr; /* over the row; see steps.def */
    uint32_t fetch_count;
    const struct fetch *fetches;
    uint32_t slot_count; /* REL_DISTINCT: the other relationship slots (single or list) */
    const uint32_t *slots;
    /* VAR_EXPAND: each relationship must have these properties; the expressions are over the row. */
    uint32_t property_count;
    const uint32_t *property_keys;
    const struct expr *const *property_values;
    /* Slots that are needed after this step, ascending: everything else may be dropped (pruning). */
    uint32_t live_count;
    const uint32_t *live;
};

/* One aggregate; argument NULL for count(*). */
struct aggregation {
    uint8_t kind; /* enum aggregate_kind */
    bool distinct;
    const struct expr *argument, *argument2;
};

struct sort_key {
    const struct expr *expr;
    bool descending;
};

struct traversal {
    uint32_t slot_count;
    const uint8_t *slot_kinds; /* enum column_kind of each slot */
    /* Input column i of the operator becomes slot input_slots[i]; SLOT_NONE = not needed inside. */
    uint32_t input_count;
    const uint32_t *input_slots;
    uint32_t step_count;
    const struct step *steps;
    /* Rows mode (aggregate_count and group_count 0): output column i of the operator is slot
     * output_slots[i]. */
    uint32_t output_count;
    const uint32_t *output_slots;
    /* Partial aggregation at the end, on every shard; merged at home. The operator's output columns are
     * the group expressions, then the aggregates. With no groups exactly one row comes out, also when
     * nothing was traversed. `aggregate_partial` says that the traversal ends so. */
    bool aggregate_partial;
    uint32_t group_count;
    const struct expr *const *groups;
    uint32_t aggregate_count;
    const struct aggregation *aggregates;
    /* Top-k: no shard sends more than `top_limit` (evaluated at home, NULL = no limit) best rows. */
    uint32_t top_key_count;
    const struct sort_key *top_keys;
    const struct expr *top_limit;
};

/* --- operators --- */

enum op_kind {
    OP_NONE = 0,
#define OP(name, text) OP_##name,
#include "engine/plan/ops.def"
#undef OP
    OP_KIND_COUNT
};

enum apply_mode {
    APPLY_INNER,    /* CALL { } : left columns + right columns for each pair */
    APPLY_OPTIONAL, /* the same; a left row without match has nulls on the right */
    APPLY_SEMI,     /* one more column: whether the right had a row */
    APPLY_COUNT,    /* one more column: how many */
    APPLY_COLLECT,  /* one more column: list of the right's first column */
};

/* CREATE and MERGE: what to make. Columns named by slot; a bound slot must hold a node. */
struct create_node {
    uint32_t slot; /* output column */
    uint32_t label_count;
    const uint32_t *labels;
    uint32_t property_count;
    const uint32_t *property_keys;
    const struct expr *const *property_values;
    const struct expr *property_map; /* or NULL: a map parameter or expression */
};
struct create_rel {
    uint32_t slot;
    uint32_t start_slot, end_slot;
    uint32_t type;
    uint32_t property_count;
    const uint32_t *property_keys;
    const struct expr *const *property_values;
    const struct expr *property_map;
};

enum set_kind {
    SET_PROPERTY, /* entity.key = value (null removes) */
    SET_REPLACE,  /* entity = map or entity */
    SET_MERGE,    /* entity += map or entity */
    SET_LABELS,   /* entity:labels */
    REMOVE_LABELS,
};
struct set_item {
    uint8_t kind;
    const struct expr *entity; /* node, relationship or null */
    uint32_t key;
    uint32_t label_count;
    const uint32_t *labels;
    const struct expr *value;
};

/* Schema commands and their names. */
enum schema_action {
    SCHEMA_INDEX_CREATE,
    SCHEMA_INDEX_DROP,
    SCHEMA_CONSTRAINT_CREATE,
    SCHEMA_CONSTRAINT_DROP
};
struct schema_command {
    uint8_t action;
    bool if_exists, if_not_exists;
    struct text name; /* size 0: none given */
    struct text label, key;
};

struct procedure;

/* One operator. `left` is its input (NULL for leaves); `right` the second one (APPLY, UNION, MERGE).
 * Members used by each kind: ops.def. */
struct op {
    uint8_t kind; /* enum op_kind */
    uint8_t mode; /* enum apply_mode */
    bool flag;    /* see ops.def */
    const struct op *left, *right;
    /* Output columns: names for the result and EXPLAIN, kinds for the executor. */
    uint32_t column_count;
    const struct text *column_names;
    const uint8_t *column_kinds; /* enum column_kind */
    double estimated_rows;

    const struct traversal *traversal;
    uint32_t expr_count;
    const struct expr *const *exprs;
    const struct expr *expr;
    uint32_t slot; /* a column */
    uint32_t sort_key_count;
    const struct sort_key *sort_keys;
    const struct expr *skip, *limit;
    uint32_t group_count; /* AGGREGATE: the first exprs are group keys */
    uint32_t aggregate_count;
    const struct aggregation *aggregates;
    uint32_t fetch_count;
    const struct fetch *fetches;
    uint32_t slot_count;
    const uint32_t *slots;
    uint32_t create_node_count, create_rel_count;
    const struct create_node *create_nodes;
    const struct create_rel *create_rels;
    uint32_t set_count, set_count2;
    const struct set_item *sets;  /* SET, REMOVE; MERGE: ON CREATE */
    const struct set_item *sets2; /* MERGE: ON MATCH */
    const struct step
        *shortest; /* SHORTEST_PATH: from, to, rel_slot, direction, types, min, max, properties */
    const struct schema_command *schema;
    const struct procedure *procedure;
    uint32_t local_count; /* locals its expressions need */
    struct text text;     /* for EXPLAIN */
};

enum query_kind { QUERY_READ, QUERY_WRITE, QUERY_READ_WRITE, QUERY_SCHEMA };
enum explain_mode { EXPLAIN_NONE, EXPLAIN_PLAN, EXPLAIN_PROFILE };

struct new_name {
    uint8_t kind; /* enum token_kind */
    struct text name;
};

struct plan {
    struct arena *arena;
    struct text query;
    const struct op *root; /* OP_RESULT */
    uint8_t kind;          /* enum query_kind: r, w, rw, s */
    uint8_t explain;
    uint32_t column_count; /* of the result; 0 = a statement without RETURN */
    const struct text *column_names;
    uint32_t parameter_count;
    const struct text *parameter_names; /* EXPR_PARAMETER indexes them */
    uint32_t local_count;
    uint32_t unknown_name_count;
    uint32_t new_name_count;
    const struct new_name *new_names;
    uint64_t schema_version;
    uint64_t node_count, rel_count; /* of the database when this was planned; 0 = unknown */
    uint32_t token_counts[TOKEN_KIND_COUNT];
};

/* Numbers the planner estimates with. Any may be 0 = unknown. */
struct plan_statistics {
    uint64_t (*node_count)(void *argument, uint32_t label);
    uint64_t (*rel_count)(void *argument, uint32_t type);
    void *argument;
};

/* Text to plan. The plan and everything it points at live in `arena` (the text is copied). On failure
 * `failure` says what and where; its message lives in `arena` too. Synchronous, touches nothing else. */
err_t plan_query(
    struct arena *arena,
    struct text query,
    const struct catalog *catalog,
    const struct plan_statistics *statistics,
    struct plan **out,
    struct failure *failure);
/* True while the catalog still gives every name and index the meaning the plan was made with, and the
 * database is about as large as then: a plan for an empty database would be right, but slow. */
bool plan_is_current(
    const struct plan *plan,
    const struct catalog *catalog,
    const struct plan_statistics *statistics);
/* The operator tree as text, one line per operator and step. */
struct text plan_print(const struct plan *plan, struct arena *arena);

#endif
