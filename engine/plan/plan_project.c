/* WITH and RETURN.
 *
 *      without aggregates      PROJECT -> DISTINCT -> SORT or LIMIT -> drop what only the order needed
 *      with aggregates         AGGREGATE -> PROJECT -> the same
 *
 * While a traversal is open, AGGREGATE is not an operator but its end: each shard aggregates what it has
 * and the home shard merges. Likewise ORDER BY ... LIMIT becomes the traversal's top-k. A WITH that only
 * passes variables on, perhaps with a WHERE, leaves the traversal open.
 *
 * ORDER BY and the WHERE of a WITH may name old variables as well as new ones, unless rows are merged
 * (DISTINCT, aggregates). What they need beside the items is computed together with the items in hidden
 * columns. */
#include "base/assert.h"
#include "engine/plan/planner.h"

enum { ITEM_COUNT_MAX = 5000 };

struct item {
    const struct ast *ast; /* where errors point */
    const struct ast *value;
    struct text name;
    bool has_aggregate;
    uint32_t column; /* of the row made */
};

struct projection {
    struct builder *builder;
    const struct ast *clause;
    const struct ast *order, *skip, *limit, *where;
    bool is_return, is_distinct, has_aggregate;
    struct item *items;
    uint32_t item_count, item_room;
    /* ORDER BY: each key is an item, or a hidden column. */
    uint32_t key_count;
    const struct ast **keys; /* aliases replaced by what they stand for */
    uint32_t *key_columns;
    const struct ast *predicate; /* WHERE that needs old variables: computed into a hidden column */
    uint32_t predicate_column;
};

static bool items_collect(struct projection *projection);
static bool items_check(struct projection *projection);
static bool keys_collect(struct projection *projection);
static bool plain_plan(struct projection *projection);
static bool grouped_plan(struct projection *projection);
static bool order_plan(struct projection *projection);
static bool where_plan(struct projection *projection);
static bool passes_through(const struct projection *projection);
static bool pass_through(struct projection *projection);

/* DISTINCT at the end of a traversal is a grouping by all items: each shard sends a row once. With a LIMIT
 * and no order it is better to stop after the first rows. */
static bool
is_grouped(const struct projection *projection)
{
    const struct open_traversal *open = projection->builder->open;
    bool stops_early = projection->limit && !projection->order;
    return projection->has_aggregate ||
           (projection->is_distinct && open && open->step_count > 0 && !stops_early);
}

bool
projection_plan(struct builder *builder, const struct ast *clause)
{
    bool is_return = clause->kind == AST_RETURN;
    struct projection projection = {
        .builder = builder,
        .clause = clause,
        .is_return = is_return,
        .is_distinct = clause->flags & AST_FLAG_DISTINCT,
        .order = is_return ? clause->return_.order : clause->with.order,
        .skip = is_return ? clause->return_.skip : clause->with.skip,
        .limit = is_return ? clause->return_.limit : clause->with.limit,
        .where = is_return ? NULL : clause->with.where,
        .predicate_column = SLOT_NONE,
    };
    if (!items_collect(&projection) || !items_check(&projection) || !keys_collect(&projection))
        return false;
    if (passes_through(&projection))
        return pass_through(&projection);
    if (is_grouped(&projection) ? !grouped_plan(&projection) : !plain_plan(&projection))
        return false;
    if (!order_plan(&projection) || !where_plan(&projection))
        return false;
    if (is_return && !builder->outer) {
        for (uint32_t i = 0; i < builder->row.count; i++)
            builder->row.columns[i].wanted = true;
        return builder_hydrate(builder);
    }
    return !builder->planner->err;
}

/* --- items --- */

static bool
item_add(
    struct projection *projection, const struct ast *ast, const struct ast *value, struct text name)
{
    struct item *item = array_push(
        projection->builder->planner, (void **)&projection->items, &projection->item_count,
        &projection->item_room, sizeof(*item));
    if (!item)
        return false;
    *item = (struct item){
        .ast = ast, .value = value, .name = name, .has_aggregate = ast_has_aggregate(value)};
    projection->has_aggregate = projection->has_aggregate || item->has_aggregate;
    return true;
}

/* All variables in scope, in order of their names: the order of the row depends on the plan. */
static bool
star_collect(struct projection *projection)
{
    struct builder *builder = projection->builder;
    uint32_t begin = projection->item_count;
    for (uint32_t i = 0; i < builder->row.count; i++) {
        struct text name = builder->row.columns[i].name;
        if (!name.data || name_is_anonymous(name))
            continue;
        struct ast *variable = ast_make_variable(
            builder->planner, name, projection->clause->offset);
        if (!variable || !item_add(projection, projection->clause, variable, name))
            return false;
        for (uint32_t k = projection->item_count - 1;
             k > begin &&
             text_compare(projection->items[k].name, projection->items[k - 1].name) < 0;
             k--) {
            struct item swapped = projection->items[k];
            projection->items[k] = projection->items[k - 1];
            projection->items[k - 1] = swapped;
        }
    }
    if (projection->item_count == begin && projection->is_return)
        return planner_fail(
            builder->planner, projection->clause, ERR(SYNTAX),
            "RETURN * is not allowed when there are no variables in scope");
    return true;
}

