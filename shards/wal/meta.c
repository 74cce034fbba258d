#include "shards/wal/meta.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "shards/wal/frame.h"

void
refusal_set(struct refusal *refusal, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(refusal->text, sizeof(refusal->text), format, arguments);
    va_end(arguments);
}

static size_t
history_size(const struct meta *meta)
{
    return sizeof(struct meta_history_header) + (size_t)meta->slot_count * sizeof(uint64_t);
}

size_t
meta_size(const struct meta *meta)
{
    return sizeof(struct meta_header) + meta->history_count * history_size(meta);
}

void
meta_encode(const struct meta *meta, uint8_t *out)
{
    struct meta_header header = {
        .magic = META_MAGIC,
        .format_version = META_FORMAT_VERSION,
        .size = meta_size(meta),
        .database_id = meta->database_id,
        .segment_size = meta->segment_size,
        .partition_count = PARTITION_COUNT,
        .incarnation = meta->incarnation,
        .shard_count = meta->shard_count,
        .slot_count = meta->slot_count,
        .history_count = meta->history_count,
    };
    uint8_t *at = out + sizeof(header);
    for (uint32_t i = 0; i < meta->history_count; i++) {
        const struct meta_history *entry = &meta->history[i];
        struct meta_history_header head = {
            .incarnation = entry->incarnation,
            .shard_count = entry->shard_count,
            .slot_count = meta->slot_count};
        memcpy(at, &head, sizeof(head));
        memcpy(at + sizeof(head), entry->ends, meta->slot_count * sizeof(uint64_t));
        at += history_size(meta);
    }
    memcpy(out, &header, sizeof(header));
    size_t covered = offsetof(struct meta_header, size);
    header.crc = checksum(out + covered, header.size - covered);
    memcpy(out, &header, sizeof(header));
}

static err_t
meta_history_decode(
    const uint8_t *bytes, struct meta *meta, uint64_t count, struct refusal *refusal)
{
    for (uint64_t i = 0; i < count; i++) {
        struct meta_history_header head;
        struct meta_history entry = {0};
        memcpy(&head, bytes, sizeof(head));
        memcpy(entry.ends, bytes + sizeof(head), meta->slot_count * sizeof(uint64_t));
        entry.incarnation = head.incarnation;
        entry.shard_count = head.shard_count;
        const struct meta_history *last = meta->history_count
                                              ? &meta->history[meta->history_count - 1]
                                              : NULL;
        bool sane = head.slot_count == meta->slot_count && head.zero == 0 && head.shard_count > 0 &&
                    head.shard_count <= meta->slot_count && head.incarnation < meta->incarnation &&
                    head.incarnation > (last ? last->incarnation : 0);
        for (uint32_t slot = 0; sane && slot < meta->slot_count; slot++)
            sane = entry.ends[slot] % WAL_PAGE_SIZE == 0 &&
                   entry.ends[slot] >= (last ? last->ends[slot] : 0);
        if (!sane) {
            refusal_set(
                refusal, "meta: the entry of incarnation %u makes no sense", head.incarnation);
            return ERR(STORAGE_DAMAGE);
        }
        err_t err = meta_history_add(meta, &entry);
        if (err)
            return err;
        bytes += history_size(meta);
    }
    return 0;
}

err_t
meta_decode(
    const uint8_t *bytes,
    size_t size,
    struct memory *memory,
    struct meta *out,
    struct refusal *refusal)
{
    struct meta_header header;
    *out = (struct meta){.memory = memory};
    if (size < sizeof(header)) {
        refusal_set(refusal, "meta: %zu bytes are too few", size);
        return ERR(STORAGE_DAMAGE);
    }
    memcpy(&header, bytes, sizeof(header));
    if (header.magic != META_MAGIC) {
        refusal_set(refusal, "meta: offset 0: not a data directory of Quiver");
        return ERR(STORAGE_DAMAGE);
    }
    /* The version comes before the checksum: a newer format may keep it elsewhere. */
    if (header.format_version > META_FORMAT_VERSION) {
        refusal_set(
            refusal, "meta: format version %u is newer than %d, the newest this program knows",
            header.format_version, META_FORMAT_VERSION);
        return ERR(FORMAT_NEWER);
    }
    size_t covered = offsetof(struct meta_header, size);
    if (header.size != size || header.crc != checksum(bytes + covered, size - covered)) {
        refusal_set(
            refusal, "meta: the checksum at offset %zu does not match",
            offsetof(struct meta_header, crc));
        return ERR(STORAGE_DAMAGE);
    }
    *out = (struct meta){
        .database_id = header.database_id,
        .segment_size = header.segment_size,
        .incarnation = header.incarnation,
        .shard_count = header.shard_count,
        .slot_count = header.slot_count,
        .memory = memory,
    };
    bool sane = header.format_version == META_FORMAT_VERSION &&
                header.partition_count == PARTITION_COUNT &&
                header.segment_size >= WAL_SEGMENT_SIZE_MIN &&
                header.segment_size % WAL_PAGE_SIZE == 0 &&
                header.segment_size <= UINT64_C(1) << 40 && header.incarnation > 0 &&
                header.slot_count <= SHARD_COUNT_MAX && header.slot_count > 0 &&
                header.shard_count > 0 && header.shard_count <= header.slot_count &&
                header.history_count <= META_SIZE_MAX &&
                sizeof(header) + header.history_count * history_size(out) == size;
    if (!sane) {
        refusal_set(refusal, "meta: the fields of the header contradict each other");
        return ERR(STORAGE_DAMAGE);
    }
    err_t err = meta_history_decode(bytes + sizeof(header), out, header.history_count, refusal);
    if (err)
        meta_destroy(out);
    return err;
}

