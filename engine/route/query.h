/* One statement, from text to the last row: the interface of the engine to sessions (net/), to the
 * bench and to tests.
 *
 *      query_run --> planned ----> query_pull(n) --> rows ... rows --> paused (has more)
 *         |            fields         ^                                  |
 *         |                           +----------------------------------+
 *         v                           +--> finished (summary; an autocommit transaction is committed)
 *       failed (at any time)
 *
 * Everything is asynchronous and on one shard, the home of the statement. Events are called from the
 * shard's loop, never from inside the call that asked; after `finished` or `failed` no event follows,
 * and the query must be freed with query_free. Values in `rows` are lent until the event returns. */
#ifndef ENGINE_ROUTE_QUERY_H
#define ENGINE_ROUTE_QUERY_H

#include "base/error.h"
#include "engine/value/batch.h"
#include "shards/txn/txn.h"

struct query;
struct transaction;
struct plan;
struct zone_source;

/* Creates / destroys the engine's state of a shard (shard->engine): handlers of messages, plan cache. */
err_t engine_create(struct shard *shard);
void engine_destroy(struct shard *shard);
/* Where named time zones come from; lent for as long as the engine lives. NULL (the default): none known. */
void engine_zones_set(struct shard *shard, struct zone_source *zones);
/* No statement and no transaction is left, not even one that was freed and is still winding up. Asked while
 * stopping, before engine_destroy. */
bool engine_is_idle(const struct shard *shard);

struct query_summary {
    uint8_t kind; /* enum query_kind of plan.h: 0 r, 1 w, 2 rw, 3 s */
    struct write_counters counters;
    uint64_t indexes_added, indexes_removed, constraints_added, constraints_removed;
    uint64_t bookmark;       /* commit timestamp; autocommit only, else 0 */
    const struct plan *plan; /* EXPLAIN and PROFILE: to print; NULL otherwise */
    uint64_t rows;
    uint64_t planned_ns, first_row_ns, total_ns; /* since query_run */
};

struct query_events {
    /* Planned (and, in an autocommit transaction, begun): the column names, lent until query_free. */
    void (*fields)(void *context, const struct text *names, uint32_t count);
    /* Some rows of the current pull. Return false when the receiver is full: no more rows come until
     * query_resume. These rows are taken all the same. */
    bool (*rows)(void *context, const struct batch *batch);
    /* The pull's n rows were delivered and there are more. */
    void (*paused)(void *context);
    void (*finished)(void *context, const struct query_summary *summary);
    /* The message is lent until the event returns. The transaction, explicit or not, can only be rolled back. */
    void (*failed)(void *context, const struct failure *failure);
};

struct query_options {
    struct text text;                /* lent until `fields` or `failed` */
    struct value parameters;         /* a map; lent until finished, failed or freed */
    struct transaction *transaction; /* NULL: autocommit */
    uint64_t bookmark;               /* autocommit: must be visible; 0 = none */
    bool read_only;                  /* autocommit: writing is ERR(ACCESS_MODE) */
    uint64_t timeout_ns;             /* autocommit: 0 = none */
    const struct query_events *events;
    void *context;
};

/* ERR only when there is no memory for a query at all; everything else comes as an event. An autocommit
 * statement that meets a transient conflict before its first row is delivered is run again, a few times. */
err_t query_run(struct shard *shard, const struct query_options *options, struct query **out);
/* Asks for the next `row_count` rows (INT64_MAX: all). Only after `fields` or `paused`. */
void query_pull(struct query *query, int64_t row_count);
/* Runs to the end without delivering rows; then `finished`. Only after `fields` or `paused`. */
void query_discard(struct query *query);
void query_resume(struct query *query);
/* As soon as it can, `failed` with ERR(TERMINATED) (or `finished` if it was already over). */
void query_cancel(struct query *query, err_t reason);
/* After finished or failed; or before, then it is cancelled and no event follows. */
void query_free(struct query *query);

/* --- explicit transactions --- */

struct transaction_options {
    uint64_t bookmark;
    bool read_only;
    uint64_t timeout_ns;
};
typedef void transaction_done_fn(void *context, const struct failure *failure, uint64_t bookmark);
/* `done` when it has begun (failure NULL), from the loop. Several queries of one transaction may be open;
 * they run one at a time. */
err_t transaction_begin(
    struct shard *shard,
    const struct transaction_options *options,
    transaction_done_fn *done,
    void *context,
    struct transaction **out);
/* Ends what is open, then commits; the transaction is gone when `done` runs. */
void transaction_commit(struct transaction *transaction, transaction_done_fn *done, void *context);
void
transaction_rollback(struct transaction *transaction, transaction_done_fn *done, void *context);

#endif
