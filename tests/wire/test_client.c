/* The client library against a scripted server: a thread that plays one connection by hand, so that
 * every answer, split and failure is exactly what the test says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net/pack.h"
#include "quiver/quiver.h"

/* ---- the scripted server ---- */

struct server;
typedef void script_fn(struct server *server);

struct server {
    int listener, socket;
    pthread_t thread;
    script_fn *script;
    char uri[64];
    struct pack_writer out; /* the message being built */
    uint8_t message[1 << 20];
    size_t message_size;
    size_t split_size; /* bytes per send(); 0 = all at once */
    uint32_t seen[64]; /* tags of the messages received */
    uint32_t seen_count;
    int64_t pull_count; /* n of the last PULL */
};

static void
server_read(struct server *server, void *to, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t got = recv(server->socket, (char *)to + at, size - at, 0);
        if (got <= 0)
            pthread_exit(NULL); /* the client is gone */
        at += (size_t)got;
    }
}

static void
server_write(struct server *server, const void *data, size_t size)
{
    size_t step = server->split_size ? server->split_size : size;
    for (size_t at = 0; at < size; at += step) {
        size_t part = size - at < step ? size - at : step;
        if (send(server->socket, (const char *)data + at, part, MSG_NOSIGNAL) != (ssize_t)part)
            pthread_exit(NULL);
        if (server->split_size)
            nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
}

/* The next message of the client; its tag. */
static uint8_t
server_take(struct server *server)
{
    server->message_size = 0;
    for (;;) {
        uint8_t header[2];
        server_read(server, header, 2);
        size_t size = (size_t)header[0] << 8 | header[1];
        if (size == 0 && server->message_size > 0)
            break;
        server_read(server, server->message + server->message_size, size);
        server->message_size += size;
    }
    if (server->seen_count < 64)
        server->seen[server->seen_count++] = server->message[1];
    return server->message[1];
}

static void
server_send_chunked(struct server *server, size_t chunk_size)
{
    uint8_t *framed = malloc(server->out.size * 3 + 16);
    size_t size = 0;
    for (size_t at = 0; at < server->out.size; at += chunk_size) {
        size_t part = server->out.size - at < chunk_size ? server->out.size - at : chunk_size;
        framed[size++] = (uint8_t)(part >> 8);
        framed[size++] = (uint8_t)part;
        memcpy(framed + size, server->out.data + at, part);
        size += part;
    }
    framed[size++] = 0;
    framed[size++] = 0;
    server_write(server, framed, size);
    free(framed);
    pack_writer_reset(&server->out);
}

static void
server_send(struct server *server)
{
    server_send_chunked(server, 65535);
}

static void
server_success(struct server *server)
{
    pack_write_structure(&server->out, 0x70, 1);
    pack_write_map(&server->out, 0);
    server_send(server);
}

static void
server_ignored(struct server *server)
{
    pack_write_structure(&server->out, 0x7E, 0);
    server_send(server);
}

static void
server_failure(struct server *server, const char *code, const char *message)
{
    pack_write_structure(&server->out, 0x7F, 1);
    pack_write_map(&server->out, 2);
    pack_write_string(&server->out, TEXT("code"));
    pack_write_string(&server->out, text_of(code));
    pack_write_string(&server->out, TEXT("message"));
    pack_write_string(&server->out, text_of(message));
    server_send(server);
}

/* SUCCESS of RUN with one column. */
static void
server_columns(struct server *server, const char *column)
{
    pack_write_structure(&server->out, 0x70, 1);
    pack_write_map(&server->out, 2);
    pack_write_string(&server->out, TEXT("fields"));
    pack_write_list(&server->out, 1);
    pack_write_string(&server->out, text_of(column));
    pack_write_string(&server->out, TEXT("t_first"));
    pack_write_integer(&server->out, 3);
    server_send(server);
}

static void
server_row(struct server *server, int64_t integer)
{
    pack_write_structure(&server->out, 0x71, 1);
    pack_write_list(&server->out, 1);
    pack_write_integer(&server->out, integer);
    server_send(server);
}

static void
server_more(struct server *server)
{
    pack_write_structure(&server->out, 0x70, 1);
    pack_write_map(&server->out, 1);
    pack_write_string(&server->out, TEXT("has_more"));
    pack_write_boolean(&server->out, true);
    server_send(server);
}

static void
server_end(struct server *server)
{
    pack_write_structure(&server->out, 0x70, 1);
    pack_write_map(&server->out, 4);
    pack_write_string(&server->out, TEXT("type"));
    pack_write_string(&server->out, TEXT("rw"));
    pack_write_string(&server->out, TEXT("t_last"));
    pack_write_integer(&server->out, 7);
    pack_write_string(&server->out, TEXT("bookmark"));
    pack_write_string(&server->out, TEXT("FB:1"));
    pack_write_string(&server->out, TEXT("stats"));
    pack_write_map(&server->out, 1);
    pack_write_string(&server->out, TEXT("nodes-created"));
    pack_write_integer(&server->out, 2);
    server_send(server);
}

/* Handshake, HELLO and LOGON; version 5.4. */
static void
server_greet(struct server *server)
{
    static const uint8_t version[4] = {0, 0, 4, 5};
    uint8_t request[20];
    server_read(server, request, sizeof(request));
    server_write(server, version, sizeof(version));
    server_take(server);
    pack_write_structure(&server->out, 0x70, 1);
    pack_write_map(&server->out, 2);
    pack_write_string(&server->out, TEXT("server"));
    pack_write_string(&server->out, TEXT("Neo4j/5.26.0"));
    pack_write_string(&server->out, TEXT("connection_id"));
    pack_write_string(&server->out, TEXT("bolt-1"));
    server_send(server);
    server_take(server);
    server_success(server);
    server->seen_count = 0;
}

static void *
server_thread(void *argument)
{
    struct server *server = argument;
    server->socket = accept(server->listener, NULL, NULL);
    if (server->socket >= 0)
        server->script(server);
    return NULL;
}

static struct server *
server_start(script_fn *script)
{
    struct server *server = calloc(1, sizeof(*server));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    assert_non_null(server);
    server->script = script;
    server->socket = -1;
    pack_writer_create(&server->out, memory_heap(), 64 << 20);
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(server->listener, 1), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &size), 0);
    snprintf(server->uri, sizeof(server->uri), "bolt://127.0.0.1:%u", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&server->thread, NULL, server_thread, server), 0);
    return server;
}

