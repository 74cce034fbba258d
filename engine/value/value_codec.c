/* Values as bytes.
 *
 *      byte 0: tag             then, by type
 *     +------+-----------+
 *     | code | type      |     NULL, BOOLEAN        nothing (BOOLEAN: code is the value)
 *     +------+-----------+     INTEGER, DATE,
 *      7 .. 5 4 .. 0           LOCAL_TIME           word, zigzag
 *                              FLOAT                8 bytes
 *                              STRING, BYTES        word: size; the bytes
 *                              LIST                 word: count; the items
 *                              MAP                  word: count; key (number: size, bytes) and value of each
 *                              NODE                 word: id
 *                              TIME                 word, zigzag; number: offset
 *                              LOCAL_DATE_TIME      word, zigzag; number: nanoseconds
 *                              the others           numbers and values, see below
 *
 * A *word* is as many little-endian bytes as `code` says (0 .. 6, and 7 for 8); a *number* is LEB128,
 * zigzag where it may be negative.
 *
 * Invariants
 *  1. Decoding what was encoded gives an equivalent value with the same entities inside.
 *  2. Decoding reads no byte at or behind `end`, allocates at most a fixed multiple of the input, and
 *     recurses at most DECODE_DEPTH_MAX deep, whatever the bytes are.
 *  3. Strings are not checked to be UTF-8: who reads bytes from outside the process checks them. */
#include "engine/value/value_codec.h"

#include "engine/value/temporal.h"
#include "engine/value/value_ops.h"

enum { DECODE_DEPTH_MAX = VALUE_DEPTH_MAX + 120 };

/* Tags beyond enum value_type, for the same types in another state. */
enum { ENCODED_NODE_HYDRATED = VALUE_TYPE_COUNT, ENCODED_RELATIONSHIP_HYDRATED, ENCODED_TAG_COUNT };
static_assert(ENCODED_TAG_COUNT <= 32, "a tag's type has five bits");
static_assert(VALUE_ENCODED_SCALAR_SIZE_MAX == 9, "a tag and a word");

/* --- writing; with `at` NULL only the size is counted --- */

struct writer {
    uint8_t *at;
    uint64_t size;
};

static void write_value(struct writer *writer, struct value value);

static uint64_t
zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

static int64_t
unzigzag(uint64_t word)
{
    return (int64_t)(word >> 1) ^ -(int64_t)(word & 1);
}

static void
write_bytes(struct writer *writer, const void *data, size_t size)
{
    if (writer->at && size)
        memcpy(writer->at + writer->size, data, size);
    writer->size += size;
}

static void
write_byte(struct writer *writer, uint32_t byte)
{
    uint8_t one = (uint8_t)byte;
    write_bytes(writer, &one, 1);
}

/* The tag and its word. */
static void
write_word(struct writer *writer, uint32_t type, uint64_t word)
{
    uint32_t byte_count = 0;
    while (byte_count < 8 && (byte_count == 7 || word >> (8 * byte_count)))
        byte_count++;
    write_byte(writer, type | (byte_count == 8 ? 7 : byte_count) << 5);
    for (uint32_t i = 0; i < byte_count; i++)
        write_byte(writer, (uint32_t)(word >> (8 * i)) & 0xff);
}

static void
write_number(struct writer *writer, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        write_byte(writer, (uint32_t)(number & 0x7f) | 0x80);
    write_byte(writer, (uint32_t)number);
}

static void
write_text(struct writer *writer, struct text text)
{
    write_number(writer, text.size);
    write_bytes(writer, text.data, text.size);
}

static void
write_entries(struct writer *writer, const struct map_entry *entries, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        write_text(writer, entries[i].key);
        write_value(writer, entries[i].value);
    }
}

static void
write_node(struct writer *writer, struct value value)
{
    if (!(value.flags & VALUE_FLAG_HYDRATED)) {
        write_word(writer, VALUE_NODE, value.node_id);
        return;
    }
    const struct value_node *node = value.node;
    write_word(writer, ENCODED_NODE_HYDRATED, node->id.id);
    write_byte(writer, node->deleted);
    write_number(writer, node->label_count);
    for (uint32_t i = 0; i < node->label_count; i++)
        write_text(writer, node->labels[i]);
    write_number(writer, node->property_count);
    write_entries(writer, node->properties, node->property_count);
}

