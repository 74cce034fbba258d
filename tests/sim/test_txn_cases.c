/* Single questions about transactions, answered by shards in the simulator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/txn_fixture.h"

enum { SEGMENT_SIZE = 1 << 20 };

static struct txn_fixture fix;
static node_id nodes[3]; /* one on each shard, value 10 */

static void
three_nodes(void)
{
    struct txn *txn = fixture_txn_begin(&fix, 0);
    struct operation operations[6];
    struct property properties[3];
    for (uint32_t i = 0; i < 3; i++) {
        nodes[i] = fixture_node_id(&fix, i % sim_shard_count(fix.sim));
        operations[i] = fixture_node_create(nodes[i]);
        operations[3 + i] = fixture_node_set(nodes[i], &properties[i], 10);
    }
    assert_int_equal(fixture_txn_write(&fix, txn, operations, 6, NULL, NULL), 0);
    assert_int_equal(fixture_txn_commit(&fix, txn, NULL), 0);
}

static int
setup(void **state)
{
    (void)state;
    txn_fixture_create(&fix, 1, 3, SEGMENT_SIZE);
    three_nodes();
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    txn_fixture_destroy(&fix);
    return 0;
}

static err_t
set(struct txn *txn, node_id node, int64_t value)
{
    struct property property;
    struct operation operation = fixture_node_set(node, &property, value);
    return fixture_txn_write(&fix, txn, &operation, 1, NULL, NULL);
}

/* --- conflicts --- */

static void
the_first_committer_wins(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        struct txn *first = fixture_txn_begin(&fix, 0), *second = fixture_txn_begin(&fix, 1);
        assert_int_equal(set(first, nodes[i], 11), 0);
        assert_int_equal(fixture_txn_commit(&fix, first, NULL), 0);
        assert_int_equal(err_code(set(second, nodes[i], 12)), ERR_CONFLICT);
        fixture_txn_abort(&fix, second);
        assert_int_equal(fixture_node_value(&fix, nodes[i]), 11);
    }
}

static void
a_younger_transaction_dies_at_once(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        struct txn *older = fixture_txn_begin(&fix, 1);
        sim_run_for(fix.sim, SIM_MILLISECOND);
        struct txn *younger = fixture_txn_begin(&fix, 2);
        assert_int_equal(set(older, nodes[i], 1), 0);
        uint64_t before = sim_now_ns(fix.sim);
        assert_int_equal(err_code(set(younger, nodes[i], 2)), ERR_DEADLOCK);
        assert_true(sim_now_ns(fix.sim) - before < 4 * SIM_MILLISECOND);
        fixture_txn_abort(&fix, younger);
        fixture_txn_abort(&fix, older);
    }
}

static void
an_older_transaction_waits_for_a_younger_that_aborts(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        struct txn *older = fixture_txn_begin(&fix, 1);
        sim_run_for(fix.sim, SIM_MILLISECOND);
        struct txn *younger = fixture_txn_begin(&fix, 2);
        struct property property;
        struct operation operation = fixture_node_set(nodes[i], &property, 20 + i);
        struct fixture_write write;
        assert_int_equal(set(younger, nodes[i], 2), 0);
        fixture_write_start(&fix, older, &write, &operation, 1, NULL);
        sim_run_for(fix.sim, SIM_MILLISECOND);
        assert_false(write.finished);
        fixture_txn_abort(&fix, younger);
        assert_int_equal(fixture_write_wait(&fix, &write), 0);
        assert_int_equal(fixture_txn_commit(&fix, older, NULL), 0);
        assert_int_equal(fixture_node_value(&fix, nodes[i]), 20 + i);
    }
}

static void
an_older_transaction_waits_five_milliseconds_at_most(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        struct txn *older = fixture_txn_begin(&fix, 1);
        sim_run_for(fix.sim, SIM_MILLISECOND);
        struct txn *younger = fixture_txn_begin(&fix, 2);
        assert_int_equal(set(younger, nodes[i], 2), 0);
        uint64_t before = sim_now_ns(fix.sim);
        assert_int_equal(err_code(set(older, nodes[i], 3)), ERR_DEADLOCK);
        assert_true(sim_now_ns(fix.sim) - before >= 4 * SIM_MILLISECOND);
        assert_true(sim_now_ns(fix.sim) - before < 12 * SIM_MILLISECOND);
        fixture_txn_abort(&fix, older);
        fixture_txn_abort(&fix, younger);
    }
}

