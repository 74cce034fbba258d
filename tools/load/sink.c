#include "tools/load/sink.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/memory.h"
#include "shards/boot/database.h"
#include "shards/store/catalog_state.h"
#include "shards/wal/frame.h"
#include "shards/wal/meta.h"
#include "shards/wal/record.h"

enum {
    BUFFER_SIZE = WAL_FRAME_SIZE_MAX - WAL_PAGE_SIZE,
    TOKEN_SLOT_COUNT = 1 << 16,
    PATH_SIZE = 4096
};

/* A frame in the making: header, record header, transaction header, then operations. */
enum {
    OPERATIONS_OFFSET = sizeof(struct wal_frame_header) + sizeof(struct wal_record_header) +
                        sizeof(struct wal_transaction_header)
};

struct buffer {
    uint8_t *frame;
    size_t size; /* bytes of operations */
};

struct slot {
    pthread_mutex_t lock;
    uint64_t lsn;
    uint32_t previous_crc;
    int segment_fd; /* of segment lsn / WAL_SEGMENT_SIZE; -1 = none open */
};

struct sink_token {
    struct text name;
    uint32_t kind, token;
};

struct sink {
    char directory[PATH_SIZE - 64];
    uint32_t writer_count, slot_count;
    uint64_t database_id;
    int lock_fd;
    bool finished, made_directory;
    struct buffer *buffers; /* writer * slot_count + slot */
    struct slot slots[SHARD_COUNT_MAX];
    atomic_uint_fast64_t next_timestamp, bytes;
    atomic_bool failed;
    char error[256];
    pthread_mutex_t token_lock;
    struct sink_token *tokens; /* open addressing */
    uint32_t token_counts[TOKEN_KIND_COUNT];
};

static void
sink_fail(struct sink *sink, const char *what, int code)
{
    if (!atomic_exchange(&sink->failed, true))
        snprintf(sink->error, sizeof(sink->error), "%.180s: %s", what, strerror(code));
}

const char *
sink_error(const struct sink *sink)
{
    return sink->error;
}

uint64_t
sink_bytes(const struct sink *sink)
{
    return sink->bytes;
}

static void
path_make(const struct sink *sink, char *out, const char *name)
{
    snprintf(out, PATH_SIZE, "%s/%s", sink->directory, name);
}

static bool
directory_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return good;
}

static bool
directory_is_empty(const char *path)
{
    DIR *directory = opendir(path);
    if (!directory)
        return false;
    struct dirent *entry;
    bool empty = true;
    while ((entry = readdir(directory)) != NULL)
        empty &= strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(directory);
    return empty;
}

/* Makes the directory with its marker, and the slots' folders. */
static bool
layout_create(struct sink *sink, char *message, size_t message_size)
{
    char path[PATH_SIZE];
    sink->made_directory = mkdir(sink->directory, 0700) == 0;
    if (!sink->made_directory && errno != EEXIST) {
        snprintf(message, message_size, "%s: %s", sink->directory, strerror(errno));
        return false;
    }
    if (!directory_is_empty(sink->directory)) {
        snprintf(
            message, message_size, "%s: the directory is not empty; an import needs a new one",
            sink->directory);
        return false;
    }
    path_make(sink, path, "LOCK");
    sink->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (sink->lock_fd < 0 || flock(sink->lock_fd, LOCK_EX | LOCK_NB)) {
        snprintf(message, message_size, "%s: %s", path, strerror(errno));
        return false;
    }
    path_make(sink, path, IMPORT_MARKER);
    int marker = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = marker >= 0 && fsync(marker) == 0 && directory_sync(sink->directory);
    if (marker >= 0)
        close(marker);
    path_make(sink, path, "wal");
    good = good && mkdir(path, 0700) == 0;
    for (uint32_t i = 0; good && i < sink->slot_count; i++) {
        snprintf(path, sizeof(path), "%s/wal/%02u", sink->directory, i);
        good = mkdir(path, 0700) == 0;
    }
    if (!good)
        snprintf(message, message_size, "%s: %s", path, strerror(errno));
    return good;
}

