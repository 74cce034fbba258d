/* A stand-in for the engine behind engine/route/query.h, for tests of the network side alone. A program
 * that calls fake_engine_create links this instead of the engine.
 *
 *      ROWS n         column n: 0 .. n-1
 *      TEXTS n size   column t: n strings of `size` bytes
 *      PARAMETERS     column p: one row, the map of parameters
 *      EMPTY          column x, no rows
 *      WRITE          no columns; one node created; ACCESS_MODE when read-only
 *      ERROR          fails instead of giving columns, with a position
 *      FAIL n         column n: n rows, then a conflict
 *      HANG           never gives columns
 *      HANG_PULL      column x; a pull never ends
 *
 * It asserts what the contract says and more: nothing is called inside an event, every query is freed once,
 * no transaction is left behind (fake_engine_destroy). */
#ifndef TESTS_FAKE_ENGINE_H
#define TESTS_FAKE_ENGINE_H

#include "engine/route/query.h"

struct fake_engine {
    struct shard *shard;
    uint32_t query_count;       /* not freed yet */
    uint32_t transaction_count; /* open */
    uint32_t committed_count, rolled_back_count, autocommit_count, cancelled_count;
    uint64_t clock; /* the newest bookmark */
    uint64_t bookmark_asked;
    uint64_t timeout_asked_ns;
    bool read_only_asked;
    bool is_inside_event;
    uint32_t rows_made_count;
};

err_t fake_engine_create(struct shard *shard);
void fake_engine_destroy(struct shard *shard);

#endif
