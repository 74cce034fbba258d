#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../lib/expression.h"
#include "engine/value/value_ops.h"

static int
setup(void **state)
{
    struct expression_fixture *fixture = malloc(sizeof(*fixture));
    assert_non_null(fixture);
    expression_fixture_create(fixture);
    *state = fixture;
    return 0;
}

static int
teardown(void **state)
{
    expression_fixture_destroy(*state);
    free(*state);
    return 0;
}

static void
literals_and_arithmetic(void **state)
{
    struct expression_fixture *f = *state;
    assert_expression(f, "1 + 2 * 3", "7");
    assert_expression(f, "7 / 2", "3");
    assert_expression(f, "-7 / 2", "-3");
    assert_expression(f, "7 / 2.0", "3.5");
    assert_expression(f, "7 % -3", "1");
    assert_expression(f, "2 ^ 3", "8.0");
    assert_expression(f, "1 + null", "null");
    assert_expression(f, "'a' + 1 + 2.0", "'a12.0'");
    assert_expression(f, "[1] + 2 + [3]", "[1, 2, 3]");
    assert_expression(f, "0.0 / 0.0", "NaN");
    assert_expression(f, "1.0 / 0", "Infinity");
}

static void
arithmetic_fails_loudly(void **state)
{
    struct expression_fixture *f = *state;
    assert_expression(f, "9223372036854775807 + 1", "ERROR ARITHMETIC");
    assert_expression(f, "-9223372036854775807 - 2", "ERROR ARITHMETIC");
    assert_expression(f, "4611686018427387904 * 2", "ERROR ARITHMETIC");
    assert_expression(f, "1 / 0", "ERROR DIVISION_BY_ZERO");
    assert_expression(f, "1 % 0", "ERROR DIVISION_BY_ZERO");
    assert_expression(f, "1 + true", "ERROR TYPE");
    assert_string_equal(f->failure.message.data, "`+` cannot be applied to INTEGER and BOOLEAN");
    assert_int_equal(f->failure.offset, 7);
    assert_expression(f, "-'a'", "ERROR TYPE");
}

static void
three_valued_logic(void **state)
{
    struct expression_fixture *f = *state;
    assert_expression(f, "[true AND null, false AND null, null AND null]", "[null, false, null]");
    assert_expression(f, "[true OR null, false OR null, null OR null]", "[true, null, null]");
    assert_expression(f, "[true XOR null, true XOR true, true XOR false]", "[null, false, true]");
    assert_expression(f, "[NOT null, NOT true, NOT false]", "[null, false, true]");
    assert_expression(f, "1 AND true", "ERROR TYPE");
}

static void
logic_skips_what_it_does_not_need(void **state)
{
    struct expression_fixture *f = *state;
    assert_expression(f, "false AND 1 / 0 = 1", "false");
    assert_expression(f, "true OR 1 / 0 = 1", "true");
    assert_expression(f, "true AND 1 / 0 = 1", "ERROR DIVISION_BY_ZERO");
}

static void
equality_and_comparison(void **state)
{
    struct expression_fixture *f = *state;
    assert_expression(
        f, "[1 = 1.0, 1 = '1', null = null, 0.0/0.0 = 0.0/0.0]", "[true, false, null, false]");
    assert_expression(
        f, "[[null] = [1], [1, 2] = [1], [[1], [2, 3]] = [[1], [null]]]", "[null, false, false]");
    assert_expression(
        f, "[{k: null} = {k: null}, {} = {k: null}, {k: 1, l: null} = {k: null, l: 1}]",
        "[null, false, null]");
    assert_expression(
        f, "[0.0/0.0 > 1, 0.0/0.0 <= 1, 0.0/0.0 <> 1, 0.0/0.0 > 'a']",
        "[false, false, true, null]");
    assert_expression(
        f,
        "[1 < 'a', 'a' < 'b', false < true, [1, 0] >= [1], [1, null] >= [1], [1, 2] >= [1, null]]",
        "[null, true, true, true, true, null]");
    assert_expression(f, "[[1, 'a'] >= [1, null], [1, 2] >= [3, null]]", "[null, false]");
    assert_expression(f, "9007199254740993 = 9007199254740992.0", "false");
}