static void
server_stop(struct server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    if (server->socket >= 0)
        close(server->socket);
    pack_writer_destroy(&server->out);
    free(server);
}

static struct qv_connection *
connect_to(struct server *server)
{
    struct qv_connection *connection;
    struct qv_options options = {.uri = server->uri, .receive_timeout_ms = 10000};
    enum qv_status status = qv_connection_open(&options, &connection);
    if (status != QV_OK)
        print_error("%s\n", qv_connection_error(connection)->message);
    assert_int_equal(status, QV_OK);
    return connection;
}

static struct qv_result *
run(struct qv_connection *connection, const char *statement)
{
    struct qv_result *result;
    assert_int_equal(qv_run(connection, statement, NULL, NULL, &result), QV_OK);
    return result;
}

static void
expect_rows(struct qv_result *result, int64_t first, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        assert_int_equal(qv_result_next(result), QV_OK);
        assert_int_equal(qv_result_value(result, 0).integer, first + i);
    }
}

/* ---- scripts and tests ---- */

static void
script_rows(struct server *server)
{
    server->split_size = 3; /* every boundary falls somewhere bad */
    server_greet(server);
    server_take(server);
    server_take(server);
    server_columns(server, "x");
    server_write(server, "\0\0\0\0", 4); /* keep-alives */
    server_row(server, 1);
    server_row(server, 2);
    server_write(server, "\0\0", 2);
    server_row(server, 3);
    server_end(server);
    server_take(server);
}

