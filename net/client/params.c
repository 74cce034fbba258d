/* Parameters under construction, encoded as they are set.
 *
 *     D... D9 count  key value  key value  D6 count  item item  ...
 *     ^ map header               ^ an open list: `levels` remembers where its count stands
 *
 * The number of entries is known only at the end, so every list and map has the 32-bit header, whose
 * count is patched by qv_params_close and by params_encoded. */
#include "net/client/client.h"

#include <stdlib.h>

enum {
    PARAMS_NESTING_MAX = 100,
    PARAMS_SIZE_MAX = 128 << 20,
    HEADER_SIZE = 5,
};

struct params_level {
    size_t offset; /* of the header */
    uint32_t item_count;
    bool is_map;
};

struct qv_params {
    struct pack_writer writer;
    uint32_t depth; /* index of the innermost level; 0 is the map itself */
    bool misused;
    struct params_level levels[PARAMS_NESTING_MAX];
};

static void
write_header(struct qv_params *params, bool is_map)
{
    static const uint8_t zero_count[4];
    params->levels[params->depth] = (struct params_level){
        .offset = params->writer.size, .is_map = is_map};
    pack_write_raw(&params->writer, is_map ? "\xDA" : "\xD6", 1);
    pack_write_raw(&params->writer, zero_count, sizeof(zero_count));
}

static void
patch_count(uint8_t *header, uint32_t count)
{
    assert(header[0] == 0xDA || header[0] == 0xD6);
    for (int i = 0; i < 4; i++)
        header[1 + i] = (uint8_t)(count >> (24 - 8 * i));
}

struct qv_params *
qv_params_new(void)
{
    struct qv_params *params = malloc(sizeof(*params));
    if (!params)
        return NULL;
    pack_writer_create(&params->writer, memory_heap(), PARAMS_SIZE_MAX);
    params->depth = 0;
    params->misused = false;
    write_header(params, true);
    return params;
}

void
qv_params_delete(struct qv_params *params)
{
    if (!params)
        return;
    pack_writer_destroy(&params->writer);
    free(params);
}

void
qv_params_reset(struct qv_params *params)
{
    pack_writer_reset(&params->writer);
    params->depth = 0;
    params->misused = false;
    write_header(params, true);
}

enum qv_status
params_encoded(const struct qv_params *params, const uint8_t **data, size_t *size)
{
    if (params->misused || params->depth != 0)
        return QV_MISUSE;
    if (params->writer.err)
        return QV_NO_MEMORY;
    patch_count(params->writer.data, params->levels[0].item_count);
    *data = params->writer.data;
    *size = params->writer.size;
    return QV_OK;
}

/* Counts one more entry and writes its key; false when it is out of place. */
static bool
entry_start(struct qv_params *params, const char *key)
{
    struct params_level *level = &params->levels[params->depth];
    if (params->misused || level->is_map != (key != NULL)) {
        params->misused = true;
        return false;
    }
    level->item_count++;
    if (key)
        pack_write_string(&params->writer, text_of(key));
    return true;
}

void
qv_params_null(struct qv_params *params, const char *key)
{
    if (entry_start(params, key))
        pack_write_null(&params->writer);
}

void
qv_params_boolean(struct qv_params *params, const char *key, bool boolean)
{
    if (entry_start(params, key))
        pack_write_boolean(&params->writer, boolean);
}

void
qv_params_integer(struct qv_params *params, const char *key, int64_t integer)
{
    if (entry_start(params, key))
        pack_write_integer(&params->writer, integer);
}

void
qv_params_float(struct qv_params *params, const char *key, double real)
{
    if (entry_start(params, key))
        pack_write_float(&params->writer, real);
}

void
qv_params_string(struct qv_params *params, const char *key, const char *text)
{
    qv_params_text(params, key, (struct qv_text){text, strlen(text)});
}

void
qv_params_text(struct qv_params *params, const char *key, struct qv_text text)
{
    if (text.size > PARAMS_SIZE_MAX || !pack_utf8_is_valid(text.data, text.size)) {
        params->misused = true;
        return;
    }
    if (entry_start(params, key))
        pack_write_string(&params->writer, (struct text){text.data, text.size});
}