static void
in_is_three_valued(void **state)
{
    struct expression_fixture *f = *state;
    assert_expression(
        f, "[3 IN [1, null, 3], 4 IN [1, null, 3], 1 IN [], null IN [], null IN [1]]",
        "[true, null, false, false, null]");
    assert_expression(
        f,
        "[[1, 2] IN [1, [1, 2, null]], [null] IN [null], [] IN [[]], [1, 2] IN [[null, 2], [1, "
        "3]]]",
        "[false, null, true, null]");
    assert_expression(f, "1 IN 1", "ERROR TYPE");
}

static void
string_operators(void **state)
{
    struct expression_fixture *f = *state;
    assert_expression(
        f, "['abc' STARTS WITH 'ab', 'abc' ENDS WITH 'bc', 'abc' CONTAINS 'x', 'abc' CONTAINS '']",
        "[true, true, false, true]");
    assert_expression(
        f, "['abc' STARTS WITH null, 1 CONTAINS 'a', 'a' ENDS WITH 1]", "[null, null, null]");
    assert_expression(f, "'a' || 'b'", "'ab'");
    assert_expression(f, "[1] || [2]", "[1, 2]");
    assert_expression(f, "'a' || 1", "ERROR TYPE");
}

static void
regex_matches_whole_strings(void **state)
{
    struct expression_fixture *f = *state;
    assert_expression(
        f, "['abc' =~ 'a.c', 'xabc' =~ 'abc', 'ABC' =~ '(?i)abc', 'é' =~ '.', null =~ 'a']",
        "[true, false, true, true, null]");
    assert_expression(f, "'a' =~ '('", "ERROR ARGUMENT");
    assert_expression(f, "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab' =~ '(a+)+'", "ERROR LIMIT");
}

static void
access_to_lists_and_maps(void **state)
{
    struct expression_fixture *f = *state;
    assert_expression(
        f, "[[1, 2, 3][0], [1, 2, 3][-1], [1][5], {a: 1}['a'], {a: 1}.b, null.a, [1][null]]",
        "[1, 3, null, 1, null, null, null]");
    assert_expression(f, "[1][1.0]", "ERROR TYPE");
    assert_expression(f, "{a: 1}[0]", "ERROR TYPE");
    assert_expression(f, "(1).a", "ERROR TYPE");
    assert_expression(
        f, "[[1, 2, 3][1..2], [1, 2, 3][-2..], [1, 2, 3][..-1], [1, 2][3..1], [1][null..]]",
        "[[2], [2, 3], [1, 2], [], null]");
}

static void
case_both_ways(void **state)
{
    struct expression_fixture *f = *state;
    assert_expression(f, "CASE 2 WHEN 1 THEN 'one' WHEN 2.0 THEN 'two' ELSE 'many' END", "'two'");
    assert_expression(f, "CASE null WHEN null THEN 1 ELSE 2 END", "2");
    assert_expression(f, "CASE WHEN null THEN 1 WHEN 1 < 2 THEN 3 END", "3");
    assert_expression(f, "CASE WHEN false THEN 1 / 0 END", "null");
    assert_expression(f, "CASE WHEN 1 THEN 1 END", "ERROR TYPE");
}

static void
comprehensions_and_reduce(void **state)
{
    struct expression_fixture *f = *state;
    assert_expression(f, "[x IN range(1, 5) WHERE x % 2 = 1 | x * x]", "[1, 9, 25]");
    assert_expression(f, "[x IN [[1, 2], [3]] | [y IN x | y + size(x)]]", "[[3, 4], [4]]");
    assert_expression(f, "[x IN null | x]", "null");
    assert_expression(f, "reduce(sum = 0, x IN [1, 2, 3] | sum + x)", "6");
    assert_expression(f, "reduce(s = '', x IN ['a', 'b'] | s + x)", "'ab'");
    assert_expression(f, "[x IN 1 | x]", "ERROR TYPE");
}

/* Lists and strings that grow by one item at a time, in linear memory, and what was seen of them before
 * stays what it was. */
