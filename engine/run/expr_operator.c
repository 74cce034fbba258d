/* Unary and binary operators on values. Comparison and arithmetic are in engine/value; here are the
 * three-valued logic, the string operators, and the words of the errors. */
#include "engine/run/expr_internal.h"

err_t
expr_as_trit(
    struct expr_context *context, const struct expr *at, struct value value, enum trit *out)
{
    *out = TRIT_NULL;
    if (value.type == VALUE_NULL)
        return 0;
    if (value.type != VALUE_BOOLEAN)
        return expr_fail(
            context, at, ERR(TYPE), "expected BOOLEAN, got %s", value_type_name(value));
    *out = value.boolean ? TRIT_TRUE : TRIT_FALSE;
    return 0;
}

bool
expr_compare_matches(enum expr_operator op, int order)
{
    switch ((uint32_t)op) {
    case OPERATOR_LESS:
        return order < 0;
    case OPERATOR_LESS_EQUAL:
        return order <= 0;
    case OPERATOR_GREATER:
        return order > 0;
    default:
        assert(op == OPERATOR_GREATER_EQUAL);
        return order >= 0;
    }
}

/* The words for what failed in engine/value. */
static err_t
fail_binary(
    struct expr_context *context,
    const struct expr *at,
    err_t err,
    enum expr_operator op,
    struct value a,
    struct value b)
{
    enum err_code code = err_code(err);
    if (code == ERR_TYPE)
        return expr_fail(
            context, at, err, "`%s` cannot be applied to %s and %s", expr_operator_text(op),
            value_type_name(a), value_type_name(b));
    if (code == ERR_ARITHMETIC && a.type == VALUE_INTEGER && b.type == VALUE_INTEGER)
        return expr_fail(
            context, at, err, "integer overflow: %lld %s %lld", (long long)a.integer,
            expr_operator_text(op), (long long)b.integer);
    if (code == ERR_LIMIT)
        return expr_fail(
            context, at, err, "the result of `%s` is too large", expr_operator_text(op));
    return expr_fail(context, at, err, "%s", err_text(code));
}

err_t
expr_apply_unary(
    struct expr_context *context,
    const struct expr *at,
    enum expr_operator op,
    struct value a,
    struct value *out)
{
    enum trit trit = TRIT_NULL;
    err_t err = 0;
    if (op == OPERATOR_IS_NULL || op == OPERATOR_IS_NOT_NULL) {
        *out = value_boolean((a.type == VALUE_NULL) == (op == OPERATOR_IS_NULL));
    } else if (op == OPERATOR_NOT) {
        err = expr_as_trit(context, at, a, &trit);
        *out = trit == TRIT_NULL ? value_null() : value_boolean(trit == TRIT_FALSE);
    } else if (op == OPERATOR_MINUS) {
        err = value_negate(context->arena, a, out);
    } else {
        assert(op == OPERATOR_PLUS);
        *out = a;
        if (a.type != VALUE_NULL && !value_is_number(a) && a.type != VALUE_DURATION)
            err = ERR(TYPE);
    }
    if (err && op != OPERATOR_NOT) {
        if (err_code(err) == ERR_TYPE)
            return expr_fail(
                context, at, err, "`%s` cannot be applied to %s", expr_operator_text(op),
                value_type_name(a));
        return expr_fail(context, at, err, "%s", err_text(err_code(err)));
    }
    return err;
}

static err_t
apply_logic(
    struct expr_context *context,
    const struct expr *at,
    enum expr_operator op,
    struct value a,
    struct value b,
    struct value *out)
{
    enum trit x, y;
    err_t err = expr_as_trit(context, at, a, &x);
    if (!err)
        err = expr_as_trit(context, at, b, &y);
    if (err)
        return err;
    enum trit decides = op == OPERATOR_AND ? TRIT_FALSE : TRIT_TRUE;
    if (op == OPERATOR_XOR)
        *out = x == TRIT_NULL || y == TRIT_NULL ? value_null() : value_boolean(x != y);
    else if (x == decides || y == decides)
        *out = value_trit(decides);
    else
        *out = x == TRIT_NULL || y == TRIT_NULL ? value_null() : value_boolean(op == OPERATOR_AND);
    return 0;
}

/* Operands that are no strings make these null, as openCypher has it. */
static struct value
apply_affix(enum expr_operator op, struct value a, struct value b)
{
    if (a.type != VALUE_STRING || b.type != VALUE_STRING)
        return value_null();
    if (op == OPERATOR_CONTAINS)
        return value_boolean(b.size == 0 || (a.size && memmem(a.string, a.size, b.string, b.size)));
    if (b.size > a.size)
        return value_boolean(false);
    const char *part = op == OPERATOR_STARTS_WITH ? a.string : a.string + (a.size - b.size);
    return value_boolean(b.size == 0 || memcmp(part, b.string, b.size) == 0);
}

