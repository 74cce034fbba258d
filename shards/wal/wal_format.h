/* The bytes of the data directory that the log owns. Little-endian; touched only by meta.c, frame.c and
 * record.c, which zero what is unused.
 *
 *   DIR/meta                      meta_header, then one history entry per past incarnation that wrote
 *   DIR/wal/<slot>/<number>       segments: <slot> two digits, <number> ten
 *
 *   A slot's log is one line of bytes; a position on it is an LSN = number * segment size + offset.
 *
 *     segment 0                                segment 1
 *     +--------+------------+-----+----------+ +--------------+-----------
 *     | frame  | frame      | ... | (unused) | | frame        | zeroes, ahead
 *     +--------+------------+-----+----------+ +--------------+-----------
 *
 *     frame = one durable write, whole pages of 4 KiB
 *     +-----------------+---------------+---------------+-----+--------+
 *     | header 64 bytes | record header | payload, to 8 | ... | zeroes |
 *     +-----------------+---------------+---------------+-----+--------+ */
#ifndef SHARDS_WAL_WAL_FORMAT_H
#define SHARDS_WAL_WAL_FORMAT_H

#include <assert.h>
#include <stdint.h>

#include "base/limits.h"

static_assert(
    __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "structures are written as they are in memory");

enum {
    WAL_FORMAT_VERSION = 1,
    META_FORMAT_VERSION = 1,
    WAL_FRAME_MAGIC = 0x464c5751, /* "QWLF" */
    WAL_SEGMENT_SIZE_MIN = 64 << 10,
    META_SIZE_MAX = 16 << 20,
};
#define META_MAGIC UINT64_C(0x4154454d56495551) /* "QUIVMETA" */

struct wal_frame_header {
    uint32_t magic;
    uint16_t format_version;
    uint16_t slot;
    uint64_t database_id;
    uint32_t incarnation;
    uint32_t
        previous_crc; /* header_crc of the frame before in this slot and incarnation; 0 = the first */
    uint64_t lsn;     /* of this frame: where it must stand */
    uint64_t durable_lsn;  /* everything below was durable when this was written */
    uint64_t stable;       /* commits up to this timestamp were durable on all their shards */
    uint32_t payload_size; /* records, without the header and the zeroes at the end */
    uint32_t raw_size;     /* of the payload before compression; equal today */
    uint32_t payload_crc;  /* CRC32C */
    uint32_t header_crc;   /* CRC32C of the 60 bytes before */
};
static_assert(sizeof(struct wal_frame_header) == 64, "a frame header is one cache line");

/* Precedes each record; the payload is padded to 8. */
struct wal_record_header {
    uint32_t size; /* of the payload, without padding */
    uint8_t type;  /* records.def */
    uint8_t zero[3];
};
static_assert(sizeof(struct wal_record_header) == 8, "records stay aligned to 8");

/* WAL_RECORD_TRANSACTION; encoded operations follow. */
struct wal_transaction_header {
    uint64_t timestamp;
    uint64_t txid;
    uint64_t participants; /* bit k: slot k has a record of this transaction too */
    uint64_t part_size;    /* bytes of operations that went ahead in TRANSACTION_PART records */
};
static_assert(sizeof(struct wal_transaction_header) == 32, "no padding");

/* WAL_RECORD_TRANSACTION_PART; a piece of the bytes of the operations follows. */
struct wal_part_header {
    uint64_t txid;
};
static_assert(sizeof(struct wal_part_header) == 8, "no padding");

struct meta_header {
    uint64_t magic;
    uint32_t format_version;
    uint32_t crc;  /* CRC32C of everything behind this word */
    uint64_t size; /* of the file */
    uint64_t database_id;
    uint64_t segment_size;
    uint32_t partition_count;
    uint32_t incarnation; /* the one that writes now */
    uint32_t shard_count; /* of that incarnation */
    uint32_t slot_count;  /* slots that have a log */
    uint64_t history_count;
};
static_assert(sizeof(struct meta_header) == 64, "no padding");

/* Behind it `slot_count` words: the LSN at which each slot's log of that incarnation ends. */
struct meta_history_header {
    uint32_t incarnation;
    uint32_t shard_count;
    uint32_t slot_count;
    uint32_t zero;
};
static_assert(sizeof(struct meta_history_header) == 16, "no padding");

static_assert(SHARD_COUNT_MAX <= 64, "participants are a word");

#endif
