/* The catalog with log and transactions: power cuts at any moment, restarts with other shard counts. What was
 * answered is there afterwards, an index that is there is exact, and nothing is left half made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "shards/core/seam_sim.h"
#include "shards/txn/txn.h"
#include "shards/wal/recovery.h"
#include "shards/wal/wal.h"

enum { NAMES = 6, PEOPLE = 24 };

struct world {
    struct sim *sim;
    struct commit_words *words;
    struct recovery *recovery;
    struct refusal refusal;
    uint32_t started_count;
    uint32_t open;         /* requests and writes out */
    uint32_t known_tokens; /* names answered so far: "name0" .. */
    bool index_answered, nodes_answered;
};

static err_t
replay_catalog(void *context, const uint8_t *bytes, size_t size)
{
    return catalog_replay(((struct shard *)context)->catalog, bytes, size);
}

static err_t
replay_operation(
    void *context, const struct operation *operation, uint64_t timestamp, struct arena *arena)
{
    return store_replay(((struct shard *)context)->store, operation, timestamp, arena);
}

static err_t
world_prepare(struct world *world, struct shard *shard)
{
    struct recovery_options options = {
        .shard_count = shard->count,
        .segment_size = 1 << 20,
        .database_id = 3,
        .memory = shard_memory(shard),
    };
    world->started_count = 0;
    err_t err = recovery_prepare(shard->seam, &options, &world->recovery, &world->refusal);
    if (err)
        return err;
    world->words = memory_allocate(shard_memory(shard), commit_words_size(shard->count));
    commit_words_create(world->words, shard->count, recovery_first_timestamp(world->recovery));
    return 0;
}

static err_t
world_start(struct shard *shard, void *context)
{
    struct world *world = context;
    struct recovery_sink sink = {
        .context = shard, .catalog = replay_catalog, .operation = replay_operation};
    err_t err = shard->index == 0 ? world_prepare(world, shard) : 0;
    if (!err)
        err = catalog_create(shard, &shard->catalog);
    if (!err)
        err = store_create(shard, &shard->store);
    if (!err)
        err = recovery_apply(world->recovery, shard, &sink, &world->refusal);
    if (!err)
        err = store_replay_finish(shard->store);
    if (err)
        return err;
    struct wal_start start = recovery_wal_start(world->recovery, shard->index);
    err = wal_open(shard, &start, WAL_SYNC_FULL, &shard->wal);
    if (!err)
        err = txn_manager_create(shard, world->words, &shard->txns);
    if (!err)
        err = catalog_start(shard, txn_horizon, NULL, NULL);
    if (!err && ++world->started_count == shard->count)
        recovery_delete(world->recovery);
    return err;
}

static bool
world_drain(struct shard *shard, void *context)
{
    (void)context;
    return txn_manager_is_idle(shard->txns) && wal_drain(shard->wal);
}

static void
world_finish(struct shard *shard, void *context)
{
    struct world *world = context;
    if (shard->catalog)
        catalog_destroy(shard->catalog);
    if (shard->txns)
        txn_manager_destroy(shard->txns);
    if (shard->wal)
        wal_close(shard->wal);
    if (shard->store)
        store_destroy(shard->store);
    if (shard->index == 0 && world->words)
        memory_release(shard_memory(shard), world->words, commit_words_size(shard->count));
}

static bool
world_ready(void *context)
{
    struct world *world = context;
    for (uint32_t i = 0; i < sim_shard_count(world->sim); i++)
        if (!catalog_is_ready(sim_shard(world->sim, i)->catalog))
            return false;
    return true;
}

static bool
world_quiet(void *context)
{
    return ((struct world *)context)->open == 0;
}

static void
wake(struct world *world)
{
    for (uint32_t k = 0; k < sim_shard_count(world->sim); k++)
        sim_shard(world->sim, k)->seam->ops->doorbell(sim_shard(world->sim, k)->seam, k);
}

/* --- what is asked for --- */

static const uint8_t kinds[NAMES] = {TOKEN_LABEL, TOKEN_KEY,  TOKEN_LABEL,
                                     TOKEN_KEY,   TOKEN_TYPE, TOKEN_KEY};
static char name_bytes[NAMES][8];
static struct text names[NAMES];
static uint32_t tokens[NAMES];

static void
tokens_done(struct catalog_request *request)
{
    struct world *world = request->context;
    world->open--;
    if (!request->err)
        world->known_tokens = request->name_count;
}

static void
index_done(struct catalog_request *request)
{
    struct world *world = request->context;
    world->open--;
    assert_int_equal(request->err, 0);
    world->index_answered = true;
}

static struct catalog_request token_request, index_request;

static void
ask_tokens(struct world *world, uint32_t count)
{
    for (uint32_t i = 0; i < NAMES; i++) {
        snprintf(name_bytes[i], sizeof(name_bytes[i]), "name%u", i);
        names[i] = text_of(name_bytes[i]);
    }
    token_request = (struct catalog_request){
        .action = CATALOG_TOKENS,
        .name_count = count,
        .kinds = kinds,
        .names = names,
        .tokens = tokens,
        .done = tokens_done,
        .context = world};
    world->open++;
    catalog_submit(sim_shard(world->sim, sim_shard_count(world->sim) - 1), &token_request);
    wake(world);
}

static void
ask_index(struct world *world)
{
    index_request = (struct catalog_request){
        .action = CATALOG_INDEX_CREATE,
        .index = {.unique = true},
        .done = index_done,
        .context = world};
    world->open++;
    catalog_submit(sim_shard(world->sim, 0), &index_request);
    wake(world);
}

