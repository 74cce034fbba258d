/* The home shard's side of a transaction: a tick function over the phases drawn in txn_state.h.
 *
 *      txn_write: the batch is read in order, twice: everything but NODE_DELETE, then NODE_DELETE.
 *
 *          operation --owner is here--> part_apply
 *                    --else--> stream of that owner --TXN_WRITE, at most 4 under way--> owner
 *          TXN_WRITTEN --> relationship ids, counters; follow-ups go into the streams of their owners
 *
 *      The pass is over when the batch is read, all streams are empty and nothing is under way.
 *
 * Invariants
 *  1. An owner's bit is in `participants` before anything is applied or sent there, so an abort reaches all.
 *  2. Operations reach one owner in the order of the batch; what waits at home is a stream too.
 *  3. A transaction that has an error is doomed: nothing more is sent but ABORT.
 *  4. From taking the timestamp on, nothing can fail: a COMMIT that finds no memory is sent later. */
#include <string.h>

#include "shards/txn/txn_state.h"

enum { SLICE_OPERATION_COUNT = 32 };

static void write_tick(struct txn *txn);
static void send_tick(struct txn *txn);

static struct shard *
txn_shard(const struct txn *txn)
{
    return txn->manager->shard;
}

void
txn_tick(struct txn *txn)
{
    switch ((enum txn_phase)txn->phase) {
    case TXN_WRITING:
        write_tick(txn);
        break;
    case TXN_COMMITTING:
    case TXN_ABORTING:
        send_tick(txn);
        break;
    case TXN_ENDED:
        txn_end(txn);
        break;
    case TXN_WAITING:
    case TXN_ACTIVE:
    case TXN_DECIDED:
    case TXN_PHASE_COUNT:
        break;
    }
}

/* Something found no memory: once more at the next tick of the timer. */
static void
txn_stall(struct txn *txn)
{
    if (list_is_empty(&txn->stall_link))
        list_push_back(&txn->manager->stalled, &txn->stall_link);
    manager_tick_start(txn->manager);
}

/* --- write --- */

void
txn_write(struct txn *txn, struct txn_write *write)
{
    assert(!txn->write && txn->phase == TXN_ACTIVE);
    assert(write->done);
    write->err = txn->err ? ERR(TRANSACTION_FAILED) : txn->read_only ? ERR(ACCESS_MODE) : 0;
    write->failed_operation = 0;
    write->conflicting_node = 0;
    write->counters = (struct write_counters){0};
    txn->write = write;
    txn->cursor = 0;
    txn->deleting = false;
    txn->has_deletes = false;
    txn_move(txn, TXN_WRITING);
    txn_kick(txn);
}

static void
write_fail(struct txn *txn, err_t err, uint32_t operation_index, uint64_t conflicting_node)
{
    if (txn->write->err)
        return;
    txn->write->err = err;
    txn->write->failed_operation = operation_index;
    txn->write->conflicting_node = conflicting_node;
}

static struct stream *
write_stream(struct txn *txn, uint32_t owner)
{
    struct shard *shard = txn_shard(txn);
    if (!txn->streams) {
        size_t size = shard->count * sizeof(*txn->streams);
        txn->streams = memory_allocate(shard_memory(shard), size);
        if (!txn->streams)
            return NULL;
        memset(txn->streams, 0, size);
    }
    return &txn->streams[owner];
}

static err_t
stream_add(struct txn *txn, uint32_t owner, uint32_t index, const struct operation *operation)
{
    struct stream *stream = write_stream(txn, owner);
    size_t size = operation_size(operation);
    assert(size <= UINT32_MAX);
    struct write_item item = {.operation_index = index, .size = (uint32_t)size};
    uint8_t *at = NULL;
    if (stream)
        at = byte_buffer_extend(
            &stream->items, shard_memory(txn_shard(txn)), write_item_size(size));
    if (!at)
        return ERR(MEMORY_POOL);
    memset(at, 0, write_item_size(size));
    memcpy(at, &item, sizeof(item));
    operation_encode(operation, at + sizeof(item));
    txn->participants |= UINT64_C(1) << owner;
    if (operation_is_logged(operation->type))
        txn->logging |= UINT64_C(1) << owner;
    return 0;
}

