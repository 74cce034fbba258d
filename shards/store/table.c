#include "shards/store/table.h"

#include "base/assert.h"

static struct table_link **
bucket_at(const struct table *table, uint64_t bucket)
{
    if (bucket < TABLE_FIRST_COUNT)
        return (struct table_link **)(uintptr_t)&table->first[bucket];
    uint32_t power = 63 - (uint32_t)__builtin_clzll(bucket); /* 6 for 64..127 */
    return &table->segments[power - 6][bucket - (UINT64_C(1) << power)];
}

static uint64_t
bucket_of(const struct table *table, uint64_t hash)
{
    uint64_t level = UINT64_C(1) << (63 - __builtin_clzll(table->bucket_count));
    uint64_t bucket = hash & (level * 2 - 1);
    return bucket < table->bucket_count ? bucket : hash & (level - 1);
}

void
table_create(struct table *table, struct pool *pool)
{
    *table = (struct table){.pool = pool, .bucket_count = TABLE_FIRST_COUNT};
}

void
table_destroy(struct table *table)
{
    for (uint32_t i = 0; i < TABLE_SEGMENT_COUNT; i++)
        if (table->segments[i])
            pool_release(table->pool, table->segments[i], sizeof(struct table_link *) << (6 + i));
    *table = (struct table){0};
}

static void
bucket_split(struct table *table)
{
    uint64_t fresh = table->bucket_count;
    uint32_t power = 63 - (uint32_t)__builtin_clzll(fresh);
    if (!table->segments[power - 6]) {
        table->segments[power - 6] = pool_zeroed(table->pool, sizeof(struct table_link *) << power);
        if (!table->segments[power - 6])
            return;
    }
    table->bucket_count++;
    uint64_t mask = (UINT64_C(2) << power) - 1;
    struct table_link **from = bucket_at(table, fresh - (UINT64_C(1) << power)),
                      **to = bucket_at(table, fresh);
    while (*from) {
        struct table_link *link = *from;
        if ((link->hash & mask) != fresh) {
            from = &link->next;
            continue;
        }
        *from = link->next;
        link->next = *to;
        *to = link;
    }
}

void
table_insert(struct table *table, struct table_link *link, uint64_t hash)
{
    if (table->count >= table->bucket_count)
        bucket_split(table);
    struct table_link **bucket = bucket_at(table, bucket_of(table, hash));
    link->hash = hash;
    link->next = *bucket;
    *bucket = link;
    table->count++;
}

void
table_remove(struct table *table, struct table_link *link)
{
    struct table_link **at = bucket_at(table, bucket_of(table, link->hash));
    while (*at != link) {
        assert(*at);
        at = &(*at)->next;
    }
    *at = link->next;
    table->count--;
}

struct table_link *
table_chain(const struct table *table, uint64_t hash)
{
    return *bucket_at(table, bucket_of(table, hash));
}

struct table_link *
table_bucket(const struct table *table, uint64_t bucket)
{
    assert(bucket < table->bucket_count);
    return *bucket_at(table, bucket);
}

struct table_link *
table_any(const struct table *table)
{
    for (uint64_t i = 0; table->count && i < table->bucket_count; i++)
        if (table_bucket(table, i))
            return table_bucket(table, i);
    return NULL;
}
