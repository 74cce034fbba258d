/* Subqueries: a right side that is run for the rows of the left, joined by APPLY.
 *
 *      EXISTS { }, (a)-->(b)              APPLY_SEMI      one more column: was there a row
 *      COUNT { }                          APPLY_COUNT     ... how many
 *      COLLECT { }, [(a)-->(b) | b.x]     APPLY_COLLECT   ... a list of the first column
 *      shortestPath((a)-[*]-(b))          APPLY_COLLECT   ... of which the first item is taken
 *      CALL { ... RETURN x }              APPLY_INNER     the columns returned
 *      CALL { ... } without RETURN        APPLY_COUNT     for its effects; the count is not looked at */
#include "base/assert.h"
#include "engine/plan/planner.h"

/* A column of the right row, as it is behind those of the left. */
static bool
column_append(
    struct builder *builder, const struct plan_column *column, uint32_t base, bool is_optional)
{
    struct plan_column *added = array_push(
        builder->planner, (void **)&builder->row.columns, &builder->row.count, &builder->row.room,
        sizeof(*added));
    if (!added)
        return false;
    *added = *column;
    added->shown = added->argument = added->wanted = false;
    added->hydrated_slot = column->hydrated_slot == SLOT_NONE ? SLOT_NONE
                                                              : column->hydrated_slot + base;
    added->fetch_entity = column->fetch_entity == SLOT_NONE ? SLOT_NONE
                                                            : column->fetch_entity + base;
    added->home = column->home == SLOT_NONE ? SLOT_NONE : column->home + base;
    if (is_optional)
        added->type.mask |= TYPE_BIT_NULL;
    return true;
}

struct op *
builder_apply(struct builder *builder, struct builder *right, enum apply_mode mode)
{
    assert(!builder->open && !right->open);
    bool left_batched = builder->batched;
    struct op *op = builder_op(builder, OP_APPLY);
    if (!op)
        return NULL;
    op->mode = (uint8_t)mode;
    op->right = right->op;
    op->flag = !right->batched;
    builder->batched = left_batched && right->batched;
    if (mode == APPLY_INNER || mode == APPLY_OPTIONAL) {
        uint32_t base = builder->row.count;
        for (uint32_t i = 0; i < right->row.count; i++) {
            if (!column_append(builder, &right->row.columns[i], base, mode == APPLY_OPTIONAL))
                return NULL;
        }
        builder->rows *= right->rows > 1 ? right->rows : 1;
        return op_seal(builder, op) ? op : NULL;
    }
    struct static_type type = type_make(mode == APPLY_SEMI ? TYPE_BIT_BOOLEAN : TYPE_BIT_INTEGER);
    if (mode == APPLY_COLLECT)
        type = type_list_of(right->row.columns[0].type);
    uint32_t column = row_add(
        builder->planner, &builder->row, (struct text){0}, COLUMN_VALUE, type);
    if (column == SLOT_NONE)
        return NULL;
    builder->row.columns[column].hydrated = mode == APPLY_COLLECT && right->row.columns[0].hydrated;
    return op_seal(builder, op) ? op : NULL;
}

static bool
query_expression_plan(struct builder *builder, const struct ast *ast)
{
    struct planner *planner = builder->planner;
    const struct ast *query = ast->exists.query;
    const struct ast *branch = query->items[0];
    bool has_return = branch->items[branch->item_count - 1]->kind == AST_RETURN;
    if (ast->kind == AST_COLLECT && !has_return)
        return planner_fail(planner, ast, ERR(SYNTAX), "A COLLECT subquery must end with RETURN");
    bool wrote = planner->writes;
    planner->writes = false;
    struct builder right;
    builder_create(&right, planner, builder);
    if (planner->err || !query_plan(&right, query, false))
        return false;
    if (planner->writes)
        return planner_fail(
            planner, ast, ERR(SYNTAX), "An %s subquery cannot contain any updates",
            ast->kind == AST_EXISTS  ? "EXISTS"
            : ast->kind == AST_COUNT ? "COUNT"
                                     : "COLLECT");
    planner->writes = wrote;
    if (ast->kind == AST_COLLECT && right.row.count != 1)
        return planner_fail(
            planner, ast, ERR(SYNTAX), "A COLLECT subquery must return exactly one column");
    if (ast->kind == AST_COLLECT ? !builder_close(&right) : !builder_keep(&right, NULL, 0))
        return false;
    enum apply_mode mode = ast->kind == AST_EXISTS  ? APPLY_SEMI
                           : ast->kind == AST_COUNT ? APPLY_COUNT
                                                    : APPLY_COLLECT;
    return builder_apply(builder, &right, mode) &&
           substitution_add(builder, ast, builder->row.count - 1, false, false);
}

/* A pattern predicate may only name what is there. */
static bool
pattern_names_check(struct builder *builder, const struct ast *path)
{
    for (uint32_t i = 0; i < path->item_count; i++) {
        const struct ast *variable = path->items[i]->node.variable;
        if (variable && row_find(&builder->row, variable->text) == SLOT_NONE)
            return planner_fail(
                builder->planner, variable, ERR(SYNTAX),
                "Variable `%.*s` not defined: a pattern expression cannot introduce variables",
                TEXT_ARGS(variable->text));
    }
    return true;
}

