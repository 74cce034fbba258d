/* A Bolt session.
 *
 *      NEGOTIATION --HELLO--> AUTHENTICATION --LOGON--> READY <----------------------------------+
 *          (before 5.1, HELLO leads to READY)             |  \                                    |
 *                                                     RUN |   \ BEGIN                             |
 *                                                         v    v                                  |
 *                                    +----------- STREAMING   TX_READY <------+                   |
 *                     last row, or   |               |         |    | RUN     | last row of the   |
 *                     discarded      |               |  COMMIT |    v         | last open result  |
 *                                    |               | ROLLBACK| TX_STREAMING-+                   |
 *                                    v               |         v      |                           |
 *                                  READY             |       READY    |         FAILED --RESET----+
 *                                                    +--- failure ----+-----------^
 *
 *      Any state: GOODBYE, a lost connection, a request that is not allowed here -> DEFUNCT.
 *
 * A request is answered at once, or the session waits (`wait`) for an event of the engine or of the
 * password check; meanwhile no other request is begun. RESET is different: session_interrupt is called
 * when one arrives. From then on, until it has its turn, every request before it is answered IGNORED and
 * a statement that runs is cancelled.
 *
 * Invariants
 *  1. Each request gets exactly one summary, in order; GOODBYE gets none.
 *  2. `wait` is not NONE exactly while a callback of the engine or of auth will come for it.
 *  3. Events write output and change state only. What touches the engine again happens in session_step,
 *     session_request, session_resume, session_interrupt and session_stop, none of which runs inside an
 *     event. So queries are never freed under the engine's feet.
 *  4. Results in `results` have given their columns (but `current`, while its RUN is being answered);
 *     those in `ended` only wait to be freed. In autocommit there is at most one.
 *  5. A transaction exists from BEGIN to the answer of COMMIT, ROLLBACK or RESET: in TX_READY and
 *     TX_STREAMING always, in FAILED perhaps. */
#include "net/session.h"

#include <stdio.h>

#include "base/limits.h"
#include "engine/value/zone.h"
#include "net/conn.h"
#include "net/frame.h"
#include "net/metadata.h"
#include "net/summary.h"

/* One statement: its request's bytes, which text and parameters point into, and its query. */
struct result {
    struct list_link link;
    struct session *session;
    struct query *query;
    struct arena arena; /* decoded parameters; message of a failure */
    int64_t qid;
    bool is_autocommit;
    bool is_system;
    bool names_database; /* the client did, so we need not tell it */
    bool is_cancelled;
    bool is_dropping; /* DISCARD: the rows are not sent */
    bool is_failed;   /* while nobody was asking; the next request about it gets the failure */
    uint32_t column_count;
    uint64_t row_count;
    uint64_t asked_ns; /* RUN, then PULL, was read */
    err_t write_err;   /* a row could not be written */
    struct failure failure;
    size_t message_size;
    uint8_t message[];
};

static const bool session_moves[SESSION_STATE_COUNT][SESSION_STATE_COUNT] = {
    [SESSION_NEGOTIATION] =
        {[SESSION_AUTHENTICATION] = true, [SESSION_READY] = true, [SESSION_DEFUNCT] = true},
    [SESSION_AUTHENTICATION] = {[SESSION_READY] = true, [SESSION_DEFUNCT] = true},
    [SESSION_READY] =
        {[SESSION_AUTHENTICATION] = true,
         [SESSION_STREAMING] = true,
         [SESSION_TX_READY] = true,
         [SESSION_FAILED] = true,
         [SESSION_DEFUNCT] = true},
    [SESSION_STREAMING] =
        {[SESSION_READY] = true, [SESSION_FAILED] = true, [SESSION_DEFUNCT] = true},
    [SESSION_TX_READY] =
        {[SESSION_TX_STREAMING] = true,
         [SESSION_READY] = true,
         [SESSION_FAILED] = true,
         [SESSION_DEFUNCT] = true},
    [SESSION_TX_STREAMING] =
        {[SESSION_TX_READY] = true,
         [SESSION_READY] = true,
         [SESSION_FAILED] = true,
         [SESSION_DEFUNCT] = true},
    [SESSION_FAILED] = {[SESSION_READY] = true, [SESSION_DEFUNCT] = true},
};

typedef void request_fn(struct session *session, struct pack_reader *reader);

static request_fn request_hello, request_logon, request_logoff, request_goodbye, request_reset,
    request_run, request_begin, request_commit, request_rollback, request_discard, request_pull,
    request_telemetry, request_route;

#define IN(state) (1U << SESSION_##state)

