/* libquiver: the C client of Quiver, and of every server that speaks Bolt 5.
 *
 *     struct qv_connection *connection;
 *     struct qv_result *result;
 *     if (qv_connection_open(&(struct qv_options){.uri = "bolt://localhost:7687"}, &connection) == QV_OK &&
 *         qv_run(connection, "UNWIND range(1, 3) AS x RETURN x", NULL, NULL, &result) == QV_OK) {
 *         while (qv_result_next(result) == QV_OK)
 *             printf("%lld\n", (long long)qv_result_value(result, 0).integer);
 *         qv_result_close(result);
 *     }
 *     if (qv_connection_error(connection))
 *         fprintf(stderr, "%s\n", qv_connection_error(connection)->message);
 *     qv_connection_close(connection);
 *
 * Threads. The library has no global state. A connection and everything that came from it (results,
 * values, errors) may be used by one thread at a time; different connections by different threads at
 * the same time. The one exception is qv_cancel(), which any thread and any signal handler may call.
 *
 * Ownership. Functions that make an object say which function destroys it. A `struct qv_value`, a
 * `struct qv_text` and everything reached from them own nothing: they are views into the buffer the
 * row was received in, valid until the next call that takes the connection or one of its results,
 * other than the accessors qv_result_value, qv_result_column, qv_result_column_count and
 * qv_result_metadata. Copy what must live longer. Texts are UTF-8 and not NUL-terminated.
 *
 * Errors. Functions that can fail return an `enum qv_status`, QV_OK being 0 and failures negative.
 * qv_connection_error() describes the last failure of a connection, qv_result_error() that of a result.
 * A failure the server reports (QV_FAILED) does not hurt the connection: it is usable for the next
 * statement. After QV_LOST, QV_TIMEOUT or QV_PROTOCOL it can only be closed.
 *
 * Order. Requests are only queued by qv_run(), qv_begin() and the like, and sent when an answer is
 * waited for, when 64 KiB have gathered, or by qv_flush(). So many requests can travel together:
 * call qv_run() N times, then read N results. When one of them fails the later ones of the same batch
 * are not run and end with QV_IGNORED. */
#ifndef QUIVER_QUIVER_H
#define QUIVER_QUIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define QV_API __attribute__((visibility("default")))
#else
#define QV_API
#endif

struct qv_connection;
struct qv_result;
struct qv_params;

enum qv_status {
    QV_OK = 0,
    QV_DONE = 1,       /* no more rows, no more items */
    QV_FAILED = -1,    /* the server refused or could not do it: see `code` */
    QV_IGNORED = -2,   /* not run: an earlier request sent with it failed */
    QV_CANCELLED = -3, /* ended by qv_cancel */
    QV_TIMEOUT = -4,   /* nothing came from the server in time; the connection is unusable */
    QV_LOST = -5,      /* no connection, or it broke */
    QV_OUTCOME_UNKNOWN =
        -6,            /* the connection broke during a commit: it may or may not have happened */
    QV_PROTOCOL = -7,  /* the other end does not speak Bolt 5, or broke its rules */
    QV_MISUSE = -8,    /* the call is not allowed now, or an argument is wrong; nothing was done */
    QV_NO_MEMORY = -9, /* no memory, or more than the limits in the options */
    QV_TYPE = -10,     /* the value has another type */
};

/* What went wrong. Owned by the connection or result it came from; valid until the next call on it.
 * The strings are never NULL. */
struct qv_error {
    enum qv_status status;
    const char
        *code; /* such as "Neo.ClientError.Statement.SyntaxError"; "" when the server did not say */
    const char *gql_status; /* five characters, or "" */
    const char *message;    /* for people; may have several lines */
    int64_t offset;         /* characters from the start of the statement, or -1 */
    uint32_t line, column;  /* from 1; 0 = unknown */
};

/* Name of a status: "QV_LOST". A static string. */
QV_API const char *qv_status_name(enum qv_status status);
/* Version of the library: "0.1.0". A static string. */
QV_API const char *qv_version(void);

struct qv_text {
    const char *data;
    size_t size; /* bytes */
};