static void
rows_arrive_however_they_are_split(void **state)
{
    (void)state;
    struct server *server = server_start(script_rows);
    struct qv_connection *connection = connect_to(server);
    assert_string_equal(qv_connection_server(connection), "Neo4j/5.26.0");
    assert_int_equal(qv_connection_protocol(connection), 0x504);
    struct qv_result *result = run(connection, "UNWIND [1, 2, 3] AS x RETURN x");
    expect_rows(result, 1, 3);
    assert_int_equal(qv_result_next(result), QV_DONE);
    assert_int_equal(qv_result_column_count(result), 1);
    assert_memory_equal(qv_result_column(result, 0).data, "x", 1);
    struct qv_summary summary;
    assert_int_equal(qv_result_summary(result, &summary), QV_OK);
    assert_int_equal(summary.nodes_created, 2);
    assert_int_equal(summary.first_row_ms, 3);
    assert_int_equal(summary.last_row_ms, 7);
    assert_string_equal(qv_connection_bookmark(connection), "FB:1");
    qv_result_close(result);
    qv_connection_close(connection);
    server_stop(server);
}

static void
script_pipeline(struct server *server)
{
    server_greet(server);
    for (int i = 0; i < 3; i++) {
        server_take(server); /* RUN */
        server_take(server); /* PULL */
    }
    for (int i = 0; i < 3; i++) {
        server_columns(server, "x");
        server_row(server, i * 10);
        server_row(server, i * 10 + 1);
        server_end(server);
    }
    server_take(server);
}

static void
pipelined_results_can_be_read_out_of_order(void **state)
{
    (void)state;
    struct server *server = server_start(script_pipeline);
    struct qv_connection *connection = connect_to(server);
    struct qv_result *results[3];
    for (int i = 0; i < 3; i++)
        results[i] = run(connection, "RETURN 1");
    expect_rows(results[2], 20, 2);
    expect_rows(results[0], 0, 2);
    assert_int_equal(qv_result_next(results[0]), QV_DONE);
    expect_rows(results[1], 10, 1);
    assert_int_equal(qv_result_next(results[2]), QV_DONE);
    for (int i = 0; i < 3; i++)
        qv_result_close(results[i]);
    qv_connection_close(connection);
    server_stop(server);
}

static void
script_failing_pipeline(struct server *server)
{
    server_greet(server);
    for (int i = 0; i < 6; i++)
        server_take(server);
    server_columns(server, "x");
    server_end(server);
    server_failure(
        server, "Neo.ClientError.Statement.SyntaxError",
        "Invalid input 'X' (line 1, column 8 (offset: 7))");
    for (int i = 0; i < 3; i++)
        server_ignored(server);
    if (server_take(server) != 0x0F) /* RESET before anything else */
        return;
    server_success(server);
    server_take(server);
    server_take(server);
    server_columns(server, "x");
    server_row(server, 5);
    server_end(server);
    server_take(server);
}

static void
failure_ends_the_batch_and_the_connection_recovers(void **state)
{
    (void)state;
    struct server *server = server_start(script_failing_pipeline);
    struct qv_connection *connection = connect_to(server);
    struct qv_result *results[3];
    for (int i = 0; i < 3; i++)
        results[i] = run(connection, "RETURN X");
    assert_int_equal(qv_result_next(results[0]), QV_DONE);
    assert_int_equal(qv_result_next(results[1]), QV_FAILED);
    const struct qv_error *error = qv_result_error(results[1]);
    assert_string_equal(error->code, "Neo.ClientError.Statement.SyntaxError");
    assert_int_equal(error->offset, 7);
    assert_int_equal(error->column, 8);
    assert_int_equal(qv_result_next(results[2]), QV_IGNORED);
    for (int i = 0; i < 3; i++)
        qv_result_close(results[i]);
    struct qv_result *after = run(connection, "RETURN 5");
    expect_rows(after, 5, 1);
    assert_int_equal(qv_result_next(after), QV_DONE);
    assert_null(qv_connection_error(connection));
    qv_result_close(after);
    qv_connection_close(connection);
    server_stop(server);
}