/* Where each request is allowed; RESET and FAILED are looked at before this table is. */
static const struct request {
    uint8_t tag;
    uint8_t field_count;
    uint8_t since_minor; /* of Bolt 5 */
    uint16_t states;
    request_fn *run;
} requests[] = {
    {BOLT_HELLO, 1, 0, IN(NEGOTIATION), request_hello},
    {BOLT_LOGON, 1, 1, IN(AUTHENTICATION), request_logon},
    {BOLT_LOGOFF, 0, 1, IN(READY), request_logoff},
    {BOLT_GOODBYE, 0, 0, UINT16_MAX, request_goodbye},
    {BOLT_RESET, 0, 0, UINT16_MAX & ~IN(NEGOTIATION), request_reset},
    {BOLT_RUN, 3, 0, IN(READY) | IN(TX_READY) | IN(TX_STREAMING), request_run},
    {BOLT_BEGIN, 1, 0, IN(READY), request_begin},
    {BOLT_COMMIT, 0, 0, IN(TX_READY) | IN(TX_STREAMING), request_commit},
    {BOLT_ROLLBACK, 0, 0, IN(TX_READY) | IN(TX_STREAMING), request_rollback},
    {BOLT_DISCARD, 1, 0, IN(STREAMING) | IN(TX_STREAMING), request_discard},
    {BOLT_PULL, 1, 0, IN(STREAMING) | IN(TX_STREAMING), request_pull},
    {BOLT_TELEMETRY, 1, 4, IN(READY), request_telemetry},
    {BOLT_ROUTE, 3, 0, IN(READY), request_route},
};

static void commit_continue(struct session *session);
static void stop_continue(struct session *session);

static const struct query_events session_events;

/* ---- small things ---- */

static struct shard *
session_shard(const struct session *session)
{
    return session->conn->shard;
}

static void
session_move(struct session *session, enum session_state next)
{
    assert(session->state == next || session_moves[session->state][next]);
    session->state = (uint8_t)next;
}

static void
session_wait_end(struct session *session)
{
    assert(session->wait != SESSION_WAIT_NONE);
    session->wait = SESSION_WAIT_NONE;
    session->current = NULL;
    session->is_suspended = false;
    conn_wake(session->conn);
}

/* Named time zones of values that come in. */
static bool
session_zone_offset(
    void *context, struct text zone, int64_t seconds, bool local, int32_t *offset_seconds)
{
    struct zone_source *zones = context;
    err_t err = local ? zone_offset_local(zones, zone, seconds, 0, offset_seconds)
                      : zone_offset_at(zones, zone, seconds, offset_seconds);
    return err == 0;
}

void
session_create(struct session *session, struct conn *conn, uint64_t number)
{
    *session = (struct session){
        .conn = conn, .number = number, .state = SESSION_NEGOTIATION, .last_qid = -1};
    list_init(&session->results);
    list_init(&session->ended);
}

void
session_version_set(struct session *session, struct bolt_version version)
{
    assert(session->state == SESSION_NEGOTIATION);
    session->version = version;
    session->format = (struct pack_format){
        .element_ids = version.major >= 5,
        .utc = version.major >= 5,
        .zone_offset = session_zone_offset,
        .zone_context = session->conn->net->options->zones,
    };
}

bool
session_is_busy(const struct session *session)
{
    return session->wait != SESSION_WAIT_NONE;
}

bool
session_is_authenticated(const struct session *session)
{
    return session->is_authenticated;
}

/* ---- responses ---- */

static size_t
response_open(struct session *session, struct meta *meta)
{
    struct pack_writer *writer = conn_output(session->conn);
    size_t start = frame_open(writer);
    pack_write_structure(writer, BOLT_SUCCESS, 1);
    meta_open(meta, writer);
    return start;
}

/* Without memory for a summary the client would wait forever: end the connection instead. */
static void
frame_finish(struct session *session, size_t start)
{
    struct pack_writer *writer = conn_output(session->conn);
    frame_close(writer, start);
    if (writer->err) {
        frame_cancel(writer, start);
        conn_finish(session->conn);
    }
}

static void
response_close(struct session *session, struct meta *meta, size_t start)
{
    meta_close(meta);
    frame_finish(session, start);
}

static void
respond_success(struct session *session)
{
    struct meta meta;
    size_t start = response_open(session, &meta);
    response_close(session, &meta, start);
}

static void
respond_ignored(struct session *session)
{
    struct pack_writer *writer = conn_output(session->conn);
    size_t start = frame_open(writer);
    pack_write_structure(writer, BOLT_IGNORED, 0);
    frame_finish(session, start);
}

static void
respond_failure(struct session *session, const struct failure *failure)
{
    struct pack_writer *writer = conn_output(session->conn);
    size_t start = frame_open(writer);
    pack_write_structure(writer, BOLT_FAILURE, 1);
    summary_write_failure(writer, session->version, failure);
    frame_finish(session, start);
}

/* The request fails, and everything after it until RESET. A request that a RESET overtook is not told
 * why it failed: it was cut short. */
static void
fail_with(struct session *session, const struct failure *failure)
{
    if (session->reset_count)
        respond_ignored(session);
    else
        respond_failure(session, failure);
    session_move(session, SESSION_FAILED);
}

