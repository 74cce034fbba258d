/* PackStream and chunking: the published vectors, every size class boundary, everything malformed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "net/frame.h"
#include "net/messages.h"
#include "net/pack.h"

static const struct pack_format bolt5 = {
    .element_ids = true, .utc = true, .graph = true, .database_id = {"x", 1}};
static const struct pack_format bolt4 = {.graph = true};

/* Bytes from "B1 44 C9"; blanks are skipped. */
static size_t
hex_decode(const char *hex, uint8_t *out)
{
    size_t size = 0;
    for (; *hex; hex++) {
        if (*hex == ' ')
            continue;
        char digits[3] = {hex[0], hex[1], 0};
        out[size++] = (uint8_t)strtoul(digits, NULL, 16);
        hex++;
    }
    return size;
}

static void
assert_written(const struct pack_writer *writer, const char *hex)
{
    uint8_t expected[512];
    size_t size = hex_decode(hex, expected);
    assert_int_equal(writer->err, 0);
    assert_int_equal(writer->size, size);
    assert_memory_equal(writer->data, expected, size);
}

/* Encodes the value, compares with the vector, decodes it and encodes again. */
static void
assert_value(const struct pack_format *format, struct value value, const char *hex)
{
    struct pack_writer writer;
    struct arena arena;
    struct pack_reader reader;
    struct value read;
    pack_writer_create(&writer, memory_heap(), 1 << 20);
    arena_create(&arena, memory_heap(), 1 << 20);
    pack_write_value(&writer, format, &value);
    assert_written(&writer, hex);
    pack_reader_create(&reader, writer.data, writer.size);
    assert_int_equal(pack_read_value(&reader, format, &arena, &read), 0);
    assert_true(pack_reader_is_at_end(&reader));
    assert_int_equal(read.type, value.type);
    struct pack_writer again;
    pack_writer_create(&again, memory_heap(), 1 << 20);
    pack_write_value(&again, format, &read);
    assert_written(&again, hex);
    pack_writer_destroy(&again);
    pack_writer_destroy(&writer);
    arena_destroy(&arena);
}

static void
integers_take_the_shortest_form(void **state)
{
    (void)state;
    const struct {
        int64_t integer;
        const char *hex;
    } vectors[] = {
        {0, "00"},
        {127, "7F"},
        {-16, "F0"},
        {-1, "FF"},
        {-17, "C8 EF"},
        {-128, "C8 80"},
        {128, "C9 00 80"},
        {-129, "C9 FF 7F"},
        {32767, "C9 7F FF"},
        {-32768, "C9 80 00"},
        {32768, "CA 00 00 80 00"},
        {-32769, "CA FF FF 7F FF"},
        {INT32_MAX, "CA 7F FF FF FF"},
        {INT32_MIN, "CA 80 00 00 00"},
        {INT64_C(1) << 31, "CB 00 00 00 00 80 00 00 00"},
        {-(INT64_C(1) << 31) - 1, "CB FF FF FF FF 7F FF FF FF"},
        {INT64_MAX, "CB 7F FF FF FF FF FF FF FF"},
        {INT64_MIN, "CB 80 00 00 00 00 00 00 00"},
    };
    for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++)
        assert_value(&bolt5, value_integer(vectors[i].integer), vectors[i].hex);
}

static void
scalars_match_their_vectors(void **state)
{
    (void)state;
    assert_value(&bolt5, value_null(), "C0");
    assert_value(&bolt5, value_boolean(false), "C2");
    assert_value(&bolt5, value_boolean(true), "C3");
    assert_value(&bolt5, value_float(1.5), "C1 3F F8 00 00 00 00 00 00");
    assert_value(&bolt5, value_float(-0.0), "C1 80 00 00 00 00 00 00 00");
    assert_value(&bolt5, value_float(1.0 / 0.0), "C1 7F F0 00 00 00 00 00 00");
    assert_value(&bolt5, value_string(TEXT("")), "80");
    assert_value(&bolt5, value_string(TEXT("a")), "81 61");
    struct value bytes = {.type = VALUE_BYTES, .size = 2};
    bytes.bytes = (const uint8_t *)"\x01\xff";
    assert_value(&bolt5, bytes, "CC 02 01 FF");
    bytes.size = 0;
    assert_value(&bolt5, bytes, "CC 00");
}

