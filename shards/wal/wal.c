/* The log of one shard, while it runs.
 *
 *    records -> [open buffer] -> seal -> [in flight, up to 4] -> completed -> durable prefix -> waiters
 *                    ^                                               |
 *                    +---------------- buffer is free again ---------+
 *
 *    buffers, a ring of five:      oldest in flight                 open
 *                                  |                                |
 *                        +---------v-+-----------+-----------+------v----+-----------+
 *                        | completed | in flight | completed | filling   | free      |
 *                        +-----------+-----------+-----------+-----------+-----------+
 *                          ^ reported durable when the oldest completes
 *
 * When the open buffer is written: at the end of a turn, if nothing is in flight (one client waits for one
 * device latency and nothing else), or if it holds FLUSH_SIZE bytes or more; at once when a record does not
 * fit behind it. While frames are in flight a small buffer waits, which is what groups commits.
 *
 * Invariants
 *  1. Frames are submitted in the order of their LSN, and frame n + 4 only after frame n completed.
 *  2. durable_lsn is the end of the longest prefix of completed frames; waiters below it have been called.
 *  3. Frames never overlap: a frame's LSN is the end of the one before, or the start of the next segment.
 *  4. The file under a frame has its full size, zeroed and durable, before the frame is written.
 *  5. reserved_size <= the space of the current and the ready segments, less a margin for unused ends.
 *  6. Any write that fails or is short ends the process. */
#include "shards/wal/wal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "shards/wal/frame.h"
#include "shards/wal/log_reader.h"
#include "shards/wal/record.h"
#include "shards/wal/segment.h"

enum {
    FRAME_BUFFER_COUNT = WAL_FRAMES_IN_FLIGHT_MAX + 1,
    SEGMENTS_READY_MAX = 2,
    SEGMENT_COUNT = 16, /* ready, current, and retired ones that are not closed yet */
    FLUSH_SIZE = 32 << 10,
    LISTENERS_MAX = 2,
};
#define PREPARE_RETRY_NS UINT64_C(1000000000)

struct frame {
    struct io_op op;
    struct wal *wal;
    struct segment *segment;
    uint8_t *bytes;
    uint64_t lsn;
    size_t size;
    bool completed;
};

struct wal {
    struct shard *shard;
    enum wal_sync sync;
    struct frame_identity identity;
    uint64_t segment_size;
    uint32_t frame_size_max, record_size_max;

    /* The ring of buffers: `in_flight_count` from `oldest`, then the open one. */
    struct frame frames[FRAME_BUFFER_COUNT];
    uint32_t oldest, in_flight_count;
    uint8_t *buffers; /* as allocated; frames[].bytes are aligned inside */
    size_t buffers_size;

    /* The open frame. */
    bool has_open;
    size_t used_size, capacity;   /* of its payload; capacity 0: no segment has room */
    uint32_t record_payload_size; /* of the record being written; UINT32_MAX = none */
    uint32_t last_crc;

    uint64_t append_lsn; /* where the open frame stands, or the next one will */
    uint64_t submitted_lsn, durable_lsn;
    struct list_link waiters; /* by LSN */

    struct segment segments[SEGMENT_COUNT];
    struct segment *current;
    struct segment *ready[SEGMENTS_READY_MAX]; /* in order of number */
    uint32_t ready_count;
    uint32_t retired_count; /* not closed yet */

    struct segment_preparation preparation;
    struct io_op prepare_op;
    struct timer prepare_timer;
    bool preparing, disk_is_full;
    bool more_wanted; /* a reservation did not fit */
    uint8_t *zeroes;  /* as allocated */

    uint64_t reserved_size;
    struct {
        void (*space)(void *context);
        void *context;
    } listeners[LISTENERS_MAX];
    uint32_t listener_count;
    uint64_t (*stable)(void *context);
    void *stable_context;
};

static void wal_end_of_turn(struct shard *shard, void *argument);
static void frame_written(struct io_op *op);
static void wal_prepare_next(struct wal *wal);

/* --- open and close --- */

static void *
align_page(void *pointer)
{
    return (void *)(((uintptr_t)pointer + WAL_PAGE_SIZE - 1) / WAL_PAGE_SIZE * WAL_PAGE_SIZE);
}

