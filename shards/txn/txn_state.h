/* What the files of this folder share: the manager of a shard, the transactions it coordinates (struct txn)
 * and the parts of transactions that touch its data (struct part).
 *
 *      manager.c       begin, snapshots, the task, timers, stable, collection
 *      coordinator.c   the home shard's side: write, commit, abort
 *      owner.c         the data's side: apply, log, stamp, wait
 */
#ifndef SHARDS_TXN_TXN_STATE_H
#define SHARDS_TXN_TXN_STATE_H

#include "shards/mail/mail.h"
#include "shards/txn/commit.h"
#include "shards/txn/message.h"
#include "shards/txn/txn.h"
#include "shards/wal/wal.h"

enum {
    TXN_TABLE_COUNT = 4096,
    TXN_OWED_MAX = 4096,
    TXN_STREAM_LIMIT_SIZE = 64 << 10, /* waiting for one owner before the batch is read on */
};
#define TXN_INTENT_WAIT_NS                                                                         \
    UINT64_C(5000000) /* an older transaction waits for a younger one's intent */
#define TXN_SPACE_WAIT_NS                                                                          \
    UINT64_C(5000000000) /* a write waits for log space that is being prepared */
#define TXN_BOOKMARK_WAIT_NS UINT64_C(10000000000)
#define TXN_TICK_NS UINT64_C(1000000)

/* A hash table with chains through the elements; the key is the txid. */
struct txn_link {
    struct txn_link *next;
    uint64_t txid;
};
struct txn_table {
    struct txn_link *buckets[TXN_TABLE_COUNT];
    uint32_t count;
};
void txn_table_insert(struct txn_table *table, struct txn_link *link);
void txn_table_remove(struct txn_table *table, struct txn_link *link);
struct txn_link *txn_table_lookup(const struct txn_table *table, uint64_t txid);

/* Bytes that grow. */
struct byte_buffer {
    uint8_t *bytes;
    size_t size, capacity;
};
/* Room for `size` more bytes at the end, which count from now on; NULL when there is no memory. */
uint8_t *byte_buffer_extend(struct byte_buffer *buffer, struct memory *memory, size_t size);
void byte_buffer_destroy(struct byte_buffer *buffer, struct memory *memory);

/* A transaction on its home shard.
 *
 *                       +------------ txn_write --------+
 *                       v                               |
 *      WAITING --> ACTIVE --> COMMITTING --> DECIDED --> ENDED
 *         |         |  ^ |        (all owners reported)   ^
 *         |         |  | +---- nothing was written -------+
 *         |         v  |                                  |
 *         |       WRITING                                 |
 *         +-----> ABORTING -------------------------------+  */
enum txn_phase {
    TXN_WAITING,
    TXN_ACTIVE,
    TXN_WRITING,
    TXN_COMMITTING,
    TXN_DECIDED,
    TXN_ABORTING,
    TXN_ENDED,
    TXN_PHASE_COUNT
};

/* Items on their way to one owner. The home shard has one too: items that had to wait. */
struct stream {
    struct byte_buffer items;
    size_t sent_size;
    uint32_t outstanding_count; /* messages */
};

struct txn {
    struct txn_link link;
    struct txn_manager *manager;
    struct list_link active_link; /* manager.active, while it holds a snapshot */
    struct list_link ready_link;  /* manager.ready */
    struct list_link order_link;  /* manager.bookmarks, undecided or decided */
    struct list_link stall_link;  /* manager.stalled */
    uint64_t snapshot, timestamp, bookmark, deadline_ns;
    uint8_t phase;
    bool read_only;
    bool abort_wanted; /* while a write is under way */
    err_t err;         /* doomed: why */

    uint64_t participants, logging; /* shards that got operations; those that log */
    uint64_t pending, unsent;       /* of COMMIT or ABORT: not answered, not sent yet */

    struct txn_write *write;
    uint32_t cursor;
    bool deleting; /* the second pass: NODE_DELETE */
    bool has_deletes;
    uint32_t outstanding_count;
    struct stream *streams; /* one per shard; NULL until something is not at home */
    struct part *part;      /* the home shard's own part */

