/* Any bytes as the answers of a server to two pipelined statements and a commit: the client must end with
 * a status, whatever comes. */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/client/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A connection as qv_connection_open leaves it. */
static struct qv_connection *
connection_over(int socket)
{
    struct qv_connection *connection = calloc(1, sizeof(*connection));
    assert(connection);
    list_init(&connection->results);
    connection->wire.socket = socket;
    connection->wire.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    connection->wire.message_size_max = 1 << 20;
    connection->stash_size_max = 1 << 20;
    connection->fetch_size = 2;
    connection->is_open = true;
    connection->protocol = 0x504;
    connection->host = client_copy_text((struct qv_text){"h", 1});
    pack_writer_create(&connection->wire.out, memory_heap(), 1 << 20);
    pack_writer_create(&connection->scratch, memory_heap(), 1 << 20);
    return connection;
}

static void
read_all(struct qv_result *result)
{
    char text[256];
    for (int i = 0; i < 1000 && qv_result_next(result) == QV_OK; i++) {
        for (uint32_t k = 0; k < qv_result_column_count(result); k++)
            (void)qv_value_print(qv_result_value(result, k), QV_JSON, text, sizeof(text));
    }
    struct qv_summary summary;
    (void)qv_result_summary(result, &summary);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];
    struct qv_result *first = NULL, *second = NULL;
    if (size == 0 || size > 65536 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
        return 0;
    struct qv_connection *connection = connection_over(pair[0]);
    bool transaction = data[0] & 1;
    ssize_t sent = send(pair[1], data + 1, size - 1, MSG_NOSIGNAL);
    assert(sent >= 0 || size == 1);
    shutdown(pair[1], SHUT_WR);
    if (transaction)
        (void)qv_begin(connection, NULL);
    (void)qv_run(connection, "RETURN 1", NULL, NULL, &first);
    (void)qv_run(connection, "RETURN 2", NULL, NULL, &second);
    if (second && (data[0] & 2))
        read_all(second);
    if (first)
        read_all(first);
    if (transaction)
        (void)qv_commit(connection);
    if (data[0] & 4) {
        qv_connection_close(connection);
        connection = NULL;
    }
    qv_result_close(first);
    qv_result_close(second);
    qv_connection_close(connection);
    close(pair[1]);
    return 0;
}
