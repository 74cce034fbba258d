#include "tests/lib/txn_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { KEY = 1, TYPE = 1 };

static err_t
replay_catalog(void *context, const uint8_t *bytes, size_t size)
{
    (void)bytes;
    (void)size;
    assert_non_null(context);
    return ERR(STORAGE_DAMAGE);
}

static err_t
replay_operation(
    void *context, const struct operation *operation, uint64_t timestamp, struct arena *arena)
{
    struct shard *shard = context;
    return store_replay(shard->store, operation, timestamp, arena);
}

static err_t
fixture_prepare(struct txn_fixture *fix, struct shard *shard)
{
    struct recovery_options options = {
        .shard_count = shard->count,
        .segment_size = fix->segment_size,
        .database_id = 3,
        .memory = shard_memory(shard),
    };
    fix->started_count = 0;
    err_t err = recovery_prepare(shard->seam, &options, &fix->recovery, &fix->refusal);
    if (err)
        return err;
    fix->words = memory_allocate(shard_memory(shard), commit_words_size(shard->count));
    assert_non_null(fix->words);
    commit_words_create(fix->words, shard->count, recovery_first_timestamp(fix->recovery));
    return 0;
}

static err_t
fixture_start(struct shard *shard, void *context)
{
    struct txn_fixture *fix = context;
    struct recovery_sink sink = {
        .context = shard, .catalog = replay_catalog, .operation = replay_operation};
    err_t err = shard->index == 0 ? fixture_prepare(fix, shard) : 0;
    if (!err)
        err = store_create(shard, &shard->store);
    if (!err)
        err = recovery_apply(fix->recovery, shard, &sink, &fix->refusal);
    if (err)
        return err;
    struct wal_start start = recovery_wal_start(fix->recovery, shard->index);
    err = wal_open(shard, &start, WAL_SYNC_FULL, &shard->wal);
    if (!err)
        err = txn_manager_create(shard, fix->words, &shard->txns);
    if (!err && ++fix->started_count == shard->count)
        recovery_delete(fix->recovery);
    return err;
}

static bool
fixture_drain(struct shard *shard, void *context)
{
    assert_non_null(context);
    return txn_manager_is_idle(shard->txns) && wal_drain(shard->wal);
}

static void
fixture_finish(struct shard *shard, void *context)
{
    struct txn_fixture *fix = context;
    if (shard->txns)
        txn_manager_destroy(shard->txns);
    if (shard->wal)
        wal_close(shard->wal);
    if (shard->store)
        store_destroy(shard->store);
    if (shard->index == 0 && fix->words)
        memory_release(shard_memory(shard), fix->words, commit_words_size(shard->count));
}

void
txn_fixture_create(
    struct txn_fixture *fix, uint64_t seed, uint32_t shard_count, uint64_t segment_size)
{
    *fix = (struct txn_fixture){.segment_size = segment_size};
    struct sim_options options = {
        .program = {
            .context = fix,
            .start = fixture_start,
            .drain = fixture_drain,
            .finish = fixture_finish}};
    fix->sim = sim_create(seed, shard_count, &options);
    assert_int_equal(sim_start(fix->sim), 0);
}

void
txn_fixture_destroy(struct txn_fixture *fix)
{
    if (!sim_is_down(fix->sim))
        assert_true(sim_stop(fix->sim, 10 * SIM_SECOND));
    sim_delete(fix->sim);
}

err_t
txn_fixture_crash(struct txn_fixture *fix, uint32_t shard_count)
{
    sim_crash(fix->sim);
    fix->words = NULL;
    return sim_restart(fix->sim, shard_count);
}

void
fixture_wake(struct txn_fixture *fix)
{
    for (uint32_t k = 0; k < sim_shard_count(fix->sim); k++)
        sim_shard(fix->sim, k)->seam->ops->doorbell(sim_shard(fix->sim, k)->seam, k);
}

struct txn *
fixture_txn_begin(struct txn_fixture *fix, uint32_t shard)
{
    struct txn *txn;
    struct txn_options options = {0};
    fixture_wake(fix);
    sim_run_for(fix->sim, 100 * SIM_MICROSECOND);
    assert_int_equal(txn_begin(sim_shard(fix->sim, shard), &options, NULL, NULL, &txn), 0);
    assert_true(txn_is_ready(txn));
    return txn;
}

