#include "shards/wal/frame.h"

#include <isa-l/crc.h>
#include <string.h>

#include "base/assert.h"

uint32_t
checksum(const void *bytes, size_t size)
{
    assert(size <= INT32_MAX);
    /* The library's prototype lacks the const; it does not write. */
    return ~crc32_iscsi((unsigned char *)(uintptr_t)bytes, (int)size, UINT32_MAX);
}

void
frame_seal(uint8_t *frame, struct wal_frame_header *header)
{
    size_t used = sizeof(*header) + header->payload_size;
    assert(header->payload_size > 0);
    memset(frame + used, 0, frame_size(header->payload_size) - used);
    header->magic = WAL_FRAME_MAGIC;
    header->format_version = WAL_FORMAT_VERSION;
    header->raw_size = header->payload_size;
    header->payload_crc = checksum(frame + sizeof(*header), header->payload_size);
    header->header_crc = checksum(header, offsetof(struct wal_frame_header, header_crc));
    memcpy(frame, header, sizeof(*header));
}

bool
frame_header_decode(
    const uint8_t *bytes,
    const struct frame_identity *identity,
    uint64_t lsn,
    struct wal_frame_header *out)
{
    memcpy(out, bytes, sizeof(*out));
    if (out->magic != WAL_FRAME_MAGIC ||
        out->header_crc != checksum(out, offsetof(struct wal_frame_header, header_crc)))
        return false;
    return out->format_version == WAL_FORMAT_VERSION && out->lsn == lsn &&
           out->slot == identity->slot && out->database_id == identity->database_id &&
           out->incarnation == identity->incarnation && out->payload_size > 0 &&
           out->payload_size <= WAL_FRAME_SIZE_MAX - sizeof(*out) &&
           out->raw_size == out->payload_size;
}

bool
frame_payload_is_valid(const uint8_t *frame, const struct wal_frame_header *header)
{
    return header->payload_crc == checksum(frame + sizeof(*header), header->payload_size);
}
