/* A shard: one core and what it owns. The pointer is passed everywhere; there is no global and no
 * thread-local state.
 *
 * The loop, one turn:
 *
 *      shard_step   1 drain mail by class  ->  2 run `done` of completed I/O  ->  3 expire timers
 *                   ->  4 run ready tasks by class, within a time slice  ->  5 hooks, then send blocks
 *      shard_wait   6 one submit, collect completions; with nothing left to do, sleep
 *
 * Who turns it decides between spinning and sleeping: boot/runtime.c on a thread of its own, the
 * simulator by its virtual clock.
 *
 * A task is a resumable unit of work, never a stack: it does at most a slice, then returns. Tasks of a
 * lower class number run first. */
#ifndef SHARDS_CORE_SHARD_H
#define SHARDS_CORE_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/list.h"
#include "shards/core/seam.h"

struct mailbox;
struct store;
struct txn_manager;
struct wal;
struct catalog;

enum task_class {
    TASK_COMMIT,     /* commit protocol, WAL */
    TASK_POINT,      /* sessions, look-ups, write requests */
    TASK_EXCHANGE,   /* traversal stages; deepest first inside the class, by `priority` */
    TASK_SCAN,       /* scans */
    TASK_BACKGROUND, /* version collection, index population, statistics */
    TASK_CLASS_COUNT
};

enum task_result {
    TASK_DONE, /* nothing to do until task_ready is called again; the loop does not touch the task any more */
    TASK_AGAIN, /* slice used up: run me again after others had their turn */
};

struct task {
    struct list_link link;
    enum task_result (*run)(struct task *task);
    uint8_t class;
    bool ready;        /* in a run queue */
    uint32_t priority; /* TASK_EXCHANGE: higher runs first; those above 31 count as 31 */
};

/* A pairing heap runs through the timers themselves, so arming one cannot fail (core/timer.c). Zeroed is
 * a valid, unarmed timer. */
struct timer {
    uint64_t deadline_ns; /* monotonic */
    uint64_t sequence;    /* equal deadlines expire in the order they were started */
    struct timer *child, *next, *previous;
    void (*expired)(struct timer *timer);
    bool armed;
};

/* Counters anyone may read; written by the owner only, with relaxed atomic stores. */
struct shard_metrics {
    _Alignas(128) uint64_t turns, tasks_run, mail_blocks_sent, mail_blocks_received,
        mail_messages_received;
    uint64_t sleeps, doorbells_rung, stalls, stall_ns_max, wal_frames, wal_bytes, commits, aborts,
        conflicts;
    uint64_t rows_expanded, queries;
};

/* How the owner changes a counter, and how anybody reads one. */
static inline void
metric_add(uint64_t *counter, uint64_t amount)
{
    __atomic_store_n(
        counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + amount, __ATOMIC_RELAXED);
}

static inline uint64_t
metric_read(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* What a shard is: other folders keep their per-shard state behind these pointers. `engine` and `net`
 * belong to the layers above, which set them and which shards/ never looks into. */
struct shard {
    uint32_t index;
    uint32_t count;
    uint64_t now_ns; /* the clock as it stood early in this turn: shard_now_ns() */
    uint64_t
        work_count; /* messages, completions, timers and tasks so far: unchanged by an idle turn */
    struct seam *seam;
    struct mailbox *mailbox;
    struct catalog *catalog;
    struct store *store;
    struct txn_manager *txns;
    struct wal *wal;
    void *engine;
    void *net;
    struct shard_loop *loop; /* run queues, timers: core/loop.c */
    struct shard_metrics metrics;
};

/* Called at the end of step 5 of each turn (WAL flush, `stable`), in order of registration. At most 8. */
typedef void shard_hook_fn(struct shard *shard, void *argument);
err_t shard_hook_add(struct shard *shard, shard_hook_fn *hook, void *argument);

/* `seam` outlives the shard. Creates loop and mailbox; the other parts are created by the program. */
err_t shard_create(struct shard *shard, struct seam *seam);
void shard_destroy(struct shard *shard);
/* One turn. Returns the nanoseconds it may sleep: 0 = there is more work now; UINT64_MAX = until woken. */
uint64_t shard_step(struct shard *shard);
/* Submits and collects completions; sleeps up to `wait_ns` (no longer than shard_step allowed). */
void shard_wait(struct shard *shard, uint64_t wait_ns);

/* What runs on the shards: handed to the runtime (boot/runtime.h) or the simulator (core/seam_sim.h) by
 * the layers above. Each is called on the shard's own thread.
 *
 *      every shard created  ->  start on each  ->  turns ... drain on each, until all said true  ->  finish
 *
 * No shard takes a turn before `start` has returned on all of them, so a handler registered in `start`
 * is there before the first message. */
struct shard_program {
    void *context;
    err_t (*start)(struct shard *shard, void *context);
    /* Asked once per turn after a stop was requested, until it says true: nothing more will begin here.
     * The shard keeps turning, and answers mail, until all have said so. NULL = at once. */
    bool (*drain)(struct shard *shard, void *context);
    /* Gives back what `start` made (also after `start` failed). NULL = nothing to do. */
    void (*finish)(struct shard *shard, void *context);
};

void
task_init(struct task *task, enum task_class class, enum task_result (*run)(struct task *task));
/* Puts the task in its run queue unless it is there already. */
void task_ready(struct shard *shard, struct task *task);
/* Takes it out of the run queue; it may be freed after this. From inside its own run: only if that run
 * then returns TASK_DONE. */
void task_cancel(struct shard *shard, struct task *task);
/* True when the running task has used its slice and should return TASK_AGAIN. One clock read per call:
 * ask once per batch, not once per row. */
bool task_slice_is_over(struct shard *shard);

/* Arms the timer, or moves it when it is armed. `expired` runs in step 3 and may start it again. */
void timer_start(
    struct shard *shard,
    struct timer *timer,
    uint64_t delay_ns,
    void (*expired)(struct timer *timer));
void timer_stop(struct shard *shard, struct timer *timer);

/* While the count is above zero the shard spins a little before it sleeps: a query or commit is out. */
void shard_outstanding_add(struct shard *shard, int32_t delta);
uint32_t shard_outstanding_count(const struct shard *shard);

static inline struct memory *
shard_memory(struct shard *shard)
{
    return &shard->seam->memory;
}

/* Cached per turn: free. seam_now_ns reads the clock. */
static inline uint64_t
shard_now_ns(const struct shard *shard)
{
    return shard->now_ns;
}

/* Which shard owns a partition, and thereby a node or relationship. The map is the same on every
 * shard; partitions are dealt out evenly: partition p belongs to shard p mod count. */
static inline uint32_t
partition_of(uint64_t id)
{
    return (uint32_t)(id & (PARTITION_COUNT - 1));
}

static inline uint32_t
partition_owner(const struct shard *shard, uint32_t partition)
{
    return partition % shard->count;
}

static inline uint32_t
id_owner(const struct shard *shard, uint64_t id)
{
    return partition_owner(shard, partition_of(id));
}

#endif
