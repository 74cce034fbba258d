#include "tests/lib/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "engine/value/value_ops.h"
#include "shards/boot/database.h"
#include "tests/lib/zone_files.h"

enum { WORLD_SEGMENT_SIZE = 256 << 10, STATEMENT_MEMORY_SIZE = 256 << 20 };

struct world {
    struct sim *sim;
    struct database *database;
    uint32_t life; /* raised by each crash */
};

static err_t
shard_begin(struct shard *shard, void *context)
{
    struct world *world = context;
    /* Shard 0 begins a life: what the one before left behind is forgotten, as a machine forgets. */
    if (shard->index == 0) {
        if (world->database)
            database_delete(world->database);
        struct database_options options = {
            .sync = WAL_SYNC_FULL, .segment_size = WORLD_SEGMENT_SIZE};
        world->database = database_new(&options);
        assert(world->database);
    }
    err_t err = database_start(world->database, shard);
    if (!err)
        err = engine_create(shard);
    if (!err)
        engine_zones_set(shard, zone_files());
    return err;
}

static bool
shard_drain(struct shard *shard, void *context)
{
    struct world *world = context;
    return database_drain(world->database, shard);
}

static void
shard_end(struct shard *shard, void *context)
{
    struct world *world = context;
    if (shard->engine)
        engine_destroy(shard);
    database_finish(world->database, shard);
}

static bool
all_ready(void *context)
{
    struct world *world = context;
    for (uint32_t i = 0; i < sim_shard_count(world->sim); i++)
        if (!database_is_ready(sim_shard(world->sim, i)))
            return false;
    return true;
}

static err_t
ready_await(struct world *world)
{
    return sim_run_until(world->sim, all_ready, world, 600 * SIM_SECOND) ? 0 : ERR(UNAVAILABLE);
}

struct world *
world_new(uint64_t seed, uint32_t shard_count, const struct sim_options *options)
{
    struct world *world = calloc(1, sizeof(*world));
    assert(world);
    struct sim_options own = options ? *options : (struct sim_options){0};
    own.program = (struct shard_program){
        .context = world, .start = shard_begin, .drain = shard_drain, .finish = shard_end};
    world->sim = sim_create(seed, shard_count, &own);
    assert(world->sim);
    err_t err = sim_start(world->sim);
    if (!err)
        err = ready_await(world);
    if (err)
        fprintf(
            stderr, "the database does not start: %s %s\n", err_text(err_code(err)),
            database_message(world->database));
    assert(!err);
    return world;
}

void
world_delete(struct world *world)
{
    sim_crash(world->sim);
    sim_delete(world->sim);
    if (world->database)
        database_delete(world->database);
    free(world);
}

struct sim *
world_sim(struct world *world)
{
    return world->sim;
}

/* --- statements --- */

static void
statement_fields(void *context, const struct text *names, uint32_t count)
{
    struct statement *statement = context;
    struct text *columns = arena_allocate(&statement->arena, (count + 1) * sizeof(*columns));
    assert(columns);
    for (uint32_t i = 0; i < count; i++)
        columns[i] = arena_text(&statement->arena, names[i]);
    statement->columns = columns;
    statement->column_count = count;
    statement->planned = true;
    query_pull(statement->query, INT64_MAX);
}

static bool
statement_rows(void *context, const struct batch *batch)
{
    struct statement *statement = context;
    assert(batch->column_count == statement->column_count);
    if (statement->row_count + batch->row_count > statement->row_room) {
        statement->row_room = (statement->row_count + batch->row_count) * 2;
        statement->rows = realloc(
            statement->rows,
            (statement->row_room * statement->column_count + 1) * sizeof(struct value));
        assert(statement->rows);
    }
    for (uint32_t row = 0; row < batch->row_count; row++, statement->row_count++) {
        for (uint32_t i = 0; i < batch->column_count; i++) {
            err_t err = value_copy(
                &statement->arena, batch_value(batch, i, row),
                &statement->rows[statement->row_count * statement->column_count + i]);
            assert(!err);
        }
    }
    return true;
}

static void
statement_paused(void *context)
{
    struct statement *statement = context;
    query_pull(statement->query, INT64_MAX);
}

static void
statement_finished(void *context, const struct query_summary *summary)
{
    struct statement *statement = context;
    assert(!statement->done);
    statement->summary = *summary;
    statement->done = true;
}

static void
statement_failed(void *context, const struct failure *failure)
{
    struct statement *statement = context;
    assert(!statement->done);
    statement->err = failure->err;
    statement->message = arena_text(&statement->arena, failure->message);
    statement->done = true;
}

static const struct query_events statement_events = {
    .fields = statement_fields,
    .rows = statement_rows,
    .paused = statement_paused,
    .finished = statement_finished,
    .failed = statement_failed,
};

struct statement *
world_start(
    struct world *world,
    uint32_t shard,
    const char *text,
    struct value parameters,
    struct transaction *transaction)
{
    struct statement *statement = calloc(1, sizeof(*statement));
    assert(statement && shard < sim_shard_count(world->sim));
    statement->world = world;
    statement->life = world->life;
    arena_create(&statement->arena, memory_heap(), STATEMENT_MEMORY_SIZE);
    statement->text = arena_text(&statement->arena, text_of(text));
    err_t err = value_copy(&statement->arena, parameters, &statement->parameters);
    assert(!err);
    struct query_options options = {
        .text = statement->text,
        .parameters = statement->parameters,
        .transaction = transaction,
        .events = &statement_events,
        .context = statement};
    err = query_run(sim_shard(world->sim, shard), &options, &statement->query);
    assert(!err);
    /* From outside the loop nothing wakes a shard that sleeps. */
    struct seam *seam = sim_shard(world->sim, shard)->seam;
    seam->ops->doorbell(seam, shard);
    return statement;
}

static bool
statement_is_done(void *context)
{
    struct statement *statement = context;
    return statement->done;
}

bool
world_await(struct world *world, struct statement *statement)
{
    return sim_run_until(world->sim, statement_is_done, statement, 600 * SIM_SECOND);
}

struct statement *
world_run(struct world *world, uint32_t shard, const char *text, struct value parameters)
{
    struct statement *statement = world_start(world, shard, text, parameters, NULL);
    bool done = world_await(world, statement);
    if (!done)
        fprintf(stderr, "no end: %s\n", text);
    assert(done);
    return statement;
}

void
statement_delete(struct statement *statement)
{
    /* After a crash the query's memory went with its shard. */
    if (statement->query && statement->life == statement->world->life &&
        !sim_is_down(statement->world->sim))
        query_free(statement->query);
    arena_destroy(&statement->arena);
    free(statement->rows);
    free(statement);
}

void
world_crash(struct world *world)
{
    sim_crash(world->sim);
    world->life++;
}

err_t
world_restart(struct world *world, uint32_t shard_count)
{
    err_t err = sim_restart(world->sim, shard_count);
    return err ? err : ready_await(world);
}
