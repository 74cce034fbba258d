/* Syntax tree to compiled expression.
 *
 * Compiled expressions never read the store (plan.h, rule 2). So before an expression can be compiled
 * against a row, three things may have to be put into the row:
 *
 *      EXISTS { }, (a)-->(b), [(a)-->(b) | b.x]   an APPLY adds a column            (prepare)
 *      labels(n), n[$key], [x IN xs | x.name]     entities are hydrated             (prepare)
 *      n.name, n:Label                            FETCH adds a column               (compile)
 *
 * The first two may close the open traversal and so renumber columns; the third only appends. Hence:
 * prepare everything an operator needs, then compile. */

#include "base/assert.h"
#include "engine/plan/planner.h"

/* --- what is in a tree --- */

bool
ast_is_aggregate(const struct ast *ast)
{
    if (ast->kind == AST_COUNT_STAR)
        return true;
    if (ast->kind != AST_FUNCTION)
        return false;
    const struct function *function = function_lookup(ast->text);
    return function && (function->flags & FUNCTION_AGGREGATE);
}

static bool
ast_is_subquery(const struct ast *ast)
{
    return ast->kind == AST_EXISTS || ast->kind == AST_COUNT || ast->kind == AST_COLLECT ||
           ast->kind == AST_PATTERN_COMPREHENSION || ast->kind == AST_PATTERN_EXPRESSION;
}

bool
ast_has_aggregate(const struct ast *ast)
{
    if (ast_is_aggregate(ast))
        return true;
    for (uint32_t i = 0; !ast_is_subquery(ast) && i < ast_child_count(ast); i++) {
        const struct ast *child = ast_child(ast, i);
        if (child && ast_has_aggregate(child))
            return true;
    }
    return false;
}

bool
ast_has_subquery(const struct ast *ast)
{
    if (ast_is_subquery(ast))
        return true;
    for (uint32_t i = 0; i < ast_child_count(ast); i++) {
        const struct ast *child = ast_child(ast, i);
        if (child && ast_has_subquery(child))
            return true;
    }
    return false;
}

static const struct substitution *
substitution_find(const struct builder *builder, const struct ast *ast)
{
    for (uint32_t i = 0; i < builder->substitution_count; i++) {
        const struct substitution *known = &builder->substitutions[i];
        if (known->ast == ast || (known->by_structure && ast_equal(known->ast, ast)))
            return known;
    }
    return NULL;
}

bool
substitution_add(
    struct builder *builder, const struct ast *ast, uint32_t column, bool by_structure, bool head)
{
    struct substitution *added = array_push(
        builder->planner, (void **)&builder->substitutions, &builder->substitution_count,
        &builder->substitution_room, sizeof(*added));
    if (!added)
        return false;
    *added = (struct substitution){
        .ast = ast, .column = column, .by_structure = by_structure, .head = head};
    builder->row.columns[column].shown = true;
    return true;
}

static const struct local *
local_find(const struct local *locals, struct text name)
{
    for (; locals; locals = locals->outer) {
        if (text_equal(locals->name, name))
            return locals;
    }
    return NULL;
}

/* --- prepare: subqueries --- */

static bool
names_local(const struct ast *ast, const struct local *locals)
{
    if (ast->kind == AST_VARIABLE && local_find(locals, ast->text))
        return true;
    for (uint32_t i = 0; i < ast_child_count(ast); i++) {
        const struct ast *child = ast_child(ast, i);
        if (child && names_local(child, locals))
            return true;
    }
    return false;
}

/* The variables a list expression adds, as far as their names matter. */
static const struct local *
locals_enter(
    const struct ast *ast,
    const struct local *locals,
    struct local *item,
    struct local *accumulator)
{
    if (ast->kind == AST_LIST_COMPREHENSION || (ast->kind >= AST_ALL && ast->kind <= AST_SINGLE)) {
        item->name = ast->list_comprehension.variable->text;
        return item;
    }
    if (ast->kind != AST_REDUCE)
        return locals;
    accumulator->name = ast->reduce.accumulator->text;
    *item = (struct local){.name = ast->reduce.variable->text, .outer = accumulator};
    return item;
}

static bool
subqueries_prepare(struct builder *builder, const struct local *locals, const struct ast *ast)
{
    struct planner *planner = builder->planner;
    if (planner->err || substitution_find(builder, ast))
        return !planner->err;
    if (ast_is_subquery(ast)) {
        if (locals && names_local(ast, locals))
            return planner_fail(
                planner, ast, ERR(UNSUPPORTED),
                "A pattern or subquery that uses the variable of a list expression is not "
                "supported; use UNWIND");
        return subquery_expression_plan(builder, ast);
    }
    struct local item = {.outer = locals}, accumulator = {.outer = locals};
    const struct local *inner = locals_enter(ast, locals, &item, &accumulator);
    for (uint32_t i = 0; i < ast_child_count(ast); i++) {
        const struct ast *child = ast_child(ast, i);
        if (child && !subqueries_prepare(builder, inner, child))
            return false;
    }
    return true;
}

/* --- prepare: startNode(r).name --- */

/* The value of startNode and endNode is a node without properties even when the relationship has its own.
 * So where properties of such a node are read, it becomes a column first, and then it is like a variable. */
static bool
has_end_function(const struct ast *ast)
{
    if (ast->kind == AST_FUNCTION && (text_equal_fold(ast->text, TEXT("startNode")) ||
                                      text_equal_fold(ast->text, TEXT("endNode"))))
        return true;
    for (uint32_t i = 0; i < ast_child_count(ast); i++) {
        const struct ast *child = ast_child(ast, i);
        if (child && has_end_function(child))
            return true;
    }
    return false;
}

