/* The data's side of a transaction: apply its operations as intents, log them, stamp them.
 *
 *      TXN_WRITE --> [queue of the part] --> store_apply --> effects --> TXN_WRITTEN
 *                          |      ^
 *              BLOCKED     v      | the other transaction ended, the log has space, or 5 ms passed
 *                       manager.blocked
 *
 *      TXN_COMMIT --> record in the log, stamp --> durable --> TXN_DURABLE
 *                        |     ^                 (index entries only: stamp --> TXN_STAMPED)
 *                        v     | buffers are free again
 *                  manager.commit_waiting
 *
 * Wait-die: an operation that meets another transaction's intent waits if its own transaction is older
 * (smaller txid), at most 5 ms, and fails with ERR(DEADLOCK) if it is younger. Only older ones wait for
 * younger ones, so there is no cycle.
 *
 * Invariants
 *  1. Before an operation is applied, log space for it is reserved: what was accepted can be committed.
 *  2. The redo bytes (parts in the log, then `redo`) are the logged operations applied, in order, relationship
 *     ids filled in.
 *  3. Messages of one transaction are applied in order; a blocked one blocks those behind it.
 *  4. A commit cannot fail: it may only wait for a log buffer.
 *  5. Every message gets its reply; one that finds no memory is owed, and sent at a later tick. */
#include <string.h>

#include "shards/txn/txn_state.h"
#include "shards/wal/record.h"

/* A TXN_WRITE being worked on; its bytes follow. */
struct owner_write {
    struct list_link link; /* part.writes */
    size_t items_size, position;
    uint32_t rel_count;
    struct byte_buffer rels, follows;
    struct write_counters counters;
};

static const bool logged_types[OPERATION_TYPE_COUNT] = {
#define OPERATION(name, logged, text) [OPERATION_##name] = logged,
#include "shards/store/operations.def"
#undef OPERATION
};

bool
operation_is_logged(uint8_t type)
{
    assert(type < OPERATION_TYPE_COUNT);
    return logged_types[type];
}

void
write_counters_add(struct write_counters *to, const struct write_counters *from)
{
    to->nodes_created += from->nodes_created;
    to->nodes_deleted += from->nodes_deleted;
    to->rels_created += from->rels_created;
    to->rels_deleted += from->rels_deleted;
    to->properties_set += from->properties_set;
    to->labels_added += from->labels_added;
    to->labels_removed += from->labels_removed;
}

/* --- replies --- */

static bool
reply_send(struct shard *shard, uint64_t txid, enum message_type type, err_t err)
{
    if (type == MESSAGE_TXN_WRITTEN) {
        struct written_head head = {.err = err};
        return mail_send(shard, txid_home(txid), type, txid, &head, sizeof(head)) == 0;
    }
    struct empty_body body = {0};
    return mail_send(shard, txid_home(txid), type, txid, &body, sizeof(body)) == 0;
}

/* Invariant 5. */
static void
reply(struct txn_manager *manager, uint64_t txid, enum message_type type, err_t err)
{
    if (manager->owed_count == 0 && reply_send(manager->shard, txid, type, err))
        return;
    if (manager->owed_count == TXN_OWED_MAX)
        manager->shard->seam->ops->fatal(
            manager->shard->seam, "no memory for the replies of transactions");
    manager->owed[(manager->owed_first + manager->owed_count++) % TXN_OWED_MAX] = (struct owed){
        .txid = txid, .err = err, .type = (uint16_t)type};
    manager_tick_start(manager);
}

/* --- parts --- */

struct part *
part_open(struct txn_manager *manager, uint64_t txid, uint64_t snapshot)
{
    struct txn_link *link = txn_table_lookup(&manager->parts, txid);
    if (link)
        return list_entry(link, struct part, link);
    struct part *part = memory_allocate(shard_memory(manager->shard), sizeof(*part));
    if (!part)
        return NULL;
    *part = (struct part){.link = {.txid = txid}, .manager = manager, .snapshot = snapshot};
    list_init(&part->wait_link);
    list_init(&part->writes);
    list_init(&part->waiter.link);
    txn_table_insert(&manager->parts, &part->link);
    return part;
}

