/* Requests and their answers.
 *
 *     qv_run qv_begin ...                                  qv_result_next qv_commit ...
 *          | append message, push on the queue                    | request_step
 *          v                                                      v
 *     [ RUN a | PULL a | RUN b | PULL b | RESET ]  <---- head answered by SUCCESS, FAILURE, IGNORED
 *                                                        RECORDs belong to the PULL at the head
 *
 * The PULL of a statement is deferred: it is queued when the batch is sent, or when the next request
 * comes. Followed by another request it asks for all rows, because a result left half read would keep
 * the server from running the next one; alone it asks for `fetch_size` rows.
 *
 * Invariants
 *  1. Answers come in the order of the queue, one for each request (HELLO and LOGON refused excepted).
 *  2. After a FAILURE a RESET is queued before anything else; what was sent before it is IGNORED.
 *  3. A RESET queued while a transaction is open ends it: transaction == TRANSACTION_FAILED from then on,
 *     so nothing the caller believes to be inside of it runs outside.
 *  4. Outside transactions at most one result is open at the server, and no request follows it. */
#include "net/client/client.h"

#include <stdlib.h>

/* ---- the queue ---- */

static enum qv_status
queue_push(struct qv_connection *connection, enum request_kind kind, struct qv_result *result)
{
    if (connection->request_count == connection->request_capacity) {
        size_t capacity = connection->request_capacity ? connection->request_capacity * 2 : 16;
        struct request *grown = malloc(capacity * sizeof(*grown));
        if (!grown)
            return client_fail(connection, QV_NO_MEMORY, "no memory for the request");
        for (size_t i = 0; i < connection->request_count; i++) {
            size_t at = (connection->request_first + i) % connection->request_capacity;
            grown[i] = connection->requests[at];
        }
        free(connection->requests);
        connection->requests = grown;
        connection->request_first = 0;
        connection->request_capacity = capacity;
    }
    size_t at = (connection->request_first + connection->request_count) %
                connection->request_capacity;
    connection->requests[at] = (struct request){kind, result};
    connection->request_count++;
    return QV_OK;
}

static struct request
queue_pop(struct qv_connection *connection)
{
    assert(connection->request_count > 0);
    struct request request = connection->requests[connection->request_first];
    connection->request_first = (connection->request_first + 1) % connection->request_capacity;
    connection->request_count--;
    return request;
}

enum qv_status
request_queue(struct qv_connection *connection, enum request_kind kind, struct qv_result *result)
{
    if (connection->request_count == 0 && !connection->limited)
        wire_forget_cancel(&connection->wire);
    size_t before = connection->wire.out.size;
    enum qv_status status = wire_append_message(connection);
    if (status != QV_OK)
        return status;
    status = queue_push(connection, kind, result);
    if (status != QV_OK)
        connection->wire.out.size = before;
    return status;
}

static enum qv_status
queue_simple(struct qv_connection *connection, enum request_kind kind, uint8_t tag)
{
    pack_writer_reset(&connection->scratch);
    pack_write_structure(&connection->scratch, tag, 0);
    return request_queue(connection, kind, NULL);
}

static enum qv_status
queue_fetch(
    struct qv_connection *connection,
    struct qv_result *result,
    enum request_kind kind,
    int64_t count,
    int64_t query_id)
{
    struct pack_writer *message = &connection->scratch;
    pack_writer_reset(message);
    pack_write_structure(message, kind == REQUEST_PULL ? MESSAGE_PULL : MESSAGE_DISCARD, 1);
    pack_write_map(message, query_id >= 0 ? 2 : 1);
    pack_write_string(message, TEXT("n"));
    pack_write_integer(message, count);
    if (query_id >= 0) {
        pack_write_string(message, TEXT("qid"));
        pack_write_integer(message, query_id);
    }
    enum qv_status status = request_queue(connection, kind, result);
    if (status != QV_OK)
        return status;
    result->pull_outstanding = true;
    result->pull_limited = count >= 0;
    if (count >= 0 && !result->in_transaction)
        connection->limited = result;
    return QV_OK;
}