bool
sink_open(
    const char *directory,
    uint32_t writer_count,
    uint32_t slot_count,
    struct sink **out,
    char *message,
    size_t message_size)
{
    assert(writer_count > 0 && slot_count > 0 && slot_count <= SHARD_COUNT_MAX);
    struct sink *sink = calloc(1, sizeof(*sink));
    assert(sink);
    *out = NULL;
    sink->writer_count = writer_count;
    sink->slot_count = slot_count;
    sink->lock_fd = -1;
    sink->next_timestamp = 2;
    if ((size_t)snprintf(sink->directory, sizeof(sink->directory), "%s", directory) >=
            sizeof(sink->directory) ||
        getrandom(&sink->database_id, sizeof(sink->database_id), 0) != sizeof(sink->database_id)) {
        snprintf(message, message_size, "%s: the path is too long", directory);
        free(sink);
        return false;
    }
    sink->database_id |= 1;
    if (!layout_create(sink, message, message_size)) {
        if (sink->lock_fd >= 0)
            close(sink->lock_fd);
        free(sink);
        return false;
    }
    sink->tokens = calloc(TOKEN_SLOT_COUNT, sizeof(*sink->tokens));
    sink->buffers = calloc((size_t)writer_count * slot_count, sizeof(*sink->buffers));
    assert(sink->tokens && sink->buffers);
    for (uint32_t i = 0; i < writer_count * slot_count; i++) {
        sink->buffers[i].frame = aligned_alloc(WAL_PAGE_SIZE, WAL_FRAME_SIZE_MAX);
        assert(sink->buffers[i].frame);
    }
    pthread_mutex_init(&sink->token_lock, NULL);
    for (uint32_t i = 0; i < slot_count; i++) {
        pthread_mutex_init(&sink->slots[i].lock, NULL);
        sink->slots[i].segment_fd = -1;
    }
    *out = sink;
    return true;
}

/* --- segments --- */

static bool
bytes_write(int fd, const uint8_t *bytes, size_t size, off_t offset)
{
    while (size) {
        ssize_t put = pwrite(fd, bytes, size, offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        bytes += put;
        size -= (size_t)put;
        offset += put;
    }
    return true;
}

/* The daemon goes on writing behind the import, and a segment is zeroed to its end before it is used. */
static bool
segment_finish(struct slot *slot)
{
    if (slot->segment_fd < 0)
        return true;
    static const _Alignas(WAL_PAGE_SIZE) uint8_t zeroes[1 << 20];
    bool good = true;
    for (uint64_t at = slot->lsn % WAL_SEGMENT_SIZE; good && at && at < WAL_SEGMENT_SIZE;) {
        uint64_t left = WAL_SEGMENT_SIZE - at;
        size_t size = left < sizeof(zeroes) ? (size_t)left : sizeof(zeroes);
        good = bytes_write(slot->segment_fd, zeroes, size, (off_t)at);
        at += size;
    }
    good = good && fdatasync(slot->segment_fd) == 0;
    close(slot->segment_fd);
    slot->segment_fd = -1;
    return good;
}

static bool
segment_next(struct sink *sink, uint32_t slot_index)
{
    struct slot *slot = &sink->slots[slot_index];
    if (!segment_finish(slot))
        return false;
    slot->lsn = (slot->lsn + WAL_SEGMENT_SIZE - 1) / WAL_SEGMENT_SIZE * WAL_SEGMENT_SIZE;
    char path[PATH_SIZE];
    snprintf(
        path, sizeof(path), "%s/wal/%02u/%010llu", sink->directory, slot_index,
        (unsigned long long)(slot->lsn / WAL_SEGMENT_SIZE));
    slot->segment_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_DIRECT, 0600);
    if (slot->segment_fd < 0 && errno == EINVAL)
        slot->segment_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return slot->segment_fd >= 0;
}

