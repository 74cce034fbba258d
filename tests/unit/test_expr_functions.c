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

static void
names_are_found_without_case(void **state)
{
    (void)state;
    assert_ptr_equal(function_lookup(TEXT("TOUPPER")), function_lookup(TEXT("toUpper")));
    assert_non_null(function_lookup(TEXT("duration.inmonths")));
    assert_null(function_lookup(TEXT("nothing")));
    assert_string_equal(function_suggest(TEXT("toUper"))->name.data, "toUpper");
    assert_string_equal(function_suggest(TEXT("lenght"))->name.data, "length");
    assert_null(function_suggest(TEXT("qqqqqqqqqq")));
}

static void
every_function_is_there_once(void **state)
{
    (void)state;
    uint32_t count;
    const struct function *list = function_list(&count);
    for (uint32_t i = 0; i < count; i++) {
        assert_ptr_equal(function_lookup(list[i].name), &list[i]);
        assert_true(list[i].arguments_min <= list[i].arguments_max);
        assert_int_equal(list[i].run == NULL, (list[i].flags & FUNCTION_AGGREGATE) != 0);
    }
}

/* Whatever the arguments are, a function gives a value or an error that says something. */
static void
no_function_minds_strange_arguments(void **state)
{
    (void)state;
    static const char *const arguments[] = {
        "null",
        "true",
        "-1",
        "0",
        "9223372036854775807",
        "1.5",
        "0.0 / 0.0",
        "''",
        "'x'",
        "[]",
        "[1, null, 'a']",
        "{}",
        "{year: 2020}",
        "{x: 1, y: null}",
        "date('2020-01-01')",
        "duration('P1D')",
        "point({x: 1, y: 2})",
        "datetime('2020-01-01T00:00Z')",
        "localtime('12:00')",
    };
    enum { KINDS = sizeof(arguments) / sizeof(arguments[0]) };
    struct value values[KINDS];
    uint32_t count;
    const struct function *list = function_list(&count);
    for (int i = 0; i < KINDS; i++)
        assert_int_equal(expression_eval(f, arguments[i], &values[i]), 0);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t most = list[i].arguments_max > 3 ? 3 : list[i].arguments_max;
        if (!list[i].run || text_equal(list[i].name, TEXT("range")))
            continue;
        for (uint32_t n = list[i].arguments_min; n <= most; n++) {
            uint32_t combinations = n == 0   ? 1
                                    : n == 1 ? KINDS
                                    : n == 2 ? KINDS * KINDS
                                             : KINDS * KINDS * KINDS;
            for (uint32_t c = 0; c < combinations; c++) {
                struct expr *call = expr_new(&f->arena, EXPR_CALL, 0, n);
                struct arena_mark mark = arena_mark(&f->arena);
                struct value out;
                call->function = &list[i];
                for (uint32_t j = 0, rest = c; j < n; j++, rest /= KINDS)
                    call->children[j] = expr_literal(&f->arena, 0, values[rest % KINDS]);
                f->failure = (struct failure){0};
                err_t err = expr_eval(call, &f->context, NULL, 0, &out);
                if (err)
                    assert_true(f->failure.message.size > 0);
                else
                    assert_non_null(value_print(&f->arena, out).data);
                if (err_code(err) == ERR_INTERNAL)
                    fail_msg("%s: %s", list[i].name.data, f->failure.message.data);
                arena_rewind(&f->arena, mark);
            }
        }
    }
}

