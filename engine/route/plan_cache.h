/* Plans by query text, one cache per shard. A cached plan is lent to executions, which count; it is
 * freed when it has been pushed out and nobody runs it any more. Plans that name something the catalog
 * did not know, or an index that is gone, are made again (plan_is_current). */
#ifndef ENGINE_ROUTE_PLAN_CACHE_H
#define ENGINE_ROUTE_PLAN_CACHE_H

#include "engine/plan/plan.h"

enum { PLAN_CACHE_COUNT_MAX = 256, PLAN_CACHED_TEXT_SIZE_MAX = 64 << 10 };

struct plan_cache;

/* A plan with its arena. */
struct plan_entry {
    struct list_link link; /* least recently used first; alone when not cached */
    struct plan_cache *cache;
    struct arena arena;
    struct plan *plan;
    uint64_t hash;
    uint32_t use_count;
    bool cached;
};

err_t plan_cache_create(struct memory *memory, struct plan_cache **out);
void plan_cache_destroy(struct plan_cache *cache);
/* A current plan for the text, counted; NULL when there is none. */
struct plan_entry *plan_cache_get(
    struct plan_cache *cache,
    struct text text,
    const struct catalog *catalog,
    const struct plan_statistics *statistics);
/* Plans the text; counted. `failure` has a message in `message_arena`. */
err_t plan_entry_make(
    struct plan_cache *cache,
    struct text text,
    const struct catalog *catalog,
    const struct plan_statistics *statistics,
    struct arena *message_arena,
    struct plan_entry **out,
    struct failure *failure);
void plan_entry_put(struct plan_entry *entry);
/* Forgets all plans that nobody runs (db.clearQueryCaches). Returns how many. */
uint32_t plan_cache_clear(struct plan_cache *cache);

#endif
