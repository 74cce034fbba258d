/* One connection.
 *
 *      socket --recv--> small or large buffer --> opening (handshake, HTTP)
 *                                             \-> frame_read --> inbox: [entry][entry][part of one
 *                                                                  |
 *      task: conn_run  <---- conn_wake ----- events of the engine  |
 *          |  one request at a time  <-----------------------------+
 *          v
 *      session --> output --swap--> sending --send--> socket
 *
 * Output is held back for NET_FLUSH_DELAY_NS while more of it is about to come, so that RUN and PULL, or a
 * pipeline of requests, are answered with one send.
 *
 * States, and the moves between them:
 *
 *      OPENING ----> OPEN --------> LINGER ----> CLOSING ----> freed
 *         | \          ^             ^  ^           ^
 *         |  \-> MANIFEST -----------|--|-----------|      (any state may move to CLOSING)
 *         \------------------------> /  (HTTP)
 *
 * Invariants
 *  1. Reading goes on while a request is being answered, until CONN_QUEUE_COUNT_MAX requests or
 *     CONN_QUEUE_SIZE_MAX bytes wait; so a RESET is seen while a query runs.
 *  2. Requests are handed to the session one at a time, in order, and only from the task: never inside
 *     an event of the engine or a completion.
 *  3. `sending` is not touched while send_op is submitted; `output` always ends between two messages.
 *  4. An idle connection holds no buffer larger than CONN_KEEP_SIZE_MAX (tests/wire measures it).
 *  5. The structure is freed when no op is submitted, the socket is closed and the session has stopped.
 *  6. Bytes of HELLO and LOGON are wiped after use: they hold passwords. */
#include "net/conn.h"

#include <stdio.h>

#include "base/limits.h"
#include "net/handshake.h"

/* Before each request in the inbox. */
struct inbox_entry {
    uint32_t size;
    uint32_t unused;
    err_t refusal; /* why its content was not kept */
};

static const bool conn_moves[CONN_STATE_COUNT][CONN_STATE_COUNT] = {
    [CONN_OPENING] =
        {[CONN_MANIFEST] = true, [CONN_OPEN] = true, [CONN_LINGER] = true, [CONN_CLOSING] = true},
    [CONN_MANIFEST] = {[CONN_OPEN] = true, [CONN_CLOSING] = true},
    [CONN_OPEN] = {[CONN_LINGER] = true, [CONN_CLOSING] = true},
    [CONN_LINGER] = {[CONN_CLOSING] = true},
};

static void conn_received(struct io_op *op);
static void conn_consume(struct conn *conn, struct text input);
static void opening_consume(struct conn *conn, struct text *input);
static void messages_consume(struct conn *conn, struct text *input);
static enum task_result conn_run(struct task *task);
static void conn_send(struct conn *conn);
static void conn_sent(struct io_op *op);
static void conn_closed(struct io_op *op);

static void
conn_move(struct conn *conn, enum conn_state next)
{
    assert(conn_moves[conn->state][next]);
    conn->state = (uint8_t)next;
}

/* ---- life ---- */

struct conn *
conn_new(struct net *net, io_handle handle)
{
    struct memory *memory = shard_memory(net->shard);
    struct conn *conn = memory_allocate(memory, sizeof(*conn));
    if (!conn)
        return NULL;
    memset(conn, 0, offsetof(struct conn, small_buffer));
    conn->net = net;
    conn->shard = net->shard;
    conn->handle = handle;
    conn->recv_op.done = conn_received;
    conn->send_op.done = conn_sent;
    conn->close_op.done = conn_closed;
    list_init(&conn->link);
    list_init(&conn->phase_link);
    list_init(&conn->watch_link);
    list_init(&conn->unflushed_link);
    task_init(&conn->task, TASK_POINT, conn_run);
    pack_writer_create(&conn->inbox, memory, (size_t)MESSAGE_SIZE_MAX + 2 * CONN_QUEUE_SIZE_MAX);
    pack_writer_create(&conn->output, memory, (size_t)MESSAGE_SIZE_MAX + CONN_OUTPUT_FULL_SIZE);
    pack_writer_create(&conn->sending, memory, (size_t)MESSAGE_SIZE_MAX + CONN_OUTPUT_FULL_SIZE);
    conn->inbox_partial = SIZE_MAX;
    conn->phase_ns = conn->input_ns = conn->output_ns = seam_now_ns(net->shard->seam);
    session_create(&conn->session, conn, ++net->accepted_count);
    conn_wake(conn);
    return conn;
}

