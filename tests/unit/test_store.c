#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/store_fixture.h"

static struct store_fixture fix;
static node_id a, b, c;

enum { PERSON = 3, CITY = 5, KNOWS = 2, LIKES = 7, NAME = 1, AGE = 4 };

static int
setup(void **state)
{
    (void)state;
    store_fixture_create(&fix);
    a = store_node_allocate(fix.store, 0);
    b = store_node_allocate(fix.store, 0);
    c = store_node_allocate(fix.store, 0);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    assert_true(store_is_sane(fix.store));
    store_fixture_destroy(&fix);
    return 0;
}

/* Three nodes, committed: a is a PERSON of age 30. */
static void
three_nodes(void)
{
    const uint32_t person = PERSON;
    const struct property age = {.key = AGE, .value = value_integer(30)};
    struct view view = fixture_begin(&fix);
    assert_int_equal(fixture_node(&fix, view, a, &person, 1, &age, 1), 0);
    assert_int_equal(fixture_node(&fix, view, b, NULL, 0, NULL, 0), 0);
    assert_int_equal(fixture_node(&fix, view, c, NULL, 0, NULL, 0), 0);
    fixture_commit(&fix, view);
}

static uint32_t
expand(struct view view, node_id node, enum direction direction, uint64_t *others, uint32_t max)
{
    struct expand_cursor cursor = {0};
    struct expand_output out = {.others = others};
    uint32_t count = store_expand(
        fix.store, view, &node.id, 1, direction, NULL, 0, &cursor, &out, max);
    return count;
}

static void
intents_are_seen_by_their_transaction_only(void **state)
{
    (void)state;
    struct view mine = fixture_begin(&fix), other = fixture_begin(&fix);
    const uint32_t labels[] = {CITY, PERSON};
    const struct property name = {.key = NAME, .value = value_string(TEXT("Ada"))};
    assert_int_equal(fixture_node(&fix, mine, a, labels, 2, &name, 1), 0);
    assert_int_equal(fix.outcome.labels_added, 2);
    assert_int_equal(fix.outcome.properties_set, 1);
    assert_true(store_node_exists(fix.store, mine, a));
    assert_false(store_node_exists(fix.store, other, a));
    assert_true(text_equal(value_text(store_node_property(fix.store, mine, a, NAME)), TEXT("Ada")));
    assert_true(value_is_null(store_node_property(fix.store, other, a, NAME)));
    uint32_t out[4];
    assert_int_equal(store_node_labels(fix.store, mine, a, out, 4), 2);
    assert_int_equal(out[0], PERSON);
    assert_int_equal(out[1], CITY);
    assert_int_equal(store_node_count(fix.store, LABEL_ANY), 0);
    fixture_commit(&fix, mine);
    assert_false(store_node_exists(fix.store, other, a)); /* its snapshot is older */
    assert_true(store_node_exists(fix.store, fixture_now(&fix), a));
    assert_int_equal(store_node_count(fix.store, LABEL_ANY), 1);
    assert_int_equal(store_node_count(fix.store, CITY), 1);
}

static void
an_aborted_transaction_leaves_nothing(void **state)
{
    (void)state;
    three_nodes();
    struct view view = fixture_begin(&fix);
    const uint32_t city = CITY;
    assert_int_equal(fixture_set(&fix, view, a, AGE, value_integer(31)), 0);
    assert_int_equal(fixture_set(&fix, view, a, AGE, value_integer(32)), 0);
    assert_int_equal(fixture_labels(&fix, view, a, &city, 1, 0), 0);
    assert_int_equal(fixture_rel(&fix, view, a, b, KNOWS, NULL), 0);
    assert_int_equal(fixture_node_delete(&fix, view, c), 0);
    store_abort(fix.store, view.txid);
    struct view now = fixture_now(&fix);
    uint64_t others[4];
    assert_int_equal(store_node_property(fix.store, now, a, AGE).integer, 30);
    assert_false(store_node_has_label(fix.store, now, a, CITY));
    assert_int_equal(expand(now, a, DIRECTION_BOTH, others, 4), 0);
    assert_true(store_node_exists(fix.store, now, c));
    assert_int_equal(store_rel_count(fix.store, TYPE_ANY), 0);
}

