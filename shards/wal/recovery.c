/* Recovery.
 *
 * A directory has been written by a row of lives (incarnations). In each, every shard logged to the slot of
 * its index. `meta` says where each slot's log of each past life ended; only the last life's ends are open.
 *
 *      slot 0   |--- life 1 ---|-- life 2 --|---- life 3 ...?
 *      slot 1   |-- life 1 --|---- life 2 ------|- life 3 ...?
 *      slot 2   |- life 1 -|                     (life 2 and 3 ran with two shards)
 *                          ^ meta: history       ^ found by reading
 *
 * Prepare walks every slot and collects, for each transaction record, where it stands. For each life, with
 * D = the largest `stable` in any frame of that life:
 *
 *      transaction T is kept  <=>  T.ts <= D, or all slots of T's participant set hold T's record
 *
 * Invariants
 *  1. An acknowledged transaction is kept: all its participants had reported a durable contiguous prefix.
 *  2. The decision is the same for all of a transaction's records: it looks at one table.
 *  3. T.ts <= D and a record missing cannot come from a crash (stable >= ts was seen by somebody, so all
 *     records were durable): it is damage, and refused.
 *  4. No kept transaction has read or overwritten a dropped one: its snapshot was below stable.
 *  5. Ends are written to meta, atomically for all slots, before the new life logs anything. So a later
 *     recovery sees of this life exactly what this one saw, and what was dropped stays dropped although
 *     later frames carry a larger stable. Before that the files are synced, so that what was read is there.
 *  6. The new life's timestamps begin above every timestamp seen, dropped ones included.
 *
 * Apply reads the kept records again, in the order of timestamps, and hands each operation to the shard
 * that owns its partition now. Records of a life with C shards in slot k hold partitions p with p mod C = k;
 * a shard j of N needs the slot only when j and k agree modulo gcd(C, N).
 *
 * A transaction too large for one record has TRANSACTION_PART records before its last; parts without a last
 * record are an unfinished transaction's and are ignored. */
#include "shards/wal/recovery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "shards/store/store.h"
#include "shards/wal/log_reader.h"
#include "shards/wal/record.h"

/* A record in a log. Three kinds share the shape: `key` is the timestamp of a transaction, the txid of a
 * part, nothing of a catalog record. */
struct found {
    uint64_t key;
    uint64_t txid;
    uint64_t participants;
    uint64_t part_size;
    uint64_t lsn; /* of the bytes of operations */
    uint32_t size;
    uint32_t life; /* index into the lives, oldest 0 */
    uint16_t slot;
    bool kept;
};

struct found_list {
    struct found *items;
    size_t count, capacity;
};

struct recovery {
    struct memory *memory;
    struct meta meta; /* as written down: `history` includes the life that just ended */
    bool is_new;
    uint64_t first_timestamp;
    uint64_t *life_stable; /* D of each life */
    uint32_t life_count;   /* those in meta when it was read, and the open one */
    struct found_list transactions, parts, catalog;
    struct recovery_report report;
};

static err_t recovery_create_directory(
    struct seam *seam,
    const struct recovery_options *options,
    struct meta *meta,
    struct refusal *refusal);
static err_t recovery_read_slot(
    struct recovery *recovery,
    struct seam *seam,
    uint16_t slot,
    struct meta_history *last,
    struct refusal *refusal);
static err_t recovery_decide(struct recovery *recovery, struct refusal *refusal);
static err_t recovery_write_down(
    struct recovery *recovery,
    struct seam *seam,
    const struct recovery_options *options,
    const struct meta_history *last,
    struct refusal *refusal);

