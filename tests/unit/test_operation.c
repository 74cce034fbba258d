#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "shards/store/operation.h"

enum {
    NODE = 7 << PARTITION_BITS | 3,
    OTHER = 9 << PARTITION_BITS | 5,
    REL = 4 << PARTITION_BITS | 3
};

static const struct value_date_time zoned = {
    .seconds = 1700000000,
    .nanoseconds = 999999999,
    .offset_seconds = 3600,
    .zone = {"Europe/Zurich", 13}};
static const struct value_date_time plain = {
    .seconds = -5, .nanoseconds = 1, .offset_seconds = -7200};
static const struct value_duration duration = {
    .months = 14, .days = -3, .seconds = 86399, .nanoseconds = 17};
static const struct value_point flat = {.srid = 7203, .dimensions = 2, .x = 1.5, .y = -2.25};
static const struct value_point deep = {.srid = 9157, .dimensions = 3, .x = 1, .y = 2, .z = 3};
static const uint8_t raw[] = {0, 255, 128, 7};
static const struct value integers[] = {
    {.type = VALUE_INTEGER, .integer = 1}, {.type = VALUE_INTEGER, .integer = INT64_MIN}};
static const struct value strings[] = {
    {.type = VALUE_STRING, .size = 1, .string = "a"},
    {.type = VALUE_STRING, .size = 0, .string = ""}};
static const struct value points[] = {
    {.type = VALUE_POINT, .point = &flat}, {.type = VALUE_POINT, .point = &deep}};

/* One of every storable type and its edges. */
static const struct value samples[] = {
    {.type = VALUE_BOOLEAN, .integer = 1},
    {.type = VALUE_BOOLEAN, .integer = 0},
    {.type = VALUE_INTEGER, .integer = INT64_MIN},
    {.type = VALUE_INTEGER, .integer = INT64_MAX},
    {.type = VALUE_FLOAT, .real = -0.0},
    {.type = VALUE_FLOAT, .real = 1e300},
    {.type = VALUE_STRING, .size = 0, .string = ""},
    {.type = VALUE_STRING,
     .size = 9,
     .string = "gr\xc3\xbc\xc3\x9f"
               "e\xe2\x82"}, /* cut below: 7 */
    {.type = VALUE_BYTES, .size = sizeof(raw), .bytes = raw},
    {.type = VALUE_DATE, .integer = -719162},
    {.type = VALUE_LOCAL_TIME, .integer = INT64_C(86399999999999)},
    {.type = VALUE_TIME, .integer = 1, .offset = -43200},
    {.type = VALUE_LOCAL_DATE_TIME, .integer = -1, .size = 999999999},
    {.type = VALUE_DATE_TIME, .date_time = &zoned},
    {.type = VALUE_DATE_TIME, .date_time = &plain},
    {.type = VALUE_DURATION, .duration = &duration},
    {.type = VALUE_POINT, .point = &flat},
    {.type = VALUE_POINT, .point = &deep},
    {.type = VALUE_LIST, .size = 0, .list = NULL},
    {.type = VALUE_LIST, .size = 2, .list = integers},
    {.type = VALUE_LIST, .size = 2, .list = strings},
    {.type = VALUE_LIST, .size = 2, .list = points},
};
enum { SAMPLE_COUNT = sizeof(samples) / sizeof(samples[0]) };

static struct value
sample(size_t i)
{
    struct value value = samples[i];
    if (value.type == VALUE_STRING && value.size == 9)
        value.size = 7;
    return value;
}

static struct arena arena;

static int
setup(void **state)
{
    (void)state;
    arena_create(&arena, memory_heap(), 64 << 20);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    arena_destroy(&arena);
    return 0;
}

static void
every_storable_value_survives_its_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct value value = sample(i), back;
        assert_true(value_is_storable(value));
        size_t size = property_size(value), used;
        uint8_t *bytes = malloc(size), *again = malloc(size);
        property_encode(value, bytes);
        assert_int_equal(property_decode(bytes, size, &arena, &back, &used), 0);
        assert_int_equal(used, size);
        assert_int_equal(back.type, value.type);
        assert_int_equal(property_size(back), size);
        property_encode(back, again);
        assert_memory_equal(bytes, again, size);
        assert_int_equal(property_index_hash(back), property_index_hash(value));
        free(bytes);
        free(again);
    }
}