static void
script_fetch(struct server *server)
{
    server_greet(server);
    server_take(server);
    for (int batch = 0; batch < 3; batch++) {
        server_take(server); /* PULL */
        if (batch == 0)
            server_columns(server, "x");
        server_row(server, batch * 2);
        server_row(server, batch * 2 + 1);
        if (batch < 2)
            server_more(server);
        else
            server_end(server);
    }
    server_take(server);
}

static void
rows_are_asked_for_in_batches(void **state)
{
    (void)state;
    struct server *server = server_start(script_fetch);
    struct qv_connection *connection = connect_to(server);
    struct qv_result *result;
    struct qv_run_options options = {.fetch_size = 2};
    assert_int_equal(qv_run(connection, "RETURN 1", NULL, &options, &result), QV_OK);
    expect_rows(result, 0, 2);
    struct qv_result *other;
    assert_int_equal(qv_result_next(result), QV_OK);
    assert_int_equal(qv_run(connection, "RETURN 1", NULL, NULL, &other), QV_MISUSE);
    assert_null(other);
    expect_rows(result, 3, 3);
    assert_int_equal(qv_result_next(result), QV_DONE);
    qv_result_close(result);
    qv_connection_close(connection);
    assert_int_equal(server->seen[1], 0x3F);
    server_stop(server);
}

static void
script_close_early(struct server *server)
{
    server_greet(server);
    server_take(server);
    server_take(server);
    server_columns(server, "x");
    server_row(server, 0);
    server_more(server);
    if (server_take(server) != 0x2F) /* DISCARD */
        return;
    server_end(server);
    server_take(server);
    server_take(server);
    server_columns(server, "x");
    server_row(server, 9);
    server_end(server);
    server_take(server);
}

static void
closing_early_discards_and_the_next_statement_runs(void **state)
{
    (void)state;
    struct server *server = server_start(script_close_early);
    struct qv_connection *connection = connect_to(server);
    struct qv_result *result = run(connection, "RETURN 1");
    expect_rows(result, 0, 1);
    qv_result_close(result);
    result = run(connection, "RETURN 9");
    expect_rows(result, 9, 1);
    qv_result_close(result);
    qv_connection_close(connection);
    server_stop(server);
}

static void
script_transaction(struct server *server)
{
    server_greet(server);
    for (int i = 0; i < 6; i++)
        server_take(server); /* BEGIN RUN PULL RUN PULL COMMIT */
    server_success(server);
    for (int i = 0; i < 2; i++) {
        server_columns(server, "x");
        server_row(server, i);
        server_end(server);
    }
    server_success(server);
    server_take(server);
}

static void
whole_transaction_travels_at_once(void **state)
{
    (void)state;
    struct server *server = server_start(script_transaction);
    struct qv_connection *connection = connect_to(server);
    assert_int_equal(qv_begin(connection, NULL), QV_OK);
    assert_true(qv_in_transaction(connection));
    struct qv_result *first = run(connection, "RETURN 0"), *second = run(connection, "RETURN 1");
    assert_int_equal(qv_commit(connection), QV_OK);
    assert_false(qv_in_transaction(connection));
    expect_rows(second, 1, 1);
    expect_rows(first, 0, 1);
    assert_int_equal(qv_result_next(first), QV_DONE);
    qv_result_close(first);
    qv_result_close(second);
    qv_connection_close(connection);
    server_stop(server);
}

static void
script_failed_transaction(struct server *server)
{
    server_greet(server);
    for (int i = 0; i < 3; i++)
        server_take(server);
    server_success(server);
    server_failure(server, "Neo.TransientError.Transaction.Outdated", "try again");
    server_ignored(server);
    server_take(server);
    server_success(server);
    server_take(server);
}