static void
fail(struct session *session, err_t err, struct text message)
{
    const struct failure failure = {.err = err, .message = message, .offset = -1};
    fail_with(session, &failure);
}

/* The client broke the protocol, or may not stay: FAILURE, then the connection ends. */
static void
refuse(struct session *session, err_t err, struct text message)
{
    const struct failure failure = {.err = err, .message = message, .offset = -1};
    respond_failure(session, &failure);
    session_move(session, SESSION_DEFUNCT);
    conn_finish(session->conn);
}

static void
refuse_invalid(struct session *session, struct text message)
{
    refuse(session, ERR(REQUEST_INVALID), message);
}

/* A request whose fields could not be read: malformed bytes end the connection, a value that is not
 * acceptable only fails the request. */
static void
fail_reading(struct session *session, const struct pack_reader *reader, err_t err, struct text what)
{
    bool broken = err_code(err) == ERR_REQUEST_FORMAT ||
                  err_code(pack_check(reader)) == ERR_REQUEST_FORMAT;
    if (broken || !session->is_authenticated)
        refuse(session, broken ? ERR(REQUEST_FORMAT) : err, what);
    else
        fail(session, err, what);
}

/* ---- requests: dispatch ---- */

static const struct request *
request_lookup(const struct session *session, uint8_t tag)
{
    for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
        if (requests[i].tag == tag &&
            bolt_at_least(
                session->version, requests[i].since_minor ? 5 : 4, requests[i].since_minor))
            return &requests[i];
    }
    return NULL;
}

/* A request that could not be received as a whole. */
static void
request_refused(struct session *session, err_t refusal)
{
    if (err_code(refusal) == ERR_LIMIT)
        refuse_invalid(session, TEXT("the message is larger than the server accepts"));
    else if (session->state == SESSION_FAILED || session->reset_count)
        respond_ignored(session);
    else if (session->is_authenticated)
        fail(session, refusal, TEXT("there is no memory to receive this message"));
    else
        refuse(session, refusal, TEXT("there is no memory to receive this message"));
}

void
session_request(struct session *session, const uint8_t *bytes, size_t size, err_t refusal)
{
    struct pack_reader reader;
    struct pack_item header;
    assert(!session_is_busy(session) && !session->is_stopping);
    if (session->state == SESSION_DEFUNCT)
        return;
    if (refusal) {
        request_refused(session, refusal);
        return;
    }
    pack_reader_create(&reader, bytes, size);
    if (pack_read_typed(&reader, PACK_STRUCTURE, &header)) {
        refuse(session, ERR(REQUEST_FORMAT), TEXT("the message is not a PackStream structure"));
        return;
    }
    const struct request *request = request_lookup(session, header.tag);
    if (!request || request->field_count != header.size) {
        refuse_invalid(session, TEXT("unknown message, or one with the wrong number of fields"));
        return;
    }
    if (request->tag == BOLT_RESET && session->reset_count == 0) {
        refuse_invalid(session, TEXT("RESET in a form that nobody sends"));
        return;
    }
    bool is_ignored = (session->state == SESSION_FAILED || session->reset_count) &&
                      request->tag != BOLT_RESET && request->tag != BOLT_GOODBYE &&
                      session->is_authenticated;
    if (is_ignored)
        respond_ignored(session);
    else if (!(request->states & (1U << session->state)))
        refuse_invalid(session, TEXT("the message is not allowed in this state of the connection"));
    else
        request->run(session, &reader);
}

/* True when the request has no bytes behind its fields; otherwise it is refused. */
static bool
request_is_at_end(struct session *session, const struct pack_reader *reader)
{
    if (pack_reader_is_at_end(reader))
        return true;
    refuse(session, ERR(REQUEST_FORMAT), TEXT("there are bytes behind the message"));
    return false;
}

/* ---- HELLO, LOGON, LOGOFF ---- */

static void
respond_hello(struct session *session)
{
    struct meta meta, hints;
    struct pack_writer *writer = conn_output(session->conn);
    char connection_id[48];
    int size = snprintf(
        connection_id, sizeof(connection_id), "bolt-%u-%llu", session_shard(session)->index,
        (unsigned long long)session->number);
    assert(size > 0 && (size_t)size < sizeof(connection_id));
    size_t start = response_open(session, &meta);
    meta_text(&meta, TEXT("server"), TEXT(SESSION_PRODUCT));
    meta_text(&meta, TEXT("connection_id"), (struct text){connection_id, (size_t)size});
    meta_key(&meta, TEXT("hints"));
    meta_open(&hints, writer);
    meta_integer(&hints, TEXT("connection.recv_timeout_seconds"), 2 * NET_KEEP_ALIVE_SECONDS);
    meta_boolean(&hints, TEXT("telemetry.enabled"), false);
    meta_close(&hints);
    if (session->version.major == 4 && session->utc_patch) {
        session->format.utc = true;
        meta_key(&meta, TEXT("patch_bolt"));
        pack_write_list(writer, 1);
        pack_write_string(writer, TEXT("utc"));
    }
    if (session->version.manifest) {
        char version[16];
        size = snprintf(
            version, sizeof(version), "%u.%u", session->version.major, session->version.minor);
        meta_text(&meta, TEXT("protocol_version"), (struct text){version, (size_t)size});
    }
    response_close(session, &meta, start);
}