static void
old_snapshots_keep_seeing_what_they_saw(void **state)
{
    (void)state;
    three_nodes();
    struct view old = fixture_now(&fix);
    rel_id rel;
    struct view view = fixture_begin(&fix);
    assert_int_equal(fixture_rel(&fix, view, a, b, KNOWS, &rel), 0);
    assert_int_equal(fixture_set(&fix, view, a, AGE, value_string(TEXT("old"))), 0);
    fixture_commit(&fix, view);
    struct view middle = fixture_now(&fix);
    view = fixture_begin(&fix);
    assert_int_equal(fixture_rel_delete(&fix, view, rel, a, b, KNOWS), 0);
    assert_int_equal(fixture_set(&fix, view, a, AGE, value_null()), 0);
    fixture_commit(&fix, view);
    struct view now = fixture_now(&fix);
    uint64_t others[4];
    for (int collected = 0; collected < 2; collected++) {
        assert_int_equal(expand(old, a, DIRECTION_OUT, others, 4), 0);
        assert_int_equal(expand(middle, a, DIRECTION_OUT, others, 4), 1);
        assert_int_equal(others[0], b.id);
        assert_int_equal(expand(now, a, DIRECTION_OUT, others, 4), 0);
        assert_int_equal(store_node_property(fix.store, old, a, AGE).integer, 30);
        assert_int_equal(store_node_property(fix.store, middle, a, AGE).type, VALUE_STRING);
        assert_true(value_is_null(store_node_property(fix.store, now, a, AGE)));
        struct rel_record record;
        assert_false(store_rel_get(fix.store, old, rel, &record));
        assert_true(store_rel_get(fix.store, middle, rel, &record));
        assert_int_equal(record.end.id, b.id);
        assert_false(store_rel_get(fix.store, now, rel, &record));
        store_collect(
            fix.store, old.snapshot, 1000000); /* must not take anything the snapshots need */
    }
    store_collect(fix.store, now.snapshot, 1000000);
    assert_int_equal(expand(now, a, DIRECTION_OUT, others, 4), 0);
    assert_int_equal(expand(now, b, DIRECTION_IN, others, 4), 0);
    assert_true(value_is_null(store_node_property(fix.store, now, a, AGE)));
}

static void
the_first_committer_of_a_property_wins(void **state)
{
    (void)state;
    three_nodes();
    struct view first = fixture_begin(&fix), second = fixture_begin(&fix);
    assert_int_equal(fixture_set(&fix, first, a, AGE, value_integer(1)), 0);
    assert_int_equal(err_code(fixture_set(&fix, second, a, AGE, value_integer(2))), ERR_DEADLOCK);
    assert_int_equal(fix.outcome.blocking_txid, first.txid);
    fixture_commit(&fix, first);
    assert_int_equal(err_code(fixture_set(&fix, second, a, AGE, value_integer(2))), ERR_CONFLICT);
    assert_int_equal(
        fixture_set(&fix, second, a, NAME, value_integer(2)), 0); /* another property is free */
    store_abort(fix.store, second.txid);
}

static void
labels_and_properties_of_a_node_conflict(void **state)
{
    (void)state;
    three_nodes();
    const uint32_t city = CITY;
    struct view first = fixture_begin(&fix), second = fixture_begin(&fix);
    assert_int_equal(fixture_labels(&fix, first, a, &city, 1, 0), 0);
    assert_int_equal(err_code(fixture_set(&fix, second, a, AGE, value_integer(2))), ERR_DEADLOCK);
    fixture_commit(&fix, first);
    assert_int_equal(err_code(fixture_set(&fix, second, a, AGE, value_integer(2))), ERR_CONFLICT);
    assert_int_equal(err_code(fixture_labels(&fix, second, a, &city, 0, 1)), ERR_CONFLICT);
    store_abort(fix.store, second.txid);
}

static void
relationships_at_one_node_do_not_conflict(void **state)
{
    (void)state;
    three_nodes();
    struct view first = fixture_begin(&fix), second = fixture_begin(&fix);
    assert_int_equal(fixture_rel(&fix, first, a, b, KNOWS, NULL), 0);
    assert_int_equal(fixture_rel(&fix, second, a, c, KNOWS, NULL), 0);
    uint64_t others[4];
    assert_int_equal(expand(first, a, DIRECTION_OUT, others, 4), 1);
    assert_int_equal(others[0], b.id);
    fixture_commit(&fix, second);
    fixture_commit(&fix, first);
    assert_int_equal(expand(fixture_now(&fix), a, DIRECTION_OUT, others, 4), 2);
    assert_int_equal(store_rel_count(fix.store, KNOWS), 2);
}

