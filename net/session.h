/* A Bolt session: requests in, responses out, the state machine between them, and the transaction and
 * results that are open. It knows messages, not sockets; conn.c feeds it. Private to net/. */
#ifndef NET_SESSION_H
#define NET_SESSION_H

#include "base/arena.h"
#include "engine/route/query.h"
#include "net/messages.h"
#include "net/pack.h"

struct conn;

/* What we call ourselves: several drivers refuse a server whose name does not begin like this. */
#define SESSION_PRODUCT_VERSION "5.26.0"
#define SESSION_PRODUCT "Neo4j/" SESSION_PRODUCT_VERSION

/* The diagram and the tables of what is allowed are in session.c. */
enum session_state {
    SESSION_NEGOTIATION,    /* HELLO is to come */
    SESSION_AUTHENTICATION, /* LOGON is to come */
    SESSION_READY,
    SESSION_STREAMING,    /* an autocommit result is open */
    SESSION_TX_READY,     /* an explicit transaction is open */
    SESSION_TX_STREAMING, /* and results in it */
    SESSION_FAILED,       /* everything is ignored until RESET */
    SESSION_DEFUNCT,      /* over */
    SESSION_STATE_COUNT
};

/* What the request being answered waits for. */
enum session_wait {
    SESSION_WAIT_NONE,
    SESSION_WAIT_AUTH,
    SESSION_WAIT_BEGIN,
    SESSION_WAIT_RUN,   /* the columns of `current` */
    SESSION_WAIT_PULL,  /* rows of `current`, or the end of its discarding */
    SESSION_WAIT_DRAIN, /* before COMMIT: `current` runs to its end unseen */
    SESSION_WAIT_COMMIT,
    SESSION_WAIT_ROLLBACK,
    SESSION_WAIT_RESET, /* RESET is rolling back */
};

enum {
    SESSION_RESULT_COUNT_MAX = 1000,    /* open results of a transaction */
    SESSION_ARENA_SIZE_MAX = 512 << 20, /* parameters of one statement, decoded */
};

/* The Bolt version that was agreed on. */
struct bolt_version {
    uint8_t major, minor;
    bool manifest; /* agreed on by manifest */
};

static inline bool
bolt_at_least(struct bolt_version version, unsigned major, unsigned minor)
{
    return version.major > major || (version.major == major && version.minor >= minor);
}

struct result;

struct session {
    struct conn *conn;
    struct bolt_version version;
    struct pack_format format;
    uint8_t state; /* enum session_state */
    uint8_t wait;  /* enum session_wait */
    bool is_stopping;
    bool is_authenticated;
    bool is_system; /* the open transaction works on the database "system" */
    bool begin_names_database;
    bool is_suspended; /* `current` was told that the client does not read */
    bool utc_patch;    /* 4.4: the client asked for UTC date-times */
    uint32_t
        reset_count; /* RESETs read but not yet answered: everything before them is cut short */
    uint32_t result_count;
    uint64_t number; /* unique on this shard */
    struct transaction *transaction;
    struct list_link results; /* open ones, oldest first */
    struct list_link ended;   /* results to be freed outside of events */
    struct result *current;
    int64_t last_qid;
};

void session_create(struct session *session, struct conn *conn, uint64_t number);
void session_version_set(struct session *session, struct bolt_version version);
/* One request. `refusal` is not 0 when it could not be received (too large, no memory): then `bytes`
 * holds only its beginning. Not while session_is_busy. */
void session_request(struct session *session, const uint8_t *bytes, size_t size, err_t refusal);
/* A request waits for an event; the next one must not be handed in. */
bool session_is_busy(const struct session *session);
/* Frees results that ended; outside of events, before anything else is asked of the session. */
void session_step(struct session *session);
/* A RESET has arrived and is queued behind other requests. */
void session_interrupt(struct session *session);
/* The outbound buffer has room again. */
void session_resume(struct session *session);
bool session_is_authenticated(const struct session *session);
/* The connection is gone: cancels and rolls back; conn_session_stopped, now or later, says when done. */
void session_stop(struct session *session);

#endif