/* Seals the frame, whose records are in place, and writes it at the end of the slot's log. */
static bool
frame_write(struct sink *sink, uint32_t slot_index, uint8_t *frame, size_t payload_size)
{
    struct slot *slot = &sink->slots[slot_index];
    size_t size = frame_size(payload_size);
    assert(size <= WAL_FRAME_SIZE_MAX);
    pthread_mutex_lock(&slot->lock);
    bool good = true;
    if (slot->segment_fd < 0 || slot->lsn % WAL_SEGMENT_SIZE + size > WAL_SEGMENT_SIZE ||
        slot->lsn % WAL_SEGMENT_SIZE == 0)
        good = segment_next(sink, slot_index);
    if (good) {
        struct wal_frame_header header = {
            .slot = (uint16_t)slot_index,
            .database_id = sink->database_id,
            .incarnation = 1,
            .previous_crc = slot->previous_crc,
            .lsn = slot->lsn,
            .payload_size = (uint32_t)payload_size,
            .raw_size = (uint32_t)payload_size};
        frame_seal(frame, &header);
        good = bytes_write(slot->segment_fd, frame, size, (off_t)(slot->lsn % WAL_SEGMENT_SIZE));
        slot->previous_crc = header.header_crc;
        slot->lsn += size;
    }
    pthread_mutex_unlock(&slot->lock);
    atomic_fetch_add_explicit(&sink->bytes, size, memory_order_relaxed);
    if (!good)
        sink_fail(sink, "the log cannot be written", errno ? errno : EIO);
    return good;
}

static void
record_header_write(uint8_t *frame, uint8_t type, size_t payload_size)
{
    struct wal_record_header header = {.size = (uint32_t)payload_size, .type = type};
    memcpy(frame + sizeof(struct wal_frame_header), &header, sizeof(header));
    size_t padding = (8 - payload_size % 8) % 8;
    memset(frame + sizeof(struct wal_frame_header) + sizeof(header) + payload_size, 0, padding);
}

/* Writes the buffer as the end of a transaction, `part_size` bytes of which went ahead. */
static bool
transaction_flush(
    struct sink *sink, uint32_t slot_index, struct buffer *buffer, uint64_t txid, size_t part_size)
{
    struct wal_transaction_header transaction = {
        .timestamp = atomic_fetch_add(&sink->next_timestamp, 1),
        .txid = txid,
        .participants = UINT64_C(1) << slot_index,
        .part_size = part_size};
    if (!txid)
        transaction.txid = transaction.timestamp;
    memcpy(
        buffer->frame + OPERATIONS_OFFSET - sizeof(transaction), &transaction, sizeof(transaction));
    size_t payload_size = sizeof(transaction) + buffer->size;
    record_header_write(buffer->frame, WAL_RECORD_TRANSACTION, payload_size);
    bool good = frame_write(sink, slot_index, buffer->frame, record_size(payload_size));
    buffer->size = 0;
    return good;
}

static bool
buffer_flush(struct sink *sink, uint32_t slot_index, struct buffer *buffer)
{
    return !buffer->size || transaction_flush(sink, slot_index, buffer, 0, 0);
}

