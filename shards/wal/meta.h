/* DIR/meta: what the directory is, and where the log of each past incarnation ended. Read and replaced
 * only at start, before the loops run, by recovery.c; read by the dump.
 *
 * An incarnation is one life of the daemon on this directory. When recovery has decided what survived of
 * the last one it writes the ends down here before anything new is logged: what lies behind them never
 * counts again, and what lies before them must be whole. So a transaction that was dropped once stays
 * dropped, whatever later lives write. */
#ifndef SHARDS_WAL_META_H
#define SHARDS_WAL_META_H

#include "base/error.h"
#include "shards/core/seam.h"
#include "shards/wal/wal_format.h"

struct meta_history {
    uint32_t incarnation;
    uint32_t shard_count;
    uint64_t ends[SHARD_COUNT_MAX]; /* LSN; 0 for slots that had no log yet */
};

struct meta {
    uint64_t database_id;
    uint64_t segment_size;
    uint32_t incarnation;
    uint32_t shard_count; /* of that incarnation */
    uint32_t slot_count;  /* slots that have a log */
    uint32_t history_count;
    struct meta_history *history; /* oldest first */
    struct memory *memory;
};

/* Where a refusal says what it found: file, offset, reason. */
struct refusal {
    char text[256];
};
void refusal_set(struct refusal *refusal, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ERR(NOT_FOUND) when there is none; ERR(FORMAT_NEWER); ERR(STORAGE_DAMAGE). */
err_t
meta_load(struct seam *seam, struct memory *memory, struct meta *out, struct refusal *refusal);
/* Atomic: a crash leaves the old file or the new one. */
err_t meta_store(struct seam *seam, const struct meta *meta, struct refusal *refusal);
/* Adds an entry at the end. */
err_t meta_history_add(struct meta *meta, const struct meta_history *entry);
void meta_destroy(struct meta *meta);
/* Encode and decode of the file's bytes; decode is fuzzed. */
size_t meta_size(const struct meta *meta);
void meta_encode(const struct meta *meta, uint8_t *out);
err_t meta_decode(
    const uint8_t *bytes,
    size_t size,
    struct memory *memory,
    struct meta *out,
    struct refusal *refusal);

#endif
