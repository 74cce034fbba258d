#include "shards/boot/database.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "shards/store/catalog.h"
#include "shards/store/store.h"
#include "shards/txn/txn.h"
#include "shards/wal/recovery.h"

struct database {
    struct database_options options;
    pthread_mutex_t lock; /* guards all below: shards start and finish at the same time */
    bool prepared;
    err_t err; /* of the preparation */
    uint32_t applied_count, started_count;
    struct recovery *recovery;
    struct commit_words *words;
    uint64_t id;
    struct refusal refusal;
    char report[256];
};

struct database *
database_new(const struct database_options *options)
{
    struct database *database = calloc(1, sizeof(*database));
    if (!database)
        return NULL;
    database->options = *options;
    pthread_mutex_init(&database->lock, NULL);
    return database;
}

void
database_delete(struct database *database)
{
    if (database->recovery)
        recovery_delete(database->recovery);
    free(database->words);
    pthread_mutex_destroy(&database->lock);
    free(database);
}

const char *
database_message(const struct database *database)
{
    return database->refusal.text;
}

uint64_t
database_id(const struct database *database)
{
    assert(database->id);
    return database->id;
}

const char *
database_report(const struct database *database)
{
    return database->report;
}

static err_t
import_marker_check(struct seam *seam, struct refusal *refusal)
{
    io_handle handle;
    if (seam->ops->disk_open(seam, IMPORT_MARKER, false, false, &handle) < 0)
        return 0;
    seam->ops->disk_close(seam, handle);
    refusal_set(
        refusal, "%s is there: an import into this directory did not finish", IMPORT_MARKER);
    return ERR(DIRECTORY_INCOMPLETE);
}

/* Once, by whichever shard comes first; the others wait for it. */
static err_t
database_prepare(struct database *database, struct shard *shard)
{
    struct seam *seam = shard->seam;
    err_t err = import_marker_check(seam, &database->refusal);
    if (err)
        return err;
    struct recovery_options options = {
        .shard_count = shard->count,
        .segment_size = database->options.segment_size,
        .database_id = seam->ops->random(seam) | 1};
    err = recovery_prepare(seam, &options, &database->recovery, &database->refusal);
    if (err)
        return err;
    database->id = recovery_wal_start(database->recovery, 0).database_id;
    size_t size = (commit_words_size(shard->count) + 127) / 128 * 128;
    database->words = aligned_alloc(128, size);
    if (!database->words)
        return ERR(MEMORY_POOL);
    commit_words_create(
        database->words, shard->count, recovery_first_timestamp(database->recovery));
    struct recovery_report report = recovery_report(database->recovery);
    if (!recovery_is_new_directory(database->recovery))
        snprintf(
            database->report, sizeof(database->report),
            "recovered %llu transactions from %.1f MiB of log, dropped %llu that were not "
            "committed; life %u",
            (unsigned long long)report.transactions_kept, (double)report.bytes_read / 1048576,
            (unsigned long long)report.transactions_dropped, report.incarnation);
    return 0;
}

static err_t
replay_catalog(void *context, const uint8_t *bytes, size_t size)
{
    struct shard *shard = context;
    return catalog_replay(shard->catalog, bytes, size);
}

static err_t
replay_operation(
    void *context, const struct operation *operation, uint64_t timestamp, struct arena *arena)
{
    struct shard *shard = context;
    return store_replay(shard->store, operation, timestamp, arena);
}

err_t
database_start(struct database *database, struct shard *shard)
{
    pthread_mutex_lock(&database->lock);
    if (!database->prepared) {
        database->err = database_prepare(database, shard);
        database->prepared = true;
    }
    err_t err = database->err;
    pthread_mutex_unlock(&database->lock);
    if (err)
        return err;
    err = catalog_create(shard, &shard->catalog);
    if (!err)
        err = store_create(shard, &shard->store);
    struct recovery_sink sink = {
        .context = shard, .catalog = replay_catalog, .operation = replay_operation};
    struct refusal refusal = {.text = ""};
    if (!err)
        err = recovery_apply(database->recovery, shard, &sink, &refusal);
    if (!err)
        err = store_replay_finish(shard->store);
    struct wal_start start = recovery_wal_start(database->recovery, shard->index);
    if (!err)
        err = wal_open(shard, &start, database->options.sync, &shard->wal);
    if (!err)
        err = txn_manager_create(shard, database->words, &shard->txns);
    if (!err)
        err = catalog_start(shard, txn_horizon, NULL, NULL);
    pthread_mutex_lock(&database->lock);
    if (err && refusal.text[0])
        database->refusal = refusal;
    if (++database->applied_count == shard->count) {
        recovery_delete(database->recovery);
        database->recovery = NULL;
    }
    pthread_mutex_unlock(&database->lock);
    return err;
}

bool
database_drain(struct database *database, struct shard *shard)
{
    assert(database->prepared);
    return txn_manager_is_idle(shard->txns) && wal_drain(shard->wal);
}

bool
database_is_ready(struct shard *shard)
{
    return catalog_is_ready(shard->catalog);
}

void
database_finish(struct database *database, struct shard *shard)
{
    assert(database->prepared);
    if (shard->txns)
        txn_manager_destroy(shard->txns);
    if (shard->wal)
        wal_close(shard->wal);
    if (shard->store)
        store_destroy(shard->store);
    if (shard->catalog)
        catalog_destroy(shard->catalog);
    shard->txns = NULL;
    shard->wal = NULL;
    shard->store = NULL;
    shard->catalog = NULL;
}
