/* Operations and storable values as bytes.
 *
 *     operation  = header, body
 *     header     = type u8, flags u8 (1 = replace), 0 u16, size u32 (header and body)
 *     body       = NODE_CREATE      node u64, labels, properties
 *                  NODE_DELETE      node u64
 *                  NODE_LABELS      node u64, labels added, labels removed
 *                  NODE_PROPERTIES  node u64, properties
 *                  REL_CREATE       rel u64, start u64, end u64, type u32, properties
 *                  REL_ATTACH, REL_DELETE, REL_DETACH   rel u64, start u64, end u64, type u32
 *                  REL_PROPERTIES   rel u64, properties
 *                  INDEX_ADD, INDEX_REMOVE   node u64, index u32, value
 *     labels     = count u32, token u32 ...
 *     properties = count u32, { key u32, value } ...
 *     value      = tag u8 (enum value_type), payload
 *     payload    = boolean u8 | integer, date, local time i64 | float f64 | string, bytes: size u32, bytes
 *                | time i64, offset i32 | local date-time i64, nanoseconds u32
 *                | date-time seconds i64, nanoseconds u32, offset i32, zone size u8, zone
 *                | duration months, days, seconds, nanoseconds i64
 *                | point srid u32, dimensions u8, 2 or 3 f64
 *                | list: count u32, tag of all items u8 (0 when empty), payload ...
 *
 * Everything is little-endian and unaligned. One walk (`body_walk`) over a cursor writes, measures and
 * reads, so the three cannot drift apart.
 *
 * Invariants
 *  1. The walk in measuring mode and in writing mode advances by the same number of bytes.
 *  2. Reading checks every count against the bytes that are left before it allocates, so that an input of
 *     n bytes makes the arena grow by at most a constant times n.
 *  3. What reading accepts, writing gives back byte for byte. */
#include "shards/store/operation.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"

static_assert(
    __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "bytes are copied as they stand in memory");

enum { HEADER_SIZE = 8, FLAG_REPLACE = 1, PRINT_SIZE_MAX = 2048 };

enum mode { MODE_MEASURE, MODE_WRITE, MODE_READ };

/* `at` counts in every mode; `out` is touched when writing, `in` and `arena` when reading. The first
 * failure sticks, and everything after it does nothing. */
struct cursor {
    enum mode mode;
    size_t at, size;
    uint8_t *out;
    const uint8_t *in;
    struct arena *arena;
    err_t err;
};

static void
cursor_fail(struct cursor *cursor, err_t err)
{
    if (!cursor->err)
        cursor->err = err;
}

static bool
cursor_has(struct cursor *cursor, uint64_t size)
{
    if (cursor->err)
        return false;
    if (cursor->mode == MODE_READ && size > cursor->size - cursor->at) {
        cursor_fail(cursor, ERR(STORAGE_DAMAGE));
        return false;
    }
    return true;
}

/* The one place where bytes move. */
static void
walk_bytes(struct cursor *cursor, void *data, size_t size)
{
    if (!cursor_has(cursor, size)) {
        if (cursor->mode == MODE_READ)
            memset(data, 0, size);
        return;
    }
    if (cursor->mode == MODE_WRITE) {
        assert_hot(cursor->at + size <= cursor->size);
        memcpy(cursor->out + cursor->at, data, size);
    } else if (cursor->mode == MODE_READ) {
        memcpy(data, cursor->in + cursor->at, size);
    }
    cursor->at += size;
}

static void
walk_u8(struct cursor *cursor, uint8_t *value)
{
    walk_bytes(cursor, value, sizeof(*value));
}

static void
walk_u32(struct cursor *cursor, uint32_t *value)
{
    walk_bytes(cursor, value, sizeof(*value));
}

static void
walk_u64(struct cursor *cursor, uint64_t *value)
{
    walk_bytes(cursor, value, sizeof(*value));
}

static void
walk_i64(struct cursor *cursor, int64_t *value, int64_t min, int64_t max)
{
    walk_bytes(cursor, value, sizeof(*value));
    if (*value < min || *value > max)
        cursor_fail(cursor, ERR(STORAGE_DAMAGE));
}

static void
walk_real(struct cursor *cursor, double *value)
{
    walk_bytes(cursor, value, sizeof(*value));
}

