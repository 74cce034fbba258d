/* Arithmetic. Integers are 64 bits and never wrap: overflow is ERR(ARITHMETIC). As soon as one operand
 * is a float the other becomes one. `+` also joins strings and lists and shifts temporal values. */
#include <math.h>

#include "base/limits.h"
#include "engine/value/temporal.h"
#include "engine/value/value_ops.h"

static err_t
concatenate_strings(struct arena *arena, struct text a, struct text b, struct value *out)
{
    if (a.size + b.size > VALUE_STRING_SIZE_MAX)
        return ERR(LIMIT);
    char *data = arena_allocate(arena, a.size + b.size + 1);
    if (!data)
        return ERR(MEMORY_QUERY);
    if (a.size && a.data)
        memcpy(data, a.data, a.size);
    if (b.size && b.data)
        memcpy(data + a.size, b.data, b.size);
    *out = value_string((struct text){data, a.size + b.size});
    return 0;
}

static err_t
concatenate_lists(
    struct arena *arena,
    const struct value *a,
    uint32_t a_count,
    const struct value *b,
    uint32_t b_count,
    struct value *out)
{
    uint64_t count = (uint64_t)a_count + b_count;
    if (count > UINT32_MAX)
        return ERR(LIMIT);
    struct value *items = arena_allocate(arena, (count + 1) * sizeof(*items));
    if (!items)
        return ERR(MEMORY_QUERY);
    if (a_count)
        memcpy(items, a, a_count * sizeof(*a));
    if (b_count)
        memcpy(items + a_count, b, b_count * sizeof(*b));
    return value_list_make(items, (uint32_t)count, out);
}

static err_t
add_list(struct arena *arena, struct value a, struct value b, struct value *out)
{
    bool a_is_list = a.type == VALUE_LIST, b_is_list = b.type == VALUE_LIST;
    return concatenate_lists(
        arena, a_is_list ? a.list : &a, a_is_list ? a.size : 1, b_is_list ? b.list : &b,
        b_is_list ? b.size : 1, out);
}

/* A string and a scalar: the scalar as toString() writes it. */
static err_t
add_string(struct arena *arena, struct value a, struct value b, struct value *out)
{
    struct text x = a.type == VALUE_STRING ? value_text(a) : value_to_string(arena, a);
    struct text y = b.type == VALUE_STRING ? value_text(b) : value_to_string(arena, b);
    if ((!x.data && x.size == 0 && a.type != VALUE_STRING) || (!y.data && b.type != VALUE_STRING))
        return ERR(TYPE);
    return concatenate_strings(arena, x, y, out);
}

err_t
value_add(
    struct arena *arena,
    struct zone_source *zones,
    struct value a,
    struct value b,
    struct value *out)
{
    *out = value_null();
    if (a.type == VALUE_NULL || b.type == VALUE_NULL)
        return 0;
    if (a.type == VALUE_INTEGER && b.type == VALUE_INTEGER) {
        *out = value_integer(0);
        return __builtin_add_overflow(a.integer, b.integer, &out->integer) ? ERR(ARITHMETIC) : 0;
    }
    if (value_is_number(a) && value_is_number(b)) {
        *out = value_float(value_real(a) + value_real(b));
        return 0;
    }
    if (a.type == VALUE_LIST || b.type == VALUE_LIST)
        return add_list(arena, a, b, out);
    if (a.type == VALUE_STRING || b.type == VALUE_STRING)
        return add_string(arena, a, b, out);
    if (a.type == VALUE_DURATION && b.type == VALUE_DURATION)
        return duration_add(arena, a.duration, b.duration, 1, out);
    if (value_is_instant(a) && b.type == VALUE_DURATION)
        return temporal_add(arena, zones, a, b.duration, 1, out);
    if (value_is_instant(b) && a.type == VALUE_DURATION)
        return temporal_add(arena, zones, b, a.duration, 1, out);
    return ERR(TYPE);
}