static void
lists(void **state)
{
    (void)state;
    assert_expression(f, "[size([1, 2]), size('héé'), size(null)]", "[2, 3, null]");
    assert_expression(f, "[head([1, 2]), last([1, 2]), head([]), last([])]", "[1, 2, null, null]");
    assert_expression(
        f, "[tail([1, 2, 3]), tail([]), reverse([1, 2]), reverse('añb')]",
        "[[2, 3], [], [2, 1], 'bña']");
    assert_expression(
        f, "range(9223372036854775805, 9223372036854775807)",
        "[9223372036854775805, 9223372036854775806, 9223372036854775807]");
    assert_expression(f, "range(0, 10, 3)", "[0, 3, 6, 9]");
    assert_expression(f, "range(5, 0, -2)", "[5, 3, 1]");
    assert_expression(f, "range(0, 1000000000)", "ERROR LIMIT");
    assert_expression(f, "range(1, 2, 0)", "ERROR ARGUMENT");
    assert_expression(
        f, "[coalesce(null, null), coalesce(null, 2, 3), nullIf(1, 1.0), nullIf(1, 2)]",
        "[null, 2, null, 1]");
    assert_expression(
        f, "[isEmpty([]), isEmpty({a: 1}), isEmpty(''), isEmpty(null)]",
        "[true, false, true, null]");
    assert_expression(f, "[keys({b: 1, a: null}), properties({a: 1})]", "[['b', 'a'], {a: 1}]");
    assert_expression(f, "size(1)", "ERROR TYPE");
    assert_string_equal(
        f->failure.message.data, "size() needs a LIST or STRING as argument 1, got INTEGER");
}

static void
conversions(void **state)
{
    (void)state;
    assert_expression(
        f, "[toInteger('42'), toInteger('2.9'), toInteger(-2.9), toInteger('x'), toInteger(true)]",
        "[42, 2, -2, null, 1]");
    assert_expression(
        f, "[toInteger('9223372036854775808'), toInteger(1e30), toInteger(' 7 '), toInteger('')]",
        "[null, null, 7, null]");
    assert_expression(
        f, "[toFloat('1.5e3'), toFloat(2), toFloat('abc'), toFloat('0x10'), toFloat('-Infinity')]",
        "[1500.0, 2.0, null, null, -Infinity]");
    assert_expression(
        f, "[toBoolean('TRUE'), toBoolean('no'), toBoolean(0), toBoolean(false)]",
        "[true, null, false, false]");
    assert_expression(
        f, "[toString(1.0), toString(true), toString(date('2020-01-02')), toString('x')]",
        "['1.0', 'true', '2020-01-02', 'x']");
    assert_expression(
        f, "[toIntegerOrNull([]), toFloatOrNull(true), toBooleanOrNull(1.5), toStringOrNull({})]",
        "[null, null, null, null]");
    assert_expression(
        f, "[toIntegerList(['1', 2.5, [], null]), toStringList([1, 'a', {}])]",
        "[[1, 2, null, null], ['1', 'a', null]]");
    assert_expression(
        f, "[toFloatList([1, 'x']), toBooleanList(['true', 0])]", "[[1.0, null], [true, false]]");
    assert_expression(f, "toInteger([])", "ERROR TYPE");
    assert_expression(f, "toFloat(true)", "ERROR TYPE");
    assert_expression(f, "toBoolean(1.0)", "ERROR TYPE");
    assert_expression(f, "toString([])", "ERROR TYPE");
}

static void
numbers(void **state)
{
    (void)state;
    assert_expression(
        f, "[abs(-1), abs(-1.5), sign(-3), sign(0.0), ceil(1.2), floor(-1.2)]",
        "[1, 1.5, -1, 0, 2.0, -2.0]");
    assert_expression(f, "abs(-9223372036854775807 - 1)", "ERROR ARITHMETIC");
    assert_expression(
        f, "[sqrt(4), exp(0), log(1), log10(1000), e() > 2.7, pi() > 3.14]",
        "[2.0, 1.0, 0.0, 3.0, true, true]");
    assert_expression(
        f, "[sin(0), cos(0), tan(0), asin(0), acos(1), atan(0), atan2(0, 1), haversin(0)]",
        "[0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]");
    assert_expression(
        f, "[degrees(pi()), radians(180) = pi(), isNaN(0.0/0.0), isNaN(1), sqrt(-1)]",
        "[180.0, true, true, false, NaN]");
    assert_expression(f, "sin('a')", "ERROR TYPE");
}