static void
a_node_cannot_be_deleted_under_a_new_relationship(void **state)
{
    (void)state;
    three_nodes();
    struct view rel = fixture_begin(&fix), del = fixture_begin(&fix);
    assert_int_equal(fixture_rel(&fix, rel, a, b, KNOWS, NULL), 0);
    assert_int_equal(err_code(fixture_node_delete(&fix, del, a)), ERR_DEADLOCK);
    assert_int_equal(fix.outcome.blocking_txid, rel.txid);
    assert_int_equal(err_code(fixture_node_delete(&fix, del, b)), ERR_DEADLOCK);
    fixture_commit(&fix, rel);
    assert_int_equal(err_code(fixture_node_delete(&fix, del, a)), ERR_CONFLICT);
    store_abort(fix.store, del.txid);
    del = fixture_begin(&fix);
    assert_int_equal(err_code(fixture_node_delete(&fix, del, a)), ERR_NODE_HAS_RELATIONSHIPS);
    store_abort(fix.store, del.txid);
}

static void
a_relationship_cannot_be_made_at_a_node_being_deleted(void **state)
{
    (void)state;
    three_nodes();
    struct view del = fixture_begin(&fix), rel = fixture_begin(&fix);
    assert_int_equal(fixture_node_delete(&fix, del, a), 0);
    assert_int_equal(err_code(fixture_rel(&fix, rel, a, b, KNOWS, NULL)), ERR_DEADLOCK);
    assert_int_equal(err_code(fixture_rel(&fix, rel, b, a, KNOWS, NULL)), ERR_DEADLOCK);
    store_abort(fix.store, rel.txid);
    rel = fixture_begin(&fix);
    fixture_commit(&fix, del);
    assert_int_equal(err_code(fixture_rel(&fix, rel, a, b, KNOWS, NULL)), ERR_CONFLICT);
    store_abort(fix.store, rel.txid);
    rel = fixture_begin(&fix);
    assert_int_equal(err_code(fixture_rel(&fix, rel, a, b, KNOWS, NULL)), ERR_ENTITY_NOT_FOUND);
    store_abort(fix.store, rel.txid);
}

static void
a_node_goes_together_with_its_last_relationships(void **state)
{
    (void)state;
    three_nodes();
    rel_id rel;
    struct view view = fixture_begin(&fix);
    assert_int_equal(fixture_rel(&fix, view, a, b, KNOWS, &rel), 0);
    fixture_commit(&fix, view);
    store_collect(fix.store, fix.timestamp, 1000000);
    view = fixture_begin(&fix);
    assert_int_equal(err_code(fixture_node_delete(&fix, view, a)), ERR_NODE_HAS_RELATIONSHIPS);
    assert_int_equal(fixture_rel_delete(&fix, view, rel, a, b, KNOWS), 0);
    assert_int_equal(fixture_node_delete(&fix, view, a), 0);
    assert_false(store_node_exists(fix.store, view, a));
    assert_true(value_is_null(store_node_property(fix.store, view, a, AGE)));
    fixture_commit(&fix, view);
    store_collect(fix.store, fix.timestamp, 1000000);
    assert_false(store_node_exists(fix.store, fixture_now(&fix), a));
    assert_int_equal(store_node_count(fix.store, PERSON), 0);
    assert_int_equal(store_rel_count(fix.store, TYPE_ANY), 0);
}

static void
property_of_a_relationship_conflicts_with_its_deletion(void **state)
{
    (void)state;
    three_nodes();
    rel_id rel;
    struct view view = fixture_begin(&fix);
    assert_int_equal(fixture_rel(&fix, view, a, b, KNOWS, &rel), 0);
    fixture_commit(&fix, view);
    const struct property since = {.key = AGE, .value = value_integer(2001)};
    const struct operation set = {
        .type = OPERATION_REL_PROPERTIES, .rel = rel, .properties = &since, .property_count = 1};
    struct view del = fixture_begin(&fix);
    view = fixture_begin(&fix);
    assert_int_equal(fixture_rel_delete(&fix, del, rel, a, b, KNOWS), 0);
    assert_int_equal(err_code(fixture_apply(&fix, view, set)), ERR_DEADLOCK);
    store_abort(fix.store, del.txid);
    assert_int_equal(fixture_apply(&fix, view, set), 0);
    del = fixture_begin(&fix);
    assert_int_equal(err_code(fixture_rel_delete(&fix, del, rel, a, b, KNOWS)), ERR_DEADLOCK);
    fixture_commit(&fix, view);
    assert_int_equal(err_code(fixture_rel_delete(&fix, del, rel, a, b, KNOWS)), ERR_CONFLICT);
    store_abort(fix.store, del.txid);
    assert_int_equal(store_rel_property(fix.store, fixture_now(&fix), rel, AGE).integer, 2001);
    struct property out[2];
    assert_int_equal(store_rel_properties(fix.store, fixture_now(&fix), rel, out, 2), 1);
}

