#include "engine/run/expr.h"

#include <stdarg.h>
#include <stdio.h>

#include "engine/run/expr_internal.h"
#include "engine/value/utf8.h"

static const char *const kind_texts[EXPR_KIND_COUNT] = {
#define EXPR(name, text) [EXPR_##name] = text,
#include "engine/run/expr.def"
#undef EXPR
};

static const char *const operator_texts[OPERATOR_COUNT] = {
    [OPERATOR_NONE] = "",
#define OPERATOR(name, operands, text) [OPERATOR_##name] = text,
#include "engine/run/operators.def"
#undef OPERATOR
};

static const uint8_t operator_operands[OPERATOR_COUNT] = {
    [OPERATOR_NONE] = 0,
#define OPERATOR(name, operands, text) [OPERATOR_##name] = operands,
#include "engine/run/operators.def"
#undef OPERATOR
};

const char *
expr_kind_text(enum expr_kind kind)
{
    assert(kind < EXPR_KIND_COUNT);
    return kind_texts[kind];
}

const char *
expr_operator_text(enum expr_operator op)
{
    assert(op < OPERATOR_COUNT);
    return operator_texts[op];
}

/* --- context --- */

void
expr_context_create(struct expr_context *context, struct arena *arena, struct memory *memory)
{
    assert(arena && memory);
    *context = (struct expr_context){
        .arena = arena, .memory = memory, .steps_left = EXPR_STEPS_PER_CHECK};
}

void
expr_context_destroy(struct expr_context *context)
{
    while (context->scratch) {
        struct expr_scratch *scratch = context->scratch;
        context->scratch = scratch->next;
        memory_release(context->memory, scratch, sizeof(*scratch));
    }
    if (context->regexes)
        regex_cache_destroy(context->regexes, context->memory);
    context->regexes = NULL;
}

struct expr_scratch *
expr_scratch_take(struct expr_context *context)
{
    struct expr_scratch *scratch = context->scratch;
    if (scratch)
        context->scratch = scratch->next;
    else
        scratch = memory_allocate(context->memory, sizeof(*scratch));
    return scratch;
}

void
expr_scratch_give(struct expr_context *context, struct expr_scratch *scratch)
{
    if (!scratch)
        return;
    scratch->next = context->scratch;
    context->scratch = scratch;
}

err_t
expr_fail(struct expr_context *context, const struct expr *at, err_t err, const char *format, ...)
{
    assert(err);
    if (!context->failure)
        return err;
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    assert(size >= 0);
    /* What did not fit has been cut, perhaps inside a character. */
    size_t room = sizeof(message) - 1, used = (size_t)size <= room ? (size_t)size : room;
    if ((size_t)size > room)
        used = utf8_cut((struct text){message, used}, used - 4);
    struct text text = arena_text(context->arena, (struct text){message, used});
    *context->failure = (struct failure){
        .err = err,
        .message = text.data ? text : text_of(err_text(err_code(err))),
        .offset = at ? (int64_t)at->offset : -1,
    };
    return err;
}

err_t
expr_fail_memory(struct expr_context *context, const struct expr *at)
{
    return expr_fail(context, at, ERR(MEMORY_QUERY), "%s", err_text(ERR_MEMORY_QUERY));
}

err_t
expr_fail_reason(struct expr_context *context, const struct expr *at, err_t err, struct text reason)
{
    if (!reason.size)
        reason = text_of(err_text(err_code(err)));
    return expr_fail(context, at, err, "%.*s", TEXT_ARGS(reason));
}

err_t
expr_step_check(struct expr_context *context)
{
    context->steps_left = EXPR_STEPS_PER_CHECK;
    context->steps_spent += EXPR_STEPS_PER_CHECK;
    if (context->steps_spent > EXPR_STEPS_MAX)
        return expr_fail(
            context, NULL, ERR(LIMIT),
            "an expression made more than %d steps over lists for one batch of rows; UNWIND them",
            EXPR_STEPS_MAX);
    return context->check ? context->check(context->check_argument) : 0;
}

/* --- making trees --- */

struct expr *
expr_new(struct arena *arena, enum expr_kind kind, uint32_t offset, uint32_t child_count)
{
    assert(kind < EXPR_KIND_COUNT);
    struct expr *expr = arena_zeroed(arena, sizeof(*expr));
    if (!expr)
        return NULL;
    expr->kind = (uint8_t)kind;
    expr->offset = offset;
    expr->child_count = child_count;
    if (child_count) {
        expr->children = arena_zeroed(arena, child_count * sizeof(void *));
        if (!expr->children)
            return NULL;
    }
    return expr;
}