static void
write_rel(struct writer *writer, const struct value_rel *rel)
{
    write_word(
        writer, rel->hydrated ? ENCODED_RELATIONSHIP_HYDRATED : VALUE_RELATIONSHIP, rel->id.id);
    write_byte(writer, rel->deleted);
    write_number(writer, rel->start.id);
    write_number(writer, rel->end.id);
    write_number(writer, rel->type_token);
    if (!rel->hydrated)
        return;
    write_text(writer, rel->type);
    write_number(writer, rel->property_count);
    write_entries(writer, rel->properties, rel->property_count);
}

static void
write_path(struct writer *writer, const struct value_path *path)
{
    write_word(writer, VALUE_PATH, path->rel_count);
    write_value(writer, path->nodes[0]);
    for (uint32_t i = 0; i < path->rel_count; i++) {
        write_value(writer, path->rels[i]);
        write_value(writer, path->nodes[i + 1]);
    }
}

static void
write_pointed(struct writer *writer, struct value value)
{
    if (value.type == VALUE_DATE_TIME) {
        write_word(writer, VALUE_DATE_TIME, zigzag(value.date_time->seconds));
        write_number(writer, value.date_time->nanoseconds);
        write_number(writer, zigzag(value.date_time->offset_seconds));
        write_text(writer, value.date_time->zone);
    } else if (value.type == VALUE_DURATION) {
        write_word(writer, VALUE_DURATION, zigzag(value.duration->months));
        write_number(writer, zigzag(value.duration->days));
        write_number(writer, zigzag(value.duration->seconds));
        write_number(writer, zigzag(value.duration->nanoseconds));
    } else {
        assert(value.type == VALUE_POINT);
        write_word(writer, VALUE_POINT, value.point->srid);
        write_byte(writer, value.point->dimensions);
        write_bytes(writer, &value.point->x, sizeof(double));
        write_bytes(writer, &value.point->y, sizeof(double));
        write_bytes(writer, &value.point->z, sizeof(double));
    }
}

static void
write_value(struct writer *writer, struct value value)
{
    switch ((enum value_type)value.type) {
    case VALUE_NULL:
        write_byte(writer, VALUE_NULL);
        return;
    case VALUE_BOOLEAN:
        write_byte(writer, VALUE_BOOLEAN | (value.boolean ? 1u << 5 : 0));
        return;
    case VALUE_FLOAT:
        write_byte(writer, VALUE_FLOAT);
        write_bytes(writer, &value.real, sizeof(value.real));
        return;
    case VALUE_INTEGER:
    case VALUE_DATE:
    case VALUE_LOCAL_TIME:
        write_word(writer, value.type, zigzag(value.integer));
        return;
    case VALUE_TIME:
        write_word(writer, value.type, zigzag(value.integer));
        write_number(writer, zigzag(value.offset));
        return;
    case VALUE_LOCAL_DATE_TIME:
        write_word(writer, value.type, zigzag(value.integer));
        write_number(writer, value.size);
        return;
    case VALUE_STRING:
    case VALUE_BYTES:
        write_word(writer, value.type, value.size);
        write_bytes(writer, value.bytes, value.size);
        return;
    case VALUE_LIST:
        write_word(writer, VALUE_LIST, value.size);
        for (uint32_t i = 0; i < value.size; i++)
            write_value(writer, value.list[i]);
        return;
    case VALUE_MAP:
        write_word(writer, VALUE_MAP, value.size);
        write_entries(writer, value.map, value.size);
        return;
    case VALUE_NODE:
        write_node(writer, value);
        return;
    case VALUE_RELATIONSHIP:
        write_rel(writer, value.rel);
        return;
    case VALUE_PATH:
        write_path(writer, value.path);
        return;
    case VALUE_DATE_TIME:
    case VALUE_DURATION:
    case VALUE_POINT:
        write_pointed(writer, value);
        return;
    case VALUE_TYPE_COUNT:
        break;
    }
    assert(!"no such type");
}

uint64_t
value_encoded_size(struct value value)
{
    struct writer writer = {0};
    write_value(&writer, value);
    return writer.size;
}

uint8_t *
value_encode(struct value value, uint8_t *out)
{
    assert(out);
    struct writer writer = {.at = out};
    write_value(&writer, value);
    return out + writer.size;
}

/* --- reading --- */

struct reader {
    struct arena *arena;
    const uint8_t *at, *end;
    uint32_t depth;
};

static err_t read_value(struct reader *reader, struct value *out);