/* ---- connections ---- */

/* Called while the library waits for the server, every `progress_interval_ms`, and whenever a signal
 * interrupted the wait. `row_count` counts the rows received for the result being read. Return true to
 * go on, false to cancel as qv_cancel() does. It must not call the library. */
typedef bool qv_progress_fn(void *context, uint64_t row_count, uint64_t waited_ms);

/* Members left zero take their defaults. Everything is copied by qv_connection_open. */
struct qv_options {
    const char
        *uri; /* bolt://[user[:password]@]host[:port][/database]; default bolt://localhost:7687 */
    const char *user;            /* NULL: the URI's, or no authentication */
    const char *password;        /* NULL: the URI's, or "" */
    const char *database;        /* NULL: the URI's, or the server's default */
    const char *user_agent;      /* default "libquiver/<version>" */
    uint64_t connect_timeout_ms; /* default 30,000: from the first packet to a usable connection */
    uint64_t
        receive_timeout_ms; /* longest silence while waiting; default what the server hints, or none */
    int64_t fetch_size;     /* rows asked for at a time, default 1,000; -1: all at once */
    size_t message_size_max;  /* bytes of one message from the server; default 128 MiB */
    size_t stash_size_max;    /* bytes kept of results read out of order; default 256 MiB */
    qv_progress_fn *progress; /* NULL: none */
    void *progress_context;
    uint64_t progress_interval_ms; /* default 100 */
};

/* Connects, agrees on the protocol version and authenticates. Blocks, at most connect_timeout_ms.
 * `options` may be NULL. On failure *connection is still an object that holds the error and must be
 * closed (it is NULL only when there was no memory). QV_MISUSE for a bad URI and for the schemes with
 * encryption (bolt+s, bolt+ssc, neo4j+s, neo4j+ssc), which this library does not speak. neo4j:// is
 * taken as bolt://: there is one server and nothing to route. */
QV_API enum qv_status
qv_connection_open(const struct qv_options *options, struct qv_connection **connection);

/* Says goodbye, closes the socket and frees the connection; an open transaction is rolled back by the
 * server. Results still open remain valid objects and end with QV_LOST. NULL is fine. Does not block. */
QV_API void qv_connection_close(struct qv_connection *connection);

/* Logs on as somebody else, on the same connection, outside transactions. Blocks. */
QV_API enum qv_status qv_connection_authenticate(
    struct qv_connection *connection, const char *user, const char *password);

/* The last failure on this connection, or NULL when the last call on it succeeded. */
QV_API const struct qv_error *qv_connection_error(const struct qv_connection *connection);

/* True while the connection can be used (which does not ask the server). */
QV_API bool qv_connection_is_usable(const struct qv_connection *connection);

/* What the server calls itself ("Neo4j/5.26.0"), its name for this connection, and the protocol version
 * as major * 256 + minor. Owned by the connection; "" and 0 before it was open. */
QV_API const char *qv_connection_server(const struct qv_connection *connection);
QV_API const char *qv_connection_id(const struct qv_connection *connection);
QV_API uint32_t qv_connection_protocol(const struct qv_connection *connection);

/* The bookmark of the last transaction committed here, "" when there is none. Handing it to a
 * transaction on another connection makes that one see at least this state. */
QV_API const char *qv_connection_bookmark(const struct qv_connection *connection);

/* Sends what is queued, without waiting for answers. Blocks only while the network is congested. */
QV_API enum qv_status qv_flush(struct qv_connection *connection);

/* Interrupts what the connection is doing: every request that has not been answered ends with
 * QV_CANCELLED, an open transaction is rolled back, and the connection is usable again. May be called
 * from any thread and from signal handlers while another thread uses the connection, but not while it
 * is being closed. Does not block. Nothing happens when nothing is under way. */
QV_API void qv_cancel(struct qv_connection *connection);

/* ---- parameters ---- */

/* A map of parameters under construction. Every setter copies. `key` names the entry; inside a list
 * it is NULL. A setter out of place or without memory makes the whole builder invalid, which the
 * next qv_run reports as QV_MISUSE or QV_NO_MEMORY; so setters return nothing to look at. When a key is
 * set twice the last one counts. Reusable for any number of runs, on any connection, one thread at a time. */