static void
check(struct cursor *cursor, bool condition)
{
    if (!condition)
        cursor_fail(cursor, ERR(STORAGE_DAMAGE));
}

static void *
cursor_allocate(struct cursor *cursor, size_t size)
{
    assert(cursor->mode == MODE_READ);
    void *memory = cursor->err ? NULL : arena_zeroed(cursor->arena, size);
    if (!memory)
        cursor_fail(cursor, ERR(MEMORY_POOL));
    return memory;
}

/* Bytes that a reader borrows instead of copying. */
static void
walk_span(struct cursor *cursor, const char **data, uint32_t size)
{
    if (!cursor_has(cursor, size)) {
        *data = NULL;
        return;
    }
    if (cursor->mode == MODE_WRITE && size)
        memcpy(cursor->out + cursor->at, *data, size);
    if (cursor->mode == MODE_READ)
        *data = (const char *)cursor->in + cursor->at;
    cursor->at += size;
}

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
static bool
utf8_is_valid(const char *text, size_t size)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + size;
    while (at < end) {
        uint8_t first = *at++;
        if (first < 0x80)
            continue;
        int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        if (first < 0xc2 || first > 0xf4 || end - at < more)
            return false;
        uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
        uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
        if (*at < low || *at > high)
            return false;
        for (int i = 1; i < more; i++)
            if ((at[i] & 0xc0) != 0x80)
                return false;
        at += more;
    }
    return true;
}

static void
walk_text(struct cursor *cursor, struct value *value)
{
    walk_u32(cursor, &value->size);
    check(cursor, value->size <= PROPERTY_SIZE_MAX);
    walk_span(cursor, &value->string, value->size);
    if (cursor->mode == MODE_READ && !cursor->err && value->type == VALUE_STRING)
        check(cursor, utf8_is_valid(value->string, value->size));
}

static void
walk_date_time(struct cursor *cursor, struct value *value)
{
    struct value_date_time copy = {0};
    uint8_t zone_size = 0;
    if (cursor->mode != MODE_READ) {
        copy = *value->date_time;
        assert(copy.zone.size <= UINT8_MAX);
        zone_size = (uint8_t)copy.zone.size;
    }
    walk_i64(cursor, &copy.seconds, INT64_MIN, INT64_MAX);
    walk_u32(cursor, &copy.nanoseconds);
    check(cursor, copy.nanoseconds < 1000000000);
    walk_bytes(cursor, &copy.offset_seconds, sizeof(copy.offset_seconds));
    check(cursor, copy.offset_seconds > -86400 * 2 && copy.offset_seconds < 86400 * 2);
    walk_u8(cursor, &zone_size);
    walk_span(cursor, &copy.zone.data, zone_size);
    copy.zone.size = zone_size;
    if (cursor->mode != MODE_READ || cursor->err)
        return;
    check(cursor, utf8_is_valid(copy.zone.data, zone_size));
    struct value_date_time *kept = cursor_allocate(cursor, sizeof(*kept));
    if (kept)
        *kept = copy;
    value->date_time = kept;
}

static void
walk_duration(struct cursor *cursor, struct value *value)
{
    struct value_duration copy = {0};
    if (cursor->mode != MODE_READ)
        copy = *value->duration;
    walk_i64(cursor, &copy.months, INT64_MIN, INT64_MAX);
    walk_i64(cursor, &copy.days, INT64_MIN, INT64_MAX);
    walk_i64(cursor, &copy.seconds, INT64_MIN, INT64_MAX);
    walk_i64(cursor, &copy.nanoseconds, -999999999, 999999999);
    if (cursor->mode != MODE_READ || cursor->err)
        return;
    struct value_duration *kept = cursor_allocate(cursor, sizeof(*kept));
    if (kept)
        *kept = copy;
    value->duration = kept;
}

