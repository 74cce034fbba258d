/* A small machine per shard, run by one background task:
 *
 *     IDLE --order fill--> WAIT --old transactions over--> SCAN --end--> DRAIN --all taken--> REPLY --> IDLE
 *     IDLE --order check-> CHECK ----------------------------------------------------------> REPLY --> IDLE
 *
 * Entries gather in one buffer per shard and travel when it is full. At most WINDOW messages are out and
 * not yet taken: that bounds what the receivers hold. Whatever finds no memory is tried again after a
 * millisecond; the receiver answers with an error instead of dropping anything.
 *
 * Who takes entries replies from the task as well, so a reply that finds no memory is owed, not lost. */
#include "shards/store/population.h"

#include <string.h>

#include "shards/store/catalog_state.h"
#include "shards/store/state.h"

enum population_state { STATE_IDLE, STATE_WAIT, STATE_SCAN, STATE_DRAIN, STATE_CHECK, STATE_REPLY };

enum { BUFFER_SIZE = 3968, BATCH = 128, WINDOW = 32, RETRY_NS = 1000000, CHECK_BUDGET = 256 };

struct population {
    struct shard *shard;
    struct task task;
    struct timer timer;
    enum population_state state;
    uint32_t from; /* who ordered */
    struct population_order order;
    struct population_report report;
    struct scan_cursor scan;
    uint64_t bucket; /* CHECK */
    uint64_t batch[BATCH];
    uint32_t batch_at, batch_count;
    uint32_t window;  /* messages out */
    uint8_t *buffers; /* BUFFER_SIZE for each shard */
    uint32_t *buffer_sizes;
    uint32_t owed[SHARD_COUNT_MAX]; /* replies to takers' senders */
    err_t owed_err[SHARD_COUNT_MAX];
    struct population_report owed_report; /* index and job of what is owed */
};

static enum task_result population_run(struct task *task);

err_t
population_create(struct shard *shard, struct population **out)
{
    struct population *population = memory_allocate(shard_memory(shard), sizeof(*population));
    if (!population)
        return ERR(MEMORY_POOL);
    memset(population, 0, sizeof(*population));
    population->shard = shard;
    task_init(&population->task, TASK_BACKGROUND, population_run);
    *out = population;
    return 0;
}

static void
buffers_release(struct population *population)
{
    uint32_t count = population->shard->count;
    memory_release(
        shard_memory(population->shard), population->buffers, (size_t)count * BUFFER_SIZE);
    memory_release(
        shard_memory(population->shard), population->buffer_sizes, count * sizeof(uint32_t));
    population->buffers = NULL;
    population->buffer_sizes = NULL;
}

void
population_destroy(struct population *population)
{
    buffers_release(population);
    timer_stop(population->shard, &population->timer);
    task_cancel(population->shard, &population->task);
    memory_release(shard_memory(population->shard), population, sizeof(*population));
}

static void
population_retry(struct timer *timer)
{
    struct population *population =
        (struct population *)(void *)((char *)timer - offsetof(struct population, timer));
    task_ready(population->shard, &population->task);
}

static void
retry_later(struct population *population)
{
    timer_start(population->shard, &population->timer, RETRY_NS, population_retry);
}

void
population_ordered(struct population *population, const struct message *message)
{
    assert(population->state == STATE_IDLE);
    assert(message->size == sizeof(population->order));
    memcpy(&population->order, message_payload(message), sizeof(population->order));
    population->from = message->from;
    population->report = (struct population_report){
        .kind = population->order.kind,
        .index = population->order.index,
        .job = population->order.job};
    population->scan = (struct scan_cursor){0};
    population->batch_at = population->batch_count = 0;
    population->bucket = 0;
    population->state = population->order.kind == POPULATION_FILL ? STATE_WAIT : STATE_CHECK;
    task_ready(population->shard, &population->task);
}

/* --- sending --- */