static void
relationships_at_one_node_do_not_conflict(void **state)
{
    (void)state;
    struct txn *a = fixture_txn_begin(&fix, 0), *b = fixture_txn_begin(&fix, 1);
    struct operation to = fixture_rel_create(nodes[0], nodes[1]),
                     from = fixture_rel_create(nodes[1], nodes[0]);
    rel_id first, second;
    assert_int_equal(fixture_txn_write(&fix, a, &to, 1, &first, NULL), 0);
    assert_int_equal(fixture_txn_write(&fix, b, &from, 1, &second, NULL), 0);
    assert_int_equal(fixture_txn_commit(&fix, a, NULL), 0);
    assert_int_equal(fixture_txn_commit(&fix, b, NULL), 0);
    assert_true(first.id && second.id && first.id != second.id);
    assert_int_equal(fixture_degree(&fix, nodes[0], DIRECTION_OUT), 1);
    assert_int_equal(fixture_degree(&fix, nodes[0], DIRECTION_IN), 1);
    assert_int_equal(fixture_degree(&fix, nodes[1], DIRECTION_BOTH), 2);
}

static void
a_node_deleted_meanwhile_gets_no_relationship(void **state)
{
    (void)state;
    struct txn *deleter = fixture_txn_begin(&fix, 0), *other = fixture_txn_begin(&fix, 1);
    struct operation gone = {.type = OPERATION_NODE_DELETE, .node = nodes[2]};
    struct operation rel = fixture_rel_create(nodes[0], nodes[2]);
    assert_int_equal(fixture_txn_write(&fix, deleter, &gone, 1, NULL, NULL), 0);
    assert_int_equal(fixture_txn_commit(&fix, deleter, NULL), 0);
    assert_int_equal(err_code(fixture_txn_write(&fix, other, &rel, 1, NULL, NULL)), ERR_CONFLICT);
    fixture_txn_abort(&fix, other);
    assert_int_equal(fixture_degree(&fix, nodes[0], DIRECTION_OUT), 0);
}

/* --- the contract of the calls --- */

static void
a_doomed_transaction_cannot_commit(void **state)
{
    (void)state;
    struct txn *txn = fixture_txn_begin(&fix, 0);
    assert_int_equal(set(txn, nodes[0], 5), 0);
    assert_int_equal(
        err_code(set(txn, (node_id){nodes[1].id + (UINT64_C(77) << PARTITION_BITS)}, 5)),
        ERR_ENTITY_NOT_FOUND);
    assert_int_equal(err_code(set(txn, nodes[0], 6)), ERR_TRANSACTION_FAILED);
    assert_int_equal(err_code(fixture_txn_commit(&fix, txn, NULL)), ERR_ENTITY_NOT_FOUND);
    assert_int_equal(fixture_node_value(&fix, nodes[0]), 10);
}

static void
reading_transactions_may_not_write(void **state)
{
    (void)state;
    struct txn *txn;
    struct txn_options options = {.read_only = true};
    assert_int_equal(txn_begin(sim_shard(fix.sim, 0), &options, NULL, NULL, &txn), 0);
    assert_int_equal(err_code(set(txn, nodes[0], 5)), ERR_ACCESS_MODE);
    fixture_txn_abort(&fix, txn);
}

static void
a_bookmark_that_was_never_given_is_refused(void **state)
{
    (void)state;
    struct txn *txn;
    struct txn_options options = {.bookmark = UINT64_C(1) << 40};
    assert_int_equal(
        err_code(txn_begin(sim_shard(fix.sim, 0), &options, NULL, NULL, &txn)), ERR_BOOKMARK);
}

static void
a_commit_without_writes_returns_its_snapshot(void **state)
{
    (void)state;
    struct txn *txn = fixture_txn_begin(&fix, 2);
    uint64_t snapshot = txn_view(txn).snapshot, timestamp;
    assert_int_equal(fixture_txn_commit(&fix, txn, &timestamp), 0);
    assert_int_equal(timestamp, snapshot);
}

