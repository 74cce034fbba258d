/* The planner's entry, and the builder: the plan of a query as it grows clause by clause.
 *
 *      plan.c            entry, rows, operators, clauses, unions
 *      plan_type.c       what values can be; checks of expressions
 *      plan_expr.c       syntax tree to compiled expression, with the FETCHes it needs
 *      plan_pattern.c    patterns to a graph of nodes, relationships and conditions
 *      plan_match.c      the graph to a traversal: order, steps
 *      plan_subquery.c   EXISTS, COUNT, COLLECT, pattern predicates, CALL { }, as APPLY
 *      plan_project.c    WITH and RETURN: aggregation, DISTINCT, ORDER BY, LIMIT
 *      plan_write.c      CREATE, MERGE, SET, REMOVE, DELETE, FOREACH
 *      plan_schema.c     schema commands, SHOW, procedures
 *      plan_print.c      EXPLAIN
 *
 * A traversal stays open as long as what follows can be done in it (more patterns, filters, fetches,
 * partial aggregation, top-k); everything else closes it. Columns are renumbered only by closing, so an
 * expression is compiled after whatever may close (expressions_prepare), never before.
 *
 * Invariants
 *  1. builder->row describes the rows of builder->op, or the slots of builder->open.
 *  2. A column fetched or hydrated is used only until the next writing clause (builder_forget).
 *  3. Every column of a finished operator is a variable, or something a later clause reads. */
#include "engine/plan/plan.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"
#include "engine/plan/planner.h"

static bool statement_plan(struct planner *planner, const struct ast *query);
static bool branch_plan(struct builder *builder, const struct ast *branch, bool is_root);
static bool clause_plan(struct builder *builder, const struct ast *clause, bool is_root);

enum {
    TRAVERSAL_SLOT_MAX = 1000,
    OPERATOR_COUNT_MAX = 2000, /* the executor pulls them recursively */
};

err_t
plan_query(
    struct arena *arena,
    struct text query,
    const struct catalog *catalog,
    const struct plan_statistics *statistics,
    struct plan **out,
    struct failure *failure)
{
    assert(arena && catalog && out && failure);
    *out = NULL;
    struct ast *tree = NULL;
    if (query.size <= QUERY_TEXT_SIZE_MAX)
        query = arena_text(arena, query);
    if (!query.data) {
        err_t no_memory = ERR(MEMORY_QUERY);
        *failure = (struct failure){
            .err = no_memory, .message = text_of(err_text(ERR_MEMORY_QUERY)), .offset = -1};
        return no_memory;
    }
    err_t err = parse(arena, query, &tree, failure);
    if (err)
        return err;
    assert(tree);
    struct planner planner = {
        .arena = arena,
        .query = query,
        .catalog = catalog,
        .statistics = statistics,
        .failure = failure};
    planner.plan = planner_allocate(&planner, sizeof(struct plan));
    if (!planner.plan)
        return planner.err;
    struct plan *plan = planner.plan;
    plan->arena = arena;
    plan->query = query;
    plan->explain = (tree->flags & AST_FLAG_EXPLAIN)   ? EXPLAIN_PLAN
                    : (tree->flags & AST_FLAG_PROFILE) ? EXPLAIN_PROFILE
                                                       : EXPLAIN_NONE;
    plan->schema_version = catalog_schema_version(catalog);
    plan->node_count = statistics ? statistics->node_count(statistics->argument, LABEL_ANY) : 0;
    plan->rel_count = statistics ? statistics->rel_count(statistics->argument, TYPE_ANY) : 0;
    for (uint32_t i = 0; i < TOKEN_KIND_COUNT; i++)
        plan->token_counts[i] = catalog_token_count(catalog, (enum token_kind)i);
    if (!statement_plan(&planner, tree))
        return planner.err;
    plan->parameter_names = planner.parameters;
    plan->parameter_count = planner.parameter_count;
    plan->new_names = planner.new_names;
    plan->new_name_count = planner.new_name_count;
    plan->local_count = planner.local_count;
    *out = plan;
    return 0;
}

/* Whether a count is still of the size it had: within four times, and a thousand more or less never matter. */
static bool
count_is_alike(uint64_t then, uint64_t now)
{
    uint64_t least = then < now ? then : now, most = then < now ? now : then;
    return most / 4 <= least + 1000;
}