err_t
meta_load(struct seam *seam, struct memory *memory, struct meta *out, struct refusal *refusal)
{
    io_handle handle;
    uint8_t *bytes = NULL;
    err_t err = 0;
    int64_t size = 0, result = seam->ops->disk_open(seam, "meta", false, false, &handle);
    if (result == -ENOENT)
        return ERR(NOT_FOUND);
    if (result < 0) {
        refusal_set(refusal, "meta: cannot be opened: %s", strerror((int)-result));
        return ERR_ERRNO(result);
    }
    size = seam->ops->disk_size(seam, handle);
    if (size < 0 || size > META_SIZE_MAX) {
        refusal_set(refusal, "meta: %lld is no size for it", (long long)size);
        err = ERR(STORAGE_DAMAGE);
        goto fail;
    }
    bytes = memory_allocate(memory, (size_t)size + 1);
    if (!bytes) {
        err = ERR(MEMORY_POOL);
        goto fail;
    }
    result = seam->ops->disk_read(seam, handle, bytes, (size_t)size, 0);
    if (result != size) {
        refusal_set(
            refusal, "meta: cannot be read: %s",
            result < 0 ? strerror((int)-result) : "it is too short");
        err = result < 0 ? ERR_ERRNO(result) : ERR(STORAGE_DAMAGE);
        goto fail;
    }
    err = meta_decode(bytes, (size_t)size, memory, out, refusal);
fail:
    memory_release(memory, bytes, (size_t)size + 1);
    seam->ops->disk_close(seam, handle);
    return err;
}

err_t
meta_store(struct seam *seam, const struct meta *meta, struct refusal *refusal)
{
    io_handle handle = -1;
    size_t size = meta_size(meta);
    uint8_t *bytes = memory_allocate(meta->memory, size);
    if (!bytes || size > META_SIZE_MAX) {
        memory_release(meta->memory, bytes, size);
        return ERR(MEMORY_POOL);
    }
    meta_encode(meta, bytes);
    int64_t result = seam->ops->disk_remove(seam, "meta.new");
    if (result == 0 || result == -ENOENT)
        result = seam->ops->disk_open(seam, "meta.new", true, false, &handle);
    if (result >= 0) {
        result = seam->ops->disk_write(seam, handle, bytes, size, 0);
        result = result < 0               ? result
                 : (size_t)result != size ? -EIO
                                          : seam->ops->disk_sync(seam, handle);
        seam->ops->disk_close(seam, handle);
    }
    memory_release(meta->memory, bytes, size);
    if (result >= 0)
        result = seam->ops->disk_rename(seam, "meta.new", "meta");
    if (result >= 0)
        result = seam->ops->disk_sync_directory(seam, ".");
    if (result >= 0)
        return 0;
    refusal_set(refusal, "meta: cannot be written: %s", strerror((int)-result));
    return result == -ENOSPC ? ERR(DISK_FULL) : ERR_ERRNO(result);
}

err_t
meta_history_add(struct meta *meta, const struct meta_history *entry)
{
    size_t size = meta->history_count * sizeof(*entry);
    struct meta_history *grown = memory_resize(
        meta->memory, meta->history, size, size + sizeof(*entry));
    if (!grown)
        return ERR(MEMORY_POOL);
    grown[meta->history_count++] = *entry;
    meta->history = grown;
    return 0;
}

void
meta_destroy(struct meta *meta)
{
    memory_release(meta->memory, meta->history, meta->history_count * sizeof(*meta->history));
    meta->history = NULL;
    meta->history_count = 0;
}