static void
rounding(void **state)
{
    (void)state;
    assert_expression(
        f, "[round(1.5), round(-1.5), round(2.4), round(3), round(-0.4)]",
        "[2.0, -1.0, 2.0, 3.0, 0.0]");
    assert_expression(
        f,
        "[round(1.005, 2), round(3.14159, 3), round(1234.5, -2), round(-1.25, 1), round(0.05, 0)]",
        "[1.01, 3.142, 1200.0, -1.3, 0.0]");
    assert_expression(
        f,
        "[round(1.249, 1, 'UP'), round(1.25, 1, 'DOWN'), round(-1.21, 1, 'CEILING'), round(-1.21, "
        "1, 'FLOOR')]",
        "[1.3, 1.2, -1.2, -1.3]");
    assert_expression(
        f,
        "[round(1.25, 1, 'HALF_UP'), round(1.25, 1, 'HALF_DOWN'), round(1.25, 1, 'HALF_EVEN'), "
        "round(1.35, 1, 'half_even')]",
        "[1.3, 1.2, 1.2, 1.4]");
    assert_expression(
        f, "[round(9.99, 1), round(99.5, 0), round(0.5, 0, 'HALF_EVEN'), round(999, -3)]",
        "[10.0, 100.0, 0.0, 1000.0]");
    assert_expression(f, "round(1.5, 1, 'SIDEWAYS')", "ERROR ARGUMENT");
}

static void
vectors(void **state)
{
    (void)state;
    assert_expression(f, "vector.similarity.cosine([1, 0], [2.0, 0])", "1.0");
    assert_expression(f, "vector.similarity.cosine([1, 0], [-1, 0])", "0.0");
    assert_expression(f, "vector.similarity.euclidean([1, 2], [1, 3])", "0.5");
    assert_expression(f, "vector.similarity.cosine([1], [1, 2])", "ERROR ARGUMENT");
    assert_expression(f, "vector.similarity.cosine([0], [1])", "ERROR ARGUMENT");
    assert_expression(f, "vector.similarity.euclidean([1], ['a'])", "ERROR ARGUMENT");
}

/* A long name in a message is cut between characters. */
static void
messages_stay_text(void **state)
{
    (void)state;
    char query[2000] = "date({";
    for (int shift = 0; shift < 3; shift++) {
        size_t at = 6;
        query[at++] = '`';
        for (int i = 0; i < shift; i++)
            query[at++] = 'x';
        for (int i = 0; i < 400; i++) {
            memcpy(query + at, "é", 2);
            at += 2;
        }
        memcpy(query + at, "`: 1})", 7);
        assert_expression(f, query, "ERROR ARGUMENT");
        struct text message = f->failure.message;
        assert_true(message.size > 20 && message.size < 200);
        struct text check = arena_printf(&f->arena, "%.*s", TEXT_ARGS(message));
        size_t begin = 0;
        for (; begin < check.size; begin++)
            if ((unsigned char)check.data[begin] == 0xc3)
                assert_int_equal((unsigned char)check.data[begin + 1] & 0xc0, 0x80);
    }
}

static void
coalesce_stops_at_the_first(void **state)
{
    (void)state;
    assert_expression(f, "coalesce(1, 1 / 0)", "1");
    assert_expression(f, "coalesce(null, 1 / 0)", "ERROR DIVISION_BY_ZERO");
}

static void
random_numbers_come_from_the_source(void **state)
{
    (void)state;
    struct value a, b;
    f->random_state = 42;
    assert_int_equal(expression_eval(f, "rand()", &a), 0);
    f->random_state = 42;
    assert_int_equal(expression_eval(f, "rand()", &b), 0);
    assert_true(a.real == b.real && a.real >= 0 && a.real < 1);
    assert_expression(f, "size(randomUUID())", "36");
    assert_expression(f, "substring(randomUUID(), 14, 1)", "'4'");
}

