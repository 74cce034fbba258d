/* PackStream, the encoding of Bolt messages and values.
 *
 * An item is a marker byte, perhaps a size, then its content; lists, maps and structures are a header
 * followed by that many items. Big-endian throughout.
 *
 *     C0 null   C2 C3 false true   C1 float64
 *     F0..7F    C8 C9 CA CB        integer: inside the marker, or int8 int16 int32 int64
 *     80..8F    D0 D1 D2           string:  size in the marker, or in 1, 2, 4 bytes
 *               CC CD CE           bytes:   size in 1, 2, 4 bytes
 *     90..9F    D4 D5 D6           list:    count of items likewise
 *     A0..AF    D8 D9 DA           map:     count of entries likewise
 *     B0..BF + tag                 structure: count of fields in the marker
 *
 * Invariants
 *  1. The writer always takes the shortest form; the reader accepts every form.
 *  2. The reader never looks past `size`, and a count it returns is never larger than what the bytes left
 *     could hold (one byte per item, two per entry): check before allocating.
 *  3. Strings that come out of the reader are valid UTF-8.
 *
 * Whole values, with everything inside them, are in pack_value.c. Source: the published Bolt and PackStream documentation. */
#include "net/pack.h"

#include "base/limits.h"

enum {
    WRITER_SIZE_MIN = 256,
    SKIP_NESTING_MAX = VALUE_NESTING_MAX +
                       3, /* the message, its field, and a node around the value */
};

/* ---- UTF-8 ---- */

/* Bytes of the sequence that starts here, 0 when it is not valid. */
static size_t
utf8_sequence_size(const uint8_t *at, size_t left)
{
    uint8_t lead = at[0];
    if (lead < 0x80)
        return 1;
    size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || size > left)
        return 0;
    /* The second byte excludes overlong forms, surrogates and what is above U+10FFFF. */
    uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    }
    return size;
}

bool
pack_utf8_is_valid(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    assert(at || size == 0);
    size_t offset = 0;
    while (offset < size) {
        uint64_t word;
        if (size - offset >= sizeof(word)) {
            memcpy(&word, at + offset, sizeof(word));
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                offset += sizeof(word);
                continue;
            }
        }
        size_t sequence_size = utf8_sequence_size(at + offset, size - offset);
        if (sequence_size == 0)
            return false;
        offset += sequence_size;
    }
    return true;
}

/* ---- writing: the buffer ---- */

void
pack_writer_create(struct pack_writer *writer, struct memory *source, size_t limit_size)
{
    assert(source && limit_size > 0);
    *writer = (struct pack_writer){.source = source, .limit_size = limit_size};
}

void
pack_writer_create_fixed(struct pack_writer *writer, void *buffer, size_t capacity)
{
    assert(buffer || capacity == 0);
    *writer = (struct pack_writer){.data = buffer, .capacity = capacity, .limit_size = capacity};
}

void
pack_writer_destroy(struct pack_writer *writer)
{
    if (writer->source)
        memory_release(writer->source, writer->data, writer->capacity);
    *writer = (struct pack_writer){.source = writer->source, .limit_size = writer->limit_size};
}

void
pack_writer_reset(struct pack_writer *writer)
{
    writer->size = 0;
    writer->err = 0;
}

static bool
writer_grow(struct pack_writer *writer, size_t size)
{
    assert(writer->size <= writer->capacity);
    if (writer->err)
        return false;
    if (size > writer->limit_size - writer->size || !writer->source) {
        writer->err = ERR(LIMIT);
        return false;
    }
    size_t needed = writer->size + size;
    size_t capacity = writer->capacity ? writer->capacity * 2 : WRITER_SIZE_MIN;
    if (capacity < needed)
        capacity = needed;
    if (capacity > writer->limit_size)
        capacity = writer->limit_size;
    uint8_t *data = memory_allocate(writer->source, capacity);
    if (!data) {
        writer->err = ERR(MEMORY_POOL);
        return false;
    }
    if (writer->size)
        memcpy(data, writer->data, writer->size);
    memory_release(writer->source, writer->data, writer->capacity);
    writer->data = data;
    writer->capacity = capacity;
    return true;
}