enum qv_status
request_pull_deferred(struct qv_connection *connection, int64_t count)
{
    struct qv_result *result = connection->unpulled;
    if (!result)
        return QV_OK;
    connection->unpulled = NULL;
    if (result->dropping)
        return queue_fetch(connection, result, REQUEST_DISCARD, -1, -1);
    return queue_fetch(connection, result, REQUEST_PULL, count, -1);
}

enum qv_status
request_more(struct qv_connection *connection, struct qv_result *result)
{
    assert(result->state == RESULT_STREAMING && !result->pull_outstanding);
    if (result->dropping)
        return queue_fetch(connection, result, REQUEST_DISCARD, -1, result->query_id);
    return queue_fetch(connection, result, REQUEST_PULL, result->fetch_size, result->query_id);
}

static void
end_open_results(struct qv_connection *connection, const struct client_error *error)
{
    list_for_each (link, &connection->results) {
        struct qv_result *result = list_entry(link, struct qv_result, link);
        if (result->state == RESULT_STREAMING && !result->pull_outstanding)
            result_fail(result, error);
    }
}

enum qv_status
request_reset(struct qv_connection *connection)
{
    struct client_error error = {.text = NULL};
    if (connection->unpulled) {
        /* Its RUN is ignored, or its rows are gone. */
        connection->unpulled->pull_outstanding = false;
        connection->unpulled = NULL;
    }
    if (connection->cancelling)
        client_error_set(&error, QV_CANCELLED, "cancelled");
    else
        client_error_set(&error, QV_IGNORED, "not run: an earlier request failed");
    end_open_results(connection, &error);
    if (connection->transaction == TRANSACTION_OPEN) {
        connection->transaction = TRANSACTION_FAILED;
        client_error_copy(&connection->transaction_error, &error);
    }
    client_error_destroy(&error);
    enum qv_status status = queue_simple(connection, REQUEST_RESET, MESSAGE_RESET);
    if (status != QV_OK)
        return client_break(connection, status, "no memory to recover from a failure");
    connection->reset_count++;
    return QV_OK;
}

enum qv_status
request_send(struct qv_connection *connection)
{
    const struct qv_result *last = connection->unpulled;
    enum qv_status status = QV_OK;
    if (last)
        status = request_pull_deferred(connection, last->fetch_size);
    if (status == QV_OK)
        status = wire_flush(connection);
    return status;
}

/* ---- answers ---- */

static enum qv_status
take_text(char **to, struct qv_value value)
{
    if (value.type != QV_STRING)
        return QV_OK;
    char *copy = client_copy_text(qv_value_text(value));
    if (!copy)
        return QV_NO_MEMORY;
    free(*to);
    *to = copy;
    return QV_OK;
}

static enum qv_status
take_hello(struct qv_connection *connection, struct qv_value metadata)
{
    if (take_text(&connection->server, qv_map_get(metadata, "server")) != QV_OK ||
        take_text(&connection->id, qv_map_get(metadata, "connection_id")) != QV_OK)
        return client_break(connection, QV_NO_MEMORY, "no memory");
    struct qv_value seconds = qv_map_get(
        qv_map_get(metadata, "hints"), "connection.recv_timeout_seconds");
    if (seconds.type == QV_INTEGER && seconds.integer > 0 && seconds.integer < 1000000)
        connection->receive_timeout_ms = (uint64_t)seconds.integer * 1000;
    return QV_OK;
}

/* A RUN succeeded after which the server was reset before its rows could be asked for. */
static void
end_without_rows(struct qv_connection *connection, struct qv_result *result)
{
    struct client_error error = {.text = NULL};
    client_error_set(
        &error, connection->cancelling ? QV_CANCELLED : QV_IGNORED,
        connection->cancelling ? "cancelled" : "not finished: an earlier request failed");
    result_fail(result, &error);
    client_error_destroy(&error);
}

