/* The four comparisons of Cypher, and a hash.
 *
 *               null, null     NaN, NaN    1, 1.0     1, 'a'
 *     equal     null           false       true       false     WHERE a = b, IN
 *     compare   null           false       equal      null      <, <=, >, >=
 *     equivalent true          true        true       false     DISTINCT, grouping
 *     order     equal          equal       equal      by type   ORDER BY, min, max
 *
 * Invariants
 *  1. value_equivalent(a, b) == (value_order(a, b) == 0), and then value_hash(a) == value_hash(b).
 *  2. value_order is total. Integers and floats are compared exactly, never by rounding the integer.
 *  3. Recursion is bounded: see VALUE_DEPTH_MAX. */
#include "engine/value/value_ops.h"

#include <math.h>

#include "base/hash.h"

/* 2^63, the first float above all integers. */
static const double integer_limit = 9223372036854775808.0;

static int
order_word(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int
order_integer(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* NaN is above everything and equal to itself, as ORDER BY wants it. */
static int
order_real(double a, double b)
{
    if (isnan(a) || isnan(b))
        return (isnan(a) != 0) - (isnan(b) != 0);
    return (a > b) - (a < b);
}

/* Exact: beyond 2^53 an integer must not be rounded to a float first. */
static int
order_integer_real(int64_t a, double b)
{
    if (isnan(b) || b >= integer_limit)
        return -1;
    if (b < -integer_limit)
        return 1;
    int64_t whole = (int64_t)b;
    if (a != whole)
        return a < whole ? -1 : 1;
    double rest = b - (double)whole;
    return (rest < 0) - (rest > 0);
}

static int
order_number(struct value a, struct value b)
{
    if (a.type == VALUE_INTEGER)
        return b.type == VALUE_INTEGER ? order_integer(a.integer, b.integer)
                                       : order_integer_real(a.integer, b.real);
    return b.type == VALUE_FLOAT ? order_real(a.real, b.real)
                                 : -order_integer_real(b.integer, a.real);
}

static int
order_bytes(struct value a, struct value b)
{
    return text_compare(
        (struct text){(const char *)a.bytes, a.size}, (struct text){(const char *)b.bytes, b.size});
}

/* By instant, then from west to east, then by name of the zone. */
static int
order_date_time(const struct value_date_time *a, const struct value_date_time *b)
{
    int order = order_integer(a->seconds, b->seconds);
    if (!order)
        order = order_word(a->nanoseconds, b->nanoseconds);
    if (!order)
        order = order_integer(a->offset_seconds, b->offset_seconds);
    return order ? order : text_compare(a->zone, b->zone);
}

static int
order_time(struct value a, struct value b)
{
    int64_t second = INT64_C(1000000000);
    int order = order_integer(a.integer - a.offset * second, b.integer - b.offset * second);
    return order ? order : order_integer(a.offset, b.offset);
}

/* Durations have no natural order (is a month longer than 30 days?): by average length, then by parts. */
static int
order_duration(const struct value_duration *a, const struct value_duration *b)
{
    __int128 month = 2629746, day = 86400;
    __int128 a_length = a->months * month + a->days * day + a->seconds;
    __int128 b_length = b->months * month + b->days * day + b->seconds;
    int order = (a_length > b_length) - (a_length < b_length);
    if (!order)
        order = order_integer(a->nanoseconds, b->nanoseconds);
    if (!order)
        order = order_integer(a->months, b->months);
    return order ? order : order_integer(a->days, b->days);
}

static int
order_point(const struct value_point *a, const struct value_point *b)
{
    int order = order_word(a->srid, b->srid);
    if (!order)
        order = order_real(a->x, b->x);
    if (!order)
        order = order_real(a->y, b->y);
    return order || a->dimensions < 3 || b->dimensions < 3 ? order : order_real(a->z, b->z);
}

static int
order_list(struct value a, struct value b)
{
    uint32_t common = a.size < b.size ? a.size : b.size;
    for (uint32_t i = 0; i < common; i++) {
        int order = value_order(a.list[i], b.list[i]);
        if (order)
            return order;
    }
    return order_word(a.size, b.size);
}

/* The entry of the smallest key above `after`; NULL when there is none. Maps are unsorted and small, so
 * the keys are selected one after the other. */
static const struct map_entry *
map_next_key(struct value map, const struct text *after)
{
    const struct map_entry *best = NULL;
    for (uint32_t i = 0; i < map.size; i++) {
        if (after && text_compare(map.map[i].key, *after) <= 0)
            continue;
        if (!best || text_compare(map.map[i].key, best->key) < 0)
            best = &map.map[i];
    }
    return best;
}

/* By size, then keys, then values in order of the keys. */
static int
order_map(struct value a, struct value b)
{
    int order = order_word(a.size, b.size);
    if (order)
        return order;
    const struct text *after = NULL;
    const struct map_entry *x, *y;
    for (int pass = 0; pass < 2; pass++) {
        after = NULL;
        for (uint32_t i = 0; i < a.size; i++) {
            x = map_next_key(a, after);
            y = map_next_key(b, after);
            /* Keys are unique in what is made here, but not in what somebody sent. */
            if (!x || !y)
                break;
            order = pass ? value_order(x->value, y->value) : text_compare(x->key, y->key);
            if (order)
                return order;
            after = &x->key;
        }
    }
    return 0;
}

static int
order_path(const struct value_path *a, const struct value_path *b)
{
    uint32_t common = a->rel_count < b->rel_count ? a->rel_count : b->rel_count;
    int order = order_word(value_node_id(a->nodes[0]).id, value_node_id(b->nodes[0]).id);
    for (uint32_t i = 0; !order && i < common; i++) {
        order = order_word(a->rels[i].rel->id.id, b->rels[i].rel->id.id);
        if (!order)
            order = order_word(
                value_node_id(a->nodes[i + 1]).id, value_node_id(b->nodes[i + 1]).id);
    }
    return order ? order : order_word(a->rel_count, b->rel_count);
}

/* The place of each type in the global order. Integers and floats share one. */
static const uint8_t type_rank[VALUE_TYPE_COUNT] = {
    [VALUE_MAP] = 1,    [VALUE_NODE] = 2,        [VALUE_RELATIONSHIP] = 3,    [VALUE_LIST] = 4,
    [VALUE_PATH] = 5,   [VALUE_DATE_TIME] = 6,   [VALUE_LOCAL_DATE_TIME] = 7, [VALUE_DATE] = 8,
    [VALUE_TIME] = 9,   [VALUE_LOCAL_TIME] = 10, [VALUE_DURATION] = 11,       [VALUE_POINT] = 12,
    [VALUE_BYTES] = 13, [VALUE_STRING] = 14,     [VALUE_BOOLEAN] = 15,        [VALUE_INTEGER] = 16,
    [VALUE_FLOAT] = 16, [VALUE_NULL] = 17,
};

int
value_order(struct value a, struct value b)
{
    assert(a.type < VALUE_TYPE_COUNT && b.type < VALUE_TYPE_COUNT);
    int order = type_rank[a.type] - type_rank[b.type];
    if (order)
        return order;
    switch ((enum value_type)a.type) {
    case VALUE_NULL:
        return 0;
    case VALUE_BOOLEAN:
        return (int)a.boolean - (int)b.boolean;
    case VALUE_INTEGER:
    case VALUE_FLOAT:
        return order_number(a, b);
    case VALUE_STRING:
        return text_compare(value_text(a), value_text(b));
    case VALUE_BYTES:
        return order_bytes(a, b);
    case VALUE_LIST:
        return order_list(a, b);
    case VALUE_MAP:
        return order_map(a, b);
    case VALUE_NODE:
        return order_word(value_node_id(a).id, value_node_id(b).id);
    case VALUE_RELATIONSHIP:
        return order_word(a.rel->id.id, b.rel->id.id);
    case VALUE_PATH:
        return order_path(a.path, b.path);
    case VALUE_DATE:
    case VALUE_LOCAL_TIME:
        return order_integer(a.integer, b.integer);
    case VALUE_TIME:
        return order_time(a, b);
    case VALUE_LOCAL_DATE_TIME:
        return a.integer != b.integer ? order_integer(a.integer, b.integer)
                                      : order_word(a.size, b.size);
    case VALUE_DATE_TIME:
        return order_date_time(a.date_time, b.date_time);
    case VALUE_DURATION:
        return order_duration(a.duration, b.duration);
    case VALUE_POINT:
        return order_point(a.point, b.point);
    case VALUE_TYPE_COUNT:
        break;
    }
    assert(!"no such type");
    return 0;
}

bool
value_equivalent(struct value a, struct value b)
{
    return value_order(a, b) == 0;
}

static bool
value_is_nan(struct value value)
{
    return value.type == VALUE_FLOAT && isnan(value.real);
}

static enum trit
equal_list(struct value a, struct value b)
{
    if (a.size != b.size)
        return TRIT_FALSE;
    enum trit result = TRIT_TRUE;
    for (uint32_t i = 0; i < a.size; i++) {
        enum trit item = value_equal(a.list[i], b.list[i]);
        if (item == TRIT_FALSE)
            return TRIT_FALSE;
        if (item == TRIT_NULL)
            result = TRIT_NULL;
    }
    return result;
}

static enum trit
equal_map(struct value a, struct value b)
{
    if (a.size != b.size)
        return TRIT_FALSE;
    enum trit result = TRIT_TRUE;
    for (uint32_t i = 0; i < a.size; i++) {
        const struct value *other = value_map_lookup(b.map, b.size, a.map[i].key);
        enum trit item = other ? value_equal(a.map[i].value, *other) : TRIT_FALSE;
        if (item == TRIT_FALSE)
            return TRIT_FALSE;
        if (item == TRIT_NULL)
            result = TRIT_NULL;
    }
    return result;
}

static bool
equal_point(const struct value_point *a, const struct value_point *b)
{
    return a->srid == b->srid && a->x == b->x && a->y == b->y &&
           (a->dimensions < 3 || a->z == b->z);
}

enum trit
value_equal(struct value a, struct value b)
{
    if (a.type == VALUE_NULL || b.type == VALUE_NULL)
        return TRIT_NULL;
    if (value_is_number(a) && value_is_number(b))
        return !value_is_nan(a) && !value_is_nan(b) && order_number(a, b) == 0 ? TRIT_TRUE
                                                                               : TRIT_FALSE;
    if (a.type != b.type)
        return TRIT_FALSE;
    if (a.type == VALUE_STRING)
        return text_equal(value_text(a), value_text(b)) ? TRIT_TRUE : TRIT_FALSE;
    if (a.type == VALUE_LIST)
        return equal_list(a, b);
    if (a.type == VALUE_MAP)
        return equal_map(a, b);
    if (a.type == VALUE_POINT)
        return equal_point(a.point, b.point) ? TRIT_TRUE : TRIT_FALSE;
    return value_order(a, b) == 0 ? TRIT_TRUE : TRIT_FALSE;
}

/* Lists compare at the first position where they differ; unknown when that comparison is. */
static enum trit
compare_list(struct value a, struct value b, int *order)
{
    uint32_t common = a.size < b.size ? a.size : b.size;
    for (uint32_t i = 0; i < common; i++) {
        enum trit same = value_equal(a.list[i], b.list[i]);
        if (same == TRIT_TRUE)
            continue;
        if (same == TRIT_NULL)
            return TRIT_NULL;
        return value_compare(a.list[i], b.list[i], order);
    }
    *order = order_word(a.size, b.size);
    return TRIT_TRUE;
}

enum trit
value_compare(struct value a, struct value b, int *order)
{
    *order = 0;
    if (value_is_number(a) && value_is_number(b)) {
        if (value_is_nan(a) || value_is_nan(b))
            return TRIT_FALSE;
        *order = order_number(a, b);
        return TRIT_TRUE;
    }
    if (a.type != b.type)
        return TRIT_NULL;
    switch ((enum value_type)a.type) {
    case VALUE_LIST:
        return compare_list(a, b, order);
    case VALUE_BOOLEAN:
    case VALUE_STRING:
    case VALUE_BYTES:
    case VALUE_DATE:
    case VALUE_LOCAL_TIME:
    case VALUE_TIME:
    case VALUE_LOCAL_DATE_TIME:
    case VALUE_DATE_TIME:
        *order = value_order(a, b);
        return TRIT_TRUE;
    case VALUE_NULL:
    case VALUE_INTEGER:
    case VALUE_FLOAT:
    case VALUE_MAP:
    case VALUE_NODE:
    case VALUE_RELATIONSHIP:
    case VALUE_PATH:
    case VALUE_DURATION:
    case VALUE_POINT:
    case VALUE_TYPE_COUNT:
        break;
    }
    return TRIT_NULL;
}

static uint64_t
hash_real(double real, uint64_t seed)
{
    if (isnan(real))
        return hash_word(seed ^ UINT64_C(0x7ff8000000000000));
    if (real >= -integer_limit && real < integer_limit && (double)(int64_t)real == real)
        return hash_word(seed ^ (uint64_t)(int64_t)real);
    uint64_t bits;
    memcpy(&bits, &real, sizeof(bits));
    return hash_word(seed ^ bits);
}

static uint64_t
hash_path(const struct value_path *path, uint64_t seed)
{
    uint64_t hash = hash_word(seed ^ value_node_id(path->nodes[0]).id);
    for (uint32_t i = 0; i < path->rel_count; i++)
        hash = hash_word(hash ^ path->rels[i].rel->id.id);
    return hash;
}

/* Scalars whose payload is not a plain word, and containers. */
static uint64_t
hash_pointed(struct value value, uint64_t seed)
{
    uint64_t hash = seed;
    if (value.type == VALUE_LIST) {
        for (uint32_t i = 0; i < value.size; i++)
            hash = value_hash(value.list[i], hash);
    } else if (value.type == VALUE_MAP) {
        /* A sum, since the order of the keys does not matter. */
        for (uint32_t i = 0; i < value.size; i++)
            hash += value_hash(
                value.map[i].value, hash_bytes(value.map[i].key.data, value.map[i].key.size, seed));
    } else if (value.type == VALUE_DATE_TIME) {
        const struct value_date_time *time = value.date_time;
        hash = hash_word(hash_word(seed ^ (uint64_t)time->seconds) ^ time->nanoseconds);
    } else if (value.type == VALUE_DURATION) {
        const struct value_duration *duration = value.duration;
        hash = hash_word(seed ^ (uint64_t)duration->months);
        hash = hash_word(hash ^ (uint64_t)duration->days);
        hash = hash_word(hash ^ (uint64_t)duration->seconds);
        hash = hash_word(hash ^ (uint64_t)duration->nanoseconds);
    } else if (value.type == VALUE_POINT) {
        hash = hash_real(value.point->x, seed ^ value.point->srid);
        hash = hash_real(value.point->y, hash);
        if (value.point->dimensions == 3)
            hash = hash_real(value.point->z, hash);
    } else {
        assert(value.type == VALUE_PATH);
        hash = hash_path(value.path, seed);
    }
    return hash_word(hash ^ value.type);
}

uint64_t
value_hash(struct value value, uint64_t seed)
{
    switch ((enum value_type)value.type) {
    case VALUE_NULL:
        return hash_word(seed ^ UINT64_C(0x9e3779b97f4a7c15));
    case VALUE_BOOLEAN:
        return hash_word(
            seed ^ (value.boolean ? UINT64_C(0xa0761d6478bd642f) : UINT64_C(0xe7037ed1a0b428db)));
    case VALUE_INTEGER:
        return hash_word(seed ^ (uint64_t)value.integer);
    case VALUE_FLOAT:
        return hash_real(value.real, seed);
    case VALUE_STRING:
        return hash_bytes(value.string, value.size, seed);
    case VALUE_BYTES:
        return hash_bytes(value.bytes, value.size, seed ^ VALUE_BYTES);
    case VALUE_NODE:
        return hash_word(seed ^ value_node_id(value).id ^ (UINT64_C(1) << 62));
    case VALUE_RELATIONSHIP:
        return hash_word(seed ^ value.rel->id.id ^ (UINT64_C(1) << 61));
    case VALUE_DATE:
    case VALUE_LOCAL_TIME:
    case VALUE_TIME:
    case VALUE_LOCAL_DATE_TIME:
        return hash_word(hash_word(seed ^ (uint64_t)value.integer ^ value.type) ^ value.size);
    case VALUE_LIST:
    case VALUE_MAP:
    case VALUE_PATH:
    case VALUE_DATE_TIME:
    case VALUE_DURATION:
    case VALUE_POINT:
        return hash_pointed(value, seed);
    case VALUE_TYPE_COUNT:
        break;
    }
    assert(!"no such type");
    return 0;
}