static void
strings(void **state)
{
    (void)state;
    assert_expression(
        f,
        "[substring('héllo', 1, 3), substring('abc', 5), substring('abc', 1), left('añb', 2), "
        "right('añb', 2)]",
        "['éll', '', 'bc', 'añ', 'ñb']");
    assert_expression(f, "[left('abc', 9), right('abc', 9), left('', 0)]", "['abc', 'abc', '']");
    assert_expression(f, "left('abc', -1)", "ERROR ARGUMENT");
    assert_expression(f, "substring('abc', -1)", "ERROR ARGUMENT");
    assert_expression(
        f,
        "[trim(' a b '), ltrim(' a'), rtrim('a\\t\\n'), btrim('xxaxyx', 'xy'), ltrim('éée', 'é')]",
        "['a b', 'a', 'a', 'a', 'e']");
    assert_expression(
        f,
        "[replace('aaa', 'a', 'b'), replace('abc', '', '-'), replace('aaa', 'a', 'b', 2), "
        "replace('', 'a', 'b')]",
        "['bbb', '-a-b-c-', 'bba', '']");
    assert_expression(
        f, "[split('a,b,,c', ','), split('', ','), split('abc', ''), split('a-b+c', ['-', '+'])]",
        "[['a', 'b', '', 'c'], [''], ['a', 'b', 'c'], ['a', 'b', 'c']]");
    assert_expression(
        f, "[toUpper('straße é'), toLower('ÀB'), upper('a'), lower('A')]",
        "['STRASSE É', 'àb', 'A', 'a']");
    assert_expression(f, "[char_length('né'), character_length(''), reverse('')]", "[2, 0, '']");
    assert_expression(f, "split('a', 1)", "ERROR TYPE");
    assert_expression(f, "toUpper(1)", "ERROR TYPE");
    assert_expression(
        f, "[toUpper(null), split(null, ','), replace('a', null, 'b')]", "[null, null, null]");
}

static void
normal_forms(void **state)
{
    (void)state;
    assert_expression(f, "size(normalize('e\\u0301'))", "1");
    assert_expression(f, "size(normalize('é', 'NFD'))", "2");
    assert_expression(f, "normalize('ﬁ', 'NFKC')", "'fi'");
    assert_expression(f, "normalize('a', 'NFX')", "ERROR ARGUMENT");
}

static void
points(void **state)
{
    (void)state;
    assert_expression(f, "point({x: 1, y: 2})", "point({x: 1.0, y: 2.0, crs: 'cartesian'})");
    assert_expression(f, "point({longitude: 12.5, latitude: 55, height: 10}).crs", "'wgs-84-3d'");
    assert_expression(
        f,
        "[point({x: 1, y: 2, z: 3}).srid, point({x: 1, y: null}), point({x: 1, y: 2, srid: "
        "4326}).latitude]",
        "[9157, null, 2.0]");
    assert_expression(f, "point.distance(point({x: 0, y: 0}), point({x: 3, y: 4}))", "5.0");
    assert_expression(
        f,
        "round(point.distance(point({longitude: 12.564590, latitude: 55.672874}), "
        "point({longitude: 12.994341, latitude: 55.611784})) / 1000)",
        "28.0");
    assert_expression(
        f, "point.distance(point({x: 0, y: 0}), point({longitude: 3, latitude: 4}))", "null");
    assert_expression(
        f,
        "[point.withinBBox(point({x: 1, y: 1}), point({x: 0, y: 0}), point({x: 2, y: 2})), "
        "point.withinBBox(point({longitude: 179, latitude: 0}), point({longitude: 170, latitude: "
        "-1}), "
        "point({longitude: -170, latitude: 1}))]",
        "[true, true]");
    assert_expression(f, "point({x: 1})", "ERROR ARGUMENT");
    assert_expression(f, "point({x: 'a', y: 1})", "ERROR TYPE");
    assert_expression(f, "point({latitude: 91, longitude: 0})", "ERROR ARGUMENT");
    assert_expression(f, "point({x: 1, y: 2, crs: 'mars'})", "ERROR ARGUMENT");
}

static struct text
type_name(void *argument, uint32_t token)
{
    (void)argument;
    return token == 3 ? TEXT("KNOWS") : (struct text){NULL, 0};
}

