/* Where a log ends.
 *
 *      ... | frame | frame | ? ...                          the first place without a valid frame
 *
 *   The writer keeps at most four frames in flight and reports durability as a contiguous prefix, so after a
 *   crash the log ends at the first frame that is not whole; valid frames behind it were never reported and
 *   do not count. But a frame that *was* durable and can no longer be read is damage, and must not pass for
 *   such an end. Three rules tell them apart:
 *
 *   1. A range with a recorded end holds valid frames up to exactly there.
 *   2. A frame behind the end whose durable_lsn is above the end was written when the missing one was durable.
 *      Frame n + 4 is written only after frame n completed, so such a frame stands within four frames.
 *   3. The rest of a segment may be unused: a frame that does not fit goes to the start of the next one. Its
 *      previous_crc says that it follows the last one read, not one that was torn in between. */
#include "shards/wal/log_reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

enum { WINDOW_SIZE = 2 * WAL_FRAME_SIZE_MAX };

void
log_slot_path(char *out, uint16_t slot)
{
    snprintf(out, LOG_PATH_SIZE, "wal/%02u", slot);
}

void
log_segment_path(char *out, uint16_t slot, uint64_t segment)
{
    snprintf(out, LOG_PATH_SIZE, "wal/%02u/%010llu", slot, (unsigned long long)segment);
}

err_t
log_reader_create(
    struct log_reader *reader,
    struct seam *seam,
    struct memory *memory,
    uint16_t slot,
    uint64_t segment_size)
{
    assert(segment_size >= WAL_SEGMENT_SIZE_MIN);
    *reader = (struct log_reader){
        .seam = seam,
        .memory = memory,
        .segment_size = segment_size,
        .slot = slot,
        .handle = -1,
        .segment = UINT64_MAX};
    reader->window = memory_allocate(memory, WINDOW_SIZE);
    return reader->window ? 0 : ERR(MEMORY_POOL);
}

void
log_reader_destroy(struct log_reader *reader)
{
    if (reader->handle >= 0)
        reader->seam->ops->disk_close(reader->seam, reader->handle);
    memory_release(reader->memory, reader->window, WINDOW_SIZE);
    reader->window = NULL;
    reader->handle = -1;
}

static err_t
reader_segment_open(struct log_reader *reader, uint64_t segment)
{
    char path[LOG_PATH_SIZE];
    if (reader->segment == segment)
        return 0;
    if (reader->handle >= 0)
        reader->seam->ops->disk_close(reader->seam, reader->handle);
    reader->segment = segment;
    reader->handle = -1;
    reader->window_size = 0;
    log_segment_path(path, reader->slot, segment);
    int64_t result = reader->seam->ops->disk_open(
        reader->seam, path, false, false, &reader->handle);
    if (result < 0)
        reader->handle = -1;
    return result < 0 && result != -ENOENT ? ERR_ERRNO(result) : 0;
}

err_t
log_reader_bytes(struct log_reader *reader, uint64_t lsn, size_t size, const uint8_t **out)
{
    uint64_t offset = lsn % reader->segment_size;
    assert(size <= WAL_FRAME_SIZE_MAX && size > 0);
    *out = NULL;
    err_t err = reader_segment_open(reader, lsn / reader->segment_size);
    if (err)
        return err;
    if (reader->handle < 0 || offset + size > reader->segment_size)
        return 0;
    bool inside = offset >= reader->window_offset &&
                  offset + size <= reader->window_offset + reader->window_size;
    if (!inside) {
        uint64_t start = offset / WAL_PAGE_SIZE * WAL_PAGE_SIZE;
        uint64_t left = reader->segment_size - start;
        int64_t got = reader->seam->ops->disk_read(
            reader->seam, reader->handle, reader->window,
            left < WINDOW_SIZE ? (size_t)left : WINDOW_SIZE, start);
        reader->window_offset = start;
        reader->window_size = got > 0 ? (size_t)got : 0;
        if (got < 0)
            return ERR_ERRNO(got);
        if (offset + size > start + reader->window_size)
            return 0;
    }
    *out = reader->window + (offset - reader->window_offset);
    return 0;
}