/* What the expression reads labels or properties of; NULL when it reads none. */
static const struct ast *
reader_subject(const struct ast *ast)
{
    if (ast->kind == AST_PROPERTY || ast->kind == AST_INDEX || ast->kind == AST_LABEL_TEST)
        return ast->slot[0];
    const struct function *function = ast->kind == AST_FUNCTION ? function_lookup(ast->text) : NULL;
    return function && (function->flags & FUNCTION_READS_ENTITY) && ast->item_count > 0
               ? ast->items[0]
               : NULL;
}

static bool
ends_prepare(struct builder *builder, const struct local *locals, const struct ast *ast)
{
    struct planner *planner = builder->planner;
    if (ast_is_subquery(ast) || substitution_find(builder, ast))
        return !planner->err;
    struct local item = {.outer = locals}, accumulator = {.outer = locals};
    locals = locals_enter(ast, locals, &item, &accumulator);
    for (uint32_t i = 0; i < ast_child_count(ast); i++) {
        const struct ast *child = ast_child(ast, i);
        if (child && !ends_prepare(builder, locals, child))
            return false;
    }
    const struct ast *subject = reader_subject(ast);
    if (!subject || subject->kind == AST_VARIABLE || !has_end_function(subject) ||
        substitution_find(builder, subject))
        return !planner->err;
    if (locals && names_local(subject, locals))
        return planner_fail(
            planner, subject, ERR(UNSUPPORTED),
            "Reading from startNode() or endNode() of a list expression's variable is not "
            "supported; use UNWIND");
    struct static_type type = type_of(builder, NULL, subject);
    uint32_t column = builder_compute(
        builder, (struct text){0}, expression_compile(builder, subject), type);
    return column != SLOT_NONE && substitution_add(builder, subject, column, false, false);
}

/* --- prepare: hydration --- */

static void
hydration_walk(struct builder *builder, const struct local *locals, const struct ast *ast);

/* Marks the columns the entities in the value of `ast` come from. */
static void
sources_mark(struct builder *builder, const struct local *locals, const struct ast *ast)
{
    const struct substitution *known = substitution_find(builder, ast);
    if (known) {
        builder->row.columns[known->column].wanted = true;
        return;
    }
    if (ast->kind == AST_VARIABLE) {
        const struct local *local = local_find(locals, ast->text);
        if (local) {
            if (local->source)
                sources_mark(builder, local->outer, local->source);
            if (local->source2)
                sources_mark(builder, local->outer, local->source2);
            return;
        }
        uint32_t column = row_find(&builder->row, ast->text);
        if (column != SLOT_NONE)
            builder->row.columns[column].wanted = true;
        return;
    }
    for (uint32_t i = 0; i < ast_child_count(ast); i++) {
        const struct ast *child = ast_child(ast, i);
        if (child)
            sources_mark(builder, locals, child);
    }
}

/* The column of a variable that is surely a node, a relationship or null; SLOT_NONE otherwise. */
static uint32_t
entity_column(const struct builder *builder, const struct local *locals, const struct ast *ast)
{
    const struct substitution *known = substitution_find(builder, ast);
    bool is_variable = ast->kind == AST_VARIABLE && !local_find(locals, ast->text);
    uint32_t column = known && !known->head ? known->column
                      : is_variable         ? row_find(&builder->row, ast->text)
                                            : SLOT_NONE;
    if (column == SLOT_NONE || !type_is_entity(builder->row.columns[column].type))
        return SLOT_NONE;
    return column;
}

static bool
column_is_hydrated(const struct builder *builder, uint32_t column)
{
    return builder->row.columns[column].hydrated ||
           builder->row.columns[column].hydrated_slot != SLOT_NONE;
}

static uint32_t
fetched_column(
    const struct builder *builder, uint32_t entity, enum fetch_kind kind, struct text name)
{
    for (uint32_t i = 0; i < builder->row.count; i++) {
        const struct plan_column *column = &builder->row.columns[i];
        if (column->fetch_entity == entity && column->fetch_kind == kind &&
            text_equal(column->fetch_name, name))
            return i;
    }
    return SLOT_NONE;
}

/* A step that needs the row at an entity drops rows where it is null; so what may be null is read at home. */
static void
nullable_mark(struct builder *builder, uint32_t column)
{
    if (builder->row.columns[column].type.mask & TYPE_BIT_NULL)
        builder->needs_home = true;
}

static bool
labels_have_any(const struct ast *labels)
{
    if (labels->kind == AST_LABEL_ANY)
        return true;
    for (uint32_t i = 0; i < 2; i++) {
        if (labels->slot[i] && labels_have_any(labels->slot[i]))
            return true;
    }
    return false;
}

static void
hydration_walk_reader(struct builder *builder, const struct local *locals, const struct ast *ast)
{
    const struct ast *subject = ast->slot[0];
    bool is_label_test = ast->kind == AST_LABEL_TEST;
    uint32_t column = entity_column(builder, locals, subject);
    bool is_fetched = (ast->kind == AST_PROPERTY || is_label_test) && column != SLOT_NONE;
    if (is_fetched && !(is_label_test && labels_have_any(ast->label_test.labels))) {
        if (is_label_test ||
            fetched_column(builder, column, FETCH_PROPERTY, ast->text) == SLOT_NONE)
            nullable_mark(builder, column);
        return;
    }
    if (type_holds_entity(type_of(builder, locals, subject)))
        sources_mark(builder, locals, subject);
    hydration_walk(builder, locals, subject);
    if (ast->kind == AST_INDEX)
        hydration_walk(builder, locals, ast->index.index);
}

