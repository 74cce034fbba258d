/* The write-ahead log of one shard.
 *
 *   DIR/meta                 format version, database id, incarnation (small, replaced atomically)
 *   DIR/wal/<slot>/<number>  64 MiB segments, zeroed ahead by the auxiliary thread
 *
 * A record is one transaction's part on this shard: {ts, txid, participants, operations}, or a catalog
 * change. Records gather in a buffer; a frame (header of 64 bytes, whole 4 KiB pages) is one durable
 * write; several are in flight; durability is reported as a contiguous prefix. Layout: wal_format.h. */
#ifndef SHARDS_WAL_WAL_H
#define SHARDS_WAL_WAL_H

#include "shards/core/shard.h"

enum wal_sync { WAL_SYNC_FULL, WAL_SYNC_OFF };

err_t wal_open(struct shard *shard, enum wal_sync sync, struct wal **out);
void wal_close(struct wal *wal);

/* Called when the record, and all before it on this shard, are durable. */
struct wal_waiter {
    struct list_link link;
    uint64_t lsn;
    void (*durable)(struct wal_waiter *waiter);
};
/* Room for a record of `size` payload bytes of type (records.def); NULL when the buffers are full. */
void *wal_record_open(struct wal *wal, uint8_t type, uint32_t size);
/* Ends the record; `waiter` may be NULL. Returns its LSN. */
uint64_t wal_record_close(struct wal *wal, struct wal_waiter *waiter);
void wal_flush(struct wal *wal);

#endif