static void
collections_match_their_vectors(void **state)
{
    (void)state;
    struct value items[3] = {value_integer(1), value_string(TEXT("a")), value_null()};
    struct map_entry entry = {TEXT("a"), value_integer(1)};
    assert_value(&bolt5, value_list(items, 3), "93 01 81 61 C0");
    assert_value(&bolt5, value_map(&entry, 1), "A1 81 61 01");
    assert_value(&bolt5, value_list(NULL, 0), "90");
    assert_value(&bolt5, value_map(NULL, 0), "A0");
}

static struct value
boxed(enum value_type type, const void *box)
{
    struct value value = {.type = (uint8_t)type};
    value.word = (uint64_t)(uintptr_t)box;
    return value;
}

static void
temporal_values_match_their_vectors(void **state)
{
    (void)state;
    struct value date = {.type = VALUE_DATE};
    date.integer = 19000;
    assert_value(&bolt5, date, "B1 44 C9 4A 38");
    struct value time = {.type = VALUE_TIME, .offset = 3600};
    time.integer = INT64_C(3600000000000);
    assert_value(&bolt5, time, "B2 54 CB 00 00 03 46 30 B8 A0 00 C9 0E 10");
    struct value local_time = {.type = VALUE_LOCAL_TIME};
    local_time.integer = 1;
    assert_value(&bolt5, local_time, "B1 74 01");
    struct value local = {.type = VALUE_LOCAL_DATE_TIME, .size = 5};
    local.integer = 1700000000;
    assert_value(&bolt5, local, "B2 64 CA 65 53 F1 00 05");
    struct value_date_time at = {.seconds = 1700000000, .nanoseconds = 5, .offset_seconds = 3600};
    assert_value(&bolt5, boxed(VALUE_DATE_TIME, &at), "B3 49 CA 65 53 F1 00 05 C9 0E 10");
    assert_value(&bolt4, boxed(VALUE_DATE_TIME, &at), "B3 46 CA 65 53 FF 10 05 C9 0E 10");
    at.zone = TEXT("Europe/Paris");
    assert_value(
        &bolt5, boxed(VALUE_DATE_TIME, &at),
        "B3 69 CA 65 53 F1 00 05 8C 45 75 72 6F 70 65 2F 50 61 72 69 73");
    struct value_duration duration = {1, 2, 3, 4};
    assert_value(&bolt5, boxed(VALUE_DURATION, &duration), "B4 45 01 02 03 04");
}

static void
points_match_their_vectors(void **state)
{
    (void)state;
    struct value_point flat = {7203, 2, 1, 2, 0};
    assert_value(
        &bolt5, boxed(VALUE_POINT, &flat),
        "B3 58 C9 1C 23 C1 3F F0 00 00 00 00 00 00 C1 40 00 00 00 00 00 00 00");
    struct value_point solid = {4979, 3, 1, 2, 1};
    assert_value(
        &bolt5, boxed(VALUE_POINT, &solid),
        "B4 59 C9 13 73 C1 3F F0 00 00 00 00 00 00 C1 40 00 00 00 00 00 00 00 C1 3F F0 00 00 00 00 "
        "00 00");
}

#define NODE_1 "B4 4E 01 91 81 41 A1 81 6B 01 85 34 3A 78 3A 31"
#define NODE_2 "B4 4E 02 90 A0 85 34 3A 78 3A 32"