static void
hydration_walk_children(struct builder *builder, const struct local *locals, const struct ast *ast)
{
    for (uint32_t i = 0; i < ast_child_count(ast); i++) {
        const struct ast *child = ast_child(ast, i);
        if (child)
            hydration_walk(builder, locals, child);
    }
}

static void
hydration_walk_reduce(struct builder *builder, const struct local *locals, const struct ast *ast)
{
    hydration_walk(builder, locals, ast->reduce.initial);
    hydration_walk(builder, locals, ast->reduce.list);
    struct local accumulator = {
        .name = ast->reduce.accumulator->text,
        .type = type_of(builder, locals, ast),
        .source = ast->reduce.initial,
        .source2 = ast->reduce.list,
        .outer = locals,
    };
    struct local item = {
        .name = ast->reduce.variable->text,
        .type = type_item(type_of(builder, locals, ast->reduce.list)),
        .source = ast->reduce.list,
        .outer = &accumulator,
    };
    hydration_walk(builder, &item, ast->reduce.result);
}

/* Marks the columns that must be hydrated for the expression. */
static void
hydration_walk(struct builder *builder, const struct local *locals, const struct ast *ast)
{
    if (substitution_find(builder, ast))
        return;
    switch (ast->kind) {
    case AST_PROPERTY:
    case AST_INDEX:
    case AST_LABEL_TEST:
        hydration_walk_reader(builder, locals, ast);
        return;
    case AST_MAP_PROJECTION:
        if (type_holds_entity(type_of(builder, locals, ast->map_projection.subject)))
            sources_mark(builder, locals, ast->map_projection.subject);
        hydration_walk_children(builder, locals, ast);
        return;
    case AST_FUNCTION: {
        const struct function *function = function_lookup(ast->text);
        bool reads = function && (function->flags & FUNCTION_READS_ENTITY) && ast->item_count > 0;
        if (reads && type_holds_entity(type_of(builder, locals, ast->items[0])))
            sources_mark(builder, locals, ast->items[0]);
        hydration_walk_children(builder, locals, ast);
        return;
    }
    case AST_LIST_COMPREHENSION:
    case AST_ALL:
    case AST_ANY:
    case AST_NONE:
    case AST_SINGLE: {
        const struct ast *list = ast->list_comprehension.list;
        hydration_walk(builder, locals, list);
        struct local local = {
            .name = ast->list_comprehension.variable->text,
            .type = type_item(type_of(builder, locals, list)),
            .source = list,
            .outer = locals,
        };
        for (uint32_t i = 2; i < 4; i++) {
            if (ast->slot[i])
                hydration_walk(builder, &local, ast->slot[i]);
        }
        return;
    }
    case AST_REDUCE:
        hydration_walk_reduce(builder, locals, ast);
        return;
    default:
        hydration_walk_children(builder, locals, ast);
    }
}

bool
builder_hydrate(struct builder *builder)
{
    struct planner *planner = builder->planner;
    uint32_t wanted_count = 0;
    bool in_traversal = builder->open != NULL;
    for (uint32_t i = 0; i < builder->row.count; i++) {
        struct plan_column *column = &builder->row.columns[i];
        column->wanted = column->wanted && !column_is_hydrated(builder, i) &&
                         type_holds_entity(column->type);
        wanted_count += column->wanted;
        column->shown = column->shown || column->wanted;
        if (column->wanted &&
            (!type_is_entity(column->type) || (column->type.mask & TYPE_BIT_NULL)))
            in_traversal = false;
    }
    if (wanted_count == 0)
        return !planner->err;
    if (in_traversal) {
        uint32_t count = builder->row.count;
        for (uint32_t i = 0; i < count; i++) {
            if (!builder->row.columns[i].wanted)
                continue;
            builder->row.columns[i].wanted = false;
            struct static_type type = builder->row.columns[i].type;
            if (!builder_move(builder, i))
                return false;
            struct step *step = builder_step(builder, STEP_HYDRATE);
            uint32_t slot = row_add(planner, &builder->row, (struct text){0}, COLUMN_VALUE, type);
            if (!step || slot == SLOT_NONE)
                return false;
            step->from_slot = i;
            step->to_slot = slot;
            builder->row.columns[slot].hydrated = true;
            builder->row.columns[i].hydrated_slot = slot;
        }
        return true;
    }
    if (!builder_close(builder))
        return false;
    struct op *op = builder_op(builder, OP_HYDRATE);
    uint32_t *slots = planner_allocate(planner, builder->row.count * sizeof(*slots));
    if (!op || !slots)
        return false;
    op->slots = slots;
    for (uint32_t i = 0; i < builder->row.count; i++) {
        struct plan_column *column = &builder->row.columns[i];
        if (!column->wanted)
            continue;
        slots[op->slot_count++] = i;
        column->wanted = false;
        column->hydrated = true;
        column->kind = COLUMN_VALUE;
    }
    return op_seal(builder, op);
}