/* An operation that no record can hold: its bytes go ahead in TRANSACTION_PART records. */
static bool
large_append(
    struct sink *sink,
    uint32_t slot_index,
    struct buffer *buffer,
    const struct operation *operation,
    size_t size)
{
    assert(buffer->size == 0);
    uint8_t *bytes = malloc(size);
    assert(bytes);
    operation_encode(operation, bytes);
    struct wal_part_header part = {.txid = atomic_load(&sink->next_timestamp) | UINT64_C(1) << 63};
    part.txid ^= (uint64_t)(uintptr_t)buffer; /* unlike any other's */
    size_t ahead = 0;
    bool good = true;
    for (; good && size - ahead > BUFFER_SIZE; ahead += BUFFER_SIZE) {
        uint8_t *payload = buffer->frame + sizeof(struct wal_frame_header) +
                           sizeof(struct wal_record_header);
        memcpy(payload, &part, sizeof(part));
        memcpy(payload + sizeof(part), bytes + ahead, BUFFER_SIZE);
        record_header_write(buffer->frame, WAL_RECORD_TRANSACTION_PART, sizeof(part) + BUFFER_SIZE);
        good = frame_write(
            sink, slot_index, buffer->frame, record_size(sizeof(part) + BUFFER_SIZE));
    }
    memcpy(buffer->frame + OPERATIONS_OFFSET, bytes + ahead, size - ahead);
    buffer->size = size - ahead;
    free(bytes);
    return good && transaction_flush(sink, slot_index, buffer, part.txid, ahead);
}

bool
sink_append(struct sink *sink, uint32_t writer, const struct operation *operation)
{
    assert(writer < sink->writer_count);
    uint32_t slot_index = operation_partition(operation) % sink->slot_count;
    struct buffer *buffer = &sink->buffers[writer * sink->slot_count + slot_index];
    size_t size = operation_size(operation);
    if (buffer->size + size > BUFFER_SIZE && !buffer_flush(sink, slot_index, buffer))
        return false;
    if (size > BUFFER_SIZE)
        return large_append(sink, slot_index, buffer, operation, size);
    operation_encode(operation, buffer->frame + OPERATIONS_OFFSET + buffer->size);
    buffer->size += size;
    return !atomic_load_explicit(&sink->failed, memory_order_relaxed);
}

bool
sink_barrier(struct sink *sink)
{
    bool good = !atomic_load(&sink->failed);
    for (uint32_t w = 0; w < sink->writer_count; w++)
        for (uint32_t s = 0; good && s < sink->slot_count; s++)
            good = buffer_flush(sink, s, &sink->buffers[w * sink->slot_count + s]);
    return good;
}

/* --- names --- */

uint32_t
sink_token(struct sink *sink, enum token_kind kind, struct text name)
{
    uint64_t at = hash_bytes(name.data, name.size, (uint64_t)kind) % TOKEN_SLOT_COUNT;
    pthread_mutex_lock(&sink->token_lock);
    struct sink_token *token = &sink->tokens[at];
    while (token->name.data && !(token->kind == kind && text_equal(token->name, name))) {
        at = (at + 1) % TOKEN_SLOT_COUNT;
        token = &sink->tokens[at];
    }
    if (!token->name.data) {
        assert(sink->token_counts[kind] < TOKEN_SLOT_COUNT / 4);
        char *copy = malloc(name.size + 1);
        assert(copy);
        memcpy(copy, name.data, name.size);
        *token = (struct sink_token){
            .name = {copy, name.size}, .kind = kind, .token = sink->token_counts[kind]++};
    }
    uint32_t result = token->token;
    pthread_mutex_unlock(&sink->token_lock);
    return result;
}

static int
token_compare(const void *a, const void *b)
{
    const struct sink_token *x = a, *y = b;
    if (!x->name.data || !y->name.data)
        return (x->name.data == NULL) - (y->name.data == NULL);
    return x->kind != y->kind ? (int)x->kind - (int)y->kind
                              : (x->token > y->token) - (x->token < y->token);
}

