/* Where an import goes: the write-ahead log of a new data directory, as a first life of the daemon with
 * `slot_count` shards would have written it.
 *
 *      worker 0 --> buffer for slot 0 --+--> slot 0: frame, frame, ...     partitions 0, 2, 4 ...
 *               --> buffer for slot 1 --|-+
 *      worker 1 --> buffer for slot 0 --+ +-> slot 1: frame, frame, ...    partitions 1, 3, 5 ...
 *               --> buffer for slot 1 ----+
 *
 * A buffer becomes one frame with one record, a whole transaction. The first start of quiverd replays the
 * log like any other. Until sink_finish the directory holds a marker, and nothing opens a directory with
 * the marker: half an import cannot be mistaken for a whole one. */
#ifndef TOOLS_LOAD_SINK_H
#define TOOLS_LOAD_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "shards/store/catalog.h"
#include "shards/store/operation.h"

struct sink;

/* A directory that is new or empty. False: `message` says why. */
bool sink_open(
    const char *directory,
    uint32_t writer_count,
    uint32_t slot_count,
    struct sink **out,
    char *message,
    size_t message_size);
/* The token of a name, made when it is new. Thread-safe. */
uint32_t sink_token(struct sink *sink, enum token_kind kind, struct text name);
/* Adds an operation. One thread per writer. False when the disk failed; then sink_error says why. */
bool sink_append(struct sink *sink, uint32_t writer, const struct operation *operation);
/* Writes what is buffered: all that came before is replayed before all that comes after. No writer may be
 * at work. */
bool sink_barrier(struct sink *sink);
const char *sink_error(const struct sink *sink);
/* Writes what is buffered, makes it durable and removes the marker. False: see sink_error. */
bool sink_finish(struct sink *sink);
/* Closes; without sink_finish before, the files of the import are removed again. */
void sink_close(struct sink *sink);
uint64_t sink_bytes(const struct sink *sink);

#endif
