/* A traversal run: many shards pushing rows through the segments of one shape.
 *
 *      home                                  every shard that rows reach
 *      run (run.h) ---- RUN_BATCH -------->  local_run: segments, each with input rows and a queue
 *                  <--- RUN_ROWS ----------      |  ^
 *                  <--- RUN_REPORT --------      +--+ RUN_BATCH to other shards, RUN_CREDIT back
 *                  ---- RUN_FINISH ------->  partial aggregates in RUN_FINISHED, then forgotten
 *
 * The home owns the run_spec; it does not change while anybody knows the run, so messages carry its
 * address and no shard copies it. A shard makes its local_run when the first batch arrives.
 *
 * Invariants
 *  1. Deepest first: a segment takes new input only when every deeper one on this shard has none. So at
 *     most one batch per segment is held, and what its values point at is still there (step.h, 2).
 *  2. A segment works only when the one after it can be sent to: every outlet has credit. Credits flow
 *     back when a block is taken from its queue. Stages are acyclic, so the last one can always go on
 *     (home takes rows as its client does) and by induction so can the others. The loop of VAR_EXPAND
 *     would be a cycle: it takes no credit and is bounded by the query's memory.
 *  3. `sent` and `received` count messages by the segment they are for; a message counts as received
 *     when everything it caused here has been counted as sent. They are reported only when the shard
 *     has nothing left to do, so sums over all shards decide exactly when the run is over (run.c).
 *  4. A cancelled or failed run goes on counting and drops the rows, so 3 holds for it too and no late
 *     block can bring a forgotten run back.
 *
 * Rows in a message: header; for each carried slot that holds nodes, row_count words; for each that
 * holds values, a word with the size in bytes, then encoded values, padded to 8. */
#ifndef ENGINE_ROUTE_EXCHANGE_H
#define ENGINE_ROUTE_EXCHANGE_H

#include "engine/route/engine.h"
#include "engine/route/shape.h"
#include "engine/run/execution.h"
#include "engine/run/group.h"
#include "engine/run/sort.h"
#include "shards/mail/mail.h"

struct run;

/* Read by all shards, written by the home before the first message only. */
struct run_spec {
    uint64_t id;
    uint32_t home;
    const struct shape *shape;
    struct view view;
    const struct value *parameters;
    uint32_t parameter_count, local_count;
    uint64_t statement_wall_ns, transaction_wall_ns;
    uint64_t top_limit;
    uint64_t memory_max; /* bytes, on each shard */
};

/* Rows on their way to one segment of one shard. */
struct outlet {
    uint32_t row_count, room;
    int32_t credit_count; /* messages that may be sent; a batch may overdraw it */
    uint64_t *nodes;      /* room words for each carried slot of nodes */
    struct outlet_bytes {
        uint8_t *bytes;
        size_t size, room;
    } * values; /* for each carried slot of values */
};

/* A message not yet worked on. */
struct arrival {
    struct list_link link;
    struct block *block; /* held; NULL: the bytes follow this structure */
    const struct rows_header *header;
    size_t size; /* of header and rows */
    uint32_t from;
};

struct rows_header {
    const struct run_spec *spec;
    uint32_t segment;
    uint32_t row_count;
};

struct segment {
    const struct segment_shape *shape;
    struct batch rows; /* input; row_count is good while pending */
    bool pending;
    struct step_cursor cursor;
    struct arena arena;      /* what values of `rows` point at */
    struct arrival *held;    /* or at */
    struct list_link queue;  /* arrivals */
    struct outlet *outlets;  /* to this segment on other shards; NULL until one is used */
    uint64_t sent, received; /* messages */
};

enum work { WORK_MORE, WORK_ROWS, WORK_BLOCKED, WORK_IDLE };

struct local_run {
    struct list_link link; /* bucket */
    uint64_t id;
    const struct run_spec *spec;
    struct engine *engine;
    struct shard *shard;
    struct run *home; /* on the home shard */
    struct task task; /* elsewhere */
    struct limited_memory memory;
    struct arena arena; /* this structure's parts */
    struct step_context step;
    uint32_t segment_count;
    struct segment *segments;
    struct batch loop_rows; /* what a loop made, before it is scattered */
    struct arena loop_arena;
    struct grouping grouping;
    struct sorter sorter;
    uint32_t *sorter_slots;
    bool dropping; /* cancelled or failed */
    bool failure_reported;
    bool reported_once;
    bool finishing;
    uint32_t probe, probe_reported; /* answer this probe once idle */
    uint32_t finish_position;       /* groups sent */
    uint32_t finish_home;
    uint64_t finish_rows_sent;
    err_t finish_err;
    uint64_t reported_sum; /* of all counters when last reported */
    struct failure failure;
};

/* Counters by segment, to the home; the failure's message follows them. */
struct report_header {
    const struct run_spec *spec;
    err_t err;
    uint32_t segment_count;
    uint32_t probe;
    int64_t failure_offset;
    uint32_t failure_line, failure_column;
    uint64_t message_size;
    uint64_t counters[]; /* segment_count sent, segment_count received, message */
};

struct finished_header {
    err_t err;
    uint32_t last;
    uint32_t group_count;
    uint64_t size;      /* of the groups that follow */
    uint64_t rows_sent; /* last: messages of best rows */
};

struct credit_message {
    uint64_t segment;
};

/* RUN_FINISH, RUN_CANCEL, RUN_PROBE. */
struct control_message {
    const struct run_spec *spec;
    uint64_t probe;
};

err_t local_run_create(
    struct engine *engine, const struct run_spec *spec, struct run *home, struct local_run **out);
void local_run_destroy(struct local_run *run);
struct local_run *local_run_lookup(struct engine *engine, uint64_t id);
/* One unit of work. WORK_ROWS (home, rows mode): the exit segment has rows; mark them taken when done. */
enum work local_run_work(struct local_run *run);
/* Arrays of the segment's rows for the slots it carries; then fill and set row_count and pending. */
err_t local_run_rows_ensure(struct local_run *run, struct batch *rows, struct slot_list slots);
void local_run_flush(struct local_run *run);
void local_run_fail(struct local_run *run, err_t err);
/* Everything waiting is dropped, and all that comes later. */
void local_run_drop(struct local_run *run);
bool local_run_is_idle(const struct local_run *run);
/* The rows of a segment that arrived. */
void local_run_accept(struct local_run *run, const struct message *message);
void exchange_register(struct shard *shard);

#endif
