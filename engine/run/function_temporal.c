/* Functions of dates, times, durations and points. */
#include "engine/run/function_internal.h"
#include "engine/value/point.h"
#include "engine/value/temporal.h"

/* What failed in engine/value, with the function's name in front. */
static err_t
finish(struct expr_context *context, const struct expr *at, err_t err, struct text reason)
{
    if (!err)
        return 0;
    enum err_code code = err_code(err);
    if (!reason.size || (code != ERR_ARGUMENT && code != ERR_TYPE))
        return expr_fail(context, at, err, "%s", err_text(code));
    return expr_fail(
        context, at, err, "%.*s(): %.*s", TEXT_ARGS(at->function->name), TEXT_ARGS(reason));
}

/* date(), date('2015-07-21'), date({...}), date(other). Without an argument, and for a map of nothing but
 * a time zone, the clock of the statement is asked. */
static err_t
make_instant(
    struct expr_context *context,
    const struct expr *at,
    enum value_type type,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    struct arena *arena = context->arena;
    struct zone_source *zones = context->zones;
    struct text reason = {NULL, 0}, zone = {NULL, 0};
    struct value argument = argument_count ? arguments[0] : value_null();
    bool now = argument_count == 0;
    if (argument.type == VALUE_MAP && argument.size == 1 &&
        text_equal_fold(argument.map[0].key, TEXT("timezone")) &&
        argument.map[0].value.type == VALUE_STRING) {
        now = true;
        zone = value_text(argument.map[0].value);
    }
    err_t err;
    if (now)
        err = temporal_from_clock(
            arena, zones, type, context->statement_wall_ns, zone, out, &reason);
    else if (argument.type == VALUE_STRING)
        err = temporal_parse(arena, zones, type, value_text(argument), out, &reason);
    else if (argument.type == VALUE_MAP)
        err = temporal_from_map(arena, zones, type, argument, NULL, out, &reason);
    else if (value_is_instant(argument))
        err = temporal_convert(arena, zones, type, argument, out, &reason);
    else
        return function_fail_type(context, at, 0, "a STRING, MAP or temporal value", argument);
    return finish(context, at, err, reason);
}

enum clock { CLOCK_OF_STATEMENT, CLOCK_OF_TRANSACTION, CLOCK_REAL };

/* date.statement() and its kin; the argument is a time zone. */
static err_t
read_clock(
    struct expr_context *context,
    const struct expr *at,
    enum value_type type,
    enum clock clock,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    struct text zone = {NULL, 0}, reason = {NULL, 0};
    uint64_t wall_ns = clock == CLOCK_OF_TRANSACTION ? context->transaction_wall_ns
                                                     : context->statement_wall_ns;
    if (clock == CLOCK_REAL && context->realtime_wall_ns)
        wall_ns = context->realtime_wall_ns(context->realtime_argument);
    err_t err = argument_count ? function_take_text(context, at, arguments, 0, &zone) : 0;
    if (err)
        return err;
    err = temporal_from_clock(context->arena, context->zones, type, wall_ns, zone, out, &reason);
    return finish(context, at, err, reason);
}

/* date.truncate(unit, value = now, fields). */
static err_t
truncate_instant(
    struct expr_context *context,
    const struct expr *at,
    enum value_type type,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    struct text unit, reason = {NULL, 0};
    struct value value = value_null(), map = argument_count > 2 ? arguments[2] : value_null();
    err_t err = 0;
    *out = value_null();
    if (arguments[0].type == VALUE_NULL || (argument_count > 1 && arguments[1].type == VALUE_NULL))
        return 0;
    if (argument_count > 1)
        value = arguments[1];
    else
        err = temporal_from_clock(
            context->arena, context->zones, type, context->statement_wall_ns,
            (struct text){NULL, 0}, &value, &reason);
    if (err)
        return finish(context, at, err, reason);
    err = function_take_text(context, at, arguments, 0, &unit);
    if (err)
        return err;
    err = temporal_truncate(context->arena, context->zones, type, unit, value, map, out, &reason);
    return finish(context, at, err, reason);
}

/* The same five functions for each of the five types of instants. */
#define FUNCTION_OF_INSTANT(name, call)                                                            \
    err_t name(                                                                                    \
        struct expr_context *context, const struct expr *at, const struct value *arguments,        \
        uint32_t argument_count, struct value *out)                                                \
    {                                                                                              \
        return call;                                                                               \
    }