static const struct text label_a = {"A", 1};
static const struct map_entry property_k = {{"k", 1}, {.type = VALUE_INTEGER, .integer = 1}};
static const struct value_node node_1 = {{1}, false, 1, 1, &label_a, &property_k};
static const struct value_rel rel_5 = {.id = {5}, .start = {1}, .end = {2}, .type = {"R", 1}};

static struct value
hydrated(const struct value_node *node)
{
    struct value value = boxed(VALUE_NODE, node);
    value.flags = VALUE_FLAG_HYDRATED;
    return value;
}

static void
nodes_and_relationships_match_their_vectors(void **state)
{
    (void)state;
    assert_value(&bolt5, hydrated(&node_1), NODE_1);
    assert_value(&bolt4, hydrated(&node_1), "B3 4E 01 91 81 41 A1 81 6B 01");
    assert_value(
        &bolt5, value_relationship(&rel_5),
        "B8 52 05 01 02 81 52 A0 85 35 3A 78 3A 35 85 34 3A 78 3A 31 85 34 3A 78 3A 32");
    assert_value(&bolt4, value_relationship(&rel_5), "B5 52 05 01 02 81 52 A0");
}

static void
element_id_without_database_is_the_id(void **state)
{
    (void)state;
    const struct pack_format format = {.element_ids = true, .utc = true, .graph = true};
    assert_value(&format, value_node_bare((node_id){42}), "B4 4E 2A 90 A0 82 34 32");
}

static void
path_matches_its_vector(void **state)
{
    (void)state;
    struct value nodes[2] = {hydrated(&node_1), value_node_bare((node_id){2})};
    struct value rel = value_relationship(&rel_5);
    struct value_path path = {1, nodes, &rel};
    assert_value(
        &bolt5, boxed(VALUE_PATH, &path),
        "B3 50 92" NODE_1 NODE_2 "91 B4 72 05 81 52 A0 85 35 3A 78 3A 35 92 01 01");
    path.rel_count = 0;
    assert_value(&bolt5, boxed(VALUE_PATH, &path), "B3 50 91" NODE_1 "90 90");
}

static void
path_names_each_entity_once_and_walks_backwards(void **state)
{
    (void)state;
    struct value nodes[3] = {
        value_node_bare((node_id){2}), hydrated(&node_1), value_node_bare((node_id){2})};
    struct value rels[2] = {value_relationship(&rel_5), value_relationship(&rel_5)};
    struct value_path path = {2, nodes, rels};
    assert_value(
        &bolt5, boxed(VALUE_PATH, &path),
        "B3 50 92" NODE_2 NODE_1 "91 B4 72 05 81 52 A0 85 35 3A 78 3A 35 94 FF 01 01 00");
}

static void
long_path_keeps_every_step(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static struct value nodes[COUNT + 1], rels[COUNT];
    static struct value_rel boxes[COUNT];
    for (uint32_t i = 0; i <= COUNT; i++)
        nodes[i] = value_node_bare((node_id){i % 300});
    for (uint32_t i = 0; i < COUNT; i++) {
        boxes[i] = (struct value_rel){.id = {i % 300}, .start = {i % 300}, .end = {(i + 1) % 300}};
        rels[i] = value_relationship(&boxes[i]);
    }
    struct value_path path = {COUNT, nodes, rels};
    struct value value = boxed(VALUE_PATH, &path), read;
    struct pack_writer writer;
    struct pack_reader reader;
    struct arena arena;
    pack_writer_create(&writer, memory_heap(), 1 << 20);
    arena_create(&arena, memory_heap(), 1 << 20);
    pack_write_value(&writer, &bolt5, &value);
    assert_int_equal(writer.err, 0);
    pack_reader_create(&reader, writer.data, writer.size);
    assert_int_equal(pack_read_value(&reader, &bolt5, &arena, &read), 0);
    assert_int_equal(read.path->rel_count, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(read.path->rels[i].rel->id.id, i % 300);
        assert_int_equal(value_node_id(read.path->nodes[i + 1]).id, (i + 1) % 300);
    }
    pack_writer_destroy(&writer);
    arena_destroy(&arena);
}

