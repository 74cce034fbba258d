/* Opening, logging on, closing, and what went wrong.
 *
 *     new -- connect -- handshake -- HELLO+LOGON -- usable ----- close
 *                \___________\____________\___________/
 *                             broken: client_break; only close is left
 *
 * Invariants
 *  1. After client_break there is no socket, no request is queued and every result is at its end.
 *  2. has_error says that the last public call failed; the strings of `error` live until the next one. */
#include "net/client/client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

const char *
qv_version(void)
{
    return QUIVER_VERSION;
}

char *
client_copy_text(struct qv_text text)
{
    char *copy = malloc(text.size + 1);
    if (!copy)
        return NULL;
    if (text.size)
        memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    return copy;
}

enum qv_status
client_fail(struct qv_connection *connection, enum qv_status status, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    connection->has_error = true;
    return client_error_set(&connection->error, status, "%s", text);
}

enum qv_status
client_set_error(struct qv_connection *connection, const struct client_error *error)
{
    connection->has_error = true;
    client_error_copy(&connection->error, error);
    return error->public.status;
}

enum qv_status
client_break(struct qv_connection *connection, enum qv_status status, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (connection->is_broken)
        return connection->broken_status;
    for (size_t i = 0; i < connection->request_count; i++) {
        size_t at = (connection->request_first + i) % connection->request_capacity;
        if (connection->requests[at].kind == REQUEST_COMMIT && status != QV_NO_MEMORY)
            status = QV_OUTCOME_UNKNOWN;
    }
    connection->has_error = true;
    client_error_set(&connection->error, status, "%s", text);
    connection->is_broken = true;
    connection->broken_status = status;
    connection->request_count = 0;
    connection->reset_count = 0;
    connection->unpulled = NULL;
    list_for_each (link, &connection->results) {
        struct qv_result *result = list_entry(link, struct qv_result, link);
        result->pull_outstanding = false;
        if (result->state != RESULT_DONE)
            result_fail(result, &connection->error);
    }
    if (connection->wire.socket >= 0) {
        close(connection->wire.socket);
        connection->wire.socket = -1;
    }
    return status;
}

enum qv_status
client_enter(struct qv_connection *connection)
{
    if (connection->is_broken) {
        connection->has_error = true;
        return connection->broken_status;
    }
    connection->has_error = false;
    return QV_OK;
}

/* ---- opening ---- */

static bool
copy_setting(char **to, const char *given, const char *from_uri)
{
    const char *text = given ? given : from_uri;
    if (!text)
        return true;
    *to = client_copy_text((struct qv_text){text, strlen(text)});
    return *to != NULL;
}

static enum qv_status
take_options(struct qv_connection *connection, const struct qv_options *options)
{
    struct client_uri uri;
    const char *problem = client_uri_parse(
        options->uri ? options->uri : "bolt://localhost:7687", &uri);
    enum qv_status status = QV_OK;
    if (problem) {
        status = client_break(
            connection, QV_MISUSE, "%s (in \"%.200s\")", problem, options->uri ? options->uri : "");
    } else if (
        !copy_setting(&connection->host, NULL, uri.host) ||
        !copy_setting(&connection->user, options->user, uri.user) ||
        !copy_setting(&connection->password, options->password, uri.password) ||
        !copy_setting(&connection->database, options->database, uri.database) ||
        !copy_setting(&connection->user_agent, options->user_agent, "libquiver/" QUIVER_VERSION)) {
        status = client_break(connection, QV_NO_MEMORY, "no memory");
    }
    memcpy(connection->port, uri.port, sizeof(connection->port));
    client_uri_destroy(&uri);
    connection->connect_timeout_ms = options->connect_timeout_ms ? options->connect_timeout_ms
                                                                 : CLIENT_CONNECT_TIMEOUT_MS;
    connection->receive_timeout_ms = options->receive_timeout_ms;
    connection->fetch_size = options->fetch_size ? options->fetch_size : CLIENT_FETCH_SIZE;
    connection->wire.message_size_max = options->message_size_max ? options->message_size_max
                                                                  : CLIENT_MESSAGE_SIZE_MAX;
    connection->stash_size_max = options->stash_size_max ? options->stash_size_max
                                                         : CLIENT_STASH_SIZE_MAX;
    connection->progress = options->progress;
    connection->progress_context = options->progress_context;
    connection->progress_interval_ms = options->progress_interval_ms ? options->progress_interval_ms
                                                                     : CLIENT_PROGRESS_INTERVAL_MS;
    return status;
}

/* 60 60 B0 17 and four proposals: 5.8 to 5.6, then 5.4 to 5.0; nothing else is spoken here. The answer
 * is four bytes, the version or zero. */
