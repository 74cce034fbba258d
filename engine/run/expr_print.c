/* Expression trees as Cypher text, for EXPLAIN. Every binary operator inside another operator gets
 * parentheses: the tree is to be seen, not guessed. */
#include "engine/run/expr_internal.h"
#include "engine/value/builder.h"

struct printer {
    struct builder builder;
    const struct text *column_names;
};

static void print(struct printer *printer, const struct expr *expr);

static void
put(struct printer *printer, const char *text)
{
    builder_add(&printer->builder, text_of(text));
}

static void
print_children(
    struct printer *printer, const struct expr *expr, uint32_t from, const char *separator)
{
    for (uint32_t i = from; i < expr->child_count; i++) {
        if (i > from)
            put(printer, separator);
        if (expr->children[i])
            print(printer, expr->children[i]);
    }
}

static void
print_operand(struct printer *printer, const struct expr *expr)
{
    bool parentheses = expr->kind == EXPR_BINARY;
    if (parentheses)
        put(printer, "(");
    print(printer, expr);
    if (parentheses)
        put(printer, ")");
}

static void
print_unary(struct printer *printer, const struct expr *expr)
{
    bool postfix = expr->op == OPERATOR_IS_NULL || expr->op == OPERATOR_IS_NOT_NULL;
    if (!postfix) {
        put(printer, expr_operator_text(expr->op));
        put(printer, expr->op == OPERATOR_NOT ? " " : "");
    }
    print_operand(printer, expr->children[0]);
    if (postfix) {
        put(printer, " ");
        put(printer, expr_operator_text(expr->op));
    }
}

static void
print_map(struct printer *printer, const struct expr *expr)
{
    put(printer, "{");
    for (uint32_t i = 0; i < expr->child_count; i++) {
        put(printer, i ? ", " : "");
        builder_add(&printer->builder, expr->keys[i]);
        put(printer, ": ");
        print(printer, expr->children[i]);
    }
    put(printer, "}");
}

static void
print_projection(struct printer *printer, const struct expr *expr)
{
    print_operand(printer, expr->children[0]);
    put(printer, " {");
    for (uint32_t i = 1; i < expr->child_count; i++) {
        put(printer, i > 1 ? ", " : "");
        struct text key = expr->keys[i - 1];
        if (!expr->children[i]) {
            put(printer, ".");
            builder_add(&printer->builder, key.data ? key : TEXT("*"));
            continue;
        }
        builder_add(&printer->builder, key);
        put(printer, ": ");
        print(printer, expr->children[i]);
    }
    put(printer, "}");
}

static void
print_case(struct printer *printer, const struct expr *expr)
{
    uint32_t at = 0;
    put(printer, "CASE");
    if (expr->kind == EXPR_CASE_SIMPLE) {
        put(printer, " ");
        print(printer, expr->children[at++]);
    }
    for (; at + 1 < expr->child_count; at += 2) {
        put(printer, " WHEN ");
        print(printer, expr->children[at]);
        put(printer, " THEN ");
        print(printer, expr->children[at + 1]);
    }
    if (expr->children[at]) {
        put(printer, " ELSE ");
        print(printer, expr->children[at]);
    }
    put(printer, " END");
}

static void
print_local(struct printer *printer, uint32_t slot)
{
    builder_printf(&printer->builder, "@%u", slot);
}

static void
print_loop(struct printer *printer, const struct expr *expr)
{
    bool is_list = expr->kind == EXPR_COMPREHENSION;
    put(printer, is_list ? "[" : expr_kind_text(expr->kind));
    put(printer, is_list ? "" : "(");
    uint32_t list = 0;
    if (expr->kind == EXPR_REDUCE) {
        print_local(printer, expr->slot2);
        put(printer, " = ");
        print(printer, expr->children[0]);
        put(printer, ", ");
        list = 1;
    }
    print_local(printer, expr->slot);
    put(printer, " IN ");
    print(printer, expr->children[list]);
    const struct expr *predicate = expr->kind == EXPR_REDUCE ? NULL : expr->children[1];
    const struct expr *result = expr->child_count > 2 ? expr->children[2] : NULL;
    if (predicate) {
        put(printer, " WHERE ");
        print(printer, predicate);
    }
    if (result) {
        put(printer, " | ");
        print(printer, result);
    }
    put(printer, is_list ? "]" : ")");
}