/* A string, bytes, list and map of `size` must begin with these markers and come back equal. */
static void
assert_size_class(
    uint32_t size, const char *string, const char *bytes, const char *list, const char *map)
{
    struct arena arena;
    arena_create(&arena, memory_heap(), 256 << 20);
    char *content = arena_allocate(&arena, size + 1);
    memset(content, 'x', size + 1);
    struct value *items = arena_zeroed(&arena, sizeof(*items) * (size + 1));
    struct map_entry *entries = arena_zeroed(&arena, sizeof(*entries) * (size + 1));
    for (uint32_t i = 0; i < size; i++)
        entries[i].key = arena_printf(&arena, "%u", i);
    struct value values[4] = {
        value_string((struct text){content, size}),
        {.type = VALUE_BYTES, .size = size},
        value_list(items, size),
        value_map(entries, size)};
    values[1].string = content;
    const char *const markers[4] = {string, bytes, list, map};
    for (int i = 0; i < 4; i++) {
        struct pack_writer writer;
        struct pack_reader reader;
        struct value read;
        uint8_t marker[8];
        size_t marker_size = hex_decode(markers[i], marker);
        pack_writer_create(&writer, memory_heap(), 64 << 20);
        pack_write_value(&writer, &bolt5, &values[i]);
        assert_int_equal(writer.err, 0);
        assert_memory_equal(writer.data, marker, marker_size);
        pack_reader_create(&reader, writer.data, writer.size);
        assert_int_equal(pack_read_value(&reader, &bolt5, &arena, &read), 0);
        assert_true(pack_reader_is_at_end(&reader));
        assert_int_equal(read.type, values[i].type);
        assert_int_equal(read.size, size);
        reader.offset = 0;
        assert_int_equal(pack_skip(&reader), 0);
        assert_true(pack_reader_is_at_end(&reader));
        pack_writer_destroy(&writer);
    }
    arena_destroy(&arena);
}

static void
every_size_class_has_its_marker(void **state)
{
    (void)state;
    assert_size_class(0, "80", "CC 00", "90", "A0");
    assert_size_class(15, "8F", "CC 0F", "9F", "AF");
    assert_size_class(16, "D0 10", "CC 10", "D4 10", "D8 10");
    assert_size_class(255, "D0 FF", "CC FF", "D4 FF", "D8 FF");
    assert_size_class(256, "D1 01 00", "CD 01 00", "D5 01 00", "D9 01 00");
    assert_size_class(65535, "D1 FF FF", "CD FF FF", "D5 FF FF", "D9 FF FF");
    assert_size_class(
        65536, "D2 00 01 00 00", "CE 00 01 00 00", "D6 00 01 00 00", "DA 00 01 00 00");
}

static enum err_code
decode(const struct pack_format *format, const char *hex)
{
    uint8_t bytes[512];
    size_t size = hex_decode(hex, bytes);
    /* A copy of the exact size, so that AddressSanitizer sees a step beyond it. */
    uint8_t *exact = malloc(size + (size == 0));
    memcpy(exact, bytes, size);
    struct arena arena;
    struct pack_reader reader;
    struct value value;
    arena_create(&arena, memory_heap(), 1 << 20);
    pack_reader_create(&reader, exact, size);
    err_t err = pack_read_value(&reader, format, &arena, &value);
    arena_destroy(&arena);
    free(exact);
    return err_code(err);
}

static void
long_forms_of_small_values_are_read(void **state)
{
    (void)state;
    assert_int_equal(decode(&bolt5, "C8 01"), ERR_NONE);
    assert_int_equal(decode(&bolt5, "CB 00 00 00 00 00 00 00 01"), ERR_NONE);
    assert_int_equal(decode(&bolt5, "D2 00 00 00 01 61"), ERR_NONE);
    assert_int_equal(decode(&bolt5, "D6 00 00 00 01 01"), ERR_NONE);
    assert_int_equal(decode(&bolt5, "DA 00 00 00 01 81 61 01"), ERR_NONE);
}