static void
owner_write_delete(struct txn_manager *manager, struct owner_write *write)
{
    struct memory *memory = shard_memory(manager->shard);
    list_remove(&write->link);
    byte_buffer_destroy(&write->rels, memory);
    byte_buffer_destroy(&write->follows, memory);
    memory_release(memory, write, sizeof(*write) + write->items_size);
}

static void
part_close(struct part *part)
{
    struct txn_manager *manager = part->manager;
    struct memory *memory = shard_memory(manager->shard);
    assert(list_is_empty(&part->writes));
    list_remove(&part->wait_link);
    wal_unreserve(manager->shard->wal, part->reserved_size);
    byte_buffer_destroy(&part->redo, memory);
    txn_table_remove(&manager->parts, &part->link);
    memory_release(memory, part, sizeof(*part));
}

/* The coordinator hears that this part is done with what it was told. */
static void
part_report(struct part *part, enum message_type type)
{
    struct txn_manager *manager = part->manager;
    struct txn *local = part->local;
    uint64_t txid = part->link.txid;
    part_close(part);
    if (local) {
        local->part = NULL;
        coordinator_reported(local, manager->shard->index);
    } else {
        reply(manager, txid, type, 0);
    }
}

/* A transaction's intents are gone from here: those that wait for them try again. */
static void
manager_unblock(struct txn_manager *manager, uint64_t txid)
{
    for (struct list_link *link = manager->blocked.next, *next; link != &manager->blocked;
         link = next) {
        struct part *part = list_entry(link, struct part, wait_link);
        next = link->next;
        if (part->blocking_txid != txid)
            continue;
        list_remove(&part->wait_link);
        list_push_back(&manager->retry, &part->wait_link);
        manager_wake(manager);
    }
}

/* --- apply --- */

static enum apply_outcome
part_block(struct part *part, uint64_t blocking_txid, uint64_t wait_ns)
{
    struct txn_manager *manager = part->manager;
    uint64_t now_ns = shard_now_ns(manager->shard);
    if (!part->deadline_ns)
        part->deadline_ns = now_ns + wait_ns;
    if (now_ns >= part->deadline_ns)
        return APPLY_FAILED;
    part->blocking_txid = blocking_txid;
    part->blocked = true;
    list_remove(&part->wait_link);
    list_push_back(&manager->blocked, &part->wait_link);
    manager_tick_start(manager);
    return APPLY_BLOCKED;
}

static void
effects_count(
    struct effects *effects,
    const struct operation *operation,
    const struct operation_outcome *outcome)
{
    struct write_counters *counters = &effects->counters;
    counters->nodes_created += operation->type == OPERATION_NODE_CREATE;
    counters->nodes_deleted += operation->type == OPERATION_NODE_DELETE;
    counters->rels_created += operation->type == OPERATION_REL_CREATE;
    counters->rels_deleted += operation->type == OPERATION_REL_DELETE;
    counters->properties_set += outcome->properties_set;
    counters->labels_added += outcome->labels_added;
    counters->labels_removed += outcome->labels_removed;
}

static err_t
effects_follow_add(struct effects *effects, struct arena *arena, const struct operation *operation)
{
    if (effects->follow_count == effects->follow_capacity) {
        uint32_t capacity = effects->follow_capacity ? effects->follow_capacity * 2 : 8;
        struct operation *follows = arena_allocate(arena, capacity * sizeof(*follows));
        if (!follows)
            return ERR(MEMORY_POOL);
        if (effects->follow_count)
            memcpy(follows, effects->follows, effects->follow_count * sizeof(*follows));
        effects->follows = follows;
        effects->follow_capacity = capacity;
    }
    effects->follows[effects->follow_count++] = *operation;
    return 0;
}

/* Invariant 2. */
static err_t
part_redo_add(struct part *part, const struct operation *operation)
{
    if (!operation_is_logged(operation->type))
        return 0;
    uint8_t *at = byte_buffer_extend(
        &part->redo, shard_memory(part->manager->shard), operation_size(operation));
    if (!at)
        return ERR(MEMORY_POOL);
    operation_encode(operation, at);
    return 0;
}

