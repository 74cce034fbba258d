#include "engine/route/plan_cache.h"

#include "base/hash.h"

enum { BUCKET_COUNT = 512, PLAN_ARENA_SIZE_MAX = 256 << 20 };

struct plan_cache {
    struct memory *memory;
    struct list_link used; /* least recently used first */
    uint32_t count;
    /* Newest entry by hash. A text that lost its place here to another of the same slot is planned again. */
    struct plan_entry *slots[BUCKET_COUNT];
};

err_t
plan_cache_create(struct memory *memory, struct plan_cache **out)
{
    struct plan_cache *cache = memory_allocate(memory, sizeof(*cache));
    if (!cache)
        return ERR(MEMORY_POOL);
    *cache = (struct plan_cache){.memory = memory};
    list_init(&cache->used);
    *out = cache;
    return 0;
}

static void
entry_free(struct plan_entry *entry)
{
    assert(entry->use_count == 0 && !entry->cached);
    struct memory *memory = entry->cache->memory;
    arena_destroy(&entry->arena);
    memory_release(memory, entry, sizeof(*entry));
}

/* Takes the entry out of the cache; it goes when its last user does. */
static void
entry_drop(struct plan_entry *entry)
{
    struct plan_cache *cache = entry->cache;
    assert(entry->cached);
    list_remove(&entry->link);
    cache->count--;
    entry->cached = false;
    if (cache->slots[entry->hash % BUCKET_COUNT] == entry)
        cache->slots[entry->hash % BUCKET_COUNT] = NULL;
    if (entry->use_count == 0)
        entry_free(entry);
}

uint32_t
plan_cache_clear(struct plan_cache *cache)
{
    uint32_t count = cache->count;
    while (!list_is_empty(&cache->used))
        entry_drop(list_entry(cache->used.next, struct plan_entry, link));
    return count;
}

void
plan_cache_destroy(struct plan_cache *cache)
{
    if (!cache)
        return;
    plan_cache_clear(cache);
    memory_release(cache->memory, cache, sizeof(*cache));
}

struct plan_entry *
plan_cache_get(
    struct plan_cache *cache,
    struct text text,
    const struct catalog *catalog,
    const struct plan_statistics *statistics)
{
    uint64_t hash = hash_bytes(text.data, text.size, 0);
    struct plan_entry *entry = cache->slots[hash % BUCKET_COUNT];
    if (!entry || entry->hash != hash || !text_equal(entry->plan->query, text))
        return NULL;
    if (!plan_is_current(entry->plan, catalog, statistics)) {
        entry_drop(entry);
        return NULL;
    }
    list_remove(&entry->link);
    list_push_back(&cache->used, &entry->link);
    entry->use_count++;
    return entry;
}

static void
entry_cache(struct plan_cache *cache, struct plan_entry *entry)
{
    struct plan_entry *before = cache->slots[entry->hash % BUCKET_COUNT];
    if (before)
        entry_drop(before);
    if (cache->count == PLAN_CACHE_COUNT_MAX)
        entry_drop(list_entry(cache->used.next, struct plan_entry, link));
    cache->slots[entry->hash % BUCKET_COUNT] = entry;
    list_push_back(&cache->used, &entry->link);
    cache->count++;
    entry->cached = true;
}

err_t
plan_entry_make(
    struct plan_cache *cache,
    struct text text,
    const struct catalog *catalog,
    const struct plan_statistics *statistics,
    struct arena *message_arena,
    struct plan_entry **out,
    struct failure *failure)
{
    struct plan_entry *entry = memory_allocate(cache->memory, sizeof(*entry));
    if (!entry)
        return ERR(MEMORY_POOL);
    *entry = (struct plan_entry){.cache = cache, .use_count = 1};
    list_init(&entry->link);
    arena_create(&entry->arena, cache->memory, PLAN_ARENA_SIZE_MAX);
    err_t err = plan_query(&entry->arena, text, catalog, statistics, &entry->plan, failure);
    if (err) {
        struct text copy = arena_text(message_arena, failure->message);
        failure->message = copy.data ? copy : text_of(err_text(err_code(err)));
        entry->use_count = 0;
        entry_free(entry);
        return err;
    }
    entry->hash = hash_bytes(text.data, text.size, 0);
    if (text.size <= PLAN_CACHED_TEXT_SIZE_MAX && entry->plan->new_name_count == 0)
        entry_cache(cache, entry);
    *out = entry;
    return 0;
}

void
plan_entry_put(struct plan_entry *entry)
{
    if (!entry)
        return;
    assert(entry->use_count > 0);
    if (--entry->use_count == 0 && !entry->cached)
        entry_free(entry);
}
