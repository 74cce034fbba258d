/* Frames as bytes: make a header, check one. Used by the writer, recovery, the dump and the fuzz target. */
#ifndef SHARDS_WAL_FRAME_H
#define SHARDS_WAL_FRAME_H

#include <stdbool.h>
#include <stddef.h>

#include "shards/wal/wal_format.h"

/* What a valid frame at some place of some log must say of itself. */
struct frame_identity {
    uint64_t database_id;
    uint32_t incarnation;
    uint16_t slot;
};

/* Whole pages for that many bytes of records. */
static inline size_t
frame_size(size_t payload_size)
{
    size_t size = sizeof(struct wal_frame_header) + payload_size;
    return (size + WAL_PAGE_SIZE - 1) / WAL_PAGE_SIZE * WAL_PAGE_SIZE;
}

/* Fills in magic, version, sizes and both checksums at `frame`, whose payload is behind the header, and
 * zeroes the rest of the last page. */
void frame_seal(uint8_t *frame, struct wal_frame_header *header);
/* Reads the header at `bytes` (64 at least). False when it is not a header of that log at that LSN. */
bool frame_header_decode(
    const uint8_t *bytes,
    const struct frame_identity *identity,
    uint64_t lsn,
    struct wal_frame_header *out);
/* `frame` holds the header and `header->payload_size` bytes behind it. */
bool frame_payload_is_valid(const uint8_t *frame, const struct wal_frame_header *header);

/* CRC32C. */
uint32_t checksum(const void *bytes, size_t size);

#endif
