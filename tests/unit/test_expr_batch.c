#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../lib/expression.h"
#include "engine/value/value_ops.h"

enum { ROW_COUNT = 200 };

struct rows {
    struct expression_fixture f;
    struct value numbers[ROW_COUNT], mixed[ROW_COUNT];
    uint64_t nodes[ROW_COUNT];
    struct column columns[3];
    struct batch batch;
};

static const char *const column_names[] = {"a", "b", "n"};

static int
setup(void **state)
{
    struct rows *rows = calloc(1, sizeof(*rows));
    assert_non_null(rows);
    expression_fixture_create(&rows->f);
    rows->f.column_names = column_names;
    rows->f.column_count = 3;
    for (uint32_t i = 0; i < ROW_COUNT; i++) {
        rows->numbers[i] = i % 7 == 0 ? value_null() : value_integer((int64_t)(i * 37 % 100));
        rows->mixed[i] = i % 5 == 0   ? value_null()
                         : i % 5 == 1 ? value_string(TEXT("abc"))
                         : i % 5 == 2 ? value_float(i / 2.0)
                         : i % 5 == 3 ? value_boolean(i % 2)
                                      : value_integer(i);
        rows->nodes[i] = i % 11 == 0 ? NODE_ABSENT : i % 3;
    }
    rows->columns[0] = (struct column){COLUMN_VALUE, {.values = rows->numbers}};
    rows->columns[1] = (struct column){COLUMN_VALUE, {.values = rows->mixed}};
    rows->columns[2] = (struct column){COLUMN_NODE, {.nodes = rows->nodes}};
    rows->batch = (struct batch){ROW_COUNT, 3, rows->columns};
    *state = rows;
    return 0;
}

static int
teardown(void **state)
{
    struct rows *rows = *state;
    expression_fixture_destroy(&rows->f);
    free(rows);
    return 0;
}

static const char *const expressions[] = {
    "a",
    "n",
    "a > 30",
    "30 < a",
    "a = 37",
    "a <> 37",
    "a >= 10.5",
    "b < 20",
    "b = 'abc'",
    "a + 1",
    "a * 2 - a",
    "a > 30 AND a < 60",
    "a > 90 OR a < 10 OR a IS NULL",
    "NOT a > 50",
    "a > 30 XOR a < 60",
    "b IN [1, 'abc', null]",
    "a IN [1, 2, 3, 37, 74, 1, 1, 11, 48, 85]",
    "b IN [1, 'abc', null, 1.0, 22.0, true, 9, 'abc', 14, 19]",
    "b IN range(0, 150)",
    "[a] IN [[1], [37], 3, 4, 5, 6, 7, 8, 9, null]",
    "a IN [0.0 / 0.0, 1, 2, 3, 4, 5, 6, 7, [1]]",
    "n IN [n, 1, 2, 3, 4, 5, 6, 7, 8]",
    "coalesce(a, -1)",
    "CASE WHEN a > 50 THEN 'big' ELSE b END",
    "[x IN range(0, a % 4) | x + a]",
    "n = n",
    "id(n) + 1",
    "b STARTS WITH 'a'",
    "toStringOrNull(b)",
    "a % 10 = 0 AND 100 / (a % 10 + 1) > 2",
    "{x: a, y: b}",
    "any(x IN [1, 2] WHERE x = a % 3)",
    "a IS NOT NULL",
    "[a, b][0]",
    "substring('abcdef', a % 3, 2)",
    "1 + 2",
};

static void
a_batch_gives_what_its_rows_give(void **state)
{
    struct rows *rows = *state;
    struct value by_batch[BATCH_ROW_COUNT_MAX], by_row;
    for (size_t e = 0; e < sizeof(expressions) / sizeof(expressions[0]); e++) {
        const struct expr *expr = expression_compile(&rows->f, expressions[e]);
        assert_int_equal(expr_eval_batch(expr, &rows->f.context, &rows->batch, by_batch), 0);
        for (uint32_t i = 0; i < ROW_COUNT; i++) {
            assert_int_equal(expr_eval(expr, &rows->f.context, &rows->batch, i, &by_row), 0);
            if (by_row.type != by_batch[i].type || value_order(by_row, by_batch[i]) != 0)
                fail_msg("%s differs in row %u", expressions[e], i);
        }
    }
}

static void
a_choice_of_rows_gives_those_rows(void **state)
{
    struct rows *rows = *state;
    const uint16_t chosen[] = {3, 4, 17, 199};
    struct value out[4], by_row;
    for (size_t e = 0; e < sizeof(expressions) / sizeof(expressions[0]); e++) {
        const struct expr *expr = expression_compile(&rows->f, expressions[e]);
        assert_int_equal(expr_eval_rows(expr, &rows->f.context, &rows->batch, chosen, 4, out), 0);
        for (uint32_t i = 0; i < 4; i++) {
            assert_int_equal(
                expr_eval(expr, &rows->f.context, &rows->batch, chosen[i], &by_row), 0);
            assert_true(value_equivalent(by_row, out[i]));
        }
    }
}

