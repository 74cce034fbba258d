/* Aggregates.
 *
 *                   step                     merge               finish
 *      count        ++                       +                   count
 *      sum, avg     sum of integers and      + of both sums      integer while no float was seen
 *                   of floats, apart
 *      min, max     best so far              the better          best
 *      stDev        mean and sum of squared  Chan's formula      root of the mean of squares
 *                   deviations (Welford)
 *      collect,     the values               append              list; sorted for percentiles
 *      percentile
 *
 * With DISTINCT the state is the set of values, in order of arrival, and nothing else: the aggregate is
 * computed from it at the end. That is what makes merging exact.
 *
 * Invariants
 *  1. merge(step(A), step(B)) finishes with what step(A then B) does, up to the rounding of floats.
 *  2. Nulls are not seen, except by count(*).
 *  3. Floats are summed with compensation (Neumaier), so order matters little.
 *  4. The sum of integers is exact in 128 bits until the end, so no order of rows overflows first. */
#include "engine/run/aggregate.h"

#include <math.h>

#include "base/limits.h"
#include "engine/run/expr_internal.h"
#include "engine/value/temporal.h"
#include "engine/value/value_codec.h"

enum { VALUES_ROOM_FIRST = 8 };

void
aggregate_create(struct aggregate *aggregate, enum aggregate_kind kind, bool distinct)
{
    assert(kind > AGGREGATE_NONE && kind < AGGREGATE_KIND_COUNT);
    *aggregate = (struct aggregate){.kind = (uint8_t)kind, .percentile = -1};
    /* The smallest and the largest are the same with and without repetitions. */
    aggregate->distinct = distinct && kind != AGGREGATE_MINIMUM && kind != AGGREGATE_MAXIMUM &&
                          kind != AGGREGATE_COUNT_ROWS;
}

static bool
kind_keeps_values(uint32_t kind)
{
    return kind == AGGREGATE_COLLECT || kind == AGGREGATE_PERCENTILE_CONTINUOUS ||
           kind == AGGREGATE_PERCENTILE_DISCRETE;
}

static bool
kind_is_percentile(uint32_t kind)
{
    return kind == AGGREGATE_PERCENTILE_CONTINUOUS || kind == AGGREGATE_PERCENTILE_DISCRETE;
}

static const char *
kind_name(uint32_t kind)
{
    static const char *const names[AGGREGATE_KIND_COUNT] = {
        [AGGREGATE_NONE] = "",
        [AGGREGATE_COUNT_ROWS] = "count",
        [AGGREGATE_COUNT] = "count",
        [AGGREGATE_SUM] = "sum",
        [AGGREGATE_AVERAGE] = "avg",
        [AGGREGATE_MINIMUM] = "min",
        [AGGREGATE_MAXIMUM] = "max",
        [AGGREGATE_COLLECT] = "collect",
        [AGGREGATE_DEVIATION] = "stDev",
        [AGGREGATE_DEVIATION_POPULATION] = "stDevP",
        [AGGREGATE_PERCENTILE_CONTINUOUS] = "percentileCont",
        [AGGREGATE_PERCENTILE_DISCRETE] = "percentileDisc",
    };
    return names[kind];
}

/* --- values kept --- */

static bool
values_grow(struct aggregate_values *values, struct arena *arena)
{
    uint64_t room = values->room ? values->room * UINT64_C(2) : VALUES_ROOM_FIRST;
    if (room > UINT32_MAX)
        return false;
    struct value *items = arena_allocate(arena, room * sizeof(*items));
    if (!items)
        return false;
    if (values->count)
        memcpy(items, values->items, values->count * sizeof(*items));
    values->items = items;
    values->room = (uint32_t)room;
    return true;
}

static void
slots_put(struct aggregate_values *values, uint64_t hash, uint32_t index)
{
    uint32_t mask = values->slot_count - 1, slot = (uint32_t)hash & mask;
    while (values->slots[slot])
        slot = (slot + 1) & mask;
    values->slots[slot] = index + 1;
}