err_t
recovery_prepare(
    struct seam *seam,
    const struct recovery_options *options,
    struct recovery **out,
    struct refusal *refusal)
{
    assert(options->shard_count > 0 && options->shard_count <= SHARD_COUNT_MAX);
    struct memory *memory = options->memory ? options->memory : memory_heap();
    struct recovery *recovery = memory_allocate(memory, sizeof(*recovery));
    refusal->text[0] = '\0';
    *out = NULL;
    if (!recovery)
        return ERR(MEMORY_POOL);
    *recovery = (struct recovery){.memory = memory, .first_timestamp = 1};
    struct meta_history last = {0};
    err_t err = meta_load(seam, memory, &recovery->meta, refusal);
    if (err_code(err) == ERR_NOT_FOUND) {
        recovery->is_new = true;
        err = recovery_create_directory(seam, options, &recovery->meta, refusal);
    }
    if (err)
        goto fail;
    last = (struct meta_history){
        .incarnation = recovery->meta.incarnation, .shard_count = recovery->meta.shard_count};
    recovery->life_count = recovery->meta.history_count + 1;
    recovery->life_stable = memory_allocate(memory, recovery->life_count * sizeof(uint64_t));
    if (!recovery->life_stable) {
        err = ERR(MEMORY_POOL);
        goto fail;
    }
    memset(recovery->life_stable, 0, recovery->life_count * sizeof(uint64_t));
    for (uint16_t slot = 0; slot < recovery->meta.slot_count && !err; slot++)
        err = recovery_read_slot(recovery, seam, slot, &last, refusal);
    if (!err)
        err = recovery_decide(recovery, refusal);
    if (!err)
        err = recovery_write_down(recovery, seam, options, &last, refusal);
    if (err)
        goto fail;
    *out = recovery;
    return 0;
fail:
    if (!refusal->text[0])
        refusal_set(refusal, "the data directory cannot be opened: %s", err_text(err_code(err)));
    recovery_delete(recovery);
    return err;
}

static void
found_list_destroy(struct found_list *list, struct memory *memory)
{
    memory_release(memory, list->items, list->capacity * sizeof(*list->items));
}

void
recovery_delete(struct recovery *recovery)
{
    if (!recovery)
        return;
    struct memory *memory = recovery->memory;
    found_list_destroy(&recovery->transactions, memory);
    found_list_destroy(&recovery->parts, memory);
    found_list_destroy(&recovery->catalog, memory);
    memory_release(memory, recovery->life_stable, recovery->life_count * sizeof(uint64_t));
    meta_destroy(&recovery->meta);
    memory_release(memory, recovery, sizeof(*recovery));
}

uint64_t
recovery_first_timestamp(const struct recovery *recovery)
{
    return recovery->first_timestamp;
}

bool
recovery_is_new_directory(const struct recovery *recovery)
{
    return recovery->is_new;
}

struct recovery_report
recovery_report(const struct recovery *recovery)
{
    return recovery->report;
}

struct wal_start
recovery_wal_start(const struct recovery *recovery, uint32_t slot)
{
    const struct meta *meta = &recovery->meta;
    assert(slot < meta->slot_count);
    return (struct wal_start){
        .database_id = meta->database_id,
        .segment_size = meta->segment_size,
        .incarnation = meta->incarnation,
        .lsn = meta->history_count ? meta->history[meta->history_count - 1].ends[slot] : 0,
    };
}

/* --- prepare --- */

static err_t
recovery_create_directory(
    struct seam *seam,
    const struct recovery_options *options,
    struct meta *meta,
    struct refusal *refusal)
{
    struct disk_entry entry;
    assert(options->database_id != 0);
    /* A log without a meta file is not a new directory: something is lost. */
    int64_t listed = seam->ops->disk_list(seam, "wal", &entry, 1);
    if (listed > 0) {
        refusal_set(refusal, "meta: the file is missing, but there are logs in wal/");
        return ERR(STORAGE_DAMAGE);
    }
    *meta = (struct meta){
        .database_id = options->database_id,
        .segment_size = options->segment_size ? options->segment_size : WAL_SEGMENT_SIZE,
        .incarnation = 1,
        .shard_count = options->shard_count,
        .slot_count = options->shard_count,
        .memory = options->memory ? options->memory : memory_heap(),
    };
    assert(meta->segment_size >= WAL_SEGMENT_SIZE_MIN && meta->segment_size % WAL_PAGE_SIZE == 0);
    return meta_store(seam, meta, refusal);
}

