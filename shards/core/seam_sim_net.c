/* The simulated network: connections between the program's listeners and clients that a test drives.
 *
 *      client                                                              server
 *      sim_client_send -> [ to_server: written | arrived | read ] -> IO_RECV
 *      sim_client_receive <- [ to_client: read | arrived | written ] <- IO_SEND
 *
 * A pipe is a window of bytes with three counters that only grow: written >= arrived >= read. What was
 * written arrives in events of any split; reading makes room. An end that closes marks the pipe it writes
 * to as finished: the other end sees the end after the last byte.
 *
 * Invariants
 *  1. written - read <= WINDOW_SIZE.
 *  2. At most one receive, one send, and one accept per listener are pending.
 *  3. A connection lives until both the server's handle is closed and the client closed (or was reset). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shards/core/seam_sim_internal.h"

enum { WINDOW_SIZE = 64 << 10, SIM_ANY_PORT = 40000 };

struct sim_pipe {
    uint64_t written, arrived, read;
    uint64_t last_arrival_ns; /* of what is on its way: order is kept */
    bool finished;            /* the writing end closed */
    unsigned char *data;      /* WINDOW_SIZE, a ring */
};

struct sim_connection {
    struct list_link link;
    int64_t client;
    uint32_t shard_index;
    io_handle handle; /* the server's end; -1 before accept and after close */
    bool client_closed, reset;
    uint32_t event_count; /* events that name it */
    struct sim_pipe to_server, to_client;
    struct io_op *recv, *send;
    struct sim_listener *listener; /* until it is accepted */
};

struct sim_listener {
    struct list_link link;
    struct list_link waiting; /* connections, by `link` */
    uint16_t port;
    uint32_t shard_index;
    struct io_op *accept;
};

struct sim_net {
    struct list_link listeners, connections;
    int64_t client_next;
};

struct sim_net *
sim_net_new(void)
{
    struct sim_net *net = sim_heap(NULL, sizeof(*net));
    *net = (struct sim_net){.client_next = 1};
    list_init(&net->listeners);
    list_init(&net->connections);
    return net;
}

static void
connection_delete(struct sim_connection *connection)
{
    list_remove(&connection->link);
    sim_heap_free(connection->to_server.data);
    sim_heap_free(connection->to_client.data);
    sim_heap_free(connection);
}

static void
connections_delete(struct list_link *connections)
{
    while (!list_is_empty(connections))
        connection_delete(list_entry(connections->next, struct sim_connection, link));
}

/* All connections are gone; their clients find out when they look. */
void
sim_net_crash(struct sim *sim)
{
    struct sim_net *net = sim->net;
    if (!net)
        return;
    while (!list_is_empty(&net->listeners)) {
        struct sim_listener *listener = list_entry(net->listeners.next, struct sim_listener, link);
        connections_delete(&listener->waiting);
        list_remove(&listener->link);
        sim_heap_free(listener);
    }
    connections_delete(&net->connections);
}

void
sim_net_delete(struct sim_net *net)
{
    assert(list_is_empty(&net->listeners) && list_is_empty(&net->connections));
    sim_heap_free(net);
}

/* ---- pipes ---- */

static size_t
pipe_room(const struct sim_pipe *pipe)
{
    return WINDOW_SIZE - (size_t)(pipe->written - pipe->read);
}

static void
pipe_write(struct sim_pipe *pipe, const unsigned char *data, size_t size)
{
    assert(size <= pipe_room(pipe));
    for (size_t i = 0; i < size;) {
        size_t at = (size_t)((pipe->written + i) % WINDOW_SIZE);
        size_t part = size - i < WINDOW_SIZE - at ? size - i : WINDOW_SIZE - at;
        memcpy(pipe->data + at, data + i, part);
        i += part;
    }
    pipe->written += size;
}

