#include "bench/micro/rmat.h"

#include <stdlib.h>

#include "base/assert.h"
#include "bench/bench.h"

static uint32_t
edge_bit_pair(uint64_t *random)
{
    uint64_t pick = bench_random(random) % 100;
    return pick < 57 ? 0 : pick < 76 ? 1 : pick < 95 ? 2 : 3;
}

static void
edges_generate(
    uint32_t scale,
    uint64_t edge_count,
    const uint32_t *names,
    uint64_t *random,
    uint32_t *from,
    uint32_t *to)
{
    for (uint64_t e = 0; e < edge_count; e++) {
        uint32_t u = 0, v = 0;
        for (uint32_t bit = 0; bit < scale; bit++) {
            uint32_t pair = edge_bit_pair(random);
            u = u << 1 | pair >> 1;
            v = v << 1 | (pair & 1);
        }
        from[e] = names[u];
        to[e] = names[v];
    }
}

static int
target_compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void
csr_build(struct rmat *graph, const uint32_t *from, const uint32_t *to)
{
    for (uint64_t e = 0; e < graph->edge_count; e++)
        graph->starts[from[e] + 1]++;
    for (uint32_t n = 0; n < graph->node_count; n++)
        graph->starts[n + 1] += graph->starts[n];
    uint64_t *next = malloc(graph->node_count * sizeof(*next));
    assert(next);
    for (uint32_t n = 0; n < graph->node_count; n++)
        next[n] = graph->starts[n];
    for (uint64_t e = 0; e < graph->edge_count; e++)
        graph->targets[next[from[e]]++] = to[e];
    free(next);
    for (uint32_t n = 0; n < graph->node_count; n++)
        qsort(
            graph->targets + graph->starts[n], graph->starts[n + 1] - graph->starts[n],
            sizeof(*graph->targets), target_compare);
}

struct rmat *
rmat_new(uint32_t scale, uint32_t edge_factor, uint64_t seed)
{
    assert(scale >= 1 && scale <= 28);
    struct rmat *graph = calloc(1, sizeof(*graph));
    uint64_t random = seed;
    uint32_t node_count = 1u << scale;
    uint64_t edge_count = (uint64_t)node_count * edge_factor;
    uint32_t *names = calloc(node_count, sizeof(*names));
    uint32_t *from = calloc(edge_count, sizeof(*from)), *to = calloc(edge_count, sizeof(*to));
    if (!graph || !names || !from || !to)
        goto fail;
    *graph = (struct rmat){.node_count = node_count, .edge_count = edge_count};
    graph->starts = calloc(node_count + 1, sizeof(*graph->starts));
    graph->targets = malloc(edge_count * sizeof(*graph->targets));
    graph->values = malloc(node_count * sizeof(*graph->values));
    if (!graph->starts || !graph->targets || !graph->values)
        goto fail;
    for (uint32_t n = 0; n < node_count; n++)
        names[n] = n;
    for (uint32_t n = node_count - 1; n > 0; n--) {
        uint32_t other = (uint32_t)(bench_random(&random) % (n + 1));
        uint32_t swap = names[n];
        names[n] = names[other];
        names[other] = swap;
    }
    edges_generate(scale, edge_count, names, &random, from, to);
    csr_build(graph, from, to);
    for (uint32_t n = 0; n < node_count; n++)
        graph->values[n] = (int64_t)(bench_random(&random) % 1000);
    free(names);
    free(from);
    free(to);
    return graph;
fail:
    free(names);
    free(from);
    free(to);
    rmat_delete(graph);
    return NULL;
}

void
rmat_delete(struct rmat *graph)
{
    if (!graph)
        return;
    free(graph->starts);
    free(graph->targets);
    free(graph->values);
    free(graph);
}

static uint64_t
count_last_hop(const struct rmat *graph, uint32_t node, int64_t threshold)
{
    uint64_t found = 0;
    for (uint64_t e = graph->starts[node]; e < graph->starts[node + 1]; e++)
        found += graph->values[graph->targets[e]] < threshold;
    return found;
}

uint64_t
rmat_count(
    const struct rmat *graph, uint32_t start, uint32_t hops, int64_t threshold, uint64_t *edges)
{
    assert(hops >= 1 && hops <= 8);
    *edges += graph->starts[start + 1] - graph->starts[start];
    if (hops == 1)
        return count_last_hop(graph, start, threshold);
    uint64_t found = 0;
    for (uint64_t e = graph->starts[start]; e < graph->starts[start + 1]; e++)
        found += rmat_count(graph, graph->targets[e], hops - 1, threshold, edges);
    return found;
}
