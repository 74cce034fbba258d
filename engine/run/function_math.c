/* Functions of numbers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/run/function_internal.h"

/* A function double -> double of Cypher. */
#define REAL_FUNCTION(name, expression)                                                            \
    err_t function_##name(                                                                         \
        struct expr_context *context, const struct expr *at, const struct value *arguments,        \
        uint32_t argument_count, struct value *out)                                                \
    {                                                                                              \
        assert(argument_count == 1);                                                               \
        double x = 0;                                                                              \
        err_t err = function_take_real(context, at, arguments, 0, &x);                             \
        *out = value_float(expression);                                                            \
        return err;                                                                                \
    }

static const double pi = 3.14159265358979323846, euler = 2.7182818284590452354;

REAL_FUNCTION(ceil, ceil(x))
REAL_FUNCTION(floor, floor(x))
REAL_FUNCTION(sqrt, sqrt(x))
REAL_FUNCTION(exp, exp(x))
REAL_FUNCTION(log, log(x))
REAL_FUNCTION(log10, log10(x))
REAL_FUNCTION(sin, sin(x))
REAL_FUNCTION(cos, cos(x))
REAL_FUNCTION(tan, tan(x))
REAL_FUNCTION(cot, 1 / tan(x))
REAL_FUNCTION(asin, asin(x))
REAL_FUNCTION(acos, acos(x))
REAL_FUNCTION(atan, atan(x))
REAL_FUNCTION(sinh, sinh(x))
REAL_FUNCTION(cosh, cosh(x))
REAL_FUNCTION(tanh, tanh(x))
REAL_FUNCTION(coth, 1 / tanh(x))
REAL_FUNCTION(haversin, (1 - cos(x)) / 2)
REAL_FUNCTION(degrees, x * 180 / pi)
REAL_FUNCTION(radians, x *pi / 180)

err_t
function_atan2(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 2);
    double y, x;
    err_t err = function_take_real(context, at, arguments, 0, &y);
    if (!err)
        err = function_take_real(context, at, arguments, 1, &x);
    if (!err)
        *out = value_float(atan2(y, x));
    return err;
}

err_t
function_e(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    (void)context, (void)at, (void)arguments, (void)argument_count;
    *out = value_float(euler);
    return 0;
}

err_t
function_pi(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    (void)context, (void)at, (void)arguments, (void)argument_count;
    *out = value_float(pi);
    return 0;
}

err_t
function_abs(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    double real;
    err_t err = function_take_real(context, at, arguments, 0, &real);
    if (err)
        return err;
    if (arguments[0].type == VALUE_FLOAT) {
        *out = value_float(fabs(real));
        return 0;
    }
    if (arguments[0].integer == INT64_MIN)
        return expr_fail(
            context, at, ERR(ARITHMETIC), "integer overflow: abs(%lld)", (long long)INT64_MIN);
    *out = value_integer(arguments[0].integer < 0 ? -arguments[0].integer : arguments[0].integer);
    return 0;
}

err_t
function_sign(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    double real;
    err_t err = function_take_real(context, at, arguments, 0, &real);
    if (!err)
        *out = value_integer((real > 0) - (real < 0));
    return err;
}

err_t
function_is_nan(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    double real;
    err_t err = function_take_real(context, at, arguments, 0, &real);
    if (!err)
        *out = value_boolean(isnan(real) != 0);
    return err;
}

/* --- round --- */

enum round_mode {
    ROUND_UP,
    ROUND_DOWN,
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN
};

static const struct text round_modes[] = {
    [ROUND_UP] = {"UP", 2},
    [ROUND_DOWN] = {"DOWN", 4},
    [ROUND_CEILING] = {"CEILING", 7},
    [ROUND_FLOOR] = {"FLOOR", 5},
    [ROUND_HALF_UP] = {"HALF_UP", 7},
    [ROUND_HALF_DOWN] = {"HALF_DOWN", 9},
    [ROUND_HALF_EVEN] = {"HALF_EVEN", 9},
};

/* Whether the magnitude goes up, given the digits that are cut off and the last one that stays. */
static bool
round_goes_up(
    enum round_mode mode,
    bool negative,
    const char *cut,
    uint32_t cut_count,
    bool below,
    int last_digit)
{
    /* `below`: the first digit cut stands right of where cutting begins, so all of it is under a half. */
    int half = below || cut_count == 0 || cut[0] < '5' ? -1 : cut[0] > '5' || cut_count > 1 ? 1 : 0;
    switch (mode) {
    case ROUND_UP:
        return true;
    case ROUND_DOWN:
        return false;
    case ROUND_CEILING:
        return !negative;
    case ROUND_FLOOR:
        return negative;
    case ROUND_HALF_UP:
        return half >= 0;
    case ROUND_HALF_DOWN:
        return half > 0;
    case ROUND_HALF_EVEN:
        return half > 0 || (half == 0 && last_digit % 2 == 1);
    }
    assert(!"no such mode");
    return false;
}

/* Rounds the decimal text of the number, as people see it: 1.005 to two places is 1.01, although the
 * float nearest to 1.005 is below it. */