/* The answer to HELLO before 5.1, or to LOGON. */
static void
logon_done(struct session *session, err_t err)
{
    if (err) {
        refuse(session, err, (struct text){NULL, 0});
        return;
    }
    session->is_authenticated = true;
    net_conn_authenticated(session->conn->net, session->conn);
    if (session->state == SESSION_NEGOTIATION)
        respond_hello(session);
    else
        respond_success(session);
    session_move(session, SESSION_READY);
}

static void
auth_done(void *context, err_t err)
{
    struct session *session = context;
    session_wait_end(session);
    if (session->is_stopping)
        stop_continue(session);
    else
        logon_done(session, err);
}

static void
credentials_check(struct session *session, const struct credentials *credentials)
{
    struct net *net = session->conn->net;
    if (net->options->auth == NET_AUTH_NONE) {
        logon_done(session, 0);
        return;
    }
    if (!text_equal(credentials->scheme, TEXT("basic"))) {
        refuse(
            session, ERR(UNAUTHORIZED),
            TEXT("this server wants a user name and a password (scheme basic)"));
        return;
    }
    err_t err = auth_check_start(
        &net->auth, credentials->principal, credentials->secret, auth_done, session);
    if (err)
        logon_done(session, err);
    else
        session->wait = SESSION_WAIT_AUTH;
}

static void
request_hello(struct session *session, struct pack_reader *reader)
{
    struct credentials credentials = {0};
    err_t err = metadata_read_credentials(reader, &credentials);
    if (err) {
        fail_reading(session, reader, err, TEXT("HELLO: malformed metadata"));
        return;
    }
    if (!request_is_at_end(session, reader))
        return;
    session->utc_patch = credentials.utc_patch;
    if (!bolt_at_least(session->version, 5, 1)) {
        credentials_check(session, &credentials);
        return;
    }
    respond_hello(session);
    session_move(session, SESSION_AUTHENTICATION);
}

static void
request_logon(struct session *session, struct pack_reader *reader)
{
    struct credentials credentials = {0};
    err_t err = metadata_read_credentials(reader, &credentials);
    if (err)
        fail_reading(session, reader, err, TEXT("LOGON: malformed credentials"));
    else if (request_is_at_end(session, reader))
        credentials_check(session, &credentials);
}

static void
request_logoff(struct session *session, struct pack_reader *reader)
{
    if (!request_is_at_end(session, reader))
        return;
    session->is_authenticated = false;
    session->conn->phase_ns = shard_now_ns(session_shard(session));
    respond_success(session);
    session_move(session, SESSION_AUTHENTICATION);
}

static void
request_goodbye(struct session *session, struct pack_reader *reader)
{
    (void)reader;
    conn_close(session->conn);
}

static struct text
database_name(bool is_system)
{
    return is_system ? TEXT("system") : TEXT("neo4j");
}

/* From 5.8 on the client is told which database it got when it did not say. */
static void
write_home_database(const struct session *session, struct meta *meta, bool names_database)
{
    if (!names_database && bolt_at_least(session->version, 5, 8))
        meta_text(meta, TEXT("db"), TEXT("neo4j"));
}

/* ---- results ---- */

static struct result *
result_new(struct session *session, const struct pack_reader *reader)
{
    struct memory *memory = shard_memory(session_shard(session));
    struct result *result = memory_allocate(memory, sizeof(*result) + reader->size);
    if (!result)
        return NULL;
    *result = (struct result){.session = session, .message_size = reader->size};
    memcpy(result->message, reader->data, reader->size);
    list_init(&result->link);
    arena_create(&result->arena, memory, SESSION_ARENA_SIZE_MAX);
    return result;
}

/* Not inside an event of its query. */
static void
result_delete(struct result *result)
{
    struct session *session = result->session;
    list_remove(&result->link);
    if (result->query)
        query_free(result->query);
    arena_destroy(&result->arena);
    memory_release(
        shard_memory(session_shard(session)), result, sizeof(*result) + result->message_size);
}

/* From the open ones to those that wait to be freed. */
static void
result_end(struct result *result)
{
    struct session *session = result->session;
    assert(session->result_count > 0);
    session->result_count--;
    list_remove(&result->link);
    list_push_back(&session->ended, &result->link);
}