static void
counters_and_ids_come_from_all_shards(void **state)
{
    (void)state;
    struct txn *txn = fixture_txn_begin(&fix, 0);
    struct property property;
    struct operation operations[5] = {
        fixture_rel_create(nodes[1], nodes[2]), fixture_node_set(nodes[2], &property, 1),
        fixture_rel_create(nodes[0], nodes[1]), fixture_node_create(fixture_node_id(&fix, 1)),
        fixture_rel_create(nodes[2], nodes[2]),
    };
    rel_id ids[5] = {{0}};
    struct write_counters counters;
    assert_int_equal(fixture_txn_write(&fix, txn, operations, 5, ids, &counters), 0);
    assert_int_equal(counters.rels_created, 3);
    assert_int_equal(counters.nodes_created, 1);
    assert_int_equal(counters.properties_set, 1);
    assert_int_equal(partition_of(ids[0].id), partition_of(nodes[1].id));
    assert_int_equal(partition_of(ids[2].id), partition_of(nodes[0].id));
    assert_int_equal(partition_of(ids[4].id), partition_of(nodes[2].id));
    assert_true(ids[1].id == 0 && ids[3].id == 0);
    /* Its own writes are seen by it only. */
    struct view view = txn_view(txn);
    struct store *store = sim_shard(fix.sim, id_owner(sim_shard(fix.sim, 0), nodes[2].id))->store;
    assert_int_equal(store_degree(store, view, nodes[2], DIRECTION_IN, NULL, 0), 2);
    assert_int_equal(fixture_degree(&fix, nodes[2], DIRECTION_IN), 0);
    assert_int_equal(fixture_txn_commit(&fix, txn, NULL), 0);
    assert_int_equal(fixture_degree(&fix, nodes[2], DIRECTION_IN), 2);
}

static void
nodes_are_deleted_after_everything_else_of_a_batch(void **state)
{
    (void)state;
    struct txn *txn = fixture_txn_begin(&fix, 0);
    struct operation rel = fixture_rel_create(nodes[0], nodes[1]);
    rel_id id;
    assert_int_equal(fixture_txn_write(&fix, txn, &rel, 1, &id, NULL), 0);
    assert_int_equal(fixture_txn_commit(&fix, txn, NULL), 0);
    txn = fixture_txn_begin(&fix, 2);
    struct operation operations[3] = {
        {.type = OPERATION_NODE_DELETE, .node = nodes[1]},
        {.type = OPERATION_NODE_DELETE, .node = nodes[0]},
        {.type = OPERATION_REL_DELETE,
         .rel = id,
         .start = nodes[0],
         .end = nodes[1],
         .rel_type = 1},
    };
    struct write_counters counters;
    assert_int_equal(fixture_txn_write(&fix, txn, operations, 3, NULL, &counters), 0);
    assert_int_equal(counters.nodes_deleted, 2);
    assert_int_equal(counters.rels_deleted, 1);
    assert_int_equal(fixture_txn_commit(&fix, txn, NULL), 0);
    assert_int_equal(fixture_node_value(&fix, nodes[0]), INT64_MIN);
}

static void
an_abort_in_the_middle_of_a_batch_leaves_nothing(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    struct operation *operations = calloc(COUNT, sizeof(*operations));
    struct fixture_write write;
    struct txn *txn = fixture_txn_begin(&fix, 0);
    for (uint32_t i = 0; i < COUNT; i++)
        operations[i] = fixture_rel_create(nodes[i % 3], nodes[(i + 1) % 3]);
    fixture_write_start(&fix, txn, &write, operations, COUNT, NULL);
    for (int i = 0; i < 5; i++)
        sim_step(fix.sim);
    assert_false(write.finished);
    fixture_txn_abort(&fix, txn);
    assert_true(write.finished);
    assert_int_equal(err_code(write.write.err), ERR_TERMINATED);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(fixture_degree(&fix, nodes[i], DIRECTION_BOTH), 0);
    free(operations);
}

/* --- size --- */

static void
a_hundred_thousand_operations_in_one_batch_survive_a_crash(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    struct operation *operations = calloc(COUNT, sizeof(*operations));
    rel_id *ids = calloc(COUNT, sizeof(*ids));
    struct write_counters counters;
    struct txn *txn = fixture_txn_begin(&fix, 0);
    for (uint32_t i = 0; i < COUNT; i++)
        operations[i] = fixture_rel_create(nodes[i % 3], nodes[(i / 3) % 3]);
    assert_int_equal(fixture_txn_write(&fix, txn, operations, COUNT, ids, &counters), 0);
    assert_int_equal(counters.rels_created, COUNT);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_true(ids[i].id != 0);
    assert_int_equal(fixture_txn_commit(&fix, txn, NULL), 0);
    assert_int_equal(fixture_degree(&fix, nodes[0], DIRECTION_OUT), COUNT / 3 + 1);
    assert_int_equal(txn_fixture_crash(&fix, 2), 0);
    uint64_t total = 0;
    for (uint32_t i = 0; i < 3; i++)
        total += fixture_degree(&fix, nodes[i], DIRECTION_IN);
    assert_int_equal(total, COUNT);
    free(operations);
    free(ids);
}