static size_t
stream_waiting(const struct stream *stream)
{
    return stream->items.size - stream->sent_size;
}

/* Whole items, up to a message's worth, at least one. */
static size_t
stream_next_message(const struct stream *stream)
{
    size_t size = 0;
    while (size < stream_waiting(stream)) {
        struct write_item item;
        memcpy(&item, stream->items.bytes + stream->sent_size + size, sizeof(item));
        if (size && size + write_item_size(item.size) > WRITE_MESSAGE_SIZE)
            break;
        size += write_item_size(item.size);
    }
    return size;
}

static void
stream_consume(struct stream *stream, size_t size)
{
    stream->sent_size += size;
    assert(stream->sent_size <= stream->items.size);
    if (stream->sent_size == stream->items.size)
        stream->sent_size = stream->items.size = 0;
}

/* Sends messages while the window has room. False: no memory. `partly`: also one that is not full. */
static bool
stream_send(struct txn *txn, uint32_t owner, bool partly)
{
    struct shard *shard = txn_shard(txn);
    struct stream *stream = &txn->streams[owner];
    while (stream->outstanding_count < WRITE_WINDOW && stream_waiting(stream) > 0) {
        if (!partly && stream_waiting(stream) < WRITE_MESSAGE_SIZE)
            return true;
        size_t size = stream_next_message(stream);
        struct write_head head = {.snapshot = txn->snapshot, .items_size = size};
        uint8_t *out = mail_open(
            shard, owner, MESSAGE_TXN_WRITE, txn->link.txid, (uint32_t)(sizeof(head) + size));
        if (!out)
            return false;
        memcpy(out, &head, sizeof(head));
        memcpy(out + sizeof(head), stream->items.bytes + stream->sent_size, size);
        mail_close(shard);
        stream_consume(stream, size);
        stream->outstanding_count++;
        txn->outstanding_count++;
        shard_outstanding_add(shard, 1);
    }
    return true;
}

/* Applies one operation whose owner is this shard. */
static enum apply_outcome
write_apply_here(struct txn *txn, uint32_t index, const struct operation *operation)
{
    struct txn_manager *manager = txn->manager;
    uint64_t bit = UINT64_C(1) << manager->shard->index;
    struct effects effects = {0};
    err_t err;
    if (!txn->part) {
        txn->part = part_open(manager, txn->link.txid, txn->snapshot);
        if (!txn->part) {
            write_fail(txn, ERR(MEMORY_POOL), index, 0);
            return APPLY_FAILED;
        }
        txn->part->local = txn;
    }
    txn->participants |= bit;
    enum apply_outcome outcome = part_apply(txn->part, operation, &effects, &err);
    if (outcome == APPLY_BLOCKED)
        return outcome;
    if (outcome == APPLY_DONE) {
        if (operation_is_logged(operation->type))
            txn->logging |= bit;
        if (effects.has_rel && txn->write->rel_ids)
            txn->write->rel_ids[index] = effects.rel;
        write_counters_add(&txn->write->counters, &effects.counters);
        for (uint32_t i = 0; i < effects.follow_count && !err; i++)
            err = stream_add(
                txn, operation_owner(manager->shard, &effects.follows[i]), index,
                &effects.follows[i]);
    }
    if (err)
        write_fail(txn, err, index, effects.conflicting_node);
    return err ? APPLY_FAILED : APPLY_DONE;
}

/* What waits at home, in order. False when it is blocked or the slice is over (then it was kicked). */
static bool
write_home_stream(struct txn *txn)
{
    struct txn_manager *manager = txn->manager;
    uint32_t home = manager->shard->index, count = 0;
    while (txn->streams && stream_waiting(&txn->streams[home]) > 0 && !txn->write->err) {
        struct stream *stream = &txn->streams[home];
        struct write_item item;
        struct operation operation;
        size_t used;
        const uint8_t *at = stream->items.bytes + stream->sent_size;
        memcpy(&item, at, sizeof(item));
        /* The operation lends from the stream, which may grow and move while it is applied: from a copy. */
        arena_reset(&manager->arena);
        uint8_t *copy = arena_allocate(&manager->arena, item.size);
        err_t err = ERR(MEMORY_POOL);
        if (copy) {
            memcpy(copy, at + sizeof(item), item.size);
            err = operation_decode(copy, item.size, &manager->arena, &operation, &used);
        }
        if (err)
            write_fail(txn, err, item.operation_index, 0);
        else if (write_apply_here(txn, item.operation_index, &operation) == APPLY_BLOCKED)
            return false;
        stream_consume(&txn->streams[home], write_item_size(item.size));
        if (++count % SLICE_OPERATION_COUNT == 0 && task_slice_is_over(manager->shard)) {
            txn_kick(txn);
            return false;
        }
    }
    return true;
}