static void
results_delete_all(struct session *session)
{
    struct list_link *link;
    while ((link = list_pop_front(&session->results)))
        result_delete(list_entry(link, struct result, link));
    while ((link = list_pop_front(&session->ended)))
        result_delete(list_entry(link, struct result, link));
    session->result_count = 0;
    session->current = NULL;
}

/* ---- RUN ---- */

static err_t
read_run(
    struct session *session,
    struct pack_reader *reader,
    struct result *result,
    struct query_options *options,
    struct extra *extra)
{
    extra->reason = TEXT("RUN: the query must be a string");
    err_t err = pack_read_text(reader, &options->text);
    if (err)
        return err;
    extra->reason = TEXT("RUN: a parameter has a value that is not accepted");
    err = pack_read_value(reader, &session->format, &result->arena, &options->parameters);
    if (err)
        return err;
    if (options->parameters.type != VALUE_MAP)
        return ERR(TYPE);
    if (!session->transaction)
        return metadata_read_extra(session->conn->net, reader, extra);
    extra->reason = TEXT("RUN: malformed metadata");
    return pack_skip(reader);
}

static void
run_start(
    struct session *session,
    struct result *result,
    struct query_options *options,
    const struct extra *extra)
{
    result->is_autocommit = !session->transaction;
    result->is_system = session->transaction ? session->is_system : extra->is_system;
    result->names_database = extra->names_database || session->transaction;
    result->qid = ++session->last_qid;
    result->asked_ns = shard_now_ns(session_shard(session));
    options->transaction = session->transaction;
    options->bookmark = extra->bookmark;
    options->read_only = extra->read_only || extra->is_system;
    options->timeout_ns = extra->timeout_ns;
    options->events = &session_events;
    options->context = result;
    err_t err = query_run(session_shard(session), options, &result->query);
    if (err) {
        result->query = NULL;
        result_delete(result);
        fail(session, err, (struct text){NULL, 0});
        return;
    }
    list_push_back(&session->results, &result->link);
    session->result_count++;
    session->current = result;
    session->wait = SESSION_WAIT_RUN;
}

/* Looked at before the message is copied, so a huge one costs no more memory than it has taken already. */
static bool
query_is_too_long(const struct pack_reader *reader)
{
    struct pack_reader peek = *reader;
    struct text text;
    return reader->size > QUERY_TEXT_SIZE_MAX && pack_read_text(&peek, &text) == 0 &&
           text.size > QUERY_TEXT_SIZE_MAX;
}

static void
request_run(struct session *session, struct pack_reader *reader)
{
    struct query_options options = {0};
    struct extra extra = {0};
    if (session->result_count >= SESSION_RESULT_COUNT_MAX) {
        fail(session, ERR(LIMIT), TEXT("too many results are open in this transaction"));
        return;
    }
    if (query_is_too_long(reader)) {
        fail(
            session, ERR(LIMIT), TEXT("the query text is longer than the server accepts (16 MiB)"));
        return;
    }
    struct result *result = result_new(session, reader);
    if (!result) {
        fail(session, ERR(MEMORY_POOL), (struct text){NULL, 0});
        return;
    }
    struct pack_reader copy = {
        .data = result->message, .size = result->message_size, .offset = reader->offset};
    err_t err = read_run(session, &copy, result, &options, &extra);
    if (!err && pack_reader_is_at_end(&copy)) {
        run_start(session, result, &options, &extra);
        return;
    }
    if (err)
        fail_reading(session, reader, err, extra.reason);
    else
        request_is_at_end(session, &copy);
    result_delete(result);
}

static void
event_fields(void *context, const struct text *names, uint32_t count)
{
    struct result *result = context;
    struct session *session = result->session;
    struct pack_writer *writer = conn_output(session->conn);
    struct meta meta;
    assert(session->wait == SESSION_WAIT_RUN && session->current == result);
    result->column_count = count;
    session_move(session, result->is_autocommit ? SESSION_STREAMING : SESSION_TX_STREAMING);
    if (session->reset_count) {
        respond_ignored(session);
        session_wait_end(session);
        return;
    }
    size_t start = response_open(session, &meta);
    meta_key(&meta, TEXT("fields"));
    pack_write_list(writer, count);
    for (uint32_t i = 0; i < count; i++)
        pack_write_string(writer, names[i]);
    uint64_t now_ns = shard_now_ns(session_shard(session));
    meta_integer(&meta, TEXT("t_first"), (int64_t)((now_ns - result->asked_ns) / 1000000));
    if (!result->is_autocommit)
        meta_integer(&meta, TEXT("qid"), result->qid);
    write_home_database(session, &meta, result->names_database);
    response_close(session, &meta, start);
    session_wait_end(session);
}

/* ---- PULL and DISCARD ---- */

static struct result *
result_lookup(const struct session *session, int64_t qid)
{
    if (qid == -1)
        qid = session->last_qid;
    list_for_each (link, &session->results) {
        struct result *result = list_entry(link, struct result, link);
        if (result->qid == qid)
            return result;
    }
    return NULL;
}

