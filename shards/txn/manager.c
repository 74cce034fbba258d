/* The transaction manager of a shard: what both sides share, and what happens between the turns.
 *
 *      callers, messages, log --> lists --> one task (TASK_COMMIT), in the same turn --> `done` callbacks
 *
 * Nothing calls the user back from inside a call of the user's. What a log completion or a message decides
 * is put into a list and the task is made ready; it runs in the same turn, computes `stable` once for all of
 * them and answers.
 *
 * Invariants
 *  1. `active` is in the order of the snapshots, and snap[k] is the first one's (commit.c invariant 5).
 *  2. `undecided` is in the order of the timestamps, and low[k] is the first one's.
 *  3. While `decided` or `bookmarks` is not empty at the end of a turn, this shard has said so in its waiting
 *     word and looked at `stable` once more: whoever raises a low after that rings.
 *  4. The tick timer runs only while something has a deadline or found no memory: an idle shard sleeps. */
#include <string.h>

#include "base/hash.h"
#include "shards/txn/txn_state.h"

enum { COLLECT_BUDGET = 256 };
#define COLLECT_DELAY_NS UINT64_C(50000000)
#define COLLECT_HELD_DELAY_NS UINT64_C(1000000000)

static enum task_result manager_run(struct task *task);
static enum task_result collect_run(struct task *task);
static void manager_end_of_turn(struct shard *shard, void *argument);
static void manager_space(void *context);
static uint64_t manager_stable(void *context);

/* --- tables and buffers --- */

static struct txn_link **
table_place(const struct txn_table *table, uint64_t txid)
{
    return (struct txn_link **)(uintptr_t)&table->buckets[hash_word(txid) % TXN_TABLE_COUNT];
}

void
txn_table_insert(struct txn_table *table, struct txn_link *link)
{
    struct txn_link **place = table_place(table, link->txid);
    assert(!txn_table_lookup(table, link->txid));
    link->next = *place;
    *place = link;
    table->count++;
}

void
txn_table_remove(struct txn_table *table, struct txn_link *link)
{
    struct txn_link **place = table_place(table, link->txid);
    while (*place != link) {
        assert(*place);
        place = &(*place)->next;
    }
    *place = link->next;
    table->count--;
}

struct txn_link *
txn_table_lookup(const struct txn_table *table, uint64_t txid)
{
    struct txn_link *link = *table_place(table, txid);
    while (link && link->txid != txid)
        link = link->next;
    return link;
}

uint8_t *
byte_buffer_extend(struct byte_buffer *buffer, struct memory *memory, size_t size)
{
    if (buffer->capacity - buffer->size < size) {
        size_t capacity = buffer->capacity ? buffer->capacity * 2 : 256;
        while (capacity < buffer->size + size)
            capacity *= 2;
        uint8_t *bytes = memory_allocate(memory, capacity);
        if (!bytes)
            return NULL;
        if (buffer->size)
            memcpy(bytes, buffer->bytes, buffer->size);
        memory_release(memory, buffer->bytes, buffer->capacity);
        buffer->bytes = bytes;
        buffer->capacity = capacity;
    }
    buffer->size += size;
    return buffer->bytes + buffer->size - size;
}

void
byte_buffer_destroy(struct byte_buffer *buffer, struct memory *memory)
{
    memory_release(memory, buffer->bytes, buffer->capacity);
    *buffer = (struct byte_buffer){0};
}

/* --- create and destroy --- */

err_t
txn_manager_create(struct shard *shard, struct commit_words *words, struct txn_manager **out)
{
    assert(shard->wal && shard->store);
    struct txn_manager *manager = memory_allocate(shard_memory(shard), sizeof(*manager));
    *out = NULL;
    if (!manager)
        return ERR(MEMORY_POOL);
    memset(manager, 0, sizeof(*manager));
    manager->shard = shard;
    manager->words = words;
    arena_create(&manager->arena, shard_memory(shard), (size_t)PROPERTY_SIZE_MAX * 8);
    list_init(&manager->active);
    list_init(&manager->ready);
    list_init(&manager->bookmarks);
    list_init(&manager->undecided);
    list_init(&manager->decided);
    list_init(&manager->stalled);
    list_init(&manager->blocked);
    list_init(&manager->retry);
    list_init(&manager->commit_waiting);
    task_init(&manager->task, TASK_COMMIT, manager_run);
    task_init(&manager->collect_task, TASK_BACKGROUND, collect_run);
    err_t err = shard_hook_add(shard, manager_end_of_turn, manager);
    if (err) {
        memory_release(shard_memory(shard), manager, sizeof(*manager));
        return err;
    }
    coordinator_handlers_set(shard);
    owner_handlers_set(shard);
    wal_stable_source(shard->wal, manager_stable, manager);
    wal_space_listen(shard->wal, manager_space, manager);
    *out = manager;
    return 0;
}