static enum qv_status
take_fetch_success(
    struct qv_connection *connection, struct qv_result *result, struct qv_value metadata)
{
    struct qv_value more = qv_map_get(metadata, "has_more");
    result->pull_outstanding = false;
    if (more.type == QV_BOOLEAN && more.boolean) {
        if (connection->reset_count > 0)
            end_without_rows(connection, result);
        else if (result->dropping)
            return request_more(connection, result);
        return QV_OK;
    }
    if (connection->limited == result)
        connection->limited = NULL;
    if (take_text(&connection->bookmark, qv_map_get(metadata, "bookmark")) != QV_OK)
        return client_break(connection, QV_NO_MEMORY, "no memory");
    return result_take_tail(result, metadata);
}

static enum qv_status
take_success(struct qv_connection *connection, struct request request, struct qv_value metadata)
{
    switch (request.kind) {
    case REQUEST_HELLO:
        return take_hello(connection, metadata);
    case REQUEST_RUN:
        if (result_take_head(request.result, metadata) != QV_OK)
            return client_break(
                connection, QV_PROTOCOL, "the answer to a statement has no valid list of columns");
        if (!request.result->pull_outstanding)
            end_without_rows(connection, request.result);
        return QV_OK;
    case REQUEST_PULL:
    case REQUEST_DISCARD:
        return take_fetch_success(connection, request.result, metadata);
    case REQUEST_COMMIT:
        connection->transaction = TRANSACTION_NONE;
        if (take_text(&connection->bookmark, qv_map_get(metadata, "bookmark")) != QV_OK)
            return client_break(connection, QV_NO_MEMORY, "no memory");
        return QV_OK;
    case REQUEST_ROLLBACK:
        connection->transaction = TRANSACTION_NONE;
        return QV_OK;
    case REQUEST_RESET:
        assert(connection->reset_count > 0);
        if (--connection->reset_count == 0)
            connection->cancelling = false;
        return QV_OK;
    case REQUEST_LOGON:
    case REQUEST_LOGOFF:
    case REQUEST_BEGIN:
        return QV_OK;
    }
    return client_break(connection, QV_PROTOCOL, "an answer to no request");
}

/* FAILURE and IGNORED: the request did not happen. */
static enum qv_status
take_failure(
    struct qv_connection *connection, struct request request, const struct client_error *error)
{
    struct qv_result *result = request.result;
    if (request.kind == REQUEST_RESET)
        return client_break(
            connection, QV_PROTOCOL, "the server could not reset: %s", error->public.message);
    if (request.kind == REQUEST_HELLO || request.kind == REQUEST_LOGON ||
        request.kind == REQUEST_LOGOFF) {
        client_set_error(connection, error);
        connection->request_count = 0; /* the server closes the connection now */
        return QV_OK;
    }
    if (result) {
        if (request.kind != REQUEST_RUN || connection->unpulled == result)
            result->pull_outstanding = false;
        if (connection->unpulled == result)
            connection->unpulled = NULL;
        if (connection->limited == result)
            connection->limited = NULL;
        result_fail(result, error);
    } else {
        client_set_error(connection, error);
    }
    bool of_transaction = !result || result->in_transaction;
    if (of_transaction && connection->transaction == TRANSACTION_OPEN) {
        connection->transaction = TRANSACTION_FAILED;
        client_error_copy(&connection->transaction_error, error);
    }
    return QV_OK;
}

static enum qv_status
take_summary(struct qv_connection *connection, uint8_t tag, struct qv_value metadata)
{
    struct request request = queue_pop(connection);
    struct client_error error = {.text = NULL};
    enum qv_status status = QV_OK;
    switch (tag) {
    case MESSAGE_SUCCESS:
        status = take_success(connection, request, metadata);
        break;
    case MESSAGE_FAILURE:
        client_error_from_failure(&error, metadata);
        if (connection->cancelling)
            error.public.status = QV_CANCELLED;
        status = take_failure(connection, request, &error);
        if (status == QV_OK && connection->reset_count == 0 && request.kind != REQUEST_HELLO &&
            request.kind != REQUEST_LOGON && request.kind != REQUEST_LOGOFF)
            status = request_reset(connection);
        break;
    default:
        if (connection->cancelling)
            client_error_set(&error, QV_CANCELLED, "cancelled");
        else
            client_error_set(&error, QV_IGNORED, "not run: an earlier request failed");
        status = take_failure(connection, request, &error);
    }
    client_error_destroy(&error);
    struct qv_result *result = request.result;
    if (result && result->closed && result->state == RESULT_DONE && !result->pull_outstanding)
        result_free(result);
    return status;
}