bool
expressions_prepare(struct builder *builder, const struct ast *const *asts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (asts[i] && !subqueries_prepare(builder, NULL, asts[i]))
            return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (asts[i] && !ends_prepare(builder, NULL, asts[i]))
            return false;
    }
    builder->needs_home = false;
    for (uint32_t i = 0; i < count; i++) {
        if (asts[i])
            hydration_walk(builder, NULL, asts[i]);
    }
    if (builder->needs_home && !builder_close(builder))
        return false;
    return builder_hydrate(builder);
}

/* --- fetching --- */

bool
builder_move(struct builder *builder, uint32_t entity)
{
    if (!builder_open(builder))
        return false;
    struct open_traversal *open = builder->open;
    const struct plan_column *column = &builder->row.columns[entity];
    uint32_t target = column->home != SLOT_NONE ? column->home : entity;
    if (open->at == target || open->at == entity)
        return true;
    struct step *step = builder_step(builder, STEP_MOVE);
    if (!step)
        return false;
    step->from_slot = target;
    open->at = target;
    return true;
}

/* Adds one fetch to the last of `count` fetches; the arrays are small and copied. */
static bool
fetch_append(
    struct planner *planner, const struct fetch **fetches, uint32_t *count, struct fetch fetch)
{
    struct fetch *grown = planner_allocate(planner, (*count + 1) * sizeof(*grown));
    if (!grown)
        return false;
    if (*count)
        memcpy(grown, *fetches, *count * sizeof(*grown));
    grown[(*count)++] = fetch;
    *fetches = grown;
    return true;
}

static uint32_t
fetch_emit(
    struct builder *builder,
    uint32_t entity,
    enum fetch_kind kind,
    struct text name,
    uint32_t token)
{
    struct planner *planner = builder->planner;
    struct static_type type = type_make(
        kind == FETCH_LABEL ? TYPE_BIT_BOOLEAN | TYPE_BIT_NULL
                            : (uint32_t)(TYPE_MASK_PLAIN & ~TYPE_BIT_MAP));
    if (builder->open && !builder_move(builder, entity))
        return SLOT_NONE;
    struct fetch fetch = {
        .kind = (uint8_t)kind, .entity_slot = entity, .key = token, .slot = builder->row.count};
    if (builder->open) {
        struct open_traversal *open = builder->open;
        struct step *step = open->step_count ? &open->steps[open->step_count - 1] : NULL;
        if (!step || step->kind != STEP_FETCH || step->fetches[0].entity_slot != entity)
            step = builder_step(builder, STEP_FETCH);
        if (!step || !fetch_append(planner, &step->fetches, &step->fetch_count, fetch))
            return SLOT_NONE;
    }
    struct op *op = NULL;
    if (!builder->open) {
        op = builder->op->kind == OP_FETCH && builder->op->column_count == builder->row.count
                 ? (struct op *)(uintptr_t)builder->op
                 : builder_op(builder, OP_FETCH);
        if (!op || !fetch_append(planner, &op->fetches, &op->fetch_count, fetch))
            return SLOT_NONE;
    }
    uint32_t slot = row_add(planner, &builder->row, (struct text){0}, COLUMN_VALUE, type);
    if (slot == SLOT_NONE)
        return SLOT_NONE;
    struct plan_column *column = &builder->row.columns[slot];
    column->fetch_entity = entity;
    column->fetch_kind = (uint8_t)kind;
    column->fetch_name = name;
    if (op && !op_seal(builder, op))
        return SLOT_NONE;
    return slot;
}

uint32_t
builder_fetch(struct builder *builder, uint32_t entity, enum fetch_kind kind, struct text name)
{
    uint32_t slot = fetched_column(builder, entity, kind, name);
    if (slot != SLOT_NONE)
        return slot;
    uint32_t token = token_find(
        builder->planner, kind == FETCH_LABEL ? TOKEN_LABEL : TOKEN_KEY, name);
    return fetch_emit(builder, entity, kind, name, token);
}

bool
builder_fetch_keys(
    struct builder *builder, uint32_t entity, const struct text *keys, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (builder_fetch(builder, entity, FETCH_PROPERTY, keys[i]) == SLOT_NONE)
            return false;
    }
    return true;
}

/* --- compile --- */

struct compiler {
    struct builder *builder;
    bool grouped;
};

static const struct expr *
compile(struct compiler *compiler, const struct local *locals, const struct ast *ast);

/* For the constructors of expr.h: NULL means no memory, unless an error is set already. */
static const struct expr *
checked(struct compiler *compiler, const struct expr *expr)
{
    if (!expr)
        planner_no_memory(compiler->builder->planner);
    return expr;
}

static struct expr *
compile_new(
    struct compiler *compiler, enum expr_kind kind, const struct ast *ast, uint32_t child_count)
{
    struct planner *planner = compiler->builder->planner;
    if (planner->err)
        return NULL;
    struct expr *expr = expr_new(planner->arena, kind, ast->offset, child_count);
    if (!expr)
        planner_no_memory(planner);
    return expr;
}

static const struct expr *
compile_column(struct compiler *compiler, const struct ast *ast, uint32_t column)
{
    struct builder *builder = compiler->builder;
    uint32_t hydrated = builder->row.columns[column].hydrated_slot;
    return checked(
        compiler,
        expr_column(
            builder->planner->arena, ast->offset, hydrated != SLOT_NONE ? hydrated : column));
}