static bool
slots_grow(struct aggregate_values *values, struct arena *arena)
{
    uint64_t count = values->slot_count ? values->slot_count * UINT64_C(2) : VALUES_ROOM_FIRST * 2;
    uint32_t *slots = count > UINT32_MAX ? NULL : arena_zeroed(arena, count * sizeof(*slots));
    if (!slots)
        return false;
    values->slots = slots;
    values->slot_count = (uint32_t)count;
    for (uint32_t i = 0; i < values->count; i++)
        slots_put(values, value_hash(values->items[i], 0), i);
    return true;
}

/* True when an equivalent value is in the set. */
static bool
values_contain(const struct aggregate_values *values, struct value value, uint64_t hash)
{
    if (!values->slot_count)
        return false;
    uint32_t mask = values->slot_count - 1, slot = (uint32_t)hash & mask;
    for (; values->slots[slot]; slot = (slot + 1) & mask)
        if (value_equivalent(values->items[values->slots[slot] - 1], value))
            return true;
    return false;
}

static err_t
values_add(struct aggregate_values *values, struct arena *arena, struct value value, bool distinct)
{
    uint64_t hash = distinct ? value_hash(value, 0) : 0;
    if (distinct && values_contain(values, value, hash))
        return 0;
    if (values->count == values->room && !values_grow(values, arena))
        return ERR(MEMORY_QUERY);
    if (distinct && (values->count + 1) * UINT64_C(2) > values->slot_count &&
        !slots_grow(values, arena))
        return ERR(MEMORY_QUERY);
    err_t err = value_copy(arena, value, &values->items[values->count]);
    if (err)
        return err;
    if (distinct)
        slots_put(values, hash, values->count);
    values->count++;
    return 0;
}

/* --- numbers --- */

/* Adds to a sum of floats and its rounding error. */
static void
sum_real(struct aggregate *aggregate, double real)
{
    double sum = aggregate->real + real;
    if (isfinite(sum))
        aggregate->real2 += fabs(aggregate->real) >= fabs(real) ? (aggregate->real - sum) + real
                                                                : (real - sum) + aggregate->real;
    aggregate->real = sum;
}

/* The 128-bit sum of integers is kept as two words, the low one and `integer_high`. */
static __int128
integer_sum(const struct aggregate *aggregate)
{
    unsigned __int128 high = (uint64_t)aggregate->integer_high;
    return (__int128)(high << 64 | (uint64_t)aggregate->integer);
}

static void
sum_integer(struct aggregate *aggregate, __int128 integer)
{
    unsigned __int128 sum = (unsigned __int128)integer_sum(aggregate) + (unsigned __int128)integer;
    aggregate->integer = (int64_t)(uint64_t)sum;
    aggregate->integer_high = (int64_t)(uint64_t)(sum >> 64);
}

static err_t
sum_duration(struct aggregate *aggregate, struct arena *arena, struct value duration)
{
    err_t err = 0;
    if (aggregate->best.type == VALUE_DURATION)
        err = duration_add(arena, aggregate->best.duration, duration.duration, 1, &aggregate->best);
    else
        err = value_copy(arena, duration, &aggregate->best);
    aggregate->has_duration = true;
    return err;
}

static err_t
fail_type(
    struct expr_context *context,
    const struct expr *at,
    uint32_t kind,
    const char *wants,
    struct value got)
{
    return expr_fail(
        context, at, ERR(TYPE), "%s() needs %s, got %s", kind_name(kind), wants,
        value_type_name(got));
}