struct expr *
expr_literal(struct arena *arena, uint32_t offset, struct value literal)
{
    struct expr *expr = expr_new(arena, EXPR_LITERAL, offset, 0);
    if (expr)
        expr->literal = literal;
    return expr;
}

struct expr *
expr_column(struct arena *arena, uint32_t offset, uint32_t slot)
{
    struct expr *expr = expr_new(arena, EXPR_COLUMN, offset, 0);
    if (expr)
        expr->slot = slot;
    return expr;
}

struct expr *
expr_local(struct arena *arena, uint32_t offset, uint32_t slot)
{
    struct expr *expr = expr_new(arena, EXPR_LOCAL, offset, 0);
    if (expr)
        expr->slot = slot;
    return expr;
}

struct expr *
expr_parameter(struct arena *arena, uint32_t offset, struct text name, uint32_t index)
{
    struct expr *expr = expr_new(arena, EXPR_PARAMETER, offset, 0);
    if (expr) {
        expr->parameter.name = name;
        expr->parameter.index = index;
    }
    return expr;
}

struct expr *
expr_property(struct arena *arena, uint32_t offset, const struct expr *subject, struct text name)
{
    struct expr *expr = subject ? expr_new(arena, EXPR_PROPERTY, offset, 1) : NULL;
    if (expr) {
        expr->children[0] = subject;
        expr->name = name;
    }
    return expr;
}

struct expr *
expr_unary(struct arena *arena, uint32_t offset, enum expr_operator op, const struct expr *operand)
{
    assert(operator_operands[op] == 1);
    struct expr *expr = operand ? expr_new(arena, EXPR_UNARY, offset, 1) : NULL;
    if (expr) {
        expr->op = (uint8_t)op;
        expr->children[0] = operand;
    }
    return expr;
}

struct expr *
expr_binary(
    struct arena *arena,
    uint32_t offset,
    enum expr_operator op,
    const struct expr *left,
    const struct expr *right)
{
    assert(operator_operands[op] == 2);
    struct expr *expr = left && right ? expr_new(arena, EXPR_BINARY, offset, 2) : NULL;
    if (expr) {
        expr->op = (uint8_t)op;
        expr->children[0] = left;
        expr->children[1] = right;
    }
    return expr;
}

/* --- looking at trees --- */

bool
expr_walk(
    const struct expr *expr, bool (*visit)(const struct expr *expr, void *argument), void *argument)
{
    if (!expr)
        return true;
    if (!visit(expr, argument))
        return false;
    for (uint32_t i = 0; i < expr->child_count; i++)
        if (!expr_walk(expr->children[i], visit, argument))
            return false;
    return true;
}

static bool
visit_constant(const struct expr *expr, void *argument)
{
    (void)argument;
    if (expr->kind == EXPR_CALL) {
        /* A clock function of a string, date('2020-01-01'), does not look at the clock. */
        bool of_text = expr->child_count == 1 && expr->children[0]->kind == EXPR_LITERAL &&
                       expr->children[0]->literal.type == VALUE_STRING &&
                       !memchr(expr->function->name.data, '.', expr->function->name.size);
        uint32_t flags = FUNCTION_NOT_DETERMINISTIC | FUNCTION_AGGREGATE |
                         (of_text ? 0 : FUNCTION_STATEMENT);
        return !(expr->function->flags & flags);
    }
    return expr->kind != EXPR_COLUMN && expr->kind != EXPR_LOCAL && expr->kind != EXPR_PARAMETER;
}

static bool
visit_row_free(const struct expr *expr, void *argument)
{
    (void)argument;
    return expr->kind != EXPR_COLUMN && expr->kind != EXPR_LOCAL;
}

static bool
visit_deterministic(const struct expr *expr, void *argument)
{
    (void)argument;
    return expr->kind != EXPR_CALL || !(expr->function->flags & FUNCTION_NOT_DETERMINISTIC);
}

bool
expr_is_constant(const struct expr *expr)
{
    return expr_walk(expr, visit_constant, NULL);
}

bool
expr_is_row_free(const struct expr *expr)
{
    return expr_walk(expr, visit_row_free, NULL);
}

bool
expr_is_deterministic(const struct expr *expr)
{
    return expr_walk(expr, visit_deterministic, NULL);
}

static bool
type_equal(const struct expr_type *a, const struct expr_type *b)
{
    if (!a || !b)
        return a == b;
    return a->type_mask == b->type_mask && a->not_null == b->not_null && a->negated == b->negated &&
           type_equal(a->item, b->item);
}

