#include "shards/wal/segment.h"

#include <errno.h>
#include <stdio.h>

#include "base/assert.h"
#include "shards/wal/log_reader.h"

static int64_t
segment_fill(const struct segment_preparation *preparation)
{
    struct seam *seam = preparation->seam;
    for (uint64_t at = 0; at < preparation->segment_size;) {
        uint64_t left = preparation->segment_size - at;
        size_t size = left < SEGMENT_ZEROES_SIZE ? (size_t)left : SEGMENT_ZEROES_SIZE;
        int64_t result = seam->ops->disk_write(
            seam, preparation->handle, preparation->zeroes, size, at);
        if (result < 0)
            return result;
        if ((size_t)result != size)
            return -EIO;
        at += size;
    }
    return seam->ops->disk_sync(seam, preparation->handle);
}

int64_t
segment_prepare(void *argument)
{
    struct segment_preparation *preparation = argument;
    struct seam *seam = preparation->seam;
    char path[LOG_PATH_SIZE], directory[LOG_PATH_SIZE], fresh[LOG_PATH_SIZE];
    assert((uintptr_t)preparation->zeroes % WAL_PAGE_SIZE == 0);
    log_slot_path(directory, preparation->slot);
    log_segment_path(path, preparation->slot, preparation->number);
    snprintf(fresh, sizeof(fresh), "wal/%02u/new", preparation->slot);
    int64_t result = seam->ops->disk_open(seam, fresh, true, true, &preparation->handle);
    if (result < 0)
        return result;
    result = segment_fill(preparation);
    if (result >= 0)
        result = seam->ops->disk_rename(seam, fresh, path);
    if (result >= 0)
        result = seam->ops->disk_sync_directory(seam, directory);
    if (result >= 0)
        return 0;
    seam->ops->disk_close(seam, preparation->handle);
    seam->ops->disk_remove(seam, fresh);
    return result;
}

int64_t
segment_open(
    struct seam *seam, uint16_t slot, uint64_t number, uint64_t segment_size, io_handle *handle)
{
    char path[LOG_PATH_SIZE];
    log_segment_path(path, slot, number);
    int64_t result = seam->ops->disk_open(seam, path, false, true, handle);
    if (result < 0)
        return result;
    int64_t size = seam->ops->disk_size(seam, *handle);
    if (size == (int64_t)segment_size)
        return 0;
    seam->ops->disk_close(seam, *handle);
    return size < 0 ? size : -ENOENT;
}
