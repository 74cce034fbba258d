/* A generated graph as a plain CSR: the traversal limit, and what the engine is loaded with.
 *
 * R-MAT (Chakrabarti, Zhan, Faloutsos 2004) with a, b, c = 0.57, 0.19, 0.19, node names permuted so that
 * degree says nothing about the id. Directed; parallel edges and self-loops are kept. */
#ifndef BENCH_MICRO_RMAT_H
#define BENCH_MICRO_RMAT_H

#include <stdint.h>

struct rmat {
    uint32_t node_count;
    uint64_t edge_count;
    uint64_t *starts;  /* node_count + 1 */
    uint32_t *targets; /* sorted within a node */
    int64_t *values;   /* the property of each node, 0 .. 999 */
};

/* NULL when there is no memory. */
struct rmat *rmat_new(uint32_t scale, uint32_t edge_factor, uint64_t seed);
void rmat_delete(struct rmat *graph);

/* Walks all paths of `hops` relationships from `start`; returns how many end in a node with a value below
 * `threshold`, and adds the relationships touched to *edges. The plain loop any C programmer would write. */
uint64_t rmat_count(
    const struct rmat *graph, uint32_t start, uint32_t hops, int64_t threshold, uint64_t *edges);

#endif