static bool
buffer_send(struct population *population, uint32_t to)
{
    uint32_t size = population->buffer_sizes[to];
    if (size == 0)
        return true;
    uint8_t *out = mail_open(
        population->shard, to, MESSAGE_INDEX_ENTRIES, population->order.job,
        size + sizeof(population->order));
    if (!out)
        return false;
    memcpy(out, &population->order, sizeof(population->order));
    memcpy(out + sizeof(population->order), population->buffers + (size_t)to * BUFFER_SIZE, size);
    mail_close(population->shard);
    population->buffer_sizes[to] = 0;
    population->window++;
    return true;
}

/* A value too large for a buffer travels alone. */
static bool
entry_send_alone(
    struct population *population, uint32_t to, uint64_t node, struct value value, size_t size)
{
    uint8_t *out = mail_open(
        population->shard, to, MESSAGE_INDEX_ENTRIES, population->order.job,
        (uint32_t)(size + sizeof(node) + sizeof(population->order)));
    if (!out)
        return false;
    memcpy(out, &population->order, sizeof(population->order));
    memcpy(out + sizeof(population->order), &node, sizeof(node));
    property_encode(value, out + sizeof(population->order) + sizeof(node));
    mail_close(population->shard);
    population->window++;
    return true;
}

static bool
entry_send(struct population *population, uint64_t node, struct value value)
{
    uint32_t to = partition_owner(
        population->shard, index_partition(population->order.index, value));
    size_t size = property_size(value);
    if (size + sizeof(node) > BUFFER_SIZE)
        return entry_send_alone(population, to, node, value, size);
    if (population->buffer_sizes[to] + size + sizeof(node) > BUFFER_SIZE &&
        !buffer_send(population, to))
        return false;
    uint8_t *out = population->buffers + (size_t)to * BUFFER_SIZE + population->buffer_sizes[to];
    memcpy(out, &node, sizeof(node));
    property_encode(value, out + sizeof(node));
    population->buffer_sizes[to] += (uint32_t)(size + sizeof(node));
    return true;
}

/* --- the states --- */

static bool
buffers_make(struct population *population)
{
    struct memory *memory = shard_memory(population->shard);
    uint32_t count = population->shard->count;
    if (!population->buffers)
        population->buffers = memory_allocate(memory, (size_t)count * BUFFER_SIZE);
    if (!population->buffer_sizes)
        population->buffer_sizes = memory_allocate(memory, count * sizeof(uint32_t));
    if (!population->buffers || !population->buffer_sizes)
        return false;
    memset(population->buffer_sizes, 0, count * sizeof(uint32_t));
    return true;
}

/* Sends what the nodes of the batch have. False: no memory or window now, the batch stays where it is. */
static bool
batch_send(struct population *population, const struct index_info *index, struct view view)
{
    struct store *store = population->shard->store;
    for (; population->batch_at < population->batch_count; population->batch_at++) {
        if (population->window >= WINDOW)
            return false;
        uint64_t node = population->batch[population->batch_at];
        struct value value = store_node_property(store, view, (node_id){node}, index->key);
        if (value_is_indexable(value) && !entry_send(population, node, value)) {
            retry_later(population);
            return false;
        }
    }
    return true;
}

static enum task_result
scan_run(struct population *population)
{
    const struct index_info *index = catalog_index_by_id(
        population->shard->catalog, population->order.index);
    /* The newest committed state, not a snapshot: what is not durable yet dies with the index entries. */
    struct view view = {.snapshot = STAMP_INTENT - 1};
    for (;;) {
        if (population->report.err) {
            population->state = STATE_DRAIN;
            return TASK_AGAIN;
        }
        if (!batch_send(population, index, view))
            return TASK_DONE; /* a reply or the timer wakes us */
        if (population->scan.done)
            break;
        if (task_slice_is_over(population->shard))
            return TASK_AGAIN;
        population->batch_at = 0;
        population->batch_count = store_scan_nodes(
            population->shard->store, view, index->label, &population->scan, population->batch,
            BATCH);
    }
    for (uint32_t to = 0; to < population->shard->count; to++) {
        if (!buffer_send(population, to)) {
            retry_later(population);
            return TASK_DONE;
        }
    }
    population->report.timestamp = store_commit_timestamp_max(population->shard->store);
    population->state = STATE_DRAIN;
    return TASK_AGAIN;
}