static void
nothing_runs_outside_after_a_transaction_failed(void **state)
{
    (void)state;
    struct server *server = server_start(script_failed_transaction);
    struct qv_connection *connection = connect_to(server);
    assert_int_equal(qv_begin(connection, NULL), QV_OK);
    struct qv_result *result = run(connection, "CREATE ()"), *refused;
    assert_int_equal(qv_result_next(result), QV_FAILED);
    assert_int_equal(qv_run(connection, "CREATE ()", NULL, NULL, &refused), QV_FAILED);
    assert_true(qv_in_transaction(connection));
    assert_int_equal(qv_commit(connection), QV_FAILED);
    assert_string_equal(
        qv_connection_error(connection)->code, "Neo.TransientError.Transaction.Outdated");
    assert_false(qv_in_transaction(connection));
    qv_result_close(result);
    qv_connection_close(connection);
    server_stop(server);
}

static void
script_cancel(struct server *server)
{
    server_greet(server);
    server_take(server);
    server_take(server);
    server_columns(server, "x");
    if (server_take(server) != 0x0F)
        return;
    server_failure(server, "Neo.ClientError.Transaction.Terminated", "terminated");
    server_success(server);
    server_take(server);
}

static void *
cancel_soon(void *connection)
{
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    qv_cancel(connection);
    return NULL;
}

static void
cancel_from_another_thread_ends_the_wait(void **state)
{
    (void)state;
    struct server *server = server_start(script_cancel);
    struct qv_connection *connection = connect_to(server);
    struct qv_result *result = run(connection, "RETURN 1");
    pthread_t thread;
    pthread_create(&thread, NULL, cancel_soon, connection);
    assert_int_equal(qv_result_next(result), QV_CANCELLED);
    pthread_join(thread, NULL);
    assert_true(qv_connection_is_usable(connection));
    qv_result_close(result);
    qv_connection_close(connection);
    server_stop(server);
}

static bool
refuse_to_wait(void *context, uint64_t row_count, uint64_t waited_ms)
{
    (void)row_count;
    (void)waited_ms;
    int *left = context;
    return *left < 0 || (*left > 0 && (*left)--);
}

static void
progress_callback_can_cancel(void **state)
{
    (void)state;
    int left = -1; /* patient until connected */
    struct server *server = server_start(script_cancel);
    struct qv_connection *connection;
    struct qv_options options = {
        .uri = server->uri,
        .progress = refuse_to_wait,
        .progress_context = &left,
        .progress_interval_ms = 5};
    assert_int_equal(qv_connection_open(&options, &connection), QV_OK);
    left = 3;
    struct qv_result *result = run(connection, "RETURN 1");
    assert_int_equal(qv_result_next(result), QV_CANCELLED);
    assert_int_equal(left, 0);
    qv_result_close(result);
    qv_connection_close(connection);
    server_stop(server);
}

static void
script_silent(struct server *server)
{
    server_greet(server);
    server_take(server);
    server_take(server);
    server_take(server); /* never answers */
}

static void
silence_is_a_timeout(void **state)
{
    (void)state;
    struct server *server = server_start(script_silent);
    struct qv_connection *connection;
    struct qv_options options = {.uri = server->uri, .receive_timeout_ms = 60};
    assert_int_equal(qv_connection_open(&options, &connection), QV_OK);
    struct qv_result *result = run(connection, "RETURN 1");
    assert_int_equal(qv_result_next(result), QV_TIMEOUT);
    assert_false(qv_connection_is_usable(connection));
    qv_result_close(result);
    qv_connection_close(connection);
    server_stop(server);
}

static void
script_lost_commit(struct server *server)
{
    server_greet(server);
    server_take(server);
    server_take(server); /* COMMIT */
    server_success(server);
    shutdown(server->socket, SHUT_RDWR);
}

