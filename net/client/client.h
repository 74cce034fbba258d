/* What the files of the client share; not part of the public API.
 *
 *   qv_run ... -> request.c -> wire.c -> socket
 *                 queue of what was asked        |
 *   qv_result_next <- request.c <- wire.c <------+
 *                     answers in the order of the queue
 *
 * Everything here belongs to one connection and is used by one thread; qv_cancel, called from anywhere,
 * touches only `cancel_asked` and the eventfd. */
#ifndef NET_CLIENT_CLIENT_H
#define NET_CLIENT_CLIENT_H

#include <stdatomic.h>

#include "base/list.h"
#include "net/pack.h"
#include "quiver/quiver.h"

enum {
    CLIENT_PORT_DEFAULT = 7687,
    CLIENT_CONNECT_TIMEOUT_MS = 30000,
    CLIENT_FETCH_SIZE = 1000,
    CLIENT_PROGRESS_INTERVAL_MS = 100,
    CLIENT_RECEIVE_SIZE_MIN = 64 << 10,
    CLIENT_SEND_GATHER_SIZE = 64 << 10, /* queued bytes that are sent without waiting for more */
    CLIENT_MESSAGE_SIZE_MAX = 128 << 20,
    CLIENT_STASH_SIZE_MAX = 256 << 20,
    CLIENT_CHUNK_SIZE_MAX = 65535,
};

enum message_tag {
    MESSAGE_HELLO = 0x01,
    MESSAGE_GOODBYE = 0x02,
    MESSAGE_RESET = 0x0F,
    MESSAGE_RUN = 0x10,
    MESSAGE_BEGIN = 0x11,
    MESSAGE_COMMIT = 0x12,
    MESSAGE_ROLLBACK = 0x13,
    MESSAGE_DISCARD = 0x2F,
    MESSAGE_PULL = 0x3F,
    MESSAGE_LOGON = 0x6A,
    MESSAGE_LOGOFF = 0x6B,
    MESSAGE_SUCCESS = 0x70,
    MESSAGE_RECORD = 0x71,
    MESSAGE_IGNORED = 0x7E,
    MESSAGE_FAILURE = 0x7F,
};

/* A qv_error with the memory for its strings. */
struct client_error {
    struct qv_error public;
    char code[96];
    char gql_status[8];
    char *text; /* heap; NULL: `small` */
    char small[160];
};