static err_t
step_sum(
    struct aggregate *aggregate,
    struct expr_context *context,
    const struct expr *at,
    struct arena *arena,
    struct value value)
{
    bool is_duration = value.type == VALUE_DURATION;
    if (!value_is_number(value) && !is_duration)
        return fail_type(context, at, aggregate->kind, "numbers or durations", value);
    if (aggregate->count > 0 && is_duration != aggregate->has_duration)
        return expr_fail(
            context, at, ERR(TYPE), "%s() cannot mix numbers and durations",
            kind_name(aggregate->kind));
    aggregate->count++;
    if (value.type == VALUE_INTEGER) {
        sum_integer(aggregate, value.integer);
    } else if (value.type == VALUE_FLOAT) {
        aggregate->has_float = true;
        sum_real(aggregate, value.real);
    } else {
        err_t err = sum_duration(aggregate, arena, value);
        return err ? expr_fail(context, at, err, "%s", err_text(err_code(err))) : 0;
    }
    return 0;
}

/* Welford: `real` is the mean so far, `real2` the sum of squared deviations from it. */
static void
step_deviation(struct aggregate *aggregate, double real)
{
    aggregate->count++;
    double delta = real - aggregate->real;
    aggregate->real += delta / (double)aggregate->count;
    aggregate->real2 += delta * (real - aggregate->real);
}

static err_t
step_best(struct aggregate *aggregate, struct arena *arena, struct value value)
{
    bool first = aggregate->count == 0;
    int order = 0;
    if (value.type == VALUE_INTEGER && aggregate->best.type == VALUE_INTEGER)
        order = (value.integer > aggregate->best.integer) -
                (value.integer < aggregate->best.integer);
    else if (!first)
        order = value_order(value, aggregate->best);
    aggregate->count++;
    if (!first && (aggregate->kind == AGGREGATE_MINIMUM ? order >= 0 : order <= 0))
        return 0;
    return value_copy(arena, value, &aggregate->best);
}

static err_t
check_percentile(
    struct aggregate *aggregate,
    struct expr_context *context,
    const struct expr *at,
    struct value percentile)
{
    if (!value_is_number(percentile))
        return fail_type(context, at, aggregate->kind, "a number as its percentile", percentile);
    double real = value_real(percentile);
    if (!(real >= 0 && real <= 1))
        return expr_fail(
            context, at, ERR(ARGUMENT), "the percentile of %s() is between 0.0 and 1.0",
            kind_name(aggregate->kind));
    aggregate->percentile = real;
    return 0;
}

/* Without DISTINCT, and also over the values of a DISTINCT state at its end. */
static err_t
step_plain(
    struct aggregate *aggregate,
    struct expr_context *context,
    const struct expr *at,
    struct arena *arena,
    struct value value)
{
    err_t err = 0;
    switch ((enum aggregate_kind)aggregate->kind) {
    case AGGREGATE_COUNT_ROWS:
    case AGGREGATE_COUNT:
        aggregate->count++;
        return 0;
    case AGGREGATE_SUM:
    case AGGREGATE_AVERAGE:
        return step_sum(aggregate, context, at, arena, value);
    case AGGREGATE_MINIMUM:
    case AGGREGATE_MAXIMUM:
        err = step_best(aggregate, arena, value);
        break;
    case AGGREGATE_DEVIATION:
    case AGGREGATE_DEVIATION_POPULATION:
        if (!value_is_number(value))
            return fail_type(context, at, aggregate->kind, "numbers", value);
        step_deviation(aggregate, value_real(value));
        return 0;
    case AGGREGATE_PERCENTILE_CONTINUOUS:
    case AGGREGATE_PERCENTILE_DISCRETE:
        if (!value_is_number(value))
            return fail_type(context, at, aggregate->kind, "numbers", value);
        err = values_add(&aggregate->values, arena, value, false);
        break;
    case AGGREGATE_COLLECT:
        err = values_add(&aggregate->values, arena, value, false);
        break;
    case AGGREGATE_NONE:
    case AGGREGATE_KIND_COUNT:
        assert(!"no such aggregate");
        break;
    }
    return err ? expr_fail(context, at, err, "%s", err_text(err_code(err))) : 0;
}

