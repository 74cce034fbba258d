/* Inside the planner: what its files share. Nobody outside engine/plan/ includes this.
 *
 * A `builder` makes the plan of one query (or subquery) clause by clause. It knows the row as it is after
 * the last thing emitted: which columns there are, which variable each holds. While a traversal is open
 * the columns are its slots and more steps can be appended; closing it turns the steps into one operator
 * and keeps only the columns that later clauses name.
 *
 * Errors stick: planner->err is set once, with its failure, and everything after does nothing. */
#ifndef ENGINE_PLAN_PLANNER_H
#define ENGINE_PLAN_PLANNER_H

#include "engine/parse/parse.h"
#include "engine/plan/plan.h"
#include "engine/run/function.h"

/* --- static types: what a value can be, as far as the text tells --- */

enum type_bit {
    TYPE_BIT_NULL = 1 << 0,
    TYPE_BIT_BOOLEAN = 1 << 1,
    TYPE_BIT_INTEGER = 1 << 2,
    TYPE_BIT_FLOAT = 1 << 3,
    TYPE_BIT_STRING = 1 << 4,
    TYPE_BIT_LIST = 1 << 5,
    TYPE_BIT_MAP = 1 << 6,
    TYPE_BIT_NODE = 1 << 7,
    TYPE_BIT_REL = 1 << 8,
    TYPE_BIT_PATH = 1 << 9,
    TYPE_BIT_OTHER = 1 << 10, /* temporal values, points, bytes */

    TYPE_MASK_ALL = (1 << 11) - 1,
    TYPE_MASK_ENTITY = TYPE_BIT_NODE | TYPE_BIT_REL,
    TYPE_MASK_NUMBER = TYPE_BIT_INTEGER | TYPE_BIT_FLOAT,
    TYPE_MASK_PLAIN = TYPE_MASK_ALL & ~(TYPE_BIT_NODE | TYPE_BIT_REL | TYPE_BIT_PATH),
};

struct static_type {
    uint16_t mask;  /* TYPE_BIT_* it may be */
    uint16_t items; /* of a list: what its items may be */
    bool holds;     /* an entity may be inside, at any depth */
};

/* --- rows --- */

struct plan_column {
    struct text name; /* of the variable; data NULL: hidden */
    uint8_t kind;     /* enum column_kind */
    bool hydrated;    /* its entities have their properties */
    bool shown;       /* kept until the end of the clause even when no variable names it */
    bool wanted;      /* builder_hydrate is to hydrate it */
    bool argument; /* came from the left side of the APPLY this builder is the right side of ... */
    uint32_t origin; /* ... where it was this column */
    struct static_type type;
    uint32_t hydrated_slot; /* the same entity, hydrated, in another column; or SLOT_NONE */
    /* What FETCH put here: property or label `fetch_name` of the entity in column fetch_entity. */
    uint8_t fetch_kind;
    uint32_t fetch_entity; /* SLOT_NONE: not fetched */
    struct text fetch_name;
    uint32_t home; /* of a relationship: the column of its start node, if known; else SLOT_NONE */
};

struct row {
    struct plan_column *columns;
    uint32_t count, room;
};

/* A variable of a list expression. */
struct local {
    struct text name;
    uint32_t slot;
    struct static_type type;
    const struct ast *source, *source2; /* where its values come from */
    const struct local *outer;
};

/* An expression whose value is in a column already: the result of a subquery, a group key, an aggregate. */
struct substitution {
    const struct ast *ast;
    uint32_t column;
    bool by_structure; /* any equal expression, not just this node */
    bool head;         /* the column is a list, the value its first item */
};

struct planner {
    struct arena *arena;
    struct text query;
    const struct catalog *catalog;
    const struct plan_statistics *statistics;
    struct plan *plan;
    struct failure *failure;
    err_t err;
    struct text *parameters;
    uint32_t parameter_count, parameter_room;
    uint32_t *parameter_table;     /* open addressing by name: index + 1, or 0 */
    uint32_t parameter_table_size; /* a power of two, more than twice the count */
    struct new_name *new_names;
    uint32_t new_name_count, new_name_room;
    uint32_t local_count; /* most locals in use at once */
    bool reads, writes;
    uint32_t nesting;
    uint32_t operator_count;
};

struct open_traversal {
    uint32_t input_count; /* columns of the row when it was opened: slots 0 .. input_count - 1 */
    struct step *steps;
    uint32_t step_count, step_room;
    uint32_t at; /* the row is where the entity in this slot lives; SLOT_NONE: unknown */
};