static void
pipe_read(struct sim_pipe *pipe, unsigned char *out, size_t size)
{
    assert(size <= pipe->arrived - pipe->read);
    for (size_t i = 0; i < size;) {
        size_t at = (size_t)((pipe->read + i) % WINDOW_SIZE);
        size_t part = size - i < WINDOW_SIZE - at ? size - i : WINDOW_SIZE - at;
        memcpy(out + i, pipe->data + at, part);
        i += part;
    }
    pipe->read += size;
}

static void
connection_event(
    struct sim *sim,
    struct sim_connection *connection,
    enum sim_event_kind kind,
    uint64_t delay_ns,
    uint32_t index)
{
    connection->event_count++;
    sim_event_add(sim, delay_ns, kind, connection->shard_index, connection, index);
}

/* Sends what was written on its way, in up to three parts. */
static void
pipe_travel(struct sim *sim, struct sim_connection *connection, struct sim_pipe *pipe, size_t size)
{
    enum sim_event_kind kind = pipe == &connection->to_server ? SIM_EVENT_TO_SERVER
                                                              : SIM_EVENT_TO_CLIENT;
    uint64_t local_ns = sim_local_ns(sim);
    do {
        size_t part = size > 1 && sim_random(sim, 2) == 0 ? 1 + (size_t)sim_random(sim, size)
                                                          : size;
        uint64_t at_ns = local_ns + sim_delay(sim, sim->options.network_delay_ns_max, 50000, 50);
        if (at_ns < pipe->last_arrival_ns)
            at_ns = pipe->last_arrival_ns;
        pipe->last_arrival_ns = at_ns;
        connection_event(sim, connection, kind, at_ns - local_ns, (uint32_t)part);
        size -= part;
    } while (size > 0);
}

/* ---- the server's side ---- */

static void
connection_release(struct sim_connection *connection)
{
    if (connection->handle < 0 && connection->client_closed && connection->event_count == 0 &&
        !connection->listener)
        connection_delete(connection);
}

static void
recv_try(struct sim *sim, struct sim_connection *connection)
{
    struct io_op *op = connection->recv;
    struct sim_pipe *pipe = &connection->to_server;
    if (!op)
        return;
    int64_t result = 0;
    if (connection->reset) {
        result = -ECONNRESET;
    } else if (pipe->arrived > pipe->read) {
        size_t size = (size_t)(pipe->arrived - pipe->read);
        if (size > op->size)
            size = op->size;
        if (sim_random(sim, 4) == 0)
            size = 1 + (size_t)sim_random(sim, size);
        pipe_read(pipe, op->buffer, size);
        result = (int64_t)size;
    } else if (!pipe->finished || pipe->arrived < pipe->written) {
        return;
    }
    connection->recv = NULL;
    sim_complete(sim, connection->shard_index, op, result);
}

static void
send_try(struct sim *sim, struct sim_connection *connection)
{
    struct io_op *op = connection->send;
    struct sim_pipe *pipe = &connection->to_client;
    if (!op)
        return;
    int64_t result = -EPIPE;
    if (connection->reset) {
        result = -ECONNRESET;
    } else if (!connection->client_closed) {
        size_t size = pipe_room(pipe);
        if (size == 0)
            return;
        if (size > op->size)
            size = op->size;
        if (sim_random(sim, 4) == 0)
            size = 1 + (size_t)sim_random(sim, size);
        pipe_write(pipe, op->buffer, size);
        pipe_travel(sim, connection, pipe, size);
        result = (int64_t)size;
    }
    connection->send = NULL;
    sim_complete(sim, connection->shard_index, op, result);
}

static void
accept_try(struct sim *sim, struct sim_listener *listener)
{
    struct io_op *op = listener->accept;
    if (!op || list_is_empty(&listener->waiting))
        return;
    struct list_link *link = list_pop_front(&listener->waiting);
    struct sim_connection *connection = list_entry(link, struct sim_connection, link);
    list_push_back(&sim->net->connections, link);
    connection->listener = NULL;
    connection->handle = sim_handle_new(
        sim, SIM_HANDLE_CONNECTION, connection->shard_index, connection);
    listener->accept = NULL;
    sim_complete(sim, listener->shard_index, op, connection->handle);
}