bool
txn_manager_is_idle(const struct txn_manager *manager)
{
    return manager->txns.count == 0 && manager->parts.count == 0 && manager->owed_count == 0;
}

void
txn_manager_destroy(struct txn_manager *manager)
{
    struct shard *shard = manager->shard;
    assert(txn_manager_is_idle(manager));
    task_cancel(shard, &manager->task);
    task_cancel(shard, &manager->collect_task);
    timer_stop(shard, &manager->tick);
    timer_stop(shard, &manager->collect_timer);
    arena_destroy(&manager->arena);
    memory_release(shard_memory(shard), manager, sizeof(*manager));
}

uint64_t
txn_stable(struct shard *shard)
{
    return commit_stable(shard->txns->words, shard->index);
}

uint64_t
txn_horizon(struct shard *shard)
{
    return commit_horizon(shard->txns->words, shard->index);
}

static uint64_t
manager_stable(void *context)
{
    struct txn_manager *manager = context;
    return commit_stable(manager->words, manager->shard->index);
}

/* --- begin and end --- */

static uint64_t
oldest_snapshot(const struct txn_manager *manager)
{
    if (list_is_empty(&manager->active))
        return UINT64_MAX;
    return list_entry(manager->active.next, struct txn, active_link)->snapshot;
}

static void
txn_take_snapshot(struct txn *txn)
{
    struct txn_manager *manager = txn->manager;
    txn->snapshot = commit_snapshot_take(
        manager->words, manager->shard->index, oldest_snapshot(manager));
    list_push_back(&manager->active, &txn->active_link);
}

static void
txn_give_back_snapshot(struct txn *txn)
{
    struct txn_manager *manager = txn->manager;
    if (list_is_empty(&txn->active_link))
        return;
    bool was_oldest = manager->active.next == &txn->active_link;
    list_remove(&txn->active_link);
    if (was_oldest)
        commit_snapshot_release(manager->words, manager->shard->index, oldest_snapshot(manager));
}

/* Older transactions have smaller ids, near enough for wait-die, which needs no more than one order that
 * all shards agree on. Unique: the home shard is in it. */
static uint64_t
txid_next(struct txn_manager *manager)
{
    uint64_t tick = shard_now_ns(manager->shard);
    manager->txid_last = tick > manager->txid_last ? tick : manager->txid_last + 1;
    return manager->txid_last << TXID_SHARD_BITS | manager->shard->index;
}

err_t
txn_begin(
    struct shard *shard,
    const struct txn_options *options,
    void (*ready)(void *context, err_t err),
    void *context,
    struct txn **out)
{
    struct txn_manager *manager = shard->txns;
    *out = NULL;
    if (manager->txns.count >= TXN_OPEN_COUNT_MAX)
        return ERR(TRANSACTION_LIMIT);
    if (options->bookmark >= commit_timestamp_next(manager->words))
        return ERR(BOOKMARK);
    struct txn *txn = memory_allocate(shard_memory(shard), sizeof(*txn));
    if (!txn)
        return ERR(MEMORY_POOL);
    *txn = (struct txn){
        .link = {.txid = txid_next(manager)},
        .manager = manager,
        .bookmark = options->bookmark,
        .read_only = options->read_only,
        .ready = ready,
        .context = context,
    };
    list_init(&txn->active_link);
    list_init(&txn->ready_link);
    list_init(&txn->order_link);
    list_init(&txn->stall_link);
    txn_table_insert(&manager->txns, &txn->link);
    if (!txn->bookmark || commit_stable(manager->words, shard->index) >= txn->bookmark) {
        txn_take_snapshot(txn);
        txn->phase = TXN_ACTIVE;
        assert(txn->snapshot >= txn->bookmark);
    } else {
        assert(ready);
        txn->phase = TXN_WAITING;
        txn->deadline_ns = shard_now_ns(shard) + TXN_BOOKMARK_WAIT_NS;
        list_push_back(&manager->bookmarks, &txn->order_link);
        manager_tick_start(manager);
    }
    *out = txn;
    return 0;
}

