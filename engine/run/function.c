#include "engine/run/function.h"

#include "engine/run/function_internal.h"

static const struct function functions[] = {
#define FUNCTION(name, arguments_min, arguments_max, flags, run)                                   \
    {{name, sizeof(name) - 1}, arguments_min, arguments_max, flags, AGGREGATE_NONE, run},
#define AGGREGATE(name, arguments_min, arguments_max, kind)                                        \
    {{name, sizeof(name) - 1}, arguments_min, arguments_max, FUNCTION_AGGREGATE, kind, NULL},
#include "engine/run/functions.def"
#undef FUNCTION
#undef AGGREGATE
};

enum { FUNCTION_COUNT = sizeof(functions) / sizeof(functions[0]), SUGGESTION_SIZE_MAX = 40 };

const struct function *
function_lookup(struct text name)
{
    for (uint32_t i = 0; i < FUNCTION_COUNT; i++)
        if (text_equal_fold(functions[i].name, name))
            return &functions[i];
    return NULL;
}

const struct function *
function_list(uint32_t *count)
{
    *count = FUNCTION_COUNT;
    return functions;
}

static char
fold(char character)
{
    return character >= 'A' && character <= 'Z' ? (char)(character + 32) : character;
}

/* Levenshtein's distance without regard to case, by one row of the matrix. */
static uint32_t
edit_distance(struct text a, struct text b)
{
    uint32_t row[SUGGESTION_SIZE_MAX + 1];
    for (uint32_t j = 0; j <= b.size; j++)
        row[j] = j;
    for (uint32_t i = 1; i <= a.size; i++) {
        uint32_t diagonal = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= b.size; j++) {
            uint32_t change = diagonal + (fold(a.data[i - 1]) != fold(b.data[j - 1]));
            uint32_t insert = row[j] + 1, drop = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = change < insert ? change : insert;
            row[j] = drop < row[j] ? drop : row[j];
        }
    }
    return row[b.size];
}

const struct function *
function_suggest(struct text name)
{
    const struct function *best = NULL;
    uint32_t best_distance = name.size < 5 ? 2 : 3;
    if (name.size > SUGGESTION_SIZE_MAX)
        return NULL;
    for (uint32_t i = 0; i < FUNCTION_COUNT; i++) {
        assert_hot(functions[i].name.size <= SUGGESTION_SIZE_MAX);
        uint32_t distance = edit_distance(name, functions[i].name);
        if (distance < best_distance) {
            best = &functions[i];
            best_distance = distance;
        }
    }
    return best;
}

/* --- arguments --- */

err_t
function_fail_type(
    struct expr_context *context,
    const struct expr *at,
    uint32_t index,
    const char *expected,
    struct value got)
{
    return expr_fail(
        context, at, ERR(TYPE), "%.*s() needs %s as argument %u, got %s",
        TEXT_ARGS(at->function->name), expected, index + 1, value_type_name(got));
}

err_t
function_fail_argument(struct expr_context *context, const struct expr *at, const char *what)
{
    return expr_fail(context, at, ERR(ARGUMENT), "%.*s(): %s", TEXT_ARGS(at->function->name), what);
}

err_t
function_take_text(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t index,
    struct text *out)
{
    if (arguments[index].type != VALUE_STRING)
        return function_fail_type(context, at, index, "a STRING", arguments[index]);
    *out = value_text(arguments[index]);
    return 0;
}

err_t
function_take_integer(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t index,
    int64_t *out)
{
    if (arguments[index].type != VALUE_INTEGER)
        return function_fail_type(context, at, index, "an INTEGER", arguments[index]);
    *out = arguments[index].integer;
    return 0;
}

err_t
function_take_real(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t index,
    double *out)
{
    if (!value_is_number(arguments[index]))
        return function_fail_type(context, at, index, "an INTEGER or FLOAT", arguments[index]);
    *out = value_real(arguments[index]);
    return 0;
}

err_t
function_take_list(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t index,
    struct value *out)
{
    if (arguments[index].type != VALUE_LIST)
        return function_fail_type(context, at, index, "a LIST", arguments[index]);
    *out = arguments[index];
    return 0;
}