static void
one_large_value_travels_and_survives(void **state)
{
    (void)state;
    enum { SIZE = 700 << 10 };
    uint8_t *bytes = malloc(SIZE);
    memset(bytes, 'x', SIZE);
    struct property property = {.key = 2, .value = {.type = VALUE_BYTES, .size = SIZE}};
    property.value.bytes = bytes;
    for (uint32_t i = 0; i < 3; i++) {
        struct txn *txn = fixture_txn_begin(&fix, 0);
        struct operation operation = {
            .type = OPERATION_NODE_PROPERTIES,
            .node = nodes[i],
            .property_count = 1,
            .properties = &property};
        err_t err = fixture_txn_write(&fix, txn, &operation, 1, NULL, NULL);
        assert_int_equal(err, 0);
        assert_int_equal(fixture_txn_commit(&fix, txn, NULL), 0);
    }
    assert_int_equal(txn_fixture_crash(&fix, 1), 0);
    struct view view = {.snapshot = txn_stable(sim_shard(fix.sim, 0))};
    for (uint32_t i = 0; i < 3; i++) {
        struct value value = store_node_property(sim_shard(fix.sim, 0)->store, view, nodes[i], 2);
        assert_int_equal(value.size, SIZE);
        assert_memory_equal(value.bytes, bytes, SIZE);
    }
    free(bytes);
}

/* --- exhaustion --- */

static void
too_many_open_transactions_are_refused(void **state)
{
    (void)state;
    struct txn **open = calloc(TXN_OPEN_COUNT_MAX, sizeof(struct txn *));
    struct txn_options options = {0};
    struct txn *more;
    for (uint32_t i = 0; i < TXN_OPEN_COUNT_MAX; i++)
        assert_int_equal(txn_begin(sim_shard(fix.sim, 0), &options, NULL, NULL, &open[i]), 0);
    err_t err = txn_begin(sim_shard(fix.sim, 0), &options, NULL, NULL, &more);
    assert_int_equal(err_code(err), ERR_TRANSACTION_LIMIT);
    for (uint32_t i = 0; i < TXN_OPEN_COUNT_MAX; i++)
        txn_abort(open[i], NULL, NULL);
    fixture_wake(&fix);
    sim_run_for(fix.sim, 3 * SIM_SECOND);
    assert_true(txn_manager_is_idle(sim_shard(fix.sim, 0)->txns));
    free(open);
}

/* Fails the n-th allocation of one shard, for every n that a transaction over three shards makes. */
static void
any_allocation_may_fail(void **state)
{
    (void)state;
    for (uint32_t shard = 0; shard < 3; shard++) {
        uint32_t failures = 0;
        for (uint32_t n = 1; n <= 40; n++) {
            struct txn *txn;
            struct txn_options options = {0};
            struct property property;
            struct operation operations[4] = {
                fixture_rel_create(nodes[1], nodes[2]),
                fixture_rel_create(nodes[0], nodes[1]),
                fixture_node_set(nodes[2], &property, (int64_t)n),
                fixture_rel_create(nodes[2], nodes[0]),
            };
            uint64_t before = fixture_degree(&fix, nodes[1], DIRECTION_BOTH);
            sim_allocation_fail_after(fix.sim, shard, n);
            if (txn_begin(sim_shard(fix.sim, 0), &options, NULL, NULL, &txn)) {
                failures++;
                continue;
            }
            err_t err = fixture_txn_write(&fix, txn, operations, 4, NULL, NULL);
            failures += err != 0;
            if (err)
                fixture_txn_abort(&fix, txn);
            else
                assert_int_equal(fixture_txn_commit(&fix, txn, NULL), 0);
            sim_allocation_fail_after(fix.sim, shard, 0);
            uint64_t after = fixture_degree(&fix, nodes[1], DIRECTION_BOTH);
            assert_int_equal(after - before, err ? 0 : 2);
        }
        assert_true(failures > 0);
    }
}

