#include "expression.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/parse/parse.h"
#include "engine/value/value_ops.h"

/* Names in scope, innermost last; the index is the local's slot. */
struct scope {
    struct expression_fixture *fixture;
    struct text names[64];
    uint32_t count;
};

static const struct expr *translate(struct scope *scope, const struct ast *node);

static uint64_t
next_random(void *argument)
{
    struct expression_fixture *fixture = argument;
    fixture->random_state = fixture->random_state * UINT64_C(6364136223846793005) +
                            1442695040888963407u;
    return fixture->random_state ^ fixture->random_state >> 29;
}

void
expression_fixture_create(struct expression_fixture *fixture)
{
    *fixture = (struct expression_fixture){.random_state = 1};
    arena_create(&fixture->arena, memory_heap(), 256 << 20);
    expr_context_create(&fixture->context, &fixture->arena, memory_heap());
    fixture->context.locals = fixture->locals;
    fixture->context.local_count = 64;
    fixture->context.failure = &fixture->failure;
    fixture->context.random = next_random;
    fixture->context.random_argument = fixture;
}

void
expression_fixture_destroy(struct expression_fixture *fixture)
{
    expr_context_destroy(&fixture->context);
    arena_destroy(&fixture->arena);
}

static struct expr *
node_new(struct scope *scope, const struct ast *node, enum expr_kind kind, uint32_t child_count)
{
    struct expr *expr = expr_new(&scope->fixture->arena, kind, node->offset, child_count);
    assert_non_null(expr);
    return expr;
}

static const struct expr *
translate_variable(struct scope *scope, const struct ast *node)
{
    for (uint32_t i = scope->count; i > 0; i--)
        if (text_equal(scope->names[i - 1], node->text))
            return expr_local(&scope->fixture->arena, node->offset, i - 1);
    for (uint32_t i = 0; i < scope->fixture->column_count; i++)
        if (text_equal(text_of(scope->fixture->column_names[i]), node->text))
            return expr_column(&scope->fixture->arena, node->offset, i);
    fail_msg("unknown variable %.*s", TEXT_ARGS(node->text));
    return NULL;
}

static uint32_t
scope_push(struct scope *scope, const struct ast *variable)
{
    scope->names[scope->count] = variable->text;
    return scope->count++;
}

static const struct expr *
translate_items(struct scope *scope, const struct ast *node, enum expr_kind kind)
{
    struct expr *expr = node_new(scope, node, kind, node->item_count);
    for (uint32_t i = 0; i < node->item_count; i++)
        expr->children[i] = translate(scope, node->items[i]);
    return expr;
}

static const struct expr *
translate_map(struct scope *scope, const struct ast *node)
{
    struct expr *expr = node_new(scope, node, EXPR_MAP, node->item_count);
    struct text *keys = arena_zeroed(
        &scope->fixture->arena, (node->item_count + 1) * sizeof(*keys));
    for (uint32_t i = 0; i < node->item_count; i++) {
        keys[i] = node->items[i]->text;
        expr->children[i] = translate(scope, node->items[i]->entry.value);
    }
    expr->keys = keys;
    return expr;
}

static const struct expr *
translate_projection(struct scope *scope, const struct ast *node)
{
    struct expr *expr = node_new(scope, node, EXPR_MAP_PROJECTION, node->item_count + 1);
    struct text *keys = arena_zeroed(
        &scope->fixture->arena, (node->item_count + 1) * sizeof(*keys));
    expr->children[0] = translate(scope, node->map_projection.subject);
    for (uint32_t i = 0; i < node->item_count; i++) {
        const struct ast *item = node->items[i];
        keys[i] = item->kind == AST_PROJECT_ALL ? (struct text){NULL, 0} : item->text;
        if (item->kind == AST_ENTRY)
            expr->children[i + 1] = translate(scope, item->entry.value);
        if (item->kind == AST_VARIABLE)
            expr->children[i + 1] = translate_variable(scope, item);
    }
    expr->keys = keys;
    return expr;
}

static const struct expr *
translate_call(struct scope *scope, const struct ast *node)
{
    const struct function *function = function_lookup(node->text);
    if (!function) {
        fail_msg("unknown function %.*s", TEXT_ARGS(node->text));
        return NULL;
    }
    assert_true(node->item_count >= function->arguments_min);
    assert_true(node->item_count <= function->arguments_max);
    struct expr *expr = node_new(scope, node, EXPR_CALL, node->item_count);
    for (uint32_t i = 0; i < node->item_count; i++)
        expr->children[i] = translate(scope, node->items[i]);
    expr->function = function;
    return expr;
}

