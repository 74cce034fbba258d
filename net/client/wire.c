/* The socket, and messages cut into chunks.
 *
 * The receive buffer; a message is moved together in place, so a row's values lie in one piece:
 *
 *      0        body_start        body_end      raw              in_end      in_capacity
 *      +--------+-----------------+-------------+----------------+-----------+
 *      | past   | message so far  | old headers | not looked at  | free      |
 *      +--------+-----------------+-------------+----------------+-----------+
 *
 * Invariants
 *  1. body_start <= body_end <= raw <= in_end <= in_capacity.
 *  2. A message handed out by wire_next_message stays where it is until the next call of
 *     wire_next_message, wire_receive or wire_flush.
 *  3. All waiting is one poll() in wire_wait: there the progress callback, qv_cancel's eventfd, signals
 *     and time-outs are looked after. */
#include "net/client/client.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

uint64_t
wire_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t
min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void
wire_forget_cancel(struct wire *wire)
{
    uint64_t count;
    if (!atomic_exchange(&wire->cancel_asked, false))
        return;
    ssize_t got = read(wire->wake, &count, sizeof(count));
    assert(got == (ssize_t)sizeof(count) || got < 0);
}

/* Takes what qv_cancel asked for and queues a RESET, if there is anything to interrupt. */
static enum qv_status
wire_take_cancel(struct qv_connection *connection)
{
    wire_forget_cancel(&connection->wire);
    if (!connection->is_open)
        return client_break(connection, QV_CANCELLED, "cancelled while connecting");
    if (connection->cancelling || connection->request_count == 0)
        return QV_OK;
    connection->cancelling = true;
    return request_reset(connection);
}

/* Waits until the socket is ready for one of `events` or qv_cancel has queued a RESET (then QV_OK with
 * *ready = 0). `deadline_ms` is absolute; UINT64_MAX: none. */
static enum qv_status
wire_wait(struct qv_connection *connection, short events, uint64_t deadline_ms, short *ready)
{
    struct wire *wire = &connection->wire;
    uint64_t started_ms = wire_now_ms();
    *ready = 0;
    for (;;) {
        uint64_t now_ms = wire_now_ms();
        if (now_ms >= deadline_ms)
            return client_break(
                connection, QV_TIMEOUT, "no answer from %s:%s for %llu ms", connection->host,
                connection->port, (unsigned long long)(now_ms - started_ms));
        uint64_t wait_ms = min_u64(deadline_ms - now_ms, 3600 * 1000);
        if (connection->progress)
            wait_ms = min_u64(wait_ms, connection->progress_interval_ms);
        struct pollfd polled[2] = {
            {.fd = wire->socket, .events = events}, {.fd = wire->wake, .events = POLLIN}};
        int count = poll(polled, 2, (int)wait_ms);
        if (count < 0 && errno != EINTR)
            return client_break(connection, QV_LOST, "poll: %s", strerror(errno));
        if (count > 0 && (polled[1].revents & POLLIN)) {
            uint32_t resets = connection->reset_count;
            enum qv_status status = wire_take_cancel(connection);
            if (status != QV_OK || connection->reset_count != resets)
                return status;
        }
        if (count > 0 && polled[0].revents) {
            *ready = polled[0].revents;
            return QV_OK;
        }
        if (count > 0 || !connection->progress)
            continue;
        uint64_t rows = connection->reader ? connection->reader->row_count : 0;
        if (!connection->progress(connection->progress_context, rows, wire_now_ms() - started_ms))
            qv_cancel(connection);
    }
}

/* One address: a non-blocking connect, at most until the deadline. 0 or an errno. */
static int
connect_address(const struct addrinfo *address, uint64_t deadline_ms, int *out)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    int problem = 0, one = 1;
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS)
        problem = errno;
    while (!problem) {
        uint64_t now_ms = wire_now_ms();
        struct pollfd polled = {.fd = fd, .events = POLLOUT};
        int count = now_ms >= deadline_ms
                        ? 0
                        : poll(&polled, 1, (int)min_u64(deadline_ms - now_ms, INT32_MAX));
        if (count < 0 && errno == EINTR)
            continue;
        socklen_t size = sizeof(problem);
        if (count == 0)
            problem = ETIMEDOUT;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size) < 0)
            problem = errno;
        break;
    }
    if (problem) {
        close(fd);
        return problem;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    *out = fd;
    return 0;
}