QV_API struct qv_params *qv_params_new(void); /* NULL: no memory */
QV_API void qv_params_delete(struct qv_params *params);
/* Back to an empty map. */
QV_API void qv_params_reset(struct qv_params *params);

QV_API void qv_params_null(struct qv_params *params, const char *key);
QV_API void qv_params_boolean(struct qv_params *params, const char *key, bool boolean);
QV_API void qv_params_integer(struct qv_params *params, const char *key, int64_t integer);
QV_API void qv_params_float(struct qv_params *params, const char *key, double real);
/* `text` is NUL-terminated UTF-8; the server refuses other bytes. */
QV_API void qv_params_string(struct qv_params *params, const char *key, const char *text);
QV_API void qv_params_text(struct qv_params *params, const char *key, struct qv_text text);
QV_API void
qv_params_bytes(struct qv_params *params, const char *key, const void *bytes, size_t size);
/* What is set until the matching qv_params_close goes into the list or map. They nest. */
QV_API void qv_params_open_list(struct qv_params *params, const char *key);
QV_API void qv_params_open_map(struct qv_params *params, const char *key);
QV_API void qv_params_close(struct qv_params *params);

struct qv_date {
    int64_t days; /* since 1970-01-01 */
};
struct qv_time {
    int64_t nanoseconds;    /* since midnight, on the wall clock */
    int32_t offset_seconds; /* east of UTC; 0 for a local time */
};
struct qv_date_time {
    int64_t seconds;        /* since 1970-01-01T00:00Z; for a local date-time on the wall clock */
    uint32_t nanoseconds;   /* 0 .. 999,999,999 */
    int32_t offset_seconds; /* east of UTC; 0 when `zone` is given, and for a local date-time */
    struct qv_text zone;    /* tz database name, or size 0 */
};
struct qv_duration {
    int64_t months, days, seconds, nanoseconds;
};
struct qv_point {
    uint32_t srid;       /* 4326 and 4979: WGS-84; 7203 and 9157: cartesian */
    uint32_t dimensions; /* 2 or 3 */
    double x, y, z;
};
QV_API void qv_params_date(struct qv_params *params, const char *key, struct qv_date date);
QV_API void qv_params_time(struct qv_params *params, const char *key, struct qv_time time);
QV_API void qv_params_local_time(struct qv_params *params, const char *key, struct qv_time time);
QV_API void
qv_params_date_time(struct qv_params *params, const char *key, struct qv_date_time date_time);
QV_API void
qv_params_local_date_time(struct qv_params *params, const char *key, struct qv_date_time date_time);
QV_API void
qv_params_duration(struct qv_params *params, const char *key, struct qv_duration duration);
QV_API void qv_params_point(struct qv_params *params, const char *key, struct qv_point point);

/* ---- running ---- */

struct qv_run_options {
    int64_t
        timeout_ms; /* the server ends the transaction after that long; 0: the server's default */
    bool read_only; /* the server refuses writes */
    const char *database;         /* NULL: the connection's */
    const char *const *bookmarks; /* wait until these are visible */
    size_t bookmark_count;
    int64_t fetch_size; /* 0: the connection's */
};

/* Queues one statement; inside an explicit transaction when one is open, else in a transaction of its
 * own, which commits when its rows have been read to QV_DONE. `params` (may be NULL) is copied, `options`
 * (may be NULL) counts only outside explicit transactions. Failures of the statement itself show when
 * the result is read. On QV_OK *result must be given to qv_result_close. QV_MISUSE when an earlier
 * result outside a transaction is still half read: read it to its end or close it. */
QV_API enum qv_status qv_run(
    struct qv_connection *connection,
    const char *statement,
    const struct qv_params *params,
    const struct qv_run_options *options,
    struct qv_result **result);

/* Runs one statement and drops its rows. Blocks until it is done. */
QV_API enum qv_status
qv_execute(struct qv_connection *connection, const char *statement, const struct qv_params *params);