static enum qv_status
take_message(struct qv_connection *connection, const uint8_t *data, size_t size)
{
    struct pack_reader reader;
    struct pack_item item;
    pack_reader_create(&reader, data, size);
    if (connection->request_count == 0)
        return client_break(connection, QV_PROTOCOL, "the server sent an answer nobody asked for");
    if (pack_read_typed(&reader, PACK_STRUCTURE, &item) || item.size > 1)
        return client_break(connection, QV_PROTOCOL, "the server sent a malformed message");
    const struct request *head = &connection->requests[connection->request_first];
    if (item.tag == MESSAGE_RECORD) {
        if ((head->kind != REQUEST_PULL && head->kind != REQUEST_DISCARD) || item.size != 1)
            return client_break(connection, QV_PROTOCOL, "the server sent a row nobody asked for");
        return result_take_record(head->result, data + reader.offset, size - reader.offset);
    }
    if (item.tag != MESSAGE_SUCCESS && item.tag != MESSAGE_FAILURE && item.tag != MESSAGE_IGNORED)
        return client_break(
            connection, QV_PROTOCOL, "the server sent an unknown message (tag %02X)", item.tag);
    struct qv_value metadata = {.type = QV_NULL};
    size_t used = 0;
    if (item.size == 1 &&
        !client_value_decode(data + reader.offset, size - reader.offset, &metadata, &used))
        return client_break(connection, QV_PROTOCOL, "the server sent a malformed message");
    if (reader.offset + used != size || (item.tag != MESSAGE_IGNORED && metadata.type != QV_MAP))
        return client_break(connection, QV_PROTOCOL, "the server sent a malformed message");
    return take_summary(connection, item.tag, metadata);
}

enum qv_status
request_step(struct qv_connection *connection)
{
    const uint8_t *data;
    size_t size;
    for (;;) {
        enum qv_status status = wire_next_message(connection, &data, &size);
        if (status == QV_OK)
            return take_message(connection, data, size);
        if (status != QV_DONE)
            return status;
        uint64_t deadline_ms = connection->receive_timeout_ms
                                   ? wire_now_ms() + connection->receive_timeout_ms
                                   : UINT64_MAX;
        status = wire_receive(connection, deadline_ms);
        if (status != QV_OK)
            return status;
    }
}

enum qv_status
request_drain(struct qv_connection *connection)
{
    struct qv_result *reader = connection->reader;
    const uint8_t *data;
    size_t size;
    enum qv_status status = QV_OK;
    connection->reader = NULL;
    while (status == QV_OK) {
        status = wire_next_message(connection, &data, &size);
        if (status == QV_OK)
            status = take_message(connection, data, size);
    }
    connection->reader = reader;
    return status == QV_DONE ? QV_OK : status;
}

enum qv_status
request_settle(struct qv_connection *connection)
{
    enum qv_status status = request_pull_deferred(connection, -1);
    while (status == QV_OK && (connection->request_count > 0 || connection->wire.out.size > 0)) {
        /* An answer may have queued something: a RESET, a DISCARD. */
        status = wire_flush(connection);
        if (status == QV_OK && connection->request_count > 0)
            status = request_step(connection);
    }
    return status;
}

/* ---- public ---- */

/* Outside transactions a new request must not follow a result that may stay half read. */
static enum qv_status
await_limited(struct qv_connection *connection)
{
    enum qv_status status = QV_OK;
    while (status == QV_OK && connection->limited) {
        const struct qv_result *result = connection->limited;
        if (!result->pull_outstanding && !result->closed && result->state == RESULT_STREAMING)
            return client_fail(
                connection, QV_MISUSE,
                "the previous result has more rows: read it to its end or close it before the next "
                "statement");
        status = wire_flush(connection);
        if (status == QV_OK && connection->limited && connection->limited->pull_outstanding)
            status = request_step(connection);
    }
    return status;
}