static err_t
apply_in(
    struct expr_context *context,
    const struct expr *at,
    struct value item,
    struct value list,
    struct value *out)
{
    *out = value_null();
    if (list.type == VALUE_NULL)
        return 0;
    if (list.type != VALUE_LIST)
        return expr_fail(
            context, at, ERR(TYPE), "`IN` needs a LIST on its right, got %s",
            value_type_name(list));
    bool unknown = false;
    for (uint32_t i = 0; i < list.size; i++) {
        err_t err = expr_step(context);
        if (err)
            return err;
        enum trit same = value_equal(item, list.list[i]);
        if (same == TRIT_TRUE) {
            *out = value_boolean(true);
            return 0;
        }
        unknown |= same == TRIT_NULL;
    }
    if (!unknown)
        *out = value_boolean(false);
    return 0;
}

static err_t
apply_concatenate(struct expr_context *context, struct value a, struct value b, struct value *out)
{
    *out = value_null();
    if (a.type == VALUE_NULL || b.type == VALUE_NULL)
        return 0;
    if (a.type != b.type || (a.type != VALUE_STRING && a.type != VALUE_LIST))
        return ERR(TYPE);
    return value_add(context->arena, context->zones, a, b, out);
}

static err_t
apply_regex(
    struct expr_context *context,
    const struct expr *at,
    struct value a,
    struct value pattern,
    struct value *out)
{
    *out = value_null();
    if (a.type != VALUE_STRING || pattern.type == VALUE_NULL)
        return 0;
    if (pattern.type != VALUE_STRING)
        return expr_fail(
            context, at, ERR(TYPE), "`=~` needs a STRING as its pattern, got %s",
            value_type_name(pattern));
    bool matches = false;
    err_t err = regex_match(context, at, value_text(pattern), value_text(a), &matches);
    if (!err)
        *out = value_boolean(matches);
    return err;
}

struct value
expr_apply_compare(enum expr_operator op, struct value a, struct value b)
{
    if (op == OPERATOR_EQUAL || op == OPERATOR_NOT_EQUAL) {
        enum trit same = value_equal(a, b);
        return same == TRIT_NULL ? value_null()
                                 : value_boolean((same == TRIT_TRUE) == (op == OPERATOR_EQUAL));
    }
    int order;
    enum trit known = value_compare(a, b, &order);
    if (known == TRIT_TRUE)
        return value_boolean(expr_compare_matches(op, order));
    return known == TRIT_NULL ? value_null() : value_boolean(false);
}

static err_t
apply_arithmetic(
    struct expr_context *context,
    const struct expr *at,
    enum expr_operator op,
    struct value a,
    struct value b,
    struct value *out)
{
    struct arena *arena = context->arena;
    err_t err;
    switch ((uint32_t)op) {
    case OPERATOR_ADD:
        err = value_add(arena, context->zones, a, b, out);
        break;
    case OPERATOR_SUBTRACT:
        err = value_subtract(arena, context->zones, a, b, out);
        break;
    case OPERATOR_MULTIPLY:
        err = value_multiply(arena, a, b, out);
        break;
    case OPERATOR_DIVIDE:
        err = value_divide(arena, a, b, out);
        break;
    case OPERATOR_MODULO:
        err = value_modulo(arena, a, b, out);
        break;
    case OPERATOR_POWER:
        err = value_power(arena, a, b, out);
        break;
    default:
        assert(op == OPERATOR_CONCATENATE);
        err = apply_concatenate(context, a, b, out);
        break;
    }
    return err ? fail_binary(context, at, err, op, a, b) : 0;
}

err_t
expr_apply_binary(
    struct expr_context *context,
    const struct expr *at,
    enum expr_operator op,
    struct value a,
    struct value b,
    struct value *out)
{
    switch ((uint32_t)op) {
    case OPERATOR_AND:
    case OPERATOR_OR:
    case OPERATOR_XOR:
        return apply_logic(context, at, op, a, b, out);
    case OPERATOR_EQUAL:
    case OPERATOR_NOT_EQUAL:
    case OPERATOR_LESS:
    case OPERATOR_LESS_EQUAL:
    case OPERATOR_GREATER:
    case OPERATOR_GREATER_EQUAL:
        *out = expr_apply_compare(op, a, b);
        return 0;
    case OPERATOR_STARTS_WITH:
    case OPERATOR_ENDS_WITH:
    case OPERATOR_CONTAINS:
        *out = apply_affix(op, a, b);
        return 0;
    case OPERATOR_REGEX:
        return apply_regex(context, at, a, b, out);
    case OPERATOR_IN:
        return apply_in(context, at, a, b, out);
    case OPERATOR_ADD:
    case OPERATOR_SUBTRACT:
    case OPERATOR_MULTIPLY:
    case OPERATOR_DIVIDE:
    case OPERATOR_MODULO:
    case OPERATOR_POWER:
    case OPERATOR_CONCATENATE:
        return apply_arithmetic(context, at, op, a, b, out);
    case OPERATOR_NONE:
    case OPERATOR_NOT:
    case OPERATOR_PLUS:
    case OPERATOR_MINUS:
    case OPERATOR_IS_NULL:
    case OPERATOR_IS_NOT_NULL:
    case OPERATOR_COUNT:
        break;
    }
    assert(!"not a binary operator");
    return ERR(INTERNAL);
}