bool
pack_writer_reserve(struct pack_writer *writer, size_t size)
{
    if (size <= writer->capacity - writer->size && !writer->err)
        return true;
    return writer_grow(writer, size);
}

void
pack_write_raw(struct pack_writer *writer, const void *bytes, size_t size)
{
    if (size == 0 || !pack_writer_reserve(writer, size))
        return;
    memcpy(writer->data + writer->size, bytes, size);
    writer->size += size;
}

/* ---- writing: items ---- */

/* A marker followed by the low `byte_count` bytes of `word`, most significant first. */
static void
write_marker(struct pack_writer *writer, unsigned marker, uint64_t word, unsigned byte_count)
{
    assert(marker <= 0xFF && byte_count <= 8);
    if (!pack_writer_reserve(writer, 1 + (size_t)byte_count))
        return;
    uint8_t *at = writer->data + writer->size;
    at[0] = (uint8_t)marker;
    for (unsigned i = byte_count; i > 0; i--) {
        at[i] = (uint8_t)word;
        word >>= 8;
    }
    writer->size += 1 + byte_count;
}

/* `tiny`: the marker that holds sizes 0..15, or 0; `sized`: the marker with a 1-byte size; 2 and 4
 * follow it. */
static void
write_size(struct pack_writer *writer, unsigned tiny, unsigned sized, size_t size)
{
    if (size > INT32_MAX) {
        if (!writer->err)
            writer->err = ERR(LIMIT);
    } else if (size <= 15 && tiny) {
        write_marker(writer, tiny + (unsigned)size, 0, 0);
    } else if (size <= UINT8_MAX) {
        write_marker(writer, sized, size, 1);
    } else if (size <= UINT16_MAX) {
        write_marker(writer, sized + 1, size, 2);
    } else {
        write_marker(writer, sized + 2, size, 4);
    }
}

void
pack_write_null(struct pack_writer *writer)
{
    write_marker(writer, 0xC0, 0, 0);
}

void
pack_write_boolean(struct pack_writer *writer, bool boolean)
{
    write_marker(writer, boolean ? 0xC3 : 0xC2, 0, 0);
}

void
pack_write_integer(struct pack_writer *writer, int64_t integer)
{
    uint64_t word = (uint64_t)integer;
    if (integer >= -16 && integer <= INT8_MAX)
        write_marker(writer, (uint8_t)integer, 0, 0);
    else if (integer >= INT8_MIN && integer <= INT8_MAX)
        write_marker(writer, 0xC8, word, 1);
    else if (integer >= INT16_MIN && integer <= INT16_MAX)
        write_marker(writer, 0xC9, word, 2);
    else if (integer >= INT32_MIN && integer <= INT32_MAX)
        write_marker(writer, 0xCA, word, 4);
    else
        write_marker(writer, 0xCB, word, 8);
}

void
pack_write_float(struct pack_writer *writer, double real)
{
    uint64_t word;
    static_assert(sizeof(word) == sizeof(real), "floats are IEEE-754 doubles");
    memcpy(&word, &real, sizeof(word));
    write_marker(writer, 0xC1, word, 8);
}

void
pack_write_string(struct pack_writer *writer, struct text text)
{
    write_size(writer, 0x80, 0xD0, text.size);
    pack_write_raw(writer, text.data, text.size);
}

void
pack_write_bytes(struct pack_writer *writer, const void *bytes, size_t size)
{
    write_size(writer, 0, 0xCC, size);
    pack_write_raw(writer, bytes, size);
}

void
pack_write_list(struct pack_writer *writer, size_t item_count)
{
    write_size(writer, 0x90, 0xD4, item_count);
}