bool
plan_is_current(
    const struct plan *plan,
    const struct catalog *catalog,
    const struct plan_statistics *statistics)
{
    if (plan->schema_version != catalog_schema_version(catalog))
        return false;
    if (statistics &&
        (!count_is_alike(
             plan->node_count, statistics->node_count(statistics->argument, LABEL_ANY)) ||
         !count_is_alike(plan->rel_count, statistics->rel_count(statistics->argument, TYPE_ANY))))
        return false;
    for (uint32_t i = 0; plan->unknown_name_count > 0 && i < TOKEN_KIND_COUNT; i++) {
        if (plan->token_counts[i] != catalog_token_count(catalog, (enum token_kind)i))
            return false;
    }
    return true;
}

/* --- errors and memory --- */

bool
planner_no_memory(struct planner *planner)
{
    if (!planner->err) {
        planner->err = ERR(MEMORY_QUERY);
        *planner->failure = (struct failure){
            .err = planner->err, .message = text_of(err_text(ERR_MEMORY_QUERY)), .offset = -1};
    }
    return false;
}

bool
planner_fail(struct planner *planner, const struct ast *at, err_t err, const char *format, ...)
{
    if (planner->err)
        return false;
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    bool is_cut = size >= (int)sizeof(message);
    size_t shown = size < 0 ? 0 : is_cut ? sizeof(message) - 1 : (size_t)size;
    /* A name cut in its middle must not leave half a character. */
    while (is_cut && shown > 0 && ((unsigned char)message[shown - 1] & 0x80))
        shown--;
    planner->err = parse_failure(
        planner->arena, planner->query, at->offset, err, (struct text){message, shown},
        planner->failure);
    return false;
}

void *
planner_allocate(struct planner *planner, size_t size)
{
    if (planner->err)
        return NULL;
    void *memory = arena_zeroed(planner->arena, size ? size : 1);
    if (!memory)
        planner_no_memory(planner);
    return memory;
}

void *
array_push(struct planner *planner, void **items, uint32_t *count, uint32_t *room, size_t size)
{
    if (*count == *room) {
        uint32_t grown_room = *room ? *room * 2 : 8;
        void *grown = planner_allocate(planner, grown_room * size);
        if (!grown)
            return NULL;
        if (*count)
            memcpy(grown, *items, *count * size);
        *items = grown;
        *room = grown_room;
    }
    void *item = (char *)*items + (size_t)*count * size;
    memset(item, 0, size);
    (*count)++;
    return item;
}

/* --- names --- */

uint32_t
token_find(struct planner *planner, enum token_kind kind, struct text name)
{
    uint32_t token = catalog_lookup(planner->catalog, kind, name);
    if (token == TOKEN_NONE)
        planner->plan->unknown_name_count++;
    return token;
}

uint32_t
token_make(struct planner *planner, enum token_kind kind, struct text name)
{
    uint32_t token = token_find(planner, kind, name);
    if (token != TOKEN_NONE)
        return token;
    for (uint32_t i = 0; i < planner->new_name_count; i++) {
        if (planner->new_names[i].kind == kind && text_equal(planner->new_names[i].name, name))
            return TOKEN_NONE;
    }
    struct new_name *added = array_push(
        planner, (void **)&planner->new_names, &planner->new_name_count, &planner->new_name_room,
        sizeof(*added));
    if (added)
        *added = (struct new_name){(uint8_t)kind, name};
    return TOKEN_NONE;
}

static uint32_t *
parameter_place(const struct planner *planner, struct text name)
{
    uint32_t mask = planner->parameter_table_size - 1;
    uint32_t at = (uint32_t)hash_bytes(name.data, name.size, 0) & mask;
    while (planner->parameter_table[at] &&
           !text_equal(planner->parameters[planner->parameter_table[at] - 1], name))
        at = (at + 1) & mask;
    return &planner->parameter_table[at];
}

static bool
parameter_table_grow(struct planner *planner)
{
    if (planner->parameter_table_size > 2 * (planner->parameter_count + 1))
        return true;
    uint32_t size = planner->parameter_table_size ? planner->parameter_table_size * 4 : 16;
    uint32_t *table = planner_allocate(planner, size * sizeof(*table));
    if (!table)
        return false;
    planner->parameter_table = table;
    planner->parameter_table_size = size;
    for (uint32_t i = 0; i < planner->parameter_count; i++)
        *parameter_place(planner, planner->parameters[i]) = i + 1;
    return true;
}