static void
conn_free_if_gone(struct conn *conn)
{
    if (!conn->is_closed || conn->recv_op.submitted || conn->send_op.submitted)
        return;
    if (conn->session.is_stopping && !session_is_busy(&conn->session)) {
        struct memory *memory = shard_memory(conn->shard);
        task_cancel(conn->shard, &conn->task);
        pack_writer_destroy(&conn->inbox);
        pack_writer_destroy(&conn->output);
        pack_writer_destroy(&conn->sending);
        if (conn->large_buffer)
            memory_release(memory, conn->large_buffer, CONN_RECV_SIZE_LARGE);
        net_conn_gone(conn->net, conn);
        memory_release(memory, conn, sizeof(*conn));
    }
}

void
conn_close(struct conn *conn)
{
    if (conn->state == CONN_CLOSING)
        return;
    conn_move(conn, CONN_CLOSING);
    task_cancel(conn->shard, &conn->task);
    list_remove(&conn->unflushed_link);
    list_remove(&conn->watch_link);
    conn->close_op.kind = IO_CLOSE;
    conn->close_op.handle = conn->handle;
    io_submit(conn->shard->seam, &conn->close_op);
    if (!conn->session.is_stopping)
        session_stop(&conn->session);
}

static void
conn_closed(struct io_op *op)
{
    struct conn *conn = list_entry(op, struct conn, close_op);
    conn->is_closed = true;
    conn_free_if_gone(conn);
}

void
conn_session_stopped(struct conn *conn)
{
    conn_free_if_gone(conn);
}

void
conn_wake(struct conn *conn)
{
    if (conn->state != CONN_CLOSING)
        task_ready(conn->shard, &conn->task);
}

void
conn_finish(struct conn *conn)
{
    conn->is_input_refused = true;
    conn->is_output_closing = true;
    conn_wake(conn);
}

/* ---- input ---- */

static bool
conn_may_receive(const struct conn *conn)
{
    if (conn->recv_op.submitted || conn->state == CONN_CLOSING)
        return false;
    if (conn->is_input_refused || conn->queued_count == 0)
        return true;
    return conn->queued_count < CONN_QUEUE_COUNT_MAX &&
           conn->inbox.size - conn->inbox_head < CONN_QUEUE_SIZE_MAX;
}

static void
conn_receive(struct conn *conn)
{
    if (!conn_may_receive(conn))
        return;
    conn->recv_op.kind = IO_RECV;
    conn->recv_op.handle = conn->handle;
    conn->recv_op.buffer = conn->large_buffer ? conn->large_buffer : conn->small_buffer;
    conn->recv_op.size = conn->large_buffer ? CONN_RECV_SIZE_LARGE : CONN_RECV_SIZE_SMALL;
    io_submit(conn->shard->seam, &conn->recv_op);
}

/* The large buffer is for clients that have much to say right now. */
static void
receive_buffer_adapt(struct conn *conn, size_t received_size)
{
    struct memory *memory = shard_memory(conn->shard);
    if (!conn->large_buffer && received_size == CONN_RECV_SIZE_SMALL) {
        conn->large_buffer = memory_allocate(memory, CONN_RECV_SIZE_LARGE);
    } else if (conn->large_buffer && received_size < CONN_RECV_SIZE_SMALL) {
        memory_release(memory, conn->large_buffer, CONN_RECV_SIZE_LARGE);
        conn->large_buffer = NULL;
    }
}

static void
conn_received(struct io_op *op)
{
    struct conn *conn = list_entry(op, struct conn, recv_op);
    if (conn->state == CONN_CLOSING) {
        conn_free_if_gone(conn);
        return;
    }
    if (op->result <= 0) {
        conn_close(conn);
        return;
    }
    size_t size = (size_t)op->result;
    assert(size <= op->size);
    conn->input_ns = shard_now_ns(conn->shard);
    net_conn_watch(conn->net, conn);
    conn_consume(conn, (struct text){op->buffer, size});
    receive_buffer_adapt(conn, size);
    conn_receive(conn);
}

