/* One execution of a plan on its home shard: what its operators share.
 *
 * Owned by engine/route/query.c, which makes it, pulls its root operator, and frees it when no run and
 * no request of it is outstanding any more. Operators reach everything through it. */
#ifndef ENGINE_RUN_EXECUTION_H
#define ENGINE_RUN_EXECUTION_H

#include "engine/plan/plan.h"
#include "engine/run/id_map.h"
#include "shards/txn/txn.h"

/* A source with a limit of its own above another one: all memory of a query on one shard. */
struct limited_memory {
    struct memory memory;
    struct memory *parent;
};
void limited_memory_create(struct limited_memory *memory, struct memory *parent, size_t limit_size);

struct engine;

struct schema_counters {
    uint64_t indexes_added, indexes_removed, constraints_added, constraints_removed;
};

struct execution {
    struct shard *shard;
    struct engine *engine;
    const struct plan *plan;
    struct limited_memory memory;
    struct arena arena; /* lives as long as the execution */
    struct expr_context expressions;
    struct txn *txn;
    bool read_only;
    struct failure failure; /* err 0: none. The message lives in `arena` */
    err_t stop;             /* asked to stop with this reason; 0 = go on */
    struct write_counters counters;
    struct schema_counters schema;
    /* Makes the query pull again: something it waited for has happened. */
    void (*wake)(struct execution *execution);
    uint32_t run_count;     /* traversal runs not yet forgotten everywhere */
    uint32_t request_count; /* writes and catalog requests out */
    /* What this statement deleted (node id * 2, relationship id * 2 + 1): deleting twice is no error. */
    struct id_map deleted;
    bool stopped_by_slice;
};

/* Records the first failure; `format` NULL: the default text of the code, unless an expression left one. */
void execution_fail(struct execution *execution, err_t err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static inline bool
execution_failed(const struct execution *execution)
{
    return execution->failure.err != 0;
}

#endif