static enum qv_status
handshake(struct qv_connection *connection, uint64_t deadline_ms)
{
    static const uint8_t request[20] = {0x60, 0x60, 0xB0, 0x17, 0, 2, 8, 5, 0, 4, 4, 5};
    struct wire *wire = &connection->wire;
    pack_write_raw(&wire->out, request, sizeof(request));
    enum qv_status status = wire->out.err ? client_break(connection, QV_NO_MEMORY, "no memory")
                                          : QV_OK;
    if (status == QV_OK)
        status = wire_flush(connection);
    while (status == QV_OK && wire->in_end - wire->raw < 4)
        status = wire_receive(connection, deadline_ms);
    if (status == QV_LOST)
        return client_error_set(
            &connection->error, QV_LOST,
            "%s:%s closed the connection during the handshake; is it a Bolt port without "
            "encryption?",
            connection->host, connection->port);
    if (status != QV_OK)
        return status;
    const uint8_t *answer = wire->in + wire->raw;
    wire->raw += 4;
    if (memcmp(answer, "HTTP", 4) == 0)
        return client_break(
            connection, QV_PROTOCOL, "%s:%s is an HTTP server", connection->host, connection->port);
    bool spoken = answer[0] == 0 && answer[1] == 0 && answer[3] == 5 && answer[2] <= 8 &&
                  answer[2] != 5;
    if (!spoken)
        return client_break(
            connection, QV_PROTOCOL, "the server at %s:%s does not speak Bolt 5", connection->host,
            connection->port);
    connection->protocol = (uint32_t)answer[3] * 256 + answer[2];
    return QV_OK;
}

static void
write_key_text(struct pack_writer *writer, const char *key, const char *text)
{
    pack_write_string(writer, text_of(key));
    pack_write_string(writer, text_of(text));
}

static enum qv_status
queue_hello(struct qv_connection *connection)
{
    struct pack_writer *message = &connection->scratch;
    struct utsname name;
    char platform[160] = "unknown";
    if (uname(&name) == 0)
        snprintf(
            platform, sizeof(platform), "%.60s %.60s; %.20s", name.sysname, name.release,
            name.machine);
    bool agent = connection->protocol >= 0x503;
    pack_writer_reset(message);
    pack_write_structure(message, MESSAGE_HELLO, 1);
    /* Before 5.1 the credentials are part of HELLO. */
    bool with_credentials = connection->protocol < 0x501;
    size_t credential_count = !with_credentials ? 0 : connection->user ? 3 : 1;
    pack_write_map(message, 1 + (size_t)agent + credential_count);
    write_key_text(message, "user_agent", connection->user_agent);
    if (agent) {
        pack_write_string(message, TEXT("bolt_agent"));
        pack_write_map(message, 3);
        write_key_text(message, "product", "libquiver/" QUIVER_VERSION);
        write_key_text(message, "platform", platform);
        write_key_text(message, "language", "C");
    }
    if (with_credentials) {
        write_key_text(message, "scheme", connection->user ? "basic" : "none");
        if (connection->user) {
            write_key_text(message, "principal", connection->user);
            write_key_text(
                message, "credentials", connection->password ? connection->password : "");
        }
    }
    return request_queue(connection, REQUEST_HELLO, NULL);
}

static enum qv_status
queue_logon(struct qv_connection *connection, const char *user, const char *password)
{
    struct pack_writer *message = &connection->scratch;
    pack_writer_reset(message);
    pack_write_structure(message, MESSAGE_LOGON, 1);
    pack_write_map(message, user ? 3 : 1);
    write_key_text(message, "scheme", user ? "basic" : "none");
    if (user) {
        write_key_text(message, "principal", user);
        write_key_text(message, "credentials", password ? password : "");
    }
    return request_queue(connection, REQUEST_LOGON, NULL);
}

