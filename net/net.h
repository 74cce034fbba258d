/* The network side of a shard: one Bolt listener and the connections it accepted. Whoever runs the shard
 * (quiverd's main, tests) starts it after the engine and stops it before.
 *
 *      net_start  ->  turns of the loop ... ->  net_drain, once per turn, until true  ->  net_destroy
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"
#include "shards/core/shard.h"

struct zone_source;

enum net_auth {
    NET_AUTH_NONE,  /* everybody may; credentials are accepted unseen */
    NET_AUTH_BASIC, /* user names and passwords of DIR/auth */
};

/* Shared by all shards and unchanged while they run, with one exception: when `port` is 0 the first shard
 * writes there the port it got, so its net_start must have returned before any other shard takes a turn. */
struct net_options {
    const char *host;
    uint16_t port;
    enum net_auth auth;
    struct text
        advertised_address; /* for clients that do not say which address they dialled; size 0: host:port */
    struct text database_id;       /* of this data directory: part of bookmarks; up to 64 bytes */
    struct zone_source *zones;     /* named time zones; NULL: none are known */
    uint32_t connection_count_max; /* per shard; 0: the default, 10,000 */
};

/* Start-up, once per process before the shards run, on any shard's seam: DIR/auth is created with the
 * user `neo4j` and this password unless it is there already. ERR(CONFIGURATION): a new file is needed
 * and the password is empty. Blocks; hashing takes some 30 ms. */
err_t net_auth_create(struct seam *seam, struct text initial_password);

/* Listens, here and now when the port is known, else (port 0, not the first shard) in the first turn. */
err_t net_start(struct shard *shard, struct net_options *options);
/* The port in use; 0 before it listens. */
uint16_t net_port(const struct shard *shard);
/* Stops listening and closes every connection; work that runs is cancelled and rolled back. True when
 * all are gone, and the engine has wound up what they had begun. */
bool net_drain(struct shard *shard);
void net_destroy(struct shard *shard);

/* Gauges, for tests and metrics. */
struct net_gauges {
    uint32_t connection_count;
    uint32_t authenticated_count;
    uint64_t accepted_count; /* since the start */
    uint64_t request_count;
};
void net_gauges_read(const struct shard *shard, struct net_gauges *out);

#endif