uint32_t
parameter_index(struct planner *planner, struct text name)
{
    if (!parameter_table_grow(planner))
        return 0;
    uint32_t *place = parameter_place(planner, name);
    if (*place)
        return *place - 1;
    struct text *added = array_push(
        planner, (void **)&planner->parameters, &planner->parameter_count, &planner->parameter_room,
        sizeof(*added));
    if (!added)
        return 0;
    *added = name;
    *place = planner->parameter_count;
    return planner->parameter_count - 1;
}

/* --- rows --- */

uint32_t
row_add(
    struct planner *planner,
    struct row *row,
    struct text name,
    uint8_t kind,
    struct static_type type)
{
    struct plan_column *column = array_push(
        planner, (void **)&row->columns, &row->count, &row->room, sizeof(*column));
    if (!column)
        return SLOT_NONE;
    *column = (struct plan_column){
        .name = name,
        .kind = kind,
        .type = type,
        .hydrated_slot = SLOT_NONE,
        .fetch_entity = SLOT_NONE,
        .home = SLOT_NONE,
    };
    return row->count - 1;
}

uint32_t
row_find(const struct row *row, struct text name)
{
    for (uint32_t i = row->count; i-- > 0;) {
        if (row->columns[i].name.data && text_equal(row->columns[i].name, name))
            return i;
    }
    return SLOT_NONE;
}

/* --- what is used later --- */

bool
ast_uses(const struct ast *node, struct text name)
{
    if (node->kind == AST_VARIABLE && text_equal(node->text, name))
        return true;
    if ((node->kind == AST_WITH || node->kind == AST_RETURN || node->kind == AST_CALL_SUBQUERY) &&
        (node->flags & AST_FLAG_STAR))
        return true;
    for (uint32_t i = 0; i < ast_child_count(node); i++) {
        const struct ast *child = ast_child(node, i);
        if (child && ast_uses(child, name))
            return true;
    }
    return false;
}

bool
builder_uses(const struct builder *builder, struct text name, bool after_this)
{
    if (builder->extra && ast_uses(builder->extra, name))
        return true;
    uint32_t from = after_this ? builder->clause_index + 1 : builder->clause_first;
    for (uint32_t i = from; i < builder->clause_count; i++) {
        if (ast_uses(builder->clauses[i], name))
            return true;
    }
    return false;
}

/* --- operators --- */

void
builder_create(struct builder *builder, struct planner *planner, const struct builder *outer)
{
    *builder = (struct builder){.planner = planner, .outer = outer, .batched = true, .rows = 1};
    struct op *leaf = planner_allocate(planner, sizeof(*leaf));
    if (!leaf)
        return;
    leaf->kind = outer ? OP_ARGUMENT : OP_UNIT;
    leaf->estimated_rows = 1;
    builder->op = leaf;
    for (uint32_t i = 0; outer && i < outer->row.count; i++) {
        struct plan_column *added = array_push(
            planner, (void **)&builder->row.columns, &builder->row.count, &builder->row.room,
            sizeof(*added));
        if (!added)
            return;
        *added = outer->row.columns[i];
        added->argument = true;
        added->origin = i;
        added->shown = false;
    }
    op_seal(builder, leaf);
}

static bool
op_may_be_batched(enum op_kind kind)
{
    return kind == OP_ARGUMENT || kind == OP_TRAVERSE || kind == OP_FILTER || kind == OP_PROJECT ||
           kind == OP_UNWIND || kind == OP_FETCH || kind == OP_HYDRATE || kind == OP_APPLY;
}

struct op *
builder_op(struct builder *builder, enum op_kind kind)
{
    if (builder->open && !builder_close(builder))
        return NULL;
    struct op *op = planner_allocate(builder->planner, sizeof(*op));
    if (!op)
        return NULL;
    if (++builder->planner->operator_count > OPERATOR_COUNT_MAX) {
        struct ast at = {.offset = 0};
        planner_fail(
            builder->planner, &at, ERR(LIMIT),
            "The query has too many clauses: its plan has more than %d operators",
            OPERATOR_COUNT_MAX);
        return NULL;
    }
    op->kind = (uint8_t)kind;
    op->left = builder->op;
    op->slot = SLOT_NONE;
    op->estimated_rows = builder->rows;
    builder->op = op;
    builder->batched = builder->batched && op_may_be_batched(kind);
    return op;
}

