#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../lib/expression.h"
#include "engine/value/value_ops.h"

static struct expression_fixture fixture;

/* One of every kind and several that are near each other, in the global order. */
static const char *const ordered[] = {
    "{}",
    "{a: 1}",
    "{a: 2}",
    "{b: 0}",
    "[]",
    "[1]",
    "[1, 2]",
    "[2]",
    "[null]",
    "datetime('2020-01-01T00:00+01:00')",
    "datetime('2020-01-01T00:00Z')",
    "localdatetime('2020-01-01T00:00')",
    "localdatetime('2020-01-01T00:00:00.5')",
    "date('-0001-01-01')",
    "date('2020-01-01')",
    "time('12:00+02:00')",
    "time('11:00Z')",
    "time('12:00+01:00')",
    "localtime('00:00')",
    "localtime('23:59')",
    "duration('P1D')",
    "duration('P1DT1S')",
    "duration('P1M')",
    "point({x: 1, y: 2})",
    "point({x: 2, y: 1})",
    "''",
    "'A'",
    "'a'",
    "'é'",
    "false",
    "true",
    "-1.0 / 0",
    "-9223372036854775807",
    "-1",
    "0",
    "0.5",
    "1",
    "9007199254740992.0",
    "9007199254740993",
    "1.0 / 0",
    "0.0 / 0.0",
    "null",
};
enum { ORDERED_COUNT = sizeof(ordered) / sizeof(ordered[0]) };
static struct value values[ORDERED_COUNT];