static void
connection_lost_in_commit_is_an_unknown_outcome(void **state)
{
    (void)state;
    struct server *server = server_start(script_lost_commit);
    struct qv_connection *connection = connect_to(server);
    assert_int_equal(qv_begin(connection, NULL), QV_OK);
    assert_int_equal(qv_commit(connection), QV_OUTCOME_UNKNOWN);
    qv_connection_close(connection);
    server_stop(server);
}

static void
script_refused_logon(struct server *server)
{
    uint8_t request[20];
    server_read(server, request, sizeof(request));
    server_write(server, "\0\0\4\5", 4);
    server_take(server);
    server_success(server);
    server_take(server);
    server_failure(server, "Neo.ClientError.Security.Unauthorized", "wrong password");
    shutdown(server->socket, SHUT_RDWR);
}

static void
refused_password_is_reported(void **state)
{
    (void)state;
    struct server *server = server_start(script_refused_logon);
    struct qv_connection *connection;
    struct qv_options options = {.uri = server->uri, .user = "neo4j", .password = "x"};
    assert_int_equal(qv_connection_open(&options, &connection), QV_FAILED);
    assert_string_equal(
        qv_connection_error(connection)->code, "Neo.ClientError.Security.Unauthorized");
    assert_string_equal(qv_connection_error(connection)->message, "wrong password");
    assert_false(qv_connection_is_usable(connection));
    qv_connection_close(connection);
    server_stop(server);
}

static void
script_garbage(struct server *server)
{
    server_greet(server);
    server_take(server);
    server_take(server);
    server_columns(server, "x");
    server_write(server, "\0\5\xB1\x71\x92\x01\x02\0\0", 9); /* two values for one column */
    server_take(server);
}

static void
malformed_row_breaks_the_connection(void **state)
{
    (void)state;
    struct server *server = server_start(script_garbage);
    struct qv_connection *connection = connect_to(server);
    struct qv_result *result = run(connection, "RETURN 1");
    assert_int_equal(qv_result_next(result), QV_PROTOCOL);
    assert_false(qv_connection_is_usable(connection));
    qv_connection_close(connection);
    assert_int_equal(qv_result_next(result), QV_PROTOCOL); /* the result outlives the connection */
    qv_result_close(result);
    server_stop(server);
}

/* One row with one value of every kind, in chunks of 7 bytes. */
static void
script_values(struct server *server)
{
    static const char node[] = "\xB4\x4E\x01\x91\x81\x41\xA1\x81\x6B\x01\x85\x34\x3A\x78\x3A\x31";
    static const char path[] = "\xB3\x50\x92"
                               "\xB4\x4E\x01\x91\x81\x41\xA0\x81\x61"
                               "\xB4\x4E\x02\x91\x81\x42\xA0\x81\x62"
                               "\x91\xB4\x72\x05\x81\x52\xA0\x81\x72\x92\xFF\x01";
    server_greet(server);
    server_take(server);
    server_take(server);
    pack_write_structure(&server->out, 0x70, 1);
    pack_write_map(&server->out, 1);
    pack_write_string(&server->out, TEXT("fields"));
    pack_write_list(&server->out, 10);
    for (int i = 0; i < 10; i++)
        pack_write_string(&server->out, TEXT("c"));
    server_send(server);
    pack_write_structure(&server->out, 0x71, 1);
    pack_write_list(&server->out, 10);
    pack_write_raw(&server->out, node, sizeof(node) - 1);
    pack_write_raw(&server->out, path, sizeof(path) - 1);
    pack_write_raw(&server->out, "\xB1\x44\xC9\x4A\x38", 5);
    pack_write_raw(&server->out, "\xB2\x54\xCB\x00\x00\x03\x46\x30\xB8\xA0\x00\xC9\x0E\x10", 14);
    pack_write_raw(&server->out, "\xB3\x49\xCA\x65\x53\xF1\x00\x05\xC9\x0E\x10", 11);
    pack_write_raw(
        &server->out,
        "\xB3\x69\xCA\x65\x53\xF1\x00\x05\x8C"
        "Europe/Paris",
        21);
    pack_write_raw(&server->out, "\xB4\x45\x01\x02\x03\x04", 6);
    pack_write_raw(&server->out, "\xB3\x58\xC9\x1C\x23\xC1\x3F\xF0\x00\x00\x00\x00\x00\x00", 14);
    pack_write_float(&server->out, 2);
    pack_write_raw(&server->out, "\xB1\x7D\x01", 3); /* a structure nobody knows */
    pack_write_string(&server->out, TEXT("it's \"x\"\n"));
    server_send_chunked(server, 7);
    server_end(server);
    server_take(server);
}