err_t
aggregate_step(
    struct aggregate *aggregate,
    struct expr_context *context,
    const struct expr *at,
    struct arena *arena,
    struct value argument,
    struct value argument2)
{
    if (aggregate->kind == AGGREGATE_COUNT_ROWS) {
        aggregate->count++;
        return 0;
    }
    if (kind_is_percentile(aggregate->kind) && aggregate->percentile < 0) {
        err_t err = check_percentile(aggregate, context, at, argument2);
        if (err)
            return err;
    }
    if (argument.type == VALUE_NULL)
        return 0;
    if (!aggregate->distinct)
        return step_plain(aggregate, context, at, arena, argument);
    err_t err = values_add(&aggregate->values, arena, argument, true);
    return err ? expr_fail(context, at, err, "%s", err_text(err_code(err))) : 0;
}

/* Integers only, the commonest case, in one loop; false at the first other value. */
static uint32_t
sum_integers(struct aggregate *aggregate, const struct value *arguments, uint32_t count)
{
    __int128 sum = 0;
    uint32_t i = 0;
    for (; i < count && arguments[i].type == VALUE_INTEGER; i++)
        sum += arguments[i].integer;
    if (aggregate->has_duration)
        return 0;
    sum_integer(aggregate, sum);
    aggregate->count += i;
    return i;
}

err_t
aggregate_step_many(
    struct aggregate *aggregate,
    struct expr_context *context,
    const struct expr *at,
    struct arena *arena,
    const struct value *arguments,
    uint32_t count,
    struct value argument2)
{
    uint32_t i = 0;
    err_t err = 0;
    if (aggregate->kind == AGGREGATE_COUNT_ROWS) {
        aggregate->count += count;
        return 0;
    }
    if (!aggregate->distinct && aggregate->kind == AGGREGATE_COUNT) {
        for (; i < count; i++)
            aggregate->count += arguments[i].type != VALUE_NULL;
        return 0;
    }
    if (!aggregate->distinct &&
        (aggregate->kind == AGGREGATE_SUM || aggregate->kind == AGGREGATE_AVERAGE))
        i = sum_integers(aggregate, arguments, count);
    for (; !err && i < count; i++)
        err = aggregate_step(aggregate, context, at, arena, arguments[i], argument2);
    return err;
}

/* --- merge --- */

static void
merge_deviation(struct aggregate *aggregate, const struct aggregate *other)
{
    if (other->count == 0)
        return;
    double count = (double)aggregate->count, other_count = (double)other->count,
           total = count + other_count;
    double delta = other->real - aggregate->real;
    aggregate->real2 += other->real2 + delta * delta * count * other_count / total;
    aggregate->real += delta * other_count / total;
    aggregate->count += other->count;
}

static err_t
merge_sum(
    struct aggregate *aggregate,
    struct expr_context *context,
    const struct expr *at,
    struct arena *arena,
    const struct aggregate *other)
{
    if (aggregate->count && other->count && aggregate->has_duration != other->has_duration)
        return expr_fail(
            context, at, ERR(TYPE), "%s() cannot mix numbers and durations",
            kind_name(aggregate->kind));
    aggregate->count += other->count;
    sum_integer(aggregate, integer_sum(other));
    aggregate->has_float |= other->has_float;
    sum_real(aggregate, other->real);
    aggregate->real2 += other->real2;
    err_t err = other->has_duration ? sum_duration(aggregate, arena, other->best) : 0;
    return err ? expr_fail(context, at, err, "%s", err_text(err_code(err))) : 0;
}