static void
walk_point(struct cursor *cursor, struct value *value)
{
    struct value_point copy = {0};
    uint8_t dimensions = 0;
    if (cursor->mode != MODE_READ) {
        copy = *value->point;
        dimensions = (uint8_t)copy.dimensions;
    }
    walk_u32(cursor, &copy.srid);
    walk_u8(cursor, &dimensions);
    check(cursor, dimensions == 2 || dimensions == 3);
    copy.dimensions = dimensions;
    walk_real(cursor, &copy.x);
    walk_real(cursor, &copy.y);
    if (dimensions == 3)
        walk_real(cursor, &copy.z);
    if (cursor->mode != MODE_READ || cursor->err)
        return;
    struct value_point *kept = cursor_allocate(cursor, sizeof(*kept));
    if (kept)
        *kept = copy;
    value->point = kept;
}

/* Everything behind a tag, except lists. */
static void
walk_scalar(struct cursor *cursor, struct value *value)
{
    const int64_t day_ns = INT64_C(86400) * 1000000000;
    switch ((enum value_type)value->type) {
    case VALUE_NULL:
        return;
    case VALUE_BOOLEAN: {
        uint8_t bit = cursor->mode != MODE_READ && value->boolean;
        walk_u8(cursor, &bit);
        check(cursor, bit <= 1);
        if (cursor->mode == MODE_READ)
            value->integer = bit;
        return;
    }
    case VALUE_INTEGER:
    case VALUE_DATE:
        walk_i64(cursor, &value->integer, INT64_MIN, INT64_MAX);
        return;
    case VALUE_FLOAT:
        walk_real(cursor, &value->real);
        return;
    case VALUE_STRING:
    case VALUE_BYTES:
        walk_text(cursor, value);
        return;
    case VALUE_LOCAL_TIME:
        walk_i64(cursor, &value->integer, 0, day_ns - 1);
        return;
    case VALUE_TIME:
        walk_i64(cursor, &value->integer, 0, day_ns - 1);
        walk_bytes(cursor, &value->offset, sizeof(value->offset));
        check(cursor, value->offset > -86400 * 2 && value->offset < 86400 * 2);
        return;
    case VALUE_LOCAL_DATE_TIME:
        walk_i64(cursor, &value->integer, INT64_MIN, INT64_MAX);
        walk_u32(cursor, &value->size);
        check(cursor, value->size < 1000000000);
        return;
    case VALUE_DATE_TIME:
        walk_date_time(cursor, value);
        return;
    case VALUE_DURATION:
        walk_duration(cursor, value);
        return;
    case VALUE_POINT:
        walk_point(cursor, value);
        return;
    case VALUE_LIST:
    case VALUE_MAP:
    case VALUE_NODE:
    case VALUE_RELATIONSHIP:
    case VALUE_PATH:
    case VALUE_TYPE_COUNT:
        break;
    }
    cursor_fail(cursor, ERR(STORAGE_DAMAGE));
}

/* The least a payload takes: bounds the count of a list by the bytes that are left. */
static uint32_t
payload_size_min(uint8_t type)
{
    if (type == VALUE_BOOLEAN)
        return 1;
    return type == VALUE_STRING || type == VALUE_BYTES ? 4 : 8;
}

static void
walk_list(struct cursor *cursor, struct value *value)
{
    uint8_t tag = 0;
    if (cursor->mode != MODE_READ && value->size)
        tag = value->list[0].type;
    walk_u32(cursor, &value->size);
    walk_u8(cursor, &tag);
    check(
        cursor,
        (tag == VALUE_NULL) == (value->size == 0) && tag != VALUE_LIST && tag < VALUE_TYPE_COUNT);
    if (cursor->err || !cursor_has(cursor, (uint64_t)value->size * payload_size_min(tag)))
        return;
    if (cursor->mode != MODE_READ) {
        for (uint32_t i = 0; i < value->size && !cursor->err; i++) {
            struct value item = value->list[i];
            assert(item.type == tag);
            walk_scalar(cursor, &item);
        }
        return;
    }
    struct value *items = NULL;
    if (value->size)
        items = cursor_allocate(cursor, sizeof(*items) * value->size);
    for (uint32_t i = 0; i < value->size && !cursor->err; i++) {
        items[i].type = tag;
        walk_scalar(cursor, &items[i]);
    }
    value->list = items;
}

static void
walk_value(struct cursor *cursor, struct value *value)
{
    if (cursor->mode == MODE_READ)
        *value = value_null();
    walk_u8(cursor, &value->type);
    if (cursor->err)
        return;
    if (value->type == VALUE_LIST)
        walk_list(cursor, value);
    else
        walk_scalar(cursor, value);
    if (cursor->err && cursor->mode == MODE_READ)
        *value = value_null();
}

