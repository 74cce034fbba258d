/* Values that somebody keeps: deep copies in a pool or an arena.
 *
 *     string, bytes   | size u32 | bytes ... |         the value points at the bytes
 *     date-time       | struct value_date_time | zone |
 *     list            | struct value x n | what the items point at, each aligned to 8 |
 *
 * Everything of one value is one object, whose size follows from the value itself. */
#include <string.h>

#include "shards/store/state.h"

enum { STRING_HEAD = 4 };

static size_t
aligned(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

/* What an item of a list, or a date-time, duration or point by itself, needs outside the value. */
static size_t
outside_size(struct value value)
{
    switch (value.type) {
    case VALUE_STRING:
    case VALUE_BYTES:
        return aligned(STRING_HEAD + (size_t)value.size);
    case VALUE_DATE_TIME:
        return aligned(sizeof(struct value_date_time) + value.date_time->zone.size);
    case VALUE_DURATION:
        return sizeof(struct value_duration);
    case VALUE_POINT:
        return sizeof(struct value_point);
    default:
        return 0;
    }
}

static size_t
owned_size(struct value value)
{
    if (value.type != VALUE_LIST)
        return outside_size(value);
    size_t size = sizeof(struct value) * value.size;
    for (uint32_t i = 0; i < value.size; i++)
        size += outside_size(value.list[i]);
    return size;
}

static struct value
outside_copy(struct value value, char *to)
{
    switch (value.type) {
    case VALUE_STRING:
    case VALUE_BYTES:
        memcpy(to, &value.size, STRING_HEAD);
        if (value.size)
            memcpy(to + STRING_HEAD, value.string, value.size);
        value.string = to + STRING_HEAD;
        break;
    case VALUE_DATE_TIME: {
        struct value_date_time *copy = (struct value_date_time *)(void *)to;
        *copy = *value.date_time;
        if (copy->zone.size)
            memcpy(copy + 1, copy->zone.data, copy->zone.size);
        copy->zone.data = (const char *)(copy + 1);
        value.date_time = copy;
        break;
    }
    case VALUE_DURATION:
        value.duration = memcpy(to, value.duration, sizeof(*value.duration));
        break;
    case VALUE_POINT:
        value.point = memcpy(to, value.point, sizeof(*value.point));
        break;
    default:
        break;
    }
    return value;
}

static struct value
copy_into(struct value value, char *to)
{
    if (value.type != VALUE_LIST)
        return outside_copy(value, to);
    struct value *items = (struct value *)(void *)to;
    to += sizeof(*items) * value.size;
    for (uint32_t i = 0; i < value.size; i++) {
        items[i] = outside_copy(value.list[i], to);
        to += outside_size(value.list[i]);
    }
    value.list = items;
    return value;
}

err_t
value_own(struct pool *pool, struct value value, struct value *out)
{
    assert(value_is_storable(value));
    size_t size = owned_size(value);
    *out = value;
    if (size == 0)
        return 0;
    char *object = pool_allocate(pool, size);
    if (!object)
        return ERR(MEMORY_POOL);
    *out = copy_into(value, object);
    return 0;
}

void
value_disown(struct pool *pool, struct value value)
{
    size_t size = owned_size(value);
    if (size == 0)
        return;
    const char *object = value.type == VALUE_STRING || value.type == VALUE_BYTES
                             ? value.string - STRING_HEAD
                             : value.string;
    pool_release(pool, (void *)(uintptr_t)object, size);
}

bool
value_copy_deep(struct arena *arena, struct value value, struct value *out)
{
    size_t size = owned_size(value);
    *out = value;
    if (size == 0)
        return true;
    char *object = arena_allocate(arena, size);
    if (!object)
        return false;
    *out = copy_into(value, object);
    return true;
}
