/* Bytes as a frame, its records and their operations, and as a meta file. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "shards/store/operation.h"
#include "shards/wal/frame.h"
#include "shards/wal/meta.h"
#include "shards/wal/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_records(const uint8_t *payload, size_t size)
{
    struct arena arena;
    struct wal_record record;
    size_t offset = 0;
    arena_create(&arena, memory_heap(), 16 << 20);
    while (offset < size && !record_decode(payload, size, &offset, &record)) {
        size_t at = 0, used = 0;
        struct operation operation;
        (void)record_print(&record, &arena);
        while (at < record.size &&
               !operation_decode(record.body + at, record.size - at, &arena, &operation, &used)) {
            (void)operation_print(&operation, &arena);
            arena_reset(&arena);
            assert(used > 0 && used <= record.size - at);
            at += used;
        }
    }
    arena_destroy(&arena);
}

static void
fuzz_meta(const uint8_t *data, size_t size)
{
    struct meta meta;
    struct refusal refusal;
    uint8_t bytes[4096];
    if (size > sizeof(bytes) || size < sizeof(struct meta_header))
        return;
    /* The checksum would stop nearly everything: set it right. */
    memcpy(bytes, data, size);
    struct meta_header header;
    memcpy(&header, bytes, sizeof(header));
    header.magic = META_MAGIC;
    header.size = size;
    memcpy(bytes, &header, sizeof(header));
    size_t covered = offsetof(struct meta_header, size);
    header.crc = checksum(bytes + covered, size - covered);
    memcpy(bytes, &header, sizeof(header));
    if (meta_decode(bytes, size, memory_heap(), &meta, &refusal))
        return;
    uint8_t again[sizeof(bytes)];
    assert(meta_size(&meta) == size);
    meta_encode(&meta, again);
    assert(!memcmp(again, bytes, size));
    meta_destroy(&meta);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wal_frame_header header;
    struct frame_identity identity = {0};
    uint8_t first[sizeof(header)] = {0};
    memcpy(first, data, size < sizeof(first) ? size : sizeof(first));
    if (size >= sizeof(header) && frame_header_decode(first, &identity, 0, &header) &&
        sizeof(header) + header.payload_size <= size)
        (void)frame_payload_is_valid(data, &header);
    fuzz_records(data, size);
    fuzz_meta(data, size);
    return 0;
}
