#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../lib/expression.h"
#include "engine/value/value_codec.h"
#include "engine/value/value_ops.h"

static struct expression_fixture fixture;

static const char *const texts[] = {
    "null",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "127",
    "-128",
    "9223372036854775807",
    "-9223372036854775807 - 1",
    "1.5",
    "0.0 / 0.0",
    "''",
    "'Ann'",
    "[]",
    "[1, [2, 'x'], null]",
    "{a: 1, b: {c: [true]}}",
    "date('2020-02-03')",
    "localtime('12:30:00.000000001')",
    "time('12:30-02:00')",
    "localdatetime('1999-12-31T23:59:59.999')",
    "datetime('2020-02-03T04:05:06.7+01:00')",
    "duration('P1Y2M3DT4H5M6.000000007S')",
    "duration('PT-0.5S')",
    "point({x: 1, y: -2.5})",
    "point({longitude: 12, latitude: 55, height: 3})",
};
enum { TEXT_COUNT = sizeof(texts) / sizeof(texts[0]) };

static int
setup(void **state)
{
    (void)state;
    expression_fixture_create(&fixture);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    expression_fixture_destroy(&fixture);
    return 0;
}

static struct value
round_trip(struct value value)
{
    uint64_t size = value_encoded_size(value);
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    assert_ptr_equal(value_encode(value, bytes), bytes + size);
    const uint8_t *cursor = bytes;
    struct value out, copy;
    assert_int_equal(value_decode(&fixture.arena, &cursor, bytes + size, &out), 0);
    assert_ptr_equal(cursor, bytes + size);
    assert_int_equal(value_copy(&fixture.arena, out, &copy), 0);
    free(bytes);
    return copy;
}

static void
every_type_comes_back(void **state)
{
    (void)state;
    for (int i = 0; i < TEXT_COUNT; i++) {
        struct value value;
        assert_int_equal(expression_eval(&fixture, texts[i], &value), 0);
        struct value back = round_trip(value);
        assert_int_equal(back.type, value.type);
        assert_true(value_equivalent(back, value));
        assert_string_equal(
            value_print(&fixture.arena, back).data, value_print(&fixture.arena, value).data);
    }
}

static void
entities_and_paths_come_back_whole(void **state)
{
    (void)state;
    const struct text labels[] = {TEXT("Person"), TEXT("Actor")};
    const struct map_entry properties[] = {{TEXT("name"), value_string(TEXT("Ann"))}};
    struct value_node node = {
        .id = {77},
        .label_count = 2,
        .labels = labels,
        .property_count = 1,
        .properties = properties};
    struct value_rel bare = {.id = {9}, .start = {77}, .end = {78}, .type_token = 3};
    struct value_rel full = bare;
    full.hydrated = true;
    full.type = TEXT("KNOWS");
    full.property_count = 1;
    full.properties = properties;
    struct value nodes[] = {
        {.type = VALUE_NODE, .flags = VALUE_FLAG_HYDRATED},
        value_node_bare((node_id){78}),
        value_node_bare((node_id){77})};
    nodes[0].node = &node;
    struct value rels[] = {value_relationship(&full), value_relationship(&bare)};
    struct value_path path = {2, nodes, rels};
    struct value value = {.type = VALUE_PATH};
    value.path = &path;
    struct value back = round_trip(value);
    assert_true(value_equivalent(back, value));
    assert_string_equal(
        value_print(&fixture.arena, back).data,
        "(:Person:Actor {name: 'Ann'})-[:KNOWS {name: 'Ann'}]->(#78)<-[#9]-(#77)");
    assert_int_equal(back.path->rels[1].rel->type_token, 3);
}

static void
scalars_are_small(void **state)
{
    (void)state;
    assert_int_equal(value_encoded_size(value_null()), 1);
    assert_int_equal(value_encoded_size(value_boolean(true)), 1);
    assert_int_equal(value_encoded_size(value_integer(0)), 1);
    assert_int_equal(value_encoded_size(value_integer(-100)), 2);
    assert_int_equal(value_encoded_size(value_integer(INT64_MIN)), VALUE_ENCODED_SCALAR_SIZE_MAX);
    assert_int_equal(value_encoded_size(value_float(1)), VALUE_ENCODED_SCALAR_SIZE_MAX);
    assert_int_equal(value_encoded_size(value_node_bare((node_id){1000000})), 4);
}

static void
a_cut_value_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < TEXT_COUNT; i++) {
        struct value value, out;
        assert_int_equal(expression_eval(&fixture, texts[i], &value), 0);
        uint64_t size = value_encoded_size(value);
        uint8_t *whole = malloc(size);
        assert_non_null(whole);
        value_encode(value, whole);
        for (uint64_t cut = 0; cut < size; cut++) {
            /* An allocation of its own, so that the sanitizer sees a read behind the end. */
            uint8_t *bytes = malloc(cut + 1);
            assert_non_null(bytes);
            memcpy(bytes + 1, whole, cut);
            const uint8_t *cursor = bytes + 1;
            err_t err = value_decode(&fixture.arena, &cursor, bytes + 1 + cut, &out);
            assert_int_equal(err_code(err), ERR_REQUEST_FORMAT);
            free(bytes);
        }
        free(whole);
    }
}

static void
deep_nesting_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    for (size_t i = 0; i + 1 < sizeof(bytes); i += 2) {
        bytes[i] = VALUE_LIST | 1 << 5;
        bytes[i + 1] = 1;
    }
    const uint8_t *cursor = bytes;
    struct value out;
    err_t err = value_decode(&fixture.arena, &cursor, bytes + sizeof(bytes), &out);
    assert_int_equal(err_code(err), ERR_REQUEST_FORMAT);
}

static void
large_counts_do_not_ask_for_memory(void **state)
{
    (void)state;
    const uint8_t bytes[] = {VALUE_LIST | 4 << 5, 0xff, 0xff, 0xff, 0x7f, 0};
    const uint8_t *cursor = bytes;
    struct value out;
    struct arena arena;
    arena_create(&arena, memory_heap(), 1 << 16);
    err_t err = value_decode(&arena, &cursor, bytes + sizeof(bytes), &out);
    assert_int_equal(err_code(err), ERR_REQUEST_FORMAT);
    arena_destroy(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_comes_back),
        cmocka_unit_test(entities_and_paths_come_back_whole),
        cmocka_unit_test(scalars_are_small),
        cmocka_unit_test(a_cut_value_is_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(large_counts_do_not_ask_for_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
