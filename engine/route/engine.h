/* What the engine keeps on a shard: runs it takes part in, cached plans, working space. shard->engine. */
#ifndef ENGINE_ROUTE_ENGINE_H
#define ENGINE_ROUTE_ENGINE_H

#include "engine/route/query.h"
#include "engine/run/step.h"

enum { RUN_BUCKET_COUNT = 256 };

struct local_run;
struct plan_cache;

struct engine {
    struct shard *shard;
    uint64_t next_run_id;
    struct zone_source *zones;
    uint32_t query_count, transaction_count; /* not deleted yet */
    struct list_link runs[RUN_BUCKET_COUNT]; /* local runs by id */
    uint32_t run_count;
    /* Forgotten local runs and freed queries, given back by `reaper`: a task may not free itself. */
    struct list_link buried, buried_queries;
    struct task reaper;
    struct plan_cache *plans;
    uint8_t owners[PARTITION_COUNT]; /* partition -> shard */
    uint64_t query_memory_max;       /* bytes a query may hold on one shard */
    struct step_scratch scratch;
    /* Exchange: the rows of a batch that go to each shard. */
    uint32_t leaving_count[SHARD_COUNT_MAX];
    uint16_t leaving[SHARD_COUNT_MAX][BATCH_ROW_COUNT_MAX];
};

static inline struct engine *
shard_engine(const struct shard *shard)
{
    assert(shard->engine);
    return shard->engine;
}

/* The same limits everywhere, changed by the daemon's settings before the first query. */
void engine_query_memory_set(struct shard *shard, uint64_t size);

/* Frees the local run from a task of its own. */
void engine_bury(struct engine *engine, struct local_run *run);
/* The same for a query; `link` is its. */
void engine_bury_query(struct engine *engine, struct list_link *link);
/* Random numbers and the running clock, for expressions. */
void engine_clocks_set(struct expr_context *expressions, struct shard *shard);

#endif
