/* The catalog on several simulated shards, without a log: tokens asked for by everybody at once, indexes
 * made while writers write, uniqueness checked against them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "shards/core/seam_sim.h"
#include "shards/mail/mail.h"
#include "shards/store/store.h"

enum { REQUESTS = 40, NAMES = 3, LABEL = 0, KEY = 0 };

struct asker {
    struct catalog_request request;
    uint8_t kinds[NAMES];
    struct text names[NAMES];
    char letters[NAMES][4];
    uint32_t tokens[NAMES];
    bool done;
    struct shard *shard;
};

struct world {
    struct sim *sim;
    struct asker askers[4][REQUESTS];
    uint32_t open, failed;
    bool memory_fails;
    uint64_t timestamp, txid;
};

static err_t
world_start(struct shard *shard, void *context)
{
    (void)context;
    err_t err = catalog_create(shard, &shard->catalog);
    if (!err)
        err = store_create(shard, &shard->store);
    if (!err)
        err = catalog_start(shard, NULL, NULL, NULL);
    return err;
}

static void
world_finish(struct shard *shard, void *context)
{
    (void)context;
    if (shard->catalog)
        catalog_destroy(shard->catalog);
    if (shard->store)
        store_destroy(shard->store);
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
asker_done(struct catalog_request *request)
{
    struct world *world = request->context;
    struct asker *asker = (struct asker *)(void *)request;
    world->open--;
    asker->done = true;
    if (world->memory_fails && err_code(request->err) == ERR_MEMORY_POOL) {
        world->failed++;
        return;
    }
    assert_int_equal(request->err, 0);
    for (uint32_t i = 0; i < NAMES; i++) {
        assert_int_equal(
            catalog_lookup(asker->shard->catalog, TOKEN_LABEL, asker->names[i]), asker->tokens[i]);
        /* Whoever meets the token from now on knows its name. */
        for (uint32_t s = 0; s < sim_shard_count(world->sim); s++)
            assert_true(text_equal(
                catalog_name(sim_shard(world->sim, s)->catalog, TOKEN_LABEL, asker->tokens[i]),
                asker->names[i]));
    }
}

/* The test calls from outside a turn, so it has to wake the shard. */
static void
submit(struct world *world, uint32_t index, struct catalog_request *request)
{
    struct shard *shard = sim_shard(world->sim, index);
    world->open++;
    catalog_submit(shard, request);
    shard->seam->ops->doorbell(shard->seam, index);
}

static struct world *
world_create(uint64_t seed, uint32_t shards, uint32_t allocation_fail_ppm)
{
    struct world *world = test_calloc(1, sizeof(*world));
    struct sim_options options = {.program = {world, world_start, NULL, world_finish}};
    world->sim = sim_create(seed, shards, &options);
    world->timestamp = 10;
    assert_int_equal(sim_start(world->sim), 0);
    assert_true(sim_run_until(world->sim, world_ready, world, SIM_SECOND));
    sim_options(world->sim)->allocation_fail_ppm = allocation_fail_ppm;
    return world;
}

static void
world_delete(struct world *world)
{
    assert_true(sim_stop(world->sim, SIM_SECOND));
    sim_delete(world->sim);
    test_free(world);
}

static void
ask_for_names(struct world *world, uint32_t shard, struct asker *asker)
{
    for (uint32_t n = 0; n < NAMES; n++) {
        snprintf(asker->letters[n], 4, "n%u", (unsigned)sim_random(world->sim, 50));
        asker->names[n] = text_of(asker->letters[n]);
        asker->kinds[n] = TOKEN_LABEL;
    }
    asker->request = (struct catalog_request){
        .action = CATALOG_TOKENS,
        .name_count = NAMES,
        .kinds = asker->kinds,
        .names = asker->names,
        .tokens = asker->tokens,
        .done = asker_done,
        .context = world,
    };
    asker->shard = sim_shard(world->sim, shard);
    submit(world, shard, &asker->request);
}

