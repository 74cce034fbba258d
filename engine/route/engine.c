#include "engine/route/engine.h"

#include "engine/route/plan_cache.h"
#include "engine/route/query_state.h"
#include "engine/route/run.h"

/* Below the least a shard could not even take part in a run. */
enum { QUERY_MEMORY_DEFAULT_MIB = 1024, QUERY_MEMORY_SIZE_MIN = 1 << 20 };

static enum task_result
engine_reap(struct task *task)
{
    struct engine *engine = list_entry(task, struct engine, reaper);
    struct list_link *link;
    while ((link = list_pop_front(&engine->buried)))
        local_run_destroy(list_entry(link, struct local_run, link));
    while ((link = list_pop_front(&engine->buried_queries)))
        query_delete(link);
    return TASK_DONE;
}

void
engine_bury(struct engine *engine, struct local_run *run)
{
    list_remove(&run->link);
    list_push_back(&engine->buried, &run->link);
    task_ready(engine->shard, &engine->reaper);
}

void
engine_bury_query(struct engine *engine, struct list_link *link)
{
    list_push_back(&engine->buried_queries, link);
    task_ready(engine->shard, &engine->reaper);
}

static uint64_t
shard_wall_ns(void *argument)
{
    struct shard *shard = argument;
    return shard->seam->ops->clock_wall_ns(shard->seam);
}

static uint64_t
shard_random(void *argument)
{
    struct shard *shard = argument;
    return shard->seam->ops->random(shard->seam);
}

void
engine_clocks_set(struct expr_context *expressions, struct shard *shard)
{
    expressions->realtime_wall_ns = shard_wall_ns;
    expressions->realtime_argument = shard;
    expressions->random = shard_random;
    expressions->random_argument = shard;
    expressions->zones = shard_engine(shard)->zones;
}

void
engine_query_memory_set(struct shard *shard, uint64_t size)
{
    assert(size > 0);
    shard_engine(shard)->query_memory_max = size < QUERY_MEMORY_SIZE_MIN ? QUERY_MEMORY_SIZE_MIN
                                                                         : size;
}

err_t
engine_create(struct shard *shard)
{
    assert(!shard->engine);
    struct engine *engine = memory_allocate(shard_memory(shard), sizeof(*engine));
    if (!engine)
        return ERR(MEMORY_POOL);
    memset(engine, 0, sizeof(*engine));
    engine->shard = shard;
    engine->next_run_id = (uint64_t)shard->index << 48 | 1;
    engine->query_memory_max = (uint64_t)QUERY_MEMORY_DEFAULT_MIB << 20;
    for (uint32_t i = 0; i < RUN_BUCKET_COUNT; i++)
        list_init(&engine->runs[i]);
    list_init(&engine->buried);
    list_init(&engine->buried_queries);
    task_init(&engine->reaper, TASK_BACKGROUND, engine_reap);
    for (uint32_t i = 0; i < PARTITION_COUNT; i++)
        engine->owners[i] = (uint8_t)partition_owner(shard, i);
    err_t err = plan_cache_create(shard_memory(shard), &engine->plans);
    if (err) {
        memory_release(shard_memory(shard), engine, sizeof(*engine));
        return err;
    }
    shard->engine = engine;
    exchange_register(shard);
    run_register(shard);
    return 0;
}

void
engine_zones_set(struct shard *shard, struct zone_source *zones)
{
    shard_engine(shard)->zones = zones;
}

bool
engine_is_idle(const struct shard *shard)
{
    const struct engine *engine = shard->engine;
    return !engine || (engine->query_count == 0 && engine->transaction_count == 0);
}

void
engine_destroy(struct shard *shard)
{
    struct engine *engine = shard->engine;
    if (!engine)
        return;
    task_cancel(shard, &engine->reaper);
    engine_reap(&engine->reaper);
    plan_cache_destroy(engine->plans);
    shard->engine = NULL;
    memory_release(shard_memory(shard), engine, sizeof(*engine));
}
