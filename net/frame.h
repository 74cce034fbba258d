/* Chunking: how Bolt messages lie in the byte stream.
 *
 *     message = chunk... 00 00      chunk = size (2 bytes, big-endian, not 0) + that many bytes
 *     00 00 between messages is a NOOP, to be skipped
 *
 * Used by the server's connection and by the client library; knows include/base and pack.h only. */
#ifndef NET_FRAME_H
#define NET_FRAME_H

#include "net/pack.h"

enum { FRAME_CHUNK_SIZE_MAX = 65535 };

/* ---- writing ---- */

/* Opens a message at the end of the writer; its content is appended next. Returns where it starts, for
 * frame_close. */
size_t frame_open(struct pack_writer *writer);
/* Closes the message: chunk headers and terminator. When the writer has failed, the whole message is
 * taken back, so a failed message leaves no bytes behind; the error stays in the writer. */
void frame_close(struct pack_writer *writer, size_t start);
/* Takes back a message that was opened at `start`, with everything behind it, and clears the error. */
void frame_cancel(struct pack_writer *writer, size_t start);
/* A NOOP. Only between messages. */
void frame_write_noop(struct pack_writer *writer);

/* ---- reading ---- */

/* Takes the chunk headers out of a stream that arrives in pieces of any size. */
struct frame_reader {
    uint32_t chunk_left;  /* bytes of the current chunk still to come */
    uint8_t header_count; /* bytes of a chunk header seen so far: 0 or 1 */
    uint8_t header_high;  /* the first of them */
    bool is_inside;       /* at least one chunk of a message was seen */
};

enum frame_event {
    FRAME_MORE,    /* all input is used up */
    FRAME_CONTENT, /* `content` holds the next bytes of the message */
    FRAME_END,     /* the message is complete */
    FRAME_NOOP,    /* a NOOP was skipped */
};

/* Consumes from `*input` up to the next event. `content` points into the input. */
enum frame_event frame_read(struct frame_reader *reader, struct text *input, struct text *content);

#endif