static struct segment *
segment_take(struct wal *wal, uint64_t number, io_handle handle)
{
    struct segment *segment = wal->segments;
    while (segment < wal->segments + SEGMENT_COUNT && segment->in_use)
        segment++;
    /* wal_segment_advance keeps one free. */
    assert(segment < wal->segments + SEGMENT_COUNT);
    *segment = (struct segment){.wal = wal, .number = number, .handle = handle, .in_use = true};
    return segment;
}

static err_t
wal_make_directories(struct wal *wal)
{
    struct seam *seam = wal->shard->seam;
    char path[LOG_PATH_SIZE];
    log_slot_path(path, wal->identity.slot);
    int64_t result = seam->ops->disk_make_directory(seam, "wal");
    if (result < 0 && result != -EEXIST)
        return ERR_ERRNO(result);
    result = seam->ops->disk_make_directory(seam, path);
    if (result < 0 && result != -EEXIST)
        return ERR_ERRNO(result);
    result = seam->ops->disk_sync_directory(seam, ".");
    if (result >= 0)
        result = seam->ops->disk_sync_directory(seam, "wal");
    return result < 0 ? ERR_ERRNO(result) : 0;
}

/* The segment where writing goes on, made now if it is not there; and those prepared by the last life. */
static err_t
wal_open_segments(struct wal *wal)
{
    struct seam *seam = wal->shard->seam;
    uint64_t number = wal->append_lsn / wal->segment_size;
    io_handle handle;
    int64_t result = segment_open(seam, wal->identity.slot, number, wal->segment_size, &handle);
    if (result == -ENOENT) {
        wal->preparation.number = number;
        result = segment_prepare(&wal->preparation);
        handle = wal->preparation.handle;
    }
    if (result < 0)
        return result == -ENOSPC ? ERR(DISK_FULL) : ERR_ERRNO(result);
    wal->current = segment_take(wal, number, handle);
    while (wal->ready_count < SEGMENTS_READY_MAX) {
        number++;
        result = segment_open(seam, wal->identity.slot, number, wal->segment_size, &handle);
        if (result == -ENOENT)
            return 0;
        if (result < 0)
            return ERR_ERRNO(result);
        wal->ready[wal->ready_count++] = segment_take(wal, number, handle);
    }
    return 0;
}

static err_t
wal_allocate_buffers(struct wal *wal)
{
    struct memory *memory = shard_memory(wal->shard);
    wal->buffers_size = (size_t)wal->frame_size_max * FRAME_BUFFER_COUNT + WAL_PAGE_SIZE;
    wal->buffers = memory_allocate(memory, wal->buffers_size);
    wal->zeroes = memory_allocate(memory, SEGMENT_ZEROES_SIZE + WAL_PAGE_SIZE);
    if (!wal->buffers || !wal->zeroes)
        return ERR(MEMORY_POOL);
    uint8_t *bytes = align_page(wal->buffers);
    for (uint32_t i = 0; i < FRAME_BUFFER_COUNT; i++)
        wal->frames[i] = (struct frame){
            .wal = wal, .bytes = bytes + (size_t)i * wal->frame_size_max};
    wal->preparation.zeroes = align_page(wal->zeroes);
    memset(wal->preparation.zeroes, 0, SEGMENT_ZEROES_SIZE);
    return 0;
}

err_t
wal_open(struct shard *shard, const struct wal_start *start, enum wal_sync sync, struct wal **out)
{
    assert(start->lsn % WAL_PAGE_SIZE == 0 && start->segment_size % WAL_PAGE_SIZE == 0);
    struct wal *wal = memory_allocate(shard_memory(shard), sizeof(*wal));
    *out = NULL;
    if (!wal)
        return ERR(MEMORY_POOL);
    memset(wal, 0, sizeof(*wal));
    wal->shard = shard;
    wal->sync = sync;
    wal->identity = (struct frame_identity){
        .database_id = start->database_id,
        .incarnation = start->incarnation,
        .slot = (uint16_t)shard->index};
    wal->segment_size = start->segment_size;
    uint64_t half = start->segment_size / 2 / WAL_PAGE_SIZE * WAL_PAGE_SIZE;
    wal->frame_size_max = half < WAL_FRAME_SIZE_MAX ? (uint32_t)half : WAL_FRAME_SIZE_MAX;
    wal->record_size_max = wal->frame_size_max / 4;
    wal->record_payload_size = UINT32_MAX;
    wal->append_lsn = wal->submitted_lsn = wal->durable_lsn = start->lsn;
    list_init(&wal->waiters);
    wal->preparation = (struct segment_preparation){
        .seam = shard->seam, .segment_size = wal->segment_size, .slot = wal->identity.slot};
    err_t err = wal_allocate_buffers(wal);
    if (!err)
        err = wal_make_directories(wal);
    if (!err)
        err = wal_open_segments(wal);
    if (!err)
        err = shard_hook_add(shard, wal_end_of_turn, wal);
    if (err) {
        wal_close(wal);
        return err;
    }
    wal_prepare_next(wal);
    *out = wal;
    return 0;
}