static double
round_decimal(double real, int precision, enum round_mode mode)
{
    char digits[24] = "0";
    int exponent;
    bool negative = signbit(real) != 0;
    if (!isfinite(real) || real == 0)
        return real;
    uint32_t count = value_float_digits(fabs(real), digits + 1, &exponent);
    /* Digits before this index stay. digits[0] is a zero to carry into, worth 10^(exponent + 1). */
    int keep = exponent + 1 + precision;
    if (keep >= (int)count)
        return real;
    bool below = keep < 0;
    uint32_t kept = below ? 0 : (uint32_t)keep;
    bool up = round_goes_up(
        mode, negative, digits + 1 + kept, count - kept, below, digits[kept] - '0');
    double result = 0;
    int scale = -precision;
    uint64_t magnitude = 0;
    for (uint32_t i = 1; i <= kept; i++)
        magnitude = magnitude * 10 + (uint64_t)(digits[i] - '0');
    magnitude += up;
    /* Through text, since that is exact: magnitude * 10^scale. */
    char text[48];
    snprintf(text, sizeof(text), "%llue%d", (unsigned long long)magnitude, scale);
    result = strtod(text, NULL);
    return negative ? -result : result;
}

err_t
function_round(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    double real = 0;
    int64_t precision = 0;
    enum round_mode mode = ROUND_HALF_UP;
    err_t err = function_take_real(context, at, arguments, 0, &real);
    if (!err && argument_count > 1)
        err = function_take_integer(context, at, arguments, 1, &precision);
    if (!err && (precision < -400 || precision > 400))
        err = function_fail_argument(context, at, "the precision is out of range");
    if (!err && argument_count > 2) {
        struct text name;
        size_t i = 0, count = sizeof(round_modes) / sizeof(round_modes[0]);
        err = function_take_text(context, at, arguments, 2, &name);
        while (!err && i < count && !text_equal_fold(round_modes[i], name))
            i++;
        if (!err && i == count)
            err = function_fail_argument(
                context, at,
                "the mode is one of UP, DOWN, CEILING, FLOOR, HALF_UP, HALF_DOWN, HALF_EVEN");
        mode = (enum round_mode)i;
    }
    if (err)
        return err;
    /* Without a precision, halves go towards positive infinity, as in Java: round(-1.5) is -1.0. */
    *out = value_float(
        argument_count > 1                           ? round_decimal(real, (int)precision, mode)
        : fabs(real) < 0x1p52 && floor(real) != real ? floor(real + 0.5)
                                                     : real);
    return 0;
}

/* --- random numbers, clocks --- */

static err_t
random_word(struct expr_context *context, const struct expr *at, uint64_t *out)
{
    if (!context->random)
        return expr_fail(context, at, ERR(INTERNAL), "there is no source of random numbers here");
    *out = context->random(context->random_argument);
    return 0;
}

err_t
function_rand(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    (void)arguments, (void)argument_count;
    uint64_t word = 0;
    err_t err = random_word(context, at, &word);
    if (!err)
        *out = value_float((double)(word >> 11) * 0x1p-53);
    return err;
}

err_t
function_random_uuid(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    (void)arguments, (void)argument_count;
    uint64_t high = 0, low = 0;
    err_t err = random_word(context, at, &high);
    if (!err)
        err = random_word(context, at, &low);
    if (err)
        return err;
    /* Version 4, variant 1 of RFC 4122. */
    high = (high & ~UINT64_C(0xf000)) | 0x4000;
    low = (low & ~(UINT64_C(3) << 62)) | UINT64_C(1) << 63;
    struct text text = arena_printf(
        context->arena, "%08llx-%04llx-%04llx-%04llx-%012llx", (unsigned long long)(high >> 32),
        (unsigned long long)(high >> 16 & 0xffff), (unsigned long long)(high & 0xffff),
        (unsigned long long)(low >> 48), (unsigned long long)(low & UINT64_C(0xffffffffffff)));
    if (!text.data)
        return expr_fail_memory(context, at);
    *out = value_string(text);
    return 0;
}

err_t
function_timestamp(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    (void)at, (void)arguments, (void)argument_count;
    *out = value_integer((int64_t)(context->statement_wall_ns / 1000000));
    return 0;
}

/* --- vectors --- */

/* Sums over two lists of numbers of one length: of products, of squares, of squared differences. */
struct vector_sums {
    double product, left, right, distance;
};

static err_t
vector_sums(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    struct vector_sums *out)
{
    struct value a = {0}, b = {0};
    err_t err = function_take_list(context, at, arguments, 0, &a);
    if (!err)
        err = function_take_list(context, at, arguments, 1, &b);
    if (err)
        return err;
    if (a.size != b.size || a.size == 0)
        return function_fail_argument(context, at, "the vectors must have one length, above 0");
    *out = (struct vector_sums){0};
    for (uint32_t i = 0; i < a.size; i++) {
        if (!value_is_number(a.list[i]) || !value_is_number(b.list[i]))
            return function_fail_argument(context, at, "vectors are lists of numbers");
        double x = value_real(a.list[i]), y = value_real(b.list[i]);
        out->product += x * y;
        out->left += x * x;
        out->right += y * y;
        out->distance += (x - y) * (x - y);
    }
    return 0;
}

/* The cosine of the angle, moved from -1 .. 1 to 0 .. 1. */
err_t
function_similarity_cosine(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 2);
    struct vector_sums sums = {0};
    err_t err = vector_sums(context, at, arguments, &sums);
    if (!err && !(sums.left > 0 && sums.right > 0))
        err = function_fail_argument(context, at, "a vector must not be zero");
    if (!err)
        *out = value_float((1 + sums.product / (sqrt(sums.left) * sqrt(sums.right))) / 2);
    return err;
}

/* 1 for equal vectors, towards 0 with their distance. */
err_t
function_similarity_euclidean(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 2);
    struct vector_sums sums = {0};
    err_t err = vector_sums(context, at, arguments, &sums);
    if (!err)
        *out = value_float(1 / (1 + sums.distance));
    return err;
}
