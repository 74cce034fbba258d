/* The listener of a shard and the list of its connections.
 *
 * Every shard listens on the same address with SO_REUSEPORT and keeps what the kernel hands it; there is
 * no hand-over between shards. One accept is in flight at a time.
 *
 *      watched:   connections with a deadline running; swept once a second while there are any, so an
 *                 idle connection costs no timer and no wake-up
 *      unflushed: connections whose output waits a moment for more (conn.c)
 *
 * Invariants
 *  1. At most connection_count_max connections exist; at the limit a new one is closed at once.
 *  2. At most NET_UNAUTHENTICATED_COUNT_MAX of them have not logged on; the oldest is dropped. */
#include "net/accept.h"

#include <stdio.h>

#include "engine/route/query.h"
#include "net/conn.h"

static void listener_accept(struct net *net);
static void listener_accepted(struct io_op *op);
static void sweep_expired(struct timer *timer);
static void flush_expired(struct timer *timer);

enum { ACCEPT_RETRY_NS = 100000000, SWEEP_NS = 1000000000 };

/* ---- start and stop ---- */

static err_t
listener_open(struct net *net)
{
    struct seam *seam = net->shard->seam;
    uint16_t port = net->options->port;
    err_t err = seam->ops->listen(seam, net->options->host, &port, &net->listener);
    if (!err && net->options->port == 0)
        net->options->port = port;
    return err;
}

/* The first turn. Nothing is submitted before it: when another shard cannot start, there is no turn, and
 * net_destroy follows at once. A shard that did not know the port opens its listener only here. */
static enum task_result
listener_begin(struct task *task)
{
    struct net *net = list_entry(task, struct net, listen_task);
    err_t err = net->listener < 0 ? listener_open(net) : 0;
    if (err) {
        char place[64], line[192];
        err_birthplace(err, place, sizeof(place));
        snprintf(
            line, sizeof(line), "net: shard %u cannot listen on %s:%u: %s (%s); the others serve",
            net->shard->index, net->options->host, net->options->port, err_text(err_code(err)),
            place);
        net->shard->seam->ops->log(net->shard->seam, line);
        return TASK_DONE;
    }
    listener_accept(net);
    return TASK_DONE;
}

err_t
net_start(struct shard *shard, struct net_options *options)
{
    struct net *net = memory_allocate(shard_memory(shard), sizeof(*net));
    if (!net)
        return ERR(MEMORY_POOL);
    memset(net, 0, sizeof(*net));
    net->shard = shard;
    net->options = options;
    net->listener = -1;
    list_init(&net->conns);
    list_init(&net->unauthenticated);
    list_init(&net->watched);
    list_init(&net->unflushed);
    net->accept_op.done = listener_accepted;
    int size = snprintf(
        net->bookmark_prefix, sizeof(net->bookmark_prefix),
        "QV:%.*s:", TEXT_ARGS(options->database_id));
    assert(size > 0 && (size_t)size < sizeof(net->bookmark_prefix));
    net->bookmark_prefix_size = (size_t)size;
    shard->net = net;
    err_t err = 0;
    if (options->auth == NET_AUTH_BASIC)
        err = auth_open(&net->auth, shard);
    task_init(&net->listen_task, TASK_POINT, listener_begin);
    if (!err && (shard->index == 0 || options->port != 0))
        err = listener_open(net);
    if (!err)
        task_ready(shard, &net->listen_task);
    if (err)
        net_destroy(shard);
    return err;
}

uint16_t
net_port(const struct shard *shard)
{
    const struct net *net = shard_net(shard);
    return net && net->listener >= 0 ? net->options->port : 0;
}

static void
listener_closed(struct io_op *op)
{
    struct net *net = list_entry(op, struct net, listener_close_op);
    net->listener_is_closed = true;
}

bool
net_drain(struct shard *shard)
{
    struct net *net = shard_net(shard);
    if (!net)
        return true;
    if (!net->is_stopping) {
        net->is_stopping = true;
        task_cancel(shard, &net->listen_task);
        timer_stop(shard, &net->accept_timer);
        if (net->listener >= 0) {
            net->listener_close_op = (struct io_op){
                .done = listener_closed, .kind = IO_CLOSE, .handle = net->listener};
            io_submit(shard->seam, &net->listener_close_op);
        } else {
            net->listener_is_closed = true;
        }
        for (struct list_link *link = net->conns.next, *next; link != &net->conns; link = next) {
            next = link->next;
            conn_close(list_entry(link, struct conn, link));
        }
    }
    return net->listener_is_closed && !net->accept_op.submitted && list_is_empty(&net->conns) &&
           net->refused_count == 0 && net->auth.check_count == 0 && engine_is_idle(shard);
}

void
net_destroy(struct shard *shard)
{
    struct net *net = shard_net(shard);
    if (!net)
        return;
    assert(list_is_empty(&net->conns) && !net->accept_op.submitted);
    task_cancel(shard, &net->listen_task);
    timer_stop(shard, &net->accept_timer);
    timer_stop(shard, &net->watch_timer);
    timer_stop(shard, &net->flush_timer);
    auth_close(&net->auth);
    memory_release(shard_memory(shard), net, sizeof(*net));
    shard->net = NULL;
}