/* Sends what has gathered ahead, as long as it is too large for one record. False: no buffer was free. */
static bool
part_log_ahead(struct part *part)
{
    struct wal *wal = part->manager->shard->wal;
    size_t piece = wal_record_size_max(wal) / 2, done = 0;
    bool fits = true;
    while (fits && part->redo.size - done > piece) {
        struct wal_part_header header = {.txid = part->link.txid};
        uint8_t *out = wal_record_open(
            wal, WAL_RECORD_TRANSACTION_PART, (uint32_t)(sizeof(header) + piece));
        fits = out != NULL;
        if (!fits)
            break;
        memcpy(out, &header, sizeof(header));
        memcpy(out + sizeof(header), part->redo.bytes + done, piece);
        wal_record_close(wal, NULL);
        done += piece;
    }
    if (done) {
        memmove(part->redo.bytes, part->redo.bytes + done, part->redo.size - done);
        part->redo.size -= done;
        part->part_size += done;
        uint64_t used = done + done / 8;
        used = used < part->reserved_size ? used : part->reserved_size;
        wal_unreserve(wal, used);
        part->reserved_size -= used;
    }
    return fits;
}

/* Invariant 1. `size` more bytes of operations. */
static err_t
part_reserve(struct part *part, size_t size)
{
    struct wal *wal = part->manager->shard->wal;
    uint64_t wanted = wal_record_charge(
        sizeof(struct wal_transaction_header) + part->redo.size + size);
    if (wanted <= part->reserved_size)
        return 0;
    err_t err = wal_reserve(wal, wanted - part->reserved_size);
    if (!err)
        part->reserved_size = wanted;
    return err;
}

static err_t
part_store_apply(
    struct part *part,
    const struct operation *operation,
    struct effects *effects,
    struct operation_outcome *outcome)
{
    struct txn_manager *manager = part->manager;
    struct view view = {.snapshot = part->snapshot, .txid = part->link.txid};
    memset(outcome, 0, sizeof(*outcome));
    err_t err = store_apply(manager->shard->store, view, operation, &manager->arena, outcome);
    if (err) {
        effects->blocking_txid = outcome->blocking_txid;
        effects->conflicting_node = outcome->conflicting_node;
        return err;
    }
    struct operation applied = *operation;
    if (operation->type == OPERATION_REL_CREATE && operation->rel.id == 0)
        applied.rel = outcome->rel;
    effects_count(effects, operation, outcome);
    return part_redo_add(part, &applied);
}

/* What an operation causes is applied at once where the data is here, and handed back otherwise. */
static err_t
part_follow(struct part *part, const struct operation *follow, struct effects *effects)
{
    struct txn_manager *manager = part->manager;
    struct operation_outcome outcome;
    if (operation_owner(manager->shard, follow) != manager->shard->index)
        return effects_follow_add(effects, &manager->arena, follow);
    err_t err = part_store_apply(part, follow, effects, &outcome);
    /* The operation itself is applied and stays: its follow-up comes back as one of its own, and waits. */
    if (err_code(err) == ERR_DEADLOCK && part->link.txid < outcome.blocking_txid)
        return effects_follow_add(effects, &manager->arena, follow);
    assert(err || outcome.index_operation_count == 0);
    return err;
}

static err_t
part_follow_all(
    struct part *part,
    const struct operation *operation,
    const struct operation_outcome *outcome,
    struct effects *effects)
{
    err_t err = 0;
    if (operation->type == OPERATION_REL_CREATE || operation->type == OPERATION_REL_DELETE) {
        bool create = operation->type == OPERATION_REL_CREATE;
        struct operation follow = {
            .type = create ? OPERATION_REL_ATTACH : OPERATION_REL_DETACH,
            .rel = create && !operation->rel.id ? outcome->rel : operation->rel,
            .start = operation->start,
            .end = operation->end,
            .rel_type = operation->rel_type,
        };
        err = part_follow(part, &follow, effects);
    }
    for (uint32_t i = 0; i < outcome->index_operation_count && !err; i++)
        err = part_follow(part, &outcome->index_operations[i], effects);
    return err;
}