static const struct expr *
compile_variable(struct compiler *compiler, const struct local *locals, const struct ast *ast)
{
    struct builder *builder = compiler->builder;
    const struct local *local = local_find(locals, ast->text);
    if (local)
        return checked(compiler, expr_local(builder->planner->arena, ast->offset, local->slot));
    uint32_t column = row_find(&builder->row, ast->text);
    if (column != SLOT_NONE)
        return compile_column(compiler, ast, column);
    if (compiler->grouped)
        planner_fail(
            builder->planner, ast, ERR(SYNTAX),
            "Aggregation column contains implicit grouping expressions: `%.*s` is neither a "
            "grouping key nor inside an aggregating function",
            TEXT_ARGS(ast->text));
    else
        planner_fail(
            builder->planner, ast, ERR(SYNTAX), "Variable `%.*s` not defined",
            TEXT_ARGS(ast->text));
    return NULL;
}

static const struct expr *
compile_substituted(
    struct compiler *compiler, const struct ast *ast, const struct substitution *known)
{
    const struct expr *column = compile_column(compiler, ast, known->column);
    if (!known->head || !column)
        return column;
    return expression_call(compiler->builder, "head", column, ast->offset);
}

const struct expr *
expression_call(
    struct builder *builder, const char *name, const struct expr *argument, uint32_t offset)
{
    struct compiler compiler = {.builder = builder};
    struct ast at = {.offset = offset};
    const struct function *function = function_lookup(text_of(name));
    assert(function);
    struct expr *call = argument ? compile_new(&compiler, EXPR_CALL, &at, 1) : NULL;
    if (!call)
        return NULL;
    call->function = function;
    call->children[0] = argument;
    return call;
}

/* items[from .. to) joined by AND, OR or XOR as a balanced tree: a long chain must not become deep. */
static const struct expr *
compile_chain(
    struct compiler *compiler,
    const struct local *locals,
    const struct ast *ast,
    uint32_t from,
    uint32_t to,
    enum expr_operator op)
{
    assert(from < to);
    if (to - from == 1)
        return compile(compiler, locals, ast->items[from]);
    uint32_t middle = from + (to - from) / 2;
    const struct expr *left = compile_chain(compiler, locals, ast, from, middle, op);
    const struct expr *right = left ? compile_chain(compiler, locals, ast, middle, to, op) : NULL;
    if (!right)
        return NULL;
    return checked(
        compiler, expr_binary(compiler->builder->planner->arena, ast->offset, op, left, right));
}

/* Whether an entity has the labels of a label expression. `entity` is a column that FETCH can look at, or
 * SLOT_NONE; then `subject` is hydrated, or a relationship. */
static const struct expr *
compile_labels(
    struct compiler *compiler,
    const struct ast *labels,
    uint32_t entity,
    const struct expr *subject,
    bool is_rel)
{
    struct builder *builder = compiler->builder;
    struct arena *arena = builder->planner->arena;
    if (labels->kind == AST_LABEL_AND || labels->kind == AST_LABEL_OR) {
        const struct expr *left = compile_labels(
            compiler, labels->label_or.left, entity, subject, is_rel);
        const struct expr *right =
            left ? compile_labels(compiler, labels->label_or.right, entity, subject, is_rel) : NULL;
        enum expr_operator op = labels->kind == AST_LABEL_AND ? OPERATOR_AND : OPERATOR_OR;
        return right ? checked(compiler, expr_binary(arena, labels->offset, op, left, right))
                     : NULL;
    }
    if (labels->kind == AST_LABEL_NOT) {
        const struct expr *operand = compile_labels(
            compiler, labels->label_not.operand, entity, subject, is_rel);
        return operand ? checked(compiler, expr_unary(arena, labels->offset, OPERATOR_NOT, operand))
                       : NULL;
    }
    if (is_rel) {
        const struct expr *type = expression_call(builder, "type", subject, labels->offset);
        if (!type || labels->kind == AST_LABEL_ANY)
            return type ? checked(
                              compiler,
                              expr_unary(arena, labels->offset, OPERATOR_IS_NOT_NULL, type))
                        : NULL;
        const struct expr *name = expr_literal(arena, labels->offset, value_string(labels->text));
        return checked(compiler, expr_binary(arena, labels->offset, OPERATOR_EQUAL, type, name));
    }
    if (entity != SLOT_NONE) {
        uint32_t slot = builder_fetch(builder, entity, FETCH_LABEL, labels->text);
        return slot == SLOT_NONE ? NULL
                                 : checked(compiler, expr_column(arena, labels->offset, slot));
    }
    struct expr *test = compile_new(compiler, EXPR_LABEL_TEST, labels, 1);
    if (!test || !subject)
        return NULL;
    test->children[0] = subject;
    test->name = labels->kind == AST_LABEL_ANY ? (struct text){0} : labels->text;
    return test;
}

static const struct expr *
compile_label_test(struct compiler *compiler, const struct local *locals, const struct ast *ast)
{
    struct builder *builder = compiler->builder;
    uint32_t column = entity_column(builder, locals, ast->label_test.subject);
    bool is_rel = false;
    if (column != SLOT_NONE) {
        is_rel = !(builder->row.columns[column].type.mask & TYPE_BIT_NODE);
        if (column_is_hydrated(builder, column) ||
            (builder->row.columns[column].type.mask & TYPE_BIT_REL))
            column = SLOT_NONE;
    }
    const struct expr *subject = column == SLOT_NONE
                                     ? compile(compiler, locals, ast->label_test.subject)
                                     : NULL;
    if (column == SLOT_NONE && !subject)
        return NULL;
    return compile_labels(compiler, ast->label_test.labels, column, subject, is_rel);
}