static void
conn_consume(struct conn *conn, struct text input)
{
    while (input.size && !conn->is_input_refused && conn->state != CONN_CLOSING) {
        if (conn->state == CONN_OPEN)
            messages_consume(conn, &input);
        else
            opening_consume(conn, &input);
    }
}

/* ---- input: the first bytes ---- */

static void
opening_refuse(struct conn *conn)
{
    pack_write_raw(&conn->output, "\0\0\0\0", 4);
    conn_finish(conn);
}

static void
opening_agreed(struct conn *conn, struct bolt_version version)
{
    if (!version.manifest) {
        const uint8_t answer[4] = {0, 0, version.minor, version.major};
        pack_write_raw(&conn->output, answer, sizeof(answer));
    }
    pack_writer_reset(&conn->inbox);
    session_version_set(&conn->session, version);
    conn_move(conn, CONN_OPEN);
    conn_wake(conn);
}

static void
opening_handshake(struct conn *conn)
{
    struct bolt_version version;
    uint8_t manifest[HANDSHAKE_MANIFEST_SIZE_MAX];
    switch (handshake_choose(conn->inbox.data, &version)) {
    case HANDSHAKE_AGREED:
        opening_agreed(conn, version);
        break;
    case HANDSHAKE_MANIFEST:
        pack_write_raw(&conn->output, manifest, handshake_manifest(manifest));
        pack_writer_reset(&conn->inbox);
        conn_move(conn, CONN_MANIFEST);
        conn_wake(conn);
        break;
    case HANDSHAKE_MORE:
    case HANDSHAKE_REFUSED:
        opening_refuse(conn);
        break;
    }
}

/* Text between `before` and the end of its line in an HTTP request; size 0 when it is not there. */
static struct text
http_header_value(struct text request, struct text before)
{
    for (size_t at = 0; at + before.size <= request.size; at++) {
        if (!text_equal_fold((struct text){request.data + at, before.size}, before))
            continue;
        size_t start = at + before.size, end = start;
        while (end < request.size && request.data[end] != '\r')
            end++;
        return (struct text){request.data + start, end - start};
    }
    return (struct text){NULL, 0};
}

/* Host names go into the answer unquoted, so only what cannot end a JSON string may pass. */
static bool
http_host_is_plain(struct text host)
{
    for (size_t i = 0; i < host.size; i++) {
        char c = host.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '.' || c == '-' || c == ':' || c == '[' || c == ']';
        if (!plain)
            return false;
    }
    return host.size > 0 && host.size <= 255;
}

/* A browser or a tool looks for the discovery document on the Bolt port. */
static void
opening_http(struct conn *conn)
{
    struct text request = {(const char *)conn->inbox.data, conn->inbox.size};
    struct text host = http_header_value(request, TEXT("\r\nHost: "));
    if (!http_host_is_plain(host))
        host = TEXT("localhost:7687");
    bool upgrade = http_header_value(request, TEXT("\r\nUpgrade: ")).size > 0;
    char body[1024], head[256];
    int body_size =
        upgrade ? snprintf(
                      body, sizeof(body),
                      "{\"error\":\"WebSocket is not supported; use a Bolt driver over TCP\"}\n")
                : snprintf(
                      body, sizeof(body),
                      "{\"bolt_routing\":\"neo4j://%.*s\",\"bolt_direct\":\"bolt://"
                      "%.*s\",\"neo4j_version\":\"" SESSION_PRODUCT_VERSION
                      "\",\"neo4j_edition\":\"community\",\"auth_config\":{}}\n",
                      TEXT_ARGS(host), TEXT_ARGS(host));
    int head_size = snprintf(
        head, sizeof(head),
        "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
        "Access-Control-Allow-Origin: *\r\nVary: Accept\r\nConnection: close\r\n\r\n",
        upgrade ? "501 Not Implemented" : "200 OK", body_size);
    assert(body_size > 0 && (size_t)body_size < sizeof(body));
    assert(head_size > 0 && (size_t)head_size < sizeof(head));
    pack_write_raw(&conn->output, head, (size_t)head_size);
    pack_write_raw(&conn->output, body, (size_t)body_size);
    conn_finish(conn);
}

static bool
opening_is_http(const struct conn *conn)
{
    return conn->inbox.size >= 4 && memcmp(conn->inbox.data, "GET ", 4) == 0;
}