bool
txn_is_ready(const struct txn *txn)
{
    return txn->phase != TXN_WAITING;
}

struct view
txn_view(const struct txn *txn)
{
    assert(txn->phase != TXN_WAITING);
    return (struct view){.snapshot = txn->snapshot, .txid = txn->link.txid};
}

bool
txn_has_writes(const struct txn *txn)
{
    return txn->participants != 0;
}

void
txn_move(struct txn *txn, enum txn_phase phase)
{
#define TO(name) (1u << TXN_##name)
    static const unsigned moves[TXN_PHASE_COUNT] = {
        [TXN_WAITING] = TO(ACTIVE) | TO(ABORTING),
        [TXN_ACTIVE] = TO(WRITING) | TO(COMMITTING) | TO(ABORTING) | TO(ENDED),
        [TXN_WRITING] = TO(ACTIVE),
        [TXN_COMMITTING] = TO(DECIDED),
        [TXN_DECIDED] = TO(ENDED),
        [TXN_ABORTING] = TO(ENDED),
    };
#undef TO
    assert(moves[txn->phase] >> phase & 1);
    txn->phase = (uint8_t)phase;
}

void
txn_end(struct txn *txn)
{
    struct txn_manager *manager = txn->manager;
    struct memory *memory = shard_memory(manager->shard);
    txn_done_fn *done = txn->done;
    void *context = txn->context;
    uint64_t timestamp = txn->timestamp;
    err_t err = txn->err;
    assert(txn->phase == TXN_ENDED && !txn->part && txn->outstanding_count == 0);
    txn_give_back_snapshot(txn);
    list_remove(&txn->ready_link);
    list_remove(&txn->order_link);
    list_remove(&txn->stall_link);
    txn_table_remove(&manager->txns, &txn->link);
    for (uint32_t i = 0; txn->streams && i < manager->shard->count; i++)
        byte_buffer_destroy(&txn->streams[i].items, memory);
    memory_release(memory, txn->streams, manager->shard->count * sizeof(*txn->streams));
    memory_release(memory, txn, sizeof(*txn));
    if (done)
        done(context, err, timestamp);
}

/* --- the task --- */

void
manager_wake(struct txn_manager *manager)
{
    task_ready(manager->shard, &manager->task);
}

void
txn_kick(struct txn *txn)
{
    if (list_is_empty(&txn->ready_link))
        list_push_back(&txn->manager->ready, &txn->ready_link);
    manager_wake(txn->manager);
}

/* Those whose timestamp is stable are answered; low is raised before by who decided them. */
static void
manager_answer(struct txn_manager *manager)
{
    if (list_is_empty(&manager->decided))
        return;
    bool early = commit_defect(manager->words) == COMMIT_DEFECT_ANSWER_EARLY;
    uint64_t stable = commit_stable(manager->words, manager->shard->index);
    while (!list_is_empty(&manager->decided)) {
        struct txn *txn = list_entry(manager->decided.next, struct txn, order_link);
        if (txn->timestamp > stable && !early)
            return;
        metric_add(&manager->shard->metrics.commits, 1);
        shard_outstanding_add(manager->shard, -1);
        txn_move(txn, TXN_ENDED);
        txn_end(txn);
    }
}

static void
manager_bookmarks(struct txn_manager *manager)
{
    uint64_t stable = 0;
    if (!list_is_empty(&manager->bookmarks))
        stable = commit_stable(manager->words, manager->shard->index);
    for (struct list_link *link = manager->bookmarks.next, *next; link != &manager->bookmarks;
         link = next) {
        struct txn *txn = list_entry(link, struct txn, order_link);
        next = link->next;
        bool late = shard_now_ns(manager->shard) >= txn->deadline_ns;
        if (stable < txn->bookmark && !late)
            continue;
        list_remove(&txn->order_link);
        txn->err = stable < txn->bookmark ? ERR(BOOKMARK_TIMEOUT) : 0;
        txn_move(txn, TXN_ACTIVE);
        txn_take_snapshot(txn);
        txn->ready(txn->context, txn->err);
        /* `ready` may have begun or ended anything; start over rather than trust `next`. */
        next = manager->bookmarks.next;
    }
}