/* The open result a PULL or DISCARD is about; NULL when it was answered already. */
static struct result *
demanded_result(struct session *session, struct pack_reader *reader, struct demand *demand)
{
    err_t err = metadata_read_demand(reader, demand);
    if (err) {
        fail_reading(
            session, reader, err,
            TEXT("PULL, DISCARD: n must be -1 or positive, qid -1 or a number that was given out"));
        return NULL;
    }
    if (!request_is_at_end(session, reader))
        return NULL;
    struct result *result = result_lookup(session, demand->qid);
    if (!result) {
        fail(session, ERR(REQUEST_INVALID), TEXT("there is no open result with this qid"));
        return NULL;
    }
    if (result->is_failed) {
        fail_with(session, &result->failure);
        return NULL;
    }
    result->asked_ns = shard_now_ns(session_shard(session));
    session->current = result;
    session->wait = SESSION_WAIT_PULL;
    return result;
}

static void
request_pull(struct session *session, struct pack_reader *reader)
{
    struct demand demand;
    struct result *result = demanded_result(session, reader, &demand);
    if (!result)
        return;
    result->is_dropping = false;
    query_pull(result->query, demand.row_count < 0 ? INT64_MAX : demand.row_count);
}

static void
request_discard(struct session *session, struct pack_reader *reader)
{
    struct demand demand;
    struct result *result = demanded_result(session, reader, &demand);
    if (!result)
        return;
    result->is_dropping = true;
    if (demand.row_count < 0)
        query_discard(result->query);
    else
        query_pull(result->query, demand.row_count);
}

/* False when the row cannot be written; then nothing of it is in the output. */
static bool
row_write(struct result *result, const struct batch *batch, uint32_t row)
{
    struct session *session = result->session;
    struct pack_writer *writer = conn_output(session->conn);
    size_t start = frame_open(writer);
    pack_write_structure(writer, BOLT_RECORD, 1);
    pack_write_list(writer, result->column_count);
    for (uint32_t column = 0; column < result->column_count; column++) {
        struct value value = batch_value(batch, column, row);
        pack_write_value(writer, &session->format, &value);
    }
    frame_close(writer, start);
    if (!writer->err) {
        result->row_count++;
        return true;
    }
    result->write_err = writer->err;
    frame_cancel(writer, start);
    return false;
}

static bool
event_rows(void *context, const struct batch *batch)
{
    struct result *result = context;
    struct session *session = result->session;
    assert(session->wait == SESSION_WAIT_PULL && session->current == result);
    assert(batch->column_count >= result->column_count);
    bool wanted = !session->reset_count && !result->write_err && !result->is_dropping;
    for (uint32_t row = 0; row < batch->row_count && wanted; row++)
        wanted = row_write(result, batch, row);
    conn_wake(session->conn);
    session->is_suspended = conn_is_full(session->conn) || result->write_err;
    return !session->is_suspended;
}

static void
event_paused(void *context)
{
    struct result *result = context;
    struct session *session = result->session;
    struct meta meta;
    assert(session->wait == SESSION_WAIT_PULL && session->current == result);
    if (session->reset_count) {
        respond_ignored(session);
    } else {
        size_t start = response_open(session, &meta);
        meta_boolean(&meta, TEXT("has_more"), true);
        response_close(session, &meta, start);
    }
    session_wait_end(session);
}

static void
respond_result_end(
    struct session *session, struct result *result, const struct query_summary *summary)
{
    struct meta meta;
    char bookmark[128];
    struct summary_context context = {
        .version = session->version,
        .database = database_name(result->is_system),
        .has_columns = result->column_count > 0,
        .row_count = result->row_count,
        .last_ns = shard_now_ns(session_shard(session)) - result->asked_ns,
    };
    if (result->is_autocommit && summary->bookmark)
        context.bookmark = metadata_bookmark_print(
            session->conn->net, summary->bookmark, bookmark, sizeof(bookmark));
    size_t start = response_open(session, &meta);
    summary_write_result(&meta, &context, summary);
    response_close(session, &meta, start);
}

static void
event_finished(void *context, const struct query_summary *summary)
{
    struct result *result = context;
    struct session *session = result->session;
    assert(session->current == result);
    result_end(result);
    if (session->wait == SESSION_WAIT_DRAIN) {
        session->current = NULL;
        conn_wake(session->conn);
        return;
    }
    assert(session->wait == SESSION_WAIT_PULL);
    respond_result_end(session, result, summary);
    if (result->is_autocommit)
        session_move(session, SESSION_READY);
    else if (session->result_count == 0)
        session_move(session, SESSION_TX_READY);
    session_wait_end(session);
}