static void
replace_removes_what_is_not_named(void **state)
{
    (void)state;
    three_nodes();
    const struct property name = {.key = NAME, .value = value_string(TEXT("Bob"))};
    struct view view = fixture_begin(&fix);
    const struct operation set = {
        .type = OPERATION_NODE_PROPERTIES,
        .node = a,
        .replace = true,
        .properties = &name,
        .property_count = 1};
    assert_int_equal(fixture_apply(&fix, view, set), 0);
    assert_int_equal(fix.outcome.properties_set, 2);
    struct property out[4];
    assert_int_equal(store_node_properties(fix.store, view, a, out, 4), 1);
    assert_int_equal(out[0].key, NAME);
    fixture_commit(&fix, view);
    store_collect(fix.store, fix.timestamp, 1000000);
    assert_int_equal(store_node_properties(fix.store, fixture_now(&fix), a, out, 4), 1);
}

/* A cell chunk starts typed and must survive values of other types and the reserved word. */
static void
cells_hold_any_mix_of_values(void **state)
{
    (void)state;
    three_nodes();
    struct value odd = value_integer((int64_t)UINT64_C(0xfff4a5c3d21e9687));
    const struct value items[] = {value_string(TEXT("x")), value_string(TEXT("yy"))};
    const struct value values[] = {
        value_integer(7),
        odd,
        value_string(TEXT("a string longer than sixteen bytes")),
        value_list(items, 2),
        value_float(2.5),
        value_null(),
        value_boolean(true)};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct view view = fixture_begin(&fix);
        assert_int_equal(fixture_set(&fix, view, b, AGE, values[i]), 0);
        fixture_commit(&fix, view);
        for (int collected = 0; collected < 2; collected++) {
            struct value got = store_node_property(fix.store, fixture_now(&fix), b, AGE);
            assert_int_equal(got.type, values[i].type);
            if (!value_is_null(got)) {
                assert_int_equal(property_size(got), property_size(values[i]));
                assert_int_equal(property_index_hash(got), property_index_hash(values[i]));
            }
            assert_int_equal(store_node_property(fix.store, fixture_now(&fix), a, AGE).integer, 30);
            store_collect(fix.store, fix.timestamp, 1000000);
        }
    }
}

static void
expansion_filters_types_and_sees_a_loop_once(void **state)
{
    (void)state;
    three_nodes();
    rel_id loop;
    struct view view = fixture_begin(&fix);
    assert_int_equal(fixture_rel(&fix, view, a, a, KNOWS, &loop), 0);
    assert_int_equal(fixture_rel(&fix, view, a, b, LIKES, NULL), 0);
    assert_int_equal(fixture_rel(&fix, view, c, a, KNOWS, NULL), 0);
    fixture_commit(&fix, view);
    const uint32_t knows = KNOWS;
    for (int collected = 0; collected < 2; collected++) {
        view = fixture_now(&fix);
        assert_int_equal(store_degree(fix.store, view, a, DIRECTION_BOTH, NULL, 0), 3);
        assert_int_equal(store_degree(fix.store, view, a, DIRECTION_BOTH, &knows, 1), 2);
        assert_int_equal(store_degree(fix.store, view, a, DIRECTION_IN, NULL, 0), 2);
        uint64_t others[8], rels[8];
        uint32_t types[8], rows[8];
        uint8_t directions[8];
        struct expand_output out = {rows, others, rels, types, directions};
        struct expand_cursor cursor = {0};
        const uint64_t sources[] = {b.id, a.id};
        uint32_t count = store_expand(
            fix.store, view, sources, 2, DIRECTION_BOTH, &knows, 1, &cursor, &out, 8);
        assert_int_equal(count, 2);
        assert_int_equal(rows[0], 1);
        assert_int_equal(others[0], a.id);
        assert_int_equal(rels[0], loop.id);
        assert_int_equal(directions[0], DIRECTION_OUT);
        assert_int_equal(others[1], c.id);
        assert_int_equal(partition_of(rels[1]), partition_of(c.id));
        assert_int_equal(directions[1], DIRECTION_IN);
        cursor = (struct expand_cursor){0};
        count = store_expand_into(fix.store, view, a, a, DIRECTION_BOTH, NULL, 0, &cursor, &out, 8);
        assert_int_equal(count, 1);
        assert_true(cursor.done);
        cursor = (struct expand_cursor){0};
        count = store_expand_into(fix.store, view, a, b, DIRECTION_BOTH, NULL, 0, &cursor, &out, 8);
        assert_int_equal(count, 1);
        assert_int_equal(types[0], LIKES);
        store_collect(fix.store, fix.timestamp, 1000000);
    }
}

