/* Sorting rows, whole or only the best few. Rows are copied in; a bottom-up merge sort over pointers
 * does a bounded number of moves per call, so that a million rows do not hold the core.
 *
 * With a limit the sorter keeps at most about twice as many rows: when it is full it sorts, forgets the
 * worse half, and refuses from then on what is worse than the last it kept. */
#ifndef ENGINE_RUN_SORT_H
#define ENGINE_RUN_SORT_H

#include "engine/plan/plan.h"

struct sorter {
    struct memory *memory;
    struct arena arena; /* the rows */
    size_t limit_size;
    struct expr_context *expressions;
    const struct sort_key *keys;
    uint32_t key_count, column_count;
    uint64_t limit;               /* rows wanted; UINT64_MAX = all */
    struct value **rows, **other; /* each row: keys, then columns */
    uint32_t row_count, row_room;
    bool cut;              /* rows[limit - 1] is the worst that still matters */
    struct value *columns; /* scratch: the keys of a batch */
    /* Where the merge stands. */
    uint32_t width, left, i, j, k;
    bool merging, sorted;
    uint32_t next;
};

err_t sorter_create(
    struct sorter *sorter,
    struct memory *memory,
    size_t limit_size,
    struct expr_context *expressions,
    const struct sort_key *keys,
    uint32_t key_count,
    uint32_t column_count,
    uint64_t limit);
void sorter_destroy(struct sorter *sorter);
/* `slots` says which column of the batch is the sorter's column i; NULL: the same. */
err_t sorter_add(struct sorter *sorter, const struct batch *batch, const uint32_t *slots);
/* About `budget` moves; true when everything is sorted. */
bool sorter_work(struct sorter *sorter, uint32_t budget);
/* The next rows in order, after sorter_work said true; at most BATCH_ROW_COUNT_MAX. Columns of both kinds. */
uint32_t sorter_take(struct sorter *sorter, struct column *columns);
/* Drops the best `count` rows. */
void sorter_skip(struct sorter *sorter, uint64_t count);

#endif