void
sim_net_submit(struct sim_shard *shard, struct io_op *op)
{
    struct sim *sim = shard->sim;
    if (op->kind == IO_ACCEPT) {
        struct sim_listener *listener =
            sim_handle_get(sim, op->handle, SIM_HANDLE_LISTENER)->object;
        assert(!listener->accept && listener->shard_index == shard->seam.shard_index);
        listener->accept = op;
        accept_try(sim, listener);
        return;
    }
    struct sim_connection *connection =
        sim_handle_get(sim, op->handle, SIM_HANDLE_CONNECTION)->object;
    assert(connection->shard_index == shard->seam.shard_index && op->size > 0);
    struct io_op **slot = op->kind == IO_RECV ? &connection->recv : &connection->send;
    assert(!*slot);
    *slot = op;
    connection_event(sim, connection, SIM_EVENT_RETRY, sim_delay(sim, 0, 1000, 20), 0);
}

static void
bytes_arrive(
    struct sim *sim, struct sim_connection *connection, struct sim_pipe *pipe, uint32_t size)
{
    pipe->arrived += size;
    assert(pipe->arrived <= pipe->written);
    if (pipe == &connection->to_server && sim_chance(sim, sim->options.connection_reset_ppm))
        connection->reset = true;
}

void
sim_net_event(struct sim *sim, const struct sim_event *event)
{
    struct sim_connection *connection = event->subject;
    assert(connection->event_count > 0);
    connection->event_count--;
    switch ((enum sim_event_kind)event->kind) {
    case SIM_EVENT_ACCEPT:
        if (connection->listener)
            accept_try(sim, connection->listener);
        break;
    case SIM_EVENT_TO_SERVER:
        bytes_arrive(sim, connection, &connection->to_server, event->index);
        break;
    case SIM_EVENT_TO_CLIENT:
        bytes_arrive(sim, connection, &connection->to_client, event->index);
        break;
    case SIM_EVENT_RETRY:
    case SIM_EVENT_WAKE:
    case SIM_EVENT_DISK:
    case SIM_EVENT_CALL:
    case SIM_EVENT_CLOSE:
    case SIM_EVENT_TURN:
        break;
    }
    recv_try(sim, connection);
    send_try(sim, connection);
    connection_release(connection);
}

static void
op_cancel(struct sim *sim, uint32_t shard_index, struct io_op **slot)
{
    struct io_op *op = *slot;
    *slot = NULL;
    if (op)
        sim_complete(sim, shard_index, op, -ECANCELED);
}

/* IO_CLOSE was submitted: cancels what is pending; the handle stays taken until it completes. */
void
sim_net_close(struct sim *sim, io_handle handle)
{
    struct sim_handle *found = &sim->handles[handle];
    if (found->kind == SIM_HANDLE_LISTENER) {
        struct sim_listener *listener = found->object;
        op_cancel(sim, listener->shard_index, &listener->accept);
        list_for_each (link, &listener->waiting) {
            struct sim_connection *connection = list_entry(link, struct sim_connection, link);
            connection->reset = true;
            connection->listener = NULL;
        }
        while (!list_is_empty(&listener->waiting))
            list_push_back(&sim->net->connections, list_pop_front(&listener->waiting));
        list_remove(&listener->link);
        sim_heap_free(listener);
        return;
    }
    struct sim_connection *connection = found->object;
    op_cancel(sim, connection->shard_index, &connection->recv);
    op_cancel(sim, connection->shard_index, &connection->send);
    connection->to_client.finished = true;
    connection->handle = -1;
    connection_release(connection);
}

err_t
sim_net_listen(struct seam *seam, const char *host, uint16_t *port, io_handle *handle)
{
    struct sim *sim = sim_shard_of(seam)->sim;
    assert(host);
    if (*port == 0)
        *port = SIM_ANY_PORT;
    struct sim_listener *listener = sim_heap(NULL, sizeof(*listener));
    *listener = (struct sim_listener){.port = *port, .shard_index = seam->shard_index};
    list_init(&listener->waiting);
    list_push_back(&sim->net->listeners, &listener->link);
    *handle = sim_handle_new(sim, SIM_HANDLE_LISTENER, seam->shard_index, listener);
    return 0;
}