/* The same list in slices of every size, half of it in the base, half in the delta. */
static void
expansion_resumes_where_it_stopped(void **state)
{
    (void)state;
    three_nodes();
    struct view view = fixture_begin(&fix);
    node_id others[40];
    for (int i = 0; i < 40; i++) {
        others[i] = store_node_allocate(fix.store, 0);
        assert_int_equal(fixture_node(&fix, view, others[i], NULL, 0, NULL, 0), 0);
    }
    for (int i = 0; i < 40; i += 2)
        assert_int_equal(fixture_rel(&fix, view, a, others[i], KNOWS + (uint32_t)i % 3, NULL), 0);
    fixture_commit(&fix, view);
    store_collect(fix.store, fix.timestamp, 1000000);
    view = fixture_begin(&fix);
    for (int i = 39; i > 0; i -= 2)
        assert_int_equal(fixture_rel(&fix, view, others[i], a, KNOWS + (uint32_t)i % 3, NULL), 0);
    for (int i = 39; i > 0; i -= 4)
        assert_int_equal(fixture_rel(&fix, view, a, others[i], KNOWS + (uint32_t)i % 3, NULL), 0);
    uint64_t whole[64], part[64], rels[64];
    uint32_t total = expand(view, a, DIRECTION_BOTH, whole, 64);
    assert_int_equal(total, 50);
    for (uint32_t max = 1; max < 52; max++) {
        struct expand_cursor cursor = {0};
        uint32_t count = 0;
        while (!cursor.done) {
            struct expand_output out = {.others = part + count, .rels = rels + count};
            count += store_expand(
                fix.store, view, &a.id, 1, DIRECTION_BOTH, NULL, 0, &cursor, &out, max);
            assert_true(count <= 50);
        }
        assert_int_equal(count, total);
        assert_memory_equal(part, whole, sizeof(*whole) * total);
    }
    store_abort(fix.store, view.txid);
}

static void
columns_select_by_property_and_label(void **state)
{
    (void)state;
    const uint32_t person = PERSON;
    uint64_t nodes[600];
    uint32_t selected[600];
    struct value column[600];
    struct view view = fixture_begin(&fix);
    for (uint32_t i = 0; i < 600; i++) {
        node_id node = store_node_allocate(fix.store, 0);
        nodes[i] = node.id;
        const struct property age = {.key = AGE, .value = value_integer(i % 100)};
        assert_int_equal(fixture_node(&fix, view, node, &person, i % 3 == 0, &age, i % 5 != 0), 0);
    }
    fixture_commit(&fix, view);
    for (int collected = 0; collected < 2; collected++) {
        view = fixture_now(&fix);
        uint32_t expected = 0;
        for (uint32_t i = 0; i < 600; i++)
            expected += i % 5 != 0 && i % 100 < 50;
        assert_int_equal(
            store_node_select_property(
                fix.store, view, nodes, 600, AGE, COMPARE_LT, value_integer(50), selected),
            expected);
        assert_int_equal(
            store_node_select_property(
                fix.store, view, nodes, 600, AGE, COMPARE_LT, value_float(49.5), selected),
            expected);
        assert_int_equal(selected[0], 1);
        assert_int_equal(
            store_node_select_property(
                fix.store, view, nodes, 600, AGE, COMPARE_NE, value_string(TEXT("x")), selected),
            0);
        assert_int_equal(
            store_node_select_label(fix.store, view, nodes, 600, PERSON, selected), 200);
        assert_int_equal(selected[1], 3);
        store_node_property_column(fix.store, view, nodes, 600, AGE, column);
        for (uint32_t i = 0; i < 600; i++)
            assert_int_equal(column[i].type, i % 5 ? VALUE_INTEGER : VALUE_NULL);
        assert_int_equal(column[599].integer, 99);
        store_collect(fix.store, fix.timestamp, 1000000);
    }
}

