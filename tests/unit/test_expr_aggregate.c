#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../lib/expression.h"
#include "engine/value/value_ops.h"

static struct expression_fixture fixture;
static struct expression_fixture *const f = &fixture;

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
percentile_of(enum aggregate_kind kind)
{
    bool wants = kind == AGGREGATE_PERCENTILE_CONTINUOUS || kind == AGGREGATE_PERCENTILE_DISCRETE;
    return wants ? value_float(0.4) : value_null();
}

static err_t
step_items(struct aggregate *aggregate, struct value list, uint32_t from, uint32_t to)
{
    err_t err = 0;
    for (uint32_t i = from; !err && i < to; i++)
        err = aggregate_step(
            aggregate, &f->context, NULL, &f->arena, list.list[i], percentile_of(aggregate->kind));
    return err;
}

static const char *
finish(const struct aggregate *aggregate)
{
    struct value out;
    err_t err = aggregate_finish(aggregate, &f->context, NULL, &f->arena, &out);
    struct text text = err ? arena_printf(&f->arena, "ERROR %s", err_name(err_code(err)))
                           : value_print(&f->arena, out);
    return text.data;
}

/* The aggregate over a list, in one go. */
static const char *
over(enum aggregate_kind kind, bool distinct, const char *text)
{
    struct value list;
    struct aggregate aggregate;
    assert_int_equal(expression_eval(f, text, &list), 0);
    aggregate_create(&aggregate, kind, distinct);
    err_t err = step_items(&aggregate, list, 0, list.size);
    return err ? arena_printf(&f->arena, "ERROR %s", err_name(err_code(err))).data
               : finish(&aggregate);
}

static void
counts(void **state)
{
    (void)state;
    assert_string_equal(over(AGGREGATE_COUNT_ROWS, false, "[1, null, 1]"), "3");
    assert_string_equal(over(AGGREGATE_COUNT, false, "[1, null, 1]"), "2");
    assert_string_equal(over(AGGREGATE_COUNT, true, "[1, null, 1.0, 'a', [1], [1]]"), "3");
    assert_string_equal(over(AGGREGATE_COUNT, true, "[]"), "0");
}

static void
sums_and_averages(void **state)
{
    (void)state;
    assert_string_equal(over(AGGREGATE_SUM, false, "[1, 2, null]"), "3");
    assert_string_equal(over(AGGREGATE_SUM, false, "[1, 2.5]"), "3.5");
    assert_string_equal(over(AGGREGATE_SUM, false, "[]"), "0");
    assert_string_equal(over(AGGREGATE_SUM, true, "[1, 1, 2, 2.0]"), "3");
    assert_string_equal(over(AGGREGATE_SUM, false, "[0.1, 0.2, 0.3, -0.1, -0.2, -0.3]"), "0.0");
    assert_string_equal(
        over(AGGREGATE_SUM, false, "[duration('PT1H'), duration('P1D')]"), "duration('P1DT1H')");
    assert_string_equal(over(AGGREGATE_AVERAGE, false, "[1, 2]"), "1.5");
    assert_string_equal(over(AGGREGATE_AVERAGE, false, "[null]"), "null");
    assert_string_equal(
        over(AGGREGATE_AVERAGE, false, "[duration('PT1H'), duration('PT3H')]"), "duration('PT2H')");
    assert_string_equal(over(AGGREGATE_SUM, false, "[1, 'a']"), "ERROR TYPE");
    assert_string_equal(over(AGGREGATE_SUM, false, "[1, duration('P1D')]"), "ERROR TYPE");
}

static void
a_sum_overflows_only_at_its_end(void **state)
{
    (void)state;
    assert_string_equal(over(AGGREGATE_SUM, false, "[9223372036854775807, 1]"), "ERROR ARITHMETIC");
    assert_string_equal(
        over(AGGREGATE_SUM, false, "[9223372036854775807, 1, -1]"), "9223372036854775807");
    assert_string_equal(
        over(AGGREGATE_AVERAGE, false, "[9223372036854775807, 9223372036854775807]"),
        "9.223372036854776E18");
}