static const char *
printed(struct qv_value value, enum qv_notation notation)
{
    static char text[512];
    size_t size = qv_value_print(value, notation, text, sizeof(text));
    assert_int_equal(size, strlen(text));
    return text;
}

static void
values_of_every_kind_are_read_and_printed(void **state)
{
    (void)state;
    struct server *server = server_start(script_values);
    struct qv_connection *connection = connect_to(server);
    struct qv_result *result = run(connection, "RETURN 1");
    assert_int_equal(qv_result_next(result), QV_OK);
    struct qv_node node;
    assert_int_equal(qv_value_node(qv_result_value(result, 0), &node), QV_OK);
    assert_int_equal(node.id, 1);
    assert_int_equal(qv_map_get(node.properties, "k").integer, 1);
    assert_int_equal(qv_map_get(node.properties, "missing").type, QV_NULL);
    struct qv_path path;
    struct qv_relationship step;
    bool forward;
    assert_int_equal(qv_value_path(qv_result_value(result, 1), &path), QV_OK);
    assert_int_equal(path.length, 1);
    assert_int_equal(qv_path_relationship(&path, 0, &step, &forward), QV_OK);
    assert_false(forward);
    assert_int_equal(step.start_id, 2);
    assert_int_equal(step.end_id, 1);
    assert_int_equal(qv_path_node(&path, 2, &node), QV_DONE);
    static const char *const cypher[10] = {
        "(:A {k: 1})",
        "(:A)<-[:R]-(:B)",
        "2022-01-08",
        "01:00+01:00",
        "2023-11-14T23:13:20.000000005+01:00",
        "2023-11-14T22:13:20.000000005Z[Europe/Paris]",
        "P1M2DT3.000000004S",
        "point({srid: 7203, x: 1.0, y: 2.0})",
        "[1]",
        "'it\\'s \"x\"\\n'"};
    for (uint32_t i = 0; i < 10; i++)
        assert_string_equal(printed(qv_result_value(result, i), QV_CYPHER), cypher[i]);
    assert_string_equal(
        printed(qv_result_value(result, 0), QV_JSON),
        "{\"id\":1,\"elementId\":\"4:x:1\",\"labels\":[\"A\"],\"properties\":{\"k\":1}}");
    assert_string_equal(printed(qv_result_value(result, 9), QV_JSON), "\"it's \\\"x\\\"\\n\"");
    assert_int_equal(qv_result_value(result, 8).type, QV_UNKNOWN);
    assert_int_equal(qv_result_value(result, 10).type, QV_NULL);
    qv_result_close(result);
    qv_connection_close(connection);
    server_stop(server);
}

static void
script_params(struct server *server)
{
    server_greet(server);
    server_take(server);
    struct pack_reader reader;
    struct pack_item item;
    struct text text;
    pack_reader_create(&reader, server->message, server->message_size);
    bool good = pack_check(&reader) == 0 && pack_read(&reader, &item) == 0 &&
                pack_read_text(&reader, &text) == 0 &&
                pack_read_typed(&reader, PACK_MAP, &item) == 0 && item.size == 3;
    size_t map_start = reader.offset;
    static const uint8_t expected[] = {0x81, 'i',  0xC8, 0x80, 0x81, 'l',  0xD6, 0,    0,
                                       0,    2,    0x01, 0xDA, 0,    0,    0,    1,    0x81,
                                       'k',  0xC3, 0x81, 'd',  0xB1, 0x44, 0xC9, 0x4A, 0x38};
    good = good && reader.size - map_start > sizeof(expected) &&
           memcmp(server->message + map_start, expected, sizeof(expected)) == 0;
    server_take(server);
    server_columns(server, "x");
    server_row(server, good);
    server_end(server);
    server_take(server);
}