static void
print_slice(struct printer *printer, const struct expr *expr)
{
    print_operand(printer, expr->children[0]);
    put(printer, "[");
    if (expr->children[1])
        print(printer, expr->children[1]);
    put(printer, "..");
    if (expr->children[2])
        print(printer, expr->children[2]);
    put(printer, "]");
}

static void
print_type(struct printer *printer, const struct expr *expr)
{
    print_operand(printer, expr->children[0]);
    put(printer, expr->type->negated ? " IS NOT ::" : " IS ::");
    for (uint32_t type = 0; type < VALUE_TYPE_COUNT; type++)
        if (expr->type->type_mask & (1u << type))
            builder_printf(
                &printer->builder, " %s", value_type_name((struct value){.type = (uint8_t)type}));
    put(printer, expr->type->not_null ? " NOT NULL" : "");
}

static void
print_column(struct printer *printer, uint32_t slot)
{
    if (printer->column_names && printer->column_names[slot].size)
        builder_add(&printer->builder, printer->column_names[slot]);
    else
        builder_printf(&printer->builder, "#%u", slot);
}

/* Kinds without an inside of their own. */
static void
print_leaf(struct printer *printer, const struct expr *expr)
{
    if (expr->kind == EXPR_LITERAL) {
        builder_add(&printer->builder, value_print(printer->builder.arena, expr->literal));
    } else if (expr->kind == EXPR_PARAMETER) {
        put(printer, "$");
        builder_add(&printer->builder, expr->parameter.name);
    } else if (expr->kind == EXPR_COLUMN) {
        print_column(printer, expr->slot);
    } else {
        print_local(printer, expr->slot);
    }
}

/* What is written as `name(child, child)`, or in brackets. */
static void
print_call(struct printer *printer, const struct expr *expr)
{
    bool is_list = expr->kind == EXPR_LIST;
    if (expr->kind == EXPR_CALL)
        builder_add(&printer->builder, expr->function->name);
    put(printer, is_list ? "[" : expr->kind == EXPR_PATH ? "path(" : "(");
    print_children(printer, expr, 0, ", ");
    put(printer, is_list ? "]" : ")");
}

static void
print_access(struct printer *printer, const struct expr *expr)
{
    print_operand(printer, expr->children[0]);
    if (expr->kind == EXPR_INDEX) {
        put(printer, "[");
        print(printer, expr->children[1]);
        put(printer, "]");
        return;
    }
    put(printer, expr->kind == EXPR_PROPERTY ? "." : ":");
    builder_add(
        &printer->builder, expr->kind == EXPR_PROPERTY || expr->name.size ? expr->name : TEXT("%"));
}

static void
print_binary(struct printer *printer, const struct expr *expr)
{
    print_operand(printer, expr->children[0]);
    builder_printf(&printer->builder, " %s ", expr_operator_text(expr->op));
    print_operand(printer, expr->children[1]);
}

typedef void print_fn(struct printer *printer, const struct expr *expr);

static print_fn *const printers[EXPR_KIND_COUNT] = {
    [EXPR_LITERAL] = print_leaf,
    [EXPR_PARAMETER] = print_leaf,
    [EXPR_COLUMN] = print_leaf,
    [EXPR_LOCAL] = print_leaf,
    [EXPR_PROPERTY] = print_access,
    [EXPR_LABEL_TEST] = print_access,
    [EXPR_INDEX] = print_access,
    [EXPR_LIST] = print_call,
    [EXPR_CALL] = print_call,
    [EXPR_PATH] = print_call,
    [EXPR_MAP] = print_map,
    [EXPR_MAP_PROJECTION] = print_projection,
    [EXPR_SLICE] = print_slice,
    [EXPR_UNARY] = print_unary,
    [EXPR_BINARY] = print_binary,
    [EXPR_TYPE_TEST] = print_type,
    [EXPR_CASE_SIMPLE] = print_case,
    [EXPR_CASE_SEARCHED] = print_case,
    [EXPR_COMPREHENSION] = print_loop,
    [EXPR_REDUCE] = print_loop,
    [EXPR_ALL] = print_loop,
    [EXPR_ANY] = print_loop,
    [EXPR_NONE] = print_loop,
    [EXPR_SINGLE] = print_loop,
};

static void
print(struct printer *printer, const struct expr *expr)
{
    assert(expr->kind < EXPR_KIND_COUNT);
    printers[expr->kind](printer, expr);
}

struct text
expr_print(struct arena *arena, const struct expr *expr, const struct text *column_names)
{
    struct printer printer = {.builder = builder_start(arena), .column_names = column_names};
    print(&printer, expr);
    return builder_text(&printer.builder);
}