err_t
aggregate_merge(
    struct aggregate *aggregate,
    struct expr_context *context,
    const struct expr *at,
    struct arena *arena,
    const struct aggregate *other)
{
    assert(aggregate->kind == other->kind);
    assert(aggregate->distinct == other->distinct);
    if (other->percentile >= 0)
        aggregate->percentile = other->percentile;
    if (aggregate->distinct || kind_keeps_values(aggregate->kind)) {
        err_t err = 0;
        for (uint32_t i = 0; !err && i < other->values.count; i++)
            err = values_add(
                &aggregate->values, arena, other->values.items[i], aggregate->distinct);
        return err ? expr_fail(context, at, err, "%s", err_text(err_code(err))) : 0;
    }
    switch ((uint32_t)aggregate->kind) {
    case AGGREGATE_SUM:
    case AGGREGATE_AVERAGE:
        return merge_sum(aggregate, context, at, arena, other);
    case AGGREGATE_MINIMUM:
    case AGGREGATE_MAXIMUM:
        return other->count ? step_plain(aggregate, context, at, arena, other->best) : 0;
    case AGGREGATE_DEVIATION:
    case AGGREGATE_DEVIATION_POPULATION:
        merge_deviation(aggregate, other);
        return 0;
    default:
        aggregate->count += other->count;
        return 0;
    }
}

/* --- finish --- */

static err_t
finish_sum(
    const struct aggregate *aggregate,
    struct expr_context *context,
    const struct expr *at,
    struct value *out)
{
    __int128 integer = integer_sum(aggregate);
    if (aggregate->has_duration) {
        *out = aggregate->best;
    } else if (aggregate->has_float) {
        double real = aggregate->real + (isfinite(aggregate->real) ? aggregate->real2 : 0);
        *out = value_float(real + (double)integer);
    } else if (integer > INT64_MAX || integer < INT64_MIN) {
        return expr_fail(context, at, ERR(ARITHMETIC), "integer overflow in sum()");
    } else {
        *out = value_integer((int64_t)integer);
    }
    return 0;
}

static err_t
finish_average(
    const struct aggregate *aggregate,
    struct expr_context *context,
    const struct expr *at,
    struct arena *arena,
    struct value *out)
{
    *out = value_null();
    if (aggregate->count == 0)
        return 0;
    if (aggregate->has_duration) {
        err_t err = duration_scale(
            arena, aggregate->best.duration, value_integer((int64_t)aggregate->count), true, out);
        return err ? expr_fail(context, at, err, "%s", err_text(err_code(err))) : 0;
    }
    double real = aggregate->real + (isfinite(aggregate->real) ? aggregate->real2 : 0);
    *out = value_float((real + (double)integer_sum(aggregate)) / (double)aggregate->count);
    return 0;
}

/* Bottom-up merge sort: no recursion, no bad case. */
static struct value *
sorted(struct arena *arena, const struct value *items, uint32_t count)
{
    struct value *from = arena_allocate(arena, (count + UINT64_C(1)) * sizeof(*from));
    struct value *to = arena_allocate(arena, (count + UINT64_C(1)) * sizeof(*to));
    if (!from || !to)
        return NULL;
    if (count)
        memcpy(from, items, count * sizeof(*items));
    for (uint64_t width = 1; width < count; width *= 2) {
        for (uint64_t start = 0; start < count; start += 2 * width) {
            uint64_t middle = start + width < count ? start + width : count;
            uint64_t end = start + 2 * width < count ? start + 2 * width : count;
            uint64_t a = start, b = middle;
            for (uint64_t i = start; i < end; i++)
                to[i] = a < middle && (b == end || value_order(from[a], from[b]) <= 0) ? from[a++]
                                                                                       : from[b++];
        }
        struct value *swap = from;
        from = to;
        to = swap;
    }
    return from;
}