bool
op_seal(struct builder *builder, struct op *op)
{
    const struct row *row = &builder->row;
    struct text *names = planner_allocate(builder->planner, row->count * sizeof(*names));
    uint8_t *kinds = planner_allocate(builder->planner, row->count);
    if (!names || !kinds)
        return false;
    for (uint32_t i = 0; i < row->count; i++) {
        const struct plan_column *column = &row->columns[i];
        names[i] = column->name.data ? column->name : TEXT("");
        if (column->fetch_entity != SLOT_NONE && row->columns[column->fetch_entity].name.data)
            names[i] = arena_printf(
                builder->planner->arena,
                column->fetch_kind == FETCH_LABEL ? "%.*s:%.*s" : "%.*s.%.*s",
                TEXT_ARGS(row->columns[column->fetch_entity].name), TEXT_ARGS(column->fetch_name));
        if (!names[i].data)
            return planner_no_memory(builder->planner);
        kinds[i] = column->kind;
    }
    op->column_count = row->count;
    op->column_names = names;
    op->column_kinds = kinds;
    op->local_count = builder->planner->local_count;
    return true;
}

bool
builder_open(struct builder *builder)
{
    if (builder->planner->err || builder->open)
        return !builder->planner->err;
    builder->open = planner_allocate(builder->planner, sizeof(*builder->open));
    if (!builder->open)
        return false;
    builder->open->input_count = builder->row.count;
    builder->open->at = SLOT_NONE;
    return true;
}

struct step *
builder_step(struct builder *builder, enum step_kind kind)
{
    if (!builder_open(builder))
        return NULL;
    struct open_traversal *open = builder->open;
    struct step *step = array_push(
        builder->planner, (void **)&open->steps, &open->step_count, &open->step_room,
        sizeof(*step));
    if (!step)
        return NULL;
    step->kind = (uint8_t)kind;
    step->from_slot = step->to_slot = step->rel_slot = SLOT_NONE;
    step->label = LABEL_ANY;
    step->key = TOKEN_NONE;
    return step;
}

/* The operator of the open traversal, without its exit. */
static struct op *
traversal_make(struct builder *builder, struct traversal **out)
{
    struct planner *planner = builder->planner;
    struct open_traversal *open = builder->open;
    assert(open);
    builder->open = NULL;
    if (builder->row.count > TRAVERSAL_SLOT_MAX) {
        struct ast at = {.offset = 0};
        planner_fail(
            planner, &at, ERR(LIMIT), "The query needs more than %d variables at once",
            TRAVERSAL_SLOT_MAX);
        return NULL;
    }
    struct traversal *traversal = planner_allocate(planner, sizeof(*traversal));
    uint8_t *kinds = planner_allocate(planner, builder->row.count);
    uint32_t *inputs = planner_allocate(planner, open->input_count * sizeof(*inputs));
    struct op *op = builder_op(builder, OP_TRAVERSE);
    if (!traversal || !kinds || !inputs || !op)
        return NULL;
    for (uint32_t i = 0; i < builder->row.count; i++)
        kinds[i] = builder->row.columns[i].kind;
    for (uint32_t i = 0; i < open->input_count; i++)
        inputs[i] = i;
    traversal->slot_count = builder->row.count;
    traversal->slot_kinds = kinds;
    traversal->input_count = open->input_count;
    traversal->input_slots = inputs;
    traversal->step_count = open->step_count;
    traversal->steps = open->steps;
    op->traversal = traversal;
    *out = traversal;
    return steps_print(builder, op) ? op : NULL;
}

struct op *
builder_close_with(struct builder *builder, struct traversal **traversal)
{
    builder->batched = false;
    return traversal_make(builder, traversal);
}

static bool
column_is_kept(const struct builder *builder, uint32_t index)
{
    const struct plan_column *column = &builder->row.columns[index];
    if (column->shown)
        return true;
    if (column->fetch_entity != SLOT_NONE) {
        const struct plan_column *entity = &builder->row.columns[column->fetch_entity];
        if (entity->shown)
            return true;
        return entity->name.data && builder_uses(builder, entity->name, false);
    }
    if (column->name.data)
        return builder_uses(builder, column->name, false);
    for (uint32_t i = 0; i < builder->row.count; i++) {
        const struct plan_column *other = &builder->row.columns[i];
        if (other->hydrated_slot == index && other->name.data)
            return builder_uses(builder, other->name, false);
    }
    return false;
}