static void
scans_return_each_node_once_in_order(void **state)
{
    (void)state;
    const uint32_t person = PERSON;
    struct view view = fixture_begin(&fix);
    for (uint32_t i = 0; i < 500; i++)
        assert_int_equal(
            fixture_node(
                &fix, view, store_node_allocate(fix.store, 0), &person, i % 4 == 0, NULL, 0),
            0);
    fixture_commit(&fix, view);
    for (int collected = 0; collected < 2; collected++) {
        uint64_t out[7], last = 0, count = 0, all = 0;
        struct scan_cursor cursor = {0};
        while (!cursor.done) {
            uint32_t got = store_scan_nodes(fix.store, fixture_now(&fix), PERSON, &cursor, out, 7);
            for (uint32_t i = 0; i < got; i++) {
                uint64_t place = (uint64_t)partition_of(out[i]) << 40 | out[i] >> PARTITION_BITS;
                assert_true(place > last);
                last = place;
            }
            count += got;
        }
        assert_int_equal(count, 125);
        for (cursor = (struct scan_cursor){0}; !cursor.done;)
            all += store_scan_nodes(fix.store, fixture_now(&fix), LABEL_ANY, &cursor, out, 7);
        assert_int_equal(all, 500);
        store_collect(fix.store, fix.timestamp, 1000000);
    }
}

static uint32_t
seek(struct view view, uint32_t index, struct value value, uint64_t *out, uint32_t max)
{
    struct expand_cursor cursor = {0};
    uint32_t count = store_index_seek(fix.store, view, index, value, &cursor, out, max);
    return count;
}

static void
index_entries_follow_labels_and_properties(void **state)
{
    (void)state;
    uint32_t index = fixture_index(&fix, PERSON, AGE, false, INDEX_ONLINE);
    three_nodes();
    struct view first = fixture_now(&fix);
    uint64_t out[4];
    assert_int_equal(seek(first, index, value_integer(30), out, 4), 1);
    assert_int_equal(out[0], a.id);
    assert_int_equal(seek(first, index, value_float(30.0), out, 4), 1);
    struct view view = fixture_begin(&fix);
    const uint32_t person = PERSON;
    assert_int_equal(fixture_set(&fix, view, a, AGE, value_integer(31)), 0);
    assert_int_equal(fixture_set(&fix, view, b, AGE, value_integer(31)), 0);
    assert_int_equal(seek(view, index, value_integer(31), out, 4), 1); /* b is no PERSON yet */
    assert_int_equal(fixture_labels(&fix, view, b, &person, 1, 0), 0);
    assert_int_equal(seek(view, index, value_integer(31), out, 4), 2);
    assert_int_equal(seek(view, index, value_integer(30), out, 4), 0);
    assert_int_equal(seek(first, index, value_integer(30), out, 4), 1);
    fixture_commit(&fix, view);
    view = fixture_begin(&fix);
    assert_int_equal(fixture_set(&fix, view, a, AGE, value_integer(30)), 0);
    assert_int_equal(fixture_node_delete(&fix, view, b), 0);
    fixture_commit(&fix, view);
    for (int collected = 0; collected < 2; collected++) {
        assert_int_equal(seek(fixture_now(&fix), index, value_integer(30), out, 4), 1);
        assert_int_equal(seek(fixture_now(&fix), index, value_integer(31), out, 4), 0);
        store_collect(fix.store, fix.timestamp, 1000000);
    }
}

