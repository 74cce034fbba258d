/* Functions of lists, and those that take anything. */
#include "engine/run/function_internal.h"
#include "engine/value/utf8.h"

enum { RANGE_COUNT_MAX = 100 * 1000 * 1000 };

err_t
function_size(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    if (arguments[0].type == VALUE_LIST)
        *out = value_integer(arguments[0].size);
    else if (arguments[0].type == VALUE_STRING)
        *out = value_integer((int64_t)utf8_count(value_text(arguments[0])));
    else
        return function_fail_type(context, at, 0, "a LIST or STRING", arguments[0]);
    return 0;
}

err_t
function_head(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    struct value list;
    err_t err = function_take_list(context, at, arguments, 0, &list);
    if (!err)
        *out = list.size ? list.list[0] : value_null();
    return err;
}

err_t
function_last(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    struct value list;
    err_t err = function_take_list(context, at, arguments, 0, &list);
    if (!err)
        *out = list.size ? list.list[list.size - 1] : value_null();
    return err;
}

err_t
function_tail(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    struct value list;
    err_t err = function_take_list(context, at, arguments, 0, &list);
    if (err)
        return err;
    *out = list;
    if (list.size) {
        out->list++;
        out->size--;
    }
    return 0;
}

static err_t
reverse_string(
    struct expr_context *context, const struct expr *at, struct text text, struct value *out)
{
    char *data = arena_allocate(context->arena, text.size + 1);
    if (!data)
        return expr_fail_memory(context, at);
    size_t to = text.size;
    for (size_t from = 0; from < text.size;) {
        size_t next = utf8_next(text, from);
        to -= next - from;
        memcpy(data + to, text.data + from, next - from);
        from = next;
    }
    *out = value_string((struct text){data, text.size});
    return 0;
}

err_t
function_reverse(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    struct value list = arguments[0];
    if (list.type == VALUE_STRING)
        return reverse_string(context, at, value_text(list), out);
    if (list.type != VALUE_LIST)
        return function_fail_type(context, at, 0, "a LIST or STRING", list);
    struct value *items = arena_allocate(
        context->arena, (list.size + UINT64_C(1)) * sizeof(*items));
    if (!items)
        return expr_fail_memory(context, at);
    for (uint32_t i = 0; i < list.size; i++)
        items[i] = list.list[list.size - 1 - i];
    *out = value_list(items, list.size);
    out->depth = list.depth;
    return 0;
}

err_t
function_range(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    for (uint32_t i = 0; i < argument_count; i++)
        if (arguments[i].type != VALUE_INTEGER)
            return expr_fail(
                context, at, ERR(ARGUMENT), "range() needs INTEGER arguments, got %s",
                value_type_name(arguments[i]));
    int64_t start = arguments[0].integer, end = arguments[1].integer;
    int64_t step = argument_count > 2 ? arguments[2].integer : 1;
    if (step == 0)
        return function_fail_argument(context, at, "the step must not be 0");
    uint64_t count = 0;
    if (step > 0 ? start <= end : start >= end) {
        bool up = step > 0;
        uint64_t distance = up ? (uint64_t)end - (uint64_t)start : (uint64_t)start - (uint64_t)end;
        uint64_t stride = up ? (uint64_t)step : 0 - (uint64_t)step;
        count = distance / stride;
        count = count < RANGE_COUNT_MAX ? count + 1 : (uint64_t)RANGE_COUNT_MAX + 1;
    }
    if (count > RANGE_COUNT_MAX)
        return expr_fail(
            context, at, ERR(LIMIT), "range() makes at most %d items", RANGE_COUNT_MAX);
    struct value *items = arena_allocate(context->arena, (count + 1) * sizeof(*items));
    if (!items)
        return expr_fail_memory(context, at);
    err_t err = 0;
    for (uint64_t i = 0; !err && i < count; i++) {
        err = expr_step(context);
        items[i] = value_integer((int64_t)((uint64_t)start + i * (uint64_t)step));
    }
    *out = value_list(items, (uint32_t)count);
    return err;
}

err_t
function_coalesce(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    (void)context;
    (void)at;
    for (uint32_t i = 0; i < argument_count; i++) {
        if (arguments[i].type != VALUE_NULL) {
            *out = arguments[i];
            return 0;
        }
    }
    *out = value_null();
    return 0;
}

err_t
function_null_if(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    (void)context;
    (void)at;
    assert(argument_count == 2);
    *out = value_equal(arguments[0], arguments[1]) == TRIT_TRUE ? value_null() : arguments[0];
    return 0;
}

err_t
function_exists(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    (void)context;
    (void)at;
    assert(argument_count == 1);
    *out = value_boolean(arguments[0].type != VALUE_NULL);
    return 0;
}

err_t
function_is_empty(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    uint8_t type = arguments[0].type;
    if (type != VALUE_LIST && type != VALUE_MAP && type != VALUE_STRING)
        return function_fail_type(context, at, 0, "a LIST, MAP or STRING", arguments[0]);
    *out = value_boolean(arguments[0].size == 0);
    return 0;
}

err_t
function_value_type(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    struct text text = value_type_text(context->arena, arguments[0]);
    if (!text.data)
        return expr_fail_memory(context, at);
    *out = value_string(text);
    return 0;
}