bool
wal_drain(struct wal *wal)
{
    wal_flush(wal);
    return !wal->has_open && wal->in_flight_count == 0 && !wal->preparing &&
           wal->retired_count == 0;
}

void
wal_close(struct wal *wal)
{
    struct seam *seam = wal->shard->seam;
    timer_stop(wal->shard, &wal->prepare_timer);
    for (uint32_t i = 0; i < SEGMENT_COUNT; i++)
        if (wal->segments[i].in_use)
            seam->ops->disk_close(seam, wal->segments[i].handle);
    memory_release(shard_memory(wal->shard), wal->buffers, wal->buffers_size);
    memory_release(shard_memory(wal->shard), wal->zeroes, SEGMENT_ZEROES_SIZE + WAL_PAGE_SIZE);
    memory_release(shard_memory(wal->shard), wal, sizeof(*wal));
}

void
wal_space_listen(struct wal *wal, void (*space)(void *context), void *context)
{
    assert(wal->listener_count < LISTENERS_MAX);
    wal->listeners[wal->listener_count].space = space;
    wal->listeners[wal->listener_count++].context = context;
}

void
wal_stable_source(struct wal *wal, uint64_t (*stable)(void *context), void *context)
{
    wal->stable = stable;
    wal->stable_context = context;
}

static void
wal_tell_space(struct wal *wal)
{
    for (uint32_t i = 0; i < wal->listener_count; i++)
        wal->listeners[i].space(wal->listeners[i].context);
}

static void __attribute__((noreturn, format(printf, 2, 3)))
wal_fatal(struct wal *wal, const char *format, ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    int size = snprintf(line, sizeof(line), "the log of shard %u: ", wal->identity.slot);
    vsnprintf(line + size, sizeof(line) - (size_t)size, format, arguments);
    va_end(arguments);
    wal->shard->seam->ops->fatal(wal->shard->seam, line);
}

/* --- segments --- */

static void
segment_closed(struct io_op *op)
{
    struct segment *segment = list_entry(op, struct segment, close_op);
    /* All its bytes were durable: a close that fails loses nothing. */
    segment->in_use = false;
    segment->wal->retired_count--;
}

static void
segment_close_when_idle(struct segment *segment)
{
    if (!segment->retired || segment->in_flight_count)
        return;
    segment->close_op = (struct io_op){
        .kind = IO_CLOSE, .handle = segment->handle, .done = segment_closed};
    io_submit(segment->wal->shard->seam, &segment->close_op);
}

/* On to the first ready segment. False when there is none. */
static bool
wal_segment_advance(struct wal *wal)
{
    struct segment *left = wal->current;
    if (wal->ready_count == 0 || wal->retired_count + SEGMENTS_READY_MAX + 2 > SEGMENT_COUNT) {
        wal_prepare_next(wal);
        return false;
    }
    wal->current = wal->ready[0];
    assert(wal->current->number == left->number + 1);
    wal->ready_count--;
    memmove(wal->ready, wal->ready + 1, wal->ready_count * sizeof(struct segment *));
    wal->append_lsn = wal->current->number * wal->segment_size;
    left->retired = true;
    wal->retired_count++;
    segment_close_when_idle(left);
    wal_prepare_next(wal);
    return true;
}

static void
wal_prepare_again(struct timer *timer)
{
    wal_prepare_next(list_entry(timer, struct wal, prepare_timer));
}

static void
wal_prepared(struct io_op *op)
{
    struct wal *wal = list_entry(op, struct wal, prepare_op);
    wal->preparing = false;
    if (op->result >= 0) {
        wal->ready[wal->ready_count++] = segment_take(
            wal, wal->preparation.number, wal->preparation.handle);
        wal->disk_is_full = false;
    } else if (op->result == -ENOSPC || op->result == -EDQUOT) {
        if (!wal->disk_is_full)
            wal->shard->seam->ops->log(
                wal->shard->seam,
                "the disk is full: no segment for the log can be prepared; writes are refused "
                "when the present ones are used up");
        wal->disk_is_full = true;
        timer_start(wal->shard, &wal->prepare_timer, PREPARE_RETRY_NS, wal_prepare_again);
    } else {
        wal_fatal(
            wal, "preparing segment %llu failed: %s", (unsigned long long)wal->preparation.number,
            strerror((int)-op->result));
    }
    wal_tell_space(wal);
}