/* Checks and order common to qv_run and qv_begin. */
static enum qv_status
start_request(struct qv_connection *connection)
{
    enum qv_status status = client_enter(connection);
    if (status != QV_OK)
        return status;
    if (connection->transaction == TRANSACTION_FAILED)
        return client_set_error(connection, &connection->transaction_error);
    status = request_pull_deferred(connection, -1);
    if (status == QV_OK)
        status = await_limited(connection);
    if (status == QV_OK && connection->wire.out.size >= CLIENT_SEND_GATHER_SIZE)
        status = wire_flush(connection);
    if (status == QV_OK && connection->transaction == TRANSACTION_FAILED)
        return client_set_error(connection, &connection->transaction_error);
    return status;
}

static void
write_extra(struct qv_connection *connection, const struct qv_run_options *options)
{
    static const struct qv_run_options defaults = {0};
    struct pack_writer *message = &connection->scratch;
    if (!options)
        options = &defaults;
    const char *database = options->database ? options->database : connection->database;
    bool with_timeout = options->timeout_ms > 0, with_bookmarks = options->bookmark_count > 0;
    pack_write_map(
        message, (size_t)with_timeout + with_bookmarks + (database != NULL) + options->read_only);
    if (with_timeout) {
        pack_write_string(message, TEXT("tx_timeout"));
        pack_write_integer(message, options->timeout_ms);
    }
    if (with_bookmarks) {
        pack_write_string(message, TEXT("bookmarks"));
        pack_write_list(message, options->bookmark_count);
        for (size_t i = 0; i < options->bookmark_count; i++)
            pack_write_string(message, text_of(options->bookmarks[i]));
    }
    if (database) {
        pack_write_string(message, TEXT("db"));
        pack_write_string(message, text_of(database));
    }
    if (options->read_only) {
        pack_write_string(message, TEXT("mode"));
        pack_write_string(message, TEXT("r"));
    }
}

static enum qv_status
write_run(
    struct qv_connection *connection,
    const char *statement,
    const struct qv_params *params,
    const struct qv_run_options *options)
{
    static const uint8_t no_params[1] = {0xA0};
    struct pack_writer *message = &connection->scratch;
    const uint8_t *encoded = no_params;
    size_t encoded_size = sizeof(no_params), statement_size = strlen(statement);
    enum qv_status status = params ? params_encoded(params, &encoded, &encoded_size) : QV_OK;
    if (status != QV_OK)
        return client_fail(
            connection, status,
            status == QV_MISUSE
                ? "the parameters are not a complete map (a key is missing or too many, a list "
                  "is not closed, or a text is not UTF-8)"
                : "no memory for the parameters");
    if (!pack_utf8_is_valid(statement, statement_size))
        return client_fail(connection, QV_MISUSE, "the statement is not UTF-8");
    pack_writer_reset(message);
    pack_write_structure(message, MESSAGE_RUN, 3);
    pack_write_string(message, (struct text){statement, statement_size});
    pack_write_raw(message, encoded, encoded_size);
    if (connection->transaction == TRANSACTION_OPEN)
        pack_write_map(message, 0);
    else
        write_extra(connection, options);
    return QV_OK;
}

enum qv_status
qv_run(
    struct qv_connection *connection,
    const char *statement,
    const struct qv_params *params,
    const struct qv_run_options *options,
    struct qv_result **out)
{
    *out = NULL;
    enum qv_status status = start_request(connection);
    if (status == QV_OK)
        status = write_run(connection, statement, params, options);
    if (status != QV_OK)
        return status;
    struct qv_result *result = result_new(connection);
    if (!result)
        return client_fail(connection, QV_NO_MEMORY, "no memory for a result");
    if (options && options->fetch_size)
        result->fetch_size = options->fetch_size;
    status = request_queue(connection, REQUEST_RUN, result);
    if (status != QV_OK) {
        result_free(result);
        return status;
    }
    result->pull_outstanding = true;
    connection->unpulled = result;
    *out = result;
    return QV_OK;
}