static err_t
found_add(struct found_list *list, struct memory *memory, const struct found *found)
{
    if (list->count == list->capacity) {
        size_t grown = list->capacity ? list->capacity * 2 : 1024;
        struct found *items = memory_resize(
            memory, list->items, list->capacity * sizeof(*items), grown * sizeof(*items));
        if (!items)
            return ERR(MEMORY_POOL);
        list->items = items;
        list->capacity = grown;
    }
    list->items[list->count++] = *found;
    return 0;
}

static err_t
recovery_take_record(
    struct recovery *recovery, const struct wal_record *record, struct found *found)
{
    found->size = record->size;
    switch ((enum wal_record_type)record->type) {
    case WAL_RECORD_TRANSACTION:
        found->key = record->transaction.timestamp;
        found->txid = record->transaction.txid;
        found->participants = record->transaction.participants;
        found->part_size = record->transaction.part_size;
        if (!(found->participants >> found->slot & 1))
            return ERR(STORAGE_DAMAGE);
        if (found->key >= recovery->first_timestamp)
            recovery->first_timestamp = found->key + 1;
        return found_add(&recovery->transactions, recovery->memory, found);
    case WAL_RECORD_TRANSACTION_PART:
        found->txid = found->key = record->part.txid;
        return found_add(&recovery->parts, recovery->memory, found);
    case WAL_RECORD_CATALOG:
        found->key = found->lsn;
        return found_add(&recovery->catalog, recovery->memory, found);
    case WAL_RECORD_NONE:
    case WAL_RECORD_TYPE_COUNT:
    default:
        return ERR(STORAGE_DAMAGE);
    }
}

/* All records of one frame. The checksum held, so bytes that are no record were written that way. */
static err_t
recovery_take_frame(
    struct recovery *recovery,
    uint32_t life,
    uint16_t slot,
    const struct wal_frame_header *header,
    const uint8_t *payload,
    struct refusal *refusal)
{
    size_t offset = 0;
    uint64_t in_segment = header->lsn % recovery->meta.segment_size + sizeof(*header);
    if (header->stable > recovery->life_stable[life])
        recovery->life_stable[life] = header->stable;
    if (header->stable >= recovery->first_timestamp)
        recovery->first_timestamp = header->stable + 1;
    recovery->report.bytes_read += frame_size(header->payload_size);
    while (offset < header->payload_size) {
        struct wal_record record;
        size_t at = offset;
        err_t err = record_decode(payload, header->payload_size, &offset, &record);
        if (!err) {
            struct found found = {
                .life = life,
                .slot = slot,
                .lsn = header->lsn + sizeof(*header) + (size_t)(record.body - payload),
            };
            err = recovery_take_record(recovery, &record, &found);
        }
        if (err) {
            refusal_set(
                refusal, "wal/%02u/%010llu: offset %llu: the record there makes no sense (%s)",
                slot, (unsigned long long)(header->lsn / recovery->meta.segment_size),
                (unsigned long long)(in_segment + at), err_text(err_code(err)));
            return err;
        }
    }
    return 0;
}

/* What a write of the last life left in the device or the page cache is on the medium afterwards. */
static err_t
recovery_settle(struct seam *seam, uint16_t slot, uint64_t segment, struct refusal *refusal)
{
    for (;; segment++) {
        char path[LOG_PATH_SIZE];
        io_handle handle;
        log_segment_path(path, slot, segment);
        int64_t result = seam->ops->disk_open(seam, path, false, false, &handle);
        if (result == -ENOENT)
            return 0;
        if (result >= 0) {
            result = seam->ops->disk_sync(seam, handle);
            seam->ops->disk_close(seam, handle);
        }
        if (result < 0) {
            refusal_set(refusal, "%s: cannot be synced: %s", path, strerror((int)-result));
            return ERR_ERRNO(result);
        }
    }
}

