/* Segments: files of zeroes, made ahead of need by the auxiliary thread, so that a durable write never
 * changes a file's size or extents.
 *
 *      preparing --(zeroed, synced, renamed, directory synced)--> ready --> current --> retired (closed)
 */
#ifndef SHARDS_WAL_SEGMENT_H
#define SHARDS_WAL_SEGMENT_H

#include "shards/core/seam.h"

struct wal;

struct segment {
    struct wal *wal;
    uint64_t number;
    io_handle handle;
    uint32_t in_flight_count; /* frames being written to it */
    bool in_use;
    bool retired; /* nothing more will be written: close it when nothing is in flight */
    struct io_op close_op;
};

/* What the auxiliary thread is handed; it touches nothing else of the shard. */
struct segment_preparation {
    struct seam *seam;
    uint64_t number;
    uint64_t segment_size;
    uint16_t slot;
    uint8_t *zeroes;  /* SEGMENT_ZEROES_SIZE bytes, aligned to a page */
    io_handle handle; /* out: open, direct */
};
enum { SEGMENT_ZEROES_SIZE = 1 << 20 };

/* Makes the file under a name that does not count, fills it, makes it durable, gives it its name. Blocking;
 * 0 or a negative errno, and then no file is left. The signature is io_op.call's. */
int64_t segment_prepare(void *preparation);
/* Opens a segment that exists with its full size; -ENOENT when there is none (or a short one). */
int64_t segment_open(
    struct seam *seam, uint16_t slot, uint64_t number, uint64_t segment_size, io_handle *handle);

#endif