static void
unique_values_conflict_or_break_the_constraint(void **state)
{
    (void)state;
    fixture_index(&fix, PERSON, NAME, true, INDEX_ONLINE);
    const uint32_t person = PERSON;
    const struct property name = {.key = NAME, .value = value_string(TEXT("Ada"))};
    struct view first = fixture_begin(&fix), second = fixture_begin(&fix);
    assert_int_equal(fixture_node(&fix, first, a, &person, 1, &name, 1), 0);
    assert_int_equal(err_code(fixture_node(&fix, second, b, &person, 1, &name, 1)), ERR_DEADLOCK);
    store_abort(fix.store, second.txid);
    second = fixture_begin(&fix);
    fixture_commit(&fix, first);
    assert_int_equal(err_code(fixture_node(&fix, second, b, &person, 1, &name, 1)), ERR_CONFLICT);
    store_abort(fix.store, second.txid);
    for (int collected = 0; collected < 2; collected++) {
        second = fixture_begin(&fix);
        assert_int_equal(
            err_code(fixture_node(&fix, second, b, &person, 1, &name, 1)), ERR_CONSTRAINT);
        assert_int_equal(fix.outcome.conflicting_node, a.id);
        store_abort(fix.store, second.txid);
        store_collect(fix.store, fix.timestamp, 1000000);
    }
    second = fixture_begin(&fix);
    assert_int_equal(fixture_set(&fix, second, a, NAME, value_null()), 0);
    assert_int_equal(
        fixture_node(&fix, second, b, &person, 1, &name, 1),
        0); /* given up in the same transaction */
    fixture_commit(&fix, second);
}

static void
replayed_history_reads_like_the_original(void **state)
{
    (void)state;
    const uint32_t labels[] = {PERSON, CITY};
    const struct property props[] = {
        {.key = AGE, .value = value_integer(30)},
        {.key = NAME, .value = value_string(TEXT("Ada"))}};
    const rel_id first = {UINT64_C(1) << PARTITION_BITS | partition_of(a.id)};
    const rel_id second = {UINT64_C(2) << PARTITION_BITS | partition_of(a.id)};
    const struct operation history[] = {
        {.type = OPERATION_NODE_CREATE,
         .node = a,
         .labels = labels,
         .label_count = 2,
         .properties = props,
         .property_count = 2},
        {.type = OPERATION_NODE_CREATE, .node = b, .labels = labels, .label_count = 1},
        {.type = OPERATION_NODE_CREATE, .node = c},
        {.type = OPERATION_REL_CREATE,
         .rel = first,
         .start = a,
         .end = b,
         .rel_type = KNOWS,
         .properties = props,
         .property_count = 1},
        {.type = OPERATION_REL_ATTACH, .rel = first, .start = a, .end = b, .rel_type = KNOWS},
        {.type = OPERATION_REL_CREATE, .rel = second, .start = a, .end = c, .rel_type = LIKES},
        {.type = OPERATION_REL_ATTACH, .rel = second, .start = a, .end = c, .rel_type = LIKES},
        {.type = OPERATION_REL_DELETE, .rel = second, .start = a, .end = c, .rel_type = LIKES},
        {.type = OPERATION_REL_DETACH, .rel = second, .start = a, .end = c, .rel_type = LIKES},
        {.type = OPERATION_NODE_LABELS,
         .node = a,
         .labels = labels,
         .label_count = 0,
         .removed_label_count = 1},
        {.type = OPERATION_NODE_PROPERTIES,
         .node = a,
         .replace = true,
         .properties = props,
         .property_count = 1},
        {.type = OPERATION_NODE_DELETE, .node = c},
    };
    for (size_t i = 0; i < sizeof(history) / sizeof(history[0]); i++)
        assert_int_equal(store_replay(fix.store, &history[i], i + 2, &fix.arena), 0);
    assert_int_equal(store_replay_finish(fix.store), 0);
    struct view now = {.snapshot = 100};
    uint64_t others[4];
    assert_int_equal(expand(now, a, DIRECTION_OUT, others, 4), 1);
    assert_int_equal(others[0], b.id);
    assert_int_equal(expand(now, b, DIRECTION_IN, others, 4), 1);
    assert_int_equal(expand(now, c, DIRECTION_IN, others, 4), 0);
    assert_false(store_node_exists(fix.store, now, c));
    assert_true(store_node_has_label(fix.store, now, a, CITY));
    assert_false(store_node_has_label(fix.store, now, a, PERSON));
    assert_true(value_is_null(store_node_property(fix.store, now, a, NAME)));
    assert_int_equal(store_rel_property(fix.store, now, first, AGE).integer, 30);
    struct rel_record record;
    assert_true(store_rel_get(fix.store, now, first, &record));
    assert_false(store_rel_get(fix.store, now, second, &record));
    assert_int_equal(store_node_count(fix.store, LABEL_ANY), 2);
    assert_int_equal(store_rel_count(fix.store, TYPE_ANY), 1);
    /* Ids go on above what history used. */
    fix.timestamp = 100;
    struct view view = fixture_begin(&fix);
    rel_id third;
    assert_int_equal(fixture_rel(&fix, view, a, b, KNOWS, &third), 0);
    assert_true(third.id > second.id);
    store_abort(fix.store, view.txid);
}