static uint32_t
slot_mapped(const uint32_t *map, uint32_t slot)
{
    return slot == SLOT_NONE ? SLOT_NONE : map[slot];
}

/* The row becomes its kept columns, in order; everything that names a column follows. */
static bool
row_renumber(struct builder *builder, const uint32_t *kept, uint32_t kept_count)
{
    struct planner *planner = builder->planner;
    uint32_t *map = planner_allocate(planner, builder->row.count * sizeof(*map));
    struct row row = {0};
    if (!map)
        return false;
    memset(map, 0xff, builder->row.count * sizeof(*map));
    static_assert(SLOT_NONE == UINT32_MAX, "memset makes SLOT_NONE");
    for (uint32_t i = 0; i < kept_count; i++)
        map[kept[i]] = i;
    for (uint32_t i = 0; i < kept_count; i++) {
        struct plan_column *added = array_push(
            planner, (void **)&row.columns, &row.count, &row.room, sizeof(*added));
        if (!added)
            return false;
        *added = builder->row.columns[kept[i]];
        added->hydrated_slot = slot_mapped(map, added->hydrated_slot);
        added->fetch_entity = slot_mapped(map, added->fetch_entity);
        added->home = slot_mapped(map, added->home);
    }
    for (uint32_t i = 0; i < builder->substitution_count; i++)
        builder->substitutions[i].column = slot_mapped(map, builder->substitutions[i].column);
    builder->row = row;
    return true;
}

/* Ends the traversal, or projects, so that only these columns are left. */
bool
builder_keep(struct builder *builder, const uint32_t *kept, uint32_t kept_count)
{
    struct planner *planner = builder->planner;
    if (builder->open && builder->open->step_count == 0)
        builder->open = NULL;
    if (builder->open) {
        struct traversal *traversal;
        struct op *op = traversal_make(builder, &traversal);
        if (!op)
            return false;
        traversal->output_count = kept_count;
        traversal->output_slots = kept;
        return row_renumber(builder, kept, kept_count) && op_seal(builder, op);
    }
    bool is_identity = kept_count == builder->row.count;
    for (uint32_t i = 0; i < kept_count && is_identity; i++)
        is_identity = kept[i] == i;
    if (is_identity)
        return !planner->err;
    const struct expr **exprs = planner_allocate(planner, kept_count * sizeof(const struct expr *));
    struct op *op = builder_op(builder, OP_PROJECT);
    if (!exprs || !op)
        return false;
    for (uint32_t i = 0; i < kept_count; i++) {
        exprs[i] = expr_column(planner->arena, 0, kept[i]);
        if (!exprs[i])
            return planner_no_memory(planner);
    }
    op->exprs = exprs;
    op->expr_count = kept_count;
    return row_renumber(builder, kept, kept_count) && op_seal(builder, op);
}

bool
builder_finish(struct builder *builder, uint32_t result)
{
    uint32_t *kept = planner_allocate(builder->planner, builder->row.count * sizeof(*kept));
    uint32_t kept_count = 0;
    for (uint32_t i = 0; kept && i < builder->row.count; i++) {
        const struct plan_column *column = &builder->row.columns[i];
        bool of_argument = column->argument ||
                           (column->fetch_entity != SLOT_NONE &&
                            builder->row.columns[column->fetch_entity].argument);
        if (result != SLOT_NONE ? i == result : !of_argument && column_is_kept(builder, i))
            kept[kept_count++] = i;
    }
    return kept && builder_keep(builder, kept, kept_count);
}

bool
builder_close(struct builder *builder)
{
    struct planner *planner = builder->planner;
    if (planner->err || !builder->open)
        return !planner->err;
    if (builder->open->step_count == 0) {
        builder->open = NULL;
        return true;
    }
    struct traversal *traversal;
    uint32_t *kept = planner_allocate(planner, builder->row.count * sizeof(*kept));
    struct op *op = kept ? traversal_make(builder, &traversal) : NULL;
    if (!op)
        return false;
    uint32_t kept_count = 0;
    for (uint32_t i = 0; i < builder->row.count; i++) {
        if (column_is_kept(builder, i))
            kept[kept_count++] = i;
    }
    traversal->output_count = kept_count;
    traversal->output_slots = kept;
    return row_renumber(builder, kept, kept_count) && op_seal(builder, op);
}

