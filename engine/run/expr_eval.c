/* Evaluation of one row, and the operations on single values that batches use too. */
#include "base/limits.h"
#include "engine/run/expr_internal.h"
#include "engine/value/point.h"
#include "engine/value/temporal.h"

/* --- entities, properties, indexes --- */

err_t
expr_entity_properties(
    struct expr_context *context,
    const struct expr *at,
    struct value entity,
    const struct map_entry **entries,
    uint32_t *count)
{
    bool is_node = entity.type == VALUE_NODE;
    assert(is_node || entity.type == VALUE_RELATIONSHIP);
    bool hydrated = is_node ? (entity.flags & VALUE_FLAG_HYDRATED) != 0 : entity.rel->hydrated;
    bool deleted = is_node ? hydrated && entity.node->deleted : entity.rel->deleted;
    if (deleted)
        return expr_fail(
            context, at, ERR(ENTITY_NOT_FOUND), "the %s %llu has been deleted in this transaction",
            is_node ? "node" : "relationship",
            (unsigned long long)(is_node ? entity.node->id.id : entity.rel->id.id));
    if (!hydrated)
        return expr_fail(
            context, at, ERR(INTERNAL), "an entity was read before its properties were fetched");
    *entries = is_node ? entity.node->properties : entity.rel->properties;
    *count = is_node ? entity.node->property_count : entity.rel->property_count;
    return 0;
}

static err_t
fail_no_component(
    struct expr_context *context, const struct expr *at, struct value subject, struct text name)
{
    return expr_fail(
        context, at, ERR(ARGUMENT), "a %s has no component `%.*s`", value_type_name(subject),
        TEXT_ARGS(name));
}

err_t
expr_apply_property(
    struct expr_context *context,
    const struct expr *at,
    struct value subject,
    struct text name,
    struct value *out)
{
    const struct map_entry *entries = NULL;
    uint32_t count = 0;
    *out = value_null();
    if (subject.type == VALUE_NULL)
        return 0;
    if (subject.type == VALUE_NODE || subject.type == VALUE_RELATIONSHIP) {
        err_t err = expr_entity_properties(context, at, subject, &entries, &count);
        if (err)
            return err;
    } else if (subject.type == VALUE_MAP) {
        entries = subject.map;
        count = subject.size;
    } else if (value_is_instant(subject) || subject.type == VALUE_DURATION) {
        if (!temporal_component(context->arena, subject, name, out))
            return fail_no_component(context, at, subject, name);
        return 0;
    } else if (subject.type == VALUE_POINT) {
        return point_component(subject.point, name, out)
                   ? 0
                   : fail_no_component(context, at, subject, name);
    } else {
        return expr_fail(
            context, at, ERR(TYPE), "%s has no properties: cannot read `%.*s`",
            value_type_name(subject), TEXT_ARGS(name));
    }
    const struct value *found = value_map_lookup(entries, count, name);
    if (found)
        *out = *found;
    return 0;
}

err_t
expr_apply_index(
    struct expr_context *context,
    const struct expr *at,
    struct value subject,
    struct value index,
    struct value *out)
{
    *out = value_null();
    if (subject.type == VALUE_NULL || index.type == VALUE_NULL)
        return 0;
    if (subject.type == VALUE_LIST) {
        if (index.type != VALUE_INTEGER)
            return expr_fail(
                context, at, ERR(TYPE), "a LIST is indexed by an INTEGER, got %s",
                value_type_name(index));
        int64_t position = index.integer < 0 ? index.integer + subject.size : index.integer;
        if (position >= 0 && position < subject.size)
            *out = subject.list[position];
        return 0;
    }
    if (subject.type != VALUE_MAP && subject.type != VALUE_NODE &&
        subject.type != VALUE_RELATIONSHIP)
        return expr_fail(
            context, at, ERR(TYPE), "`[...]` needs a LIST, MAP, NODE or RELATIONSHIP, got %s",
            value_type_name(subject));
    if (index.type != VALUE_STRING)
        return expr_fail(
            context, at, ERR(TYPE), "a %s is indexed by a STRING, got %s", value_type_name(subject),
            value_type_name(index));
    return expr_apply_property(context, at, subject, value_text(index), out);
}

static err_t
label_test_node(
    struct expr_context *context,
    const struct expr *at,
    struct value entity,
    struct text name,
    struct value *out)
{
    if (!(entity.flags & VALUE_FLAG_HYDRATED))
        return expr_fail(
            context, at, ERR(INTERNAL), "a node was read before its labels were fetched");
    const struct value_node *node = entity.node;
    if (node->deleted)
        return expr_fail(
            context, at, ERR(ENTITY_NOT_FOUND),
            "the node %llu has been deleted in this transaction", (unsigned long long)node->id.id);
    bool found = name.size == 0 && node->label_count > 0;
    for (uint32_t i = 0; !found && i < node->label_count; i++)
        found = text_equal(node->labels[i], name);
    *out = value_boolean(found);
    return 0;
}