static const struct expr *
compile_property(struct compiler *compiler, const struct local *locals, const struct ast *ast)
{
    struct builder *builder = compiler->builder;
    uint32_t column = entity_column(builder, locals, ast->property.subject);
    if (column != SLOT_NONE && !column_is_hydrated(builder, column)) {
        uint32_t slot = builder_fetch(builder, column, FETCH_PROPERTY, ast->text);
        return slot == SLOT_NONE
                   ? NULL
                   : checked(compiler, expr_column(builder->planner->arena, ast->offset, slot));
    }
    const struct expr *subject = compile(compiler, locals, ast->property.subject);
    return subject ? checked(
                         compiler,
                         expr_property(builder->planner->arena, ast->offset, subject, ast->text))
                   : NULL;
}

/* A node whose children are the slots of the tree. */
static const struct expr *
compile_slots(
    struct compiler *compiler,
    const struct local *locals,
    const struct ast *ast,
    enum expr_kind kind,
    uint32_t count)
{
    struct expr *expr = compile_new(compiler, kind, ast, count);
    for (uint32_t i = 0; expr && i < count; i++) {
        if (!ast->slot[i])
            continue;
        expr->children[i] = compile(compiler, locals, ast->slot[i]);
        if (!expr->children[i])
            return NULL;
    }
    return expr;
}

static const struct expr *
compile_binary(
    struct compiler *compiler,
    const struct local *locals,
    const struct ast *ast,
    enum expr_operator op)
{
    const struct expr *left = compile(compiler, locals, ast->binary.left);
    const struct expr *right = left ? compile(compiler, locals, ast->binary.right) : NULL;
    if (!right)
        return NULL;
    return checked(
        compiler, expr_binary(compiler->builder->planner->arena, ast->offset, op, left, right));
}

static const struct expr *
compile_unary(
    struct compiler *compiler,
    const struct local *locals,
    const struct ast *ast,
    enum expr_operator op)
{
    const struct expr *operand = compile(compiler, locals, ast->unary.operand);
    if (!operand)
        return NULL;
    return checked(
        compiler, expr_unary(compiler->builder->planner->arena, ast->offset, op, operand));
}

/* Lists, maps and calls: children are the items. */
static const struct expr *
compile_items(
    struct compiler *compiler,
    const struct local *locals,
    const struct ast *ast,
    enum expr_kind kind)
{
    struct expr *expr = compile_new(compiler, kind, ast, ast->item_count);
    struct text *keys = NULL;
    if (kind == EXPR_MAP && expr) {
        keys = planner_allocate(compiler->builder->planner, ast->item_count * sizeof(*keys));
        if (!keys)
            return NULL;
        expr->keys = keys;
    }
    for (uint32_t i = 0; expr && i < ast->item_count; i++) {
        const struct ast *item = kind == EXPR_MAP ? ast->items[i]->entry.value : ast->items[i];
        if (keys)
            keys[i] = ast->items[i]->text;
        expr->children[i] = compile(compiler, locals, item);
        if (!expr->children[i])
            return NULL;
    }
    return expr;
}

static const struct expr *
compile_function(struct compiler *compiler, const struct local *locals, const struct ast *ast)
{
    struct planner *planner = compiler->builder->planner;
    const struct function *function = function_lookup(ast->text);
    bool is_exists = text_equal_fold(ast->text, TEXT("exists")) && ast->item_count == 1;
    if (is_exists && ast_is_subquery(ast->items[0]))
        return compile(compiler, locals, ast->items[0]);
    if (!function || (function->flags & FUNCTION_AGGREGATE)) {
        planner_fail(
            planner, ast, ERR(SYNTAX),
            "Invalid use of aggregating function %.*s(...) in this context", TEXT_ARGS(ast->text));
        return NULL;
    }
    struct expr *call = (struct expr *)(uintptr_t)compile_items(compiler, locals, ast, EXPR_CALL);
    if (call)
        call->function = function;
    return call;
}

static const struct expr *
compile_type_test(struct compiler *compiler, const struct local *locals, const struct ast *ast)
{
    const struct expr *operand = compile(compiler, locals, ast->is_type.operand);
    const struct expr_type *type = operand ? type_test_compile(compiler->builder->planner, ast)
                                           : NULL;
    struct expr *expr = type ? compile_new(compiler, EXPR_TYPE_TEST, ast, 1) : NULL;
    if (!expr)
        return NULL;
    expr->children[0] = operand;
    expr->type = type;
    return expr;
}

static const struct expr *
compile_map_projection(struct compiler *compiler, const struct local *locals, const struct ast *ast)
{
    struct expr *expr = compile_new(compiler, EXPR_MAP_PROJECTION, ast, ast->item_count + 1);
    struct text *keys = planner_allocate(
        compiler->builder->planner, ast->item_count * sizeof(*keys));
    if (!expr || !keys)
        return NULL;
    expr->keys = keys;
    expr->children[0] = compile(compiler, locals, ast->map_projection.subject);
    if (!expr->children[0])
        return NULL;
    for (uint32_t i = 0; i < ast->item_count; i++) {
        const struct ast *item = ast->items[i];
        if (item->kind == AST_PROJECT_ALL)
            continue;
        keys[i] = item->text;
        if (item->kind == AST_PROJECT_KEY)
            continue;
        expr->children[i + 1] = compile(
            compiler, locals, item->kind == AST_ENTRY ? item->entry.value : item);
        if (!expr->children[i + 1])
            return NULL;
    }
    return expr;
}

