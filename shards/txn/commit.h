/* The shared words of the commit protocol: the only memory two shards both write or read beside the queues
 * and the metrics. Everything here is lock-free and sequentially consistent; the essay is in commit.c.
 * `k` is always the calling shard. */
#ifndef SHARDS_TXN_COMMIT_H
#define SHARDS_TXN_COMMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct commit_words;

/* The newest timestamp below which every commit is decided; also stored as floor[k]. Never goes back. */
uint64_t commit_stable(struct commit_words *words, uint32_t k);

/* A snapshot to read at. `oldest` is the oldest one already in use on this shard, UINT64_MAX when there is
 * none; the caller keeps snap[k] right afterwards with commit_snapshot_release. */
uint64_t commit_snapshot_take(struct commit_words *words, uint32_t k, uint64_t oldest);
void commit_snapshot_release(struct commit_words *words, uint32_t k, uint64_t oldest);
/* No snapshot in use, here or later, is older. */
uint64_t commit_horizon(struct commit_words *words, uint32_t k);

/* A timestamp for a commit. `has_undecided`: this shard coordinates another one that is not decided yet, so
 * low[k] is published already. */
uint64_t commit_timestamp_take(struct commit_words *words, uint32_t k, bool has_undecided);
/* The oldest undecided commit this shard coordinates; UINT64_MAX = none. */
void commit_low_set(struct commit_words *words, uint32_t k, uint64_t low);
/* The next timestamp: none at or above it was ever given out. */
uint64_t commit_timestamp_next(const struct commit_words *words);

/* A shard that has decided commits above `stable` says so, looks once more, and then may sleep: whoever
 * raises a low asks for the waiting and rings. */
void commit_waiting_set(struct commit_words *words, uint32_t k, bool waiting);
bool commit_is_waiting(const struct commit_words *words, uint32_t other);

/* Ways to break the protocol on purpose, so that tests can show that they would notice. (Those that need two
 * shards inside one turn at once are the model check's: the simulator's turns are not interleaved.) */
enum commit_defect {
    COMMIT_DEFECT_NONE,
    COMMIT_DEFECT_DURABLE_EARLY, /* owners report DURABLE before the flush */
    COMMIT_DEFECT_ANSWER_EARLY,  /* the client is answered before stable >= ts */
    COMMIT_DEFECT_SNAPSHOT_NEXT, /* snapshots are next_ts - 1 instead of stable */
    COMMIT_DEFECT_HALF_RECORD,   /* one participant does not log its part */
    COMMIT_DEFECT_COUNT
};
void commit_defect_set(struct commit_words *words, enum commit_defect defect);
enum commit_defect commit_defect(const struct commit_words *words);

#endif