/* All names, in catalog records of slot 0. */
static bool
catalog_write(struct sink *sink)
{
    uint8_t *frame = sink->buffers[0].frame;
    uint8_t *begin = frame + sizeof(struct wal_frame_header) + sizeof(struct wal_record_header),
            *at = begin;
    qsort(sink->tokens, TOKEN_SLOT_COUNT, sizeof(*sink->tokens), token_compare);
    bool good = true;
    for (uint32_t i = 0; good && i < TOKEN_SLOT_COUNT && sink->tokens[i].name.data; i++) {
        const struct sink_token *token = &sink->tokens[i];
        if ((size_t)(at - begin) + change_token_size(token->name) > BUFFER_SIZE) {
            record_header_write(frame, WAL_RECORD_CATALOG, (size_t)(at - begin));
            good = frame_write(sink, 0, frame, record_size((size_t)(at - begin)));
            at = begin;
        }
        at = change_token_encode(at, token->kind, token->token, token->name);
    }
    if (good && at > begin) {
        record_header_write(frame, WAL_RECORD_CATALOG, (size_t)(at - begin));
        good = frame_write(sink, 0, frame, record_size((size_t)(at - begin)));
    }
    return good;
}

/* --- the end --- */

static bool
meta_write(struct sink *sink)
{
    struct meta meta = {
        .database_id = sink->database_id,
        .segment_size = WAL_SEGMENT_SIZE,
        .incarnation = 1,
        .shard_count = sink->slot_count,
        .slot_count = sink->slot_count,
        .memory = memory_heap()};
    size_t size = meta_size(&meta);
    uint8_t *bytes = malloc(size);
    assert(bytes);
    meta_encode(&meta, bytes);
    char path[PATH_SIZE];
    path_make(sink, path, "meta");
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = fd >= 0 && bytes_write(fd, bytes, size, 0) && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    free(bytes);
    return good;
}

bool
sink_finish(struct sink *sink)
{
    bool good = sink_barrier(sink) && catalog_write(sink);
    for (uint32_t i = 0; good && i < sink->slot_count; i++) {
        char path[PATH_SIZE];
        snprintf(path, sizeof(path), "%s/wal/%02u", sink->directory, i);
        good = segment_finish(&sink->slots[i]) && directory_sync(path);
    }
    char path[PATH_SIZE], wal[PATH_SIZE];
    path_make(sink, wal, "wal");
    path_make(sink, path, IMPORT_MARKER);
    good = good && meta_write(sink) && directory_sync(wal) && directory_sync(sink->directory);
    good = good && unlink(path) == 0 && directory_sync(sink->directory);
    if (!good)
        sink_fail(sink, sink->directory, errno ? errno : EIO);
    sink->finished = good;
    return good;
}

/* Removes what the import made; the marker last, so that a remnant is never opened. */
static void
layout_remove(struct sink *sink)
{
    char path[PATH_SIZE];
    for (uint32_t i = 0; i < sink->slot_count; i++) {
        for (uint64_t number = 0; number <= sink->slots[i].lsn / WAL_SEGMENT_SIZE; number++) {
            snprintf(
                path, sizeof(path), "%s/wal/%02u/%010llu", sink->directory, i,
                (unsigned long long)number);
            unlink(path);
        }
        snprintf(path, sizeof(path), "%s/wal/%02u", sink->directory, i);
        rmdir(path);
    }
    static const char *const names[] = {"meta", "LOCK", IMPORT_MARKER};
    path_make(sink, path, "wal");
    rmdir(path);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        path_make(sink, path, names[i]);
        unlink(path);
    }
    if (sink->made_directory)
        rmdir(sink->directory);
}

void
sink_close(struct sink *sink)
{
    for (uint32_t i = 0; i < sink->slot_count; i++) {
        if (sink->slots[i].segment_fd >= 0)
            close(sink->slots[i].segment_fd);
        pthread_mutex_destroy(&sink->slots[i].lock);
    }
    if (!sink->finished)
        layout_remove(sink);
    close(sink->lock_fd);
    for (uint32_t i = 0; i < sink->writer_count * sink->slot_count; i++)
        free(sink->buffers[i].frame);
    for (uint32_t i = 0; i < TOKEN_SLOT_COUNT; i++)
        free((void *)(uintptr_t)sink->tokens[i].name.data);
    pthread_mutex_destroy(&sink->token_lock);
    free(sink->tokens);
    free(sink->buffers);
    free(sink);
}