static void
walk_id(struct cursor *cursor, uint64_t *id, bool may_be_zero)
{
    walk_u64(cursor, id);
    check(cursor, *id <= ID_MAX && (*id >= PARTITION_COUNT || (may_be_zero && *id == 0)));
}

static void
walk_token(struct cursor *cursor, uint32_t *token)
{
    walk_u32(cursor, token);
    check(cursor, *token < LABEL_COUNT_MAX);
}

static void
walk_labels(struct cursor *cursor, struct operation *operation, bool with_removed)
{
    uint64_t total = 0;
    walk_u32(cursor, &operation->label_count);
    total += operation->label_count;
    if (with_removed) {
        walk_u32(cursor, &operation->removed_label_count);
        total += operation->removed_label_count;
    }
    if (cursor->err || !cursor_has(cursor, total * 4))
        return;
    uint32_t *read = NULL;
    if (cursor->mode == MODE_READ && total) {
        read = cursor_allocate(cursor, total * sizeof(*read));
        operation->labels = read;
    }
    for (uint64_t i = 0; i < total && !cursor->err; i++) {
        uint32_t token = read ? 0 : operation->labels[i];
        walk_token(cursor, &token);
        if (read)
            read[i] = token;
    }
}

static void
walk_properties(struct cursor *cursor, struct operation *operation)
{
    walk_u32(cursor, &operation->property_count);
    if (cursor->err || !cursor_has(cursor, (uint64_t)operation->property_count * 5))
        return;
    struct property *read = NULL;
    if (cursor->mode == MODE_READ && operation->property_count) {
        read = cursor_allocate(cursor, sizeof(*read) * operation->property_count);
        operation->properties = read;
    }
    for (uint32_t i = 0; i < operation->property_count && !cursor->err; i++) {
        struct property property = {0};
        if (!read)
            property = operation->properties[i];
        walk_token(cursor, &property.key);
        walk_value(cursor, &property.value);
        if (read)
            read[i] = property;
    }
}

static void
walk_rel_ends(struct cursor *cursor, struct operation *operation)
{
    walk_id(cursor, &operation->rel.id, operation->type == OPERATION_REL_CREATE);
    walk_id(cursor, &operation->start.id, false);
    walk_id(cursor, &operation->end.id, false);
    walk_token(cursor, &operation->rel_type);
    check(
        cursor,
        operation->rel.id == 0 || (operation->rel.id ^ operation->start.id) % PARTITION_COUNT == 0);
}

static void
body_walk(struct cursor *cursor, struct operation *operation)
{
    switch ((enum operation_type)operation->type) {
    case OPERATION_NODE_CREATE:
        walk_id(cursor, &operation->node.id, false);
        walk_labels(cursor, operation, false);
        walk_properties(cursor, operation);
        return;
    case OPERATION_NODE_DELETE:
        walk_id(cursor, &operation->node.id, false);
        return;
    case OPERATION_NODE_LABELS:
        walk_id(cursor, &operation->node.id, false);
        walk_labels(cursor, operation, true);
        return;
    case OPERATION_NODE_PROPERTIES:
        walk_id(cursor, &operation->node.id, false);
        walk_properties(cursor, operation);
        return;
    case OPERATION_REL_CREATE:
        walk_rel_ends(cursor, operation);
        walk_properties(cursor, operation);
        return;
    case OPERATION_REL_ATTACH:
    case OPERATION_REL_DELETE:
    case OPERATION_REL_DETACH:
        walk_rel_ends(cursor, operation);
        return;
    case OPERATION_REL_PROPERTIES:
        walk_id(cursor, &operation->rel.id, false);
        walk_properties(cursor, operation);
        return;
    case OPERATION_INDEX_ADD:
    case OPERATION_INDEX_REMOVE:
        walk_id(cursor, &operation->node.id, false);
        walk_u32(cursor, &operation->index);
        walk_value(cursor, &operation->value);
        check(cursor, operation->value.type != VALUE_NULL);
        return;
    case OPERATION_NONE:
    case OPERATION_TYPE_COUNT:
        break;
    }
    cursor_fail(cursor, ERR(STORAGE_DAMAGE));
}