enum read_outcome { READ_ALL, READ_LATER, READ_NO_MEMORY };

/* Reads on in the batch, until its end, a block, a full stream or the end of the slice. */
static enum read_outcome
write_read_on(struct txn *txn)
{
    struct txn_manager *manager = txn->manager;
    struct txn_write *write = txn->write;
    uint32_t count = 0;
    for (; txn->cursor < write->operation_count && !write->err; txn->cursor++) {
        const struct operation *operation = &write->operations[txn->cursor];
        bool deletes = operation->type == OPERATION_NODE_DELETE;
        txn->has_deletes = txn->has_deletes || deletes;
        if (deletes != txn->deleting)
            continue;
        if (++count % SLICE_OPERATION_COUNT == 0 && task_slice_is_over(manager->shard)) {
            txn_kick(txn);
            return READ_LATER;
        }
        uint32_t owner = operation_owner(manager->shard, operation);
        if (owner == manager->shard->index) {
            if (txn->streams && stream_waiting(&txn->streams[owner]) > 0 && !write_home_stream(txn))
                return READ_LATER;
            arena_reset(&manager->arena);
            if (!write->err && write_apply_here(txn, txn->cursor, operation) == APPLY_BLOCKED)
                return READ_LATER;
            continue;
        }
        err_t err = stream_add(txn, owner, txn->cursor, operation);
        if (err) {
            write_fail(txn, err, txn->cursor, 0);
        } else if (stream_waiting(&txn->streams[owner]) >= WRITE_MESSAGE_SIZE) {
            bool sent = stream_send(txn, owner, false);
            if (!sent || stream_waiting(&txn->streams[owner]) >= TXN_STREAM_LIMIT_SIZE) {
                txn->cursor++;
                return sent ? READ_LATER : READ_NO_MEMORY; /* an answer makes room */
            }
        }
    }
    return READ_ALL;
}

/* True when all streams are empty. */
static bool
write_send_all(struct txn *txn, bool *no_memory)
{
    bool empty = true;
    for (uint32_t owner = 0; txn->streams && owner < txn_shard(txn)->count; owner++) {
        struct stream *stream = &txn->streams[owner];
        if (owner != txn_shard(txn)->index && !stream_send(txn, owner, true))
            *no_memory = true;
        empty = empty && stream_waiting(stream) == 0;
    }
    return empty;
}

static void
write_finish(struct txn *txn)
{
    struct txn_write *write = txn->write;
    for (uint32_t owner = 0; txn->streams && owner < txn_shard(txn)->count; owner++)
        txn->streams[owner].items.size = txn->streams[owner].sent_size = 0;
    if (txn->part && txn->part->blocked) {
        /* An error elsewhere came first. */
        txn->part->blocked = false;
        list_remove(&txn->part->wait_link);
    }
    if (write->err && !txn->err)
        txn->err = write->err;
    txn->write = NULL;
    txn_move(txn, TXN_ACTIVE);
    if (txn->abort_wanted) {
        txn_done_fn *done = txn->done;
        txn->abort_wanted = false;
        if (!write->err)
            write->err = ERR(TERMINATED);
        write->done(write);
        txn_abort(txn, done, txn->context);
    } else {
        write->done(write);
    }
}