static const struct expr *
compile_case(struct compiler *compiler, const struct local *locals, const struct ast *ast)
{
    uint32_t first = ast->case_.subject ? 1 : 0;
    enum expr_kind kind = first ? EXPR_CASE_SIMPLE : EXPR_CASE_SEARCHED;
    struct expr *expr = compile_new(compiler, kind, ast, first + 2 * ast->item_count + 1);
    if (!expr)
        return NULL;
    if (first && !(expr->children[0] = compile(compiler, locals, ast->case_.subject)))
        return NULL;
    for (uint32_t i = 0; i < ast->item_count; i++) {
        const struct expr *when = compile(compiler, locals, ast->items[i]->when.condition);
        const struct expr *then = when ? compile(compiler, locals, ast->items[i]->when.result)
                                       : NULL;
        if (!then)
            return NULL;
        expr->children[first + 2 * i] = when;
        expr->children[first + 2 * i + 1] = then;
    }
    if (ast->case_.fallback) {
        expr->children[expr->child_count - 1] = compile(compiler, locals, ast->case_.fallback);
        if (!expr->children[expr->child_count - 1])
            return NULL;
    }
    return expr;
}

/* A new local inside `outer`. */
static struct local
local_make(
    struct compiler *compiler, const struct local *outer, struct text name, struct static_type type)
{
    struct local local = {
        .name = name, .type = type, .outer = outer, .slot = outer ? outer->slot + 1 : 0};
    struct planner *planner = compiler->builder->planner;
    if (local.slot + 1 > planner->local_count)
        planner->local_count = local.slot + 1;
    return local;
}

static const struct expr *
compile_iteration(struct compiler *compiler, const struct local *locals, const struct ast *ast)
{
    bool is_comprehension = ast->kind == AST_LIST_COMPREHENSION;
    const struct ast *list = ast->list_comprehension.list, *where = ast->list_comprehension.where;
    enum expr_kind kind = is_comprehension        ? EXPR_COMPREHENSION
                          : ast->kind == AST_ALL  ? EXPR_ALL
                          : ast->kind == AST_ANY  ? EXPR_ANY
                          : ast->kind == AST_NONE ? EXPR_NONE
                                                  : EXPR_SINGLE;
    struct expr *expr = compile_new(compiler, kind, ast, is_comprehension ? 3 : 2);
    if (!expr)
        return NULL;
    struct local local = local_make(
        compiler, locals, ast->list_comprehension.variable->text,
        type_item(type_of(compiler->builder, locals, list)));
    expr->slot = local.slot;
    expr->children[0] = compile(compiler, locals, list);
    if (where)
        expr->children[1] = compile(compiler, &local, where);
    else if (!is_comprehension)
        expr->children[1] = checked(
            compiler, expr_local(compiler->builder->planner->arena, ast->offset, local.slot));
    if (is_comprehension && ast->list_comprehension.result)
        expr->children[2] = compile(compiler, &local, ast->list_comprehension.result);
    return compiler->builder->planner->err ? NULL : expr;
}

static const struct expr *
compile_reduce(struct compiler *compiler, const struct local *locals, const struct ast *ast)
{
    struct builder *builder = compiler->builder;
    struct expr *expr = compile_new(compiler, EXPR_REDUCE, ast, 3);
    if (!expr)
        return NULL;
    struct local accumulator = local_make(
        compiler, locals, ast->reduce.accumulator->text, type_of(builder, locals, ast));
    struct local item = local_make(
        compiler, &accumulator, ast->reduce.variable->text,
        type_item(type_of(builder, locals, ast->reduce.list)));
    expr->slot = item.slot;
    expr->slot2 = accumulator.slot;
    expr->children[0] = compile(compiler, locals, ast->reduce.initial);
    expr->children[1] = compile(compiler, locals, ast->reduce.list);
    expr->children[2] = compile(compiler, &item, ast->reduce.result);
    return builder->planner->err ? NULL : expr;
}

static const struct expr *
compile_literal(struct compiler *compiler, const struct ast *ast)
{
    struct value value = value_null();
    if (ast->kind == AST_BOOLEAN)
        value = value_boolean(ast->word.boolean);
    else if (ast->kind == AST_INTEGER)
        value = value_integer(ast->word.integer);
    else if (ast->kind == AST_FLOAT)
        value = value_float(ast->word.real);
    else if (ast->kind == AST_STRING)
        value = value_string(ast->text);
    return checked(compiler, expr_literal(compiler->builder->planner->arena, ast->offset, value));
}

static enum expr_operator
binary_operator(enum ast_kind kind)
{
    static const uint8_t operators[AST_KIND_COUNT] = {
        [AST_EQUAL] = OPERATOR_EQUAL,
        [AST_NOT_EQUAL] = OPERATOR_NOT_EQUAL,
        [AST_LESS] = OPERATOR_LESS,
        [AST_LESS_EQUAL] = OPERATOR_LESS_EQUAL,
        [AST_GREATER] = OPERATOR_GREATER,
        [AST_GREATER_EQUAL] = OPERATOR_GREATER_EQUAL,
        [AST_ADD] = OPERATOR_ADD,
        [AST_SUBTRACT] = OPERATOR_SUBTRACT,
        [AST_MULTIPLY] = OPERATOR_MULTIPLY,
        [AST_DIVIDE] = OPERATOR_DIVIDE,
        [AST_MODULO] = OPERATOR_MODULO,
        [AST_POWER] = OPERATOR_POWER,
        [AST_CONCATENATE] = OPERATOR_CONCATENATE,
        [AST_IN] = OPERATOR_IN,
        [AST_STARTS_WITH] = OPERATOR_STARTS_WITH,
        [AST_ENDS_WITH] = OPERATOR_ENDS_WITH,
        [AST_CONTAINS] = OPERATOR_CONTAINS,
        [AST_MATCHES] = OPERATOR_REGEX,
    };
    return (enum expr_operator)operators[kind];
}