static void
committed(void *context, err_t err, uint64_t timestamp)
{
    struct world *world = context;
    (void)timestamp;
    assert_int_equal(err, 0);
    world->open--;
    world->nodes_answered = true;
}

static struct txn *writing;

static void
written(struct txn_write *write)
{
    assert_int_equal(write->err, 0);
    txn_commit(writing, committed, write->context);
}

static struct operation operations[PEOPLE];
static struct property ages[PEOPLE];
static struct txn_write people_write;

static void
write_people(struct world *world)
{
    static const uint32_t label = 0;
    struct shard *shard = sim_shard(world->sim, 0);
    struct txn_options options = {0};
    for (uint32_t i = 0; i < PEOPLE; i++) {
        struct shard *owner = sim_shard(world->sim, i % sim_shard_count(world->sim));
        ages[i] = (struct property){.key = 0, .value = value_integer(i)};
        operations[i] = (struct operation){
            .type = OPERATION_NODE_CREATE,
            .node = store_node_allocate(owner->store, 0),
            .labels = &label,
            .label_count = 1,
            .properties = &ages[i],
            .property_count = 1};
    }
    assert_int_equal(txn_begin(shard, &options, NULL, NULL, &writing), 0);
    assert_true(txn_is_ready(writing));
    people_write = (struct txn_write){
        .operations = operations, .operation_count = PEOPLE, .done = written, .context = world};
    world->open++;
    txn_write(writing, &people_write);
    wake(world);
}

/* --- what must hold --- */

static uint32_t
people_found(struct world *world, uint32_t index)
{
    uint32_t found = 0;
    for (uint32_t age = 0; age < PEOPLE; age++) {
        uint64_t node;
        struct expand_cursor cursor = {0};
        uint32_t owner = index_partition(index, value_integer(age)) % sim_shard_count(world->sim);
        struct shard *shard = sim_shard(world->sim, owner);
        struct view view = {.snapshot = txn_stable(shard)};
        found += store_index_seek(shard->store, view, index, value_integer(age), &cursor, &node, 1);
    }
    return found;
}

static void
check(struct world *world)
{
    const struct index_info *index = NULL;
    uint64_t nodes = 0;
    for (uint32_t s = 0; s < sim_shard_count(world->sim); s++) {
        struct shard *shard = sim_shard(world->sim, s);
        nodes += store_node_count(shard->store, 0);
        for (uint32_t i = 0; i < world->known_tokens; i++)
            assert_int_not_equal(
                catalog_lookup(shard->catalog, (enum token_kind)kinds[i], names[i]), TOKEN_NONE);
        index = catalog_index_at(shard->catalog, 0);
        assert_true(!index || index->state == INDEX_ONLINE);
        assert_true(store_is_sane(shard->store));
    }
    assert_true(!world->index_answered || index);
    assert_true(nodes == PEOPLE || (nodes == 0 && !world->nodes_answered));
    if (index)
        assert_int_equal(people_found(world, index->id), nodes);
}

static void
restart(struct world *world, uint32_t shards)
{
    sim_crash(world->sim);
    world->words = NULL;
    world->open = 0;
    assert_int_equal(sim_restart(world->sim, shards), 0);
    assert_true(sim_run_until(world->sim, world_ready, world, SIM_SECOND));
    check(world);
}

static struct world *
world_create(uint64_t seed, uint32_t shards)
{
    struct world *world = test_calloc(1, sizeof(*world));
    struct sim_options options = {.program = {world, world_start, world_drain, world_finish}};
    world->sim = sim_create(seed, shards, &options);
    assert_int_equal(sim_start(world->sim), 0);
    assert_true(sim_run_until(world->sim, world_ready, world, SIM_SECOND));
    return world;
}

static void
world_delete(struct world *world)
{
    if (!sim_is_down(world->sim))
        assert_true(sim_stop(world->sim, 10 * SIM_SECOND));
    sim_delete(world->sim);
    test_free(world);
}

static void
step(struct world *world, uint32_t what)
{
    if (sim_is_down(world->sim))
        return;
    if (what == 0)
        ask_tokens(world, 2);
    else if (what == 1)
        write_people(world);
    else if (what == 2)
        ask_index(world);
    else
        ask_tokens(world, NAMES);
    (void)sim_run_until(world->sim, world_quiet, world, SIM_SECOND);
}

static void
everything_answered_survives_restarts_with_other_shard_counts(void **state)
{
    (void)state;
    struct world *world = world_create(1, 2);
    for (uint32_t what = 0; what < 4; what++) {
        step(world, what);
        assert_int_equal(world->open, 0);
        restart(world, 1 + (what * 2 + 2) % 3);
    }
    assert_true(world->index_answered && world->nodes_answered);
    assert_int_equal(world->known_tokens, NAMES);
    world_delete(world);
}

static void
a_power_cut_at_any_moment_leaves_all_or_nothing(void **state)
{
    (void)state;
    uint32_t cuts = 0, indexes = 0;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct world *world = world_create(seed, 1 + (uint32_t)seed % 3);
        sim_power_cut_after(world->sim, 1 + (uint32_t)sim_random(world->sim, 30));
        for (uint32_t what = 0; what < 4; what++)
            step(world, what);
        cuts += sim_is_down(world->sim);
        restart(world, 1 + (uint32_t)sim_random(world->sim, 3));
        indexes += world->index_answered;
        world_delete(world);
    }
    assert_true(cuts > 30 && indexes > 10); /* or nothing was tested */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_answered_survives_restarts_with_other_shard_counts),
        cmocka_unit_test(a_power_cut_at_any_moment_leaves_all_or_nothing),
    };
    return cmocka_run_group_tests_name("catalog_recovery", tests, NULL, NULL);
}