static err_t
finish_percentile(
    const struct aggregate *aggregate,
    struct expr_context *context,
    const struct expr *at,
    struct arena *arena,
    struct value *out)
{
    uint32_t count = aggregate->values.count;
    *out = value_null();
    if (count == 0)
        return 0;
    struct value *items = sorted(arena, aggregate->values.items, count);
    if (!items)
        return expr_fail(context, at, ERR(MEMORY_QUERY), "%s", err_text(ERR_MEMORY_QUERY));
    if (aggregate->kind == AGGREGATE_PERCENTILE_DISCRETE) {
        double rank = ceil(aggregate->percentile * count);
        uint32_t index = rank < 1 ? 0 : (uint32_t)rank - 1;
        *out = items[index < count ? index : count - 1];
        return 0;
    }
    double position = aggregate->percentile * (count - 1);
    uint32_t below = (uint32_t)position, above = below + 1 < count ? below + 1 : below;
    double part = position - below, low = value_real(items[below]), high = value_real(items[above]);
    *out = value_float(part > 0 ? low * (1 - part) + high * part : low);
    return 0;
}

static struct value
finish_deviation(const struct aggregate *aggregate)
{
    bool sample = aggregate->kind == AGGREGATE_DEVIATION;
    uint64_t divisor = sample ? aggregate->count - 1 : aggregate->count;
    if (aggregate->count == 0 || divisor == 0)
        return value_float(0);
    return value_float(sqrt(aggregate->real2 / (double)divisor));
}

static err_t
finish_plain(
    const struct aggregate *aggregate,
    struct expr_context *context,
    const struct expr *at,
    struct arena *arena,
    struct value *out)
{
    err_t err;
    switch ((enum aggregate_kind)aggregate->kind) {
    case AGGREGATE_COUNT_ROWS:
    case AGGREGATE_COUNT:
        *out = value_integer((int64_t)aggregate->count);
        return 0;
    case AGGREGATE_SUM:
        return finish_sum(aggregate, context, at, out);
    case AGGREGATE_AVERAGE:
        return finish_average(aggregate, context, at, arena, out);
    case AGGREGATE_MINIMUM:
    case AGGREGATE_MAXIMUM:
        *out = aggregate->count ? aggregate->best : value_null();
        return 0;
    case AGGREGATE_COLLECT:
        err = value_list_make(aggregate->values.items, aggregate->values.count, out);
        return err ? expr_fail(context, at, err, "lists are nested too deeply") : 0;
    case AGGREGATE_DEVIATION:
    case AGGREGATE_DEVIATION_POPULATION:
        *out = finish_deviation(aggregate);
        return 0;
    case AGGREGATE_PERCENTILE_CONTINUOUS:
    case AGGREGATE_PERCENTILE_DISCRETE:
        return finish_percentile(aggregate, context, at, arena, out);
    case AGGREGATE_NONE:
    case AGGREGATE_KIND_COUNT:
        break;
    }
    assert(!"no such aggregate");
    return ERR(INTERNAL);
}

err_t
aggregate_finish(
    const struct aggregate *aggregate,
    struct expr_context *context,
    const struct expr *at,
    struct arena *arena,
    struct value *out)
{
    if (!aggregate->distinct || aggregate->kind == AGGREGATE_COLLECT)
        return finish_plain(aggregate, context, at, arena, out);
    struct aggregate plain;
    aggregate_create(&plain, (enum aggregate_kind)aggregate->kind, false);
    plain.percentile = aggregate->percentile;
    err_t err = 0;
    for (uint32_t i = 0; !err && i < aggregate->values.count; i++)
        err = step_plain(&plain, context, at, arena, aggregate->values.items[i]);
    return err ? err : finish_plain(&plain, context, at, arena, out);
}

/* --- bytes --- */

/* The fixed part of an encoded state; then `best`, then `value_count` values. */
struct aggregate_header {
    uint8_t kind, distinct, has_float, has_duration;
    uint32_t value_count;
    uint64_t count;
    int64_t integer, integer_high;
    double real, real2, percentile;
};
static_assert(sizeof(struct aggregate_header) == 56, "no padding to leak");