/* Has the auxiliary thread make one more segment: one is kept ahead, a second when reservations want it. */
static void
wal_prepare_next(struct wal *wal)
{
    uint32_t wanted = wal->more_wanted ? SEGMENTS_READY_MAX : 1;
    if (wal->preparing || wal->prepare_timer.armed || wal->ready_count >= wanted)
        return;
    wal->preparing = true;
    wal->more_wanted = false;
    wal->preparation.number = wal->current->number + wal->ready_count + 1;
    wal->prepare_op = (struct io_op){
        .kind = IO_CALL,
        .call = segment_prepare,
        .call_argument = &wal->preparation,
        .done = wal_prepared};
    io_submit(wal->shard->seam, &wal->prepare_op);
}

/* Invariant 5. */
static uint64_t
wal_space(const struct wal *wal)
{
    uint64_t margin = frame_size(record_size(wal->record_size_max));
    uint64_t end = (wal->current->number + 1) * wal->segment_size;
    uint64_t used = wal->append_lsn + (wal->has_open ? frame_size(wal->used_size) : 0);
    uint64_t space = (uint64_t)wal->ready_count * (wal->segment_size - margin);
    return end > used + margin ? space + (end - used - margin) : space;
}

err_t
wal_reserve(struct wal *wal, uint64_t size)
{
    if (wal->reserved_size + size <= wal_space(wal)) {
        wal->reserved_size += size;
        return 0;
    }
    if (wal->disk_is_full)
        return ERR(DISK_FULL);
    wal->more_wanted = true;
    wal_prepare_next(wal);
    return ERR(BUSY);
}

void
wal_unreserve(struct wal *wal, uint64_t size)
{
    assert(size <= wal->reserved_size);
    wal->reserved_size -= size;
}

/* --- records --- */

uint32_t
wal_record_size_max(const struct wal *wal)
{
    return wal->record_size_max;
}

static struct frame *
wal_open_frame(struct wal *wal)
{
    return &wal->frames[(wal->oldest + wal->in_flight_count) % FRAME_BUFFER_COUNT];
}

static void
wal_submit(struct wal *wal)
{
    struct frame *frame = wal_open_frame(wal);
    assert(wal->has_open && wal->used_size > 0 && wal->record_payload_size == UINT32_MAX);
    assert(wal->in_flight_count < WAL_FRAMES_IN_FLIGHT_MAX);
    bool full = wal->sync == WAL_SYNC_FULL;
    struct wal_frame_header header = {
        .slot = wal->identity.slot,
        .database_id = wal->identity.database_id,
        .incarnation = wal->identity.incarnation,
        .previous_crc = wal->last_crc,
        .lsn = wal->append_lsn,
        /* Without durable writes neither says anything about what is on disk. */
        .durable_lsn = full ? wal->durable_lsn : 0,
        .stable = full && wal->stable ? wal->stable(wal->stable_context) : 0,
        .payload_size = (uint32_t)wal->used_size,
    };
    frame_seal(frame->bytes, &header);
    wal->last_crc = header.header_crc;
    frame->segment = wal->current;
    frame->lsn = wal->append_lsn;
    frame->size = frame_size(wal->used_size);
    frame->completed = false;
    frame->op = (struct io_op){
        .kind = IO_WRITE,
        .durable = full,
        .handle = frame->segment->handle,
        .buffer = frame->bytes,
        .size = frame->size,
        .offset = frame->lsn % wal->segment_size,
        .done = frame_written,
    };
    assert(frame->op.offset + frame->size <= wal->segment_size);
    wal->append_lsn += frame->size;
    wal->submitted_lsn = wal->append_lsn;
    wal->has_open = false;
    wal->used_size = 0;
    wal->in_flight_count++;
    frame->segment->in_flight_count++;
    metric_add(&wal->shard->metrics.wal_frames, 1);
    metric_add(&wal->shard->metrics.wal_bytes, frame->size);
    shard_outstanding_add(wal->shard, 1);
    io_submit(wal->shard->seam, &frame->op);
}