enum qv_status
qv_connection_open(const struct qv_options *options, struct qv_connection **out)
{
    static const struct qv_options defaults = {0};
    struct qv_connection *connection = calloc(1, sizeof(*connection));
    *out = connection;
    if (!connection)
        return QV_NO_MEMORY;
    list_init(&connection->results);
    connection->wire.socket = -1;
    connection->wire.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pack_writer_create(&connection->wire.out, memory_heap(), SIZE_MAX / 2);
    pack_writer_create(&connection->scratch, memory_heap(), CLIENT_MESSAGE_SIZE_MAX);
    if (connection->wire.wake < 0)
        return client_break(connection, QV_NO_MEMORY, "eventfd: %s", strerror(errno));
    enum qv_status status = take_options(connection, options ? options : &defaults);
    uint64_t deadline_ms = wire_now_ms() + connection->connect_timeout_ms;
    uint64_t receive_timeout_ms = connection->receive_timeout_ms;
    if (status == QV_OK)
        status = wire_connect(connection, deadline_ms);
    if (status == QV_OK)
        status = handshake(connection, deadline_ms);
    if (status == QV_OK)
        status = queue_hello(connection);
    if (status == QV_OK && connection->protocol >= 0x501)
        status = queue_logon(connection, connection->user, connection->password);
    /* The hint of HELLO may set the time-out meanwhile; what the caller chose wins. */
    uint64_t now_ms = wire_now_ms();
    connection->receive_timeout_ms = now_ms < deadline_ms ? deadline_ms - now_ms : 1;
    uint64_t waiting_ms = connection->receive_timeout_ms;
    if (status == QV_OK)
        status = request_settle(connection);
    if (receive_timeout_ms || connection->receive_timeout_ms == waiting_ms)
        connection->receive_timeout_ms = receive_timeout_ms;
    if (status == QV_OK && connection->has_error) {
        /* A refused HELLO or LOGON: the server closes the connection. */
        status = connection->error.public.status;
        connection->is_broken = true;
        connection->broken_status = status;
    }
    connection->is_open = status == QV_OK;
    return status;
}

enum qv_status
qv_connection_authenticate(struct qv_connection *connection, const char *user, const char *password)
{
    enum qv_status status = client_enter(connection);
    if (status != QV_OK)
        return status;
    if (connection->transaction != TRANSACTION_NONE)
        return client_fail(connection, QV_MISUSE, "not inside a transaction");
    if (connection->protocol < 0x501)
        return client_fail(
            connection, QV_MISUSE, "the server's protocol version cannot change the user");
    status = request_settle(connection);
    if (status != QV_OK)
        return status;
    connection->has_error = false;
    pack_writer_reset(&connection->scratch);
    pack_write_structure(&connection->scratch, MESSAGE_LOGOFF, 0);
    status = request_queue(connection, REQUEST_LOGOFF, NULL);
    if (status == QV_OK)
        status = queue_logon(connection, user, password);
    if (status == QV_OK)
        status = request_settle(connection);
    if (status == QV_OK && connection->has_error) {
        status = connection->error.public.status;
        connection->is_broken = true;
        connection->broken_status = status;
    }
    return status;
}

void
qv_connection_close(struct qv_connection *connection)
{
    static const uint8_t goodbye[6] = {0, 2, 0xB0, MESSAGE_GOODBYE, 0, 0};
    if (!connection)
        return;
    if (!connection->is_broken) {
        if (connection->wire.out.size == 0)
            (void)!send(
                connection->wire.socket, goodbye, sizeof(goodbye), MSG_NOSIGNAL | MSG_DONTWAIT);
        connection->request_count = 0; /* an unanswered COMMIT is the caller's choice here */
        client_break(connection, QV_LOST, "the connection was closed");
    }
    while (!list_is_empty(&connection->results)) {
        struct qv_result *result = list_entry(connection->results.next, struct qv_result, link);
        if (result->closed) {
            result_free(result);
            continue;
        }
        connection->stash_size -= result->stash.capacity;
        list_remove(&result->link);
        result->connection = NULL;
    }
    wire_close(&connection->wire);
    pack_writer_destroy(&connection->scratch);
    client_error_destroy(&connection->error);
    client_error_destroy(&connection->transaction_error);
    free(connection->requests);
    free(connection->user_agent);
    free(connection->user);
    free(connection->password);
    free(connection->database);
    free(connection->host);
    free(connection->server);
    free(connection->id);
    free(connection->bookmark);
    free(connection);
}

void
qv_cancel(struct qv_connection *connection)
{
    const uint64_t one = 1;
    atomic_store(&connection->wire.cancel_asked, true);
    /* EAGAIN cannot happen below 2^64 - 1 calls; there is nothing to do about other failures. */
    (void)!write(connection->wire.wake, &one, sizeof(one));
}

/* ---- looking ---- */

const struct qv_error *
qv_connection_error(const struct qv_connection *connection)
{
    return connection->has_error ? &connection->error.public : NULL;
}

bool
qv_connection_is_usable(const struct qv_connection *connection)
{
    return !connection->is_broken;
}

const char *
qv_connection_server(const struct qv_connection *connection)
{
    return connection->server ? connection->server : "";
}

const char *
qv_connection_id(const struct qv_connection *connection)
{
    return connection->id ? connection->id : "";
}

uint32_t
qv_connection_protocol(const struct qv_connection *connection)
{
    return connection->protocol;
}

const char *
qv_connection_bookmark(const struct qv_connection *connection)
{
    return connection->bookmark ? connection->bookmark : "";
}

bool
qv_in_transaction(const struct qv_connection *connection)
{
    return connection->transaction != TRANSACTION_NONE;
}
