/* PackStream: the encoding of every Bolt message and value.
 *
 * Used by the server's session and by the client library, so it knows nothing but include/base.
 *
 * Writing: a `struct pack_writer` is a growing (or fixed) byte buffer that its creator owns. Errors are
 * sticky: write a whole message, then look at `writer.err` once.
 *
 * Reading: a `struct pack_reader` walks one complete message that somebody else owns. Nothing is copied:
 * strings and bytes point into the message. Every declared count is bounded by the bytes that are left,
 * so what a reader allocates is at most proportional to the message.
 *
 * Errors: REQUEST_FORMAT = not PackStream, the connection cannot go on; ARGUMENT, TYPE, LIMIT,
 * MEMORY_QUERY = well-formed bytes with a value that is refused, the message can be skipped. */
#ifndef NET_PACK_H
#define NET_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/value.h"

enum pack_type {
    PACK_NULL,
    PACK_BOOLEAN,
    PACK_INTEGER,
    PACK_FLOAT,
    PACK_STRING,
    PACK_BYTES,
    PACK_LIST,
    PACK_MAP,
    PACK_STRUCTURE,
};

/* Tags of the structures that are values. */
enum pack_tag {
    PACK_TAG_NODE = 0x4E,
    PACK_TAG_RELATIONSHIP = 0x52,
    PACK_TAG_UNBOUND_RELATIONSHIP = 0x72,
    PACK_TAG_PATH = 0x50,
    PACK_TAG_DATE = 0x44,
    PACK_TAG_TIME = 0x54,
    PACK_TAG_LOCAL_TIME = 0x74,
    PACK_TAG_DATE_TIME = 0x49,
    PACK_TAG_DATE_TIME_ZONE = 0x69,
    PACK_TAG_DATE_TIME_LEGACY = 0x46,
    PACK_TAG_DATE_TIME_ZONE_LEGACY = 0x66,
    PACK_TAG_LOCAL_DATE_TIME = 0x64,
    PACK_TAG_DURATION = 0x45,
    PACK_TAG_POINT_2D = 0x58,
    PACK_TAG_POINT_3D = 0x59,
};

/* What depends on the negotiated version and on who is reading. Zeroed = Bolt 4.3 without the UTC patch,
 * no graph values accepted. */
struct pack_format {
    bool element_ids; /* Bolt 5: nodes and relationships carry their ids as strings too */
    bool utc;         /* date-times with zone count seconds in UTC (Bolt 5, or the patch "utc") */
    bool graph;       /* reading: nodes, relationships and paths are accepted (clients) */
    struct text
        database_id; /* element ids are 4:<database_id>:<id>, up to 64 bytes; or just the id when it is empty */
    /* Seconds east of UTC of a named zone at `seconds`, which count from the epoch in UTC or, when
     * `local`, on the wall clock. False = no such zone. NULL: every zone is accepted, offset 0. */
    bool (*zone_offset)(
        void *context, struct text zone, int64_t seconds, bool local, int32_t *offset_seconds);
    void *zone_context;
};

/* ---- writing ---- */

struct pack_writer {
    struct memory *source; /* NULL: the buffer is fixed */
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t limit_size; /* growth stops here with LIMIT */
    err_t err;         /* the first error; later writes do nothing */
};

/* Starts empty; allocates when first written to. */
void pack_writer_create(struct pack_writer *writer, struct memory *source, size_t limit_size);
/* Writes into `buffer`, which the caller owns; LIMIT when it is full. */
void pack_writer_create_fixed(struct pack_writer *writer, void *buffer, size_t capacity);
void pack_writer_destroy(struct pack_writer *writer);
/* Forgets the content and the error, keeps the buffer. */
void pack_writer_reset(struct pack_writer *writer);

/* Room for `size` more bytes behind `data + size`; false (and `err`) when there is none. */
bool pack_writer_reserve(struct pack_writer *writer, size_t size);
void pack_write_raw(struct pack_writer *writer, const void *bytes, size_t size);

void pack_write_null(struct pack_writer *writer);
void pack_write_boolean(struct pack_writer *writer, bool boolean);
void pack_write_integer(struct pack_writer *writer, int64_t integer);
void pack_write_float(struct pack_writer *writer, double real);
void pack_write_string(struct pack_writer *writer, struct text text);
void pack_write_bytes(struct pack_writer *writer, const void *bytes, size_t size);
/* Headers: the items, the keys and values, the fields follow. */
void pack_write_list(struct pack_writer *writer, size_t item_count);
void pack_write_map(struct pack_writer *writer, size_t entry_count);
void pack_write_structure(struct pack_writer *writer, uint8_t tag, unsigned field_count);

/* One whole value with everything inside it. LIMIT when it nests deeper than VALUE_NESTING_MAX. A node
 * that is not hydrated is written without labels and properties. */
void pack_write_value(
    struct pack_writer *writer, const struct pack_format *format, const struct value *value);
/* A map with these entries. */
void pack_write_entries(
    struct pack_writer *writer,
    const struct pack_format *format,
    const struct map_entry *entries,
    uint32_t entry_count);

/* ---- reading ---- */

struct pack_reader {
    const uint8_t *data;
    size_t size;
    size_t offset; /* of the next item */
};

/* One scalar, or the header of a list, map or structure. */
struct pack_item {
    enum pack_type type;
    uint8_t tag;   /* structure */
    uint32_t size; /* string, bytes: bytes; list: items; map: entries; structure: fields */
    union {
        bool boolean;
        int64_t integer;
        double real;
        const char *string;
        const uint8_t *bytes;
    };
};

static inline void
pack_reader_create(struct pack_reader *reader, const void *message, size_t size)
{
    *reader = (struct pack_reader){.data = message, .size = size};
}

static inline bool
pack_reader_is_at_end(const struct pack_reader *reader)
{
    return reader->offset == reader->size;
}

/* The next item in reading order. */
err_t pack_read(struct pack_reader *reader, struct pack_item *item);
/* The same, and TYPE when it is of another type (the item has been read nevertheless). */
err_t pack_read_typed(struct pack_reader *reader, enum pack_type type, struct pack_item *item);
err_t pack_read_text(struct pack_reader *reader, struct text *text);
err_t pack_read_integer(struct pack_reader *reader, int64_t *integer);
/* Key of a map entry: a string, or the message is malformed. */
err_t pack_read_key(struct pack_reader *reader, struct text *key);
/* Passes over one whole value, checking that it is well-formed. */
err_t pack_skip(struct pack_reader *reader);
/* The message is one structure, well-formed to its last byte. Does not move the reader. */
err_t pack_check(const struct pack_reader *reader);

/* One whole value. Lists, maps and boxed values are allocated in the arena; strings and bytes point into
 * the message. After an error other than REQUEST_FORMAT the position is inside the value. */
err_t pack_read_value(
    struct pack_reader *reader,
    const struct pack_format *format,
    struct arena *arena,
    struct value *value);

/* True when the bytes are valid UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool pack_utf8_is_valid(const void *bytes, size_t size);

#endif
