/* quiverd: settings, a runtime of shards, on each of them a database, the engine and a listener; stops
 * cleanly on SIGTERM and SIGINT. The one file outside the layers: it may include all of them.
 *
 *      config_read -> runtime_start: on each shard  database_start -> engine_create
 *                     loops turn: indexes are rebuilt; when every shard is ready  net_start
 *      "quiverd: ready at bolt://HOST:PORT"
 *      SIGTERM -> runtime_stop: net_drain -> database_drain -> net_destroy -> engine_destroy -> database_finish */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "engine/route/engine.h"
#include "engine/route/query.h"
#include "engine/value/zone.h"
#include "net/net.h"
#include "shards/boot/config.h"
#include "shards/boot/database.h"
#include "shards/boot/runtime.h"
#include "shards/boot/zones.h"

enum { READY_POLL_NS = 1000 * 1000, WAIT_NS = 20 * 1000 * 1000 };

struct server_shard {
    struct server *server;
    struct shard *shard;
    struct timer poll;
    bool engine, net, counted;
};

struct server {
    struct zone_source zone_source; /* first: zone_lookup finds the server through it */
    struct zones *zones;
    struct config config;
    struct database *database;
    struct net_options net;
    char database_id[17];
    struct server_shard shards[SHARD_COUNT_MAX];
    atomic_uint ready_count;     /* shards whose indexes are rebuilt */
    atomic_uint listening_count; /* shards that accept */
    atomic_bool failed;
    char error[512]; /* written once, before `failed` is set */
};

static struct runtime *running;

static struct text
zone_lookup(struct zone_source *source, struct text name)
{
    const struct server *server = (const struct server *)source;
    return zones_lookup(server->zones, name);
}

static void
signal_stop(int number)
{
    (void)number;
    if (running)
        runtime_stop(running);
}

/* Listening begins when every shard is ready: before that a unique index could miss a duplicate. */
static void
ready_poll(struct timer *timer)
{
    struct server_shard *home = list_entry(timer, struct server_shard, poll);
    struct server *server = home->server;
    struct shard *shard = home->shard;
    if (!home->counted && database_is_ready(shard)) {
        home->counted = true;
        atomic_fetch_add(&server->ready_count, 1);
    }
    if (atomic_load(&server->ready_count) < shard->count) {
        timer_start(shard, timer, READY_POLL_NS, ready_poll);
        return;
    }
    err_t err = net_start(shard, &server->net);
    if (err && !atomic_load(&server->failed)) {
        snprintf(
            server->error, sizeof(server->error), "cannot listen on %s port %u: %s",
            server->config.host, server->config.port, err_text(err_code(err)));
        atomic_store(&server->failed, true);
        return;
    }
    home->net = true;
    atomic_fetch_add(&server->listening_count, 1);
}

static err_t
server_start(struct shard *shard, void *context)
{
    struct server *server = context;
    struct server_shard *home = &server->shards[shard->index];
    *home = (struct server_shard){.server = server, .shard = shard};
    err_t err = database_start(server->database, shard);
    if (!err && server->config.auth_basic && shard->index == 0)
        err = net_auth_create(shard->seam, text_of(server->config.password));
    if (!err)
        err = engine_create(shard);
    if (err)
        return err;
    engine_zones_set(shard, &server->zone_source);
    engine_query_memory_set(shard, server->config.query_memory_size);
    home->engine = true;
    if (shard->index == 0) {
        snprintf(
            server->database_id, sizeof(server->database_id), "%016llx",
            (unsigned long long)database_id(server->database));
        server->net.database_id = text_of(server->database_id);
    }
    timer_start(shard, &home->poll, READY_POLL_NS, ready_poll);
    return 0;
}

static bool
server_drain(struct shard *shard, void *context)
{
    struct server *server = context;
    struct server_shard *home = &server->shards[shard->index];
    if (home->poll.armed)
        timer_stop(shard, &home->poll);
    if (home->net && !net_drain(shard))
        return false;
    return database_drain(server->database, shard);
}

static void
server_finish(struct shard *shard, void *context)
{
    struct server *server = context;
    struct server_shard *home = &server->shards[shard->index];
    if (home->net)
        net_destroy(shard);
    if (home->engine)
        engine_destroy(shard);
    database_finish(server->database, shard);
}

/* Finds out early whether the address can be used, and which port `0` becomes: every shard binds the same one
 * afterwards. The socket stays bound, and never listens, so that nobody else takes the port meanwhile. */