static bool
items_collect(struct projection *projection)
{
    struct planner *planner = projection->builder->planner;
    if ((projection->clause->flags & AST_FLAG_STAR) && !star_collect(projection))
        return false;
    for (uint32_t i = 0; i < projection->clause->item_count; i++) {
        const struct ast *column = projection->clause->items[i];
        if (!projection->is_return && !(column->flags & AST_FLAG_ALIASED) &&
            column->column.value->kind != AST_VARIABLE)
            return planner_fail(
                planner, column, ERR(SYNTAX), "Expression in WITH must be aliased (use AS)");
        if (!item_add(projection, column, column->column.value, column->text))
            return false;
    }
    if (projection->item_count > ITEM_COUNT_MAX)
        return planner_fail(
            planner, projection->clause, ERR(LIMIT), "At most %d columns can be returned",
            ITEM_COUNT_MAX);
    for (uint32_t i = 0; i < projection->item_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (text_equal(projection->items[i].name, projection->items[k].name))
                return planner_fail(
                    planner, projection->items[i].ast, ERR(SYNTAX),
                    "Multiple result columns with the same name are not supported: `%.*s`",
                    TEXT_ARGS(projection->items[i].name));
        }
    }
    return !planner->err;
}

/* SKIP and LIMIT: a whole number known before the first row. */
static bool
count_check(struct projection *projection, const struct ast *ast, const char *keyword)
{
    struct builder *builder = projection->builder;
    struct row none = {0};
    struct row row = builder->row;
    if (!ast)
        return true;
    builder->row = none;
    bool is_good = expression_check(builder, NULL, ast, CHECK_VALUE, false);
    builder->row = row;
    if (!is_good)
        return false;
    struct static_type type = type_of(builder, NULL, ast);
    if (ast_has_subquery(ast) || !(type.mask & TYPE_BIT_INTEGER))
        return planner_fail(
            builder->planner, ast, ERR(SYNTAX), "Invalid input for %s: expected an integer",
            keyword);
    if (ast->kind == AST_INTEGER && ast->word.integer < 0)
        return planner_fail(
            builder->planner, ast, ERR(SYNTAX), "Invalid input for %s: must not be negative",
            keyword);
    return true;
}

static bool
items_check(struct projection *projection)
{
    for (uint32_t i = 0; i < projection->item_count; i++) {
        if (!expression_check(
                projection->builder, NULL, projection->items[i].value, CHECK_VALUE, true))
            return false;
    }
    return count_check(projection, projection->skip, "SKIP") &&
           count_check(projection, projection->limit, "LIMIT");
}

/* --- aliases --- */

static const struct item *
item_named(const struct projection *projection, struct text name)
{
    for (uint32_t i = 0; i < projection->item_count; i++) {
        if (text_equal(projection->items[i].name, name))
            return &projection->items[i];
    }
    return NULL;
}

static bool
names_alias(const struct projection *projection, const struct ast *ast)
{
    const struct item *item = ast->kind == AST_VARIABLE ? item_named(projection, ast->text) : NULL;
    if (item && !(item->value->kind == AST_VARIABLE && text_equal(item->value->text, ast->text)))
        return true;
    for (uint32_t i = 0; i < ast_child_count(ast); i++) {
        const struct ast *child = ast_child(ast, i);
        if (child && names_alias(projection, child))
            return true;
    }
    return false;
}

/* The tree with the names of items replaced by their expressions, so that it can be computed beside them.
 * A variable that a list expression binds is not replaced when it has the name of an item: such trees are
 * rare, and then refused by the caller's check. */
static const struct ast *
alias_replaced(const struct projection *projection, const struct ast *ast)
{
    struct planner *planner = projection->builder->planner;
    if (!names_alias(projection, ast))
        return ast;
    const struct item *item = ast->kind == AST_VARIABLE ? item_named(projection, ast->text) : NULL;
    if (item)
        return item->value;
    struct ast *copy = planner_allocate(planner, sizeof(*copy));
    struct ast **items = planner_allocate(planner, ast->item_count * sizeof(struct ast *));
    if (!copy || !items)
        return ast;
    *copy = *ast;
    copy->items = items;
    for (uint32_t i = 0; i < AST_SLOT_COUNT; i++)
        copy->slot[i] = ast->slot[i]
                            ? (struct ast *)(uintptr_t)alias_replaced(projection, ast->slot[i])
                            : NULL;
    for (uint32_t i = 0; i < ast->item_count; i++)
        items[i] = (struct ast *)(uintptr_t)alias_replaced(projection, ast->items[i]);
    return copy;
}

/* The item the tree is equal to, by name or by expression. */
static uint32_t
item_find(const struct projection *projection, const struct ast *ast)
{
    for (uint32_t i = 0; i < projection->item_count; i++) {
        if (ast->kind == AST_VARIABLE && text_equal(projection->items[i].name, ast->text))
            return i;
    }
    for (uint32_t i = 0; i < projection->item_count; i++) {
        if (ast_equal(projection->items[i].value, ast))
            return i;
    }
    return SLOT_NONE;
}