static void
fixture_written(struct txn_write *write)
{
    struct fixture_write *whole = write->context;
    whole->finished = true;
}

void
fixture_write_start(
    struct txn_fixture *fix,
    struct txn *txn,
    struct fixture_write *write,
    const struct operation *operations,
    uint32_t count,
    rel_id *rel_ids)
{
    *write = (struct fixture_write){
        .write = {
            .operations = operations,
            .operation_count = count,
            .rel_ids = rel_ids,
            .done = fixture_written,
            .context = write,
        }};
    txn_write(txn, &write->write);
    assert_false(write->finished);
    fixture_wake(fix);
}

static bool
is_set(void *flag)
{
    return *(bool *)flag;
}

err_t
fixture_write_wait(struct txn_fixture *fix, struct fixture_write *write)
{
    fixture_wake(fix);
    assert_true(sim_run_until(fix->sim, is_set, &write->finished, 100 * SIM_SECOND));
    return write->write.err;
}

err_t
fixture_txn_write(
    struct txn_fixture *fix,
    struct txn *txn,
    const struct operation *operations,
    uint32_t count,
    rel_id *rel_ids,
    struct write_counters *counters)
{
    struct fixture_write write;
    fixture_write_start(fix, txn, &write, operations, count, rel_ids);
    err_t err = fixture_write_wait(fix, &write);
    if (counters)
        *counters = write.write.counters;
    return err;
}

struct ending {
    bool finished;
    err_t err;
    uint64_t timestamp;
};

static void
fixture_ended(void *context, err_t err, uint64_t timestamp)
{
    *(struct ending *)context = (struct ending){
        .finished = true, .err = err, .timestamp = timestamp};
}

err_t
fixture_txn_commit(struct txn_fixture *fix, struct txn *txn, uint64_t *timestamp)
{
    struct ending ending = {0};
    txn_commit(txn, fixture_ended, &ending);
    assert_false(ending.finished);
    fixture_wake(fix);
    assert_true(sim_run_until(fix->sim, is_set, &ending.finished, 100 * SIM_SECOND));
    if (timestamp)
        *timestamp = ending.timestamp;
    return ending.err;
}

void
fixture_txn_abort(struct txn_fixture *fix, struct txn *txn)
{
    struct ending ending = {0};
    txn_abort(txn, fixture_ended, &ending);
    fixture_wake(fix);
    assert_true(sim_run_until(fix->sim, is_set, &ending.finished, 100 * SIM_SECOND));
}

node_id
fixture_node_id(struct txn_fixture *fix, uint32_t shard)
{
    node_id node = store_node_allocate(sim_shard(fix->sim, shard)->store, 0);
    assert_true(node.id != 0);
    return node;
}

struct operation
fixture_node_create(node_id node)
{
    return (struct operation){.type = OPERATION_NODE_CREATE, .node = node};
}

struct operation
fixture_node_set(node_id node, struct property *property, int64_t value)
{
    *property = (struct property){.key = KEY, .value = value_integer(value)};
    return (struct operation){
        .type = OPERATION_NODE_PROPERTIES,
        .node = node,
        .property_count = 1,
        .properties = property};
}

struct operation
fixture_rel_create(node_id start, node_id end)
{
    return (struct operation){
        .type = OPERATION_REL_CREATE, .start = start, .end = end, .rel_type = TYPE};
}

static struct store *
node_store(struct txn_fixture *fix, node_id node)
{
    return sim_shard(fix->sim, id_owner(sim_shard(fix->sim, 0), node.id))->store;
}

int64_t
fixture_node_value(struct txn_fixture *fix, node_id node)
{
    struct view view = {.snapshot = txn_stable(sim_shard(fix->sim, 0))};
    struct value value = store_node_property(node_store(fix, node), view, node, KEY);
    return value.type == VALUE_INTEGER ? value.integer : INT64_MIN;
}

uint64_t
fixture_degree(struct txn_fixture *fix, node_id node, enum direction direction)
{
    struct view view = {.snapshot = txn_stable(sim_shard(fix->sim, 0))};
    return store_degree(node_store(fix, node), view, node, direction, NULL, 0);
}