    void (*ready)(void *context, err_t err);
    txn_done_fn *done;
    void *context;
};

enum part_phase { PART_OPEN, PART_COMMIT_WAITING, PART_LOGGED };

/* One transaction's intents on this shard. */
struct part {
    struct txn_link link;
    struct txn_manager *manager;
    struct list_link wait_link; /* manager.blocked, retry or commit_waiting */
    uint64_t snapshot;
    uint8_t phase;
    bool blocked, expired;
    struct txn *local;                   /* the coordinator's transaction when this is its home */
    struct list_link writes;             /* owner_write, not answered yet, in order */
    struct byte_buffer redo;             /* operations not yet in the log */
    uint64_t part_size;                  /* bytes that went ahead in TRANSACTION_PART records */
    uint64_t reserved_size;              /* in the log */
    uint64_t blocking_txid, deadline_ns; /* 0 = not waiting for anything */
    uint64_t timestamp, participants;
    struct wal_waiter waiter;
};

/* A small reply that found no memory. */
struct owed {
    uint64_t txid;
    err_t err;
    uint16_t type;
};

struct txn_manager {
    struct shard *shard;
    struct commit_words *words;
    struct txn_table txns, parts;
    uint64_t txid_last;
    struct arena arena; /* of one operation being applied */

    struct list_link active;    /* by snapshot */
    struct list_link ready;     /* to be ticked */
    struct list_link bookmarks; /* WAITING */
    struct list_link undecided; /* COMMITTING, by timestamp */
    struct list_link decided;   /* DECIDED, by timestamp */
    struct list_link stalled;   /* found no memory: tried again at the next tick */
    struct list_link blocked, retry, commit_waiting; /* parts */
    bool low_raised, space_came;

    struct owed owed[TXN_OWED_MAX];
    uint32_t owed_first, owed_count;

    struct task task;
    struct timer tick;
    struct task collect_task;
    struct timer collect_timer;
    bool collect_wanted;
    uint64_t collect_horizon;
};

/* manager.c */
void manager_wake(struct txn_manager *manager);
void manager_tick_start(struct txn_manager *manager);
void txn_kick(struct txn *txn);
void txn_move(struct txn *txn, enum txn_phase phase);
/* Leaves all lists, gives back the snapshot, calls `done`, frees. */
void txn_end(struct txn *txn);
void manager_collect_later(struct txn_manager *manager);

/* coordinator.c */
void txn_tick(struct txn *txn);
/* The home shard's part, or a remote owner, has reported. */
void coordinator_reported(struct txn *txn, uint32_t shard);
void coordinator_handlers_set(struct shard *shard);

/* owner.c */
/* What applying one operation caused. `follows` are in the manager's arena. */
struct effects {
    bool has_rel;
    rel_id rel;
    uint32_t follow_count, follow_capacity;
    struct operation *follows; /* for other owners, or for this one when it has to wait */
    struct write_counters counters;
    uint64_t blocking_txid, conflicting_node;
};
enum apply_outcome { APPLY_DONE, APPLY_BLOCKED, APPLY_FAILED };
struct part *part_open(struct txn_manager *manager, uint64_t txid, uint64_t snapshot);
/* BLOCKED: the part is in manager.blocked; it is tried again from the same operation. */
enum apply_outcome part_apply(
    struct part *part, const struct operation *operation, struct effects *effects, err_t *err);
void part_commit(struct part *part, uint64_t timestamp, uint64_t participants);
void part_abort(struct part *part);
void manager_parts_tick(struct txn_manager *manager); /* deadlines, replies owed */
void manager_parts_run(struct txn_manager *manager);  /* retries, commits that waited for the log */
void owner_handlers_set(struct shard *shard);
void write_counters_add(struct write_counters *to, const struct write_counters *from);
bool operation_is_logged(uint8_t type);
static inline uint32_t
operation_owner(const struct shard *shard, const struct operation *operation)
{
    return partition_owner(shard, operation_partition(operation));
}

#endif