static void
entities(void **state)
{
    (void)state;
    static const char *const names[] = {"n", "r", "p"};
    const struct text labels[] = {TEXT("Person")};
    const struct map_entry properties[] = {{TEXT("name"), value_string(TEXT("Ann"))}};
    struct value_node node = {
        .id = {7},
        .label_count = 1,
        .labels = labels,
        .property_count = 1,
        .properties = properties};
    struct value_rel rel = {.id = {9}, .start = {7}, .end = {8}, .type_token = 3};
    struct value nodes[] = {
        {.type = VALUE_NODE, .flags = VALUE_FLAG_HYDRATED}, value_node_bare((node_id){8})};
    nodes[0].node = &node;
    struct value rels[] = {value_relationship(&rel)};
    struct value_path path = {1, nodes, rels};
    struct value values[] = {nodes[0], rels[0], {.type = VALUE_PATH}};
    values[2].path = &path;
    struct column columns[3] = {
        {COLUMN_VALUE, {&values[0]}}, {COLUMN_VALUE, {&values[1]}}, {COLUMN_VALUE, {&values[2]}}};
    struct batch batch = {1, 3, columns};
    struct value out;
    f->column_names = names;
    f->column_count = 3;
    f->context.type_name = type_name;
    const struct expr *expr = expression_compile(
        f,
        "[id(n), elementId(r), labels(n), keys(n), properties(n), n.name, type(r), "
        "id(startNode(r)), "
        "id(endNode(r)), length(p), size(nodes(p)), [x IN relationships(p) | type(x)], n['name']]");
    assert_int_equal(expr_eval(expr, &f->context, &batch, 0, &out), 0);
    assert_string_equal(
        value_print(&f->arena, out).data, "[7, '9', ['Person'], ['name'], {name: 'Ann'}, 'Ann', "
                                          "'KNOWS', 7, 8, 1, 2, ['KNOWS'], 'Ann']");
    node.deleted = true;
    expr = expression_compile(f, "n.name");
    assert_int_equal(err_code(expr_eval(expr, &f->context, &batch, 0, &out)), ERR_ENTITY_NOT_FOUND);
    f->column_count = 0;
}

static void
paths_are_built_from_columns(void **state)
{
    (void)state;
    struct value_rel first = {.id = {1}, .start = {10}, .end = {20}};
    struct value_rel second = {.id = {2}, .start = {30}, .end = {20}};
    struct value both[] = {value_relationship(&first), value_relationship(&second)};
    struct value columns_values[] = {
        value_node_bare((node_id){10}), value_list(both, 2), value_node_bare((node_id){30})};
    struct column columns[3] = {
        {COLUMN_VALUE, {&columns_values[0]}},
        {COLUMN_VALUE, {&columns_values[1]}},
        {COLUMN_VALUE, {&columns_values[2]}}};
    struct batch batch = {1, 3, columns};
    struct expr *path = expr_new(&f->arena, EXPR_PATH, 0, 3);
    struct value out;
    for (uint32_t i = 0; i < 3; i++)
        path->children[i] = expr_column(&f->arena, 0, i);
    assert_int_equal(expr_eval(path, &f->context, &batch, 0, &out), 0);
    assert_string_equal(value_print(&f->arena, out).data, "(#10)-[#1]->(#20)<-[#2]-(#30)");
    /* Found from the other end: the list is in the opposite order. */
    struct value turned[] = {both[1], both[0]};
    columns_values[1] = value_list(turned, 2);
    assert_int_equal(expr_eval(path, &f->context, &batch, 0, &out), 0);
    assert_string_equal(value_print(&f->arena, out).data, "(#10)-[#1]->(#20)<-[#2]-(#30)");
    columns_values[1] = value_null();
    assert_int_equal(expr_eval(path, &f->context, &batch, 0, &out), 0);
    assert_int_equal(out.type, VALUE_NULL);
    columns_values[1] = value_list(both, 1);
    assert_int_equal(err_code(expr_eval(path, &f->context, &batch, 0, &out)), ERR_INTERNAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found_without_case),
        cmocka_unit_test(every_function_is_there_once),
        cmocka_unit_test(no_function_minds_strange_arguments),
        cmocka_unit_test(lists),
        cmocka_unit_test(conversions),
        cmocka_unit_test(numbers),
        cmocka_unit_test(rounding),
        cmocka_unit_test(vectors),
        cmocka_unit_test(messages_stay_text),
        cmocka_unit_test(coalesce_stops_at_the_first),
        cmocka_unit_test(random_numbers_come_from_the_source),
        cmocka_unit_test(strings),
        cmocka_unit_test(normal_forms),
        cmocka_unit_test(points),
        cmocka_unit_test(entities),
        cmocka_unit_test(paths_are_built_from_columns),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
