/* Point look-ups by indexed key, MATCH (n:N {id: $x}) RETURN n.v, beside a plain open-addressing hash table
 * and a property array in C. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"
#include "bench/query/graph.h"

enum { CLIENTS_PER_SHARD = 16 };

struct lookup {
    const struct rmat *graph;
    uint64_t mask;
    uint32_t *slots; /* vertex + 1 */
    bool wrong[SHARD_COUNT_MAX * CLIENTS_PER_SHARD];
};

static uint32_t
lookup_key(const struct lookup *lookup, uint32_t client, uint64_t number)
{
    uint64_t state = client * UINT64_C(1000003) + number * 31;
    return (uint32_t)(bench_random(&state) % lookup->graph->node_count);
}

static uint32_t
lookup_next(void *context, uint32_t client, uint64_t number, struct map_entry *parameters)
{
    parameters[0] = (struct map_entry){
        TEXT("x"), value_integer(lookup_key(context, client, number))};
    return 1;
}

static void
lookup_result(void *context, uint32_t client, uint64_t number, const struct batch *batch)
{
    struct lookup *lookup = context;
    struct value value = batch_value(batch, 0, 0);
    if (batch->row_count != 1 || value.type != VALUE_INTEGER ||
        value.integer != lookup->graph->values[lookup_key(lookup, client, number)])
        lookup->wrong[client] = true;
}

static void
table_build(struct lookup *lookup)
{
    uint64_t count = 1;
    while (count < (uint64_t)lookup->graph->node_count * 2)
        count *= 2;
    lookup->mask = count - 1;
    lookup->slots = calloc(count, sizeof(*lookup->slots));
    assert(lookup->slots);
    for (uint32_t v = 0; v < lookup->graph->node_count; v++) {
        uint64_t at = hash_word(v) & lookup->mask;
        while (lookup->slots[at])
            at = (at + 1) & lookup->mask;
        lookup->slots[at] = v + 1;
    }
}

static double
table_measure(const struct lookup *lookup, double seconds)
{
    uint64_t begin = bench_now_ns(), end = begin + (uint64_t)(seconds * 1e9), count = 0;
    int64_t sum = 0;
    while (bench_now_ns() < end) {
        for (int i = 0; i < 1000; i++, count++) {
            uint32_t key = lookup_key(lookup, 1, count);
            uint64_t at = hash_word(key) & lookup->mask;
            while (lookup->slots[at] != key + 1)
                at = (at + 1) & lookup->mask;
            sum += lookup->graph->values[lookup->slots[at] - 1];
        }
    }
    double rate = (double)count * 1e9 / (double)(bench_now_ns() - begin);
    return sum == INT64_MIN ? 0 : rate;
}

int
bench_lookup(const struct bench_options *options)
{
    struct lookup *lookup = calloc(1, sizeof(*lookup));
    assert(lookup);
    struct rmat *graph = rmat_new(options->scale, 1, options->seed);
    assert(graph);
    lookup->graph = graph;
    table_build(lookup);
    struct driver *driver = graph_driver_start(options, graph);
    struct driver_workload workload = {
        .text = "MATCH (n:N {id: $x}) RETURN n.v AS v",
        .client_count = options->shard_count * CLIENTS_PER_SHARD,
        .next = lookup_next,
        .result = lookup_result,
        .context = lookup};
    struct bench_row row = {
        .shard_count = options->shard_count,
        .per_core = true,
        .name = "look-up by indexed key",
        .unit = "look-ups/s/core",
        .limit_name = "plain hash table"};
    driver_measure(driver, &workload, options->seconds / 4);
    for (uint32_t i = 0; i < options->repeat_count; i++) {
        double limit = table_measure(lookup, options->seconds / 2);
        struct driver_result result = driver_measure(driver, &workload, options->seconds);
        bench_row_add(
            &row, (double)result.statements / result.seconds / options->shard_count, limit);
    }
    bench_row_print(options, &row);
    int wrong = 0;
    for (uint32_t i = 0; i < workload.client_count; i++)
        wrong |= lookup->wrong[i];
    if (wrong)
        fprintf(stderr, "quiver-bench: a look-up gave a wrong value\n");
    driver_stop(driver);
    rmat_delete(graph);
    free(lookup->slots);
    free(lookup);
    return wrong;
}
