/* The write-ahead log of one shard.
 *
 *   DIR/meta                 what the directory is, where past logs ended (meta.h)
 *   DIR/wal/<slot>/<number>  64 MiB segments, zeroed ahead by the auxiliary thread
 *
 * A record is one transaction's part on this shard: {ts, txid, participants, operations}, or a catalog
 * change. Records gather in a buffer; a frame (header of 64 bytes, whole 4 KiB pages) is one durable
 * write; several are in flight; durability is reported as a contiguous prefix. Layout: wal_format.h.
 *
 * Called by the owning shard only. The log flushes itself at the end of each turn. A failed or short write
 * stops the process (seam fatal): the disk lied, and only the log on it can say what was promised.
 *
 * A disk that is full while a segment is prepared ahead stops nothing that has begun: wal_reserve refuses
 * new work with ERR(DISK_FULL), and preparing is tried again every second. */
#ifndef SHARDS_WAL_WAL_H
#define SHARDS_WAL_WAL_H

#include "shards/core/shard.h"
#include "shards/wal/recovery.h"

/* FULL: `durable` is called when the bytes are on stable storage. OFF: when they were handed to the disk; for
 * loading what can be loaded again, and for tests. After a power cut in OFF the last records of each shard
 * may be missing: acknowledged transactions are lost then, one over several shards wholly, but a later one
 * that built on it may stay. */
enum wal_sync { WAL_SYNC_FULL, WAL_SYNC_OFF };

/* Goes on where `start` says (recovery_wal_start). Blocking: it may have to make the first segment.
 * ERR(DISK_FULL), ERR(IO), ERR(MEMORY_POOL). */
err_t
wal_open(struct shard *shard, const struct wal_start *start, enum wal_sync sync, struct wal **out);
/* Starts what is still to be written, and says whether all is durable and nothing is under way: ask each
 * turn until true, then wal_close. */
bool wal_drain(struct wal *wal);
/* Nothing may be in flight, except after a crash of the simulator. */
void wal_close(struct wal *wal);

/* Called when the record, and all before it on this shard, are durable. */
struct wal_waiter {
    struct list_link link;
    uint64_t lsn;
    void (*durable)(struct wal_waiter *waiter);
};
/* Room for a record of `size` payload bytes (at most wal_record_size_max) of type (records.def); NULL when
 * the buffers are full: then try again when the space listener was called. Nothing else may be opened
 * before wal_record_close. */
void *wal_record_open(struct wal *wal, uint8_t type, uint32_t size);
/* Ends the record; `waiter` may be NULL. Returns its LSN. `durable` runs later, never from inside. */
uint64_t wal_record_close(struct wal *wal, struct wal_waiter *waiter);
uint32_t wal_record_size_max(const struct wal *wal);
/* Starts writing what has gathered, unless four frames are in flight. The end of each turn does it too. */
void wal_flush(struct wal *wal);

/* Sets segment space aside for records that will be written, so that what was accepted can be committed.
 * `size` counts whole frames where the record may stand alone: wal_record_charge. ERR(DISK_FULL) when there
 * is no more disk; ERR(BUSY) when the next segment is still being prepared: try again when the space
 * listener was called. */
err_t wal_reserve(struct wal *wal, uint64_t size);
/* Gives back what was reserved, when the record has been written or never will be. */
void wal_unreserve(struct wal *wal, uint64_t size);
static inline uint64_t
wal_record_charge(uint64_t payload_size)
{
    return payload_size + payload_size / 8 + WAL_PAGE_SIZE;
}

/* `space` is called when buffers or segments became free, or preparing one failed. Two listeners at most. */
void wal_space_listen(struct wal *wal, void (*space)(void *context), void *context);
/* Where frames get `stable` from: the transaction manager. Without one they say 0. */
void wal_stable_source(struct wal *wal, uint64_t (*stable)(void *context), void *context);

#endif
