/* An intrusive hash table that grows one bucket at a time (linear hashing): no insert moves more than
 * one bucket's chain, and no insert fails: without memory the chains get longer.
 *
 *     buckets 0..63 in the table itself | 64..127 | 128..255 | 256..511 | ...  (one segment per doubling)
 *
 * Invariants: (1) an element with hash h is in bucket h mod 2L when that bucket exists, else in bucket
 * h mod L, where L is the largest power of two <= bucket_count; (2) the caller compares keys. */
#ifndef SHARDS_STORE_TABLE_H
#define SHARDS_STORE_TABLE_H

#include <stdbool.h>

#include "shards/store/pool.h"

enum { TABLE_FIRST_COUNT = 64, TABLE_SEGMENT_COUNT = 40 };

struct table_link {
    struct table_link *next;
    uint64_t hash;
};

struct table {
    struct pool *pool;
    uint64_t count, bucket_count;
    struct table_link **segments[TABLE_SEGMENT_COUNT]; /* segments[0] = buckets 64..127 */
    struct table_link *first[TABLE_FIRST_COUNT];
};

#define table_entry(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

void table_create(struct table *table, struct pool *pool);
/* The elements are the caller's to release first. */
void table_destroy(struct table *table);
void table_insert(struct table *table, struct table_link *link, uint64_t hash);
void table_remove(struct table *table, struct table_link *link);
/* The chain an element with this hash is in: follow `next`, compare hash and key. */
struct table_link *table_chain(const struct table *table, uint64_t hash);
/* Any element, for emptying the table; NULL when it is empty. */
struct table_link *table_any(const struct table *table);
/* Buckets 0..table->bucket_count - 1, for walking everything. */
struct table_link *table_bucket(const struct table *table, uint64_t bucket);

#endif