enum apply_outcome
part_apply(
    struct part *part, const struct operation *operation, struct effects *effects, err_t *err)
{
    struct txn_manager *manager = part->manager;
    struct operation_outcome outcome;
    assert(part->phase == PART_OPEN);
    *effects = (struct effects){0};
    /* A follow-up that is applied here is never larger than what caused it, or than this. */
    *err = part_reserve(part, 2 * operation_size(operation) + 256);
    if (err_code(*err) == ERR_BUSY)
        return part_block(part, 0, TXN_SPACE_WAIT_NS);
    if (*err)
        return APPLY_FAILED;
    if (!part->blocking_txid)
        part->deadline_ns = 0; /* it waited for space, and has it */
    *err = part_store_apply(part, operation, effects, &outcome);
    if (err_code(*err) == ERR_DEADLOCK) {
        metric_add(&manager->shard->metrics.conflicts, 1);
        if (part->link.txid < outcome.blocking_txid)
            return part_block(part, outcome.blocking_txid, TXN_INTENT_WAIT_NS);
    }
    if (!*err) {
        part->deadline_ns = part->blocking_txid = 0;
        if (operation->type == OPERATION_REL_CREATE) {
            effects->has_rel = true;
            effects->rel = operation->rel.id ? operation->rel : outcome.rel;
        }
        *err = part_follow_all(part, operation, &outcome, effects);
    }
    if (err_code(*err) == ERR_CONFLICT)
        metric_add(&manager->shard->metrics.conflicts, 1);
    if (!*err)
        (void)part_log_ahead(
            part); /* no buffer: it is tried again with the next operation, or at commit */
    return *err ? APPLY_FAILED : APPLY_DONE;
}

/* --- TXN_WRITE --- */

static void
written_send(struct part *part, struct owner_write *write)
{
    struct txn_manager *manager = part->manager;
    uint64_t txid = part->link.txid;
    struct written_head head = {
        .rel_count = write->rel_count,
        .follow_size = write->follows.size,
        .counters = write->counters};
    size_t size = sizeof(head) + write->rels.size + write->follows.size;
    uint8_t *out = NULL;
    if (size <= UINT32_MAX && manager->owed_count == 0)
        out = mail_open(manager->shard, txid_home(txid), MESSAGE_TXN_WRITTEN, txid, (uint32_t)size);
    if (!out) {
        reply(manager, txid, MESSAGE_TXN_WRITTEN, ERR(MEMORY_POOL));
        return;
    }
    memcpy(out, &head, sizeof(head));
    if (write->rels.size)
        memcpy(out + sizeof(head), write->rels.bytes, write->rels.size);
    if (write->follows.size)
        memcpy(out + sizeof(head) + write->rels.size, write->follows.bytes, write->follows.size);
    mail_close(manager->shard);
}

static void
written_send_failure(
    struct part *part, err_t err, uint32_t failed_operation, uint64_t conflicting_node)
{
    struct txn_manager *manager = part->manager;
    struct written_head head = {
        .err = err, .failed_operation = failed_operation, .conflicting_node = conflicting_node};
    uint64_t txid = part->link.txid;
    bool sent = manager->owed_count == 0 &&
                mail_send(
                    manager->shard, txid_home(txid), MESSAGE_TXN_WRITTEN, txid, &head,
                    sizeof(head)) == 0;
    if (!sent)
        reply(manager, txid, MESSAGE_TXN_WRITTEN, err);
}

static err_t
owner_write_keep(
    struct txn_manager *manager,
    struct owner_write *write,
    uint32_t index,
    const struct effects *effects)
{
    struct memory *memory = shard_memory(manager->shard);
    if (effects->has_rel) {
        struct written_rel rel = {.operation_index = index, .rel = effects->rel};
        uint8_t *at = byte_buffer_extend(&write->rels, memory, sizeof(rel));
        if (!at)
            return ERR(MEMORY_POOL);
        memcpy(at, &rel, sizeof(rel));
        write->rel_count++;
    }
    for (uint32_t i = 0; i < effects->follow_count; i++) {
        struct write_item item = {
            .operation_index = index, .size = (uint32_t)operation_size(&effects->follows[i])};
        uint8_t *at = byte_buffer_extend(&write->follows, memory, write_item_size(item.size));
        if (!at)
            return ERR(MEMORY_POOL);
        memset(at, 0, write_item_size(item.size));
        memcpy(at, &item, sizeof(item));
        operation_encode(&effects->follows[i], at + sizeof(item));
    }
    write_counters_add(&write->counters, &effects->counters);
    return 0;
}

