/* One connection: a socket, its buffers, and the Bolt session on it. Belongs to the shard that accepted
 * it. Private to net/. */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "net/accept.h"
#include "net/frame.h"
#include "net/session.h"

enum {
    CONN_RECV_SIZE_SMALL = 2048, /* inside the structure, so an idle connection holds no buffer */
    CONN_RECV_SIZE_LARGE = 64 << 10, /* while a client fills the small one */
    CONN_KEEP_SIZE_MAX = 2048,       /* larger buffers are given back when they are empty */
    CONN_OUTPUT_FULL_SIZE = 512 << 10,
    CONN_OUTPUT_LOW_SIZE = 128 << 10,
    CONN_FLUSH_SIZE = 8 << 10,
    CONN_QUEUE_COUNT_MAX = 300, /* requests read ahead; reading resumes at the lower one */
    CONN_QUEUE_COUNT_LOW = 100,
    CONN_QUEUE_SIZE_MAX = 1 << 20,
    CONN_MESSAGE_SIZE_MAX_BEFORE_AUTH = 16 << 10,
    CONN_OPENING_SIZE_MAX = 4096, /* handshake, or the header of an HTTP request */
};

/* The diagram and the table of moves are in conn.c. */
enum conn_state {
    CONN_OPENING,  /* the first bytes: Bolt handshake or HTTP */
    CONN_MANIFEST, /* our manifest went out, the client's choice is to come */
    CONN_OPEN,     /* Bolt messages */
    CONN_LINGER,   /* the last bytes were written; input is thrown away until the client closes */
    CONN_CLOSING,  /* the socket is being closed */
    CONN_STATE_COUNT
};

struct conn {
    struct list_link link;           /* net->conns */
    struct list_link phase_link;     /* net->unauthenticated */
    struct list_link watch_link;     /* net->watched */
    struct list_link unflushed_link; /* net->unflushed */
    struct net *net;
    struct shard *shard;
    uint8_t state;          /* enum conn_state */
    bool is_input_refused;  /* what still comes is thrown away */
    bool is_output_closing; /* linger or close when everything is written */
    bool is_closed;         /* IO_CLOSE is done */
    io_handle handle;
    struct io_op recv_op, send_op, close_op;
    struct task task;

    /* Input: complete messages wait in `inbox`, each behind a struct inbox_entry. */
    struct frame_reader frame;
    struct pack_writer inbox;
    size_t inbox_head;     /* the first entry */
    size_t inbox_partial;  /* the entry still being received */
    uint32_t queued_count; /* complete entries */
    uint8_t *large_buffer;

    /* Output: `sending` belongs to send_op while that is submitted, `output` takes new messages. */
    struct pack_writer output;
    struct pack_writer sending;
    size_t sent_size; /* of `sending` */

    uint64_t phase_ns;  /* since when it is neither open nor logged on: accepted, or logged off */
    uint64_t input_ns;  /* something came in */
    uint64_t output_ns; /* something went out */
    uint64_t linger_ns;

    struct session session;
    uint8_t small_buffer[CONN_RECV_SIZE_SMALL];
};

/* Takes over the handle; NULL when there is no memory (then the handle stays the caller's). */
struct conn *conn_new(struct net *net, io_handle handle);
/* Closes now, whatever is going on. The structure frees itself when all has come home. */
void conn_close(struct conn *conn);
/* Once a second while watched: enforces the deadlines. False when none is running. */
bool conn_sweep(struct conn *conn, uint64_t now_ns);
/* Sends what was held back. */
void conn_flush(struct conn *conn);

/* ---- for the session ---- */

/* Where responses are written, each a complete framed message. */
static inline struct pack_writer *
conn_output(struct conn *conn)
{
    return &conn->output;
}

/* The client reads too slowly: produce no more until session_resume. */
bool conn_is_full(const struct conn *conn);
/* Something was written or a wait is over: the loop will continue with this connection. */
void conn_wake(struct conn *conn);
/* No further request is read; after what is written has gone out the connection ends. */
void conn_finish(struct conn *conn);
/* The session has let go of everything (session_stop). */
void conn_session_stopped(struct conn *conn);

#endif