/* The first four bytes decide; nothing but Bolt and HTTP is answered. */
static bool
opening_is_foreign(const struct conn *conn)
{
    static const uint8_t magic[4] = {0x60, 0x60, 0xB0, 0x17};
    size_t known = conn->inbox.size < 4 ? conn->inbox.size : 4;
    return memcmp(conn->inbox.data, magic, known) != 0 &&
           memcmp(conn->inbox.data, "GET ", known) != 0;
}

static void
manifest_consume(struct conn *conn)
{
    struct bolt_version version;
    size_t used;
    enum handshake_outcome outcome = handshake_accept(
        conn->inbox.data, conn->inbox.size, &used, &version);
    if (outcome == HANDSHAKE_AGREED)
        opening_agreed(conn, version);
    else if (outcome != HANDSHAKE_MORE)
        conn_close(conn);
}

/* Byte by byte: these are few, and what follows them is already Bolt. */
static void
opening_consume(struct conn *conn, struct text *input)
{
    pack_write_raw(&conn->inbox, input->data, 1);
    input->data++;
    input->size--;
    if (conn->inbox.err) {
        conn_close(conn);
    } else if (conn->state == CONN_MANIFEST) {
        manifest_consume(conn);
    } else if (opening_is_foreign(conn)) {
        conn_close(conn);
    } else if (!opening_is_http(conn)) {
        if (conn->inbox.size == HANDSHAKE_SIZE)
            opening_handshake(conn);
    } else if (
        conn->inbox.size >= 18 &&
        memcmp(conn->inbox.data + conn->inbox.size - 4, "\r\n\r\n", 4) == 0) {
        opening_http(conn);
    } else if (conn->inbox.size == CONN_OPENING_SIZE_MAX) {
        conn_close(conn);
    }
}

/* ---- input: messages ---- */

static struct inbox_entry
inbox_entry_at(const struct conn *conn, size_t offset)
{
    struct inbox_entry entry;
    assert(offset + sizeof(entry) <= conn->inbox.size);
    memcpy(&entry, conn->inbox.data + offset, sizeof(entry));
    return entry;
}

static void
inbox_entry_put(struct conn *conn, size_t offset, const struct inbox_entry *entry)
{
    memcpy(conn->inbox.data + offset, entry, sizeof(*entry));
}

/* Keeps what arrived of the current message. What cannot be kept is noted, so that the request is
 * answered in its turn; what is too large ends the connection after that answer. */
static void
inbox_append(struct conn *conn, struct text content)
{
    struct inbox_entry entry = inbox_entry_at(conn, conn->inbox_partial);
    size_t limit = session_is_authenticated(&conn->session) ? (size_t)MESSAGE_SIZE_MAX
                                                            : CONN_MESSAGE_SIZE_MAX_BEFORE_AUTH;
    if (entry.refusal)
        return;
    if (content.size > limit - entry.size) {
        entry.refusal = ERR(LIMIT);
    } else {
        pack_write_raw(&conn->inbox, content.data, content.size);
        if (conn->inbox.err) {
            entry.refusal = ERR(MEMORY_POOL);
            conn->inbox.err = 0;
        } else {
            entry.size += (uint32_t)content.size;
        }
    }
    inbox_entry_put(conn, conn->inbox_partial, &entry);
    if (err_code(entry.refusal) == ERR_LIMIT) {
        conn->queued_count++;
        conn->is_input_refused = true;
        conn_wake(conn);
    }
}

static void
inbox_close_entry(struct conn *conn)
{
    struct inbox_entry entry = inbox_entry_at(conn, conn->inbox_partial);
    const uint8_t *bytes = conn->inbox.data + conn->inbox_partial + sizeof(entry);
    conn->queued_count++;
    if (entry.size == 2 && bytes[0] == 0xB0 && bytes[1] == BOLT_RESET)
        session_interrupt(&conn->session);
    conn_wake(conn);
}