static enum task_result
check_run(struct population *population)
{
    for (;;) {
        switch (store_index_check_unique(
            population->shard->store, population->order.index, &population->bucket, CHECK_BUDGET,
            population->report.nodes)) {
        case INDEX_CHECK_MORE:
            if (task_slice_is_over(population->shard))
                return TASK_AGAIN;
            continue;
        case INDEX_CHECK_OPEN:
            retry_later(population);
            return TASK_DONE;
        case INDEX_CHECK_BROKEN:
            population->report.err = ERR(CONSTRAINT);
            break;
        case INDEX_CHECK_UNIQUE:
            break;
        }
        population->state = STATE_REPLY;
        return TASK_AGAIN;
    }
}

/* Replies that senders of entries wait for. */
static void
owed_send(struct population *population)
{
    for (uint32_t to = 0; to < population->shard->count; to++) {
        while (population->owed[to]) {
            struct population_report report = population->owed_report;
            report.kind = POPULATION_TAKEN;
            report.err = population->owed_err[to];
            if (mail_send(
                    population->shard, to, MESSAGE_INDEX_REPLY, report.job, &report,
                    sizeof(report))) {
                retry_later(population);
                return;
            }
            population->owed[to]--;
            population->owed_err[to] = 0;
        }
    }
}

static enum task_result
population_run(struct task *task)
{
    struct population *population =
        (struct population *)(void *)((char *)task - offsetof(struct population, task));
    owed_send(population);
    switch (population->state) {
    case STATE_IDLE:
        return TASK_DONE;
    case STATE_WAIT:
        if (!store_index_may_populate(population->shard->store, population->order.index) ||
            !buffers_make(population)) {
            retry_later(population);
            return TASK_DONE;
        }
        population->state = STATE_SCAN;
        return TASK_AGAIN;
    case STATE_SCAN:
        return scan_run(population);
    case STATE_DRAIN:
        if (population->window)
            return TASK_DONE;
        buffers_release(population);
        population->state = STATE_REPLY;
        return TASK_AGAIN;
    case STATE_CHECK:
        return check_run(population);
    case STATE_REPLY:
        if (mail_send(
                population->shard, population->from, MESSAGE_INDEX_REPLY, population->order.job,
                &population->report, sizeof(population->report))) {
            retry_later(population);
            return TASK_DONE;
        }
        population->state = STATE_IDLE;
        return TASK_DONE;
    }
    return TASK_DONE;
}

/* --- the other side --- */

static err_t
entries_take(
    struct population *population,
    const struct population_order *order,
    const uint8_t *bytes,
    size_t size)
{
    struct arena arena;
    err_t err = 0;
    arena_create(&arena, shard_memory(population->shard), (size_t)64 << 20);
    while (size && !err) {
        struct value value;
        size_t used = 0;
        uint64_t node;
        assert(size >= sizeof(node));
        memcpy(&node, bytes, sizeof(node));
        err = property_decode(bytes + sizeof(node), size - sizeof(node), &arena, &value, &used);
        if (!err)
            err = store_index_populate(
                population->shard->store, order->index, value, (node_id){node});
        bytes += sizeof(node) + used;
        size -= sizeof(node) + used;
    }
    arena_destroy(&arena);
    return err;
}

void
population_take(struct population *population, const struct message *message)
{
    struct population_order order;
    assert(message->size > sizeof(order));
    const uint8_t *bytes = message_payload(message);
    memcpy(&order, bytes, sizeof(order));
    err_t err = entries_take(
        population, &order, bytes + sizeof(order), message->size - sizeof(order));
    population->owed_report = (struct population_report){.index = order.index, .job = order.job};
    population->owed[message->from]++;
    if (err)
        population->owed_err[message->from] = err;
    task_ready(population->shard, &population->task);
}

void
population_taken(struct population *population, const struct population_report *report)
{
    assert(population->window > 0);
    population->window--;
    if (report->err && !population->report.err)
        population->report.err = report->err;
    if (population->state != STATE_IDLE)
        task_ready(population->shard, &population->task);
}