static int
setup(void **state)
{
    (void)state;
    expression_fixture_create(&fixture);
    for (int i = 0; i < ORDERED_COUNT; i++)
        assert_int_equal(expression_eval(&fixture, ordered[i], &values[i]), 0);
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
value_of(const char *text)
{
    struct value value;
    assert_int_equal(expression_eval(&fixture, text, &value), 0);
    return value;
}

static void
order_is_total_across_types(void **state)
{
    (void)state;
    for (int i = 0; i < ORDERED_COUNT; i++) {
        for (int j = 0; j < ORDERED_COUNT; j++) {
            int order = value_order(values[i], values[j]);
            if ((order > 0) - (order < 0) != (i > j) - (i < j))
                fail_msg("%s against %s gives %d", ordered[i], ordered[j], order);
        }
    }
}

static void
equivalent_values_hash_alike(void **state)
{
    (void)state;
    const char *const pairs[][2] = {
        {"1", "1.0"},
        {"0", "-0.0"},
        {"[1, 2.0]", "[1.0, 2]"},
        {"{a: 1, b: 2}", "{b: 2.0, a: 1}"},
        {"0.0 / 0.0", "-(0.0 / 0.0)"},
        {"null", "null"},
        {"duration('PT60S')", "duration('PT1M')"},
        {"9007199254740992", "9007199254740992.0"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct value a = value_of(pairs[i][0]), b = value_of(pairs[i][1]);
        assert_true(value_equivalent(a, b));
        assert_true(value_hash(a, 7) == value_hash(b, 7));
    }
}

static void
different_values_hash_apart(void **state)
{
    (void)state;
    for (int i = 0; i < ORDERED_COUNT; i++)
        for (int j = 0; j < i; j++)
            if (value_hash(values[i], 0) == value_hash(values[j], 0))
                fail_msg("%s and %s have one hash", ordered[i], ordered[j]);
}

static void
equality_agrees_with_order_where_it_is_known(void **state)
{
    (void)state;
    for (int i = 0; i < ORDERED_COUNT; i++) {
        for (int j = 0; j < ORDERED_COUNT; j++) {
            enum trit equal = value_equal(values[i], values[j]);
            if (equal == TRIT_TRUE)
                assert_int_equal(i, j);
            if (equal == TRIT_FALSE && i == j)
                assert_string_equal(ordered[i], "0.0 / 0.0");
        }
    }
}

static void
entities_compare_by_id(void **state)
{
    (void)state;
    struct value_node node = {.id = {5}};
    struct value hydrated = {.type = VALUE_NODE, .flags = VALUE_FLAG_HYDRATED};
    hydrated.node = &node;
    struct value bare = value_node_bare((node_id){5}), other = value_node_bare((node_id){6});
    assert_int_equal(value_equal(hydrated, bare), TRIT_TRUE);
    assert_int_equal(value_equal(hydrated, other), TRIT_FALSE);
    assert_true(value_hash(hydrated, 0) == value_hash(bare, 0));
    int order;
    assert_int_equal(value_compare(bare, other, &order), TRIT_NULL);
}

static void
storable_form_makes_numbers_alike(void **state)
{
    (void)state;
    struct value out;
    assert_int_equal(value_storable_form(&fixture.arena, value_of("[1, 2.5]"), &out), 0);
    assert_string_equal(value_print(&fixture.arena, out).data, "[1.0, 2.5]");
    assert_int_equal(value_storable_form(&fixture.arena, value_of("[1, 2]"), &out), 0);
    assert_string_equal(value_print(&fixture.arena, out).data, "[1, 2]");
    assert_null(value_unstorable_reason(value_of("['a', 'b']")));
    assert_string_equal(value_unstorable_reason(value_of("{a: 1}")), "a map");
    assert_string_equal(value_unstorable_reason(value_of("[[1]]")), "a list of lists");
    assert_string_equal(
        value_unstorable_reason(value_of("[1, 'a']")), "a list with different types");
    assert_string_equal(value_unstorable_reason(value_of("[1, null]")), "a list with null in it");
}

static void
copies_are_deep(void **state)
{
    (void)state;
    struct arena arena;
    arena_create(&arena, memory_heap(), 1 << 20);
    for (int i = 0; i < ORDERED_COUNT; i++) {
        struct value copy;
        assert_int_equal(value_copy(&arena, values[i], &copy), 0);
        assert_true(value_equivalent(copy, values[i]));
        if (copy.type == VALUE_STRING && copy.size)
            assert_ptr_not_equal(copy.string, values[i].string);
    }
    arena_destroy(&arena);
}

static void
floats_print_shortest(void **state)
{
    (void)state;
    const struct {
        double real;
        const char *text;
    } cases[] = {
        {0.1, "0.1"},
        {1, "1.0"},
        {-0.0, "-0.0"},
        {100, "100.0"},
        {1234567, "1234567.0"},
        {12345678, "1.2345678E7"},
        {0.001, "0.001"},
        {0.0001, "1.0E-4"},
        {1.0 / 3, "0.3333333333333333"},
        {1e300, "1.0E300"},
        {NAN, "NaN"},
        {-INFINITY, "-Infinity"},
        {1.7976931348623157e308, "1.7976931348623157E308"},
        {0.1 + 0.2, "0.30000000000000004"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[33] = {0};
        out[value_print_float(cases[i].real, out)] = 0;
        assert_string_equal(out, cases[i].text);
    }
}

static void
strings_print_as_literals(void **state)
{
    (void)state;
    assert_expression(&fixture, "'it\\'s\\n'", "'it\\'s\\n'");
    assert_expression(
        &fixture, "{`a b`: 1, `c``d`: 'x', ok: null}", "{`a b`: 1, `c``d`: 'x', ok: null}");
}

static void
types_have_names(void **state)
{
    (void)state;
    assert_expression(&fixture, "valueType(1)", "'INTEGER NOT NULL'");
    assert_expression(&fixture, "valueType(null)", "'NULL'");
    assert_expression(&fixture, "valueType([1, 2])", "'LIST<INTEGER NOT NULL> NOT NULL'");
    assert_expression(&fixture, "valueType([1, null, 'a'])", "'LIST<STRING | INTEGER> NOT NULL'");
    assert_expression(&fixture, "valueType([])", "'LIST<NOTHING> NOT NULL'");
    assert_expression(
        &fixture, "valueType([[1]])", "'LIST<LIST<INTEGER NOT NULL> NOT NULL> NOT NULL'");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_total_across_types),
        cmocka_unit_test(equivalent_values_hash_alike),
        cmocka_unit_test(different_values_hash_apart),
        cmocka_unit_test(equality_agrees_with_order_where_it_is_known),
        cmocka_unit_test(entities_compare_by_id),
        cmocka_unit_test(storable_form_makes_numbers_alike),
        cmocka_unit_test(copies_are_deep),
        cmocka_unit_test(floats_print_shortest),
        cmocka_unit_test(strings_print_as_literals),
        cmocka_unit_test(types_have_names),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