static bool
items_have(const struct ast *ast, const struct ast *call)
{
    if (ast_equal(ast, call))
        return true;
    for (uint32_t i = 0; i < ast_child_count(ast); i++) {
        const struct ast *child = ast_child(ast, i);
        if (child && items_have(child, call))
            return true;
    }
    return false;
}

/* Aggregates of a key must be among those of the items. */
static bool
key_aggregates_check(const struct projection *projection, const struct ast *key)
{
    if (ast_is_aggregate(key)) {
        for (uint32_t i = 0; i < projection->item_count; i++) {
            if (items_have(projection->items[i].value, key))
                return true;
        }
        return planner_fail(
            projection->builder->planner, key, ERR(SYNTAX),
            "An aggregating function in ORDER BY must also be projected");
    }
    for (uint32_t i = 0; i < ast_child_count(key); i++) {
        const struct ast *child = ast_child(key, i);
        if (child && !key_aggregates_check(projection, child))
            return false;
    }
    return true;
}

/* ORDER BY keys: check, and decide which are items. */
static bool
keys_collect(struct projection *projection)
{
    struct builder *builder = projection->builder;
    struct planner *planner = builder->planner;
    if (!projection->order)
        return true;
    projection->key_count = projection->order->item_count;
    projection->keys = planner_allocate(
        planner, projection->key_count * sizeof(const struct ast *));
    projection->key_columns = planner_allocate(
        planner, projection->key_count * sizeof(*projection->key_columns));
    if (!projection->keys || !projection->key_columns)
        return false;
    for (uint32_t i = 0; i < projection->key_count; i++) {
        const struct ast *written = projection->order->items[i]->sort.value;
        bool has_aggregate = ast_has_aggregate(written);
        if (has_aggregate && !projection->has_aggregate)
            return planner_fail(
                planner, written, ERR(SYNTAX),
                "Invalid use of aggregating function in ORDER BY: nothing is aggregated");
        projection->keys[i] = written;
        if (item_find(projection, written) != SLOT_NONE)
            continue;
        projection->keys[i] = alias_replaced(projection, written);
        if (!planner->err && !key_aggregates_check(projection, projection->keys[i]))
            return false;
        if (planner->err ||
            !expression_check(
                builder, NULL, projection->keys[i], CHECK_VALUE, projection->has_aggregate))
            return false;
    }
    return true;
}

/* --- without aggregates --- */

static bool
is_plain_row(const struct projection *projection)
{
    return !projection->is_distinct && !projection->has_aggregate;
}

/* Expressions of the new row while it grows. */
struct making {
    struct row row;
    const struct expr **exprs;
    uint32_t expr_room;
};

static uint32_t
making_add(
    struct projection *projection,
    struct making *making,
    const struct expr *expr,
    struct text name,
    struct static_type type)
{
    struct builder *builder = projection->builder;
    struct planner *planner = builder->planner;
    if (!expr || planner->err)
        return SLOT_NONE;
    const struct plan_column *source = expr->kind == EXPR_COLUMN ? &builder->row.columns[expr->slot]
                                                                 : NULL;
    /* What a subquery returns may meet a value column in a UNION; the result is hydrated anyway. */
    bool keeps_kind = source && !(projection->is_return && builder->outer);
    uint8_t kind = keeps_kind ? source->kind : COLUMN_VALUE;
    uint32_t count = making->row.count;
    const struct expr **added = array_push(
        planner, (void **)&making->exprs, &count, &making->expr_room, sizeof(const struct expr *));
    uint32_t column = row_add(planner, &making->row, name, kind, type);
    if (!added || column == SLOT_NONE)
        return SLOT_NONE;
    *added = expr;
    if (source)
        making->row.columns[column].hydrated = source->hydrated;
    return column;
}

/* The PROJECT, unless it would hand on every column where it is. */
static bool
making_finish(struct projection *projection, struct making *making)
{
    struct builder *builder = projection->builder;
    assert(!builder->open);
    bool is_identity = making->row.count == builder->row.count && builder->op->kind != OP_UNIT &&
                       builder->op->kind != OP_ARGUMENT;
    for (uint32_t i = 0; i < making->row.count && is_identity; i++) {
        is_identity = making->exprs[i]->kind == EXPR_COLUMN && making->exprs[i]->slot == i &&
                      builder->row.columns[i].kind == making->row.columns[i].kind;
    }
    if (is_identity) {
        struct op *op = (struct op *)(uintptr_t)builder->op;
        builder->row = making->row;
        return op_seal(builder, op);
    }
    struct op *op = builder_op(builder, OP_PROJECT);
    if (!op)
        return false;
    op->exprs = making->exprs;
    op->expr_count = making->row.count;
    builder->row = making->row;
    return op_seal(builder, op);
}

/* Properties fetched of a node that is handed on are handed on too, when somebody reads them later. */
static bool
uses_property(const struct ast *ast, struct text name, struct text key)
{
    if (ast->kind == AST_PROPERTY && ast->property.subject->kind == AST_VARIABLE &&
        text_equal(ast->text, key) && text_equal(ast->property.subject->text, name))
        return true;
    for (uint32_t i = 0; i < ast_child_count(ast); i++) {
        const struct ast *child = ast_child(ast, i);
        if (child && uses_property(child, name, key))
            return true;
    }
    return false;
}

