/* Records inside a frame's payload: walk them, decode them, print them. What is decoded is lent: it points
 * into the bytes given. */
#ifndef SHARDS_WAL_RECORD_H
#define SHARDS_WAL_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "shards/wal/wal_format.h"

enum wal_record_type {
    WAL_RECORD_NONE = 0,
#define RECORD(name, text) WAL_RECORD_##name,
#include "shards/wal/records.def"
#undef RECORD
    WAL_RECORD_TYPE_COUNT
};

struct wal_record {
    uint8_t type;
    uint32_t size; /* bytes at `body`, behind the header of the type */
    const uint8_t *body;
    union {
        struct wal_transaction_header transaction;
        struct wal_part_header part;
    };
};

/* Bytes of a record with that payload, header and padding included. */
static inline size_t
record_size(size_t payload_size)
{
    return sizeof(struct wal_record_header) + (payload_size + 7) / 8 * 8;
}

const char *record_type_name(uint8_t type);
/* Decodes the record at `*offset` of a payload and moves the offset behind it. ERR(STORAGE_DAMAGE) when
 * the bytes are not a record. */
err_t record_decode(const uint8_t *payload, size_t size, size_t *offset, struct wal_record *out);
/* One line for the record, without newline; the operations are printed one by one by the caller. */
struct text record_print(const struct wal_record *record, struct arena *arena);

#endif