err_t
expr_apply_label_test(
    struct expr_context *context,
    const struct expr *at,
    struct value entity,
    struct text name,
    struct value *out)
{
    *out = value_null();
    if (entity.type == VALUE_NULL)
        return 0;
    if (entity.type == VALUE_NODE)
        return label_test_node(context, at, entity, name, out);
    if (entity.type != VALUE_RELATIONSHIP)
        return expr_fail(
            context, at, ERR(TYPE), "a label test needs a NODE or RELATIONSHIP, got %s",
            value_type_name(entity));
    struct text type = entity.rel->type;
    if (!entity.rel->hydrated && name.size)
        type = context->type_name
                   ? context->type_name(context->catalog_argument, entity.rel->type_token)
                   : (struct text){NULL, 0};
    *out = value_boolean(name.size == 0 || text_equal(type, name));
    return 0;
}

bool
expr_type_matches(const struct expr_type *type, struct value value)
{
    if (value.type == VALUE_NULL)
        return !type->not_null;
    if (!(type->type_mask & (1u << value.type)))
        return false;
    if (value.type != VALUE_LIST || !type->item)
        return true;
    for (uint32_t i = 0; i < value.size; i++)
        if (!expr_type_matches(type->item, value.list[i]))
            return false;
    return true;
}

err_t
expr_apply_call(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t count,
    struct value *out)
{
    const struct function *function = at->function;
    assert(function->run);
    *out = value_null();
    if (function->flags & FUNCTION_NULL_IN_NULL_OUT)
        for (uint32_t i = 0; i < count; i++)
            if (arguments[i].type == VALUE_NULL)
                return 0;
    return function->run(context, at, arguments, count, out);
}

/* --- rows --- */

static err_t
eval_list(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out)
{
    uint32_t count = expr->child_count;
    struct value *items = arena_allocate(context->arena, (count + UINT64_C(1)) * sizeof(*items));
    if (!items)
        return expr_fail_memory(context, expr);
    err_t err = 0;
    for (uint32_t i = 0; !err && i < count; i++)
        err = expr_eval_node(expr->children[i], context, batch, row, &items[i]);
    if (err)
        return err;
    err = value_list_make(items, count, out);
    return err ? expr_fail(context, expr, err, "lists are nested too deeply") : 0;
}

static err_t
eval_map(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out)
{
    uint32_t count = expr->child_count;
    struct map_entry *entries = arena_allocate(
        context->arena, (count + UINT64_C(1)) * sizeof(*entries));
    if (!entries)
        return expr_fail_memory(context, expr);
    err_t err = 0;
    for (uint32_t i = 0; !err && i < count; i++) {
        entries[i].key = expr->keys[i];
        err = expr_eval_node(expr->children[i], context, batch, row, &entries[i].value);
    }
    if (err)
        return err;
    err = value_map_make(entries, count, out);
    return err ? expr_fail(context, expr, err, "maps are nested too deeply") : 0;
}

/* AND and OR look at the right only when the left does not decide. */
static err_t
eval_logic(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out)
{
    struct value left = {0}, right = {0};
    err_t err = expr_eval_node(expr->children[0], context, batch, row, &left);
    if (err)
        return err;
    if (left.type == VALUE_BOOLEAN && left.boolean == (expr->op == OPERATOR_OR)) {
        *out = left;
        return 0;
    }
    err = expr_eval_node(expr->children[1], context, batch, row, &right);
    return err ? err : expr_apply_binary(context, expr, expr->op, left, right, out);
}

static err_t
eval_binary(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out)
{
    if (expr->op == OPERATOR_AND || expr->op == OPERATOR_OR)
        return eval_logic(expr, context, batch, row, out);
    struct value left = {0}, right = {0};
    err_t err = expr_eval_node(expr->children[0], context, batch, row, &left);
    if (!err)
        err = expr_eval_node(expr->children[1], context, batch, row, &right);
    return err ? err : expr_apply_binary(context, expr, expr->op, left, right, out);
}

static err_t
eval_case(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out)
{
    struct value subject = value_null(), when = {0};
    uint32_t at = 0;
    err_t err = 0;
    if (expr->kind == EXPR_CASE_SIMPLE)
        err = expr_eval_node(expr->children[at++], context, batch, row, &subject);
    for (; !err && at + 1 < expr->child_count; at += 2) {
        enum trit matches = TRIT_NULL;
        err = expr_eval_node(expr->children[at], context, batch, row, &when);
        if (!err && expr->kind == EXPR_CASE_SIMPLE)
            matches = value_equal(subject, when);
        else if (!err)
            err = expr_as_trit(context, expr->children[at], when, &matches);
        if (!err && matches == TRIT_TRUE)
            return expr_eval_node(expr->children[at + 1], context, batch, row, out);
    }
    *out = value_null();
    if (err || !expr->children[at])
        return err;
    return expr_eval_node(expr->children[at], context, batch, row, out);
}