static void
every_cut_value_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct value value = sample(i), back;
        size_t size = property_size(value), used;
        uint8_t *bytes = malloc(size);
        property_encode(value, bytes);
        for (size_t cut = 0; cut < size; cut++) {
            uint8_t *part = malloc(
                cut ? cut : 1); /* its own block, so that ASan sees one byte too far */
            memcpy(part, bytes, cut);
            assert_int_equal(
                err_code(property_decode(part, cut, &arena, &back, &used)), ERR_STORAGE_DAMAGE);
            free(part);
        }
        free(bytes);
    }
}

static void
what_is_not_storable_is_named_so(void **state)
{
    (void)state;
    const struct value nested[] = {{.type = VALUE_LIST, .size = 2, .list = integers}};
    const struct value mixed[] = {integers[0], strings[0]};
    const struct value holes[] = {{.type = VALUE_NULL}};
    assert_true(value_is_storable(value_null()));
    assert_false(value_is_storable(value_list(nested, 1)));
    assert_false(value_is_storable(value_list(mixed, 2)));
    assert_false(value_is_storable(value_list(holes, 1)));
    assert_false(value_is_storable(value_map(NULL, 0)));
    assert_false(value_is_storable(value_node_bare((node_id){NODE})));
    assert_false(value_is_storable(value_string((struct text){"", PROPERTY_SIZE_MAX + 1})));
}

static void
equal_numbers_hash_alike(void **state)
{
    (void)state;
    assert_int_equal(property_index_hash(value_integer(1)), property_index_hash(value_float(1.0)));
    assert_int_equal(property_index_hash(value_float(0.0)), property_index_hash(value_float(-0.0)));
    assert_int_equal(index_partition(3, value_integer(7)), index_partition(3, value_float(7.0)));
    assert_int_not_equal(
        property_index_hash(value_integer(1)), property_index_hash(value_integer(2)));
    assert_int_not_equal(
        property_index_hash(value_integer(1)), property_index_hash(value_string(TEXT("1"))));
    struct value floats[] = {value_float(1.0), value_float((double)INT64_MIN)};
    assert_int_equal(
        property_index_hash(value_list(integers, 2)), property_index_hash(value_list(floats, 2)));
}

static const uint32_t tokens[] = {1, 5, 9};
static const struct property properties[] = {
    {.key = 2, .value = {.type = VALUE_INTEGER, .integer = 17}},
    {.key = 4, .value = {.type = VALUE_STRING, .size = 3, .string = "a\"b"}},
    {.key = 6, .value = {.type = VALUE_NULL}},
    {.key = 8, .value = {.type = VALUE_LIST, .size = 2, .list = strings}},
};

/* One of every operation, as the list has them. */
static struct operation
operation_sample(unsigned type)
{
    struct operation operation = {.type = (uint8_t)type};
    const bool node = type == OPERATION_NODE_CREATE || type == OPERATION_NODE_DELETE ||
                      type == OPERATION_NODE_LABELS || type == OPERATION_NODE_PROPERTIES ||
                      type == OPERATION_INDEX_ADD || type == OPERATION_INDEX_REMOVE;
    if (node)
        operation.node.id = NODE;
    else
        operation.rel.id = REL;
    if (type == OPERATION_REL_CREATE || type == OPERATION_REL_ATTACH ||
        type == OPERATION_REL_DELETE || type == OPERATION_REL_DETACH) {
        operation.start.id = NODE;
        operation.end.id = OTHER;
        operation.rel_type = 12;
    }
    if (type == OPERATION_NODE_CREATE || type == OPERATION_NODE_LABELS) {
        operation.labels = tokens;
        operation.label_count = 2;
    }
    if (type == OPERATION_NODE_LABELS)
        operation.removed_label_count = 1;
    if (type == OPERATION_NODE_CREATE || type == OPERATION_NODE_PROPERTIES ||
        type == OPERATION_REL_CREATE || type == OPERATION_REL_PROPERTIES) {
        operation.properties = properties;
        operation.property_count = 4;
    }
    operation.replace = type == OPERATION_NODE_PROPERTIES || type == OPERATION_REL_PROPERTIES;
    if (type == OPERATION_INDEX_ADD || type == OPERATION_INDEX_REMOVE) {
        operation.index = 3;
        operation.value = value_string(TEXT("key"));
    }
    return operation;
}