static void
reduce_builds_long_lists(void **state)
{
    struct expression_fixture *f = *state;
    assert_expression(f, "size(reduce(a = [], x IN range(1, 200000) | a + x))", "200000");
    assert_expression(f, "size(reduce(s = '', x IN range(1, 200000) | s + 'ab'))", "400000");
    assert_expression(f, "reduce(a = [], x IN [1, [2, 3], [], null, 4] | a + x)", "null");
    assert_expression(f, "reduce(a = [0], x IN [1, [2, 3], [], 'b'] | a + x)", "[0, 1, 2, 3, 'b']");
    assert_expression(f, "reduce(a = [], x IN [1, 2, 3] | a + [a])", "[[], [[]], [[], [[]]]]");
    assert_expression(f, "reduce(s = 'a', x IN ['b', 1, 'c'] | s + x)", "'ab1c'");
    assert_expression(f, "reduce(s = 'a', x IN [1, 2] | s + s)", "'aaaa'");
    assert_expression(f, "reduce(a = [[1]], x IN [2] | a + x)", "[[1], 2]");
}

static void
quantifiers_are_three_valued(void **state)
{
    struct expression_fixture *f = *state;
    assert_expression(
        f,
        "[all(x IN [1, null] WHERE x = 1), all(x IN [2, null] WHERE x = 1), all(x IN [] WHERE x = "
        "1)]",
        "[null, false, true]");
    assert_expression(
        f,
        "[any(x IN [1, null] WHERE x = 1), any(x IN [2, null] WHERE x = 1), any(x IN [] WHERE x = "
        "1)]",
        "[true, null, false]");
    assert_expression(
        f,
        "[none(x IN [1, null] WHERE x = 1), none(x IN [2, null] WHERE x = 1), none(x IN [2] WHERE "
        "x = 1)]",
        "[false, null, true]");
    assert_expression(
        f,
        "[single(x IN [1, null] WHERE x = 1), single(x IN [1, 1, null] WHERE x = 1), single(x IN "
        "[1, 2] WHERE x = 1)]",
        "[null, false, true]");
}

static void
map_projections(void **state)
{
    struct expression_fixture *f = *state;
    const char *names[] = {"n"};
    f->column_names = names;
    f->column_count = 1;
    const struct map_entry properties[] = {
        {TEXT("name"), value_string(TEXT("Ann"))}, {TEXT("age"), value_integer(3)}};
    struct value_node node = {.id = {7}, .property_count = 2, .properties = properties};
    struct value value = {.type = VALUE_NODE, .flags = VALUE_FLAG_HYDRATED};
    value.node = &node;
    struct column column = {.kind = COLUMN_VALUE, .values = &value};
    struct batch batch = {.row_count = 1, .column_count = 1, .columns = &column};
    struct value out;
    const struct expr *expr = expression_compile(
        f, "n {.*, .missing, age: n.age + 1, x: [n.name]}");
    assert_int_equal(expr_eval(expr, &f->context, &batch, 0, &out), 0);
    assert_string_equal(
        value_print(&f->arena, out).data, "{name: 'Ann', age: 4, missing: null, x: ['Ann']}");
}

static void
nesting_is_bounded(void **state)
{
    struct expression_fixture *f = *state;
    assert_expression(f, "reduce(a = [], x IN range(1, 100000) | [a])", "ERROR LIMIT");
    assert_expression(f, "reduce(a = {}, x IN range(1, 100000) | {a: a})", "ERROR LIMIT");
    assert_expression(f, "size(reduce(a = [], x IN range(1, 150) | [a]))", "1");
}

static err_t
stop_at_once(void *argument)
{
    (void)argument;
    return ERR(TERMINATED);
}

static void
loops_can_be_stopped(void **state)
{
    struct expression_fixture *f = *state;
    f->context.check = stop_at_once;
    assert_expression(f, "size([x IN range(1, 1000000) | x])", "ERROR TERMINATED");
}

/* Loops in loops end, though nothing can be heard from outside meanwhile. The count begins anew with each
 * evaluation. */
static void
endless_loops_end(void **state)
{
    struct expression_fixture *f = *state;
    f->context.steps_spent = EXPR_STEPS_MAX;
    assert_expression(f, "any(x IN range(1, 10000) WHERE x < 0)", "false");
    f->context.steps_spent = EXPR_STEPS_MAX;
    f->context.steps_left = 0;
    assert_int_equal(err_code(expr_step(&f->context)), ERR_LIMIT);
    assert_non_null(strstr(f->failure.message.data, "UNWIND"));
}