/* It failed while no request about it was open: the next one will be told. */
static void
result_note_failure(struct result *result, const struct failure *failure)
{
    result->is_failed = true;
    result->failure = *failure;
    result->failure.message = arena_text(&result->arena, failure->message);
    if (!result->failure.message.data)
        result->failure.message.size = 0;
}

static void
event_failed(void *context, const struct failure *failure)
{
    struct result *result = context;
    struct session *session = result->session;
    if (session->current != result) {
        result_note_failure(result, failure);
        return;
    }
    struct failure told = *failure;
    if (result->write_err && !session->reset_count)
        told = (struct failure){
            .err = result->write_err, .message = TEXT("a row could not be sent"), .offset = -1};
    fail_with(session, &told);
    result_end(result);
    session_wait_end(session);
}

static const struct query_events session_events = {
    .fields = event_fields,
    .rows = event_rows,
    .paused = event_paused,
    .finished = event_finished,
    .failed = event_failed,
};

/* ---- transactions ---- */

static void
begin_done(void *context, const struct failure *failure, uint64_t bookmark)
{
    struct session *session = context;
    struct meta meta;
    (void)bookmark;
    session_wait_end(session);
    if (session->is_stopping) {
        stop_continue(session);
    } else if (failure) {
        fail_with(session, failure);
    } else {
        session_move(session, SESSION_TX_READY);
        size_t start = response_open(session, &meta);
        write_home_database(session, &meta, session->begin_names_database);
        response_close(session, &meta, start);
    }
}

static void
request_begin(struct session *session, struct pack_reader *reader)
{
    struct extra extra = {0};
    err_t err = metadata_read_extra(session->conn->net, reader, &extra);
    if (err) {
        fail_reading(session, reader, err, extra.reason);
        return;
    }
    if (!request_is_at_end(session, reader))
        return;
    const struct transaction_options options = {
        .bookmark = extra.bookmark,
        .read_only = extra.read_only || extra.is_system,
        .timeout_ns = extra.timeout_ns,
    };
    session->is_system = extra.is_system;
    session->begin_names_database = extra.names_database;
    session->wait = SESSION_WAIT_BEGIN;
    err = transaction_begin(
        session_shard(session), &options, begin_done, session, &session->transaction);
    if (err) {
        session->wait = SESSION_WAIT_NONE;
        session->transaction = NULL;
        fail(session, err, (struct text){NULL, 0});
    }
}

static void
commit_done(void *context, const struct failure *failure, uint64_t bookmark)
{
    struct session *session = context;
    struct meta meta;
    char printed[128];
    session_wait_end(session);
    session->transaction = NULL;
    if (session->is_stopping) {
        stop_continue(session);
    } else if (failure) {
        fail_with(session, failure);
    } else {
        session_move(session, SESSION_READY);
        size_t start = response_open(session, &meta);
        meta_text(
            &meta, TEXT("bookmark"),
            metadata_bookmark_print(session->conn->net, bookmark, printed, sizeof(printed)));
        response_close(session, &meta, start);
    }
}

/* Results that are open run to their end unseen, one after the other; then the commit. */
static void
commit_continue(struct session *session)
{
    assert(session->wait == SESSION_WAIT_DRAIN && !session->current);
    if (list_is_empty(&session->results)) {
        session->wait = SESSION_WAIT_COMMIT;
        transaction_commit(session->transaction, commit_done, session);
        return;
    }
    struct result *result = list_entry(session->results.next, struct result, link);
    if (result->is_failed) {
        fail_with(session, &result->failure);
        session_wait_end(session);
        return;
    }
    session->current = result;
    query_discard(result->query);
}

static void
request_commit(struct session *session, struct pack_reader *reader)
{
    if (!request_is_at_end(session, reader))
        return;
    session->wait = SESSION_WAIT_DRAIN;
    commit_continue(session);
}

static void
rollback_done(void *context, const struct failure *failure, uint64_t bookmark)
{
    struct session *session = context;
    bool was_reset = session->wait == SESSION_WAIT_RESET;
    (void)bookmark;
    session_wait_end(session);
    session->transaction = NULL;
    if (session->is_stopping) {
        stop_continue(session);
    } else if (failure && !was_reset) {
        fail_with(session, failure);
    } else {
        session_move(session, SESSION_READY);
        respond_success(session);
    }
}

static void
request_rollback(struct session *session, struct pack_reader *reader)
{
    if (!request_is_at_end(session, reader))
        return;
    results_delete_all(session);
    session->wait = SESSION_WAIT_ROLLBACK;
    transaction_rollback(session->transaction, rollback_done, session);
}

/* Its turn has come; everything before it was answered. */
static void
request_reset(struct session *session, struct pack_reader *reader)
{
    assert(session->reset_count > 0);
    if (!request_is_at_end(session, reader))
        return;
    session->reset_count--;
    results_delete_all(session);
    if (session->transaction) {
        session->wait = SESSION_WAIT_RESET;
        transaction_rollback(session->transaction, rollback_done, session);
        return;
    }
    if (session->state != SESSION_AUTHENTICATION)
        session_move(session, SESSION_READY);
    respond_success(session);
}