static const struct expr *
translate_case(struct scope *scope, const struct ast *node)
{
    uint32_t simple = node->case_.subject != NULL;
    struct expr *expr = node_new(
        scope, node, simple ? EXPR_CASE_SIMPLE : EXPR_CASE_SEARCHED,
        simple + node->item_count * 2 + 1);
    uint32_t at = 0;
    if (simple)
        expr->children[at++] = translate(scope, node->case_.subject);
    for (uint32_t i = 0; i < node->item_count; i++) {
        expr->children[at++] = translate(scope, node->items[i]->when.condition);
        expr->children[at++] = translate(scope, node->items[i]->when.result);
    }
    if (node->case_.fallback)
        expr->children[at] = translate(scope, node->case_.fallback);
    return expr;
}

static const struct expr *
translate_loop(struct scope *scope, const struct ast *node, enum expr_kind kind)
{
    bool comprehension = kind == EXPR_COMPREHENSION;
    struct expr *expr = node_new(scope, node, kind, comprehension ? 3 : 2);
    expr->children[0] = translate(scope, node->slot[1]);
    expr->slot = scope_push(scope, node->slot[0]);
    if (node->slot[2])
        expr->children[1] = translate(scope, node->slot[2]);
    else if (!comprehension)
        expr->children[1] = expr_literal(&scope->fixture->arena, 0, value_boolean(true));
    if (comprehension && node->slot[3])
        expr->children[2] = translate(scope, node->slot[3]);
    scope->count--;
    return expr;
}

static const struct expr *
translate_reduce(struct scope *scope, const struct ast *node)
{
    struct expr *expr = node_new(scope, node, EXPR_REDUCE, 3);
    expr->children[0] = translate(scope, node->reduce.initial);
    expr->children[1] = translate(scope, node->reduce.list);
    expr->slot = scope_push(scope, node->reduce.variable);
    expr->slot2 = scope_push(scope, node->reduce.accumulator);
    expr->children[2] = translate(scope, node->reduce.result);
    scope->count -= 2;
    return expr;
}

static const struct expr *
translate_logic(struct scope *scope, const struct ast *node, enum expr_operator op)
{
    const struct expr *left = translate(scope, node->items[0]);
    for (uint32_t i = 1; i < node->item_count; i++)
        left = expr_binary(
            &scope->fixture->arena, node->offset, op, left, translate(scope, node->items[i]));
    return left;
}

static const struct expr *
translate_access(struct scope *scope, const struct ast *node)
{
    bool slice = node->kind == AST_SLICE;
    struct expr *expr = node_new(scope, node, slice ? EXPR_SLICE : EXPR_INDEX, slice ? 3 : 2);
    for (uint32_t i = 0; i < expr->child_count; i++)
        expr->children[i] = node->slot[i] ? translate(scope, node->slot[i]) : NULL;
    return expr;
}

static const struct expr *
translate_literal(struct scope *scope, const struct ast *node)
{
    struct value value = value_null();
    if (node->kind == AST_BOOLEAN)
        value = value_boolean(node->word.boolean);
    else if (node->kind == AST_INTEGER)
        value = value_integer(node->word.integer);
    else if (node->kind == AST_FLOAT)
        value = value_float(node->word.real);
    else if (node->kind == AST_STRING)
        value = value_string(node->text);
    return expr_literal(&scope->fixture->arena, node->offset, value);
}