static void
write_tick(struct txn *txn)
{
    bool no_memory = false;
    if (txn->abort_wanted)
        write_fail(txn, ERR(TERMINATED), txn->cursor, 0);
    while (!txn->write->err) {
        if (txn->part && txn->part->blocked)
            break;
        if (!write_home_stream(txn))
            break;
        enum read_outcome outcome = write_read_on(txn);
        no_memory = outcome == READ_NO_MEMORY;
        if (outcome != READ_ALL || txn->write->err)
            break;
        /* A follow-up that could not be applied with its operation waits at home now. */
        if (txn->streams && stream_waiting(&txn->streams[txn_shard(txn)->index]) > 0)
            continue;
        if (!write_send_all(txn, &no_memory) || txn->outstanding_count > 0)
            break;
        if (txn->deleting || !txn->has_deletes) {
            write_finish(txn);
            return;
        }
        txn->deleting = true;
        txn->cursor = 0;
    }
    if (txn->write->err) {
        if (txn->outstanding_count == 0)
            write_finish(txn);
        return;
    }
    (void)write_send_all(txn, &no_memory);
    if (no_memory)
        txn_stall(txn);
}

static void
written_take_rels(struct txn *txn, const uint8_t *bytes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct written_rel rel;
        memcpy(&rel, bytes + (size_t)i * sizeof(rel), sizeof(rel));
        assert(rel.operation_index < txn->write->operation_count);
        if (txn->write->rel_ids)
            txn->write->rel_ids[rel.operation_index] = rel.rel;
    }
}

static err_t
written_take_follows(struct txn *txn, const uint8_t *bytes, size_t size)
{
    struct txn_manager *manager = txn->manager;
    for (size_t at = 0; at < size;) {
        struct write_item item;
        struct operation operation;
        size_t used;
        memcpy(&item, bytes + at, sizeof(item));
        arena_reset(&manager->arena);
        err_t err = operation_decode(
            bytes + at + sizeof(item), item.size, &manager->arena, &operation, &used);
        if (!err)
            err = stream_add(
                txn, operation_owner(manager->shard, &operation), item.operation_index, &operation);
        if (err)
            return err;
        at += write_item_size(item.size);
    }
    return 0;
}

static struct txn *
coordinator_txn(struct shard *shard, const struct message *message)
{
    struct txn_link *link = txn_table_lookup(&shard->txns->txns, message->scope);
    /* A transaction lives until every shard that heard of it has answered. */
    assert(link);
    return list_entry(link, struct txn, link);
}

static void
coordinator_written(struct shard *shard, const struct message *message)
{
    struct txn *txn = coordinator_txn(shard, message);
    struct written_head head;
    const uint8_t *payload = message_payload(message);
    memcpy(&head, payload, sizeof(head));
    assert(
        txn->write && txn->outstanding_count > 0 &&
        txn->streams[message->from].outstanding_count > 0);
    txn->streams[message->from].outstanding_count--;
    txn->outstanding_count--;
    shard_outstanding_add(shard, -1);
    if (head.err) {
        write_fail(txn, head.err, head.failed_operation, head.conflicting_node);
    } else if (!txn->write->err) {
        size_t rels_size = (size_t)head.rel_count * sizeof(struct written_rel);
        assert(message->size == sizeof(head) + rels_size + head.follow_size);
        write_counters_add(&txn->write->counters, &head.counters);
        written_take_rels(txn, payload + sizeof(head), head.rel_count);
        err_t err = written_take_follows(txn, payload + sizeof(head) + rels_size, head.follow_size);
        if (err)
            write_fail(txn, err, 0, 0);
    }
    txn_kick(txn);
}

/* --- commit and abort --- */

/* To every owner that has not been told yet; the home shard's own part directly. */
static void
send_tick(struct txn *txn)
{
    struct txn_manager *manager = txn->manager;
    struct shard *shard = manager->shard;
    bool commits = txn->phase == TXN_COMMITTING;
    for (uint32_t owner = 0; owner < shard->count; owner++) {
        struct commit_head head = {.timestamp = txn->timestamp, .participants = txn->logging};
        struct empty_body body = {0};
        if (!(txn->unsent >> owner & 1) || owner == shard->index)
            continue;
        err_t err =
            commits
                ? mail_send(shard, owner, MESSAGE_TXN_COMMIT, txn->link.txid, &head, sizeof(head))
                : mail_send(shard, owner, MESSAGE_TXN_ABORT, txn->link.txid, &body, sizeof(body));
        if (err) {
            txn_stall(txn);
            return;
        }
        txn->unsent &= ~(UINT64_C(1) << owner);
    }
}