struct builder {
    struct planner *planner;
    const struct builder *outer; /* of a subquery: the query around it */
    struct row row;
    const struct op *op;
    struct open_traversal *open; /* NULL: the row is on the home shard */
    bool batched;    /* everything so far may stand under a batched APPLY (plan.h, rule 8) */
    bool needs_home; /* while preparing: something may be null that a step would drop */
    /* The clauses of this branch and those being planned: what is used from here on. */
    struct ast *const *clauses;
    uint32_t clause_count;
    uint32_t clause_first, clause_index; /* several MATCH clauses may be planned as one */
    const struct ast *imports; /* inside CALL { }: the clause, which says what is visible */
    const struct ast *extra;   /* used besides: the result of a pattern comprehension */
    double rows;               /* estimate */
    struct substitution *substitutions;
    uint32_t substitution_count, substitution_room;
};

/* --- plan.c: errors, memory, rows, operators --- */

void *planner_allocate(struct planner *planner, size_t size);
/* Always false. */
bool planner_fail(struct planner *planner, const struct ast *at, err_t err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool planner_no_memory(struct planner *planner);
/* Grows an array by one; returns the new item, zeroed. */
void *
array_push(struct planner *planner, void **items, uint32_t *count, uint32_t *room, size_t size);

uint32_t token_find(struct planner *planner, enum token_kind kind, struct text name);
/* The same for a name that is written: an unknown one joins the plan's new names. */
uint32_t token_make(struct planner *planner, enum token_kind kind, struct text name);
uint32_t parameter_index(struct planner *planner, struct text name);

/* Index of the column; SLOT_NONE when the error is set. */
uint32_t row_add(
    struct planner *planner,
    struct row *row,
    struct text name,
    uint8_t kind,
    struct static_type type);
/* SLOT_NONE when no visible column has the name. */
uint32_t row_find(const struct row *row, struct text name);

void builder_create(struct builder *builder, struct planner *planner, const struct builder *outer);
/* A new operator over builder->op (closes an open traversal first), which becomes builder->op. The caller
 * fills it in, changes the row and calls op_seal. NULL when the error is set. */
struct op *builder_op(struct builder *builder, enum op_kind kind);
/* Writes the row's columns into the operator. */
bool op_seal(struct builder *builder, struct op *op);
struct step *builder_step(struct builder *builder, enum step_kind kind);
bool builder_open(struct builder *builder);
/* Ends the traversal in rows mode. Slots nobody names from here on are dropped. */
bool builder_close(struct builder *builder);
/* Ends it without keeping anything: the caller says what comes out (partial aggregation). */
struct op *builder_close_with(struct builder *builder, struct traversal **traversal);
bool builder_keep(struct builder *builder, const uint32_t *kept, uint32_t kept_count);
bool builder_filter(struct builder *builder, const struct expr *expr);
/* Columns fetched or hydrated are forgotten: something was written. */
void builder_forget(struct builder *builder);
bool ast_uses(const struct ast *ast, struct text name);
/* A new column computed from the others, in the traversal or at home. */
uint32_t builder_compute(
    struct builder *builder, struct text name, const struct expr *expr, struct static_type type);
/* Whether the clauses from the current one on (or only after it) name the variable. */
bool builder_uses(const struct builder *builder, struct text name, bool after_this);

/* The clauses one after the other, in this builder's row. */
bool clauses_plan(struct builder *builder, struct ast *const *clauses, uint32_t count);
bool query_plan(struct builder *builder, const struct ast *query, bool is_root);

/* --- plan_type.c --- */

struct static_type type_make(uint32_t mask);
struct static_type type_list_of(struct static_type item);
struct static_type type_item(struct static_type list);
struct static_type type_union(struct static_type a, struct static_type b);
bool type_holds_entity(struct static_type type);
bool type_is_entity(struct static_type type);
struct static_type
type_of(const struct builder *builder, const struct local *locals, const struct ast *ast);
const char *type_name(struct static_type type, char out[160]);
/* Compile-time checks of an expression: variables exist, operand types can be right, functions are called
 * as they must. */
enum check_place { CHECK_VALUE, CHECK_PREDICATE };
bool expression_check(
    const struct builder *builder,
    const struct local *locals,
    const struct ast *ast,
    enum check_place place,
    bool aggregates_allowed);

/* --- plan_expr.c --- */

/* Does what expressions need before they can be compiled: subqueries, hydration. Call once for all the
 * expressions of an operator, then compile each. May close the open traversal. NULLs are skipped. */
bool expressions_prepare(struct builder *builder, const struct ast *const *asts, uint32_t count);
/* AST to expression over builder->row; emits FETCH for properties. NULL when the error is set. */
const struct expr *expression_compile(struct builder *builder, const struct ast *ast);
/* After aggregation: a variable that is not substituted is an error. */
const struct expr *expression_compile_grouped(struct builder *builder, const struct ast *ast);
/* check + prepare + compile for a step or operator; the traversal may stay open. */
const struct expr *
expression_plan(struct builder *builder, const struct ast *ast, enum check_place place);
/* check + prepare + close + compile, for an operator on the home shard. NULLs give NULLs. */
bool expressions_plan_home(
    struct builder *builder,
    const struct ast *const *asts,
    uint32_t count,
    enum check_place place,
    const struct expr **out);
bool substitution_add(
    struct builder *builder, const struct ast *ast, uint32_t column, bool by_structure, bool head);
/* Column of property `key` (or label) of the entity in the column, fetched now if it is not there. */
uint32_t
builder_fetch(struct builder *builder, uint32_t entity, enum fetch_kind kind, struct text name);
/* Fetches several at once. */
bool builder_fetch_keys(
    struct builder *builder, uint32_t entity, const struct text *keys, uint32_t count);
/* The entities in the columns marked `wanted` get labels, types and properties. */
bool builder_hydrate(struct builder *builder);
/* In an open traversal: a MOVE unless the row is at the entity. */
bool builder_move(struct builder *builder, uint32_t entity);
bool ast_has_aggregate(const struct ast *ast);
bool ast_is_aggregate(const struct ast *ast);
bool ast_has_subquery(const struct ast *ast);
const struct expr *expression_call(
    struct builder *builder, const char *function, const struct expr *argument, uint32_t offset);

/* --- plan_match.c --- */

bool match_plan(struct builder *builder, const struct ast *match);
/* The patterns of an expression: paths and where, into the builder, which stays open. */
bool pattern_plan(
    struct builder *builder,
    struct ast *const *paths,
    uint32_t path_count,
    const struct ast *where);
/* Variables no query can name: of elements without one. They begin with this byte. */
enum { ANONYMOUS_BYTE = 1 };
static inline bool
name_is_anonymous(struct text name)
{
    return name.size > 0 && name.data[0] == ANONYMOUS_BYTE;
}
/* Tokens of a relationship's types. False with the error set; *count 0: any type. */
bool
rel_types_find(struct planner *planner, const struct ast *types, uint32_t **out, uint32_t *count);
/* *from..to of a relationship; false with the error set. */
bool rel_range_find(struct planner *planner, const struct ast *rel, uint32_t *min, uint32_t *max);
enum direction rel_direction(const struct ast *rel);
/* n.key = value as syntax trees, for what a pattern says in its own way. */
struct ast *ast_make_variable(struct planner *planner, struct text name, uint32_t offset);

/* --- plan_type_test.c --- */

/* The type of an AST_IS_TYPE. NULL: the error is set. */
const struct expr_type *type_test_compile(struct planner *planner, const struct ast *ast);

/* --- plan_subquery.c --- */

/* Plans EXISTS, COUNT, COLLECT, pattern predicates and comprehensions as an APPLY that adds a column. */
bool subquery_expression_plan(struct builder *builder, const struct ast *ast);
bool call_subquery_plan(struct builder *builder, const struct ast *clause);
/* Makes `right` the right side of an APPLY over `builder`: what it adds to its argument's columns is added
 * to the row of `builder`. */
struct op *builder_apply(struct builder *builder, struct builder *right, enum apply_mode mode);
/* Ends a right side: only columns that are not its argument's (and, with `result`, only that one) stay. */
bool builder_finish(struct builder *builder, uint32_t result);

/* --- plan_project.c --- */

bool projection_plan(struct builder *builder, const struct ast *clause);
/* --- plan_write.c --- */

bool create_plan(struct builder *builder, const struct ast *clause);
bool merge_plan(struct builder *builder, const struct ast *clause);
bool set_plan(struct builder *builder, const struct ast *clause);
bool delete_plan(struct builder *builder, const struct ast *clause);
bool foreach_plan(struct builder *builder, const struct ast *clause);

/* --- plan_schema.c --- */

bool schema_plan(struct builder *builder, const struct ast *clause);
bool show_plan(struct builder *builder, const struct ast *clause);
bool call_plan(struct builder *builder, const struct ast *clause, bool is_alone);

/* --- plan_print.c --- */

/* Names for each column of a row, for expr_print. NULL: the error is set. */
const struct text *row_names(struct planner *planner, const struct row *row);
/* Prints a traversal's steps into the operator's text; the row is the one the steps were made with. */
bool steps_print(struct builder *builder, struct op *op);
/* Adds how it ends: partial aggregation or top-k. */
bool traversal_end_print(struct builder *builder, struct op *op);

#endif
