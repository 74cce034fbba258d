/* Shards with store, log and transactions in the simulator, and calls that wait for their answer: for tests
 * that ask one question about transactions. */
#ifndef TESTS_LIB_TXN_FIXTURE_H
#define TESTS_LIB_TXN_FIXTURE_H

#include "shards/core/seam_sim.h"
#include "shards/txn/commit.h"
#include "shards/txn/txn.h"
#include "shards/wal/recovery.h"
#include "shards/wal/wal.h"

struct txn_fixture {
    struct sim *sim;
    struct recovery *recovery;
    struct commit_words *words;
    struct refusal refusal;
    uint64_t segment_size;
    uint32_t started_count;
};

void txn_fixture_create(
    struct txn_fixture *fix, uint64_t seed, uint32_t shard_count, uint64_t segment_size);
void txn_fixture_destroy(struct txn_fixture *fix);
/* The power goes; the same disk with that many shards. */
err_t txn_fixture_crash(struct txn_fixture *fix, uint32_t shard_count);

/* Calls from a test come from outside a turn: a shard that sleeps does not notice them. */
void fixture_wake(struct txn_fixture *fix);
/* After a turn of all shards, so that their clocks say who is older. */
struct txn *fixture_txn_begin(struct txn_fixture *fix, uint32_t shard);
/* A batch on its way; `finished` is set by its `done`. */
struct fixture_write {
    struct txn_write write;
    bool finished;
};
void fixture_write_start(
    struct txn_fixture *fix,
    struct txn *txn,
    struct fixture_write *write,
    const struct operation *operations,
    uint32_t count,
    rel_id *rel_ids);
/* Runs the simulator until the batch is done; its error. */
err_t fixture_write_wait(struct txn_fixture *fix, struct fixture_write *write);
err_t fixture_txn_write(
    struct txn_fixture *fix,
    struct txn *txn,
    const struct operation *operations,
    uint32_t count,
    rel_id *rel_ids,
    struct write_counters *counters);
err_t fixture_txn_commit(struct txn_fixture *fix, struct txn *txn, uint64_t *timestamp);
void fixture_txn_abort(struct txn_fixture *fix, struct txn *txn);

/* A node id in a partition of that shard. */
node_id fixture_node_id(struct txn_fixture *fix, uint32_t shard);
struct operation fixture_node_create(node_id node);
/* `property` is filled in and must live as long as the operation. */
struct operation fixture_node_set(node_id node, struct property *property, int64_t value);
struct operation fixture_rel_create(node_id start, node_id end);
/* What a new transaction would read; INT64_MIN when the node or the value is not there. */
int64_t fixture_node_value(struct txn_fixture *fix, node_id node);
uint64_t fixture_degree(struct txn_fixture *fix, node_id node, enum direction direction);

#endif
