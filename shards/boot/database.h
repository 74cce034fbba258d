/* A database in a process: what every shard's program starts and finishes, in order.
 *
 *      first shard to come: recovery_prepare (all logs, once), commit words
 *      every shard:         catalog, store, recovery_apply, log, transactions
 *      last one to finish:  recovery and commit words are given back
 *
 * The daemon, the benches and the simulator's tests all start databases through this; the layers above
 * (engine, net) are added by the caller's own shard_program after database_start. Index entries are derived
 * data: they are rebuilt by messages once the loops turn; `database_is_ready` says when. */
#ifndef SHARDS_BOOT_DATABASE_H
#define SHARDS_BOOT_DATABASE_H

#include "shards/core/shard.h"
#include "shards/wal/wal.h"

/* A file that quiver-import keeps in a directory until the import is whole. */
#define IMPORT_MARKER "IMPORTING"

struct database;

struct database_options {
    enum wal_sync sync;
    uint64_t segment_size; /* of a new directory; 0 = WAL_SEGMENT_SIZE */
};

/* NULL when there is no memory. One for each life of a process (or simulated machine). */
struct database *database_new(const struct database_options *options);
/* After all shards have finished. */
void database_delete(struct database *database);

/* On the shard's own thread, from shard_program.start. On an error database_message says more. */
err_t database_start(struct database *database, struct shard *shard);
/* From shard_program.drain: true when the log is durable and nothing is under way. */
bool database_drain(struct database *database, struct shard *shard);
/* From shard_program.finish; also after database_start failed. */
void database_finish(struct database *database, struct shard *shard);

/* True when the shard's part of every index is rebuilt. */
bool database_is_ready(struct shard *shard);
/* One line for a person: which file is damaged, and where. Empty when there is nothing to say. */
const char *database_message(const struct database *database);
/* Names this data directory in element ids and bookmarks; known once a shard has started. */
uint64_t database_id(const struct database *database);
/* One line about the recovery, for the log; empty for a new directory. */
const char *database_report(const struct database *database);

#endif