static err_t
recovery_read_slot(
    struct recovery *recovery,
    struct seam *seam,
    uint16_t slot,
    struct meta_history *last,
    struct refusal *refusal)
{
    const struct meta *meta = &recovery->meta;
    struct log_reader reader;
    uint64_t start = 0;
    err_t err = log_reader_create(&reader, seam, recovery->memory, slot, meta->segment_size);
    if (err)
        return err;
    for (uint32_t life = 0; life <= meta->history_count && !err; life++) {
        bool is_last = life == meta->history_count;
        struct log_range range = {
            .identity =
                {
                    .database_id = meta->database_id,
                    .incarnation = is_last ? meta->incarnation : meta->history[life].incarnation,
                    .slot = slot,
                },
            .start = start,
            .end = is_last ? UINT64_MAX : meta->history[life].ends[slot],
        };
        struct log_cursor cursor = {.lsn = start};
        struct wal_frame_header header;
        const uint8_t *payload = NULL;
        if (is_last)
            err = recovery_settle(seam, slot, start / meta->segment_size, refusal);
        do {
            if (!err)
                err = log_reader_next(&reader, &range, &cursor, &header, &payload, refusal);
            if (!err && payload)
                err = recovery_take_frame(recovery, life, slot, &header, payload, refusal);
        } while (!err && payload);
        start = cursor.lsn;
    }
    last->ends[slot] = start;
    log_reader_destroy(&reader);
    return err;
}

static int
found_compare_transactions(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->life != y->life)
        return x->life < y->life ? -1 : 1;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->slot > y->slot) - (x->slot < y->slot);
}

static int
found_compare_parts(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->life != y->life)
        return x->life < y->life ? -1 : 1;
    if (x->slot != y->slot)
        return x->slot < y->slot ? -1 : 1;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->lsn > y->lsn) - (x->lsn < y->lsn);
}

/* The keep rule for the records items[0..count) of one transaction. */
static err_t
recovery_decide_one(
    struct recovery *recovery, struct found *items, size_t count, struct refusal *refusal)
{
    uint64_t present = 0;
    bool agree = true;
    for (size_t i = 0; i < count; i++) {
        agree = agree && !(present >> items[i].slot & 1) &&
                items[i].participants == items[0].participants;
        present |= UINT64_C(1) << items[i].slot;
    }
    bool below = items[0].key <= recovery->life_stable[items[0].life];
    bool whole = present == items[0].participants;
    if (!agree || (below && !whole)) {
        refusal_set(
            refusal, "wal/%02u: transaction %llu was committed, but slots %#llx lack its record",
            items[0].slot, (unsigned long long)items[0].key,
            (unsigned long long)(items[0].participants & ~present));
        return ERR(STORAGE_DAMAGE);
    }
    for (size_t i = 0; i < count; i++)
        items[i].kept = whole;
    recovery->report.transactions_kept += whole;
    recovery->report.transactions_dropped += !whole;
    return 0;
}

static err_t
recovery_decide(struct recovery *recovery, struct refusal *refusal)
{
    struct found_list *list = &recovery->transactions;
    if (list->count)
        qsort(list->items, list->count, sizeof(*list->items), found_compare_transactions);
    if (recovery->parts.count)
        qsort(
            recovery->parts.items, recovery->parts.count, sizeof(*list->items),
            found_compare_parts);
    for (size_t from = 0, to; from < list->count; from = to) {
        for (to = from + 1; to < list->count && list->items[to].life == list->items[from].life &&
                            list->items[to].key == list->items[from].key;)
            to++;
        err_t err = recovery_decide_one(recovery, &list->items[from], to - from, refusal);
        if (err)
            return err;
    }
    return 0;
}