/* Applies from where it stands; true when it was answered (and is gone), false when it is blocked. */
static bool
owner_write_run(struct part *part, struct owner_write *write)
{
    struct txn_manager *manager = part->manager;
    const uint8_t *items = (const uint8_t *)(write + 1);
    while (write->position < write->items_size) {
        struct write_item item;
        struct operation operation;
        struct effects effects = {0};
        size_t used;
        memcpy(&item, items + write->position, sizeof(item));
        arena_reset(&manager->arena);
        err_t err = operation_decode(
            items + write->position + sizeof(item), item.size, &manager->arena, &operation, &used);
        if (!err) {
            assert(operation_owner(manager->shard, &operation) == manager->shard->index);
            if (part_apply(part, &operation, &effects, &err) == APPLY_BLOCKED)
                return false;
        }
        if (!err)
            err = owner_write_keep(manager, write, item.operation_index, &effects);
        if (err) {
            written_send_failure(part, err, item.operation_index, effects.conflicting_node);
            owner_write_delete(manager, write);
            return true;
        }
        write->position += write_item_size(item.size);
    }
    written_send(part, write);
    owner_write_delete(manager, write);
    return true;
}

static void
part_writes_run(struct part *part)
{
    while (!part->blocked && !list_is_empty(&part->writes))
        if (!owner_write_run(part, list_entry(part->writes.next, struct owner_write, link)))
            return;
}

static void
owner_write(struct shard *shard, const struct message *message)
{
    struct txn_manager *manager = shard->txns;
    struct write_head head;
    const uint8_t *payload = message_payload(message);
    memcpy(&head, payload, sizeof(head));
    assert(
        message->size == sizeof(head) + head.items_size &&
        txid_home(message->scope) == message->from);
    struct part *part = part_open(manager, message->scope, head.snapshot);
    struct owner_write *write = NULL;
    if (part)
        write = memory_allocate(shard_memory(shard), sizeof(*write) + head.items_size);
    if (!write) {
        reply(manager, message->scope, MESSAGE_TXN_WRITTEN, ERR(MEMORY_POOL));
        return;
    }
    *write = (struct owner_write){.items_size = head.items_size};
    memcpy(write + 1, payload + sizeof(head), head.items_size);
    list_push_back(&part->writes, &write->link);
    part_writes_run(part);
}

/* --- TXN_COMMIT and TXN_ABORT --- */

static void
part_durable(struct wal_waiter *waiter)
{
    struct part *part = list_entry(waiter, struct part, waiter);
    assert(part->phase == PART_LOGGED);
    part_report(part, MESSAGE_TXN_DURABLE);
}

static void
part_stamp(struct part *part)
{
    struct txn_manager *manager = part->manager;
    store_commit(manager->shard->store, part->link.txid, part->timestamp);
    manager_unblock(manager, part->link.txid);
    manager_collect_later(manager);
}

/* The record, and the stamp with it. False when the log has no buffer free. */
static bool
part_log(struct part *part)
{
    struct txn_manager *manager = part->manager;
    struct wal *wal = manager->shard->wal;
    struct wal_transaction_header header = {
        .timestamp = part->timestamp,
        .txid = part->link.txid,
        .participants = part->participants,
    };
    if (!part_log_ahead(part))
        return false;
    header.part_size = part->part_size;
    uint8_t *out = wal_record_open(
        wal, WAL_RECORD_TRANSACTION, (uint32_t)(sizeof(header) + part->redo.size));
    if (!out)
        return false;
    memcpy(out, &header, sizeof(header));
    if (part->redo.size)
        memcpy(out + sizeof(header), part->redo.bytes, part->redo.size);
    bool early = commit_defect(manager->words) == COMMIT_DEFECT_DURABLE_EARLY;
    part->phase = PART_LOGGED;
    part->waiter.durable = part_durable;
    wal_record_close(wal, early ? NULL : &part->waiter);
    part_stamp(part);
    if (early)
        part_report(part, MESSAGE_TXN_DURABLE);
    return true;
}