bool
builder_filter(struct builder *builder, const struct expr *expr)
{
    if (!expr)
        return !builder->planner->err && planner_no_memory(builder->planner);
    if (builder->open) {
        struct step *step = builder_step(builder, STEP_FILTER);
        if (step)
            step->expr = expr;
        return step != NULL;
    }
    struct op *op = builder_op(builder, OP_FILTER);
    if (!op)
        return false;
    op->expr = expr;
    return op_seal(builder, op);
}

uint32_t
builder_compute(
    struct builder *builder, struct text name, const struct expr *expr, struct static_type type)
{
    struct planner *planner = builder->planner;
    if (!expr || planner->err)
        return SLOT_NONE;
    if (builder->open) {
        struct step *step = builder_step(builder, STEP_COMPUTE);
        uint32_t slot = row_add(planner, &builder->row, name, COLUMN_VALUE, type);
        if (!step || slot == SLOT_NONE)
            return SLOT_NONE;
        step->expr = expr;
        step->to_slot = slot;
        return slot;
    }
    const struct expr **exprs = planner_allocate(
        planner, (builder->row.count + 1) * sizeof(const struct expr *));
    struct op *op = builder_op(builder, OP_PROJECT);
    if (!exprs || !op)
        return SLOT_NONE;
    for (uint32_t i = 0; i < builder->row.count; i++) {
        exprs[i] = expr_column(planner->arena, expr->offset, i);
        if (!exprs[i])
            planner_no_memory(planner);
    }
    uint32_t slot = row_add(planner, &builder->row, name, COLUMN_VALUE, type);
    if (slot == SLOT_NONE)
        return SLOT_NONE;
    exprs[slot] = expr;
    op->exprs = exprs;
    op->expr_count = slot + 1;
    return op_seal(builder, op) ? slot : SLOT_NONE;
}

void
builder_forget(struct builder *builder)
{
    for (uint32_t i = 0; i < builder->row.count; i++) {
        struct plan_column *column = &builder->row.columns[i];
        column->hydrated = false;
        column->hydrated_slot = SLOT_NONE;
        column->fetch_entity = SLOT_NONE;
    }
}

/* --- queries --- */

static bool
statement_plan(struct planner *planner, const struct ast *query)
{
    struct builder builder;
    builder_create(&builder, planner, NULL);
    if (planner->err || !query_plan(&builder, query, true))
        return false;
    struct plan *plan = planner->plan;
    const struct ast *branch = query->items[0];
    enum ast_kind last = branch->items[branch->item_count - 1]->kind;
    bool is_schema = last == AST_CREATE_INDEX || last == AST_DROP_INDEX ||
                     last == AST_CREATE_CONSTRAINT || last == AST_DROP_CONSTRAINT;
    bool has_result = last == AST_RETURN || last == AST_SHOW ||
                      (last == AST_CALL && branch->item_count == 1);
    struct op *result = builder_op(&builder, OP_RESULT);
    if (!result || !op_seal(&builder, result))
        return false;
    plan->root = result;
    plan->column_count = has_result ? result->column_count : 0;
    plan->column_names = result->column_names;
    plan->kind = is_schema          ? QUERY_SCHEMA
                 : !planner->writes ? QUERY_READ
                 : has_result       ? QUERY_READ_WRITE
                                    : QUERY_WRITE;
    return true;
}