static void
every_operation_survives_its_bytes(void **state)
{
    (void)state;
    for (unsigned type = OPERATION_NONE + 1; type < OPERATION_TYPE_COUNT; type++) {
        struct operation operation = operation_sample(type), back;
        size_t size = operation_size(&operation), used;
        uint8_t *bytes = malloc(size), *again = malloc(size);
        operation_encode(&operation, bytes);
        assert_int_equal(operation_decode(bytes, size, &arena, &back, &used), 0);
        assert_int_equal(used, size);
        operation_encode(&back, again);
        assert_memory_equal(bytes, again, size);
        struct text one = operation_print(&operation, &arena), two = operation_print(&back, &arena);
        assert_true(text_equal(one, two));
        assert_int_equal(operation_partition(&operation), operation_partition(&back));
        free(bytes);
        free(again);
    }
}

static void
every_cut_operation_is_refused(void **state)
{
    (void)state;
    for (unsigned type = OPERATION_NONE + 1; type < OPERATION_TYPE_COUNT; type++) {
        struct operation operation = operation_sample(type), back;
        size_t size = operation_size(&operation), used;
        uint8_t *bytes = malloc(size);
        operation_encode(&operation, bytes);
        for (size_t cut = 0; cut < size; cut++) {
            uint8_t *part = malloc(cut ? cut : 1);
            memcpy(part, bytes, cut);
            if (cut >= 8) {
                uint32_t claimed =
                    (uint32_t)cut; /* the header agrees with the cut: only the body can tell */
                memcpy(part + 4, &claimed, sizeof(claimed));
            }
            assert_int_equal(
                err_code(operation_decode(part, cut, &arena, &back, &used)), ERR_STORAGE_DAMAGE);
            free(part);
        }
        free(bytes);
    }
}

/* Any single damaged byte is either refused or decodes to something that encodes to those very bytes. */
static void
damaged_operations_never_decode_to_something_else(void **state)
{
    (void)state;
    for (unsigned type = OPERATION_NONE + 1; type < OPERATION_TYPE_COUNT; type++) {
        struct operation operation = operation_sample(type), back;
        size_t size = operation_size(&operation), used;
        uint8_t *bytes = malloc(size), *again = malloc(size);
        for (size_t at = 0; at < size; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                operation_encode(&operation, bytes);
                bytes[at] ^= (uint8_t)(1u << bit);
                if (operation_decode(bytes, size, &arena, &back, &used) == 0) {
                    assert_int_equal(used, operation_size(&back));
                    operation_encode(&back, again);
                    assert_memory_equal(bytes, again, used);
                }
                arena_reset(&arena);
            }
        }
        free(bytes);
        free(again);
    }
}

static void
operations_name_the_partition_of_their_owner(void **state)
{
    (void)state;
    struct operation create = operation_sample(OPERATION_REL_CREATE);
    struct operation attach = operation_sample(OPERATION_REL_ATTACH);
    struct operation set = operation_sample(OPERATION_REL_PROPERTIES);
    assert_int_equal(operation_partition(&create), 3);
    assert_int_equal(operation_partition(&attach), 5);
    assert_int_equal(operation_partition(&set), 3);
}

static void
printed_operation_is_one_readable_line(void **state)
{
    (void)state;
    struct operation operation = operation_sample(OPERATION_NODE_CREATE);
    struct text line = operation_print(&operation, &arena);
    struct text expected = TEXT("NODE_CREATE node=7171 labels=[1, 5] properties={2: 17, 4: "
                                "\"a\\x22b\", 6: null, 8: [\"a\", \"\"]}");
    assert_true(text_equal(line, expected));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_storable_value_survives_its_bytes),
        TEST(every_cut_value_is_refused),
        TEST(what_is_not_storable_is_named_so),
        TEST(equal_numbers_hash_alike),
        TEST(every_operation_survives_its_bytes),
        TEST(every_cut_operation_is_refused),
        TEST(damaged_operations_never_decode_to_something_else),
        TEST(operations_name_the_partition_of_their_owner),
        TEST(printed_operation_is_one_readable_line),
    };
    return cmocka_run_group_tests_name("operation", tests, NULL, NULL);
}
