/* What query.c and transaction.c know of each other. */
#ifndef ENGINE_ROUTE_QUERY_STATE_H
#define ENGINE_ROUTE_QUERY_STATE_H

#include "engine/route/engine.h"
#include "engine/route/plan_cache.h"
#include "engine/run/operator.h"

/* The life of a statement; moves are made by query_move, which checks them.
 *
 *   PLANNING -> NAMING -> PLANNING          new names wait for their tokens
 *      |
 *   BEGINNING -> OPENED <-> RUNNING          OPENED: waits for a pull
 *                  |           |
 *                  |        CLOSING -> COMMITTING -> FINISHED
 *                  |           |
 *                  +------> FAILING -> ABORTING -> FAILED
 *                                         |
 *                                      BACKING_OFF -> PLANNING    a transient conflict, tried again */
enum query_state {
    QUERY_PLANNING,
    QUERY_NAMING,
    QUERY_BEGINNING,
    QUERY_OPENED,
    QUERY_RUNNING,
    QUERY_CLOSING,
    QUERY_COMMITTING,
    QUERY_FAILING,
    QUERY_ABORTING,
    QUERY_BACKING_OFF,
    QUERY_FINISHED,
    QUERY_FAILED,
    QUERY_STATE_COUNT
};

struct query {
    struct list_link link; /* of its transaction, or of the engine's buried queries */
    struct execution execution;
    struct task task;
    struct shard *shard;
    enum query_state state;
    const struct query_events *events;
    void *context;
    struct text kept_text;           /* a copy: another attempt may need it */
    struct value parameters;         /* copied */
    struct transaction *transaction; /* NULL: autocommit, or over */
    bool explicit_transaction;
    uint64_t bookmark;
    bool read_only;
    struct plan_entry *entry;
    uint32_t planned_count; /* times, for new names */
    struct operator* root;
    /* The pull. */
    int64_t wanted; /* rows; INT64_MAX = all */
    bool discarding;
    bool full;           /* the receiver said so */
    struct batch *batch; /* of the root, from batch_row on not delivered */
    uint32_t batch_row;
    struct column *slice; /* columns of a part of a batch */
    bool fields_told, silent /* freed: no more events */, ended;
    uint64_t rows;
    uint32_t attempt_count;
    struct timer timeout, backoff;
    /* Asynchronous steps that came back. */
    bool waiting;
    err_t step_err;
    uint64_t timestamp;
    struct catalog_request names;
    uint64_t begun_ns, planned_ns, first_row_ns;
};

struct transaction {
    struct shard *shard;
    struct txn *txn; /* NULL once ended */
    bool read_only;
    bool ready;
    err_t failed;             /* may only be rolled back */
    struct list_link queries; /* not yet over */
    struct query *active;     /* the one that runs */
    struct timer timeout, begun;
    transaction_done_fn *done;
    void *context;
    bool committing, rolling_back, ending;
};

/* The buried query's memory goes back. */
void query_delete(struct list_link *link);
/* The query's turn may have come. */
void query_wake(struct query *query);
void transaction_query_over(struct transaction *transaction, struct query *query);
void transaction_fail(struct transaction *transaction, err_t err);

#endif