static void
least_and_greatest(void **state)
{
    (void)state;
    assert_string_equal(
        over(AGGREGATE_MINIMUM, false, "[1, 'a', null, [1, 2], 0.2, 'b']"), "[1, 2]");
    assert_string_equal(over(AGGREGATE_MAXIMUM, false, "[1, 'a', null, [1, 2], 0.2, 'b']"), "1");
    assert_string_equal(over(AGGREGATE_MAXIMUM, false, "[]"), "null");
}

static void
collections(void **state)
{
    (void)state;
    assert_string_equal(over(AGGREGATE_COLLECT, false, "[1, null, 1, 'a']"), "[1, 1, 'a']");
    assert_string_equal(over(AGGREGATE_COLLECT, true, "[1, null, 1.0, 'a', 'a']"), "[1, 'a']");
    assert_string_equal(
        over(AGGREGATE_COLLECT, true, "range(1, 100) + range(1, 100)"),
        over(AGGREGATE_COLLECT, false, "range(1, 100)"));
}

static void
deviations(void **state)
{
    (void)state;
    assert_string_equal(over(AGGREGATE_DEVIATION, false, "[1, 2, 3, 4]"), "1.2909944487358056");
    assert_string_equal(
        over(AGGREGATE_DEVIATION_POPULATION, false, "[2, 4, 4, 4, 5, 5, 7, 9]"), "2.0");
    assert_string_equal(over(AGGREGATE_DEVIATION, false, "[5]"), "0.0");
    assert_string_equal(over(AGGREGATE_DEVIATION_POPULATION, true, "[1, 1, 3, 3]"), "1.0");
}

static void
percentiles(void **state)
{
    (void)state;
    assert_string_equal(over(AGGREGATE_PERCENTILE_CONTINUOUS, false, "[10, 20, 30, 40]"), "22.0");
    assert_string_equal(over(AGGREGATE_PERCENTILE_DISCRETE, false, "[40, 10, 30, 20]"), "20");
    assert_string_equal(over(AGGREGATE_PERCENTILE_DISCRETE, false, "[]"), "null");
    struct aggregate aggregate;
    aggregate_create(&aggregate, AGGREGATE_PERCENTILE_DISCRETE, false);
    err_t err = aggregate_step(
        &aggregate, &f->context, NULL, &f->arena, value_integer(1), value_float(1.1));
    assert_int_equal(err_code(err), ERR_ARGUMENT);
}

static const char *const lists[] = {
    "[]",
    "[1]",
    "[1, null, 2, 3, 3]",
    "[1, 2.5, -7, 2.5, 1000000]",
    "range(1, 50)",
    "[0.1, 0.2, 0.3]",
};

/* Cut anywhere, sent as bytes and merged: the same as in one go. */
static void
parts_merge_to_the_whole(void **state)
{
    (void)state;
    for (int kind = AGGREGATE_COUNT_ROWS; kind < AGGREGATE_KIND_COUNT; kind++) {
        for (size_t l = 0; l < sizeof(lists) / sizeof(lists[0]) * 2; l++) {
            struct value list;
            bool distinct = l % 2;
            assert_int_equal(expression_eval(f, lists[l / 2], &list), 0);
            const char *whole = over((enum aggregate_kind)kind, distinct, lists[l / 2]);
            for (uint32_t cut = 0; cut <= list.size; cut++) {
                struct aggregate left, right, back;
                aggregate_create(&left, (enum aggregate_kind)kind, distinct);
                aggregate_create(&right, (enum aggregate_kind)kind, distinct);
                assert_int_equal(step_items(&left, list, 0, cut), 0);
                assert_int_equal(step_items(&right, list, cut, list.size), 0);
                uint64_t size = aggregate_encoded_size(&right);
                uint8_t *bytes = malloc(size);
                assert_non_null(bytes);
                assert_ptr_equal(aggregate_encode(&right, bytes), bytes + size);
                const uint8_t *cursor = bytes;
                assert_int_equal(aggregate_decode(&back, &f->arena, &cursor, bytes + size), 0);
                assert_ptr_equal(cursor, bytes + size);
                assert_int_equal(aggregate_merge(&left, &f->context, NULL, &f->arena, &back), 0);
                struct value a, b;
                const char *merged = finish(&left);
                assert_int_equal(expression_eval(f, whole, &a), 0);
                assert_int_equal(expression_eval(f, merged, &b), 0);
                bool near = value_is_number(a) && value_is_number(b) &&
                            value_real(a) - value_real(b) < 1e-9 &&
                            value_real(b) - value_real(a) < 1e-9;
                if (!near && !value_equivalent(a, b))
                    fail_msg(
                        "kind %d over %s cut at %u: %s, not %s", kind, lists[l / 2], cut, merged,
                        whole);
                free(bytes);
            }
        }
    }
}