static void
messages_consume(struct conn *conn, struct text *input)
{
    struct text content = {NULL, 0};
    switch (frame_read(&conn->frame, input, &content)) {
    case FRAME_CONTENT:
        if (conn->inbox_partial == SIZE_MAX) {
            const struct inbox_entry entry = {0};
            conn->inbox_partial = conn->inbox.size;
            pack_write_raw(&conn->inbox, &entry, sizeof(entry));
            if (conn->inbox.err) {
                conn_close(conn);
                return;
            }
        }
        inbox_append(conn, content);
        break;
    case FRAME_END:
        inbox_close_entry(conn);
        conn->inbox_partial = SIZE_MAX;
        break;
    case FRAME_NOOP:
    case FRAME_MORE:
        break;
    }
}

/* Takes the first request off the queue, wiping it when it may hold a password. */
static void
inbox_pop(struct conn *conn, const struct inbox_entry *entry)
{
    uint8_t *bytes = conn->inbox.data + conn->inbox_head + sizeof(*entry);
    if (entry->size >= 2 && (bytes[1] == BOLT_HELLO || bytes[1] == BOLT_LOGON))
        explicit_bzero(bytes, entry->size);
    conn->inbox_head += sizeof(*entry) + entry->size;
    conn->queued_count--;
    if (conn->inbox_head == conn->inbox.size) {
        conn->inbox_head = 0;
        pack_writer_reset(&conn->inbox);
        if (conn->inbox.capacity > CONN_KEEP_SIZE_MAX)
            pack_writer_destroy(&conn->inbox);
    }
}

/* Moves what waits to the front when the room before it is the larger part. */
static void
inbox_compact(struct conn *conn)
{
    size_t left = conn->inbox.size - conn->inbox_head;
    if (conn->inbox_head < CONN_RECV_SIZE_LARGE || conn->inbox_head < left)
        return;
    memmove(conn->inbox.data, conn->inbox.data + conn->inbox_head, left);
    if (conn->inbox_partial != SIZE_MAX)
        conn->inbox_partial -= conn->inbox_head;
    conn->inbox.size = left;
    conn->inbox_head = 0;
}

/* ---- the task ---- */

static size_t
output_pending_size(const struct conn *conn)
{
    return conn->output.size + (conn->sending.size - conn->sent_size);
}

bool
conn_is_full(const struct conn *conn)
{
    return output_pending_size(conn) >= CONN_OUTPUT_FULL_SIZE;
}

/* Answers what is queued. False when the slice is used up. */
static bool
conn_answer(struct conn *conn)
{
    uint32_t answered_count = 0;
    while (conn->state == CONN_OPEN && conn->queued_count && !conn->is_output_closing &&
           !session_is_busy(&conn->session) && !conn_is_full(conn)) {
        if (++answered_count % 16 == 0 && task_slice_is_over(conn->shard))
            return false;
        struct inbox_entry entry = inbox_entry_at(conn, conn->inbox_head);
        const uint8_t *bytes = conn->inbox.data + conn->inbox_head + sizeof(entry);
        conn->net->request_count++;
        session_request(&conn->session, bytes, entry.size, entry.refusal);
        if (conn->state == CONN_OPEN)
            inbox_pop(conn, &entry);
    }
    return true;
}

static enum task_result
conn_run(struct task *task)
{
    struct conn *conn = list_entry(task, struct conn, task);
    assert(conn->state != CONN_CLOSING);
    if (conn->is_output_closing && !conn->session.is_stopping)
        session_stop(&conn->session);
    session_step(&conn->session);
    if (output_pending_size(conn) <= CONN_OUTPUT_LOW_SIZE)
        session_resume(&conn->session);
    bool done = conn_answer(conn);
    if (conn->state == CONN_CLOSING)
        return TASK_DONE;
    inbox_compact(conn);
    if (conn->queued_count <= CONN_QUEUE_COUNT_LOW)
        conn_receive(conn);
    bool more_to_come = conn->queued_count > 0 || session_is_busy(&conn->session);
    if (!more_to_come || conn->is_output_closing || conn->output.size >= CONN_FLUSH_SIZE)
        conn_send(conn);
    else if (conn->output.size)
        net_conn_unflushed(conn->net, conn);
    return done || conn->state == CONN_CLOSING ? TASK_DONE : TASK_AGAIN;
}

/* ---- output ---- */

void
conn_flush(struct conn *conn)
{
    conn_send(conn);
}

