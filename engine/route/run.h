/* The home side of a traversal run (exchange.h has the picture).
 *
 *      run_create -> feed ... -> pull: rows ... -> drained -> feed more, or finish -> gathered -> close
 *
 * Used by the operator TRAVERSE and by whatever asks other shards about entities (entity.c,
 * shortest path, DETACH DELETE). All calls are made by the query that owns the execution.
 *
 * The run is drained when nothing of what was fed is on its way any more. With S[i] and R[i] the messages
 * sent to and received by segment i over all shards, as last reported: the home knows its own counters,
 * so S[1] is final once the home is idle; when R[1] = S[1] every shard's report of R[1] is final, and it was
 * made idle, so S[2] is final; and so on to the exit. VAR_EXPAND sends to its own segment, which breaks
 * the induction; there, when all sums agree, the home asks everybody again (RUN_PROBE), and the run is
 * drained when the messages sent, as answered after, equal those received, as reported before (Mattern's
 * four counters). */
#ifndef ENGINE_ROUTE_RUN_H
#define ENGINE_ROUTE_RUN_H

#include "engine/route/exchange.h"
#include "engine/run/operator.h"

struct run;

/* A run over a shape that lives in the execution's arena (or longer). */
err_t run_create(
    struct execution *execution, const struct shape *shape, uint64_t top_limit, struct run **out);
/* True when the input that was fed is used up here, so that more may be fed. */
bool run_wants_input(const struct run *run);
/* Rows by traversal->input_slots; `tags` when the shape is tagged. Values must live until the run wants
 * input again. Only when it wants input. */
err_t run_feed(struct run *run, const struct batch *input, const uint64_t *tags);
/* Says that no input comes for now: sends what waits in half-filled messages. */
void run_flush(struct run *run);
/* BATCH: rows by slot, lent until the next call. END: drained. WAIT, AGAIN, FAILED as operators. */
enum pull run_pull(struct run *run, const struct batch **rows);
/* Gathering shapes, when drained: collects what the shards gathered. Then run_pull says END once it is
 * all there, and the groups or the sorter are whole. */
void run_finish(struct run *run);
struct grouping *run_grouping(struct run *run);
struct sorter *run_sorter(struct run *run);
/* The run's view is still what a new run would get. */
bool run_is_current(const struct run *run);
/* Ends it, wherever it stands, and frees it when everybody has forgotten it. */
void run_close(struct run *run);
/* Something arrived. */
void run_event(struct run *run);
void run_register(struct shard *shard);

#endif