/* Begins a frame with room for `size` bytes of payload. */
static bool
wal_begin_frame(struct wal *wal, size_t size)
{
    uint64_t end = (wal->current->number + 1) * wal->segment_size;
    if (end - wal->append_lsn < sizeof(struct wal_frame_header) + size) {
        if (!wal_segment_advance(wal))
            return false;
        end = wal->append_lsn + wal->segment_size;
    }
    uint64_t left = end - wal->append_lsn;
    size_t limit = left < wal->frame_size_max ? (size_t)left : wal->frame_size_max;
    wal->capacity = limit - sizeof(struct wal_frame_header);
    wal->has_open = true;
    wal->used_size = 0;
    return true;
}

void *
wal_record_open(struct wal *wal, uint8_t type, uint32_t size)
{
    size_t whole = record_size(size);
    assert(wal->record_payload_size == UINT32_MAX && size <= wal->record_size_max);
    assert(type > WAL_RECORD_NONE && type < WAL_RECORD_TYPE_COUNT);
    if (wal->has_open && wal->used_size + whole > wal->capacity) {
        if (wal->in_flight_count == WAL_FRAMES_IN_FLIGHT_MAX)
            return NULL;
        wal_submit(wal);
    }
    if (!wal->has_open && !wal_begin_frame(wal, whole))
        return NULL;
    uint8_t *at = wal_open_frame(wal)->bytes + sizeof(struct wal_frame_header) + wal->used_size;
    struct wal_record_header header = {.size = size, .type = type};
    memcpy(at, &header, sizeof(header));
    memset(at + sizeof(header) + size, 0, whole - sizeof(header) - size);
    wal->record_payload_size = size;
    return at + sizeof(header);
}

uint64_t
wal_record_close(struct wal *wal, struct wal_waiter *waiter)
{
    uint64_t lsn = wal->append_lsn + sizeof(struct wal_frame_header) + wal->used_size;
    assert(wal->has_open && wal->record_payload_size != UINT32_MAX);
    wal->used_size += record_size(wal->record_payload_size);
    wal->record_payload_size = UINT32_MAX;
    if (waiter) {
        waiter->lsn = lsn;
        list_push_back(&wal->waiters, &waiter->link);
    }
    return lsn;
}

/* --- writing --- */

void
wal_flush(struct wal *wal)
{
    if (wal->has_open && wal->in_flight_count < WAL_FRAMES_IN_FLIGHT_MAX)
        wal_submit(wal);
}

/* Those whose record is below `lsn`. */
static void
wal_call_waiters(struct wal *wal, uint64_t lsn)
{
    while (!list_is_empty(&wal->waiters)) {
        struct wal_waiter *waiter = list_entry(wal->waiters.next, struct wal_waiter, link);
        if (waiter->lsn >= lsn)
            return;
        list_remove(&waiter->link);
        waiter->durable(waiter);
    }
}

static void
frame_written(struct io_op *op)
{
    struct frame *frame = list_entry(op, struct frame, op);
    struct wal *wal = frame->wal;
    if (op->result != (int64_t)frame->size)
        wal_fatal(
            wal, "writing %zu bytes at LSN %llu gave %lld (%s)", frame->size,
            (unsigned long long)frame->lsn, (long long)op->result,
            op->result < 0 ? strerror((int)-op->result) : "a short write");
    frame->completed = true;
    shard_outstanding_add(wal->shard, -1);
    frame->segment->in_flight_count--;
    segment_close_when_idle(frame->segment);
    uint32_t freed = 0;
    while (wal->in_flight_count && wal->frames[wal->oldest].completed) {
        struct frame *oldest = &wal->frames[wal->oldest];
        wal->durable_lsn = oldest->lsn + oldest->size;
        oldest->completed = false;
        wal->oldest = (wal->oldest + 1) % FRAME_BUFFER_COUNT;
        wal->in_flight_count--;
        freed++;
    }
    if (!freed)
        return;
    if (wal->sync == WAL_SYNC_FULL)
        wal_call_waiters(wal, wal->durable_lsn);
    wal_tell_space(wal);
}

static void
wal_end_of_turn(struct shard *shard, void *argument)
{
    struct wal *wal = argument;
    assert(wal->shard == shard);
    bool at_once = wal->in_flight_count == 0 || wal->used_size >= FLUSH_SIZE ||
                   wal->sync == WAL_SYNC_OFF;
    if (at_once)
        wal_flush(wal);
    if (wal->sync == WAL_SYNC_OFF)
        wal_call_waiters(wal, wal->submitted_lsn);
}