/* `*payload` is NULL when no valid frame of the range stands there. */
static err_t
reader_frame_at(
    struct log_reader *reader,
    const struct log_range *range,
    uint64_t lsn,
    struct wal_frame_header *header,
    const uint8_t **payload)
{
    const uint8_t *bytes;
    *payload = NULL;
    err_t err = log_reader_bytes(reader, lsn, sizeof(*header), &bytes);
    if (err || !bytes || !frame_header_decode(bytes, &range->identity, lsn, header))
        return err;
    err = log_reader_bytes(reader, lsn, frame_size(header->payload_size), &bytes);
    if (err || !bytes || !frame_payload_is_valid(bytes, header))
        return err;
    *payload = bytes + sizeof(*header);
    return 0;
}

/* Rule 2: looks for a frame, in the four that may stand behind `lsn`, that knew it to be durable. */
static err_t
reader_tail_check(
    struct log_reader *reader, const struct log_range *range, uint64_t lsn, struct refusal *refusal)
{
    uint64_t next_segment = (lsn / reader->segment_size + 1) * reader->segment_size;
    uint64_t reach = (uint64_t)(WAL_FRAMES_IN_FLIGHT_MAX + 1) * WAL_FRAME_SIZE_MAX;
    for (unsigned part = 0; part < 2; part++) {
        uint64_t from = part ? next_segment : lsn;
        uint64_t to = from + reach < next_segment || part ? from + reach : next_segment;
        for (uint64_t at = from; at < to; at += WAL_PAGE_SIZE) {
            struct wal_frame_header header;
            const uint8_t *bytes;
            err_t err = log_reader_bytes(reader, at, WAL_PAGE_SIZE, &bytes);
            if (err)
                return err;
            if (!bytes)
                break;
            if (!frame_header_decode(bytes, &range->identity, at, &header) ||
                header.durable_lsn <= lsn)
                continue;
            refusal_set(
                refusal,
                "wal/%02u/%010llu: offset %llu: a frame that was durable is damaged (the frame at "
                "%llu says so)",
                reader->slot, (unsigned long long)(lsn / reader->segment_size),
                (unsigned long long)(lsn % reader->segment_size), (unsigned long long)at);
            return ERR(STORAGE_DAMAGE);
        }
    }
    return 0;
}

err_t
log_reader_next(
    struct log_reader *reader,
    const struct log_range *range,
    struct log_cursor *cursor,
    struct wal_frame_header *header,
    const uint8_t **payload,
    struct refusal *refusal)
{
    assert(cursor->lsn >= range->start && cursor->lsn % WAL_PAGE_SIZE == 0);
    *payload = NULL;
    if (cursor->lsn >= range->end)
        return 0;
    uint64_t lsn = cursor->lsn, offset = lsn % reader->segment_size;
    err_t err = reader_frame_at(reader, range, lsn, header, payload);
    if (!err && offset && (!*payload || header->previous_crc != cursor->previous_crc)) {
        /* Rule 3. */
        lsn += reader->segment_size - offset;
        *payload = NULL;
        if (lsn < range->end)
            err = reader_frame_at(reader, range, lsn, header, payload);
    }
    if (err) {
        refusal_set(
            refusal, "wal/%02u/%010llu: cannot be read (%s)", reader->slot,
            (unsigned long long)(lsn / reader->segment_size), err_text(err_code(err)));
        return err;
    }
    if (*payload && header->previous_crc == cursor->previous_crc) {
        cursor->lsn = lsn + frame_size(header->payload_size);
        cursor->previous_crc = header->header_crc;
        return 0;
    }
    *payload = NULL;
    if (range->end == UINT64_MAX)
        return reader_tail_check(reader, range, cursor->lsn, refusal);
    refusal_set(
        refusal, "wal/%02u/%010llu: offset %llu: a frame of incarnation %u is damaged or missing",
        reader->slot, (unsigned long long)(cursor->lsn / reader->segment_size),
        (unsigned long long)offset, range->identity.incarnation);
    return ERR(STORAGE_DAMAGE);
}
