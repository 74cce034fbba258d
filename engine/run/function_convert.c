/* toInteger, toFloat, toBoolean, toString, each in three forms: failing on a type that cannot be
 * converted, giving null instead (OrNull), and over the items of a list. Text that does not read as a
 * value of the type is null in all of them. */
#include <math.h>
#include <stdlib.h>

#include "engine/run/function_internal.h"

/* Sets *out, null when the content does not fit; false when the type cannot be converted at all. */
typedef bool convert_fn(struct arena *arena, struct value value, struct value *out);

static struct text
trimmed(struct text text)
{
    while (text.size && (unsigned char)text.data[0] <= ' ') {
        text.data++;
        text.size--;
    }
    while (text.size && (unsigned char)text.data[text.size - 1] <= ' ')
        text.size--;
    return text;
}

/* Decimal digits with a sign; false when it is something else or too large. */
static bool
parse_integer(struct text text, int64_t *out)
{
    size_t at = text.size && (text.data[0] == '-' || text.data[0] == '+') ? 1 : 0;
    bool negative = at && text.data[0] == '-';
    int64_t number = 0;
    if (at == text.size)
        return false;
    for (; at < text.size; at++) {
        int digit = text.data[at] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_sub_overflow(number, digit, &number))
            return false;
    }
    *out = number;
    return negative || !__builtin_sub_overflow(0, number, out);
}

static bool
parse_real(struct arena *arena, struct text text, double *out)
{
    if (text_equal(text, TEXT("NaN")) || text_equal(text, TEXT("Infinity")) ||
        text_equal(text, TEXT("-Infinity"))) {
        *out = text.data[0] == 'N' ? (double)NAN : text.data[0] == '-' ? -INFINITY : INFINITY;
        return true;
    }
    bool has_digit = false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        has_digit |= c >= '0' && c <= '9';
        if (!(c >= '0' && c <= '9') && c != '.' && c != 'e' && c != 'E' && c != '+' && c != '-')
            return false;
    }
    struct text copy = has_digit ? arena_text(arena, text) : (struct text){NULL, 0};
    if (!copy.data)
        return false;
    char *end;
    *out = strtod(copy.data, &end);
    return end == copy.data + copy.size;
}

static struct value
integer_of_real(double real)
{
    const double limit = 9223372036854775808.0; /* 2^63 */
    if (!(real >= -limit && real < limit))
        return value_null();
    return value_integer((int64_t)real);
}

static bool
convert_to_integer(struct arena *arena, struct value value, struct value *out)
{
    int64_t integer;
    double real;
    *out = value_null();
    if (value.type == VALUE_INTEGER) {
        *out = value;
    } else if (value.type == VALUE_FLOAT) {
        *out = integer_of_real(value.real);
    } else if (value.type == VALUE_BOOLEAN) {
        *out = value_integer(value.boolean);
    } else if (value.type == VALUE_STRING) {
        struct text text = trimmed(value_text(value));
        if (parse_integer(text, &integer))
            *out = value_integer(integer);
        else if (parse_real(arena, text, &real))
            *out = integer_of_real(real);
    } else {
        return false;
    }
    return true;
}

static bool
convert_to_float(struct arena *arena, struct value value, struct value *out)
{
    double real;
    *out = value_null();
    if (value_is_number(value))
        *out = value_float(value_real(value));
    else if (value.type != VALUE_STRING)
        return false;
    else if (parse_real(arena, trimmed(value_text(value)), &real))
        *out = value_float(real);
    return true;
}

static bool
convert_to_boolean(struct arena *arena, struct value value, struct value *out)
{
    (void)arena;
    *out = value_null();
    if (value.type == VALUE_BOOLEAN) {
        *out = value;
    } else if (value.type == VALUE_INTEGER) {
        *out = value_boolean(value.integer != 0);
    } else if (value.type == VALUE_STRING) {
        struct text text = trimmed(value_text(value));
        if (text_equal_fold(text, TEXT("true")) || text_equal_fold(text, TEXT("false")))
            *out = value_boolean(text.size == 4);
    } else {
        return false;
    }
    return true;
}

/* Out of memory shows as a string whose data is NULL: see convert_one. */
static bool
convert_to_string(struct arena *arena, struct value value, struct value *out)
{
    if (value.type == VALUE_BYTES || value.type == VALUE_LIST || value.type == VALUE_MAP ||
        value.type == VALUE_NODE || value.type == VALUE_RELATIONSHIP || value.type == VALUE_PATH)
        return false;
    *out = value_string(value_to_string(arena, value));
    return true;
}

static err_t
convert_one(
    struct expr_context *context,
    const struct expr *at,
    convert_fn *convert,
    const char *expected,
    struct value value,
    struct value *out)
{
    *out = value_null();
    if (value.type == VALUE_NULL)
        return 0;
    if (!convert(context->arena, value, out)) {
        *out = value_null();
        return expected ? function_fail_type(context, at, 0, expected, value) : 0;
    }
    if (out->type == VALUE_STRING && !out->string && value.type != VALUE_STRING)
        return expr_fail_memory(context, at);
    return 0;
}

static err_t
convert_list(
    struct expr_context *context,
    const struct expr *at,
    convert_fn *convert,
    const struct value *arguments,
    struct value *out)
{
    struct value list;
    err_t err = function_take_list(context, at, arguments, 0, &list);
    if (err)
        return err;
    struct value *items = arena_allocate(
        context->arena, (list.size + UINT64_C(1)) * sizeof(*items));
    if (!items)
        return expr_fail_memory(context, at);
    for (uint32_t i = 0; !err && i < list.size; i++) {
        err = expr_step(context);
        if (!err)
            err = convert_one(context, at, convert, NULL, list.list[i], &items[i]);
    }
    *out = value_list(items, list.size);
    return err;
}

err_t
function_to_integer(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    return convert_one(
        context, at, convert_to_integer, "an INTEGER, FLOAT, STRING or BOOLEAN", arguments[0], out);
}

err_t
function_to_integer_or_null(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    return convert_one(context, at, convert_to_integer, NULL, arguments[0], out);
}

err_t
function_to_integer_list(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    return convert_list(context, at, convert_to_integer, arguments, out);
}

err_t
function_to_float(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    return convert_one(
        context, at, convert_to_float, "an INTEGER, FLOAT or STRING", arguments[0], out);
}

err_t
function_to_float_or_null(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    return convert_one(context, at, convert_to_float, NULL, arguments[0], out);
}

err_t
function_to_float_list(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    return convert_list(context, at, convert_to_float, arguments, out);
}

err_t
function_to_boolean(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    return convert_one(
        context, at, convert_to_boolean, "a BOOLEAN, INTEGER or STRING", arguments[0], out);
}

err_t
function_to_boolean_or_null(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    return convert_one(context, at, convert_to_boolean, NULL, arguments[0], out);
}

err_t
function_to_boolean_list(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    return convert_list(context, at, convert_to_boolean, arguments, out);
}

err_t
function_to_string(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    return convert_one(
        context, at, convert_to_string, "a number, STRING, BOOLEAN, POINT or temporal value",
        arguments[0], out);
}

err_t
function_to_string_or_null(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    return convert_one(context, at, convert_to_string, NULL, arguments[0], out);
}

err_t
function_to_string_list(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    return convert_list(context, at, convert_to_string, arguments, out);
}