static uint32_t
tokens_play(uint64_t seed, uint32_t allocation_fail_ppm)
{
    uint32_t shards = 1 + (uint32_t)seed % 4;
    struct world *world = world_create(seed, shards, allocation_fail_ppm);
    world->memory_fails = allocation_fail_ppm > 0;
    for (uint32_t s = 0; s < shards; s++) {
        for (uint32_t r = 0; r < REQUESTS; r++) {
            ask_for_names(world, s, &world->askers[s][r]);
            sim_run_for(world->sim, sim_random(world->sim, 20) * SIM_MICROSECOND);
        }
    }
    assert_true(sim_run_until(world->sim, world_quiet, world, 10 * SIM_SECOND));
    uint32_t count = catalog_token_count(sim_shard(world->sim, 0)->catalog, TOKEN_LABEL);
    assert_true(count > 0 && count <= 50);
    sim_run_for(world->sim, SIM_SECOND);
    for (uint32_t token = 0; token < count; token++)
        for (uint32_t s = 0; s < shards; s++)
            assert_int_equal(
                catalog_lookup(
                    sim_shard(world->sim, s)->catalog, TOKEN_LABEL,
                    catalog_name(sim_shard(world->sim, 0)->catalog, TOKEN_LABEL, token)),
                token);
    uint32_t failed = world->failed;
    sim_options(world->sim)->allocation_fail_ppm = 0;
    world_delete(world);
    return failed;
}

static void
tokens_are_one_per_name_on_every_shard(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++)
        assert_int_equal(tokens_play(seed, 0), 0);
}

/* Each request is answered, rightly or with the error, and the shards stay of one mind. */
static void
tokens_survive_failing_memory(void **state)
{
    (void)state;
    uint32_t failed = 0;
    for (uint64_t seed = 1; seed <= 60; seed++)
        failed += tokens_play(seed, 50000);
    assert_true(failed > 0);
}

/* --- indexes, with writers that do what txn/ does, by hand --- */

static struct shard *
owner(struct world *world, uint64_t id)
{
    return sim_shard(world->sim, (uint32_t)(id % PARTITION_COUNT) % sim_shard_count(world->sim));
}

static err_t
apply(struct world *world, struct view view, const struct operation *operation, struct arena *arena)
{
    struct operation_outcome outcome, follow;
    struct store *store = owner(world, operation_partition(operation))->store;
    err_t err = store_apply(store, view, operation, arena, &outcome);
    for (uint32_t i = 0; !err && i < outcome.index_operation_count; i++) {
        const struct operation *next = &outcome.index_operations[i];
        err = store_apply(
            owner(world, operation_partition(next))->store, view, next, arena, &follow);
    }
    return err;
}

static void
end(struct world *world, struct view view, bool commit)
{
    world->timestamp += commit;
    for (uint32_t s = 0; s < sim_shard_count(world->sim); s++) {
        if (commit)
            store_commit(sim_shard(world->sim, s)->store, view.txid, world->timestamp);
        else
            store_abort(sim_shard(world->sim, s)->store, view.txid);
    }
}

static struct view
begin(struct world *world)
{
    return (struct view){.snapshot = world->timestamp, .txid = ++world->txid};
}

static void
request_done(struct catalog_request *request)
{
    ((struct world *)request->context)->open--;
}

static void
request_run(struct world *world, uint32_t shard, struct catalog_request *request)
{
    request->done = request_done;
    request->context = world;
    submit(world, shard, request);
}

static void
names_make(struct world *world)
{
    const uint8_t kinds[] = {TOKEN_LABEL, TOKEN_KEY};
    const struct text names[] = {TEXT("Person"), TEXT("age")};
    uint32_t tokens[2];
    struct catalog_request request = {
        .action = CATALOG_TOKENS,
        .name_count = 2,
        .kinds = kinds,
        .names = names,
        .tokens = tokens};
    request_run(world, 0, &request);
    assert_true(sim_run_until(world->sim, world_quiet, world, SIM_SECOND));
    assert_int_equal(tokens[0], LABEL);
    assert_int_equal(tokens[1], KEY);
}

static uint32_t
seek(struct world *world, uint32_t index, int64_t value, uint64_t *out, uint32_t max)
{
    struct expand_cursor cursor = {0};
    struct view view = {.snapshot = world->timestamp};
    struct store *store = owner(world, index_partition(index, value_integer(value)))->store;
    return store_index_seek(store, view, index, value_integer(value), &cursor, out, max);
}

enum { PEOPLE = 300, AGES = 40 };

/* Random writes by three open transactions at a time. */
static void
write_some(struct world *world, uint64_t *nodes, struct view *views, struct arena *arena)
{
    uint32_t which = (uint32_t)sim_random(world->sim, 3);
    if (!views[which].txid)
        views[which] = begin(world);
    uint64_t node = nodes[sim_random(world->sim, PEOPLE)];
    const uint32_t label = LABEL;
    struct property age = {
        .key = KEY, .value = value_integer((int64_t)sim_random(world->sim, AGES))};
    if (sim_random(world->sim, 5) == 0)
        age.value = value_null();
    struct operation set = {
        .type = OPERATION_NODE_PROPERTIES, .node = {node}, .properties = &age, .property_count = 1};
    struct operation labels = {.type = OPERATION_NODE_LABELS, .node = {node}, .labels = &label};
    bool add = sim_random(world->sim, 2) == 0;
    labels.label_count = add;
    labels.removed_label_count = !add;
    err_t err = apply(world, views[which], sim_random(world->sim, 3) ? &set : &labels, arena);
    if (err || sim_random(world->sim, 4) == 0) {
        end(world, views[which], !err && sim_random(world->sim, 3) > 0);
        views[which].txid = 0;
    }
}