static bool
fetched_hand_on(struct projection *projection, struct making *making)
{
    struct builder *builder = projection->builder;
    for (uint32_t i = 0; i < builder->row.count && !projection->is_return; i++) {
        const struct plan_column *fetched = &builder->row.columns[i];
        if (fetched->fetch_entity == SLOT_NONE || fetched->fetch_kind != FETCH_PROPERTY)
            continue;
        for (uint32_t k = 0; k < projection->item_count; k++) {
            const struct expr *entity = making->exprs[projection->items[k].column];
            bool is_used = projection->where &&
                           uses_property(
                               projection->where, projection->items[k].name, fetched->fetch_name);
            for (uint32_t c = builder->clause_index + 1; c < builder->clause_count && !is_used; c++)
                is_used = uses_property(
                    builder->clauses[c], projection->items[k].name, fetched->fetch_name);
            if (!is_used || entity->kind != EXPR_COLUMN || entity->slot != fetched->fetch_entity)
                continue;
            const struct expr *expr = expr_column(
                builder->planner->arena, projection->clause->offset, i);
            uint32_t column = making_add(projection, making, expr, (struct text){0}, fetched->type);
            if (column == SLOT_NONE)
                return false;
            making->row.columns[column].fetch_entity = projection->items[k].column;
            making->row.columns[column].fetch_kind = fetched->fetch_kind;
            making->row.columns[column].fetch_name = fetched->fetch_name;
        }
    }
    return true;
}

/* A WHERE that names something the items do not hand on. */
static bool
where_needs_old(const struct projection *projection, const struct ast *ast)
{
    if (ast->kind == AST_VARIABLE)
        return !item_named(projection, ast->text) &&
               row_find(&projection->builder->row, ast->text) != SLOT_NONE;
    for (uint32_t i = 0; i < ast_child_count(ast); i++) {
        const struct ast *child = ast_child(ast, i);
        if (child && where_needs_old(projection, child))
            return true;
    }
    return false;
}

/* skip + limit: as many rows as can matter. */
static const struct expr *
top_limit(struct projection *projection)
{
    struct builder *builder = projection->builder;
    const struct expr *limit = expression_compile(builder, projection->limit);
    const struct expr *skip = projection->skip && limit
                                  ? expression_compile(builder, projection->skip)
                                  : NULL;
    if (!skip)
        return limit;
    return expr_binary(
        builder->planner->arena, projection->limit->offset, OPERATOR_ADD, skip, limit);
}

/* Closes the traversal; with ORDER BY and LIMIT as a top-k over the keys. Whatever the items fetch must be
 * in the traversal by now. */
static bool
traversal_close_top(struct projection *projection)
{
    struct builder *builder = projection->builder;
    struct planner *planner = builder->planner;
    bool is_top = projection->order && projection->limit && is_plain_row(projection);
    if (!is_top)
        return builder_close(builder);
    struct sort_key *keys = planner_allocate(planner, projection->key_count * sizeof(*keys));
    for (uint32_t i = 0; keys && i < projection->key_count; i++) {
        uint32_t item = item_find(projection, projection->keys[i]);
        const struct ast *key = item == SLOT_NONE ? projection->keys[i]
                                                  : projection->items[item].value;
        keys[i].expr = expression_compile(builder, key);
        keys[i].descending = projection->order->items[i]->flags & AST_FLAG_DESCENDING;
        if (!keys[i].expr)
            return false;
        is_top = is_top && expr_is_deterministic(keys[i].expr);
    }
    const struct expr *limit = keys ? top_limit(projection) : NULL;
    bool has_steps = builder->open && builder->open->step_count > 0;
    struct builder inside = *builder;
    if (!limit || !builder_close(builder))
        return false;
    if (!is_top || !has_steps)
        return true;
    assert(builder->op->kind == OP_TRAVERSE);
    struct traversal *traversal = (struct traversal *)(uintptr_t)builder->op->traversal;
    traversal->top_keys = keys;
    traversal->top_key_count = projection->key_count;
    traversal->top_limit = limit;
    builder->batched = false;
    return traversal_end_print(&inside, (struct op *)(uintptr_t)builder->op);
}

/* Whether the last step that found or followed something bound the column. */
static bool
column_is_newest(const struct open_traversal *open, uint32_t column)
{
    for (uint32_t i = open->step_count; i-- > 0;) {
        const struct step *step = &open->steps[i];
        bool binds = step->kind == STEP_SCAN || step->kind == STEP_INDEX_SEEK ||
                     step->kind == STEP_ID_SEEK || step->kind == STEP_EXPAND ||
                     step->kind == STEP_VAR_EXPAND;
        if (binds)
            return step->to_slot == column || step->rel_slot == column;
    }
    return false;
}

/* RETURN n alone, n being what the traversal ends at: its properties come along from there, which saves
 * the way back for them. Otherwise one HYDRATE for all rows is better: it reads an entity once however
 * many rows hold it, and only those that ORDER BY and LIMIT left. */