/* Whether both branches of a UNION return the same names; if in another order, the right is reordered. */
static bool
union_columns_match(struct builder *left, struct builder *right, const struct ast *at)
{
    struct planner *planner = left->planner;
    struct row row = {0};
    const struct expr **exprs = planner_allocate(
        planner, (left->row.count + 1) * sizeof(const struct expr *));
    bool is_same = left->row.count == right->row.count && exprs;
    bool in_order = true;
    for (uint32_t i = 0; is_same && i < left->row.count; i++) {
        uint32_t found = row_find(&right->row, left->row.columns[i].name);
        is_same = found != SLOT_NONE;
        in_order = in_order && found == i;
        if (!is_same)
            break;
        exprs[i] = expr_column(planner->arena, at->offset, found);
        const struct plan_column *column = &right->row.columns[found];
        uint32_t added = row_add(planner, &row, column->name, column->kind, column->type);
        if (!exprs[i] || added == SLOT_NONE)
            return planner_no_memory(planner);
    }
    if (!is_same)
        return planner_fail(
            planner, at, ERR(SYNTAX),
            "All parts of a UNION must return columns with the same names");
    if (in_order)
        return true;
    struct op *op = builder_op(right, OP_PROJECT);
    if (!op)
        return false;
    op->exprs = exprs;
    op->expr_count = left->row.count;
    right->row = row;
    return op_seal(right, op);
}

static bool
union_add(struct builder *left, const struct ast *branch, bool is_root, const struct builder *outer)
{
    struct builder right;
    builder_create(&right, left->planner, outer);
    right.imports = left->imports;
    if (left->planner->err || !branch_plan(&right, branch, is_root) || !builder_close(&right) ||
        !builder_close(left))
        return false;
    if (!union_columns_match(left, &right, branch))
        return false;
    for (uint32_t i = 0; i < left->row.count; i++)
        left->row.columns[i].type = type_union(
            left->row.columns[i].type, right.row.columns[i].type);
    left->rows += right.rows;
    struct op *op = builder_op(left, OP_UNION);
    if (!op)
        return false;
    op->right = right.op;
    return op_seal(left, op);
}

bool
query_plan(struct builder *builder, const struct ast *query, bool is_root)
{
    struct planner *planner = builder->planner;
    if (++planner->nesting > QUERY_NESTING_MAX)
        return planner_fail(planner, query, ERR(LIMIT), "Subqueries are nested too deeply");
    const struct builder *outer = builder->outer;
    if (!branch_plan(builder, query->items[0], is_root))
        return false;
    for (uint32_t i = 1; i < query->item_count; i++) {
        const struct ast *branch = query->items[i];
        bool is_all = branch->flags & AST_FLAG_UNION_ALL;
        bool was_all = query->items[1]->flags & AST_FLAG_UNION_ALL;
        if (is_all != was_all)
            return planner_fail(
                planner, branch, ERR(SYNTAX), "UNION and UNION ALL cannot be mixed in one query");
        if (query->items[0]->items[query->items[0]->item_count - 1]->kind != AST_RETURN ||
            branch->items[branch->item_count - 1]->kind != AST_RETURN)
            return planner_fail(
                planner, branch, ERR(SYNTAX), "Every part of a UNION must end in RETURN");
        if (!union_add(builder, branch, is_root, outer))
            return false;
    }
    if (query->item_count > 1 && !(query->items[1]->flags & AST_FLAG_UNION_ALL)) {
        struct op *distinct = builder_op(builder, OP_DISTINCT);
        if (!distinct || !op_seal(builder, distinct))
            return false;
    }
    planner->nesting--;
    return !planner->err;
}

bool
clauses_plan(struct builder *builder, struct ast *const *clauses, uint32_t count)
{
    builder->clauses = clauses;
    builder->clause_count = count;
    for (uint32_t i = 0; i < count; i = builder->clause_index + 1) {
        builder->clause_first = builder->clause_index = i;
        builder->substitution_count = 0;
        for (uint32_t k = 0; k < builder->row.count; k++)
            builder->row.columns[k].shown = false;
        if (!clause_plan(builder, clauses[i], false))
            return false;
    }
    return true;
}

static bool
clause_may_be_last(const struct ast *clause)
{
    return clause->kind != AST_MATCH && clause->kind != AST_WITH && clause->kind != AST_UNWIND &&
           clause->kind != AST_LOAD_CSV && clause->kind != AST_USE;
}

/* Of the query around a CALL { }, only what is imported is visible: by CALL (x, y), or by a first WITH. */
static void
imports_apply(struct builder *builder, const struct ast *branch)
{
    const struct ast *call = builder->imports;
    if (!call || (call->flags & AST_FLAG_STAR))
        return;
    bool has_with = (call->flags & AST_FLAG_NO_PARENTHESES) && branch->items[0]->kind == AST_WITH;
    for (uint32_t i = 0; !has_with && i < builder->row.count; i++) {
        struct plan_column *column = &builder->row.columns[i];
        bool is_imported = false;
        for (uint32_t k = 0; k < call->item_count && column->name.data; k++)
            is_imported = is_imported || text_equal(call->items[k]->text, column->name);
        if (!is_imported)
            column->name = (struct text){0};
    }
}