/* Queues the begin of an explicit transaction. A failure shows at the next answer that is waited for. */
QV_API enum qv_status
qv_begin(struct qv_connection *connection, const struct qv_run_options *options);
/* Ends the transaction and blocks until the server has answered: after QV_OK of qv_commit it is durable.
 * Rows of its results that have not been read yet are kept, those the server has not sent are dropped.
 * After any failure but QV_OUTCOME_UNKNOWN nothing of the transaction remains. A transaction in which a
 * statement failed can only be rolled back; qv_rollback then succeeds without asking the server. */
QV_API enum qv_status qv_commit(struct qv_connection *connection);
QV_API enum qv_status qv_rollback(struct qv_connection *connection);
/* True between qv_begin and the end of the transaction, failed transactions included. */
QV_API bool qv_in_transaction(const struct qv_connection *connection);

/* ---- results ---- */

enum qv_type {
    QV_NULL = 0,
    QV_BOOLEAN,
    QV_INTEGER,
    QV_FLOAT,
    QV_STRING,
    QV_BYTES,
    QV_LIST,
    QV_MAP,
    QV_NODE,
    QV_RELATIONSHIP,
    QV_PATH,
    QV_DATE,
    QV_TIME,
    QV_LOCAL_TIME,
    QV_DATE_TIME,
    QV_LOCAL_DATE_TIME,
    QV_DURATION,
    QV_POINT,
    QV_UNKNOWN, /* a structure this library does not know; its fields can be walked like a list */
};

/* A view of one value. Scalars are in the union: look at `type`, then take the member. */
struct qv_value {
    enum qv_type type;
    uint32_t size; /* strings and bytes: bytes; lists: items; maps: entries; others: fields */
    union {
        bool boolean;
        int64_t integer;
        double real;
        const char *string;
        const uint8_t *bytes;
    };
    const uint8_t *encoded; /* the whole value in PackStream, for qv_params_value */
    size_t encoded_size;    /* bytes */
};

/* Goes to the next row, asking the server for more when needed. QV_OK: there is one; QV_DONE: the
 * statement has finished; else it failed. Blocks. */
QV_API enum qv_status qv_result_next(struct qv_result *result);
/* Waits for the answer to the statement itself, so that its columns are known. Blocks. */
QV_API enum qv_status qv_result_wait(struct qv_result *result);
/* Drops the remaining rows and waits for the end of the statement, which outside a transaction commits
 * it. Returns QV_OK when the statement succeeded. Blocks. */
QV_API enum qv_status qv_result_finish(struct qv_result *result);
/* Frees the result. Rows not read are dropped: what the server still holds is discarded there. An
 * error nobody has looked at is lost, so write statements deserve qv_result_finish. NULL is fine. */
QV_API void qv_result_close(struct qv_result *result);
/* The failure of this result, or NULL. */
QV_API const struct qv_error *qv_result_error(const struct qv_result *result);

/* Columns; known after qv_result_next or qv_result_wait, before that there are 0. */
QV_API uint32_t qv_result_column_count(const struct qv_result *result);
QV_API struct qv_text qv_result_column(const struct qv_result *result, uint32_t column);
/* Value of the current row; QV_NULL when there is no row or no such column. */
QV_API struct qv_value qv_result_value(const struct qv_result *result, uint32_t column);
/* Rows handed out so far. */
QV_API uint64_t qv_result_row_count(const struct qv_result *result);

/* What the server said at the end: `type`, `t_last`, `stats`, `plan`, `profile`, `notifications` ... as a
 * map; QV_NULL before QV_DONE. Valid until qv_result_close. */
QV_API struct qv_value qv_result_metadata(const struct qv_result *result);

struct qv_summary {
    char type[3]; /* "r", "w", "rw", "s", or "" */
    int64_t
        first_row_ms; /* until the first row was available, as the server measured; -1: not told */
    int64_t last_row_ms; /* and until the last one was taken */
    bool contains_updates;
    int64_t nodes_created, nodes_deleted;
    int64_t relationships_created, relationships_deleted;
    int64_t properties_set, labels_added, labels_removed;
    int64_t indexes_added, indexes_removed, constraints_added, constraints_removed;
};
/* The usual members of the metadata. QV_MISUSE before QV_DONE. */
QV_API enum qv_status qv_result_summary(const struct qv_result *result, struct qv_summary *summary);