void client_error_clear(struct client_error *error);
void client_error_destroy(struct client_error *error);
enum qv_status
client_error_set(struct client_error *error, enum qv_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void client_error_copy(struct client_error *to, const struct client_error *from);
/* From the map of a FAILURE message, either shape. */
void client_error_from_failure(struct client_error *error, struct qv_value metadata);

struct client_uri {
    char *user, *password, *host, *database; /* heap or NULL */
    char port[8];
};
/* NULL, or what is wrong with it: a static string. What was parsed must be destroyed either way. */
const char *client_uri_parse(const char *text, struct client_uri *uri);
void client_uri_destroy(struct client_uri *uri);

/* Bytes in and out of the socket, framed as chunks. */
struct wire {
    int socket;               /* -1: none */
    int wake;                 /* eventfd written by qv_cancel, so that a wait ends */
    atomic_bool cancel_asked; /* set by qv_cancel, so that a stream that never waits ends too */
    struct pack_writer out;
    size_t out_sent;
    uint8_t *in;
    size_t in_capacity;
    size_t body_start, body_end; /* the message being put together, chunk headers removed */
    size_t raw;                  /* first byte not looked at yet */
    size_t in_end;               /* bytes received */
    bool in_message;             /* a chunk of it has been seen */
    size_t message_size_max;
};

enum request_kind {
    REQUEST_HELLO,
    REQUEST_LOGON,
    REQUEST_LOGOFF,
    REQUEST_RUN,
    REQUEST_PULL,
    REQUEST_DISCARD,
    REQUEST_BEGIN,
    REQUEST_COMMIT,
    REQUEST_ROLLBACK,
    REQUEST_RESET,
};

struct request {
    enum request_kind kind;
    struct qv_result *result; /* RUN, PULL and DISCARD */
};

/* Messages of rows that arrived while somebody read another result: size, then bytes, repeatedly. */
struct stash {
    uint8_t *data;
    size_t size, capacity, offset;
};

enum transaction_state {
    TRANSACTION_NONE,
    TRANSACTION_OPEN,
    TRANSACTION_FAILED, /* the server has rolled it back; the caller does not know yet */
};

struct qv_connection {
    struct wire wire;
    struct pack_writer scratch; /* one message before it is cut into chunks */
    struct client_error error;
    bool has_error;
    bool is_open; /* authenticated: from here on a RESET is understood */
    bool is_broken;
    enum qv_status broken_status; /* why */
    char *user_agent, *user, *password, *database, *host;
    char port[8];
    char *server, *id, *bookmark; /* heap or NULL */
    uint32_t protocol;
    uint64_t connect_timeout_ms, receive_timeout_ms;
    int64_t fetch_size;
    size_t stash_size_max, stash_size;
    qv_progress_fn *progress;
    void *progress_context;
    uint64_t progress_interval_ms;

    /* A ring of requests sent or about to be, oldest first. */
    struct request *requests;
    size_t request_first, request_count, request_capacity;
    uint32_t reset_count; /* RESETs among them */
    bool cancelling;      /* a RESET of qv_cancel is among them */

    struct list_link results;   /* of all results not closed */
    struct qv_result *unpulled; /* RUN is queued, its PULL not yet */
    struct qv_result *limited;  /* outside a transaction, asked for some rows only: may stay open */
    struct qv_result *reader;   /* whose next row is wanted now */
    enum transaction_state transaction;
    struct client_error transaction_error; /* what failed in it */
};

enum result_state {
    RESULT_RUNNING, /* RUN not answered */
    RESULT_STREAMING,
    RESULT_DONE, /* at its end, well or not, apart from what is stashed */
};

struct qv_result {
    struct list_link link;
    struct qv_connection *connection; /* NULL after the connection was closed */
    enum result_state state;
    bool in_transaction;
    bool pull_outstanding; /* a PULL or DISCARD is queued or sent, or deferred */
    bool pull_limited;     /* and it asked for some rows only */
    bool has_error;
    bool dropping; /* rows are thrown away */
    bool closed;   /* by the caller: freed when the last answer has come */
    bool has_row;
    int64_t query_id;
    int64_t fetch_size;
    struct client_error error;
    uint8_t *head; /* copy of the metadata of RUN: column names point into it */
    size_t head_size;
    uint8_t *tail; /* copy of the metadata of the end */
    size_t tail_size;
    uint32_t column_count;
    struct qv_text *columns;
    struct qv_value *row;
    int64_t first_row_ms;
    uint64_t row_count;
    struct stash stash;
};

/* ---- wire.c ---- */
enum qv_status wire_connect(struct qv_connection *connection, uint64_t deadline_ms);
void wire_close(struct wire *wire);
/* Forgets a qv_cancel that came while nothing was under way. */
void wire_forget_cancel(struct wire *wire);
/* Appends the message in connection->scratch, in chunks. */
enum qv_status wire_append_message(struct qv_connection *connection);
/* Sends everything queued; what arrives meanwhile goes into the receive buffer. */
enum qv_status wire_flush(struct qv_connection *connection);
/* Blocks until there is at least one new byte. */
enum qv_status wire_receive(struct qv_connection *connection, uint64_t deadline_ms);
/* The next complete message in the receive buffer; QV_DONE when there is none yet. */
enum qv_status
wire_next_message(struct qv_connection *connection, const uint8_t **data, size_t *size);
uint64_t wire_now_ms(void);

/* ---- connection.c ---- */
/* Records a failure of the connection and returns its status. */
enum qv_status
client_fail(struct qv_connection *connection, enum qv_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same, and nothing can be done with the connection any more: every open result ends. */
enum qv_status
client_break(struct qv_connection *connection, enum qv_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum qv_status client_set_error(struct qv_connection *connection, const struct client_error *error);
/* Start of every public call: forgets the last error, refuses a broken connection. */
enum qv_status client_enter(struct qv_connection *connection);
char *client_copy_text(struct qv_text text);

/* ---- request.c ---- */
/* Appends the message in connection->scratch and remembers that an answer will come. */
enum qv_status
request_queue(struct qv_connection *connection, enum request_kind kind, struct qv_result *result);
/* Queues a RESET; an open transaction is over, results half read are over. */
enum qv_status request_reset(struct qv_connection *connection);
/* Queues the PULL of the last RUN when it is still to come: for `count` rows, -1 for all. */
enum qv_status request_pull_deferred(struct qv_connection *connection, int64_t count);
/* Queues PULL or DISCARD of a result at rest in the middle of its rows. */
enum qv_status request_more(struct qv_connection *connection, struct qv_result *result);
/* Sends all that is queued, deferred PULL included. */
enum qv_status request_send(struct qv_connection *connection);
/* Receives one answer and deals with it. Only what breaks the connection is a failure. */
enum qv_status request_step(struct qv_connection *connection);
/* Deals with the answers that are in the receive buffer; rows are stashed. */
enum qv_status request_drain(struct qv_connection *connection);
/* Sends, then receives until nothing is outstanding. */
enum qv_status request_settle(struct qv_connection *connection);

/* ---- result.c ---- */
struct qv_result *result_new(struct qv_connection *connection);
void result_free(struct qv_result *result);
/* The result is at its end with this failure; the first one counts. */
void result_fail(struct qv_result *result, const struct client_error *error);
/* Metadata of a SUCCESS: of RUN, and of the end. */
enum qv_status result_take_head(struct qv_result *result, struct qv_value metadata);
enum qv_status result_take_tail(struct qv_result *result, struct qv_value metadata);
/* The list of a RECORD: the current row when this result is being read, else stashed. */
enum qv_status result_take_record(struct qv_result *result, const uint8_t *data, size_t size);

/* ---- value.c ---- */
/* One value at the front of `data`; *used = its size. False when it is malformed. */
bool client_value_decode(const uint8_t *data, size_t size, struct qv_value *value, size_t *used);
uint8_t value_tag(struct qv_value value);
/* The fields of a structure, or the items of a list; false when there are fewer than `count`. */
bool value_fields(struct qv_value value, struct qv_value *fields, uint32_t count);

/* ---- params.c ---- */
/* The map as PackStream. */
enum qv_status params_encoded(const struct qv_params *params, const uint8_t **data, size_t *size);

#endif