static void
malformed_bytes_are_refused(void **state)
{
    (void)state;
    const char *const malformed[] = {
        "",
        "C4",
        "C7",
        "CF",
        "D3",
        "D7",
        "DB",
        "DC 01 01",
        "DF",
        "E0",
        "EF",
        "B1",
        "C1 00",
        "C9 00",
        "CB 00",
        "81",
        "D0",
        "D0 05 61",
        "D2 FF FF FF FF",
        "D2 7F FF FF FF",
        "CE 7F FF FF FF",
        "94 01",
        "D6 7F FF FF FF",
        "D6 FF FF FF FF",
        "A1 81 61",
        "A1 01 01",
        "DA 7F FF FF FF",
        "DA 00 00 00 02 80 01",
        "B3 44 01 01 01",
        "81 FF",
        "82 C0 80",
        "83 ED A0 80",
        "84 F4 90 80 80",
        "82 E2 82",
        "81 80",
        "83 E0 80 80",
        "84 F0 80 80 80",
        "B2 45 01 02",
    };
    for (size_t i = 0; i < sizeof(malformed) / sizeof(*malformed); i++) {
        if (decode(&bolt5, malformed[i]) != ERR_REQUEST_FORMAT)
            fail_msg("%s was not refused", malformed[i]);
    }
}

static void
values_out_of_range_are_refused_without_blaming_the_format(void **state)
{
    (void)state;
    assert_int_equal(decode(&bolt5, "B1 74 FF"), ERR_ARGUMENT);
    assert_int_equal(decode(&bolt5, "B1 44 CB 7F FF FF FF FF FF FF FF"), ERR_ARGUMENT);
    assert_int_equal(decode(&bolt5, "B2 64 01 FF"), ERR_ARGUMENT);
    assert_int_equal(decode(&bolt5, "B2 54 01 CA 7F FF FF FF"), ERR_ARGUMENT);
    assert_int_equal(
        decode(&bolt5, "B3 58 01 C1 3F F0 00 00 00 00 00 00 C1 40 00 00 00 00 00 00 00"),
        ERR_ARGUMENT);
    assert_int_equal(decode(&bolt5, "B3 69 01 00 80"), ERR_ARGUMENT);
    assert_int_equal(
        decode(&bolt5, "B4 45 00 00 CB 7F FF FF FF FF FF FF FF CB 7F FF FF FF FF FF FF FF"),
        ERR_ARGUMENT);
    assert_int_equal(decode(&bolt5, "B1 44 81 61"), ERR_TYPE);
    assert_int_equal(decode(&bolt5, "B1 7A 01"), ERR_TYPE);
}

static void
date_times_are_accepted_in_the_form_in_force_only(void **state)
{
    (void)state;
    assert_int_equal(decode(&bolt5, "B3 46 01 00 00"), ERR_TYPE);
    assert_int_equal(decode(&bolt4, "B3 49 01 00 00"), ERR_TYPE);
    assert_int_equal(decode(&bolt4, "B3 46 01 00 00"), ERR_NONE);
}

static void
graph_values_are_refused_unless_asked_for(void **state)
{
    (void)state;
    const struct pack_format server = {.element_ids = true, .utc = true};
    assert_int_equal(decode(&server, NODE_1), ERR_TYPE);
    assert_int_equal(decode(&server, "B3 50 91" NODE_1 "90 90"), ERR_TYPE);
}

static bool
zone_is_mars(void *context, struct text zone, int64_t seconds, bool local, int32_t *offset_seconds)
{
    assert_null(context);
    assert_int_equal(seconds, 1);
    assert_false(local);
    *offset_seconds = 60;
    return text_equal(zone, TEXT("Mars"));
}

