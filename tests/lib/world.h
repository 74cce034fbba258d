/* A whole database in the simulator, and clients that run statements on it.
 *
 *      struct world *world = world_new(seed, shard_count, &options);
 *      struct statement *s = world_run(world, shard, "RETURN $x AS x", parameters);   runs it to its end
 *      ... s->rows, s->err ...
 *      statement_delete(s);
 *      world_crash(world); world_restart(world, 2);
 *
 * Statements may also be started and awaited later, many at a time: world_start, world_await. */
#ifndef TESTS_LIB_WORLD_H
#define TESTS_LIB_WORLD_H

#include "base/arena.h"
#include "engine/route/query.h"
#include "shards/core/seam_sim.h"

struct world;

struct statement {
    struct world *world;
    struct query *query;
    struct arena arena;
    struct text text;
    struct value parameters;
    bool planned, done;
    /* The outcome. */
    err_t err;
    struct text message;
    uint32_t column_count;
    const struct text *columns;
    uint64_t row_count, row_room;
    struct value *rows; /* row_count * column_count */
    struct query_summary summary;
    uint32_t life; /* of the world when it began: a crash ends the query with its shard */
    void *context; /* the test's */
};

/* A new, empty database; asserts that it starts. `options` may be NULL. */
struct world *world_new(uint64_t seed, uint32_t shard_count, const struct sim_options *options);
void world_delete(struct world *world);
struct sim *world_sim(struct world *world);

struct statement *world_start(
    struct world *world,
    uint32_t shard,
    const char *text,
    struct value parameters,
    struct transaction *transaction);
/* Runs the simulation until the statement is done. False when it took more than ten simulated minutes, or
 * the machine went down. */
bool world_await(struct world *world, struct statement *statement);
/* start + await; asserts that it ended. */
struct statement *
world_run(struct world *world, uint32_t shard, const char *text, struct value parameters);
void statement_delete(struct statement *statement);

/* Power loss, and the same disk with another number of shards. Statements that were running are dead: only
 * statement_delete may be called for them. */
void world_crash(struct world *world);
err_t world_restart(struct world *world, uint32_t shard_count);

#endif