enum qv_status
wire_connect(struct qv_connection *connection, uint64_t deadline_ms)
{
    struct wire *wire = &connection->wire;
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    int problem = getaddrinfo(connection->host, connection->port, &hints, &found);
    if (problem == EAI_NONAME || problem == EAI_ADDRFAMILY) {
        /* AI_ADDRCONFIG hides loopback addresses on a machine without a network. */
        const struct addrinfo any = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
        problem = getaddrinfo(connection->host, connection->port, &any, &found);
    }
    if (problem)
        return client_break(
            connection, QV_LOST, "cannot find the host %s: %s", connection->host,
            gai_strerror(problem));
    problem = ECONNREFUSED;
    for (const struct addrinfo *address = found; address; address = address->ai_next) {
        problem = connect_address(address, deadline_ms, &wire->socket);
        if (!problem)
            break;
    }
    freeaddrinfo(found);
    if (problem)
        return client_break(
            connection, problem == ETIMEDOUT ? QV_TIMEOUT : QV_LOST, "cannot connect to %s:%s: %s",
            connection->host, connection->port, strerror(problem));
    return QV_OK;
}

void
wire_close(struct wire *wire)
{
    if (wire->socket >= 0)
        close(wire->socket);
    if (wire->wake >= 0)
        close(wire->wake);
    wire->socket = wire->wake = -1;
    pack_writer_destroy(&wire->out);
    free(wire->in);
    wire->in = NULL;
    wire->in_capacity = wire->body_start = wire->body_end = wire->raw = wire->in_end = 0;
}

enum qv_status
wire_append_message(struct qv_connection *connection)
{
    struct pack_writer *out = &connection->wire.out;
    const struct pack_writer *message = &connection->scratch;
    size_t before = out->size;
    if (message->err)
        return client_fail(connection, QV_NO_MEMORY, "the request is too large");
    assert(message->size > 0);
    for (size_t at = 0; at < message->size;) {
        size_t size = message->size - at;
        if (size > CLIENT_CHUNK_SIZE_MAX)
            size = CLIENT_CHUNK_SIZE_MAX;
        const uint8_t header[2] = {(uint8_t)(size >> 8), (uint8_t)size};
        pack_write_raw(out, header, 2);
        pack_write_raw(out, message->data + at, size);
        at += size;
    }
    pack_write_raw(out, "\0\0", 2);
    if (out->err) {
        out->size = before; /* nothing of it is sent */
        out->err = 0;
        return client_fail(connection, QV_NO_MEMORY, "no memory for the request");
    }
    return QV_OK;
}

/* Room for at least `want` bytes behind in_end. */
static enum qv_status
wire_make_room(struct qv_connection *connection, size_t want)
{
    struct wire *wire = &connection->wire;
    size_t keep_from = wire->in_message ? wire->body_start : wire->raw;
    if (!wire->in_message)
        wire->body_start = wire->body_end = wire->raw;
    if (wire->in_capacity - wire->in_end >= want)
        return QV_OK;
    if (keep_from > 0) {
        if (wire->in_end > keep_from)
            memmove(wire->in, wire->in + keep_from, wire->in_end - keep_from);
        wire->body_start -= keep_from;
        wire->body_end -= keep_from;
        wire->raw -= keep_from;
        wire->in_end -= keep_from;
    }
    if (wire->in_capacity - wire->in_end >= want)
        return QV_OK;
    size_t capacity = wire->in_capacity ? wire->in_capacity * 2 : CLIENT_RECEIVE_SIZE_MIN;
    while (capacity - wire->in_end < want)
        capacity *= 2;
    uint8_t *grown = realloc(wire->in, capacity);
    if (!grown)
        return client_break(connection, QV_NO_MEMORY, "no memory to receive a message");
    wire->in = grown;
    wire->in_capacity = capacity;
    return QV_OK;
}