static void
collect_some(struct world *world, const struct view *views)
{
    uint64_t horizon = world->timestamp;
    for (int i = 0; i < 3; i++)
        if (views[i].txid && views[i].snapshot < horizon)
            horizon = views[i].snapshot;
    for (uint32_t s = 0; s < sim_shard_count(world->sim); s++)
        store_collect(sim_shard(world->sim, s)->store, horizon, 50);
}

static void
index_is_exact(struct world *world, uint32_t index, const uint64_t *nodes)
{
    struct view view = {.snapshot = world->timestamp};
    uint32_t expected[AGES] = {0};
    for (uint32_t i = 0; i < PEOPLE; i++) {
        struct store *store = owner(world, nodes[i])->store;
        struct value age = store_node_property(store, view, (node_id){nodes[i]}, KEY);
        if (store_node_has_label(store, view, (node_id){nodes[i]}, LABEL) && !value_is_null(age))
            expected[age.integer]++;
    }
    for (uint32_t age = 0; age < AGES; age++) {
        uint64_t out[PEOPLE];
        uint32_t count = seek(world, index, age, out, PEOPLE);
        assert_int_equal(count, expected[age]);
        for (uint32_t i = 0; i < count; i++) {
            struct store *store = owner(world, out[i])->store;
            assert_int_equal(store_node_property(store, view, (node_id){out[i]}, KEY).integer, age);
        }
    }
}

static void
people_make(struct world *world, uint64_t *nodes, struct arena *arena)
{
    struct view view = begin(world);
    for (uint32_t i = 0; i < PEOPLE; i++) {
        struct store *store = sim_shard(world->sim, i % sim_shard_count(world->sim))->store;
        nodes[i] = store_node_allocate(store, 0).id;
        const uint32_t label = LABEL;
        const struct property age = {
            .key = KEY, .value = value_integer((int64_t)sim_random(world->sim, AGES))};
        struct operation create = {
            .type = OPERATION_NODE_CREATE,
            .node = {nodes[i]},
            .labels = &label,
            .label_count = i % 3 != 0,
            .properties = &age,
            .property_count = i % 4 != 0};
        assert_int_equal(apply(world, view, &create, arena), 0);
    }
    end(world, view, true);
}

static void
an_index_made_under_writes_is_exact(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        uint32_t shards = 1 + (uint32_t)seed % 3;
        struct world *world = world_create(seed, shards, 0);
        struct arena arena;
        arena_create(&arena, memory_heap(), 64 << 20);
        uint64_t nodes[PEOPLE];
        struct view views[3] = {{0}};
        names_make(world);
        people_make(world, nodes, &arena);
        for (int i = 0; i < 50; i++)
            write_some(world, nodes, views, &arena);
        struct catalog_request create = {
            .action = CATALOG_INDEX_CREATE, .index = {.label = LABEL, .key = KEY}};
        request_run(world, shards - 1, &create);
        for (int i = 0; world->open && i < 3000; i++) {
            write_some(world, nodes, views, &arena);
            if (i % 7 == 0)
                collect_some(world, views);
            sim_run_for(world->sim, 1 + sim_random(world->sim, 3000));
        }
        for (int i = 0; i < 3; i++)
            if (views[i].txid)
                end(world, views[i], true);
        assert_true(sim_run_until(world->sim, world_quiet, world, 10 * SIM_SECOND));
        assert_int_equal(create.err, 0);
        const struct index_info *index = catalog_index_find(
            sim_shard(world->sim, 0)->catalog, LABEL, KEY);
        assert_non_null(index);
        index_is_exact(world, index->id, nodes);
        for (uint32_t s = 0; s < shards; s++) {
            store_collect(sim_shard(world->sim, s)->store, world->timestamp, 1000000);
            assert_true(store_is_sane(sim_shard(world->sim, s)->store));
        }
        index_is_exact(world, index->id, nodes);
        arena_destroy(&arena);
        world_delete(world);
    }
}