static bool
branch_plan(struct builder *builder, const struct ast *branch, bool is_root)
{
    struct planner *planner = builder->planner;
    builder->clauses = branch->items;
    builder->clause_count = branch->item_count;
    imports_apply(builder, branch);
    for (uint32_t i = 0; i < branch->item_count; i = builder->clause_index + 1) {
        const struct ast *clause = branch->items[i];
        builder->clause_first = builder->clause_index = i;
        builder->substitution_count = 0;
        for (uint32_t k = 0; k < builder->row.count; k++)
            builder->row.columns[k].shown = false;
        if (clause->kind == AST_RETURN && i + 1 < branch->item_count)
            return planner_fail(
                planner, branch->items[i + 1], ERR(SYNTAX),
                "RETURN can only be used at the end of the query");
        if (is_root && i + 1 == branch->item_count && !clause_may_be_last(clause))
            return planner_fail(
                planner, clause, ERR(SYNTAX),
                "Query cannot conclude with %s (must be a RETURN clause, an update clause or a "
                "CALL)",
                clause->kind == AST_MATCH    ? "MATCH"
                : clause->kind == AST_WITH   ? "WITH"
                : clause->kind == AST_UNWIND ? "UNWIND"
                                             : "this clause");
        if (!clause_plan(builder, clause, is_root && branch->item_count == 1))
            return false;
    }
    builder->clause_first = builder->clause_index = branch->item_count;
    return !planner->err;
}

static bool
unwind_plan(struct builder *builder, const struct ast *clause)
{
    struct planner *planner = builder->planner;
    struct text name = clause->unwind.variable->text;
    if (row_find(&builder->row, name) != SLOT_NONE)
        return planner_fail(
            planner, clause->unwind.variable, ERR(SYNTAX), "Variable `%.*s` already declared",
            TEXT_ARGS(name));
    struct static_type type = type_of(builder, NULL, clause->unwind.list);
    const struct ast *list = clause->unwind.list;
    const struct expr *expr;
    if (!expressions_plan_home(builder, &list, 1, CHECK_VALUE, &expr))
        return false;
    struct op *op = builder_op(builder, OP_UNWIND);
    if (!op)
        return false;
    op->expr = expr;
    uint32_t column = row_add(planner, &builder->row, name, COLUMN_VALUE, type_item(type));
    if (column == SLOT_NONE)
        return false;
    builder->rows *= clause->unwind.list->kind == AST_LIST ? (double)clause->unwind.list->item_count
                                                           : 10;
    return op_seal(builder, op);
}

static bool
clause_plan(struct builder *builder, const struct ast *clause, bool is_alone)
{
    struct planner *planner = builder->planner;
    switch (clause->kind) {
    case AST_MATCH:
        return match_plan(builder, clause);
    case AST_UNWIND:
        return unwind_plan(builder, clause);
    case AST_WITH:
    case AST_RETURN:
        return projection_plan(builder, clause);
    case AST_CREATE:
        return create_plan(builder, clause);
    case AST_MERGE:
        return merge_plan(builder, clause);
    case AST_SET:
    case AST_REMOVE:
        return set_plan(builder, clause);
    case AST_DELETE:
        return delete_plan(builder, clause);
    case AST_FOREACH:
        return foreach_plan(builder, clause);
    case AST_CALL:
        return call_plan(builder, clause, is_alone);
    case AST_CALL_SUBQUERY:
        return call_subquery_plan(builder, clause);
    case AST_SHOW:
        return show_plan(builder, clause);
    case AST_LOAD_CSV:
        return planner_fail(
            planner, clause, ERR(UNSUPPORTED),
            "LOAD CSV is not supported; use quiver-import, or UNWIND a parameter");
    case AST_USE:
        return planner_fail(
            planner, clause, ERR(UNSUPPORTED), "USE is not supported: there is one database");
    case AST_COMMAND:
        return planner_fail(
            planner, clause, ERR(UNSUPPORTED), "%.*s is not supported", TEXT_ARGS(clause->text));
    default:
        return schema_plan(builder, clause);
    }
}