static bool
pattern_expression_plan(struct builder *builder, const struct ast *ast)
{
    struct planner *planner = builder->planner;
    struct ast *path = ast->pattern_expression.path;
    if (!pattern_names_check(builder, path))
        return false;
    bool is_shortest = path->flags & (AST_FLAG_SHORTEST | AST_FLAG_ALL_SHORTEST);
    struct builder right;
    builder_create(&right, planner, builder);
    if (planner->err)
        return false;
    if (!is_shortest)
        return pattern_plan(&right, &path, 1, NULL) && builder_keep(&right, NULL, 0) &&
               builder_apply(builder, &right, APPLY_SEMI) &&
               substitution_add(builder, ast, builder->row.count - 1, false, false);
    struct ast *named = planner_allocate(planner, sizeof(*named));
    struct text name = arena_printf(
        planner->arena, "%cpath%u", ANONYMOUS_BYTE, (unsigned)ast->offset);
    if (!named)
        return false;
    *named = *path;
    named->path.variable = ast_make_variable(planner, name, ast->offset);
    right.extra = named->path.variable;
    if (!named->path.variable || !pattern_plan(&right, &named, 1, NULL))
        return false;
    uint32_t column = row_find(&right.row, name);
    assert(column != SLOT_NONE);
    return builder_finish(&right, column) && builder_apply(builder, &right, APPLY_COLLECT) &&
           substitution_add(
               builder, ast, builder->row.count - 1, false, path->flags & AST_FLAG_SHORTEST);
}

static bool
pattern_comprehension_plan(struct builder *builder, const struct ast *ast)
{
    struct planner *planner = builder->planner;
    struct ast *path = ast->pattern_comprehension.path;
    const struct ast *result = ast->pattern_comprehension.result;
    struct builder right;
    builder_create(&right, planner, builder);
    right.extra = result;
    if (planner->err || !pattern_plan(&right, &path, 1, ast->pattern_comprehension.where))
        return false;
    struct static_type type = type_of(&right, NULL, result);
    const struct expr *expr = expression_plan(&right, result, CHECK_VALUE);
    uint32_t column = builder_compute(&right, (struct text){0}, expr, type);
    if (column == SLOT_NONE)
        return false;
    return builder_finish(&right, column) && builder_apply(builder, &right, APPLY_COLLECT) &&
           substitution_add(builder, ast, builder->row.count - 1, false, false);
}

bool
subquery_expression_plan(struct builder *builder, const struct ast *ast)
{
    builder->planner->reads = true;
    if (!builder_close(builder))
        return false;
    if (ast->kind == AST_PATTERN_EXPRESSION)
        return pattern_expression_plan(builder, ast);
    if (ast->kind == AST_PATTERN_COMPREHENSION)
        return pattern_comprehension_plan(builder, ast);
    return query_expression_plan(builder, ast);
}

bool
call_subquery_plan(struct builder *builder, const struct ast *clause)
{
    struct planner *planner = builder->planner;
    const struct ast *query = clause->call_subquery.query;
    const struct ast *branch = query->items[0];
    bool has_return = branch->items[branch->item_count - 1]->kind == AST_RETURN;
    for (uint32_t i = 0; i < clause->item_count; i++) {
        if (row_find(&builder->row, clause->items[i]->text) == SLOT_NONE)
            return planner_fail(
                planner, clause->items[i], ERR(SYNTAX), "Variable `%.*s` not defined",
                TEXT_ARGS(clause->items[i]->text));
    }
    if (!builder_close(builder))
        return false;
    bool wrote = planner->writes;
    planner->writes = false;
    struct builder right;
    builder_create(&right, planner, builder);
    right.imports = clause;
    if (planner->err || !query_plan(&right, query, false) || !builder_close(&right))
        return false;
    bool has_written = planner->writes;
    planner->writes = wrote || has_written;
    if (!has_return && !has_written)
        return planner_fail(
            planner, clause, ERR(SYNTAX), "A CALL subquery must end in RETURN or write something");
    for (uint32_t i = 0; has_return && i < right.row.count; i++) {
        struct text name = right.row.columns[i].name;
        if (name.data && row_find(&builder->row, name) != SLOT_NONE)
            return planner_fail(
                planner, clause, ERR(SYNTAX), "Variable `%.*s` already declared in the outer scope",
                TEXT_ARGS(name));
        right.row.columns[i].argument = false;
    }
    if (!has_return && !builder_keep(&right, NULL, 0))
        return false;
    enum apply_mode mode = !has_return                           ? APPLY_COUNT
                           : (clause->flags & AST_FLAG_OPTIONAL) ? APPLY_OPTIONAL
                                                                 : APPLY_INNER;
    if (!builder_apply(builder, &right, mode))
        return false;
    if (has_written) {
        builder->batched = false;
        builder_forget(builder);
    }
    return true;
}