void
qv_params_bytes(struct qv_params *params, const char *key, const void *bytes, size_t size)
{
    if (size > PARAMS_SIZE_MAX)
        params->misused = true;
    else if (entry_start(params, key))
        pack_write_bytes(&params->writer, bytes, size);
}

static void
level_open(struct qv_params *params, const char *key, bool is_map)
{
    if (!entry_start(params, key))
        return;
    if (params->depth + 1 >= PARAMS_NESTING_MAX) {
        params->misused = true;
        return;
    }
    params->depth++;
    write_header(params, is_map);
}

void
qv_params_open_list(struct qv_params *params, const char *key)
{
    level_open(params, key, false);
}

void
qv_params_open_map(struct qv_params *params, const char *key)
{
    level_open(params, key, true);
}

void
qv_params_close(struct qv_params *params)
{
    if (params->misused || params->depth == 0) {
        params->misused = true;
        return;
    }
    const struct params_level *level = &params->levels[params->depth];
    if (!params->writer.err)
        patch_count(params->writer.data + level->offset, level->item_count);
    params->depth--;
}

static bool
structure_start(struct qv_params *params, const char *key, enum pack_tag tag, unsigned field_count)
{
    if (!entry_start(params, key))
        return false;
    pack_write_structure(&params->writer, (uint8_t)tag, field_count);
    return true;
}

void
qv_params_date(struct qv_params *params, const char *key, struct qv_date date)
{
    if (structure_start(params, key, PACK_TAG_DATE, 1))
        pack_write_integer(&params->writer, date.days);
}

void
qv_params_time(struct qv_params *params, const char *key, struct qv_time time)
{
    if (!structure_start(params, key, PACK_TAG_TIME, 2))
        return;
    pack_write_integer(&params->writer, time.nanoseconds);
    pack_write_integer(&params->writer, time.offset_seconds);
}

void
qv_params_local_time(struct qv_params *params, const char *key, struct qv_time time)
{
    if (structure_start(params, key, PACK_TAG_LOCAL_TIME, 1))
        pack_write_integer(&params->writer, time.nanoseconds);
}

void
qv_params_date_time(struct qv_params *params, const char *key, struct qv_date_time date_time)
{
    bool named = date_time.zone.size > 0;
    if (!structure_start(params, key, named ? PACK_TAG_DATE_TIME_ZONE : PACK_TAG_DATE_TIME, 3))
        return;
    pack_write_integer(&params->writer, date_time.seconds);
    pack_write_integer(&params->writer, date_time.nanoseconds);
    if (named)
        pack_write_string(&params->writer, (struct text){date_time.zone.data, date_time.zone.size});
    else
        pack_write_integer(&params->writer, date_time.offset_seconds);
}

void
qv_params_local_date_time(struct qv_params *params, const char *key, struct qv_date_time date_time)
{
    if (!structure_start(params, key, PACK_TAG_LOCAL_DATE_TIME, 2))
        return;
    pack_write_integer(&params->writer, date_time.seconds);
    pack_write_integer(&params->writer, date_time.nanoseconds);
}

void
qv_params_duration(struct qv_params *params, const char *key, struct qv_duration duration)
{
    if (!structure_start(params, key, PACK_TAG_DURATION, 4))
        return;
    pack_write_integer(&params->writer, duration.months);
    pack_write_integer(&params->writer, duration.days);
    pack_write_integer(&params->writer, duration.seconds);
    pack_write_integer(&params->writer, duration.nanoseconds);
}

void
qv_params_point(struct qv_params *params, const char *key, struct qv_point point)
{
    if (point.dimensions != 2 && point.dimensions != 3) {
        params->misused = true;
        return;
    }
    bool flat = point.dimensions == 2;
    if (!structure_start(params, key, flat ? PACK_TAG_POINT_2D : PACK_TAG_POINT_3D, flat ? 3 : 4))
        return;
    pack_write_integer(&params->writer, point.srid);
    pack_write_float(&params->writer, point.x);
    pack_write_float(&params->writer, point.y);
    if (!flat)
        pack_write_float(&params->writer, point.z);
}

void
qv_params_value(struct qv_params *params, const char *key, struct qv_value value)
{
    if (!value.encoded)
        qv_params_null(params, key);
    else if (entry_start(params, key))
        pack_write_raw(&params->writer, value.encoded, value.encoded_size);
}