static void
a_full_disk_refuses_writes_and_loses_nothing(void **state)
{
    (void)state;
    enum { SIZE = 60 << 10 };
    static uint8_t bytes[SIZE];
    struct property property = {.key = 2, .value = {.type = VALUE_BYTES, .size = SIZE}};
    property.value.bytes = bytes;
    struct operation operations[2];
    struct property value;
    operations[0] = (struct operation){
        .type = OPERATION_NODE_PROPERTIES,
        .node = nodes[1],
        .property_count = 1,
        .properties = &property};
    int64_t committed = 10;
    err_t err = 0;
    sim_options(fix.sim)->disk_capacity_size = 7 * SEGMENT_SIZE;
    for (int64_t i = 100; i < 400 && !err; i++) {
        struct txn *txn = fixture_txn_begin(&fix, 0);
        operations[1] = fixture_node_set(nodes[0], &value, i);
        err = fixture_txn_write(&fix, txn, operations, 2, NULL, NULL);
        if (err) {
            fixture_txn_abort(&fix, txn);
        } else {
            assert_int_equal(fixture_txn_commit(&fix, txn, NULL), 0);
            committed = i;
        }
    }
    assert_int_equal(err_code(err), ERR_DISK_FULL);
    assert_false(sim_is_down(fix.sim));
    assert_true(committed > 110);
    assert_int_equal(fixture_node_value(&fix, nodes[0]), committed);
    sim_options(fix.sim)->disk_capacity_size = 0;
    sim_run_for(fix.sim, 3 * SIM_SECOND);
    struct txn *txn = fixture_txn_begin(&fix, 0);
    operations[1] = fixture_node_set(nodes[0], &value, 777);
    assert_int_equal(fixture_txn_write(&fix, txn, operations, 2, NULL, NULL), 0);
    assert_int_equal(fixture_txn_commit(&fix, txn, NULL), 0);
    assert_int_equal(txn_fixture_crash(&fix, 3), 0);
    assert_int_equal(fixture_node_value(&fix, nodes[0]), 777);
}

/* --- rest --- */

static void
without_work_nothing_happens(void **state)
{
    (void)state;
    assert_int_equal(set(fixture_txn_begin(&fix, 1), nodes[0], 3), 0);
    sim_run_for(fix.sim, 20 * SIM_SECOND);
    uint64_t events = sim_event_count(fix.sim);
    sim_run_for(fix.sim, 100 * SIM_SECOND);
    /* One transaction is open: its snapshot holds back collection, which is looked at once a second. */
    assert_true(sim_event_count(fix.sim) - events < 1000);
    sim_crash(fix.sim);
    assert_int_equal(sim_restart(fix.sim, 3), 0);
    struct txn *txn = fixture_txn_begin(&fix, 1);
    assert_int_equal(set(txn, nodes[0], 4), 0);
    assert_int_equal(fixture_txn_commit(&fix, txn, NULL), 0);
    sim_run_for(fix.sim, 20 * SIM_SECOND);
    events = sim_event_count(fix.sim);
    sim_run_for(fix.sim, 100 * SIM_SECOND);
    assert_true(sim_event_count(fix.sim) - events < 10);
}

static void
the_horizon_stays_below_an_open_snapshot(void **state)
{
    (void)state;
    struct txn *old = fixture_txn_begin(&fix, 2);
    uint64_t snapshot = txn_view(old).snapshot;
    for (int64_t i = 0; i < 5; i++) {
        struct txn *txn = fixture_txn_begin(&fix, 0);
        assert_int_equal(set(txn, nodes[0], i), 0);
        assert_int_equal(fixture_txn_commit(&fix, txn, NULL), 0);
    }
    sim_run_for(fix.sim, 5 * SIM_SECOND);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(txn_horizon(sim_shard(fix.sim, i)), snapshot);
    struct store *store = sim_shard(fix.sim, 0)->store;
    assert_int_equal(store_node_property(store, txn_view(old), nodes[0], 1).integer, 10);
    fixture_txn_abort(&fix, old);
    assert_int_equal(txn_horizon(sim_shard(fix.sim, 1)), txn_stable(sim_shard(fix.sim, 1)));
    assert_true(txn_stable(sim_shard(fix.sim, 1)) > snapshot);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_committer_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(a_younger_transaction_dies_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(
            an_older_transaction_waits_for_a_younger_that_aborts, setup, teardown),
        cmocka_unit_test_setup_teardown(
            an_older_transaction_waits_five_milliseconds_at_most, setup, teardown),
        cmocka_unit_test_setup_teardown(relationships_at_one_node_do_not_conflict, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_node_deleted_meanwhile_gets_no_relationship, setup, teardown),
        cmocka_unit_test_setup_teardown(a_doomed_transaction_cannot_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(reading_transactions_may_not_write, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_bookmark_that_was_never_given_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_commit_without_writes_returns_its_snapshot, setup, teardown),
        cmocka_unit_test_setup_teardown(counters_and_ids_come_from_all_shards, setup, teardown),
        cmocka_unit_test_setup_teardown(
            nodes_are_deleted_after_everything_else_of_a_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(
            an_abort_in_the_middle_of_a_batch_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_hundred_thousand_operations_in_one_batch_survive_a_crash, setup, teardown),
        cmocka_unit_test_setup_teardown(one_large_value_travels_and_survives, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_open_transactions_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(any_allocation_may_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_full_disk_refuses_writes_and_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(without_work_nothing_happens, setup, teardown),
        cmocka_unit_test_setup_teardown(the_horizon_stays_below_an_open_snapshot, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