static void
parameters_are_encoded_as_they_are_set(void **state)
{
    (void)state;
    struct server *server = server_start(script_params);
    struct qv_connection *connection = connect_to(server);
    struct qv_params *params = qv_params_new();
    qv_params_integer(params, "i", -128);
    qv_params_open_list(params, "l");
    qv_params_integer(params, NULL, 1);
    qv_params_open_map(params, NULL);
    qv_params_boolean(params, "k", true);
    qv_params_close(params);
    qv_params_close(params);
    qv_params_date(params, "d", (struct qv_date){19000});
    struct qv_result *result;
    assert_int_equal(qv_run(connection, "RETURN $i", params, NULL, &result), QV_OK);
    expect_rows(result, 1, 1);
    qv_result_close(result);
    qv_params_reset(params);
    qv_params_open_list(params, "open");
    assert_int_equal(qv_run(connection, "RETURN $i", params, NULL, &result), QV_MISUSE);
    qv_params_reset(params);
    qv_params_integer(params, NULL, 1); /* no key in a map */
    assert_int_equal(qv_run(connection, "RETURN $i", params, NULL, &result), QV_MISUSE);
    qv_params_delete(params);
    qv_connection_close(connection);
    server_stop(server);
}

static void
bad_uris_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"bolt+s://localhost", "encrypted"}, {"neo4j+ssc://localhost", "encrypted"},
        {"http://localhost", "bolt://"},     {"bolt://", "host"},
        {"bolt://h:70000", "65535"},         {"bolt://h:x", "number"},
        {"bolt://[::1", "brackets"},         {"bolt://u%zz@h", "hexadecimal"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct qv_connection *connection;
        assert_int_equal(
            qv_connection_open(&(struct qv_options){.uri = bad[i][0]}, &connection), QV_MISUSE);
        assert_non_null(strstr(qv_connection_error(connection)->message, bad[i][1]));
        qv_connection_close(connection);
    }
}

static void
nobody_listening_is_lost(void **state)
{
    (void)state;
    struct qv_connection *connection;
    struct qv_options options = {.uri = "bolt://127.0.0.1:1"};
    struct qv_result *result;
    assert_int_equal(qv_connection_open(&options, &connection), QV_LOST);
    assert_non_null(strstr(qv_connection_error(connection)->message, "refused"));
    assert_int_equal(qv_run(connection, "RETURN 1", NULL, NULL, &result), QV_LOST);
    qv_connection_close(connection);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_arrive_however_they_are_split),
        cmocka_unit_test(pipelined_results_can_be_read_out_of_order),
        cmocka_unit_test(failure_ends_the_batch_and_the_connection_recovers),
        cmocka_unit_test(rows_are_asked_for_in_batches),
        cmocka_unit_test(closing_early_discards_and_the_next_statement_runs),
        cmocka_unit_test(whole_transaction_travels_at_once),
        cmocka_unit_test(nothing_runs_outside_after_a_transaction_failed),
        cmocka_unit_test(cancel_from_another_thread_ends_the_wait),
        cmocka_unit_test(progress_callback_can_cancel),
        cmocka_unit_test(silence_is_a_timeout),
        cmocka_unit_test(connection_lost_in_commit_is_an_unknown_outcome),
        cmocka_unit_test(refused_password_is_reported),
        cmocka_unit_test(malformed_row_breaks_the_connection),
        cmocka_unit_test(values_of_every_kind_are_read_and_printed),
        cmocka_unit_test(parameters_are_encoded_as_they_are_set),
        cmocka_unit_test(bad_uris_are_refused_with_a_reason),
        cmocka_unit_test(nobody_listening_is_lost),
    };
    return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