/* The first argument that is not null; the ones behind it are not looked at. */
static err_t
eval_lazy(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out)
{
    err_t err = 0;
    *out = value_null();
    for (uint32_t i = 0; !err && i < expr->child_count && out->type == VALUE_NULL; i++)
        err = expr_eval_node(expr->children[i], context, batch, row, out);
    return err;
}

static err_t
eval_call(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out)
{
    enum { ARGUMENTS_ON_STACK = 4 };
    struct value few[ARGUMENTS_ON_STACK] = {{0}};
    struct value *arguments = few;
    uint32_t count = expr->child_count;
    if (expr->function->flags & FUNCTION_LAZY)
        return eval_lazy(expr, context, batch, row, out);
    if (count > ARGUMENTS_ON_STACK) {
        arguments = arena_allocate(context->arena, count * sizeof(*arguments));
        if (!arguments)
            return expr_fail_memory(context, expr);
    }
    err_t err = 0;
    for (uint32_t i = 0; !err && i < count; i++)
        err = expr_eval_node(expr->children[i], context, batch, row, &arguments[i]);
    return err ? err : expr_apply_call(context, expr, arguments, count, out);
}

static err_t
eval_leaf(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out)
{
    if (expr->kind == EXPR_LITERAL) {
        *out = expr->literal;
    } else if (expr->kind == EXPR_COLUMN) {
        assert(batch);
        *out = batch_value(batch, expr->slot, row);
    } else if (expr->kind == EXPR_LOCAL) {
        assert(expr->slot < context->local_count);
        *out = context->locals[expr->slot];
    } else {
        assert(expr->kind == EXPR_PARAMETER);
        if (expr->parameter.index >= context->parameter_count)
            return expr_fail(
                context, expr, ERR(PARAMETER_MISSING), "the parameter `%.*s` was not given",
                TEXT_ARGS(expr->parameter.name));
        *out = context->parameters[expr->parameter.index];
    }
    return 0;
}

/* Kinds with one operand and a simple operation. */
static err_t
eval_simple(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out)
{
    struct value operand = {0}, index = {0};
    err_t err = expr_eval_node(expr->children[0], context, batch, row, &operand);
    if (err)
        return err;
    switch ((uint32_t)expr->kind) {
    case EXPR_PROPERTY:
        return expr_apply_property(context, expr, operand, expr->name, out);
    case EXPR_LABEL_TEST:
        return expr_apply_label_test(context, expr, operand, expr->name, out);
    case EXPR_UNARY:
        return expr_apply_unary(context, expr, expr->op, operand, out);
    case EXPR_TYPE_TEST:
        *out = value_boolean(expr_type_matches(expr->type, operand) != expr->type->negated);
        return 0;
    default:
        assert(expr->kind == EXPR_INDEX);
        err = expr_eval_node(expr->children[1], context, batch, row, &index);
        return err ? err : expr_apply_index(context, expr, operand, index, out);
    }
}

err_t
expr_eval_node(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out)
{
    switch ((enum expr_kind)expr->kind) {
    case EXPR_LITERAL:
    case EXPR_PARAMETER:
    case EXPR_COLUMN:
    case EXPR_LOCAL:
        return eval_leaf(expr, context, batch, row, out);
    case EXPR_PROPERTY:
    case EXPR_LABEL_TEST:
    case EXPR_UNARY:
    case EXPR_TYPE_TEST:
    case EXPR_INDEX:
        return eval_simple(expr, context, batch, row, out);
    case EXPR_LIST:
        return eval_list(expr, context, batch, row, out);
    case EXPR_MAP:
        return eval_map(expr, context, batch, row, out);
    case EXPR_MAP_PROJECTION:
        return expr_eval_map_projection(expr, context, batch, row, out);
    case EXPR_SLICE:
        return expr_eval_slice(expr, context, batch, row, out);
    case EXPR_BINARY:
        return eval_binary(expr, context, batch, row, out);
    case EXPR_CASE_SIMPLE:
    case EXPR_CASE_SEARCHED:
        return eval_case(expr, context, batch, row, out);
    case EXPR_CALL:
        return eval_call(expr, context, batch, row, out);
    case EXPR_COMPREHENSION:
        return expr_eval_comprehension(expr, context, batch, row, out);
    case EXPR_REDUCE:
        return expr_eval_reduce(expr, context, batch, row, out);
    case EXPR_ALL:
    case EXPR_ANY:
    case EXPR_NONE:
    case EXPR_SINGLE:
        return expr_eval_quantifier(expr, context, batch, row, out);
    case EXPR_PATH:
        return expr_eval_path(expr, context, batch, row, out);
    case EXPR_KIND_COUNT:
        break;
    }
    assert(!"no such kind");
    return ERR(INTERNAL);
}

err_t
expr_eval(
    const struct expr *expr,
    struct expr_context *context,
    const struct batch *batch,
    uint32_t row,
    struct value *out)
{
    context->steps_spent = 0;
    return expr_eval_node(expr, context, batch, row, out);
}