err_t
value_subtract(
    struct arena *arena,
    struct zone_source *zones,
    struct value a,
    struct value b,
    struct value *out)
{
    *out = value_null();
    if (a.type == VALUE_NULL || b.type == VALUE_NULL)
        return 0;
    if (a.type == VALUE_INTEGER && b.type == VALUE_INTEGER) {
        *out = value_integer(0);
        return __builtin_sub_overflow(a.integer, b.integer, &out->integer) ? ERR(ARITHMETIC) : 0;
    }
    if (value_is_number(a) && value_is_number(b)) {
        *out = value_float(value_real(a) - value_real(b));
        return 0;
    }
    if (a.type == VALUE_DURATION && b.type == VALUE_DURATION)
        return duration_add(arena, a.duration, b.duration, -1, out);
    if (value_is_instant(a) && b.type == VALUE_DURATION)
        return temporal_add(arena, zones, a, b.duration, -1, out);
    return ERR(TYPE);
}

err_t
value_multiply(struct arena *arena, struct value a, struct value b, struct value *out)
{
    *out = value_null();
    if (a.type == VALUE_NULL || b.type == VALUE_NULL)
        return 0;
    if (a.type == VALUE_INTEGER && b.type == VALUE_INTEGER) {
        *out = value_integer(0);
        return __builtin_mul_overflow(a.integer, b.integer, &out->integer) ? ERR(ARITHMETIC) : 0;
    }
    if (value_is_number(a) && value_is_number(b)) {
        *out = value_float(value_real(a) * value_real(b));
        return 0;
    }
    if (a.type == VALUE_DURATION && value_is_number(b))
        return duration_scale(arena, a.duration, b, false, out);
    if (b.type == VALUE_DURATION && value_is_number(a))
        return duration_scale(arena, b.duration, a, false, out);
    return ERR(TYPE);
}

err_t
value_divide(struct arena *arena, struct value a, struct value b, struct value *out)
{
    *out = value_null();
    if (a.type == VALUE_NULL || b.type == VALUE_NULL)
        return 0;
    if (a.type == VALUE_INTEGER && b.type == VALUE_INTEGER) {
        if (b.integer == 0)
            return ERR(DIVISION_BY_ZERO);
        if (a.integer == INT64_MIN && b.integer == -1)
            return ERR(ARITHMETIC);
        *out = value_integer(a.integer / b.integer);
        return 0;
    }
    if (value_is_number(a) && value_is_number(b)) {
        *out = value_float(value_real(a) / value_real(b));
        return 0;
    }
    if (a.type == VALUE_DURATION && value_is_number(b))
        return duration_scale(arena, a.duration, b, true, out);
    return ERR(TYPE);
}

err_t
value_modulo(struct arena *arena, struct value a, struct value b, struct value *out)
{
    (void)arena;
    *out = value_null();
    if (a.type == VALUE_NULL || b.type == VALUE_NULL)
        return 0;
    if (a.type == VALUE_INTEGER && b.type == VALUE_INTEGER) {
        if (b.integer == 0)
            return ERR(DIVISION_BY_ZERO);
        *out = value_integer(b.integer == -1 ? 0 : a.integer % b.integer);
        return 0;
    }
    if (!value_is_number(a) || !value_is_number(b))
        return ERR(TYPE);
    *out = value_float(fmod(value_real(a), value_real(b)));
    return 0;
}

err_t
value_power(struct arena *arena, struct value a, struct value b, struct value *out)
{
    (void)arena;
    *out = value_null();
    if (a.type == VALUE_NULL || b.type == VALUE_NULL)
        return 0;
    if (!value_is_number(a) || !value_is_number(b))
        return ERR(TYPE);
    *out = value_float(pow(value_real(a), value_real(b)));
    return 0;
}

err_t
value_negate(struct arena *arena, struct value a, struct value *out)
{
    *out = value_null();
    if (a.type == VALUE_NULL)
        return 0;
    if (a.type == VALUE_INTEGER) {
        *out = value_integer(0);
        return __builtin_sub_overflow(0, a.integer, &out->integer) ? ERR(ARITHMETIC) : 0;
    }
    if (a.type == VALUE_FLOAT) {
        *out = value_float(-a.real);
        return 0;
    }
    if (a.type == VALUE_DURATION)
        return duration_scale(arena, a.duration, value_integer(-1), false, out);
    return ERR(TYPE);
}