static bool
operation_has_replace(uint8_t type)
{
    return type == OPERATION_NODE_PROPERTIES || type == OPERATION_REL_PROPERTIES;
}

size_t
operation_size(const struct operation *operation)
{
    struct operation copy = *operation;
    struct cursor cursor = {.mode = MODE_MEASURE, .at = HEADER_SIZE};
    body_walk(&cursor, &copy);
    assert(!cursor.err);
    assert(cursor.at <= UINT32_MAX);
    return cursor.at;
}

void
operation_encode(const struct operation *operation, uint8_t *out)
{
    struct operation copy = *operation;
    assert(!copy.replace || operation_has_replace(copy.type));
    struct cursor cursor = {.mode = MODE_WRITE, .at = HEADER_SIZE, .size = SIZE_MAX, .out = out};
    body_walk(&cursor, &copy);
    assert(!cursor.err);
    uint32_t size = (uint32_t)cursor.at;
    out[0] = copy.type;
    out[1] = copy.replace ? FLAG_REPLACE : 0;
    out[2] = out[3] = 0;
    memcpy(out + 4, &size, sizeof(size));
}

err_t
operation_decode(
    const uint8_t *bytes, size_t size, struct arena *arena, struct operation *out, size_t *used)
{
    *out = (struct operation){0};
    *used = 0;
    if (size < HEADER_SIZE)
        return ERR(STORAGE_DAMAGE);
    uint32_t total;
    memcpy(&total, bytes + 4, sizeof(total));
    if (total < HEADER_SIZE || total > size || bytes[2] || bytes[3])
        return ERR(STORAGE_DAMAGE);
    out->type = bytes[0];
    if (bytes[1] > (operation_has_replace(out->type) ? FLAG_REPLACE : 0))
        return ERR(STORAGE_DAMAGE);
    out->replace = bytes[1] != 0;
    struct cursor cursor = {
        .mode = MODE_READ, .at = HEADER_SIZE, .size = total, .in = bytes, .arena = arena};
    body_walk(&cursor, out);
    if (cursor.err)
        return cursor.err;
    if (cursor.at != total)
        return ERR(STORAGE_DAMAGE);
    *used = total;
    return 0;
}

uint32_t
operation_partition(const struct operation *operation)
{
    uint64_t id = 0;
    switch ((enum operation_type)operation->type) {
    case OPERATION_NODE_CREATE:
    case OPERATION_NODE_DELETE:
    case OPERATION_NODE_LABELS:
    case OPERATION_NODE_PROPERTIES:
        id = operation->node.id;
        break;
    case OPERATION_REL_CREATE:
    case OPERATION_REL_DELETE:
        id = operation->start.id;
        break;
    case OPERATION_REL_ATTACH:
    case OPERATION_REL_DETACH:
        id = operation->end.id;
        break;
    case OPERATION_REL_PROPERTIES:
        id = operation->rel.id;
        break;
    case OPERATION_INDEX_ADD:
    case OPERATION_INDEX_REMOVE:
        return index_partition(operation->index, operation->value);
    case OPERATION_NONE:
    case OPERATION_TYPE_COUNT:
        break;
    }
    assert(id);
    return (uint32_t)(id % PARTITION_COUNT);
}

/* --- values --- */

size_t
property_size(struct value value)
{
    struct cursor cursor = {.mode = MODE_MEASURE};
    walk_value(&cursor, &value);
    assert(!cursor.err);
    return cursor.at;
}

void
property_encode(struct value value, uint8_t *out)
{
    struct cursor cursor = {.mode = MODE_WRITE, .size = SIZE_MAX, .out = out};
    walk_value(&cursor, &value);
    assert(!cursor.err);
}

err_t
property_decode(
    const uint8_t *bytes, size_t size, struct arena *arena, struct value *out, size_t *used)
{
    struct cursor cursor = {.mode = MODE_READ, .size = size, .in = bytes, .arena = arena};
    walk_value(&cursor, out);
    *used = cursor.err ? 0 : cursor.at;
    return cursor.err;
}