void
pack_write_map(struct pack_writer *writer, size_t entry_count)
{
    write_size(writer, 0xA0, 0xD8, entry_count);
}

void
pack_write_structure(struct pack_writer *writer, uint8_t tag, unsigned field_count)
{
    assert(field_count <= 15);
    write_marker(writer, 0xB0 + field_count, tag, 1);
}

/* ---- reading: items ---- */

static bool
read_big_endian(struct pack_reader *reader, unsigned byte_count, uint64_t *word)
{
    if (reader->size - reader->offset < byte_count)
        return false;
    uint64_t result = 0;
    for (unsigned i = 0; i < byte_count; i++)
        result = result << 8 | reader->data[reader->offset + i];
    reader->offset += byte_count;
    *word = result;
    return true;
}

/* Strings and bytes: borrows the content. */
static err_t
read_content(struct pack_reader *reader, struct pack_item *item, enum pack_type type, uint64_t size)
{
    if (size > reader->size - reader->offset || size > INT32_MAX)
        return ERR(REQUEST_FORMAT);
    item->type = type;
    item->size = (uint32_t)size;
    item->bytes = reader->data + reader->offset;
    reader->offset += size;
    if (type == PACK_STRING && !pack_utf8_is_valid(item->bytes, item->size))
        return ERR(REQUEST_FORMAT);
    return 0;
}

/* Lists, maps and structures: invariant 2. */
static err_t
read_count(struct pack_reader *reader, struct pack_item *item, enum pack_type type, uint64_t count)
{
    uint64_t left = reader->size - reader->offset;
    if (count > (type == PACK_MAP ? left / 2 : left) || count > INT32_MAX)
        return ERR(REQUEST_FORMAT);
    item->type = type;
    item->size = (uint32_t)count;
    return 0;
}

static err_t
read_integer_of(struct pack_reader *reader, struct pack_item *item, unsigned byte_count)
{
    uint64_t word;
    if (!read_big_endian(reader, byte_count, &word))
        return ERR(REQUEST_FORMAT);
    unsigned shift = 64 - 8 * byte_count;
    item->type = PACK_INTEGER;
    item->integer = (int64_t)(word << shift) >> shift;
    return 0;
}

static err_t
read_float(struct pack_reader *reader, struct pack_item *item)
{
    uint64_t word;
    if (!read_big_endian(reader, 8, &word))
        return ERR(REQUEST_FORMAT);
    item->type = PACK_FLOAT;
    memcpy(&item->real, &word, sizeof(word));
    return 0;
}

/* Markers C0..DF: the long forms. */
static err_t
read_long_form(struct pack_reader *reader, struct pack_item *item, uint8_t marker)
{
    static const uint8_t size_bytes[4] = {1, 2, 4, 0};
    uint64_t size = 0;
    if (marker >= 0xCC) {
        unsigned byte_count = size_bytes[marker & 3];
        if (byte_count == 0 || !read_big_endian(reader, byte_count, &size))
            return ERR(REQUEST_FORMAT);
    }
    switch (marker) {
    case 0xC0:
        item->type = PACK_NULL;
        return 0;
    case 0xC1:
        return read_float(reader, item);
    case 0xC2:
    case 0xC3:
        item->type = PACK_BOOLEAN;
        item->boolean = marker == 0xC3;
        return 0;
    case 0xC8:
    case 0xC9:
    case 0xCA:
    case 0xCB:
        return read_integer_of(reader, item, 1U << (marker - 0xC8));
    case 0xCC:
    case 0xCD:
    case 0xCE:
        return read_content(reader, item, PACK_BYTES, size);
    case 0xD0:
    case 0xD1:
    case 0xD2:
        return read_content(reader, item, PACK_STRING, size);
    case 0xD4:
    case 0xD5:
    case 0xD6:
        return read_count(reader, item, PACK_LIST, size);
    case 0xD8:
    case 0xD9:
    case 0xDA:
        return read_count(reader, item, PACK_MAP, size);
    default:
        return ERR(REQUEST_FORMAT);
    }
}

