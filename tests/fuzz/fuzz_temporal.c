/* Text that claims to be a date, a time or a duration, and bytes that claim to be the file of a time
 * zone. What reads must print, and the print must read to the same value. */
#include <stddef.h>
#include <stdint.h>

#include "engine/value/temporal.h"
#include "engine/value/value_ops.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_zones {
    struct zone_source source;
    struct text file;
};

static struct text
lookup(struct zone_source *source, struct text name)
{
    (void)name;
    return ((struct fuzz_zones *)source)->file;
}

static void
try_text(struct arena *arena, struct zone_source *zones, enum value_type type, struct text text)
{
    struct value value, again;
    struct text reason;
    err_t err = type == VALUE_DURATION ? duration_parse(arena, text, &value, &reason)
                                       : temporal_parse(arena, zones, type, text, &value, &reason);
    if (err)
        return;
    struct text printed = value_to_string(arena, value);
    if (!printed.data || type == VALUE_DURATION)
        return;
    assert(temporal_is_valid(value));
    /* A zone's file may be nonsense, so that what it says of one moment does not hold for the next. */
    if (value.type == VALUE_DATE_TIME && value.date_time->zone.size)
        return;
    err = temporal_parse(arena, zones, type, printed, &again, &reason);
    assert(!err);
    assert(value_equivalent(value, again));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct arena arena;
    arena_create(&arena, memory_heap(), 4 << 20);
    struct text text = {(const char *)data + 1, size - 1};
    struct fuzz_zones zones = {{lookup}, text};
    int32_t offset;
    if (data[0] % 8 == 7)
        (void)tzif_offset_at(text, (int64_t)data[1] << 25, &offset);
    else if (data[0] % 8 == 6)
        try_text(&arena, &zones.source, VALUE_DATE_TIME, TEXT("2020-03-29T02:30[Any/Zone]"));
    else
        try_text(&arena, &zones.source, VALUE_DATE + data[0] % 6, text);
    arena_destroy(&arena);
    return 0;
}
