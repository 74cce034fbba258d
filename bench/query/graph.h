/* Loads the generated graph into the database, past the log: (:N {id, v})-[:R]->(:N), id indexed. */
#ifndef BENCH_QUERY_GRAPH_H
#define BENCH_QUERY_GRAPH_H

#include "bench/micro/rmat.h"
#include "bench/query/driver.h"

/* Starts a database that holds the graph. */
struct driver *graph_driver_start(const struct bench_options *options, const struct rmat *graph);

#endif