static size_t
reader_left(const struct reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

static err_t
read_byte(struct reader *reader, uint32_t *out)
{
    if (!reader_left(reader))
        return ERR(REQUEST_FORMAT);
    *out = *reader->at++;
    return 0;
}

static err_t
read_word(struct reader *reader, uint32_t code, uint64_t *out)
{
    uint32_t byte_count = code == 7 ? 8 : code;
    if (reader_left(reader) < byte_count)
        return ERR(REQUEST_FORMAT);
    *out = 0;
    for (uint32_t i = 0; i < byte_count; i++)
        *out |= (uint64_t)*reader->at++ << (8 * i);
    return 0;
}

static err_t
read_number(struct reader *reader, uint64_t *out)
{
    *out = 0;
    for (uint32_t shift = 0; shift < 64; shift += 7) {
        uint32_t byte = 0;
        err_t err = read_byte(reader, &byte);
        if (err)
            return err;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return 0;
    }
    return ERR(REQUEST_FORMAT);
}

static err_t
read_signed(struct reader *reader, int64_t *out)
{
    uint64_t number;
    err_t err = read_number(reader, &number);
    *out = err ? 0 : unzigzag(number);
    return err;
}

static err_t
read_double(struct reader *reader, double *out)
{
    if (reader_left(reader) < sizeof(*out))
        return ERR(REQUEST_FORMAT);
    memcpy(out, reader->at, sizeof(*out));
    reader->at += sizeof(*out);
    return 0;
}

static err_t
read_text(struct reader *reader, struct text *out)
{
    uint64_t size;
    err_t err = read_number(reader, &size);
    if (err)
        return err;
    if (size > reader_left(reader) || size > UINT32_MAX)
        return ERR(REQUEST_FORMAT);
    *out = (struct text){(const char *)reader->at, (size_t)size};
    reader->at += size;
    return 0;
}

/* A count of things that take at least `size_min` bytes each, so it cannot ask for much more memory than
 * there is input. */
static err_t
check_count(const struct reader *reader, uint64_t count, uint32_t size_min)
{
    return count > reader_left(reader) / size_min ? ERR(REQUEST_FORMAT) : 0;
}

static err_t
read_items(struct reader *reader, uint64_t count, const struct value **out)
{
    err_t err = check_count(reader, count, 1);
    if (err)
        return err;
    struct value *items = arena_allocate(reader->arena, (count + 1) * sizeof(*items));
    if (!items)
        return ERR(MEMORY_QUERY);
    for (uint64_t i = 0; !err && i < count; i++)
        err = read_value(reader, &items[i]);
    *out = items;
    return err;
}

static err_t
read_entries(struct reader *reader, uint64_t count, const struct map_entry **out)
{
    err_t err = check_count(reader, count, 2);
    if (err)
        return err;
    struct map_entry *entries = arena_allocate(reader->arena, (count + 1) * sizeof(*entries));
    if (!entries)
        return ERR(MEMORY_QUERY);
    for (uint64_t i = 0; !err && i < count; i++) {
        err = read_text(reader, &entries[i].key);
        if (!err)
            err = read_value(reader, &entries[i].value);
    }
    *out = entries;
    return err;
}

static err_t
read_properties(struct reader *reader, uint32_t *count, const struct map_entry **out)
{
    uint64_t number;
    err_t err = read_number(reader, &number);
    if (err)
        return err;
    err = read_entries(reader, number, out);
    *count = err ? 0 : (uint32_t)number;
    return err;
}

static err_t
read_node(struct reader *reader, uint64_t id, struct value *out)
{
    struct value_node *node = arena_zeroed(reader->arena, sizeof(*node));
    if (!node)
        return ERR(MEMORY_QUERY);
    node->id.id = id;
    uint32_t deleted = 0;
    uint64_t label_count = 0;
    err_t err = read_byte(reader, &deleted);
    if (!err)
        err = read_number(reader, &label_count);
    if (!err)
        err = check_count(reader, label_count, 1);
    if (err)
        return err;
    struct text *labels = arena_allocate(reader->arena, (label_count + 1) * sizeof(*labels));
    if (!labels)
        return ERR(MEMORY_QUERY);
    for (uint64_t i = 0; !err && i < label_count; i++)
        err = read_text(reader, &labels[i]);
    node->deleted = deleted != 0;
    node->labels = labels;
    node->label_count = (uint32_t)label_count;
    if (!err)
        err = read_properties(reader, &node->property_count, &node->properties);
    *out = (struct value){.type = VALUE_NODE, .flags = VALUE_FLAG_HYDRATED};
    out->node = node;
    return err;
}

static err_t
read_rel(struct reader *reader, uint64_t id, bool hydrated, struct value *out)
{
    struct value_rel *rel = arena_zeroed(reader->arena, sizeof(*rel));
    if (!rel)
        return ERR(MEMORY_QUERY);
    uint32_t deleted = 0;
    uint64_t token = 0;
    err_t err = read_byte(reader, &deleted);
    if (!err)
        err = read_number(reader, &rel->start.id);
    if (!err)
        err = read_number(reader, &rel->end.id);
    if (!err)
        err = read_number(reader, &token);
    if (!err && token > UINT32_MAX)
        err = ERR(REQUEST_FORMAT);
    if (!err && hydrated)
        err = read_text(reader, &rel->type);
    if (!err && hydrated)
        err = read_properties(reader, &rel->property_count, &rel->properties);
    rel->id.id = id;
    rel->deleted = deleted != 0;
    rel->hydrated = hydrated;
    rel->type_token = (uint32_t)token;
    *out = value_relationship(rel);
    return err;
}

static err_t
read_path(struct reader *reader, uint64_t rel_count, struct value *out)
{
    err_t err = check_count(reader, rel_count, 2);
    if (err)
        return err;
    struct value_path *path = arena_zeroed(reader->arena, sizeof(*path));
    struct value *nodes = arena_allocate(reader->arena, (rel_count + 1) * sizeof(*nodes));
    struct value *rels = arena_allocate(reader->arena, (rel_count + 1) * sizeof(*rels));
    if (!path || !nodes || !rels)
        return ERR(MEMORY_QUERY);
    *path = (struct value_path){(uint32_t)rel_count, nodes, rels};
    for (uint64_t i = 0; !err && i < 2 * rel_count + 1; i++) {
        struct value *item = i % 2 ? &rels[i / 2] : &nodes[i / 2];
        err = read_value(reader, item);
        if (!err && item->type != (i % 2 ? VALUE_RELATIONSHIP : VALUE_NODE))
            err = ERR(REQUEST_FORMAT);
    }
    *out = (struct value){.type = VALUE_PATH};
    out->path = path;
    return err;
}

static err_t
read_date_time(struct reader *reader, int64_t seconds, struct value *out)
{
    struct value_date_time *time = arena_zeroed(reader->arena, sizeof(*time));
    if (!time)
        return ERR(MEMORY_QUERY);
    uint64_t nanoseconds = 0;
    int64_t offset = 0;
    err_t err = read_number(reader, &nanoseconds);
    if (!err)
        err = read_signed(reader, &offset);
    if (!err)
        err = read_text(reader, &time->zone);
    if (!err && (nanoseconds > UINT32_MAX || offset < INT32_MIN || offset > INT32_MAX))
        err = ERR(REQUEST_FORMAT);
    time->seconds = seconds;
    time->nanoseconds = (uint32_t)nanoseconds;
    time->offset_seconds = (int32_t)offset;
    *out = (struct value){.type = VALUE_DATE_TIME};
    out->date_time = time;
    return err;
}

static err_t
read_duration(struct reader *reader, int64_t months, struct value *out)
{
    struct value_duration *duration = arena_zeroed(reader->arena, sizeof(*duration));
    if (!duration)
        return ERR(MEMORY_QUERY);
    duration->months = months;
    err_t err = read_signed(reader, &duration->days);
    if (!err)
        err = read_signed(reader, &duration->seconds);
    if (!err)
        err = read_signed(reader, &duration->nanoseconds);
    *out = (struct value){.type = VALUE_DURATION};
    out->duration = duration;
    return err;
}

static err_t
read_point(struct reader *reader, uint64_t srid, struct value *out)
{
    struct value_point *point = arena_zeroed(reader->arena, sizeof(*point));
    if (!point)
        return ERR(MEMORY_QUERY);
    err_t err = read_byte(reader, &point->dimensions);
    if (!err && (srid > UINT32_MAX || point->dimensions < 2 || point->dimensions > 3))
        err = ERR(REQUEST_FORMAT);
    if (!err)
        err = read_double(reader, &point->x);
    if (!err)
        err = read_double(reader, &point->y);
    if (!err)
        err = read_double(reader, &point->z);
    point->srid = (uint32_t)srid;
    *out = (struct value){.type = VALUE_POINT};
    out->point = point;
    return err;
}

/* TIME and LOCAL_DATE_TIME: the word, and a number for the other half of the value. */
static err_t
read_time(struct reader *reader, enum value_type type, int64_t word, struct value *out)
{
    uint64_t number;
    err_t err = read_number(reader, &number);
    if (err)
        return err;
    *out = (struct value){.type = (uint8_t)type};
    out->integer = word;
    if (type == VALUE_TIME) {
        int64_t offset = unzigzag(number);
        if (offset < INT32_MIN || offset > INT32_MAX)
            return ERR(REQUEST_FORMAT);
        out->offset = (int32_t)offset;
    } else {
        if (number > UINT32_MAX)
            return ERR(REQUEST_FORMAT);
        out->size = (uint32_t)number;
    }
    return 0;
}

static err_t
read_container(struct reader *reader, enum value_type type, uint64_t count, struct value *out)
{
    if (++reader->depth > DECODE_DEPTH_MAX)
        return ERR(REQUEST_FORMAT);
    err_t err;
    const struct value *items = NULL;
    const struct map_entry *entries = NULL;
    if (type == VALUE_LIST) {
        err = read_items(reader, count, &items);
        if (!err)
            err = value_list_make(items, (uint32_t)count, out);
    } else {
        err = read_entries(reader, count, &entries);
        if (!err)
            err = value_map_make(entries, (uint32_t)count, out);
    }
    reader->depth--;
    return err_code(err) == ERR_LIMIT ? ERR(REQUEST_FORMAT) : err;
}

static err_t
read_bytes(struct reader *reader, enum value_type type, uint64_t size, struct value *out)
{
    if (size > reader_left(reader) || size > UINT32_MAX)
        return ERR(REQUEST_FORMAT);
    *out = (struct value){.type = (uint8_t)type, .size = (uint32_t)size};
    out->bytes = reader->at;
    reader->at += size;
    return 0;
}

static err_t
read_pointed(struct reader *reader, uint32_t type, uint64_t word, struct value *out)
{
    switch (type) {
    case ENCODED_NODE_HYDRATED:
    case VALUE_RELATIONSHIP:
    case ENCODED_RELATIONSHIP_HYDRATED:
    case VALUE_PATH: {
        if (++reader->depth > DECODE_DEPTH_MAX)
            return ERR(REQUEST_FORMAT);
        err_t err = type == ENCODED_NODE_HYDRATED ? read_node(reader, word, out)
                    : type == VALUE_PATH          ? read_path(reader, word, out)
                                         : read_rel(reader, word, type != VALUE_RELATIONSHIP, out);
        reader->depth--;
        return err;
    }
    case VALUE_DATE_TIME:
        return read_date_time(reader, unzigzag(word), out);
    case VALUE_DURATION:
        return read_duration(reader, unzigzag(word), out);
    case VALUE_POINT:
        return read_point(reader, word, out);
    default:
        return ERR(REQUEST_FORMAT);
    }
}

/* Everything but the check of temporal values. */
static err_t
read_any(struct reader *reader, struct value *out)
{
    uint32_t tag = 0;
    err_t err = read_byte(reader, &tag);
    if (err)
        return err;
    uint32_t type = tag & 31, code = tag >> 5;
    uint64_t word = 0;
    *out = value_null();
    if (type == VALUE_NULL || type == VALUE_BOOLEAN) {
        if (code > type)
            return ERR(REQUEST_FORMAT);
        if (type == VALUE_BOOLEAN)
            *out = value_boolean(code != 0);
        return 0;
    }
    if (type == VALUE_FLOAT) {
        *out = value_float(0);
        return code ? ERR(REQUEST_FORMAT) : read_double(reader, &out->real);
    }
    err = read_word(reader, code, &word);
    if (err)
        return err;
    switch (type) {
    case VALUE_INTEGER:
    case VALUE_DATE:
    case VALUE_LOCAL_TIME:
        *out = (struct value){.type = (uint8_t)type};
        out->integer = unzigzag(word);
        return 0;
    case VALUE_NODE:
        *out = value_node_bare((node_id){word});
        return 0;
    case VALUE_TIME:
    case VALUE_LOCAL_DATE_TIME:
        return read_time(reader, type, unzigzag(word), out);
    case VALUE_STRING:
    case VALUE_BYTES:
        return read_bytes(reader, type, word, out);
    case VALUE_LIST:
    case VALUE_MAP:
        return read_container(reader, type, word, out);
    default:
        return read_pointed(reader, type, word, out);
    }
}

static err_t
read_value(struct reader *reader, struct value *out)
{
    err_t err = read_any(reader, out);
    if (!err && !temporal_is_valid(*out))
        err = ERR(REQUEST_FORMAT);
    return err;
}

err_t
value_decode(struct arena *arena, const uint8_t **cursor, const uint8_t *end, struct value *out)
{
    assert(*cursor <= end);
    struct reader reader = {.arena = arena, .at = *cursor, .end = end};
    err_t err = read_value(&reader, out);
    *cursor = reader.at;
    return err;
}