err_t
pack_read(struct pack_reader *reader, struct pack_item *item)
{
    assert(reader->offset <= reader->size);
    if (reader->offset == reader->size)
        return ERR(REQUEST_FORMAT);
    uint8_t marker = reader->data[reader->offset++];
    *item = (struct pack_item){.type = PACK_NULL};
    if (marker < 0x80 || marker >= 0xF0) {
        item->type = PACK_INTEGER;
        item->integer = marker < 0x80 ? marker : (int64_t)marker - 0x100;
        return 0;
    }
    switch (marker >> 4) {
    case 0x8:
        return read_content(reader, item, PACK_STRING, marker & 15);
    case 0x9:
        return read_count(reader, item, PACK_LIST, marker & 15);
    case 0xA:
        return read_count(reader, item, PACK_MAP, marker & 15);
    case 0xB:
        if (reader->offset == reader->size)
            return ERR(REQUEST_FORMAT);
        item->tag = reader->data[reader->offset++];
        return read_count(reader, item, PACK_STRUCTURE, marker & 15);
    case 0xC:
    case 0xD:
        return read_long_form(reader, item, marker);
    default:
        return ERR(REQUEST_FORMAT);
    }
}

err_t
pack_read_typed(struct pack_reader *reader, enum pack_type type, struct pack_item *item)
{
    err_t err = pack_read(reader, item);
    if (err)
        return err;
    return item->type == type ? 0 : ERR(TYPE);
}

err_t
pack_read_text(struct pack_reader *reader, struct text *text)
{
    struct pack_item item;
    err_t err = pack_read_typed(reader, PACK_STRING, &item);
    if (err)
        return err;
    *text = (struct text){item.string, item.size};
    return 0;
}

err_t
pack_read_integer(struct pack_reader *reader, int64_t *integer)
{
    struct pack_item item;
    err_t err = pack_read_typed(reader, PACK_INTEGER, &item);
    if (err)
        return err;
    *integer = item.integer;
    return 0;
}

err_t
pack_read_key(struct pack_reader *reader, struct text *key)
{
    err_t err = pack_read_text(reader, key);
    return err ? ERR(REQUEST_FORMAT) : 0;
}

/* ---- reading: passing over ---- */

/* Items that follow a header, keys of maps included; a map's count tells keys from values by parity. */
struct skip_frame {
    uint64_t left;
    bool is_map;
};

err_t
pack_skip(struct pack_reader *reader)
{
    struct skip_frame stack[SKIP_NESTING_MAX];
    unsigned height = 0;
    do {
        struct pack_item item = {.type = PACK_NULL};
        err_t err;
        struct text key;
        if (height && stack[height - 1].is_map && stack[height - 1].left % 2 == 0) {
            err = pack_read_key(reader, &key);
        } else {
            err = pack_read(reader, &item);
        }
        if (err)
            return err;
        if (height)
            stack[height - 1].left--;
        if (item.type == PACK_LIST || item.type == PACK_MAP || item.type == PACK_STRUCTURE) {
            if (height == SKIP_NESTING_MAX)
                return ERR(LIMIT);
            bool is_map = item.type == PACK_MAP;
            stack[height++] = (struct skip_frame){(uint64_t)item.size * (is_map ? 2 : 1), is_map};
        }
        while (height && stack[height - 1].left == 0)
            height--;
    } while (height);
    return 0;
}

err_t
pack_check(const struct pack_reader *reader)
{
    struct pack_reader copy = {.data = reader->data, .size = reader->size};
    if (copy.size == 0 || copy.data[0] >> 4 != 0xB)
        return ERR(REQUEST_FORMAT);
    err_t err = pack_skip(&copy);
    if (err)
        return err;
    return pack_reader_is_at_end(&copy) ? 0 : ERR(REQUEST_FORMAT);
}