static void
bare_entities_are_refused(void **state)
{
    struct expression_fixture *f = *state;
    const char *names[] = {"n"};
    f->column_names = names;
    f->column_count = 1;
    uint64_t ids[] = {5, NODE_ABSENT};
    struct column column = {.kind = COLUMN_NODE, .nodes = ids};
    struct batch batch = {.row_count = 2, .column_count = 1, .columns = &column};
    struct value out;
    const struct expr *expr = expression_compile(f, "n.name");
    assert_int_equal(err_code(expr_eval(expr, &f->context, &batch, 0, &out)), ERR_INTERNAL);
    assert_int_equal(expr_eval(expr, &f->context, &batch, 1, &out), 0);
    assert_int_equal(out.type, VALUE_NULL);
    assert_int_equal(expr_eval(expression_compile(f, "id(n)"), &f->context, &batch, 0, &out), 0);
    assert_int_equal(out.integer, 5);
}

static void
constants_fold_but_not_their_errors(void **state)
{
    struct expression_fixture *f = *state;
    const struct expr *folded = expr_fold(
        &f->arena, expression_compile(f, "1 + 2 * toInteger('3')"), &f->context);
    assert_int_equal(folded->kind, EXPR_LITERAL);
    assert_int_equal(folded->literal.integer, 7);
    folded = expr_fold(&f->arena, expression_compile(f, "1 / 0"), &f->context);
    assert_int_equal(folded->kind, EXPR_BINARY);
    folded = expr_fold(&f->arena, expression_compile(f, "[rand(), 1 + 1]"), &f->context);
    assert_int_equal(folded->kind, EXPR_LIST);
    assert_int_equal(folded->children[0]->kind, EXPR_CALL);
    assert_int_equal(folded->children[1]->kind, EXPR_LITERAL);
    folded = expr_fold(&f->arena, expression_compile(f, "date()"), &f->context);
    assert_int_equal(folded->kind, EXPR_CALL);
    folded = expr_fold(&f->arena, expression_compile(f, "date('2020-02-03')"), &f->context);
    assert_int_equal(folded->kind, EXPR_LITERAL);
}

static void
trees_print_as_cypher(void **state)
{
    struct expression_fixture *f = *state;
    const char *names[] = {"a", "b"};
    const struct text columns[] = {TEXT("a"), TEXT("b")};
    f->column_names = names;
    f->column_count = 2;
    const struct expr *expr = expression_compile(
        f, "a.x + 1 > 2 AND NOT b IN [1, 'q'] OR toUpper(a) IS NULL");
    assert_string_equal(
        expr_print(&f->arena, expr, columns).data,
        "(((a.x + 1) > 2) AND NOT (b IN [1, 'q'])) OR toUpper(a) IS NULL");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(literals_and_arithmetic, setup, teardown),
        cmocka_unit_test_setup_teardown(arithmetic_fails_loudly, setup, teardown),
        cmocka_unit_test_setup_teardown(three_valued_logic, setup, teardown),
        cmocka_unit_test_setup_teardown(logic_skips_what_it_does_not_need, setup, teardown),
        cmocka_unit_test_setup_teardown(equality_and_comparison, setup, teardown),
        cmocka_unit_test_setup_teardown(in_is_three_valued, setup, teardown),
        cmocka_unit_test_setup_teardown(string_operators, setup, teardown),
        cmocka_unit_test_setup_teardown(regex_matches_whole_strings, setup, teardown),
        cmocka_unit_test_setup_teardown(access_to_lists_and_maps, setup, teardown),
        cmocka_unit_test_setup_teardown(case_both_ways, setup, teardown),
        cmocka_unit_test_setup_teardown(comprehensions_and_reduce, setup, teardown),
        cmocka_unit_test_setup_teardown(reduce_builds_long_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(quantifiers_are_three_valued, setup, teardown),
        cmocka_unit_test_setup_teardown(map_projections, setup, teardown),
        cmocka_unit_test_setup_teardown(nesting_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(loops_can_be_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(endless_loops_end, setup, teardown),
        cmocka_unit_test_setup_teardown(bare_entities_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(constants_fold_but_not_their_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(trees_print_as_cypher, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