static void
result_want(struct projection *projection)
{
    struct builder *builder = projection->builder;
    uint32_t count = 0, column = SLOT_NONE;
    if (!builder->open || builder->outer || !projection->is_return || projection->order ||
        projection->limit || projection->is_distinct)
        return;
    for (uint32_t i = 0; i < projection->item_count; i++) {
        const struct ast *value = projection->items[i].value;
        if (!type_holds_entity(type_of(builder, NULL, value)))
            continue;
        column = value->kind == AST_VARIABLE ? row_find(&builder->row, value->text) : SLOT_NONE;
        count++;
    }
    if (count != 1 || column == SLOT_NONE || !column_is_newest(builder->open, column))
        return;
    uint32_t mask = builder->row.columns[column].type.mask;
    builder->row.columns[column].wanted = mask == TYPE_BIT_NODE || mask == TYPE_BIT_REL;
}

static bool
plain_prepare(struct projection *projection)
{
    struct builder *builder = projection->builder;
    result_want(projection);
    struct planner *planner = builder->planner;
    uint32_t count = 0;
    const struct ast **asts = planner_allocate(
        planner, (projection->item_count + projection->key_count + 1) * sizeof(const struct ast *));
    if (!asts)
        return false;
    for (uint32_t i = 0; i < projection->item_count; i++)
        asts[count++] = projection->items[i].value;
    for (uint32_t i = 0; i < projection->key_count; i++) {
        if (!projection->is_distinct && item_find(projection, projection->keys[i]) == SLOT_NONE)
            asts[count++] = projection->keys[i];
    }
    if (projection->predicate)
        asts[count++] = projection->predicate;
    if (!expressions_prepare(builder, asts, count))
        return false;
    if (!builder->open)
        return true;
    for (uint32_t i = 0; i < count; i++) {
        if (!expression_compile(builder, asts[i]))
            return false;
    }
    return traversal_close_top(projection);
}

/* In rows that were merged the items are all there is: an item's expression means its column. */
static bool
items_substitute(struct projection *projection)
{
    for (uint32_t i = 0; i < projection->item_count; i++) {
        const struct item *item = &projection->items[i];
        if (item->value->kind != AST_VARIABLE &&
            !substitution_add(projection->builder, item->value, item->column, true, false))
            return false;
    }
    return true;
}

/* DISTINCT, then the keys of ORDER BY that are not items, computed from what is left. */
static bool
distinct_plan(struct projection *projection)
{
    struct builder *builder = projection->builder;
    struct planner *planner = builder->planner;
    struct op *distinct = builder_op(builder, OP_DISTINCT);
    uint32_t count = 0;
    const struct ast **asts = planner_allocate(
        planner, (projection->key_count + 1) * sizeof(const struct ast *));
    if (!distinct || !asts || !op_seal(builder, distinct))
        return false;
    for (uint32_t i = 0; i < projection->key_count; i++) {
        if (item_find(projection, projection->keys[i]) == SLOT_NONE)
            asts[count++] = projection->order->items[i]->sort.value;
    }
    if (count == 0)
        return true;
    if (!items_substitute(projection))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!expression_check(builder, NULL, asts[i], CHECK_VALUE, false))
            return false;
    }
    if (!expressions_prepare(builder, asts, count))
        return false;
    for (uint32_t i = 0; i < projection->key_count; i++) {
        if (item_find(projection, projection->keys[i]) != SLOT_NONE)
            continue;
        const struct ast *key = projection->order->items[i]->sort.value;
        struct static_type type = type_of(builder, NULL, key);
        projection->key_columns[i] = builder_compute(
            builder, (struct text){0}, expression_compile(builder, key), type);
        if (projection->key_columns[i] == SLOT_NONE)
            return false;
    }
    builder->substitution_count = 0;
    return true;
}

static bool
plain_plan(struct projection *projection)
{
    struct builder *builder = projection->builder;
    if (projection->where && is_plain_row(projection) &&
        where_needs_old(projection, projection->where)) {
        projection->predicate = alias_replaced(projection, projection->where);
        if (!expression_check(builder, NULL, projection->predicate, CHECK_PREDICATE, false))
            return false;
    }
    if (!plain_prepare(projection))
        return false;
    struct making making = {0};
    for (uint32_t i = 0; i < projection->item_count; i++) {
        struct item *item = &projection->items[i];
        struct static_type type = type_of(builder, NULL, item->value);
        item->column = making_add(
            projection, &making, expression_compile(builder, item->value), item->name, type);
        if (item->column == SLOT_NONE)
            return false;
    }
    for (uint32_t i = 0; i < projection->key_count; i++) {
        uint32_t item = item_find(projection, projection->keys[i]);
        if (item != SLOT_NONE) {
            projection->key_columns[i] = projection->items[item].column;
            continue;
        }
        if (projection->is_distinct)
            continue; /* computed from the distinct rows */
        struct static_type type = type_of(builder, NULL, projection->keys[i]);
        projection->key_columns[i] = making_add(
            projection, &making, expression_compile(builder, projection->keys[i]), (struct text){0},
            type);
        if (projection->key_columns[i] == SLOT_NONE)
            return false;
    }
    if (projection->predicate) {
        projection->predicate_column = making_add(
            projection, &making, expression_compile(builder, projection->predicate),
            (struct text){0}, type_make(TYPE_BIT_BOOLEAN));
        if (projection->predicate_column == SLOT_NONE)
            return false;
    }
    if (!fetched_hand_on(projection, &making))
        return false;
    builder->substitution_count = 0;
    if (!making_finish(projection, &making))
        return false;
    return !projection->is_distinct || distinct_plan(projection);
}