/* Same kind and same number of children are known. */
static bool
payload_equal(const struct expr *a, const struct expr *b)
{
    uint32_t key_count = a->child_count - (a->kind == EXPR_MAP_PROJECTION);
    switch ((enum expr_kind)a->kind) {
    case EXPR_LITERAL:
        return a->literal.type == b->literal.type && value_equivalent(a->literal, b->literal);
    case EXPR_PARAMETER:
        return a->parameter.index == b->parameter.index;
    case EXPR_COLUMN:
    case EXPR_LOCAL:
    case EXPR_COMPREHENSION:
    case EXPR_REDUCE:
    case EXPR_ALL:
    case EXPR_ANY:
    case EXPR_NONE:
    case EXPR_SINGLE:
        return a->slot == b->slot && a->slot2 == b->slot2;
    case EXPR_PROPERTY:
    case EXPR_LABEL_TEST:
        return text_equal(a->name, b->name);
    case EXPR_MAP:
    case EXPR_MAP_PROJECTION:
        for (uint32_t i = 0; i < key_count; i++)
            if (!text_equal(a->keys[i], b->keys[i]))
                return false;
        return true;
    case EXPR_TYPE_TEST:
        return type_equal(a->type, b->type);
    case EXPR_CALL:
        return a->function == b->function && expr_is_deterministic(a);
    case EXPR_LIST:
    case EXPR_INDEX:
    case EXPR_SLICE:
    case EXPR_UNARY:
    case EXPR_BINARY:
    case EXPR_CASE_SIMPLE:
    case EXPR_CASE_SEARCHED:
    case EXPR_PATH:
    case EXPR_KIND_COUNT:
        break;
    }
    return true;
}

bool
expr_equal(const struct expr *a, const struct expr *b)
{
    if (!a || !b)
        return a == b;
    if (a->kind != b->kind || a->op != b->op || a->child_count != b->child_count ||
        !payload_equal(a, b))
        return false;
    for (uint32_t i = 0; i < a->child_count; i++)
        if (!expr_equal(a->children[i], b->children[i]))
            return false;
    return true;
}

/* --- trees out of trees --- */

static struct expr *
node_copy(struct arena *arena, const struct expr *expr)
{
    struct expr *copy = expr_new(
        arena, (enum expr_kind)expr->kind, expr->offset, expr->child_count);
    if (!copy)
        return NULL;
    const struct expr **children = copy->children;
    *copy = *expr;
    copy->children = children;
    return copy;
}

const struct expr *
expr_remap(struct arena *arena, const struct expr *expr, const uint32_t *map, uint32_t map_count)
{
    struct expr *copy = node_copy(arena, expr);
    if (!copy)
        return NULL;
    if (expr->kind == EXPR_COLUMN) {
        assert(expr->slot < map_count);
        copy->slot = map[expr->slot];
    }
    for (uint32_t i = 0; i < expr->child_count; i++) {
        if (!expr->children[i])
            continue;
        copy->children[i] = expr_remap(arena, expr->children[i], map, map_count);
        if (!copy->children[i])
            return NULL;
    }
    return copy;
}

/* The literal a constant tree amounts to; NULL when it fails, which it shall do when it is evaluated. */
static const struct expr *
fold_constant(struct arena *arena, const struct expr *expr, struct expr_context *context)
{
    struct failure *failure = context->failure;
    struct arena *results = context->arena;
    struct value value;
    context->failure = NULL;
    context->arena = arena;
    err_t err = expr_eval(expr, context, NULL, 0, &value);
    context->failure = failure;
    context->arena = results;
    return err ? NULL : expr_literal(arena, expr->offset, value);
}

static bool
visit_has_local(const struct expr *expr, void *argument)
{
    (void)argument;
    return expr->kind != EXPR_LOCAL && expr->kind != EXPR_COMPREHENSION &&
           expr->kind != EXPR_REDUCE && (expr->kind < EXPR_ALL || expr->kind > EXPR_SINGLE);
}

const struct expr *
expr_fold(struct arena *arena, const struct expr *expr, struct expr_context *context)
{
    /* Loops over constant lists stay: they need locals, and range(1, 1000000000) must not run at planning. */
    bool foldable = expr->kind != EXPR_LITERAL && expr_is_constant(expr) &&
                    expr_walk(expr, visit_has_local, NULL);
    if (foldable && expr->kind == EXPR_CALL && text_equal(expr->function->name, TEXT("range")))
        foldable = false;
    struct expr *copy = node_copy(arena, expr);
    if (!copy)
        return NULL;
    bool children_literal = true;
    for (uint32_t i = 0; i < expr->child_count; i++) {
        if (!expr->children[i])
            continue;
        copy->children[i] = expr_fold(arena, expr->children[i], context);
        if (!copy->children[i])
            return NULL;
        children_literal &= copy->children[i]->kind == EXPR_LITERAL;
    }
    if (!foldable || !children_literal)
        return copy;
    const struct expr *literal = fold_constant(arena, copy, context);
    return literal ? literal : copy;
}