void
sim_net_peer_name(struct seam *seam, io_handle handle, char *out, size_t out_size)
{
    struct sim *sim = sim_shard_of(seam)->sim;
    const struct sim_connection *connection =
        sim_handle_get(sim, handle, SIM_HANDLE_CONNECTION)->object;
    snprintf(out, out_size, "client:%lld", (long long)connection->client);
}

/* ---- the client's side ---- */

static struct sim_connection *
client_lookup(struct sim *sim, int64_t client)
{
    list_for_each (link, &sim->net->connections) {
        struct sim_connection *connection = list_entry(link, struct sim_connection, link);
        if (connection->client == client)
            return connection;
    }
    list_for_each (of_listener, &sim->net->listeners) {
        struct sim_listener *listener = list_entry(of_listener, struct sim_listener, link);
        list_for_each (link, &listener->waiting) {
            struct sim_connection *connection = list_entry(link, struct sim_connection, link);
            if (connection->client == client)
                return connection;
        }
    }
    return NULL;
}

int64_t
sim_client_connect(struct sim *sim, uint16_t port)
{
    struct sim_net *net = sim->net;
    uint32_t count = 0;
    list_for_each (link, &net->listeners)
        count += list_entry(link, struct sim_listener, link)->port == port;
    if (count == 0)
        return -1;
    uint64_t choice = sim_random(sim, count);
    struct sim_listener *listener = NULL;
    list_for_each (link, &net->listeners) {
        struct sim_listener *candidate = list_entry(link, struct sim_listener, link);
        if (candidate->port == port && choice-- == 0)
            listener = candidate;
    }
    assert(listener);
    struct sim_connection *connection = sim_heap(NULL, sizeof(*connection));
    *connection = (struct sim_connection){
        .client = net->client_next++,
        .shard_index = listener->shard_index,
        .handle = -1,
        .listener = listener};
    connection->to_server.data = sim_heap(NULL, WINDOW_SIZE);
    connection->to_client.data = sim_heap(NULL, WINDOW_SIZE);
    list_push_back(&listener->waiting, &connection->link);
    connection_event(sim, connection, SIM_EVENT_ACCEPT, sim_delay(sim, 0, 50000, 10), 0);
    return connection->client;
}

size_t
sim_client_send(struct sim *sim, int64_t client, const void *data, size_t size)
{
    struct sim_connection *connection = client_lookup(sim, client);
    if (!connection || connection->reset || connection->client_closed || size == 0)
        return 0;
    struct sim_pipe *pipe = &connection->to_server;
    size_t room = pipe_room(pipe);
    if (size > room)
        size = room;
    if (size > 0) {
        pipe_write(pipe, data, size);
        pipe_travel(sim, connection, pipe, size);
    }
    return size;
}

int64_t
sim_client_receive(struct sim *sim, int64_t client, void *out, size_t size)
{
    struct sim_connection *connection = client_lookup(sim, client);
    if (!connection || connection->reset)
        return -1;
    struct sim_pipe *pipe = &connection->to_client;
    uint64_t there = pipe->arrived - pipe->read;
    if (there == 0)
        return pipe->finished && pipe->arrived == pipe->written ? -1 : 0;
    if (size > there)
        size = (size_t)there;
    pipe_read(pipe, out, size);
    if (connection->send)
        connection_event(sim, connection, SIM_EVENT_RETRY, 1, 0);
    return (int64_t)size;
}

void
sim_client_close(struct sim *sim, int64_t client)
{
    struct sim_connection *connection = client_lookup(sim, client);
    if (!connection || connection->client_closed)
        return;
    connection->client_closed = true;
    connection->to_server.finished = true;
    connection_event(sim, connection, SIM_EVENT_RETRY, sim_delay(sim, 0, 50000, 50), 0);
}
