/* One value: what a row, a property and a parameter are made of. 16 bytes, passed by value.
 *
 *      byte 0   1        2..3     4..7                       8..15
 *     +------+-------+--------+---------------------------+------------------------------------------+
 *     | type | flags | depth  | size: bytes, items, extra | the payload itself, or a pointer to it   |
 *     +------+-------+--------+---------------------------+------------------------------------------+
 *
 * The shape is here, at the bottom, because both the store (properties) and the engine (rows) hold
 * values; what can be done with them (compare, add, print) is in engine/value/.
 *
 * Invariants
 *  1. A value never owns memory. What it points at lives in somebody's arena, in the store (then lent
 *     until the lender's next mutation), or in static memory.
 *  2. Strings are valid UTF-8 and not NUL-terminated.
 *  3. A storable value (value_is_storable) has no entity, path or map inside, and a storable list is
 *     flat and of one type.
 *  4. Unused bytes are zero, so equal scalars are equal bytes.
 *
 * Source of the types: openCypher 9 and the structures of PackStream. */
#ifndef BASE_VALUE_H
#define BASE_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/text.h"

/* A node or relationship: local << PARTITION_BITS | partition. Below 2^53 (limits.h). Relationships
 * belong to the partition of their start node. The two kinds must not be mixed, hence two types. */
typedef struct {
    uint64_t id;
} node_id;

typedef struct {
    uint64_t id;
} rel_id;

enum value_type {
    VALUE_NULL = 0,
    VALUE_BOOLEAN,
    VALUE_INTEGER,
    VALUE_FLOAT,
    VALUE_STRING,
    VALUE_BYTES,
    VALUE_LIST,
    VALUE_MAP,
    VALUE_NODE,
    VALUE_RELATIONSHIP,
    VALUE_PATH,
    VALUE_DATE,       /* integer: days since 1970-01-01 */
    VALUE_LOCAL_TIME, /* integer: nanoseconds since midnight */
    VALUE_TIME,       /* integer: nanoseconds since local midnight; offset: seconds east of UTC */
    VALUE_LOCAL_DATE_TIME, /* integer: seconds since the epoch on the wall clock; size: nanoseconds */
    VALUE_DATE_TIME,       /* date_time */
    VALUE_DURATION,        /* duration */
    VALUE_POINT,           /* point */
    VALUE_TYPE_COUNT
};

struct map_entry;

/* An instant with an offset or a named zone. */
struct value_date_time {
    int64_t seconds; /* since 1970-01-01T00:00Z */
    uint32_t nanoseconds;
    int32_t offset_seconds; /* east of UTC, in force at that instant */
    struct text zone;       /* tz database name; size 0 = a plain offset */
};

struct value_duration {
    int64_t months, days, seconds;
    int64_t nanoseconds; /* 0 .. 999,999,999 after normalisation */
};

struct value_point {
    uint32_t srid;       /* 4326, 4979, 7203, 9157 */
    uint32_t dimensions; /* 2 or 3 */
    double x, y, z;
};

/* A node as a value. `labels` and `properties` are there only when hydrated; a bare node is just its
 * id, with `entity` NULL and the id in value.size's place of the payload: see value_node_bare. */
struct value_node {
    node_id id;
    bool deleted; /* by this transaction, before it was hydrated */
    uint32_t label_count;
    uint32_t property_count;
    const struct text *labels;
    const struct map_entry *properties;
};

struct value_rel {
    rel_id id;
    node_id start, end;
    uint32_t type_token; /* catalog token of the type */
    bool hydrated;       /* type and properties are filled in */
    bool deleted;
    struct text type;
    uint32_t property_count;
    const struct map_entry *properties;
};

struct value_path;

struct value {
    uint8_t type;  /* enum value_type */
    uint8_t flags; /* VALUE_FLAG_* */
    uint16_t
        depth; /* list, map: an upper bound of the nesting inside, 0 = flat (value_list_make) */
    union {
        uint32_t
            size; /* string, bytes: bytes; list: items; map: entries; local date-time: nanoseconds */
        int32_t offset; /* time: seconds east of UTC */
    };
    union {
        bool boolean;
        int64_t integer;
        double real;
        const char *string;
        const uint8_t *bytes;
        const struct value *list;
        const struct map_entry *map;
        uint64_t node_id;              /* VALUE_NODE without VALUE_FLAG_HYDRATED */
        const struct value_node *node; /* VALUE_NODE with VALUE_FLAG_HYDRATED */
        const struct value_rel *rel;
        const struct value_path *path;
        const struct value_date_time *date_time;
        const struct value_duration *duration;
        const struct value_point *point;
        uint64_t word;
    };
};
static_assert(sizeof(struct value) == 16, "a value is two words");

enum { VALUE_FLAG_HYDRATED = 1 };

/* Keys of a map are unique; order is the order of writing. */
struct map_entry {
    struct text key;
    struct value value;
};

/* node[0] -rel[0]- node[1] - ... ; `nodes` has rel_count + 1 items, each a VALUE_NODE; each of `rels`
 * a VALUE_RELATIONSHIP, walked in either direction. */
struct value_path {
    uint32_t rel_count;
    const struct value *nodes;
    const struct value *rels;
};

#define VALUE_NULL_INIT ((struct value){.type = VALUE_NULL})

static inline struct value
value_null(void)
{
    return VALUE_NULL_INIT;
}

static inline struct value
value_boolean(bool boolean)
{
    struct value value = {.type = VALUE_BOOLEAN};
    value.integer = boolean;
    return value;
}

static inline struct value
value_integer(int64_t integer)
{
    struct value value = {.type = VALUE_INTEGER};
    value.integer = integer;
    return value;
}

static inline struct value
value_float(double real)
{
    struct value value = {.type = VALUE_FLOAT};
    value.real = real;
    return value;
}

static inline struct value
value_string(struct text text)
{
    assert(text.size <= UINT32_MAX);
    struct value value = {.type = VALUE_STRING, .size = (uint32_t)text.size};
    value.string = text.data;
    return value;
}

static inline struct value
value_list(const struct value *items, uint32_t item_count)
{
    struct value value = {.type = VALUE_LIST, .size = item_count};
    value.list = items;
    return value;
}

static inline struct value
value_map(const struct map_entry *entries, uint32_t entry_count)
{
    struct value value = {.type = VALUE_MAP, .size = entry_count};
    value.map = entries;
    return value;
}

static inline struct value
value_node_bare(node_id id)
{
    struct value value = {.type = VALUE_NODE};
    value.node_id = id.id;
    return value;
}

static inline struct value
value_relationship(const struct value_rel *rel)
{
    struct value value = {.type = VALUE_RELATIONSHIP};
    value.rel = rel;
    return value;
}

static inline bool
value_is_null(struct value value)
{
    return value.type == VALUE_NULL;
}

static inline struct text
value_text(struct value value)
{
    assert_hot(value.type == VALUE_STRING);
    return (struct text){value.string, value.size};
}

static inline node_id
value_node_id(struct value value)
{
    assert_hot(value.type == VALUE_NODE);
    return (value.flags & VALUE_FLAG_HYDRATED) ? value.node->id : (node_id){value.node_id};
}

#endif
