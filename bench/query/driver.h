/* A whole database in this process, and closed-loop clients inside its shards.
 *
 *      main thread                          shard threads (as quiverd's)
 *      driver_start ----------------------> recovery, engine
 *      driver_query("CREATE INDEX ...") --> one statement on shard 0, waited for
 *      driver_measure(workload) ----------> clients_per_shard statements always running on each shard
 *
 * The clients are part of the shard's loop, so what is measured is the engine: plan cache, executor, store,
 * transactions and log, without the wire. */
#ifndef BENCH_QUERY_DRIVER_H
#define BENCH_QUERY_DRIVER_H

#include "bench/bench.h"
#include "engine/route/query.h"

struct driver;

enum { DRIVER_PARAMETER_MAX = 4 };

/* What the clients do. Called on shard threads, for client `client` of all (0 .. client_count - 1). */
struct driver_workload {
    const char *text;
    uint32_t client_count; /* in all; spread over the shards */
    /* Fills in the parameters of the client's next statement; returns how many. */
    uint32_t (*next)(void *context, uint32_t client, uint64_t number, struct map_entry *parameters);
    /* A statement ended with these rows (the first batch; NULL when there was none). */
    void (*result)(void *context, uint32_t client, uint64_t number, const struct batch *batch);
    void *context;
};

struct driver_result {
    uint64_t statements;
    uint64_t conflicts; /* transient errors: not counted as statements */
    double seconds;
    double latency_p50_us, latency_p99_us;
};

/* Exits the process with a message when the database does not start. `preload` (may be NULL) fills each
 * shard's catalog and store by replay before its first turn. */
typedef void driver_preload_fn(void *context, struct shard *shard);
struct driver *driver_start(
    const struct bench_options *options, bool durable, driver_preload_fn *preload, void *context);
void driver_stop(struct driver *driver);
uint32_t driver_shard_count(const struct driver *driver);
const char *driver_directory(const struct driver *driver);

/* Runs one statement on shard 0; exits with the message when it fails. */
void driver_query(struct driver *driver, const char *text);
struct driver_result
driver_measure(struct driver *driver, const struct driver_workload *workload, double seconds);

#endif
