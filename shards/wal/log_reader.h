/* Reads the log of one slot from its segments: for recovery and the dump. Blocking; used before the loops
 * run. What is lent lives until the next call. */
#ifndef SHARDS_WAL_LOG_READER_H
#define SHARDS_WAL_LOG_READER_H

#include "shards/wal/frame.h"
#include "shards/wal/meta.h"

struct log_reader {
    struct seam *seam;
    struct memory *memory;
    uint64_t segment_size;
    uint16_t slot;
    io_handle handle; /* of `segment`; -1 = no such file */
    uint64_t segment; /* UINT64_MAX = none yet */
    uint8_t *window;  /* bytes of `segment` from window_offset */
    uint64_t window_offset;
    size_t window_size;
};

/* One stretch of the log, written by one incarnation. */
struct log_range {
    struct frame_identity identity;
    uint64_t start;
    uint64_t end; /* UINT64_MAX: nobody wrote down yet where it ends */
};

struct log_cursor {
    uint64_t lsn; /* where the next frame is expected */
    uint32_t previous_crc;
};

enum { LOG_PATH_SIZE = 64 };
/* "wal/03/0000000012". */
void log_segment_path(char *out, uint16_t slot, uint64_t segment);
void log_slot_path(char *out, uint16_t slot);

err_t log_reader_create(
    struct log_reader *reader,
    struct seam *seam,
    struct memory *memory,
    uint16_t slot,
    uint64_t segment_size);
void log_reader_destroy(struct log_reader *reader);

/* `size` (at most WAL_FRAME_SIZE_MAX) bytes at an LSN, in one segment; NULL when the file ends before. */
err_t log_reader_bytes(struct log_reader *reader, uint64_t lsn, size_t size, const uint8_t **out);
/* The next frame of the range. `*payload` is NULL at its end: of a sealed range that is `end`, of the last
 * one the first frame that is not whole. ERR(STORAGE_DAMAGE), with the refusal filled in, when a frame that
 * was durable is not readable. */
err_t log_reader_next(
    struct log_reader *reader,
    const struct log_range *range,
    struct log_cursor *cursor,
    struct wal_frame_header *header,
    const uint8_t **payload,
    struct refusal *refusal);

#endif