static void
a_constraint_over_equal_values_is_refused_and_gone(void **state)
{
    (void)state;
    struct world *world = world_create(3, 2, 0);
    struct arena arena;
    arena_create(&arena, memory_heap(), 64 << 20);
    uint64_t nodes[PEOPLE];
    names_make(world);
    people_make(world, nodes, &arena); /* 300 people, 40 ages */
    struct catalog_request create = {
        .action = CATALOG_INDEX_CREATE, .index = {.label = LABEL, .key = KEY, .unique = true}};
    request_run(world, 1, &create);
    assert_true(sim_run_until(world->sim, world_quiet, world, SIM_SECOND));
    assert_int_equal(err_code(create.err), ERR_CONSTRAINT);
    assert_int_not_equal(create.conflict_nodes[0], create.conflict_nodes[1]);
    assert_null(catalog_index_at(sim_shard(world->sim, 0)->catalog, 0));
    assert_null(catalog_index_at(sim_shard(world->sim, 1)->catalog, 0));
    for (uint32_t i = 0; i < PEOPLE; i++) {
        struct view view = begin(world);
        const struct property age = {.key = KEY, .value = value_integer(i)};
        struct operation set = {
            .type = OPERATION_NODE_PROPERTIES,
            .node = {nodes[i]},
            .properties = &age,
            .property_count = 1};
        assert_int_equal(apply(world, view, &set, &arena), 0);
        end(world, view, true);
    }
    struct catalog_request again = create;
    request_run(world, 0, &again);
    assert_true(sim_run_until(world->sim, world_quiet, world, SIM_SECOND));
    assert_int_equal(again.err, 0);
    assert_true(again.changed);
    request_run(world, 1, &create);
    assert_true(sim_run_until(world->sim, world_quiet, world, SIM_SECOND));
    assert_int_equal(err_code(create.err), ERR_CONSTRAINT_EXISTS);
    const struct index_info *index = catalog_index_at(sim_shard(world->sim, 1)->catalog, 0);
    assert_true(text_equal(index->name, TEXT("constraint_Person_age")));
    struct catalog_request drop = {.action = CATALOG_INDEX_DROP, .index = {.name = index->name}};
    request_run(world, 1, &drop);
    assert_true(sim_run_until(world->sim, world_quiet, world, SIM_SECOND));
    assert_int_equal(drop.err, 0);
    assert_null(catalog_index_at(sim_shard(world->sim, 1)->catalog, 0));
    struct catalog_request nothing = {
        .action = CATALOG_INDEX_DROP, .index = {.name = TEXT("none")}};
    request_run(world, 1, &nothing);
    assert_true(sim_run_until(world->sim, world_quiet, world, SIM_SECOND));
    assert_int_equal(err_code(nothing.err), ERR_INDEX_NOT_FOUND);
    arena_destroy(&arena);
    world_delete(world);
}

/* An index waits for a transaction that wrote before it was announced. */
static void
an_index_waits_for_older_writers(void **state)
{
    (void)state;
    struct world *world = world_create(5, 2, 0);
    struct arena arena;
    arena_create(&arena, memory_heap(), 64 << 20);
    uint64_t nodes[PEOPLE];
    uint64_t out[PEOPLE];
    names_make(world);
    people_make(world, nodes, &arena);
    struct view old = begin(world);
    const struct property age = {.key = KEY, .value = value_integer(1000)};
    struct operation set = {
        .type = OPERATION_NODE_PROPERTIES,
        .node = {nodes[1]},
        .properties = &age,
        .property_count = 1};
    assert_int_equal(apply(world, old, &set, &arena), 0);
    struct catalog_request create = {
        .action = CATALOG_INDEX_CREATE, .index = {.label = LABEL, .key = KEY}};
    request_run(world, 0, &create);
    assert_false(sim_run_until(world->sim, world_quiet, world, SIM_SECOND));
    end(world, old, true);
    assert_true(sim_run_until(world->sim, world_quiet, world, SIM_SECOND));
    assert_int_equal(
        seek(
            world, catalog_index_find(sim_shard(world->sim, 0)->catalog, LABEL, KEY)->id, 1000, out,
            9),
        1);
    arena_destroy(&arena);
    world_delete(world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_one_per_name_on_every_shard),
        cmocka_unit_test(tokens_survive_failing_memory),
        cmocka_unit_test(an_index_made_under_writes_is_exact),
        cmocka_unit_test(a_constraint_over_equal_values_is_refused_and_gone),
        cmocka_unit_test(an_index_waits_for_older_writers),
    };
    return cmocka_run_group_tests_name("catalog", tests, NULL, NULL);
}