/* ---- ROUTE, TELEMETRY ---- */

static void
respond_route(struct session *session, struct text address, bool is_system)
{
    static const char *const roles[] = {"ROUTE", "READ", "WRITE"};
    struct pack_writer *writer = conn_output(session->conn);
    struct meta meta, table, server;
    size_t start = response_open(session, &meta);
    meta_key(&meta, TEXT("rt"));
    meta_open(&table, writer);
    meta_integer(&table, TEXT("ttl"), 300);
    meta_text(&table, TEXT("db"), database_name(is_system));
    meta_key(&table, TEXT("servers"));
    pack_write_list(writer, 3);
    for (unsigned i = 0; i < 3; i++) {
        meta_open(&server, writer);
        meta_key(&server, TEXT("addresses"));
        pack_write_list(writer, 1);
        pack_write_string(writer, address);
        meta_text(&server, TEXT("role"), text_of(roles[i]));
        meta_close(&server);
    }
    meta_close(&table);
    response_close(session, &meta, start);
}

/* There is one server, and the address the client dialled is the one that works for it. */
static void
request_route(struct session *session, struct pack_reader *reader)
{
    const struct net_options *options = session->conn->net->options;
    struct extra extra = {.reason = TEXT("ROUTE: malformed routing context")};
    struct text address;
    char printed[320];
    err_t err = metadata_read_routing_address(reader, &address);
    if (!err)
        err = metadata_read_bookmarks(session->conn->net, reader, &extra);
    if (!err)
        err = metadata_read_extra(session->conn->net, reader, &extra);
    if (err) {
        fail_reading(session, reader, err, extra.reason);
        return;
    }
    if (!request_is_at_end(session, reader))
        return;
    bool has_port;
    if (address.size == 0)
        address = options->advertised_address;
    if (address.size == 0) {
        int size = snprintf(printed, sizeof(printed), "%s:%u", options->host, options->port);
        address = (struct text){
            printed, size > 0 && (size_t)size < sizeof(printed) ? (size_t)size : 0};
    }
    if (!metadata_address_is_sane(address, &has_port)) {
        fail(session, ERR(ARGUMENT), TEXT("the routing context's address is not host:port"));
        return;
    }
    if (!has_port) {
        int size = snprintf(printed, sizeof(printed), "%.*s:7687", TEXT_ARGS(address));
        address = (struct text){printed, (size_t)size};
    }
    respond_route(session, address, extra.is_system);
}

static void
request_telemetry(struct session *session, struct pack_reader *reader)
{
    int64_t interface;
    err_t err = pack_read_integer(reader, &interface);
    if (!err && (interface < 0 || interface > 3))
        err = ERR(ARGUMENT);
    if (err)
        fail_reading(
            session, reader, err, TEXT("TELEMETRY: the interface is a number from 0 to 3"));
    else if (request_is_at_end(session, reader))
        respond_success(session);
}

/* ---- from the connection ---- */

void
session_step(struct session *session)
{
    for (struct list_link *link; (link = list_pop_front(&session->ended));)
        result_delete(list_entry(link, struct result, link));
    struct result *current = session->current;
    if (current && current->write_err && !current->is_cancelled) {
        current->is_cancelled = true;
        query_cancel(current->query, current->write_err);
    }
    if (session->wait == SESSION_WAIT_DRAIN && !current)
        commit_continue(session);
}

void
session_resume(struct session *session)
{
    if (!session->is_suspended || session->wait != SESSION_WAIT_PULL || session->current->write_err)
        return;
    session->is_suspended = false;
    query_resume(session->current->query);
}

void
session_interrupt(struct session *session)
{
    session->reset_count++;
    struct result *current = session->current;
    if (current && !current->is_cancelled) {
        current->is_cancelled = true;
        query_cancel(current->query, ERR(TERMINATED));
    }
}

/* Something the session was waiting for is over, and the connection is gone. */
static void
stop_continue(struct session *session)
{
    assert(session->is_stopping && session->wait == SESSION_WAIT_NONE);
    if (session->transaction) {
        session->wait = SESSION_WAIT_ROLLBACK;
        transaction_rollback(session->transaction, rollback_done, session);
        return;
    }
    conn_session_stopped(session->conn);
}

void
session_stop(struct session *session)
{
    assert(!session->is_stopping);
    session->is_stopping = true;
    session->state = SESSION_DEFUNCT;
    results_delete_all(session);
    bool engine_only = session->wait == SESSION_WAIT_RUN || session->wait == SESSION_WAIT_PULL ||
                       session->wait == SESSION_WAIT_DRAIN;
    if (engine_only)
        session->wait = SESSION_WAIT_NONE;
    if (session->wait == SESSION_WAIT_NONE)
        stop_continue(session);
}
