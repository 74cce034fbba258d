/* Adjacency lists: a base without versions and, while there is something new, a delta beside it.
 *
 * A list is one word, kept in a node record or an index group:
 *
 *     0                  empty
 *     base *             clean: copy it, look at no version
 *     delta * | 1        dirty: struct delta, which points at the base (or none)
 *
 * An entry is (type, other, number). In a node's list `other` is the node at the other end and `number`
 * the local id of the relationship, whose partition is that of the start node; in an index group `other`
 * is the node and `number` tells apart the times it came and went. Lists are sorted by these three. */
#ifndef SHARDS_STORE_ADJACENCY_H
#define SHARDS_STORE_ADJACENCY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/list.h"
#include "shards/store/pool.h"

struct base_run {
    uint32_t type;
    uint32_t count;
};

enum { BASE_OTHERS_WIDE = 1, BASE_NUMBERS_WIDE = 2, BASE_HAS_SELF = 4 };

/* header, runs[run_count], others[count] (u32, or u64 when wide), padding to 8 when numbers are wide,
 * numbers[count] (u32, or u64 when wide). */
struct base {
    uint32_t count;
    uint16_t run_count;
    uint8_t flags;
    uint8_t zero;
    struct base_run runs[];
};
static_assert(sizeof(struct base) == 8, "8 bytes per list");

enum {
    ENTRY_AHEAD = 1
}; /* put in a group by a removal, before the population brought it (index.c) */

struct entry {
    uint64_t other, number;
    uint32_t type;
    uint32_t flags;
    uint64_t
        created; /* stamp; STAMP_BASE: the entry is in the base, this one only says when it ends */
    uint64_t deleted; /* stamp; STAMP_NEVER */
};
static_assert(sizeof(struct entry) == 40, "40 bytes per new entry");

struct dirty {
    struct list_link link;
    uint8_t kind;
    bool queued;
};

enum list_kind { LIST_OUT, LIST_IN, LIST_INDEX };

struct delta {
    struct base *base;
    uint64_t *home;        /* the list word */
    uint64_t owner;        /* LIST_OUT, LIST_IN: the node. LIST_INDEX: the struct group */
    uint8_t kind;          /* enum list_kind */
    uint8_t skipped_count; /* visits of collection that found too little to do */
    uint32_t ending_count; /* intents of the transaction that is just ending, not yet dealt with */
    struct dirty dirty;
    uint32_t count;
    uint32_t
        sorted_count; /* entries[0..sorted_count) are in order; the tail is in order of arrival */
    uint32_t capacity;
    struct entry *entries;
};

static inline bool
list_is_dirty(uint64_t list)
{
    return list & 1;
}

static inline const struct base *
list_base(uint64_t list)
{
    return list_is_dirty(list) ? ((struct delta *)(uintptr_t)(list - 1))->base
                               : (const struct base *)(uintptr_t)list;
}

static inline struct delta *
list_delta(uint64_t list)
{
    return list_is_dirty(list) ? (struct delta *)(uintptr_t)(list - 1) : NULL;
}

static inline const void *
base_others(const struct base *base)
{
    return base->runs + base->run_count;
}

static inline size_t
base_numbers_offset(const struct base *base)
{
    size_t offset = sizeof(*base) + base->run_count * sizeof(struct base_run) +
                    (size_t)base->count * (base->flags & BASE_OTHERS_WIDE ? 8 : 4);
    return base->flags & BASE_NUMBERS_WIDE ? (offset + 7) & ~(size_t)7 : offset;
}

static inline const void *
base_numbers(const struct base *base)
{
    return (const char *)base + base_numbers_offset(base);
}

static inline uint64_t
base_other(const struct base *base, uint64_t at)
{
    return base->flags & BASE_OTHERS_WIDE ? ((const uint64_t *)base_others(base))[at]
                                          : ((const uint32_t *)base_others(base))[at];
}

static inline uint64_t
base_number(const struct base *base, uint64_t at)
{
    return base->flags & BASE_NUMBERS_WIDE ? ((const uint64_t *)base_numbers(base))[at]
                                           : ((const uint32_t *)base_numbers(base))[at];
}

size_t base_size(const struct base *base);

struct key {
    uint64_t other, number;
    uint32_t type;
};

/* The delta of a list, made when it is clean; NULL without memory. */
struct delta *
list_delta_make(struct pool *pool, uint64_t *list, enum list_kind kind, uint64_t owner);
/* The entry with this key, or NULL; the tail may be sorted. Valid until the next insert. */
struct entry *delta_find(struct pool *pool, struct delta *delta, struct key key);
bool base_has(const struct base *base, struct key key);
/* Whether base or delta has an entry of type 0 for `other`, whoever sees it: for index groups. */
bool list_has_other(struct pool *pool, uint64_t list, uint64_t other);
/* Adds an entry whose key is not there yet. */
err_t delta_insert(struct pool *pool, struct delta *delta, struct entry entry);
void delta_remove(struct delta *delta, struct entry *entry);
/* Sorts the tail into the rest. */
void delta_normalise(struct pool *pool, struct delta *delta);
void list_destroy(struct pool *pool, uint64_t *list);

/* Moves what is older than `horizon` into a new base: entries created and not deleted by then go in,
 * entries deleted by then vanish from base and delta. `gone` hears of every entry that leaves the delta:
 * kept = it is in the base now. ERR(MEMORY_POOL): nothing changed. */
typedef void
delta_gone_fn(void *context, const struct delta *delta, const struct entry *entry, bool kept);
err_t delta_fold(
    struct pool *pool,
    struct delta *delta,
    uint64_t horizon,
    uint64_t self,
    delta_gone_fn *gone,
    void *context);
/* Entries that delta_fold would move now. */
uint32_t delta_foldable_count(const struct delta *delta, uint64_t horizon);
/* A base from sorted entries without duplicates, all of them committed, merged with `old` as delta_fold
 * does. NULL in *out when nothing is left. */
err_t base_build(
    struct pool *pool,
    const struct base *old,
    const struct entry *entries,
    uint64_t count,
    uint64_t horizon,
    uint64_t self,
    struct base **out);
void base_destroy(struct pool *pool, struct base *base);
/* By (type, other, number), in place. */
void entries_sort(struct entry *entries, uint64_t count);

/* --- walking what a view sees, in order --- */

struct list_walk {
    const struct base *base;
    const struct entry *entry, *entry_end;
    uint64_t snapshot, txid;
    const uint32_t *types;
    uint32_t type_count; /* 0: all */
    uint32_t run;
    bool run_open;
    bool only_other, skip_self;
    uint64_t other; /* only_other: the only one wanted; skip_self: the one not wanted */
    uint64_t at, run_end, run_from;
};

/* A stretch of the base, or one entry of the delta. */
struct list_piece {
    uint32_t type;
    uint64_t from, count; /* of the base, when `entry` is NULL */
    const struct entry *entry;
};

void list_walk_begin(
    struct list_walk *walk,
    struct pool *pool,
    uint64_t list,
    uint64_t snapshot,
    uint64_t txid,
    const uint32_t *types,
    uint32_t type_count);
bool list_walk_next(struct list_walk *walk, struct list_piece *piece);

#endif