/* Others sleep until a low is raised; this shard raised its own. */
static void
manager_ring(struct txn_manager *manager)
{
    if (!manager->low_raised)
        return;
    manager->low_raised = false;
    for (uint32_t other = 0; other < manager->shard->count; other++)
        if (other != manager->shard->index && commit_is_waiting(manager->words, other))
            manager->shard->seam->ops->doorbell(manager->shard->seam, other);
}

static enum task_result
manager_run(struct task *task)
{
    struct txn_manager *manager = list_entry(task, struct txn_manager, task);
    manager_parts_run(manager);
    manager_answer(manager);
    manager_bookmarks(manager);
    while (!list_is_empty(&manager->ready)) {
        struct txn *txn = list_entry(manager->ready.next, struct txn, ready_link);
        list_remove(&txn->ready_link);
        txn_tick(txn);
        if (task_slice_is_over(manager->shard))
            break;
    }
    manager_answer(manager);
    manager_ring(manager);
    return list_is_empty(&manager->ready) && list_is_empty(&manager->retry) ? TASK_DONE
                                                                            : TASK_AGAIN;
}

/* Invariant 3. */
static void
manager_end_of_turn(struct shard *shard, void *argument)
{
    struct txn_manager *manager = argument;
    uint64_t wanted = UINT64_MAX;
    assert(manager->shard == shard);
    if (!list_is_empty(&manager->decided))
        wanted = list_entry(manager->decided.next, struct txn, order_link)->timestamp;
    list_for_each (link, &manager->bookmarks) {
        uint64_t bookmark = list_entry(link, struct txn, order_link)->bookmark;
        wanted = bookmark < wanted ? bookmark : wanted;
    }
    bool waiting = wanted != UINT64_MAX;
    if (waiting != commit_is_waiting(manager->words, shard->index))
        commit_waiting_set(manager->words, shard->index, waiting);
    if (waiting && commit_stable(manager->words, shard->index) >= wanted)
        manager_wake(manager);
}

static void
manager_space(void *context)
{
    struct txn_manager *manager = context;
    manager->space_came = true;
    if (!list_is_empty(&manager->commit_waiting) || !list_is_empty(&manager->blocked))
        manager_wake(manager);
}

static void
manager_tick(struct timer *timer)
{
    struct txn_manager *manager = list_entry(timer, struct txn_manager, tick);
    manager_parts_tick(manager);
    while (!list_is_empty(&manager->stalled)) {
        struct txn *txn = list_entry(manager->stalled.next, struct txn, stall_link);
        list_remove(&txn->stall_link);
        txn_kick(txn);
    }
    manager_wake(manager);
    if (!list_is_empty(&manager->blocked) || !list_is_empty(&manager->bookmarks) ||
        manager->owed_count)
        manager_tick_start(manager);
}

void
manager_tick_start(struct txn_manager *manager)
{
    if (!manager->tick.armed)
        timer_start(manager->shard, &manager->tick, TXN_TICK_NS, manager_tick);
}

/* --- collection of versions nobody can see any more --- */

static void
collect_due(struct timer *timer)
{
    struct txn_manager *manager = list_entry(timer, struct txn_manager, collect_timer);
    task_ready(manager->shard, &manager->collect_task);
}

void
manager_collect_later(struct txn_manager *manager)
{
    manager->collect_wanted = true;
    if (!manager->collect_timer.armed && !manager->collect_task.ready)
        timer_start(manager->shard, &manager->collect_timer, COLLECT_DELAY_NS, collect_due);
}

static enum task_result
collect_run(struct task *task)
{
    struct txn_manager *manager = list_entry(task, struct txn_manager, collect_task);
    struct shard *shard = manager->shard;
    uint64_t horizon = commit_horizon(manager->words, shard->index);
    manager->collect_wanted = false;
    do {
        if (!store_collect(shard->store, horizon, COLLECT_BUDGET)) {
            /* What a snapshot still holds back is looked at again, at leisure. */
            if (horizon < commit_timestamp_next(manager->words) - 1 || manager->collect_wanted)
                timer_start(shard, &manager->collect_timer, COLLECT_HELD_DELAY_NS, collect_due);
            return TASK_DONE;
        }
    } while (!task_slice_is_over(shard));
    return TASK_AGAIN;
}