static void
unknown_zone_is_refused(void **state)
{
    (void)state;
    struct pack_format format = bolt5;
    format.zone_offset = zone_is_mars;
    assert_int_equal(decode(&format, "B3 69 01 00 84 4D 61 72 73"), ERR_NONE);
    assert_int_equal(decode(&format, "B3 69 01 00 81 4D"), ERR_ARGUMENT);
}

static void
duration_is_normalised(void **state)
{
    (void)state;
    uint8_t bytes[16];
    size_t size = hex_decode("B4 45 00 00 01 FF", bytes);
    struct arena arena;
    struct pack_reader reader;
    struct value value;
    arena_create(&arena, memory_heap(), 1 << 20);
    pack_reader_create(&reader, bytes, size);
    assert_int_equal(pack_read_value(&reader, &bolt5, &arena, &value), 0);
    assert_int_equal(value.duration->seconds, 0);
    assert_int_equal(value.duration->nanoseconds, 999999999);
    arena_destroy(&arena);
}

/* `depth` lists, one inside the other. */
static err_t
decode_nested(uint32_t depth, bool skip)
{
    uint8_t *bytes = malloc(depth);
    memset(bytes, 0x91, depth);
    bytes[depth - 1] = 0x90;
    struct arena arena;
    struct pack_reader reader;
    struct value value;
    arena_create(&arena, memory_heap(), 1 << 20);
    pack_reader_create(&reader, bytes, depth);
    err_t err = skip ? pack_skip(&reader) : pack_read_value(&reader, &bolt5, &arena, &value);
    arena_destroy(&arena);
    free(bytes);
    return err;
}

static void
nesting_is_limited_in_both_directions(void **state)
{
    (void)state;
    assert_int_equal(decode_nested(VALUE_NESTING_MAX, false), 0);
    assert_int_equal(err_code(decode_nested(VALUE_NESTING_MAX + 1, false)), ERR_LIMIT);
    assert_int_equal(err_code(decode_nested(1000000, false)), ERR_LIMIT);
    assert_int_equal(decode_nested(VALUE_NESTING_MAX, true), 0);
    assert_int_equal(err_code(decode_nested(1000000, true)), ERR_LIMIT);
    struct value deep[VALUE_NESTING_MAX + 1];
    deep[0] = value_list(NULL, 0);
    for (uint32_t i = 1; i <= VALUE_NESTING_MAX; i++)
        deep[i] = value_list(&deep[i - 1], 1);
    struct pack_writer writer;
    pack_writer_create(&writer, memory_heap(), 1 << 20);
    pack_write_value(&writer, &bolt5, &deep[VALUE_NESTING_MAX - 1]);
    assert_int_equal(writer.err, 0);
    pack_write_value(&writer, &bolt5, &deep[VALUE_NESTING_MAX]);
    assert_int_equal(err_code(writer.err), ERR_LIMIT);
    pack_writer_destroy(&writer);
}

static void
last_of_duplicate_keys_wins(void **state)
{
    (void)state;
    for (uint32_t count = 2; count <= 200; count += 33) {
        struct pack_writer writer;
        struct pack_reader reader;
        struct arena arena;
        struct value value;
        pack_writer_create(&writer, memory_heap(), 1 << 20);
        arena_create(&arena, memory_heap(), 1 << 20);
        pack_write_map(&writer, count);
        for (uint32_t i = 0; i < count; i++) {
            char key = (char)('a' + i % 7);
            pack_write_string(&writer, (struct text){&key, 1});
            pack_write_integer(&writer, i);
        }
        pack_reader_create(&reader, writer.data, writer.size);
        assert_int_equal(pack_read_value(&reader, &bolt5, &arena, &value), 0);
        assert_int_equal(value.size, count < 7 ? count : 7);
        for (uint32_t i = 0; i < value.size; i++)
            assert_int_equal(value.map[i].value.integer, count - value.size + i);
        pack_writer_destroy(&writer);
        arena_destroy(&arena);
    }
}