/* Everything was sent: linger when the client should still read it, or close. */
static void
output_is_out(struct conn *conn)
{
    bool is_idle = conn->queued_count == 0 && !session_is_busy(&conn->session);
    if (is_idle && conn->output.capacity > CONN_KEEP_SIZE_MAX)
        pack_writer_destroy(&conn->output);
    if (is_idle && conn->sending.capacity > CONN_KEEP_SIZE_MAX)
        pack_writer_destroy(&conn->sending);
    if (!conn->is_output_closing || conn->state == CONN_LINGER)
        return;
    conn_move(conn, CONN_LINGER);
    conn->linger_ns = seam_now_ns(conn->shard->seam);
    net_conn_watch(conn->net, conn);
    conn_receive(conn);
}

static void
conn_send(struct conn *conn)
{
    if (conn->send_op.submitted || conn->state == CONN_CLOSING)
        return;
    if (conn->sent_size == conn->sending.size) {
        pack_writer_reset(&conn->sending);
        conn->sent_size = 0;
        struct pack_writer swap = conn->sending;
        conn->sending = conn->output;
        conn->output = swap;
        list_remove(&conn->unflushed_link);
    }
    if (conn->sending.size == 0) {
        output_is_out(conn);
        return;
    }
    conn->send_op.kind = IO_SEND;
    conn->send_op.handle = conn->handle;
    conn->send_op.buffer = conn->sending.data + conn->sent_size;
    conn->send_op.size = conn->sending.size - conn->sent_size;
    io_submit(conn->shard->seam, &conn->send_op);
}

static void
conn_sent(struct io_op *op)
{
    struct conn *conn = list_entry(op, struct conn, send_op);
    if (conn->state == CONN_CLOSING) {
        conn_free_if_gone(conn);
        return;
    }
    if (op->result <= 0) {
        conn_close(conn);
        return;
    }
    assert((size_t)op->result <= op->size);
    conn->sent_size += (size_t)op->result;
    conn->output_ns = shard_now_ns(conn->shard);
    bool all = conn->sent_size == conn->sending.size;
    bool more_held = conn->output.size && !list_is_empty(&conn->unflushed_link);
    if (!all || !more_held)
        conn_send(conn);
    if (conn->state != CONN_CLOSING && output_pending_size(conn) <= CONN_OUTPUT_LOW_SIZE)
        conn_wake(conn);
}

/* ---- deadlines ---- */

static bool
has_passed(uint64_t since_ns, uint64_t now_ns, uint64_t seconds)
{
    return now_ns > since_ns && now_ns - since_ns > seconds * UINT64_C(1000000000);
}

bool
conn_sweep(struct conn *conn, uint64_t now_ns)
{
    bool is_opening = conn->state == CONN_OPENING || conn->state == CONN_MANIFEST;
    bool is_partial = conn->frame.is_inside || conn->frame.header_count || conn->frame.chunk_left;
    bool is_stuck = output_pending_size(conn) > 0;
    bool is_busy = session_is_busy(&conn->session);
    bool is_unknown = !session_is_authenticated(&conn->session);
    bool late =
        (is_opening && has_passed(conn->phase_ns, now_ns, NET_HANDSHAKE_SECONDS_MAX)) ||
        (is_unknown && has_passed(conn->phase_ns, now_ns, NET_AUTHENTICATION_SECONDS_MAX)) ||
        (is_partial && conn->recv_op.submitted &&
         has_passed(conn->input_ns, now_ns, NET_MESSAGE_STALL_SECONDS_MAX)) ||
        (conn_is_full(conn) && has_passed(conn->output_ns, now_ns, NET_OUTPUT_STALL_SECONDS_MAX)) ||
        (conn->state == CONN_LINGER && has_passed(conn->linger_ns, now_ns, NET_LINGER_SECONDS_MAX));
    if (late) {
        conn_close(conn);
        return false;
    }
    if (is_busy && !is_stuck && conn->state == CONN_OPEN &&
        has_passed(
            conn->output_ns > conn->input_ns ? conn->output_ns : conn->input_ns, now_ns,
            NET_KEEP_ALIVE_SECONDS - 1)) {
        frame_write_noop(&conn->output);
        conn_send(conn);
    }
    return is_opening || is_unknown || is_partial || is_stuck || is_busy ||
           conn->state == CONN_LINGER || conn->is_output_closing || conn->queued_count > 0;
}