/* --- with aggregates --- */

/* The aggregate calls in a tree that are not known yet. */
struct aggregates {
    const struct ast **calls;
    uint32_t count, room;
};

static bool
aggregates_collect(struct planner *planner, struct aggregates *aggregates, const struct ast *ast)
{
    if (ast_is_aggregate(ast)) {
        for (uint32_t i = 0; i < aggregates->count; i++) {
            if (ast_equal(aggregates->calls[i], ast))
                return true;
        }
        const struct ast **added = array_push(
            planner, (void **)&aggregates->calls, &aggregates->count, &aggregates->room,
            sizeof(const struct ast *));
        if (added)
            *added = ast;
        return added != NULL;
    }
    for (uint32_t i = 0; i < ast_child_count(ast); i++) {
        const struct ast *child = ast_child(ast, i);
        if (child && !aggregates_collect(planner, aggregates, child))
            return false;
    }
    return true;
}

/* A subquery inside an item with aggregates, outside the aggregate: it would need the rows before. */
static bool
subquery_outside_aggregate(const struct ast *ast)
{
    if (ast_is_aggregate(ast))
        return false;
    if (ast->kind == AST_EXISTS || ast->kind == AST_COUNT || ast->kind == AST_COLLECT ||
        ast->kind == AST_PATTERN_COMPREHENSION || ast->kind == AST_PATTERN_EXPRESSION)
        return true;
    for (uint32_t i = 0; i < ast_child_count(ast); i++) {
        const struct ast *child = ast_child(ast, i);
        if (child && subquery_outside_aggregate(child))
            return true;
    }
    return false;
}

static bool
grouped_collect(struct projection *projection, struct aggregates *aggregates, uint32_t *group_count)
{
    struct planner *planner = projection->builder->planner;
    for (uint32_t i = 0; i < projection->item_count; i++) {
        const struct item *item = &projection->items[i];
        if (!item->has_aggregate) {
            (*group_count)++;
            continue;
        }
        if (subquery_outside_aggregate(item->value))
            return planner_fail(
                planner, item->ast, ERR(UNSUPPORTED),
                "A subquery beside an aggregating function in one expression is not supported; use "
                "WITH");
        if (!aggregates_collect(planner, aggregates, item->value))
            return false;
    }
    for (uint32_t i = 0; i < projection->key_count; i++) {
        if (!aggregates_collect(planner, aggregates, projection->keys[i]))
            return false;
    }
    return true;
}

static struct static_type
aggregate_type(struct builder *builder, const struct ast *call)
{
    return type_of(builder, NULL, call);
}

static bool
aggregation_compile(struct builder *builder, const struct ast *call, struct aggregation *out)
{
    *out = (struct aggregation){.distinct = call->flags & AST_FLAG_DISTINCT};
    if (call->kind == AST_COUNT_STAR) {
        out->kind = AGGREGATE_COUNT_ROWS;
        return true;
    }
    out->kind = function_lookup(call->text)->aggregate;
    out->argument = expression_compile(builder, call->items[0]);
    if (out->argument && call->item_count > 1)
        out->argument2 = expression_compile(builder, call->items[1]);
    return out->argument && (call->item_count < 2 || out->argument2);
}

/* Everything the aggregation reads, prepared at once. */
static bool
grouped_prepare(struct projection *projection, const struct aggregates *aggregates)
{
    struct builder *builder = projection->builder;
    uint32_t room = projection->item_count + 2 * aggregates->count, count = 0;
    const struct ast **asts = planner_allocate(
        builder->planner, (room + 1) * sizeof(const struct ast *));
    if (!asts)
        return false;
    for (uint32_t i = 0; i < projection->item_count; i++) {
        if (!projection->items[i].has_aggregate)
            asts[count++] = projection->items[i].value;
    }
    for (uint32_t i = 0; i < aggregates->count; i++) {
        for (uint32_t k = 0; k < aggregates->calls[i]->item_count && k < 2; k++)
            asts[count++] = aggregates->calls[i]->items[k];
    }
    return expressions_prepare(builder, asts, count);
}

static bool
simple_key(const struct ast *ast)
{
    while (ast->kind == AST_PROPERTY)
        ast = ast->property.subject;
    return ast->kind == AST_VARIABLE;
}

static bool
aggregate_emit(
    struct projection *projection,
    const struct expr **groups,
    uint32_t group_count,
    struct aggregation *aggregations,
    uint32_t aggregate_count)
{
    struct builder *builder = projection->builder;
    if (builder->open && builder->open->step_count > 0) {
        struct traversal *traversal;
        struct op *op = builder_close_with(builder, &traversal);
        if (!op)
            return false;
        traversal->aggregate_partial = true;
        traversal->groups = groups;
        traversal->group_count = group_count;
        traversal->aggregates = aggregations;
        traversal->aggregate_count = aggregate_count;
        return traversal_end_print(builder, op);
    }
    builder->open = NULL;
    struct op *op = builder_op(builder, OP_AGGREGATE);
    if (!op)
        return false;
    op->exprs = groups;
    op->expr_count = group_count;
    op->group_count = group_count;
    op->aggregates = aggregations;
    op->aggregate_count = aggregate_count;
    return true;
}