static void
reader_needs_no_more_memory_than_it_may(void **state)
{
    (void)state;
    struct pack_writer writer;
    struct pack_reader reader;
    struct arena arena;
    struct value value;
    pack_writer_create(&writer, memory_heap(), 1 << 20);
    arena_create(&arena, memory_heap(), 64 << 10);
    pack_write_list(&writer, 100000);
    for (int i = 0; i < 100000; i++)
        pack_write_null(&writer);
    pack_reader_create(&reader, writer.data, writer.size);
    assert_int_equal(err_code(pack_read_value(&reader, &bolt5, &arena, &value)), ERR_MEMORY_QUERY);
    pack_writer_destroy(&writer);
    arena_destroy(&arena);
}

static void
check_wants_exactly_one_structure(void **state)
{
    (void)state;
    const struct {
        const char *hex;
        enum err_code code;
    } messages[] = {
        {"B0 0F", ERR_NONE},
        {"B1 70 A0", ERR_NONE},
        {"B0 0F 00", ERR_REQUEST_FORMAT},
        {"A0", ERR_REQUEST_FORMAT},
        {"", ERR_REQUEST_FORMAT},
        {"B1 70", ERR_REQUEST_FORMAT},
        {"B1 70 A1 01 01", ERR_REQUEST_FORMAT},
    };
    for (size_t i = 0; i < sizeof(messages) / sizeof(*messages); i++) {
        uint8_t bytes[16];
        struct pack_reader reader;
        pack_reader_create(&reader, bytes, hex_decode(messages[i].hex, bytes));
        assert_int_equal(err_code(pack_check(&reader)), messages[i].code);
    }
}

static void
fixed_writer_stops_at_its_end(void **state)
{
    (void)state;
    uint8_t buffer[4];
    struct pack_writer writer;
    pack_writer_create_fixed(&writer, buffer, sizeof(buffer));
    pack_write_string(&writer, TEXT("abc"));
    assert_int_equal(writer.err, 0);
    pack_write_null(&writer);
    assert_int_equal(err_code(writer.err), ERR_LIMIT);
    assert_int_equal(writer.size, 4);
}

/* ---- chunking ---- */

static void
messages_match_their_framed_vectors(void **state)
{
    (void)state;
    struct pack_writer writer;
    pack_writer_create(&writer, memory_heap(), 1 << 20);
    size_t start = frame_open(&writer);
    pack_write_structure(&writer, BOLT_RESET, 0);
    frame_close(&writer, start);
    assert_written(&writer, "00 02 B0 0F 00 00");
    pack_writer_reset(&writer);
    start = frame_open(&writer);
    pack_write_structure(&writer, BOLT_SUCCESS, 1);
    pack_write_map(&writer, 2);
    pack_write_string(&writer, TEXT("fields"));
    pack_write_list(&writer, 1);
    pack_write_string(&writer, TEXT("x"));
    pack_write_string(&writer, TEXT("t_first"));
    pack_write_integer(&writer, 1);
    frame_close(&writer, start);
    assert_written(
        &writer, "00 16 B1 70 A2 86 66 69 65 6C 64 73 91 81 78 87 74 5F 66 69 72 73 74 01 00 00");
    pack_writer_destroy(&writer);
}