static void
a_filter_keeps_rows_that_are_true(void **state)
{
    struct rows *rows = *state;
    const char *const predicates[] = {
        "a > 30",
        "a > 30 AND a < 60",
        "a > 30 AND b = 'abc' AND id(n) = 1",
        "a = 37 OR b = 'abc'",
        "b > 3",
        "a <= 20",
        "a <> 5",
        "a >= 1",
        "true",
        "null",
        "n = n",
    };
    uint16_t kept[BATCH_ROW_COUNT_MAX];
    uint32_t kept_count;
    for (size_t p = 0; p < sizeof(predicates) / sizeof(predicates[0]); p++) {
        const struct expr *expr = expression_compile(&rows->f, predicates[p]);
        assert_int_equal(
            expr_filter_batch(expr, &rows->f.context, &rows->batch, kept, &kept_count), 0);
        uint32_t next = 0;
        for (uint32_t i = 0; i < ROW_COUNT; i++) {
            struct value value;
            assert_int_equal(expr_eval(expr, &rows->f.context, &rows->batch, i, &value), 0);
            if (value.type == VALUE_BOOLEAN && value.boolean)
                assert_int_equal(kept[next++], i);
        }
        assert_int_equal(next, kept_count);
    }
}

static void
a_filter_refuses_what_is_no_boolean(void **state)
{
    struct rows *rows = *state;
    uint16_t kept[BATCH_ROW_COUNT_MAX];
    uint32_t kept_count;
    const struct expr *expr = expression_compile(&rows->f, "a + 1");
    err_t err = expr_filter_batch(expr, &rows->f.context, &rows->batch, kept, &kept_count);
    assert_int_equal(err_code(err), ERR_TYPE);
}

static void
rows_that_do_not_matter_do_not_fail(void **state)
{
    struct rows *rows = *state;
    struct value out[BATCH_ROW_COUNT_MAX];
    const struct expr *guarded = expression_compile(
        &rows->f, "a <> 0 AND 100 / a > 1 OR a IS NULL");
    rows->numbers[1] = value_integer(0);
    assert_int_equal(expr_eval_batch(guarded, &rows->f.context, &rows->batch, out), 0);
    const struct expr *chosen = expression_compile(&rows->f, "coalesce(a, b, n, 1 / 0)");
    rows->nodes[0] = 1;
    rows->nodes[35] = rows->nodes[70] = rows->nodes[105] = rows->nodes[140] = rows->nodes[175] = 1;
    assert_int_equal(expr_eval_batch(chosen, &rows->f.context, &rows->batch, out), 0);
    const struct expr *unguarded = expression_compile(&rows->f, "100 / a > 1");
    err_t err = expr_eval_batch(unguarded, &rows->f.context, &rows->batch, out);
    assert_int_equal(err_code(err), ERR_DIVISION_BY_ZERO);
}

static void
a_missing_parameter_is_named(void **state)
{
    struct rows *rows = *state;
    struct value out[BATCH_ROW_COUNT_MAX];
    const struct expr *expr = expr_binary(
        &rows->f.arena, 0, OPERATOR_GREATER, expr_column(&rows->f.arena, 0, 0),
        expr_parameter(&rows->f.arena, 4, TEXT("limit"), 0));
    err_t err = expr_eval_batch(expr, &rows->f.context, &rows->batch, out);
    assert_int_equal(err_code(err), ERR_PARAMETER_MISSING);
    assert_string_equal(rows->f.failure.message.data, "the parameter `limit` was not given");
    struct value limit = value_integer(30);
    rows->f.context.parameters = &limit;
    rows->f.context.parameter_count = 1;
    assert_int_equal(expr_eval_batch(expr, &rows->f.context, &rows->batch, out), 0);
}

/* Every allocation of an evaluation fails once, by an arena that is a little larger each time. */
static void
every_lack_of_memory_is_an_error(void **state)
{
    struct rows *rows = *state;
    struct value out[BATCH_ROW_COUNT_MAX];
    for (size_t e = 0; e < sizeof(expressions) / sizeof(expressions[0]); e++) {
        const struct expr *expr = expression_compile(&rows->f, expressions[e]);
        bool done = false;
        for (size_t limit = 4096; !done && limit < 4 << 20; limit += 4096) {
            struct arena arena;
            arena_create(&arena, memory_heap(), limit);
            struct arena *usual = rows->f.context.arena;
            rows->f.context.arena = &arena;
            err_t err = expr_eval_batch(expr, &rows->f.context, &rows->batch, out);
            rows->f.context.arena = usual;
            rows->f.failure = (struct failure){0};
            arena_destroy(&arena);
            done = !err;
            if (err)
                assert_int_equal(err_code(err), ERR_MEMORY_QUERY);
        }
        assert_true(done);
    }
}

static void
columns_can_be_mapped(void **state)
{
    struct rows *rows = *state;
    const uint32_t map[] = {1, 0, 2};
    const struct expr *expr = expression_compile(&rows->f, "[a, b, n]");
    const struct expr *mapped = expr_remap(&rows->f.arena, expr, map, 3);
    const struct text names[] = {TEXT("a"), TEXT("b"), TEXT("n")};
    assert_string_equal(expr_print(&rows->f.arena, mapped, names).data, "[b, a, n]");
    assert_false(expr_equal(expr, mapped));
    assert_true(expr_equal(expr, expr_remap(&rows->f.arena, mapped, map, 3)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_batch_gives_what_its_rows_give, setup, teardown),
        cmocka_unit_test_setup_teardown(a_choice_of_rows_gives_those_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(a_filter_keeps_rows_that_are_true, setup, teardown),
        cmocka_unit_test_setup_teardown(a_filter_refuses_what_is_no_boolean, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_that_do_not_matter_do_not_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_parameter_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(every_lack_of_memory_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(columns_can_be_mapped, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