/* The bytes are gone when the state is used. */
static void
a_decoded_state_owns_what_it_holds(void **state)
{
    (void)state;
    static const int kinds[] = {AGGREGATE_MINIMUM, AGGREGATE_COLLECT};
    for (size_t k = 0; k < 2; k++) {
        struct value list;
        struct aggregate aggregate, back;
        assert_int_equal(expression_eval(f, "['some text', 'some other text']", &list), 0);
        aggregate_create(&aggregate, (enum aggregate_kind)kinds[k], false);
        assert_int_equal(step_items(&aggregate, list, 0, 2), 0);
        uint64_t size = aggregate_encoded_size(&aggregate);
        uint8_t *bytes = malloc(size);
        assert_non_null(bytes);
        aggregate_encode(&aggregate, bytes);
        const uint8_t *cursor = bytes;
        assert_int_equal(aggregate_decode(&back, &f->arena, &cursor, bytes + size), 0);
        free(bytes);
        assert_string_equal(finish(&back), finish(&aggregate));
    }
}

static void
many_rows_at_once_are_the_same(void **state)
{
    (void)state;
    for (int kind = AGGREGATE_COUNT_ROWS; kind < AGGREGATE_KIND_COUNT; kind++) {
        for (size_t l = 0; l < sizeof(lists) / sizeof(lists[0]); l++) {
            struct value list;
            struct aggregate aggregate;
            assert_int_equal(expression_eval(f, lists[l], &list), 0);
            aggregate_create(&aggregate, (enum aggregate_kind)kind, false);
            assert_int_equal(
                aggregate_step_many(
                    &aggregate, &f->context, NULL, &f->arena, list.list, list.size,
                    percentile_of((enum aggregate_kind)kind)),
                0);
            assert_string_equal(
                finish(&aggregate), over((enum aggregate_kind)kind, false, lists[l]));
        }
    }
}

static void
a_damaged_state_is_refused(void **state)
{
    (void)state;
    struct value list;
    struct aggregate aggregate, back;
    assert_int_equal(expression_eval(f, "['a', 'b', 3]", &list), 0);
    aggregate_create(&aggregate, AGGREGATE_COLLECT, true);
    assert_int_equal(step_items(&aggregate, list, 0, 3), 0);
    uint64_t size = aggregate_encoded_size(&aggregate);
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    aggregate_encode(&aggregate, bytes);
    for (uint64_t cut = 0; cut < size; cut++) {
        const uint8_t *cursor = bytes;
        err_t err = aggregate_decode(&back, &f->arena, &cursor, bytes + cut);
        assert_int_equal(err_code(err), ERR_REQUEST_FORMAT);
    }
    bytes[0] = AGGREGATE_KIND_COUNT;
    const uint8_t *cursor = bytes;
    assert_int_equal(
        err_code(aggregate_decode(&back, &f->arena, &cursor, bytes + size)), ERR_REQUEST_FORMAT);
    free(bytes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts),
        cmocka_unit_test(sums_and_averages),
        cmocka_unit_test(a_sum_overflows_only_at_its_end),
        cmocka_unit_test(least_and_greatest),
        cmocka_unit_test(collections),
        cmocka_unit_test(deviations),
        cmocka_unit_test(percentiles),
        cmocka_unit_test(parts_merge_to_the_whole),
        cmocka_unit_test(a_decoded_state_owns_what_it_holds),
        cmocka_unit_test(many_rows_at_once_are_the_same),
        cmocka_unit_test(a_damaged_state_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