static const struct expr *
translate_operator(struct scope *scope, const struct ast *node)
{
    static const struct {
        enum ast_kind kind;
        enum expr_operator op;
    } operators[] = {
        {AST_NOT, OPERATOR_NOT},
        {AST_NEGATE, OPERATOR_MINUS},
        {AST_PLUS, OPERATOR_PLUS},
        {AST_IS_NULL, OPERATOR_IS_NULL},
        {AST_IS_NOT_NULL, OPERATOR_IS_NOT_NULL},
        {AST_EQUAL, OPERATOR_EQUAL},
        {AST_NOT_EQUAL, OPERATOR_NOT_EQUAL},
        {AST_LESS, OPERATOR_LESS},
        {AST_LESS_EQUAL, OPERATOR_LESS_EQUAL},
        {AST_GREATER, OPERATOR_GREATER},
        {AST_GREATER_EQUAL, OPERATOR_GREATER_EQUAL},
        {AST_ADD, OPERATOR_ADD},
        {AST_SUBTRACT, OPERATOR_SUBTRACT},
        {AST_MULTIPLY, OPERATOR_MULTIPLY},
        {AST_DIVIDE, OPERATOR_DIVIDE},
        {AST_MODULO, OPERATOR_MODULO},
        {AST_POWER, OPERATOR_POWER},
        {AST_CONCATENATE, OPERATOR_CONCATENATE},
        {AST_IN, OPERATOR_IN},
        {AST_STARTS_WITH, OPERATOR_STARTS_WITH},
        {AST_ENDS_WITH, OPERATOR_ENDS_WITH},
        {AST_CONTAINS, OPERATOR_CONTAINS},
        {AST_MATCHES, OPERATOR_REGEX},
    };
    struct arena *arena = &scope->fixture->arena;
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        if (operators[i].kind != node->kind)
            continue;
        const struct expr *left = translate(scope, node->slot[0]);
        return node->slot[1] ? expr_binary(
                                   arena, node->offset, operators[i].op, left,
                                   translate(scope, node->slot[1]))
                             : expr_unary(arena, node->offset, operators[i].op, left);
    }
    fail_msg("no translation of %s", ast_kind_name((enum ast_kind)node->kind));
    return NULL;
}

static const struct expr *
translate(struct scope *scope, const struct ast *node)
{
    switch ((uint32_t)node->kind) {
    case AST_NULL:
    case AST_BOOLEAN:
    case AST_INTEGER:
    case AST_FLOAT:
    case AST_STRING:
        return translate_literal(scope, node);
    case AST_VARIABLE:
        return translate_variable(scope, node);
    case AST_LIST:
        return translate_items(scope, node, EXPR_LIST);
    case AST_MAP:
        return translate_map(scope, node);
    case AST_MAP_PROJECTION:
        return translate_projection(scope, node);
    case AST_PROPERTY:
        return expr_property(
            &scope->fixture->arena, node->offset, translate(scope, node->property.subject),
            node->text);
    case AST_INDEX:
    case AST_SLICE:
        return translate_access(scope, node);
    case AST_FUNCTION:
        return translate_call(scope, node);
    case AST_CASE:
        return translate_case(scope, node);
    case AST_LIST_COMPREHENSION:
        return translate_loop(scope, node, EXPR_COMPREHENSION);
    case AST_ALL:
        return translate_loop(scope, node, EXPR_ALL);
    case AST_ANY:
        return translate_loop(scope, node, EXPR_ANY);
    case AST_NONE:
        return translate_loop(scope, node, EXPR_NONE);
    case AST_SINGLE:
        return translate_loop(scope, node, EXPR_SINGLE);
    case AST_REDUCE:
        return translate_reduce(scope, node);
    case AST_AND:
        return translate_logic(scope, node, OPERATOR_AND);
    case AST_OR:
        return translate_logic(scope, node, OPERATOR_OR);
    case AST_XOR:
        return translate_logic(scope, node, OPERATOR_XOR);
    default:
        return translate_operator(scope, node);
    }
}

const struct expr *
expression_compile(struct expression_fixture *fixture, const char *text)
{
    struct ast *query;
    struct failure failure = {0};
    struct text whole = arena_printf(&fixture->arena, "RETURN %s", text);
    if (parse(&fixture->arena, whole, &query, &failure))
        fail_msg("%.*s", TEXT_ARGS(failure.message));
    const struct ast *clause = query->items[0]->items[0];
    assert_int_equal(clause->kind, AST_RETURN);
    struct scope scope = {.fixture = fixture};
    const struct expr *expr = translate(&scope, clause->items[0]->column.value);
    assert_non_null(expr);
    return expr;
}

err_t
expression_eval(struct expression_fixture *fixture, const char *text, struct value *out)
{
    return expr_eval(expression_compile(fixture, text), &fixture->context, NULL, 0, out);
}

const char *
expression_result(struct expression_fixture *fixture, const char *text)
{
    struct value value;
    err_t err = expression_eval(fixture, text, &value);
    struct text printed = err ? arena_printf(&fixture->arena, "ERROR %s", err_name(err_code(err)))
                              : arena_text(&fixture->arena, value_print(&fixture->arena, value));
    assert_non_null(printed.data);
    return printed.data;
}