static err_t
recovery_write_down(
    struct recovery *recovery,
    struct seam *seam,
    const struct recovery_options *options,
    const struct meta_history *last,
    struct refusal *refusal)
{
    struct meta *meta = &recovery->meta;
    bool wrote = false;
    for (uint32_t slot = 0; slot < meta->slot_count; slot++) {
        uint64_t before = meta->history_count ? meta->history[meta->history_count - 1].ends[slot]
                                              : 0;
        wrote = wrote || last->ends[slot] != before;
    }
    /* A life that logged nothing needs no entry, so restarting for ever does not grow the file. */
    err_t err = wrote ? meta_history_add(meta, last) : 0;
    if (err)
        return err;
    if (meta->incarnation == UINT32_MAX) {
        refusal_set(refusal, "meta: the counter of incarnations is used up");
        return ERR(LIMIT);
    }
    meta->incarnation++;
    meta->shard_count = options->shard_count;
    if (meta->slot_count < options->shard_count)
        meta->slot_count = options->shard_count;
    recovery->report.incarnation = meta->incarnation;
    return meta_store(seam, meta, refusal);
}

/* --- apply --- */

struct apply {
    const struct recovery *recovery;
    struct shard *shard;
    const struct recovery_sink *sink;
    struct refusal *refusal;
    struct log_reader *readers; /* one per slot, made when first needed */
    struct arena arena;
    uint8_t *joined; /* the bytes of a transaction that came in parts */
    size_t joined_capacity;
};

