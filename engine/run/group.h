/* Grouped aggregation: rows in, groups out; used by the operator AGGREGATE and, partially, by every
 * shard at the end of a traversal. Groups come out in the order they were first seen.
 *
 *     table (hash -> index + 1)      groups[]           one group
 *     [0 3 0 1 0 0 2 0]  ------->  [ *  *  * ]  --->  | hash | keys ... | aggregate states ... |
 *
 * Keys are compared by equivalence (null = null, 1 = 1.0). Without keys there is one group. A bare
 * count(*) counts batches' rows and looks at nothing. Owned by one shard; memory is the query's. */
#ifndef ENGINE_RUN_GROUP_H
#define ENGINE_RUN_GROUP_H

#include "engine/plan/plan.h"

struct group {
    uint64_t hash;
    uint32_t index; /* in groups[] */
    struct value *keys;
    struct aggregate *states;
};

struct grouping {
    struct memory *memory;
    struct arena arena; /* keys, states and what they collect */
    struct expr_context *expressions;
    uint32_t key_count, aggregate_count;
    const struct expr *const *keys;
    const struct aggregation *aggregates;
    bool counts_rows_only;
    uint64_t row_count; /* counts_rows_only: rows not yet in the states */
    struct group **groups;
    uint32_t group_count, group_room;
    uint32_t *table;
    uint32_t table_size;
    struct value *columns; /* scratch: keys and arguments of a batch, BATCH_ROW_COUNT_MAX each */
    size_t columns_size;
    uint32_t next; /* the group that comes out next */
};

err_t grouping_create(
    struct grouping *grouping,
    struct memory *memory,
    size_t limit_size,
    struct expr_context *expressions,
    const struct expr *const *keys,
    uint32_t key_count,
    const struct aggregation *aggregates,
    uint32_t aggregate_count);
void grouping_destroy(struct grouping *grouping);
/* The rows of a batch. Temporaries go to expressions->arena. */
err_t grouping_add(struct grouping *grouping, const struct batch *batch);
/* The rows of the batch whose keys were not there before; they are now. `groups`, if not NULL, gets the
 * group of each row. */
err_t grouping_distinct(
    struct grouping *grouping,
    const struct batch *batch,
    uint32_t *rows,
    uint32_t *row_count,
    uint32_t *groups);
/* Makes the one group that a statement without keys has, also when no row came. */
err_t grouping_settle(struct grouping *grouping);
/* Up to BATCH_ROW_COUNT_MAX groups as columns: keys, then results. *count 0 at the end. */
err_t grouping_take(
    struct grouping *grouping, struct arena *arena, struct column *columns, uint32_t *count);

/* The groups from *position as bytes, about `size_goal` of them at least one; NULL when there is no
 * memory. Settle first. */
uint8_t *grouping_encode(
    struct grouping *grouping,
    struct arena *arena,
    uint32_t *position,
    size_t size_goal,
    size_t *size,
    uint32_t *group_count);
/* Adds `group_count` groups another shard encoded. */
err_t
grouping_merge(struct grouping *grouping, const uint8_t *bytes, size_t size, uint32_t group_count);

#endif