uint64_t
aggregate_encoded_size(const struct aggregate *aggregate)
{
    uint64_t size = sizeof(struct aggregate_header) + value_encoded_size(aggregate->best);
    for (uint32_t i = 0; i < aggregate->values.count; i++)
        size += value_encoded_size(aggregate->values.items[i]);
    return size;
}

uint8_t *
aggregate_encode(const struct aggregate *aggregate, uint8_t *out)
{
    struct aggregate_header header = {
        .kind = aggregate->kind,
        .distinct = aggregate->distinct,
        .has_float = aggregate->has_float,
        .has_duration = aggregate->has_duration,
        .value_count = aggregate->values.count,
        .count = aggregate->count,
        .integer = aggregate->integer,
        .integer_high = aggregate->integer_high,
        .real = aggregate->real,
        .real2 = aggregate->real2,
        .percentile = aggregate->percentile,
    };
    memcpy(out, &header, sizeof(header));
    out = value_encode(aggregate->best, out + sizeof(header));
    for (uint32_t i = 0; i < aggregate->values.count; i++)
        out = value_encode(aggregate->values.items[i], out);
    return out;
}

static bool
percentile_is_sane(const struct aggregate_header *header)
{
    bool known = header->percentile >= 0 && header->percentile <= 1;
    bool needed = kind_is_percentile(header->kind) && header->value_count > 0;
    return known || (header->percentile < 0 && !needed);
}

static bool
header_is_sane(const struct aggregate_header *header, size_t left)
{
    return header->kind > AGGREGATE_NONE && header->kind < AGGREGATE_KIND_COUNT &&
           header->distinct <= 1 && header->has_float <= 1 && header->has_duration <= 1 &&
           header->value_count <= left &&
           (header->value_count == 0 || header->distinct || kind_keeps_values(header->kind)) &&
           percentile_is_sane(header);
}

/* What the state of each kind may hold: a decoded state must be safe to finish. */
static bool
best_is_sane(const struct aggregate *aggregate)
{
    uint8_t type = aggregate->best.type;
    if (aggregate->kind == AGGREGATE_MINIMUM || aggregate->kind == AGGREGATE_MAXIMUM)
        return !aggregate->has_duration && (type != VALUE_NULL) == (aggregate->count > 0);
    return aggregate->has_duration == (type == VALUE_DURATION) &&
           (type == VALUE_NULL || type == VALUE_DURATION);
}

err_t
aggregate_decode(
    struct aggregate *aggregate, struct arena *arena, const uint8_t **cursor, const uint8_t *end)
{
    struct aggregate_header header;
    if ((size_t)(end - *cursor) < sizeof(header))
        return ERR(REQUEST_FORMAT);
    memcpy(&header, *cursor, sizeof(header));
    *cursor += sizeof(header);
    if (!header_is_sane(&header, (size_t)(end - *cursor)))
        return ERR(REQUEST_FORMAT);
    aggregate_create(aggregate, header.kind, header.distinct);
    aggregate->distinct = header.distinct;
    aggregate->has_float = header.has_float;
    aggregate->has_duration = header.has_duration;
    aggregate->count = header.count;
    aggregate->integer = header.integer;
    aggregate->integer_high = header.integer_high;
    aggregate->real = header.real;
    aggregate->real2 = header.real2;
    aggregate->percentile = header.percentile;
    /* A decoded string points into the bytes, which do not live as long as the state. */
    struct value best = {0};
    err_t err = value_decode(arena, cursor, end, &best);
    if (!err)
        err = value_copy(arena, best, &aggregate->best);
    if (!err && !best_is_sane(aggregate))
        err = ERR(REQUEST_FORMAT);
    for (uint32_t i = 0; !err && i < header.value_count; i++) {
        struct value value;
        err = value_decode(arena, cursor, end, &value);
        if (!err && kind_is_percentile(header.kind) && !value_is_number(value))
            err = ERR(REQUEST_FORMAT);
        if (!err)
            err = values_add(&aggregate->values, arena, value, header.distinct);
    }
    return err;
}