void
net_gauges_read(const struct shard *shard, struct net_gauges *out)
{
    const struct net *net = shard_net(shard);
    *out = (struct net_gauges){0};
    if (!net)
        return;
    out->connection_count = net->connection_count;
    out->authenticated_count = net->connection_count - net->unauthenticated_count;
    out->accepted_count = net->accepted_count;
    out->request_count = net->request_count;
}

/* ---- accepting ---- */

static void
listener_accept(struct net *net)
{
    if (net->is_stopping || net->accept_op.submitted)
        return;
    net->accept_op.kind = IO_ACCEPT;
    net->accept_op.handle = net->listener;
    io_submit(net->shard->seam, &net->accept_op);
}

static void
accept_retry(struct timer *timer)
{
    listener_accept(list_entry(timer, struct net, accept_timer));
}

/* Closes a connection that nobody will serve. */
struct refused {
    struct io_op op;
    struct net *net;
};

static void
refused_closed(struct io_op *op)
{
    struct refused *refused = list_entry(op, struct refused, op);
    struct net *net = refused->net;
    assert(net->refused_count > 0);
    net->refused_count--;
    memory_release(shard_memory(net->shard), refused, sizeof(*refused));
}

static void
handle_refuse(struct net *net, io_handle handle)
{
    struct refused *refused = memory_allocate(shard_memory(net->shard), sizeof(*refused));
    if (!refused)
        net->shard->seam->ops->fatal(net->shard->seam, "net: no memory left to close a connection");
    *refused = (struct refused){.op = {.done = refused_closed, .kind = IO_CLOSE, .handle = handle}};
    refused->net = net;
    net->refused_count++;
    io_submit(net->shard->seam, &refused->op);
}

static void
conn_admit(struct net *net, io_handle handle)
{
    uint32_t count_max = net->options->connection_count_max;
    if (count_max == 0)
        count_max = NET_CONNECTION_COUNT_DEFAULT;
    struct conn *conn = net->connection_count < count_max ? conn_new(net, handle) : NULL;
    if (!conn) {
        handle_refuse(net, handle);
        return;
    }
    list_push_back(&net->conns, &conn->link);
    list_push_back(&net->unauthenticated, &conn->phase_link);
    net->connection_count++;
    net->unauthenticated_count++;
    net_conn_watch(net, conn);
    if (net->unauthenticated_count > NET_UNAUTHENTICATED_COUNT_MAX) {
        for (struct list_link *link = net->unauthenticated.next; link != &net->unauthenticated;
             link = link->next) {
            struct conn *oldest = list_entry(link, struct conn, phase_link);
            if (oldest->state != CONN_CLOSING) {
                conn_close(oldest);
                break;
            }
        }
    }
}

static void
listener_accepted(struct io_op *op)
{
    struct net *net = list_entry(op, struct net, accept_op);
    if (op->result >= 0 && net->is_stopping) {
        handle_refuse(net, (io_handle)op->result);
    } else if (op->result >= 0) {
        conn_admit(net, (io_handle)op->result);
        listener_accept(net);
    } else if (!net->is_stopping) {
        /* Out of descriptors, or the client left before it was accepted. */
        timer_start(net->shard, &net->accept_timer, ACCEPT_RETRY_NS, accept_retry);
    }
}

/* ---- the connections' requests ---- */

void
net_conn_watch(struct net *net, struct conn *conn)
{
    if (!list_is_empty(&conn->watch_link))
        return;
    list_push_back(&net->watched, &conn->watch_link);
    if (!net->watch_timer.armed)
        timer_start(net->shard, &net->watch_timer, SWEEP_NS, sweep_expired);
}

static void
sweep_expired(struct timer *timer)
{
    struct net *net = list_entry(timer, struct net, watch_timer);
    uint64_t now_ns = seam_now_ns(net->shard->seam);
    for (struct list_link *link = net->watched.next, *next; link != &net->watched; link = next) {
        next = link->next;
        struct conn *conn = list_entry(link, struct conn, watch_link);
        if (!conn_sweep(conn, now_ns))
            list_remove(link);
    }
    if (!list_is_empty(&net->watched))
        timer_start(net->shard, &net->watch_timer, SWEEP_NS, sweep_expired);
}

void
net_conn_authenticated(struct net *net, struct conn *conn)
{
    if (list_is_empty(&conn->phase_link))
        return;
    list_remove(&conn->phase_link);
    assert(net->unauthenticated_count > 0);
    net->unauthenticated_count--;
}

void
net_conn_unflushed(struct net *net, struct conn *conn)
{
    if (!list_is_empty(&conn->unflushed_link))
        return;
    list_push_back(&net->unflushed, &conn->unflushed_link);
    if (!net->flush_timer.armed)
        timer_start(net->shard, &net->flush_timer, NET_FLUSH_DELAY_NS, flush_expired);
}

static void
flush_expired(struct timer *timer)
{
    struct net *net = list_entry(timer, struct net, flush_timer);
    for (struct list_link *link; (link = list_pop_front(&net->unflushed));)
        conn_flush(list_entry(link, struct conn, unflushed_link));
}

void
net_conn_gone(struct net *net, struct conn *conn)
{
    net_conn_authenticated(net, conn);
    list_remove(&conn->link);
    list_remove(&conn->watch_link);
    list_remove(&conn->unflushed_link);
    assert(net->connection_count > 0);
    net->connection_count--;
}