static bool
scalar_is_storable(struct value value)
{
    switch ((enum value_type)value.type) {
    case VALUE_BOOLEAN:
    case VALUE_INTEGER:
    case VALUE_FLOAT:
    case VALUE_DATE:
    case VALUE_LOCAL_TIME:
    case VALUE_TIME:
    case VALUE_LOCAL_DATE_TIME:
    case VALUE_DATE_TIME:
    case VALUE_DURATION:
    case VALUE_POINT:
        return true;
    case VALUE_STRING:
    case VALUE_BYTES:
        return value.size <= PROPERTY_SIZE_MAX;
    case VALUE_NULL:
    case VALUE_LIST:
    case VALUE_MAP:
    case VALUE_NODE:
    case VALUE_RELATIONSHIP:
    case VALUE_PATH:
    case VALUE_TYPE_COUNT:
        return false;
    }
    return false;
}

bool
value_is_storable(struct value value)
{
    if (value.type == VALUE_NULL)
        return true;
    if (value.type != VALUE_LIST)
        return scalar_is_storable(value);
    uint64_t total = 0;
    for (uint32_t i = 0; i < value.size; i++) {
        struct value item = value.list[i];
        if (item.type != value.list[0].type || !scalar_is_storable(item))
            return false;
        total += 16 + (item.type == VALUE_STRING || item.type == VALUE_BYTES ? item.size : 0);
        if (total > PROPERTY_SIZE_MAX)
            return false;
    }
    return true;
}

/* Numbers that are equal must hash alike whatever their type, so all go through their nearest double;
 * large integers that share one merely collide. Zero has two signs and one hash. */
static uint64_t
number_hash(double number)
{
    if (number == 0)
        number = 0;
    uint64_t bits;
    memcpy(&bits, &number, sizeof(bits));
    return hash_word(bits ^ UINT64_C(0x9e3779b97f4a7c15));
}

static uint64_t
scalar_hash(struct value value)
{
    if (value.type == VALUE_INTEGER)
        return number_hash((double)value.integer);
    if (value.type == VALUE_FLOAT)
        return number_hash(value.real);
    if (value.type == VALUE_STRING || value.type == VALUE_BYTES)
        return hash_bytes(value.string, value.size, value.type);
    uint8_t bytes[512];
    assert(property_size(value) <= sizeof(bytes));
    property_encode(value, bytes);
    return hash_bytes(bytes, property_size(value), value.type);
}

uint64_t
property_index_hash(struct value value)
{
    if (value.type != VALUE_LIST)
        return scalar_hash(value);
    uint64_t hash = hash_word(value.size + UINT64_C(0x51ed270b));
    for (uint32_t i = 0; i < value.size; i++)
        hash = hash_word(hash ^ scalar_hash(value.list[i])) + i;
    return hash;
}

uint32_t
index_partition(uint32_t index, struct value value)
{
    return (uint32_t)(hash_word(property_index_hash(value) + index) % PARTITION_COUNT);
}

/* --- printing --- */

struct printer {
    char *data;
    size_t size;
};

static void __attribute__((format(printf, 2, 3)))
print(struct printer *printer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = PRINT_SIZE_MAX - printer->size;
    int written = vsnprintf(printer->data + printer->size, room, format, arguments);
    va_end(arguments);
    assert(written >= 0);
    printer->size += (size_t)written < room ? (size_t)written : room - 1;
}

static void
print_text(struct printer *printer, struct text text)
{
    print(printer, "\"");
    for (size_t i = 0; i < text.size && i < 200; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte < 0x20 || byte == '"' || byte == '\\' || byte == 0x7f)
            print(printer, "\\x%02x", byte);
        else
            print(printer, "%c", byte);
    }
    print(printer, text.size > 200 ? "\"..." : "\"");
}

