/* Per-shard state of the network side: listener, list of connections, the sweep that watches their
 * deadlines. Private to net/. */
#ifndef NET_ACCEPT_H
#define NET_ACCEPT_H

#include "net/auth.h"
#include "net/net.h"

struct conn;

/* Deadlines and bounds of a connection; from section "limits" of README.md. */
enum {
    NET_CONNECTION_COUNT_DEFAULT = 10000,
    NET_UNAUTHENTICATED_COUNT_MAX = 1000, /* beyond it the oldest is dropped */
    NET_HANDSHAKE_SECONDS_MAX = 10,
    NET_AUTHENTICATION_SECONDS_MAX = 30,
    NET_MESSAGE_STALL_SECONDS_MAX = 60, /* a message has begun and nothing more comes */
    NET_OUTPUT_STALL_SECONDS_MAX =
        60,                      /* the outbound buffer is full and the client does not read */
    NET_KEEP_ALIVE_SECONDS = 60, /* NOOP while a request is unanswered */
    NET_FLUSH_DELAY_NS = 100000,
    NET_LINGER_SECONDS_MAX = 5, /* after a final FAILURE: time for the client to read it */
};

struct net {
    struct shard *shard;
    struct net_options *options;
    struct io_op accept_op;
    struct io_op listener_close_op;
    io_handle listener;
    bool is_accepting;
    bool is_stopping;
    bool listener_is_closed;
    struct task listen_task;
    struct timer accept_timer; /* to try again after accept failed */
    struct list_link conns;
    struct list_link unauthenticated; /* oldest first */
    struct list_link watched;         /* those with a deadline running */
    struct timer watch_timer;
    struct list_link unflushed; /* output held back because more requests are queued */
    struct timer flush_timer;
    uint32_t connection_count;
    uint32_t refused_count; /* being closed without having been served */
    uint32_t unauthenticated_count;
    uint64_t accepted_count;
    uint64_t request_count;
    struct auth auth;
    char bookmark_prefix[80];
    size_t bookmark_prefix_size;
};

static inline struct net *
shard_net(const struct shard *shard)
{
    return shard->net;
}

/* Called by a connection. */
void net_conn_watch(struct net *net, struct conn *conn);
void net_conn_authenticated(struct net *net, struct conn *conn);
void net_conn_unflushed(struct net *net, struct conn *conn);
/* The connection is gone for good; frees it. */
void net_conn_gone(struct net *net, struct conn *conn);

#endif