static uint32_t
greatest_common_divisor(uint32_t a, uint32_t b)
{
    while (b) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* True when a record of that slot and life may hold operations of this shard's partitions. */
static bool
apply_concerns(const struct apply *apply, const struct found *found)
{
    const struct meta *meta = &apply->recovery->meta;
    uint32_t step = greatest_common_divisor(
        meta->history[found->life].shard_count, apply->shard->count);
    return found->slot % step == apply->shard->index % step;
}

static err_t
apply_bytes(struct apply *apply, const struct found *found, const uint8_t **out)
{
    struct log_reader *reader = &apply->readers[found->slot];
    const struct meta *meta = &apply->recovery->meta;
    static const uint8_t nothing[1];
    *out = nothing;
    if (!found->size)
        return 0;
    err_t err = 0;
    if (!reader->window)
        err = log_reader_create(
            reader, apply->shard->seam, shard_memory(apply->shard), found->slot,
            meta->segment_size);
    if (!err)
        err = log_reader_bytes(reader, found->lsn, found->size, out);
    if (!err && !*out)
        err = ERR(STORAGE_DAMAGE);
    if (err)
        refusal_set(
            apply->refusal, "wal/%02u/%010llu: offset %llu: the record cannot be read again",
            found->slot, (unsigned long long)(found->lsn / meta->segment_size),
            (unsigned long long)(found->lsn % meta->segment_size));
    return err;
}

/* The first part of the transaction, and how many follow it, in order. */
static const struct found *
apply_parts(const struct recovery *recovery, const struct found *last, size_t *count)
{
    size_t low = 0, high = recovery->parts.count;
    const struct found *items = recovery->parts.items;
    struct found key = {.life = last->life, .slot = last->slot, .key = last->txid, .lsn = 0};
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (found_compare_parts(&items[middle], &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *count = 0;
    while (low + *count < recovery->parts.count && items[low + *count].life == last->life &&
           items[low + *count].slot == last->slot && items[low + *count].key == last->txid)
        ++*count;
    return items + low;
}

/* All bytes of operations of a transaction's record, its parts before it. */
static err_t
apply_join(struct apply *apply, const struct found *last, const uint8_t **bytes, size_t *size)
{
    struct memory *memory = shard_memory(apply->shard);
    size_t count, at = 0, total = last->part_size + last->size;
    const struct found *parts = apply_parts(apply->recovery, last, &count);
    if (total > apply->joined_capacity) {
        memory_release(memory, apply->joined, apply->joined_capacity);
        apply->joined_capacity = 0;
        apply->joined = memory_allocate(memory, total);
        if (!apply->joined)
            return ERR(MEMORY_POOL);
        apply->joined_capacity = total;
    }
    for (size_t i = 0; i <= count; i++) {
        const struct found *piece = i < count ? &parts[i] : last;
        const uint8_t *from;
        err_t err = apply_bytes(apply, piece, &from);
        if (!err && piece->size > total - at)
            err = ERR(STORAGE_DAMAGE);
        if (err)
            return err;
        memcpy(apply->joined + at, from, piece->size);
        at += piece->size;
    }
    *bytes = apply->joined;
    *size = total;
    return at == total ? 0 : ERR(STORAGE_DAMAGE);
}

static err_t
apply_transaction(struct apply *apply, const struct found *found)
{
    const uint8_t *bytes;
    size_t size = found->size, offset = 0;
    err_t err = found->part_size ? apply_join(apply, found, &bytes, &size)
                                 : apply_bytes(apply, found, &bytes);
    while (!err && offset < size) {
        struct operation operation;
        size_t used = 0;
        arena_reset(&apply->arena);
        err = operation_decode(bytes + offset, size - offset, &apply->arena, &operation, &used);
        if (!err &&
            partition_owner(apply->shard, operation_partition(&operation)) == apply->shard->index)
            err = apply->sink->operation(
                apply->sink->context, &operation, found->key, &apply->arena);
        offset += used;
    }
    if (err && !apply->refusal->text[0])
        refusal_set(
            apply->refusal, "wal/%02u: transaction %llu cannot be applied: %s", found->slot,
            (unsigned long long)found->key, err_text(err_code(err)));
    return err;
}

static err_t
apply_catalog(struct apply *apply)
{
    const struct found_list *list = &apply->recovery->catalog;
    for (size_t i = 0; i < list->count; i++) {
        const uint8_t *bytes;
        err_t err = apply_bytes(apply, &list->items[i], &bytes);
        if (!err)
            err = apply->sink->catalog(apply->sink->context, bytes, list->items[i].size);
        if (err) {
            if (!apply->refusal->text[0])
                refusal_set(
                    apply->refusal, "the catalog cannot be read: %s", err_text(err_code(err)));
            return err;
        }
    }
    return 0;
}

err_t
recovery_apply(
    const struct recovery *recovery,
    struct shard *shard,
    const struct recovery_sink *sink,
    struct refusal *refusal)
{
    struct apply apply = {.recovery = recovery, .shard = shard, .sink = sink, .refusal = refusal};
    size_t readers_size = recovery->meta.slot_count * sizeof(*apply.readers);
    assert(shard->count == recovery->meta.shard_count && shard->index < shard->count);
    refusal->text[0] = '\0';
    apply.readers = memory_allocate(shard_memory(shard), readers_size);
    if (!apply.readers)
        return ERR(MEMORY_POOL);
    memset(apply.readers, 0, readers_size);
    arena_create(&apply.arena, shard_memory(shard), (size_t)PROPERTY_SIZE_MAX * 4);
    err_t err = apply_catalog(&apply);
    for (size_t i = 0; i < recovery->transactions.count && !err; i++) {
        const struct found *found = &recovery->transactions.items[i];
        if (found->kept && apply_concerns(&apply, found))
            err = apply_transaction(&apply, found);
    }
    if (!err && shard->store)
        err = store_replay_finish(shard->store);
    for (uint32_t slot = 0; slot < recovery->meta.slot_count; slot++)
        if (apply.readers[slot].window)
            log_reader_destroy(&apply.readers[slot]);
    arena_destroy(&apply.arena);
    memory_release(shard_memory(shard), apply.joined, apply.joined_capacity);
    memory_release(shard_memory(shard), apply.readers, readers_size);
    return err;
}