/* Takes what the socket has. QV_DONE: nothing there yet. */
static enum qv_status
wire_take(struct qv_connection *connection)
{
    struct wire *wire = &connection->wire;
    enum qv_status status = wire_make_room(connection, CLIENT_RECEIVE_SIZE_MIN / 4);
    if (status != QV_OK)
        return status;
    ssize_t got = recv(wire->socket, wire->in + wire->in_end, wire->in_capacity - wire->in_end, 0);
    if (got > 0) {
        wire->in_end += (size_t)got;
        return QV_OK;
    }
    if (got == 0)
        return client_break(
            connection, QV_LOST, "%s:%s closed the connection", connection->host, connection->port);
    if (errno == EAGAIN || errno == EINTR)
        return QV_DONE;
    return client_break(connection, QV_LOST, "receiving: %s", strerror(errno));
}

enum qv_status
wire_flush(struct qv_connection *connection)
{
    struct wire *wire = &connection->wire;
    while (wire->out_sent < wire->out.size) {
        ssize_t sent = send(
            wire->socket, wire->out.data + wire->out_sent, wire->out.size - wire->out_sent,
            MSG_NOSIGNAL);
        if (sent > 0) {
            wire->out_sent += (size_t)sent;
            continue;
        }
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return client_break(connection, QV_LOST, "sending: %s", strerror(errno));
        /* The server may be unable to read until somebody reads its answers. */
        uint64_t deadline_ms = connection->receive_timeout_ms
                                   ? wire_now_ms() + connection->receive_timeout_ms
                                   : UINT64_MAX;
        short ready;
        enum qv_status status = wire_wait(connection, POLLIN | POLLOUT, deadline_ms, &ready);
        if (status == QV_OK && (ready & (POLLIN | POLLHUP | POLLERR))) {
            status = wire_take(connection);
            if (status == QV_OK)
                status = request_drain(connection);
        }
        if (status < QV_OK)
            return status;
    }
    wire->out_sent = 0;
    pack_writer_reset(&wire->out);
    return QV_OK;
}

enum qv_status
wire_receive(struct qv_connection *connection, uint64_t deadline_ms)
{
    if (atomic_load_explicit(&connection->wire.cancel_asked, memory_order_relaxed)) {
        enum qv_status status = wire_take_cancel(connection);
        if (status == QV_OK)
            status = wire_flush(connection);
        if (status != QV_OK)
            return status;
    }
    for (;;) {
        enum qv_status status = wire_take(connection);
        if (status != QV_DONE)
            return status;
        short ready;
        status = wire_wait(connection, POLLIN, deadline_ms, &ready);
        if (status != QV_OK)
            return status;
        if (!ready) { /* a RESET was queued */
            status = wire_flush(connection);
            if (status != QV_OK)
                return status;
        }
    }
}

enum qv_status
wire_next_message(struct qv_connection *connection, const uint8_t **data, size_t *size)
{
    struct wire *wire = &connection->wire;
    while (wire->in_end - wire->raw >= 2) {
        size_t chunk_size = (size_t)wire->in[wire->raw] << 8 | wire->in[wire->raw + 1];
        if (chunk_size == 0) {
            wire->raw += 2;
            if (!wire->in_message)
                continue; /* keep-alive */
            wire->in_message = false;
            *data = wire->in + wire->body_start;
            *size = wire->body_end - wire->body_start;
            return QV_OK;
        }
        if (wire->in_end - wire->raw - 2 < chunk_size)
            return QV_DONE;
        if (!wire->in_message) {
            wire->body_start = wire->body_end = wire->raw + 2;
            wire->in_message = true;
        }
        if (wire->body_end - wire->body_start + chunk_size > wire->message_size_max)
            return client_break(
                connection, QV_PROTOCOL, "a message of the server is larger than %zu bytes",
                wire->message_size_max);
        if (wire->body_end != wire->raw + 2)
            memmove(wire->in + wire->body_end, wire->in + wire->raw + 2, chunk_size);
        wire->body_end += chunk_size;
        wire->raw += 2 + chunk_size;
        assert_hot(wire->body_end <= wire->raw && wire->raw <= wire->in_end);
    }
    return QV_DONE;
}