void
part_commit(struct part *part, uint64_t timestamp, uint64_t participants)
{
    struct txn_manager *manager = part->manager;
    bool logs = part->redo.size || part->part_size;
    assert(part->phase == PART_OPEN && !part->blocked && list_is_empty(&part->writes));
    assert((participants >> manager->shard->index & 1) == logs);
    part->timestamp = timestamp;
    part->participants = participants;
    bool half = commit_defect(manager->words) == COMMIT_DEFECT_HALF_RECORD && !part->local;
    if (!logs || half) {
        part_stamp(part);
        part_report(part, MESSAGE_TXN_STAMPED);
    } else if (!list_is_empty(&manager->commit_waiting) || !part_log(part)) {
        part->phase = PART_COMMIT_WAITING;
        list_push_back(&manager->commit_waiting, &part->wait_link);
    }
}

void
part_abort(struct part *part)
{
    struct txn_manager *manager = part->manager;
    uint64_t txid = part->link.txid;
    assert(part->phase == PART_OPEN);
    while (!list_is_empty(&part->writes))
        owner_write_delete(manager, list_entry(part->writes.next, struct owner_write, link));
    store_abort(manager->shard->store, txid);
    manager_unblock(manager, txid);
    metric_add(&manager->shard->metrics.aborts, 1);
    part_report(part, MESSAGE_TXN_ABORTED);
}

static void
owner_commit(struct shard *shard, const struct message *message)
{
    struct commit_head head;
    assert(message->size == sizeof(head));
    memcpy(&head, message_payload(message), sizeof(head));
    struct txn_link *link = txn_table_lookup(&shard->txns->parts, message->scope);
    assert(link);
    part_commit(list_entry(link, struct part, link), head.timestamp, head.participants);
}

static void
owner_abort(struct shard *shard, const struct message *message)
{
    struct txn_link *link = txn_table_lookup(&shard->txns->parts, message->scope);
    /* Without a part there was no memory for one, or nothing was sent before the batch failed. */
    if (link)
        part_abort(list_entry(link, struct part, link));
    else
        reply(shard->txns, message->scope, MESSAGE_TXN_ABORTED, 0);
}

void
owner_handlers_set(struct shard *shard)
{
    mail_handler_set(shard, MESSAGE_TXN_WRITE, owner_write);
    mail_handler_set(shard, MESSAGE_TXN_COMMIT, owner_commit);
    mail_handler_set(shard, MESSAGE_TXN_ABORT, owner_abort);
}

/* --- what waited --- */

void
manager_parts_run(struct txn_manager *manager)
{
    if (manager->space_came) {
        manager->space_came = false;
        manager_unblock(manager, 0);
        while (!list_is_empty(&manager->commit_waiting)) {
            struct part *part = list_entry(manager->commit_waiting.next, struct part, wait_link);
            list_remove(&part->wait_link);
            if (part_log(part))
                continue;
            list_push_front(&manager->commit_waiting, &part->wait_link);
            break;
        }
    }
    while (!list_is_empty(&manager->retry)) {
        struct part *part = list_entry(manager->retry.next, struct part, wait_link);
        list_remove(&part->wait_link);
        part->blocked = false;
        if (part->local)
            txn_kick(part->local);
        else
            part_writes_run(part);
    }
}

void
manager_parts_tick(struct txn_manager *manager)
{
    uint64_t now_ns = shard_now_ns(manager->shard);
    for (struct list_link *link = manager->blocked.next, *next; link != &manager->blocked;
         link = next) {
        struct part *part = list_entry(link, struct part, wait_link);
        next = link->next;
        if (now_ns < part->deadline_ns)
            continue;
        list_remove(&part->wait_link);
        list_push_back(&manager->retry, &part->wait_link);
    }
    while (manager->owed_count) {
        const struct owed *owed = &manager->owed[manager->owed_first];
        if (!reply_send(manager->shard, owed->txid, (enum message_type)owed->type, owed->err))
            return;
        manager->owed_first = (manager->owed_first + 1) % TXN_OWED_MAX;
        manager->owed_count--;
    }
}