/* The home shard's own part, after the others have been told. It may report at once. */
static void
send_home(struct txn *txn)
{
    uint64_t bit = UINT64_C(1) << txn_shard(txn)->index;
    if (!(txn->unsent & bit))
        return;
    txn->unsent &= ~bit;
    if (!txn->part)
        coordinator_reported(txn, txn_shard(txn)->index);
    else if (txn->phase == TXN_COMMITTING)
        part_commit(txn->part, txn->timestamp, txn->logging);
    else
        part_abort(txn->part);
}

void
txn_commit(struct txn *txn, txn_done_fn *done, void *context)
{
    struct txn_manager *manager = txn->manager;
    assert(txn->phase == TXN_ACTIVE && !txn->write);
    if (txn->err) {
        txn_abort(txn, done, context);
        return;
    }
    txn->done = done;
    txn->context = context;
    if (!txn->participants) {
        txn->timestamp = txn->snapshot;
        txn_move(txn, TXN_ENDED);
        txn_kick(txn);
        return;
    }
    txn->timestamp = commit_timestamp_take(
        manager->words, manager->shard->index, !list_is_empty(&manager->undecided));
    assert(txn->timestamp > txn->snapshot);
    list_push_back(&manager->undecided, &txn->order_link);
    txn->pending = txn->unsent = txn->participants;
    shard_outstanding_add(manager->shard, 1);
    txn_move(txn, TXN_COMMITTING);
    send_tick(txn);
    send_home(txn);
}

void
txn_abort(struct txn *txn, txn_done_fn *done, void *context)
{
    assert(txn->phase == TXN_ACTIVE || txn->phase == TXN_WRITING || txn->phase == TXN_WAITING);
    txn->done = done;
    txn->context = context;
    if (txn->phase == TXN_WRITING) {
        assert(!txn->abort_wanted);
        txn->abort_wanted = true;
        txn_kick(txn);
        return;
    }
    list_remove(&txn->order_link);
    txn->timestamp = txn->snapshot;
    txn->pending = txn->unsent = txn->participants;
    txn_move(txn, TXN_ABORTING);
    if (!txn->pending) {
        txn_move(txn, TXN_ENDED);
        txn_kick(txn);
        return;
    }
    send_tick(txn);
    send_home(txn);
}

static void
txn_decide(struct txn *txn)
{
    struct txn_manager *manager = txn->manager;
    uint64_t low = UINT64_MAX;
    bool was_oldest = manager->undecided.next == &txn->order_link;
    list_remove(&txn->order_link);
    if (!list_is_empty(&manager->undecided))
        low = list_entry(manager->undecided.next, struct txn, order_link)->timestamp;
    if (was_oldest) {
        commit_low_set(manager->words, manager->shard->index, low);
        manager->low_raised = true;
    }
    txn_move(txn, TXN_DECIDED);
    struct list_link *before = manager->decided.prev;
    while (before != &manager->decided &&
           list_entry(before, struct txn, order_link)->timestamp > txn->timestamp)
        before = before->prev;
    list_insert_between(&txn->order_link, before, before->next);
    manager_wake(manager);
}

void
coordinator_reported(struct txn *txn, uint32_t shard)
{
    assert(txn->pending >> shard & 1);
    txn->pending &= ~(UINT64_C(1) << shard);
    if (txn->pending)
        return;
    if (txn->phase == TXN_COMMITTING) {
        txn_decide(txn);
    } else {
        txn_move(txn, TXN_ENDED);
        txn_kick(txn);
    }
}

static void
coordinator_report(struct shard *shard, const struct message *message)
{
    coordinator_reported(coordinator_txn(shard, message), message->from);
}

void
coordinator_handlers_set(struct shard *shard)
{
    mail_handler_set(shard, MESSAGE_TXN_WRITTEN, coordinator_written);
    mail_handler_set(shard, MESSAGE_TXN_STAMPED, coordinator_report);
    mail_handler_set(shard, MESSAGE_TXN_DURABLE, coordinator_report);
    mail_handler_set(shard, MESSAGE_TXN_ABORTED, coordinator_report);
}