static enum expr_operator
unary_operator(enum ast_kind kind)
{
    static const uint8_t operators[AST_KIND_COUNT] = {
        [AST_NOT] = OPERATOR_NOT,
        [AST_NEGATE] = OPERATOR_MINUS,
        [AST_PLUS] = OPERATOR_PLUS,
        [AST_IS_NULL] = OPERATOR_IS_NULL,
        [AST_IS_NOT_NULL] = OPERATOR_IS_NOT_NULL,
    };
    return (enum expr_operator)operators[kind];
}

static const struct expr *
compile(struct compiler *compiler, const struct local *locals, const struct ast *ast)
{
    struct planner *planner = compiler->builder->planner;
    if (planner->err)
        return NULL;
    const struct substitution *known = substitution_find(compiler->builder, ast);
    if (known)
        return compile_substituted(compiler, ast, known);
    if (binary_operator(ast->kind) != OPERATOR_NONE)
        return compile_binary(compiler, locals, ast, binary_operator(ast->kind));
    if (unary_operator(ast->kind) != OPERATOR_NONE)
        return compile_unary(compiler, locals, ast, unary_operator(ast->kind));
    switch (ast->kind) {
    case AST_VARIABLE:
        return compile_variable(compiler, locals, ast);
    case AST_PARAMETER:
        return checked(
            compiler,
            expr_parameter(
                planner->arena, ast->offset, ast->text, parameter_index(planner, ast->text)));
    case AST_AND:
        return compile_chain(compiler, locals, ast, 0, ast->item_count, OPERATOR_AND);
    case AST_OR:
        return compile_chain(compiler, locals, ast, 0, ast->item_count, OPERATOR_OR);
    case AST_XOR:
        return compile_chain(compiler, locals, ast, 0, ast->item_count, OPERATOR_XOR);
    case AST_LIST:
        return compile_items(compiler, locals, ast, EXPR_LIST);
    case AST_MAP:
        return compile_items(compiler, locals, ast, EXPR_MAP);
    case AST_PROPERTY:
        return compile_property(compiler, locals, ast);
    case AST_INDEX:
        return compile_slots(compiler, locals, ast, EXPR_INDEX, 2);
    case AST_SLICE:
        return compile_slots(compiler, locals, ast, EXPR_SLICE, 3);
    case AST_LABEL_TEST:
        return compile_label_test(compiler, locals, ast);
    case AST_FUNCTION:
        return compile_function(compiler, locals, ast);
    case AST_IS_TYPE:
        return compile_type_test(compiler, locals, ast);
    case AST_CASE:
        return compile_case(compiler, locals, ast);
    case AST_MAP_PROJECTION:
        return compile_map_projection(compiler, locals, ast);
    case AST_LIST_COMPREHENSION:
    case AST_ALL:
    case AST_ANY:
    case AST_NONE:
    case AST_SINGLE:
        return compile_iteration(compiler, locals, ast);
    case AST_REDUCE:
        return compile_reduce(compiler, locals, ast);
    case AST_NULL:
    case AST_BOOLEAN:
    case AST_INTEGER:
    case AST_FLOAT:
    case AST_STRING:
        return compile_literal(compiler, ast);
    case AST_COUNT_STAR:
        planner_fail(
            planner, ast, ERR(SYNTAX),
            "Invalid use of aggregating function count(*) in this context");
        return NULL;
    default:
        planner_fail(
            planner, ast, ERR(UNSUPPORTED), "This expression is not supported here (%s)",
            ast_kind_name(ast->kind));
        return NULL;
    }
}

const struct expr *
expression_compile(struct builder *builder, const struct ast *ast)
{
    struct compiler compiler = {.builder = builder};
    return compile(&compiler, NULL, ast);
}

const struct expr *
expression_compile_grouped(struct builder *builder, const struct ast *ast)
{
    struct compiler compiler = {.builder = builder, .grouped = true};
    return compile(&compiler, NULL, ast);
}

const struct expr *
expression_plan(struct builder *builder, const struct ast *ast, enum check_place place)
{
    if (!expression_check(builder, NULL, ast, place, false) ||
        !expressions_prepare(builder, &ast, 1))
        return NULL;
    return expression_compile(builder, ast);
}

bool
expressions_plan_home(
    struct builder *builder,
    const struct ast *const *asts,
    uint32_t count,
    enum check_place place,
    const struct expr **out)
{
    for (uint32_t i = 0; i < count; i++) {
        if (asts[i] && !expression_check(builder, NULL, asts[i], place, false))
            return false;
    }
    if (!expressions_prepare(builder, asts, count))
        return false;
    if (builder->open) {
        /* Compiled once for what it fetches: that belongs into the traversal. */
        for (uint32_t i = 0; i < count; i++) {
            if (asts[i] && !expression_compile(builder, asts[i]))
                return false;
        }
        if (!builder_close(builder))
            return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        out[i] = asts[i] ? expression_compile(builder, asts[i]) : NULL;
        if (asts[i] && !out[i])
            return false;
    }
    return !builder->planner->err;
}
