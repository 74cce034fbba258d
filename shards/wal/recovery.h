/* Recovery: from the logs in a data directory to the state that every acknowledged commit is part of.
 *
 *      boot, once, before the shards start          each shard, on its own thread
 *      recovery_prepare: read all logs, decide  ->  recovery_apply: redo what its partitions own
 *                        what is kept, write it     wal_open: go on logging where its slot ended
 *                        down, new incarnation
 *      recovery_delete, when all have applied
 *
 * Between prepare and delete a recovery is only read, so shards apply in parallel. A crash at any moment
 * of it is harmless: the next one decides the same. The essay is in recovery.c. */
#ifndef SHARDS_WAL_RECOVERY_H
#define SHARDS_WAL_RECOVERY_H

#include "shards/core/shard.h"
#include "shards/store/operation.h"
#include "shards/wal/meta.h"

struct recovery;

struct recovery_options {
    uint32_t shard_count;  /* of the life that begins */
    uint64_t segment_size; /* of a new directory; 0 = WAL_SEGMENT_SIZE; an old one keeps its own */
    uint64_t database_id;  /* of a new directory; not 0 */
    struct memory *memory; /* what the recovery lives in; NULL = memory_heap() */
};

/* Reads the directory through the blocking calls of `seam`, or makes a new one. On an error `refusal` says
 * which file, where and why, for the user:
 *   ERR(FORMAT_NEWER)    a newer version of the program wrote it
 *   ERR(STORAGE_DAMAGE)  something that was durable is not readable as it was
 *   ERR(IO), ERR(DISK_FULL), ERR(MEMORY_POOL) */
err_t recovery_prepare(
    struct seam *seam,
    const struct recovery_options *options,
    struct recovery **out,
    struct refusal *refusal);
void recovery_delete(struct recovery *recovery);

/* What the redo is handed to. An error stops it. `bytes` and the operation are lent for the call. */
struct recovery_sink {
    void *context;
    /* Catalog records, in the order they were written, before any operation. */
    err_t (*catalog)(void *context, const uint8_t *bytes, size_t size);
    /* Operations of the partitions the shard owns, per partition in the order of timestamps. */
    err_t (*operation)(
        void *context, const struct operation *operation, uint64_t timestamp, struct arena *arena);
};
/* Ends with store_replay_finish when the shard has a store. */
err_t recovery_apply(
    const struct recovery *recovery,
    struct shard *shard,
    const struct recovery_sink *sink,
    struct refusal *refusal);

/* The first timestamp the new life may give out: above all that any life gave. */
uint64_t recovery_first_timestamp(const struct recovery *recovery);
bool recovery_is_new_directory(const struct recovery *recovery);

struct recovery_report {
    uint64_t transactions_kept, transactions_dropped, bytes_read;
    uint32_t incarnation;
};
struct recovery_report recovery_report(const struct recovery *recovery);

/* Where a slot goes on logging: for wal_open. */
struct wal_start {
    uint64_t database_id;
    uint64_t segment_size;
    uint64_t lsn;
    uint32_t incarnation;
};
struct wal_start recovery_wal_start(const struct recovery *recovery, uint32_t slot);

#endif
