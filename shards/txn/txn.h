/* Transactions: strict snapshot isolation by parallel commit.
 *
 *   coordinator (home shard)               owners of written data
 *   txn_begin: snapshot = stable
 *   txn_write  -- TXN_WRITE operations -->  intents installed (store_apply), conflicts checked
 *              <-- TXN_WRITTEN ----------
 *   txn_commit: low published, ts taken
 *              -- TXN_COMMIT ts, who ---->  intents stamped, one WAL record
 *              <-- TXN_DURABLE ----------   when that frame and all before it are durable
 *   all in and stable >= ts: floor stored, `done`
 *
 * One message round, one durable write, no second phase. The shared words (next_ts; per shard low,
 * floor, oldest snapshot) are the only memory two shards both touch beside the queues; the essay with
 * the invariants and the proof sketch is in commit.c, the model check in tests/.
 *
 * Read-only transactions send no message. A shard whose part is only index entries (derived data) stamps
 * and answers TXN_STAMPED without a log record. */
#ifndef SHARDS_TXN_TXN_H
#define SHARDS_TXN_TXN_H

#include "shards/store/store.h"

/* The shared commit words of all shards of a process; created at boot, passed to every shard. */
struct commit_words;
size_t commit_words_size(uint32_t shard_count);
void
commit_words_create(struct commit_words *words, uint32_t shard_count, uint64_t first_timestamp);

err_t txn_manager_create(struct shard *shard, struct commit_words *words, struct txn_manager **out);
/* The manager must be idle, except after a crash of the simulator. */
void txn_manager_destroy(struct txn_manager *manager);
/* No transaction is open here, and no part of one: asked while draining, with wal_drain. */
bool txn_manager_is_idle(const struct txn_manager *manager);

struct txn;

struct txn_options {
    uint64_t bookmark; /* commit timestamp that must be visible; 0 = none */
    bool read_only;    /* txn_write fails with ERR(ACCESS_MODE) */
};

/* The snapshot is taken here unless the bookmark is ahead of `stable`; then `txn_is_ready` is false until
 * `ready` was called (at most some milliseconds: the bookmark is a timestamp given out before; one that
 * never was gives ERR(BOOKMARK)). `ready` is not called when txn_is_ready is true on return. */
err_t txn_begin(
    struct shard *shard,
    const struct txn_options *options,
    void (*ready)(void *context, err_t err),
    void *context,
    struct txn **out);
bool txn_is_ready(const struct txn *txn);
struct view txn_view(const struct txn *txn);
bool txn_has_writes(const struct txn *txn);

struct write_counters {
    uint64_t nodes_created, nodes_deleted, rels_created, rels_deleted, properties_set, labels_added,
        labels_removed;
};

/* A batch of operations. Fill `operations`; they are sent to their owners, the index entries they cause
 * to theirs, and REL_CREATE is followed by its REL_ATTACH (and REL_DELETE by REL_DETACH) without the
 * caller doing anything. When all are applied `done` runs. On an error the transaction is doomed: only
 * txn_abort is allowed. Operations are applied in order per owner; owners work in parallel, and NODE_DELETE
 * operations of a batch only after everything else of it. The structure and what it points at stay the
 * caller's until `done`. One batch at a time per transaction. */
struct txn_write {
    const struct operation *operations;
    uint32_t operation_count;
    rel_id *rel_ids;                /* out, one per operation, filled for REL_CREATE; may be NULL */
    struct write_counters counters; /* out */
    err_t err;                      /* out */
    uint32_t failed_operation;      /* out: index into operations */
    uint64_t conflicting_node;      /* out, ERR(CONSTRAINT) */
    void (*done)(struct txn_write *write);
    void *context;
    void *private_state;
};
void txn_write(struct txn *txn, struct txn_write *write);

/* Either ends and frees the transaction; `done` runs later, also for a transaction without writes.
 * `timestamp` is the bookmark of a commit (the snapshot when nothing was written). A commit of a doomed
 * transaction aborts it and reports why it was doomed. txn_abort may be called while a batch is under way:
 * the batch's `done` then comes first, with ERR(TERMINATED) if nothing worse happened. */
typedef void txn_done_fn(void *context, err_t err, uint64_t timestamp);
void txn_commit(struct txn *txn, txn_done_fn *done, void *context);
void txn_abort(struct txn *txn, txn_done_fn *done, void *context);

/* The newest timestamp below which every commit is decided and visible. */
uint64_t txn_stable(struct shard *shard);
/* The oldest snapshot in use on any shard: versions older than the newest one before it can go. */
uint64_t txn_horizon(struct shard *shard);

#endif