static int
port_reserve(struct config *config, char *message, size_t message_size)
{
    char service[16];
    snprintf(service, sizeof(service), "%u", config->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    int failed = getaddrinfo(config->host, service, &hints, &found);
    if (failed) {
        snprintf(message, message_size, "--listen %s: %s", config->host, gai_strerror(failed));
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof(bound);
    /* Without SO_REUSEPORT first: with it another daemon on the port would not be noticed. */
    bool good = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == 0;
    int probe = good && config->port ? socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    if (probe >= 0) {
        setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
        good = bind(probe, found->ai_addr, found->ai_addrlen) == 0;
        int code = errno;
        close(probe);
        errno = code;
    }
    good = good && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int)) == 0 &&
           bind(fd, found->ai_addr, found->ai_addrlen) == 0 &&
           getsockname(fd, (struct sockaddr *)&bound, &size) == 0;
    if (!good) {
        snprintf(
            message, message_size, "--listen %s:%u: %s", config->host, config->port,
            strerror(errno));
        if (fd >= 0)
            close(fd);
        fd = -1;
    } else if (bound.ss_family == AF_INET) {
        config->port = ntohs(((struct sockaddr_in *)&bound)->sin_port);
    } else {
        config->port = ntohs(((struct sockaddr_in6 *)&bound)->sin6_port);
    }
    freeaddrinfo(found);
    return fd;
}

static void
ready_print(const struct server *server)
{
    bool bracket = strchr(server->config.host, ':') != NULL;
    printf(
        "quiverd: ready at bolt://%s%s%s:%u\n", bracket ? "[" : "", server->config.host,
        bracket ? "]" : "", server->config.port);
    fflush(stdout);
}

static int
server_run(struct server *server)
{
    char why[512] = "";
    struct runtime_options options = {
        .data_directory = server->config.data,
        .shard_count = server->config.shard_count,
        .cpus = *server->config.cpus ? server->config.cpus : NULL,
        .memory_size = server->config.memory_size,
        .program = {
            .context = server,
            .start = server_start,
            .drain = server_drain,
            .finish = server_finish}};
    err_t err = runtime_start(&options, &running, why, sizeof(why));
    if (err) {
        const char *more = database_message(server->database);
        fprintf(
            stderr, "quiverd: %s%s%s\n", *why ? why : err_text(err_code(err)), *more ? ": " : "",
            more);
        return 1;
    }
    runtime_log(running, runtime_description(running));
    if (*database_report(server->database))
        runtime_log(running, database_report(server->database));
    bool told = false;
    while (!runtime_wait(running, WAIT_NS)) {
        if (!told && atomic_load(&server->listening_count) == runtime_shard_count(running)) {
            ready_print(server);
            told = true;
        }
        if (atomic_load(&server->failed))
            runtime_stop(running);
    }
    struct runtime *ended = running;
    running = NULL;
    runtime_join(ended);
    if (atomic_load(&server->failed))
        fprintf(stderr, "quiverd: %s\n", server->error);
    return atomic_load(&server->failed);
}

int
main(int argc, char **argv)
{
    static struct server server;
    char message[512];
    switch (config_read(&server.config, argc, argv, message, sizeof(message))) {
    case CONFIG_HELP:
        config_usage_print(stdout);
        return 0;
    case CONFIG_VERSION:
        printf("quiverd %s\n", QUIVER_VERSION);
        return 0;
    case CONFIG_ERROR:
        fprintf(stderr, "quiverd: %s\n", message);
        return 2;
    case CONFIG_READY:
        break;
    }
    int reserved = port_reserve(&server.config, message, sizeof(message));
    if (reserved < 0) {
        fprintf(stderr, "quiverd: %s\n", message);
        return 1;
    }
    server.net = (struct net_options){
        .host = server.config.host,
        .port = server.config.port,
        .auth = server.config.auth_basic ? NET_AUTH_BASIC : NET_AUTH_NONE,
        .zones = &server.zone_source};
    server.zone_source.lookup = zone_lookup;
    if (zones_load(ZONES_DIRECTORY, &server.zones)) {
        fprintf(stderr, "quiverd: no memory for the time zone database\n");
        close(reserved);
        return 1;
    }
    struct database_options options = {
        .sync = server.config.sync_full ? WAL_SYNC_FULL : WAL_SYNC_OFF};
    server.database = database_new(&options);
    assert(server.database);
    struct sigaction action = {.sa_handler = signal_stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    int result = server_run(&server);
    database_delete(server.database);
    zones_free(server.zones);
    close(reserved);
    return result;
}