/* Many inserts at one node by one transaction, ended either way. */
static void
a_hub_takes_many_inserts(void **state)
{
    (void)state;
    three_nodes();
    enum { COUNT = 3000 };
    static uint64_t others[COUNT + 1];
    struct view view = fixture_begin(&fix);
    static node_id ends[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        ends[i] = store_node_allocate(fix.store, 0);
        assert_int_equal(fixture_node(&fix, view, ends[i], NULL, 0, NULL, 0), 0);
    }
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(fixture_rel(&fix, view, a, ends[(i * 7919u) % COUNT], KNOWS, NULL), 0);
    fixture_commit(&fix, view);
    assert_int_equal(expand(fixture_now(&fix), a, DIRECTION_OUT, others, COUNT + 1), COUNT);
    for (uint32_t i = 1; i < COUNT; i++)
        assert_true(others[i - 1] < others[i]);
    view = fixture_begin(&fix);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(fixture_rel(&fix, view, a, ends[(i * 7919u) % COUNT], LIKES, NULL), 0);
    store_abort(fix.store, view.txid);
    assert_true(store_is_sane(fix.store));
    store_collect(fix.store, fix.timestamp, 1000000);
    assert_int_equal(expand(fixture_now(&fix), a, DIRECTION_OUT, others, COUNT + 1), COUNT);
    assert_int_equal(store_rel_count(fix.store, TYPE_ANY), COUNT);
}

/* Few intents in a long list end one by one, without a walk over the list. */
static void
a_small_change_of_a_long_list_ends_alone(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    static uint64_t others[COUNT + 2];
    static rel_id rels[COUNT];
    three_nodes();
    struct view view = fixture_begin(&fix);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(fixture_rel(&fix, view, a, i % 2 ? b : c, KNOWS + i % 3, &rels[i]), 0);
    fixture_commit(&fix, view);
    for (int commit = 0; commit < 2; commit++) {
        view = fixture_begin(&fix);
        assert_int_equal(fixture_rel(&fix, view, a, b, LIKES, NULL), 0);
        assert_int_equal(fixture_rel_delete(&fix, view, rels[501], a, b, KNOWS), 0);
        assert_int_equal(fixture_rel_delete(&fix, view, rels[502], a, c, KNOWS + 1), 0);
        assert_int_equal(expand(view, a, DIRECTION_OUT, others, COUNT + 2), COUNT - 1);
        if (commit)
            fixture_commit(&fix, view);
        else
            store_abort(fix.store, view.txid);
        uint32_t left = commit ? COUNT - 1 : COUNT;
        assert_int_equal(expand(fixture_now(&fix), a, DIRECTION_OUT, others, COUNT + 2), left);
        assert_int_equal(store_rel_count(fix.store, TYPE_ANY), left);
        assert_true(store_is_sane(fix.store));
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(intents_are_seen_by_their_transaction_only),
        TEST(an_aborted_transaction_leaves_nothing),
        TEST(old_snapshots_keep_seeing_what_they_saw),
        TEST(the_first_committer_of_a_property_wins),
        TEST(labels_and_properties_of_a_node_conflict),
        TEST(relationships_at_one_node_do_not_conflict),
        TEST(a_node_cannot_be_deleted_under_a_new_relationship),
        TEST(a_relationship_cannot_be_made_at_a_node_being_deleted),
        TEST(a_node_goes_together_with_its_last_relationships),
        TEST(property_of_a_relationship_conflicts_with_its_deletion),
        TEST(replace_removes_what_is_not_named),
        TEST(cells_hold_any_mix_of_values),
        TEST(expansion_filters_types_and_sees_a_loop_once),
        TEST(expansion_resumes_where_it_stopped),
        TEST(columns_select_by_property_and_label),
        TEST(scans_return_each_node_once_in_order),
        TEST(index_entries_follow_labels_and_properties),
        TEST(unique_values_conflict_or_break_the_constraint),
        TEST(replayed_history_reads_like_the_original),
        TEST(a_hub_takes_many_inserts),
        TEST(a_small_change_of_a_long_list_ends_alone),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
