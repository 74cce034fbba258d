/* Durable commits: one client's beside the device's one-at-a-time durable writes; many clients' relationship
 * creations beside the device at 16 writes in flight. Each transaction is one statement at sync full. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "bench/micro/device.h"
#include "bench/query/driver.h"

enum { NODE_COUNT = 20000 };

static uint32_t
create_next(void *context, uint32_t client, uint64_t number, struct map_entry *parameters)
{
    (void)context;
    parameters[0] = (struct map_entry){
        TEXT("k"), value_integer((int64_t)(client * UINT64_C(1000000000) + number))};
    return 1;
}

static uint32_t
relate_next(void *context, uint32_t client, uint64_t number, struct map_entry *parameters)
{
    (void)context;
    uint64_t state = client * UINT64_C(1000003) + number * 7919;
    parameters[0] = (struct map_entry){
        TEXT("a"), value_integer((int64_t)(bench_random(&state) % NODE_COUNT))};
    parameters[1] = (struct map_entry){
        TEXT("b"), value_integer((int64_t)(bench_random(&state) % NODE_COUNT))};
    return 2;
}

static bool
device_measure(const char *directory, uint32_t in_flight, double seconds, double *rate)
{
    *rate = device_durable_writes(directory, in_flight, seconds);
    if (*rate < 0)
        fprintf(
            stderr, "quiver-bench: the device's rate could not be measured (errno %.0f)\n", -*rate);
    return *rate > 0;
}

static int
figure_run(
    const struct bench_options *options,
    struct driver *driver,
    uint32_t clients,
    bool relationships)
{
    uint32_t in_flight = relationships ? 16 : 1;
    struct bench_row row = {.shard_count = options->shard_count, .unit = "commits/s"};
    snprintf(
        row.name, sizeof(row.name), "%s, %u client%s",
        relationships ? "create relationship" : "create node", clients, clients > 1 ? "s" : "");
    snprintf(row.limit_name, sizeof(row.limit_name), "durable writes, %u in flight", in_flight);
    struct driver_workload workload = {
        .client_count = clients,
        .text = relationships ? "MATCH (a:N {id: $a}), (b:N {id: $b}) CREATE (a)-[:R]->(b)"
                              : "CREATE (:C {k: $k})",
        .next = relationships ? relate_next : create_next};
    driver_measure(driver, &workload, options->seconds / 4);
    for (uint32_t i = 0; i < options->repeat_count; i++) {
        double limit;
        if (!device_measure(driver_directory(driver), in_flight, options->seconds, &limit))
            return 1;
        struct driver_result result = driver_measure(driver, &workload, options->seconds);
        bench_row_add(&row, (double)result.statements / result.seconds, limit);
    }
    bench_row_print(options, &row);
    return 0;
}

int
bench_commit(const struct bench_options *options)
{
    struct driver *driver = driver_start(options, true, NULL, NULL);
    char text[128];
    snprintf(text, sizeof(text), "UNWIND range(0, %d) AS i CREATE (:N {id: i})", NODE_COUNT - 1);
    driver_query(driver, text);
    driver_query(driver, "CREATE INDEX FOR (n:N) ON (n.id)");
    static const uint32_t counts[] = {1, 16, 256};
    int result = 0;
    for (int relationships = 0; relationships <= 1 && !result; relationships++)
        for (size_t i = 0; i < sizeof(counts) / sizeof(*counts) && !result; i++)
            if (!options->clients || options->clients == counts[i])
                result = figure_run(options, driver, counts[i], relationships);
    driver_stop(driver);
    return result;
}