static void
print_scalar(struct printer *printer, struct value value)
{
    switch ((enum value_type)value.type) {
    case VALUE_NULL:
        print(printer, "null");
        return;
    case VALUE_BOOLEAN:
        print(printer, value.boolean ? "true" : "false");
        return;
    case VALUE_INTEGER:
        print(printer, "%lld", (long long)value.integer);
        return;
    case VALUE_FLOAT:
        print(printer, "%.17g", value.real);
        return;
    case VALUE_STRING:
        print_text(printer, value_text(value));
        return;
    case VALUE_BYTES:
        print(printer, "bytes(%u)", value.size);
        return;
    case VALUE_DATE:
        print(printer, "date(%lld)", (long long)value.integer);
        return;
    case VALUE_LOCAL_TIME:
        print(printer, "local_time(%lld)", (long long)value.integer);
        return;
    case VALUE_TIME:
        print(printer, "time(%lld, %d)", (long long)value.integer, value.offset);
        return;
    case VALUE_LOCAL_DATE_TIME:
        print(printer, "local_date_time(%lld, %u)", (long long)value.integer, value.size);
        return;
    case VALUE_DATE_TIME:
        print(
            printer, "date_time(%lld, %u, %d, ", (long long)value.date_time->seconds,
            value.date_time->nanoseconds, value.date_time->offset_seconds);
        print_text(printer, value.date_time->zone);
        print(printer, ")");
        return;
    case VALUE_DURATION:
        print(
            printer, "duration(%lld, %lld, %lld, %lld)", (long long)value.duration->months,
            (long long)value.duration->days, (long long)value.duration->seconds,
            (long long)value.duration->nanoseconds);
        return;
    case VALUE_POINT:
        print(printer, "point(%u, %.17g, %.17g", value.point->srid, value.point->x, value.point->y);
        if (value.point->dimensions == 3)
            print(printer, ", %.17g", value.point->z);
        print(printer, ")");
        return;
    case VALUE_LIST:
    case VALUE_MAP:
    case VALUE_NODE:
    case VALUE_RELATIONSHIP:
    case VALUE_PATH:
    case VALUE_TYPE_COUNT:
        break;
    }
    print(printer, "?");
}

static void
print_value(struct printer *printer, struct value value)
{
    if (value.type != VALUE_LIST) {
        print_scalar(printer, value);
        return;
    }
    print(printer, "[");
    for (uint32_t i = 0; i < value.size && i < 16; i++) {
        print(printer, i ? ", " : "");
        print_scalar(printer, value.list[i]);
    }
    print(printer, value.size > 16 ? ", ...]" : "]");
}

static void
print_labels(struct printer *printer, const char *what, const uint32_t *labels, uint32_t count)
{
    if (count == 0)
        return;
    print(printer, " %s=[", what);
    for (uint32_t i = 0; i < count; i++)
        print(printer, "%s%u", i ? ", " : "", labels[i]);
    print(printer, "]");
}

static const char *const operation_names[] = {
    [OPERATION_NONE] = "NONE",
#define OPERATION(name, logged, text) [OPERATION_##name] = #name,
#include "shards/store/operations.def"
#undef OPERATION
};

struct text
operation_print(const struct operation *operation, struct arena *arena)
{
    struct printer printer = {.data = arena_allocate(arena, PRINT_SIZE_MAX)};
    if (!printer.data)
        return (struct text){NULL, 0};
    assert(operation->type < OPERATION_TYPE_COUNT);
    print(&printer, "%s", operation_names[operation->type]);
    if (operation->node.id)
        print(&printer, " node=%llu", (unsigned long long)operation->node.id);
    if (operation->rel.id)
        print(&printer, " rel=%llu", (unsigned long long)operation->rel.id);
    if (operation->start.id)
        print(
            &printer, " start=%llu end=%llu type=%u", (unsigned long long)operation->start.id,
            (unsigned long long)operation->end.id, operation->rel_type);
    if (operation->type == OPERATION_INDEX_ADD || operation->type == OPERATION_INDEX_REMOVE) {
        print(&printer, " index=%u value=", operation->index);
        print_value(&printer, operation->value);
    }
    print_labels(&printer, "labels", operation->labels, operation->label_count);
    if (operation->removed_label_count)
        print_labels(
            &printer, "removed", operation->labels + operation->label_count,
            operation->removed_label_count);
    if (operation->replace)
        print(&printer, " replace");
    if (operation->property_count)
        print(&printer, " properties={");
    for (uint32_t i = 0; i < operation->property_count; i++) {
        print(&printer, "%s%u: ", i ? ", " : "", operation->properties[i].key);
        print_value(&printer, operation->properties[i].value);
    }
    if (operation->property_count)
        print(&printer, "}");
    return (struct text){printer.data, printer.size};
}