/* The row of the aggregation: keys, then aggregates, all known as substitutions; names come later, so that
 * the items compute with what the query calls things, not with what it will call them. */
static bool
grouped_row_make(
    struct projection *projection,
    const struct aggregates *aggregates,
    const struct ast **keys,
    uint32_t key_count)
{
    struct builder *builder = projection->builder;
    struct planner *planner = builder->planner;
    struct row row = {0};
    for (uint32_t i = 0; i < key_count + aggregates->count; i++) {
        const struct ast *ast = i < key_count ? keys[i] : aggregates->calls[i - key_count];
        struct static_type type = i < key_count ? type_of(builder, NULL, ast)
                                                : aggregate_type(builder, ast);
        if (row_add(planner, &row, (struct text){0}, COLUMN_VALUE, type) == SLOT_NONE)
            return false;
    }
    builder->substitution_count = 0;
    builder->row = row;
    for (uint32_t i = 0; i < key_count + aggregates->count; i++) {
        const struct ast *ast = i < key_count ? keys[i] : aggregates->calls[i - key_count];
        if (!substitution_add(builder, ast, i, true, false))
            return false;
    }
    return op_seal(builder, (struct op *)(uintptr_t)builder->op);
}

/* Inside an item with aggregates only simple keys may be used: n, n.name. */
static bool
grouped_item_check(struct projection *projection, const struct ast *ast)
{
    struct builder *builder = projection->builder;
    if (ast_is_aggregate(ast))
        return true;
    for (uint32_t i = 0; i < builder->substitution_count; i++) {
        if (ast_equal(builder->substitutions[i].ast, ast) && simple_key(ast))
            return true;
    }
    if (ast->kind == AST_LIST_COMPREHENSION || ast->kind == AST_REDUCE ||
        (ast->kind >= AST_ALL && ast->kind <= AST_SINGLE))
        return true; /* its own variables: the compiler tells the others */
    if (ast->kind == AST_VARIABLE)
        return planner_fail(
            builder->planner, ast, ERR(SYNTAX),
            "Aggregation column contains implicit grouping expressions: `%.*s` is neither a "
            "grouping key nor inside an aggregating function",
            TEXT_ARGS(ast->text));
    for (uint32_t i = 0; i < ast_child_count(ast); i++) {
        const struct ast *child = ast_child(ast, i);
        if (child && !grouped_item_check(projection, child))
            return false;
    }
    return true;
}

static bool
grouped_items_plan(struct projection *projection)
{
    struct builder *builder = projection->builder;
    struct planner *planner = builder->planner;
    uint32_t count = projection->item_count + projection->key_count;
    const struct ast **asts = planner_allocate(planner, (count + 1) * sizeof(const struct ast *));
    if (!asts)
        return false;
    for (uint32_t i = 0; i < projection->item_count; i++) {
        const struct item *item = &projection->items[i];
        asts[i] = item->value;
        if (item->has_aggregate && !ast_is_aggregate(item->value) &&
            !grouped_item_check(projection, item->value))
            return false;
    }
    for (uint32_t i = 0; i < projection->key_count; i++)
        asts[projection->item_count + i] = item_find(projection, projection->keys[i]) == SLOT_NONE
                                               ? projection->keys[i]
                                               : NULL;
    if (!expressions_prepare(builder, asts, count))
        return false;
    struct making making = {0};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t key = i - projection->item_count;
        if (!asts[i]) {
            assert(i >= projection->item_count && projection->items);
            assert(projection->keys && projection->key_columns);
            projection->key_columns[key] =
                projection->items[item_find(projection, projection->keys[key])].column;
            continue;
        }
        struct static_type type = type_of(builder, NULL, asts[i]);
        struct text name = i < projection->item_count ? projection->items[i].name
                                                      : (struct text){0};
        uint32_t column = making_add(
            projection, &making, expression_compile_grouped(builder, asts[i]), name, type);
        if (column == SLOT_NONE)
            return false;
        if (i < projection->item_count)
            projection->items[i].column = column;
        else
            projection->key_columns[key] = column;
    }
    builder->substitution_count = 0;
    return making_finish(projection, &making);
}

