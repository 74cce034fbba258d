/* 1-, 2- and 3-hop counts: (a:N {id: $x})-[:R]->()...-[:R]->(z) WHERE z.v < $t RETURN count(*).
 *
 * The predicate on the end nodes keeps degree sums from answering. Every count is compared with the plain
 * CSR's. Engine and CSR alternate; both use as many cores as there are shards. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "bench/query/graph.h"

enum { START_COUNT_MAX = 4096, THRESHOLD = 500, CLIENTS_PER_SHARD = 4 };

struct expand {
    const struct rmat *graph;
    uint32_t hops, start_count;
    uint32_t starts[START_COUNT_MAX];
    uint64_t expected[START_COUNT_MAX], edges[START_COUNT_MAX];
    uint64_t edges_done[SHARD_COUNT_MAX * CLIENTS_PER_SHARD];
    bool wrong;
};

static const char *const texts[] = {
    NULL,
    "MATCH (a:N {id: $x})-[:R]->(z) WHERE z.v < $t RETURN count(*) AS n",
    "MATCH (a:N {id: $x})-[:R]->()-[:R]->(z) WHERE z.v < $t RETURN count(*) AS n",
    "MATCH (a:N {id: $x})-[:R]->()-[:R]->()-[:R]->(z) WHERE z.v < $t RETURN count(*) AS n",
};

static uint32_t
expand_pick(const struct expand *expand, uint32_t client, uint64_t number)
{
    uint64_t state = client * UINT64_C(1000003) + number;
    return (uint32_t)(bench_random(&state) % expand->start_count);
}

static uint32_t
expand_next(void *context, uint32_t client, uint64_t number, struct map_entry *parameters)
{
    struct expand *expand = context;
    uint32_t pick = expand_pick(expand, client, number);
    parameters[0] = (struct map_entry){TEXT("x"), value_integer(expand->starts[pick])};
    parameters[1] = (struct map_entry){TEXT("t"), value_integer(THRESHOLD)};
    return 2;
}

static void
expand_result(void *context, uint32_t client, uint64_t number, const struct batch *batch)
{
    struct expand *expand = context;
    uint32_t pick = expand_pick(expand, client, number);
    struct value count = batch_value(batch, 0, 0);
    if (count.type != VALUE_INTEGER || (uint64_t)count.integer != expand->expected[pick])
        expand->wrong = true;
    expand->edges_done[client] += expand->edges[pick];
}

struct csr_thread {
    const struct expand *expand;
    uint32_t index;
    double seconds;
    uint64_t edges;
    pthread_t thread;
};

static void *
csr_run(void *argument)
{
    struct csr_thread *thread = argument;
    const struct expand *expand = thread->expand;
    uint64_t begin = bench_now_ns(), end = begin + (uint64_t)(thread->seconds * 1e9), sink = 0;
    for (uint64_t number = 0; bench_now_ns() < end; number++) {
        uint32_t pick = expand_pick(expand, thread->index, number);
        sink += rmat_count(
            expand->graph, expand->starts[pick], expand->hops, THRESHOLD, &thread->edges);
    }
    thread->seconds = (double)(bench_now_ns() - begin) / 1e9;
    return sink == UINT64_MAX ? thread : NULL;
}

/* Edges per second and core of the plain loop, on `threads` cores at once. */
static double
csr_measure(const struct expand *expand, uint32_t threads, double seconds)
{
    struct csr_thread work[SHARD_COUNT_MAX];
    for (uint32_t i = 0; i < threads; i++) {
        work[i] = (struct csr_thread){.expand = expand, .index = i, .seconds = seconds};
        int failed = pthread_create(&work[i].thread, NULL, csr_run, &work[i]);
        assert(!failed);
    }
    double rate = 0;
    for (uint32_t i = 0; i < threads; i++) {
        pthread_join(work[i].thread, NULL);
        rate += (double)work[i].edges / work[i].seconds;
    }
    return rate / threads;
}

/* What Cypher counts: trails, in which no relationship comes twice. Slow; before the measurement. */
static uint64_t
trails_count(
    const struct rmat *graph, uint32_t node, uint32_t hops, uint64_t *trail, uint32_t depth)
{
    if (hops == 0)
        return graph->values[node] < THRESHOLD;
    uint64_t found = 0;
    for (uint64_t e = graph->starts[node]; e < graph->starts[node + 1]; e++) {
        bool used = false;
        for (uint32_t i = 0; i < depth; i++)
            used |= trail[i] == e;
        trail[depth] = e;
        if (!used)
            found += trails_count(graph, graph->targets[e], hops - 1, trail, depth + 1);
    }
    return found;
}

static void
starts_choose(struct expand *expand, uint64_t seed)
{
    uint64_t state = seed;
    expand->start_count = expand->hops == 3 ? 64 : expand->hops == 2 ? 1024 : START_COUNT_MAX;
    for (uint32_t i = 0; i < expand->start_count; i++) {
        do
            expand->starts[i] = (uint32_t)(bench_random(&state) % expand->graph->node_count);
        while (expand->graph->starts[expand->starts[i]] ==
               expand->graph->starts[expand->starts[i] + 1]);
        expand->edges[i] = 0;
        rmat_count(expand->graph, expand->starts[i], expand->hops, THRESHOLD, &expand->edges[i]);
        uint64_t trail[8];
        expand->expected[i] = trails_count(
            expand->graph, expand->starts[i], expand->hops, trail, 0);
    }
}

static double
engine_measure(struct driver *driver, struct expand *expand, double seconds)
{
    memset(expand->edges_done, 0, sizeof(expand->edges_done));
    struct driver_workload workload = {
        .text = texts[expand->hops],
        .client_count = driver_shard_count(driver) * CLIENTS_PER_SHARD,
        .next = expand_next,
        .result = expand_result,
        .context = expand};
    struct driver_result result = driver_measure(driver, &workload, seconds);
    uint64_t edges = 0;
    for (uint32_t i = 0; i < workload.client_count; i++)
        edges += expand->edges_done[i];
    return (double)edges / result.seconds / driver_shard_count(driver);
}

int
bench_expand(const struct bench_options *options)
{
    struct rmat *graph = rmat_new(options->scale, options->edge_factor, options->seed);
    struct expand *expand = calloc(1, sizeof(*expand));
    assert(graph && expand);
    struct driver *driver = graph_driver_start(options, graph);
    bool wrong = false;
    for (uint32_t hops = 1; hops <= 3; hops++) {
        *expand = (struct expand){.graph = graph, .hops = hops};
        starts_choose(expand, options->seed + hops);
        struct bench_row row = {
            .shard_count = options->shard_count,
            .per_core = true,
            .unit = "edges/s/core",
            .limit_name = "plain CSR"};
        snprintf(
            row.name, sizeof(row.name), "expand %u-hop, scale %u x %u", hops, options->scale,
            options->edge_factor);
        engine_measure(driver, expand, options->seconds / 4); /* plan, warm caches */
        for (uint32_t i = 0; i < options->repeat_count; i++) {
            double limit = csr_measure(expand, options->shard_count, options->seconds);
            bench_row_add(&row, engine_measure(driver, expand, options->seconds), limit);
        }
        bench_row_print(options, &row);
        wrong |= expand->wrong;
    }
    driver_stop(driver);
    if (wrong)
        fprintf(stderr, "quiver-bench: the engine's count differs from the plain CSR's\n");
    rmat_delete(graph);
    free(expand);
    return wrong;
}