/* ---- values ---- */

/* Sets a parameter to a value that came from a server. Nodes, relationships and paths are refused by
 * the server when it runs. */
QV_API void qv_params_value(struct qv_params *params, const char *key, struct qv_value value);

/* Text of a string; size 0 for other types. */
QV_API struct qv_text qv_value_text(struct qv_value value);
/* An integer or float as a number; QV_TYPE otherwise. */
QV_API enum qv_status qv_value_number(struct qv_value value, double *number);

/* Walks a list (or the fields of a structure) or a map:
 *     struct qv_iterator items = qv_value_items(value);
 *     while (qv_iterator_next(&items, &key, &item) == QV_OK) ...
 * `key` may be NULL; it is empty for lists. Other types have no items. */
struct qv_iterator {
    const uint8_t *data;
    size_t size;
    uint32_t left_count;
    bool has_keys;
};
QV_API struct qv_iterator qv_value_items(struct qv_value value);
QV_API enum qv_status
qv_iterator_next(struct qv_iterator *iterator, struct qv_text *key, struct qv_value *item);
/* Entry of a map, QV_NULL when it is not there. Walks the map. */
QV_API struct qv_value qv_map_get(struct qv_value map, const char *key);

struct qv_node {
    int64_t id;
    struct qv_text element_id;
    struct qv_value labels;     /* list of strings */
    struct qv_value properties; /* map */
};
struct qv_relationship {
    int64_t id, start_id, end_id; /* start and end are -1 when the path does not tell */
    struct qv_text element_id, start_element_id, end_element_id;
    struct qv_text type;
    struct qv_value properties; /* map */
};
/* node 0, relationship 0, node 1, ... relationship length-1, node length. */
struct qv_path {
    uint32_t length;                               /* relationships */
    struct qv_value nodes, relationships, indices; /* as on the wire; use the functions below */
};
QV_API enum qv_status qv_value_node(struct qv_value value, struct qv_node *node);
QV_API enum qv_status
qv_value_relationship(struct qv_value value, struct qv_relationship *relationship);
QV_API enum qv_status qv_value_path(struct qv_value value, struct qv_path *path);
/* QV_DONE beyond the end. `forward`: the step goes along the relationship's direction. */
QV_API enum qv_status
qv_path_node(const struct qv_path *path, uint32_t index, struct qv_node *node);
QV_API enum qv_status qv_path_relationship(
    const struct qv_path *path,
    uint32_t index,
    struct qv_relationship *relationship,
    bool *forward);

/* QV_TYPE when the value is something else. qv_value_time takes both kinds of time, qv_value_date_time
 * both kinds of date-time. */
QV_API enum qv_status qv_value_date(struct qv_value value, struct qv_date *date);
QV_API enum qv_status qv_value_time(struct qv_value value, struct qv_time *time);
QV_API enum qv_status qv_value_date_time(struct qv_value value, struct qv_date_time *date_time);
QV_API enum qv_status qv_value_duration(struct qv_value value, struct qv_duration *duration);
QV_API enum qv_status qv_value_point(struct qv_value value, struct qv_point *point);

enum qv_notation {
    QV_CYPHER, /* as Cypher would write it: 'a', [1, 2], {k: 1}, (:Label {k: 1}), date 2024-01-31 bare */
    QV_JSON,  /* one JSON value; bytes as hexadecimal, temporals and non-finite floats as strings */
    QV_PLAIN, /* as QV_CYPHER, but a string on the outside without its quotes and null as nothing */
};
/* Writes the value as text, at most `size` bytes with a final NUL, and returns how many bytes the whole
 * text has without it (so a return >= size means it was cut). A date-time with a named zone is written
 * in UTC with the name behind it, since the client has no time zone database. */
QV_API size_t
qv_value_print(struct qv_value value, enum qv_notation notation, char *out, size_t size);

#ifdef __cplusplus
}
#endif

#endif