/* Writes a message of `size` bytes, reads it in pieces of `piece`, between two NOOPs. */
static void
assert_framed(size_t size, size_t piece)
{
    struct pack_writer writer;
    pack_writer_create(&writer, memory_heap(), 1 << 20);
    uint8_t *content = malloc(size);
    for (size_t i = 0; i < size; i++)
        content[i] = (uint8_t)(i * 7 + i / 251);
    frame_write_noop(&writer);
    size_t start = frame_open(&writer);
    pack_write_raw(&writer, content, size);
    frame_close(&writer, start);
    frame_write_noop(&writer);
    assert_int_equal(writer.size, size + 2 * ((size + 65534) / 65535) + 2 + 4);
    struct frame_reader reader = {0};
    size_t got = 0, ends = 0, noops = 0;
    for (size_t at = 0; at < writer.size; at += piece) {
        size_t left = writer.size - at;
        struct text input = {(const char *)writer.data + at, left < piece ? left : piece}, chunk;
        for (enum frame_event event; (event = frame_read(&reader, &input, &chunk)) != FRAME_MORE;) {
            if (event == FRAME_CONTENT) {
                assert_true(got + chunk.size <= size);
                assert_memory_equal(content + got, chunk.data, chunk.size);
                got += chunk.size;
            }
            ends += event == FRAME_END;
            noops += event == FRAME_NOOP;
        }
    }
    assert_int_equal(got, size);
    assert_int_equal(ends, 1);
    assert_int_equal(noops, 2);
    free(content);
    pack_writer_destroy(&writer);
}

static void
messages_of_any_size_survive_any_fragmentation(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 2, 65534, 65535, 65536, 131070, 131071, 300000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        assert_framed(sizes[i], 1 << 20);
        assert_framed(sizes[i], 4099);
    }
    assert_framed(70000, 1);
    assert_framed(3, 1);
}

static void
failed_message_leaves_nothing_behind(void **state)
{
    (void)state;
    struct pack_writer writer;
    pack_writer_create(&writer, memory_heap(), 300);
    size_t start = frame_open(&writer);
    pack_write_string(&writer, TEXT("kept"));
    frame_close(&writer, start);
    size_t kept = writer.size;
    start = frame_open(&writer);
    for (int i = 0; i < 400; i++)
        pack_write_null(&writer);
    frame_close(&writer, start);
    assert_int_equal(err_code(writer.err), ERR_LIMIT);
    assert_int_equal(writer.size, kept);
    frame_cancel(&writer, kept);
    assert_int_equal(writer.err, 0);
    pack_writer_destroy(&writer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_take_the_shortest_form),
        cmocka_unit_test(scalars_match_their_vectors),
        cmocka_unit_test(collections_match_their_vectors),
        cmocka_unit_test(temporal_values_match_their_vectors),
        cmocka_unit_test(points_match_their_vectors),
        cmocka_unit_test(nodes_and_relationships_match_their_vectors),
        cmocka_unit_test(element_id_without_database_is_the_id),
        cmocka_unit_test(path_matches_its_vector),
        cmocka_unit_test(path_names_each_entity_once_and_walks_backwards),
        cmocka_unit_test(long_path_keeps_every_step),
        cmocka_unit_test(every_size_class_has_its_marker),
        cmocka_unit_test(long_forms_of_small_values_are_read),
        cmocka_unit_test(malformed_bytes_are_refused),
        cmocka_unit_test(values_out_of_range_are_refused_without_blaming_the_format),
        cmocka_unit_test(date_times_are_accepted_in_the_form_in_force_only),
        cmocka_unit_test(graph_values_are_refused_unless_asked_for),
        cmocka_unit_test(unknown_zone_is_refused),
        cmocka_unit_test(duration_is_normalised),
        cmocka_unit_test(nesting_is_limited_in_both_directions),
        cmocka_unit_test(last_of_duplicate_keys_wins),
        cmocka_unit_test(reader_needs_no_more_memory_than_it_may),
        cmocka_unit_test(check_wants_exactly_one_structure),
        cmocka_unit_test(fixed_writer_stops_at_its_end),
        cmocka_unit_test(messages_match_their_framed_vectors),
        cmocka_unit_test(messages_of_any_size_survive_any_fragmentation),
        cmocka_unit_test(failed_message_leaves_nothing_behind),
    };
    return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