#define INSTANT(name, type)                                                                        \
    FUNCTION_OF_INSTANT(                                                                           \
        function_##name, make_instant(context, at, type, arguments, argument_count, out))          \
    FUNCTION_OF_INSTANT(                                                                           \
        function_##name##_statement,                                                               \
        read_clock(context, at, type, CLOCK_OF_STATEMENT, arguments, argument_count, out))         \
    FUNCTION_OF_INSTANT(                                                                           \
        function_##name##_transaction,                                                             \
        read_clock(context, at, type, CLOCK_OF_TRANSACTION, arguments, argument_count, out))       \
    FUNCTION_OF_INSTANT(                                                                           \
        function_##name##_realtime,                                                                \
        read_clock(context, at, type, CLOCK_REAL, arguments, argument_count, out))                 \
    FUNCTION_OF_INSTANT(                                                                           \
        function_##name##_truncate,                                                                \
        truncate_instant(context, at, type, arguments, argument_count, out))

INSTANT(date, VALUE_DATE)
INSTANT(local_time, VALUE_LOCAL_TIME)
INSTANT(time, VALUE_TIME)
INSTANT(local_date_time, VALUE_LOCAL_DATE_TIME)
INSTANT(date_time, VALUE_DATE_TIME)

static err_t
from_epoch(
    struct expr_context *context,
    const struct expr *at,
    int64_t seconds,
    int64_t nanoseconds,
    struct value *out)
{
    struct text reason = {NULL, 0};
    const struct map_entry entries[] = {
        {TEXT("epochSeconds"), value_integer(seconds)},
        {TEXT("nanosecond"), value_integer(nanoseconds)}};
    err_t err = temporal_from_map(
        context->arena, context->zones, VALUE_DATE_TIME, value_map(entries, 2), NULL, out, &reason);
    return finish(context, at, err, reason);
}

err_t
function_from_epoch(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 2);
    int64_t seconds = 0, nanoseconds = 0;
    err_t err = function_take_integer(context, at, arguments, 0, &seconds);
    if (!err)
        err = function_take_integer(context, at, arguments, 1, &nanoseconds);
    return err ? err : from_epoch(context, at, seconds, nanoseconds, out);
}

err_t
function_from_epoch_millis(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    int64_t millis = 0;
    err_t err = function_take_integer(context, at, arguments, 0, &millis);
    int64_t seconds = millis / 1000 - (millis % 1000 < 0);
    return err ? err : from_epoch(context, at, seconds, (millis - seconds * 1000) * 1000000, out);
}

/* --- durations --- */

err_t
function_duration(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    struct text reason = {NULL, 0};
    err_t err;
    if (arguments[0].type == VALUE_STRING) {
        err = duration_parse(context->arena, value_text(arguments[0]), out, &reason);
    } else if (arguments[0].type == VALUE_MAP) {
        err = duration_from_map(context->arena, arguments[0], out, &reason);
    } else if (arguments[0].type == VALUE_DURATION) {
        *out = arguments[0];
        return 0;
    } else {
        return function_fail_type(context, at, 0, "a STRING, MAP or DURATION", arguments[0]);
    }
    return finish(context, at, err, reason);
}

static err_t
between(
    struct expr_context *context,
    const struct expr *at,
    enum duration_unit unit,
    const struct value *arguments,
    struct value *out)
{
    struct text reason = {NULL, 0};
    for (uint32_t i = 0; i < 2; i++)
        if (!value_is_instant(arguments[i]))
            return function_fail_type(context, at, i, "a date or time", arguments[i]);
    err_t err = duration_between(
        context->arena, context->zones, unit, arguments[0], arguments[1], out, &reason);
    return finish(context, at, err, reason);
}

FUNCTION_OF_INSTANT(
    function_duration_between,
    (assert(argument_count == 2), between(context, at, DURATION_BETWEEN, arguments, out)))
FUNCTION_OF_INSTANT(
    function_duration_in_months,
    (assert(argument_count == 2), between(context, at, DURATION_IN_MONTHS, arguments, out)))
FUNCTION_OF_INSTANT(
    function_duration_in_days,
    (assert(argument_count == 2), between(context, at, DURATION_IN_DAYS, arguments, out)))
FUNCTION_OF_INSTANT(
    function_duration_in_seconds,
    (assert(argument_count == 2), between(context, at, DURATION_IN_SECONDS, arguments, out)))

/* --- points --- */

err_t
function_point(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    assert(argument_count == 1);
    struct text reason = {NULL, 0};
    struct value map = arguments[0];
    if (map.type != VALUE_MAP)
        return function_fail_type(context, at, 0, "a MAP", map);
    return finish(context, at, point_from_map(context->arena, map, out, &reason), reason);
}

/* Points are null here, as for Neo4j, when an argument is no point. */
err_t
function_distance(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    (void)context;
    (void)at;
    assert(argument_count == 2);
    double distance;
    *out = value_null();
    if (arguments[0].type == VALUE_POINT && arguments[1].type == VALUE_POINT &&
        point_distance(arguments[0].point, arguments[1].point, &distance))
        *out = value_float(distance);
    return 0;
}

err_t
function_within_box(
    struct expr_context *context,
    const struct expr *at,
    const struct value *arguments,
    uint32_t argument_count,
    struct value *out)
{
    (void)context;
    (void)at;
    assert(argument_count == 3);
    *out = value_null();
    for (uint32_t i = 0; i < 3; i++)
        if (arguments[i].type != VALUE_POINT)
            return 0;
    bool known;
    bool inside = point_within(arguments[0].point, arguments[1].point, arguments[2].point, &known);
    if (known)
        *out = value_boolean(inside);
    return 0;
}