static bool
grouped_plan(struct projection *projection)
{
    struct builder *builder = projection->builder;
    struct planner *planner = builder->planner;
    struct aggregates aggregates = {0};
    uint32_t group_count = 0;
    if (!grouped_collect(projection, &aggregates, &group_count) ||
        !grouped_prepare(projection, &aggregates))
        return false;
    const struct expr **groups = planner_allocate(
        planner, (group_count + 1) * sizeof(const struct expr *));
    const struct ast **keys = planner_allocate(
        planner, (group_count + 1) * sizeof(const struct ast *));
    struct aggregation *aggregations = planner_allocate(
        planner, (aggregates.count + 1) * sizeof(*aggregations));
    if (!groups || !keys || !aggregations)
        return false;
    uint32_t key_count = 0;
    for (uint32_t i = 0; i < projection->item_count; i++) {
        if (projection->items[i].has_aggregate)
            continue;
        keys[key_count] = projection->items[i].value;
        groups[key_count] = expression_compile(builder, keys[key_count]);
        if (!groups[key_count++])
            return false;
    }
    for (uint32_t i = 0; i < aggregates.count; i++) {
        if (!aggregation_compile(builder, aggregates.calls[i], &aggregations[i]))
            return false;
    }
    struct row before = builder->row;
    if (!aggregate_emit(projection, groups, group_count, aggregations, aggregates.count))
        return false;
    builder->row = before;
    if (!grouped_row_make(projection, &aggregates, keys, group_count) ||
        !grouped_items_plan(projection))
        return false;
    builder->rows = group_count == 0 ? 1 : builder->rows / 3;
    return !projection->is_distinct || !projection->has_aggregate || distinct_plan(projection);
}

/* --- ORDER BY, SKIP, LIMIT, WHERE --- */

/* Drops the hidden columns behind the items, except fetched ones. */
static bool
hidden_drop(struct projection *projection)
{
    struct builder *builder = projection->builder;
    uint32_t *kept = planner_allocate(builder->planner, builder->row.count * sizeof(*kept));
    uint32_t count = 0;
    for (uint32_t i = 0; kept && i < builder->row.count; i++) {
        bool is_fetched = builder->row.columns[i].fetch_entity != SLOT_NONE;
        if (i < projection->item_count || (is_fetched && !projection->is_return))
            kept[count++] = i;
    }
    if (!kept || count == builder->row.count)
        return kept != NULL;
    return builder_keep(builder, kept, count);
}

static bool
order_plan(struct projection *projection)
{
    struct builder *builder = projection->builder;
    struct planner *planner = builder->planner;
    if (!projection->order && !projection->skip && !projection->limit)
        return true;
    const struct expr *skip = projection->skip ? expression_compile(builder, projection->skip)
                                               : NULL;
    const struct expr *limit = projection->limit ? expression_compile(builder, projection->limit)
                                                 : NULL;
    struct op *op = planner->err ? NULL
                                 : builder_op(builder, projection->order ? OP_SORT : OP_LIMIT);
    struct sort_key *keys = planner_allocate(planner, (projection->key_count + 1) * sizeof(*keys));
    if (!op || !keys)
        return false;
    op->skip = skip;
    op->limit = limit;
    for (uint32_t i = 0; i < projection->key_count; i++) {
        const struct ast *sort = projection->order->items[i];
        keys[i].expr = expr_column(planner->arena, sort->offset, projection->key_columns[i]);
        keys[i].descending = sort->flags & AST_FLAG_DESCENDING;
        if (!keys[i].expr)
            return planner_no_memory(planner);
    }
    op->sort_keys = keys;
    op->sort_key_count = projection->key_count;
    if (projection->limit && projection->limit->kind == AST_INTEGER &&
        (double)projection->limit->word.integer < builder->rows)
        builder->rows = (double)projection->limit->word.integer;
    op->estimated_rows = builder->rows;
    return op_seal(builder, op);
}

static bool
where_plan(struct projection *projection)
{
    struct builder *builder = projection->builder;
    if (projection->predicate_column != SLOT_NONE) {
        const struct expr *expr = expr_column(
            builder->planner->arena, projection->where->offset, projection->predicate_column);
        if (!builder_filter(builder, expr))
            return false;
    }
    if (!hidden_drop(projection))
        return false;
    if (!projection->where || projection->predicate_column != SLOT_NONE)
        return true;
    if (!is_plain_row(projection) && !items_substitute(projection))
        return false;
    const struct expr *expr = expression_plan(builder, projection->where, CHECK_PREDICATE);
    return expr && builder_filter(builder, expr);
}

/* --- WITH that only hands on --- */

static bool
passes_through(const struct projection *projection)
{
    if (projection->is_return || !projection->builder->open || !is_plain_row(projection) ||
        projection->order || projection->skip || projection->limit)
        return false;
    if (projection->where && ast_has_subquery(projection->where))
        return false;
    for (uint32_t i = 0; i < projection->item_count; i++) {
        if (projection->items[i].value->kind != AST_VARIABLE)
            return false;
        for (uint32_t k = 0; k < i; k++) {
            if (text_equal(projection->items[i].value->text, projection->items[k].value->text))
                return false;
        }
    }
    return true;
}

static bool
pass_through(struct projection *projection)
{
    struct builder *builder = projection->builder;
    if (projection->where) {
        const struct ast *where = alias_replaced(projection, projection->where);
        const struct expr *expr = builder->planner->err
                                      ? NULL
                                      : expression_plan(builder, where, CHECK_PREDICATE);
        if (!expr || !builder_filter(builder, expr))
            return false;
    }
    for (uint32_t i = 0; i < builder->row.count; i++) {
        struct plan_column *column = &builder->row.columns[i];
        struct text name = {0};
        for (uint32_t k = 0; column->name.data && k < projection->item_count; k++) {
            if (text_equal(projection->items[k].value->text, column->name))
                name = projection->items[k].name;
        }
        column->name = name;
    }
    return true;
}