enum qv_status
qv_execute(struct qv_connection *connection, const char *statement, const struct qv_params *params)
{
    struct qv_result *result;
    enum qv_status status = qv_run(connection, statement, params, NULL, &result);
    if (status != QV_OK)
        return status;
    status = qv_result_finish(result);
    if (status != QV_OK)
        client_set_error(connection, &result->error);
    qv_result_close(result);
    return status;
}

enum qv_status
qv_flush(struct qv_connection *connection)
{
    enum qv_status status = client_enter(connection);
    return status == QV_OK ? request_send(connection) : status;
}

enum qv_status
qv_begin(struct qv_connection *connection, const struct qv_run_options *options)
{
    if (connection->transaction != TRANSACTION_NONE) {
        enum qv_status status = client_enter(connection);
        return status == QV_OK ? client_fail(connection, QV_MISUSE, "a transaction is already open")
                               : status;
    }
    enum qv_status status = start_request(connection);
    if (status != QV_OK)
        return status;
    pack_writer_reset(&connection->scratch);
    pack_write_structure(&connection->scratch, MESSAGE_BEGIN, 1);
    write_extra(connection, options);
    status = request_queue(connection, REQUEST_BEGIN, NULL);
    if (status == QV_OK)
        connection->transaction = TRANSACTION_OPEN;
    return status;
}

/* Ends the transaction: COMMIT or ROLLBACK, and waits. Results the server still holds open are discarded
 * first; those that may be open are waited for. */
static enum qv_status
end_transaction(struct qv_connection *connection, enum request_kind kind)
{
    bool may_be_open = false;
    list_for_each (link, &connection->results) {
        const struct qv_result *result = list_entry(link, struct qv_result, link);
        may_be_open |= result != connection->unpulled && result->pull_outstanding &&
                       result->pull_limited;
    }
    enum qv_status status = may_be_open ? request_settle(connection)
                                        : request_pull_deferred(connection, -1);
    if (connection->transaction != TRANSACTION_OPEN)
        return status;
    list_for_each (link, &connection->results) {
        struct qv_result *result = list_entry(link, struct qv_result, link);
        if (status != QV_OK || result->state != RESULT_STREAMING || result->pull_outstanding)
            continue;
        result->dropping = true;
        status = request_more(connection, result);
    }
    if (status == QV_OK)
        status = queue_simple(
            connection, kind, kind == REQUEST_COMMIT ? MESSAGE_COMMIT : MESSAGE_ROLLBACK);
    if (status == QV_OK)
        status = request_settle(connection);
    if (status != QV_OK && !connection->is_broken)
        return client_break(connection, status, "no memory to end the transaction");
    return status;
}

enum qv_status
qv_commit(struct qv_connection *connection)
{
    enum qv_status status = client_enter(connection);
    if (status != QV_OK)
        return status;
    if (connection->transaction == TRANSACTION_NONE)
        return client_fail(connection, QV_MISUSE, "there is no transaction to commit");
    if (connection->transaction == TRANSACTION_OPEN)
        status = end_transaction(connection, REQUEST_COMMIT);
    bool failed = connection->transaction == TRANSACTION_FAILED;
    connection->transaction = TRANSACTION_NONE;
    if (status != QV_OK)
        return status;
    if (failed)
        return client_set_error(connection, &connection->transaction_error);
    connection->has_error = false;
    return QV_OK;
}

enum qv_status
qv_rollback(struct qv_connection *connection)
{
    enum qv_status status = client_enter(connection);
    if (status != QV_OK)
        return status;
    if (connection->transaction == TRANSACTION_NONE)
        return client_fail(connection, QV_MISUSE, "there is no transaction to roll back");
    if (connection->transaction == TRANSACTION_OPEN)
        status = end_transaction(connection, REQUEST_ROLLBACK);
    connection->transaction = TRANSACTION_NONE;
    if (status == QV_OK)
        connection->has_error = false;
    return status;
}
