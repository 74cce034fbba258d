/* quiver-wal: prints what a data directory's log holds, for people.
 *
 *      quiver-wal DIR [--slot N] [--operations]
 *
 * Reads only; safe beside a running daemon, whose last frames may be missing. Exit status: 0 = all was
 * readable, 1 = damage (said on standard error), 2 = wrong usage. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "shards/store/operation.h"
#include "shards/wal/log_reader.h"
#include "shards/wal/record.h"

/* The few blocking calls of the seam that reading needs, on a directory. */
struct dump_seam {
    struct seam seam;
    int directory;
};

static int64_t
dump_open(struct seam *seam, const char *path, bool create, bool direct, io_handle *handle)
{
    const struct dump_seam *dump = (const struct dump_seam *)(const void *)seam;
    assert(!create && !direct);
    *handle = openat(dump->directory, path, O_RDONLY | O_CLOEXEC);
    return *handle < 0 ? -errno : 0;
}

static int64_t
dump_close(struct seam *seam, io_handle handle)
{
    assert(seam);
    return close(handle) < 0 ? -errno : 0;
}

static int64_t
dump_read(struct seam *seam, io_handle handle, void *buffer, size_t size, uint64_t offset)
{
    size_t got = 0;
    assert(seam);
    while (got < size) {
        ssize_t result = pread(handle, (char *)buffer + got, size - got, (off_t)(offset + got));
        if (result < 0 && errno == EINTR)
            continue;
        if (result < 0)
            return -errno;
        if (result == 0)
            break;
        got += (size_t)result;
    }
    return (int64_t)got;
}

static int64_t
dump_size(struct seam *seam, io_handle handle)
{
    struct stat status;
    assert(seam);
    return fstat(handle, &status) < 0 ? -errno : (int64_t)status.st_size;
}

static const struct seam_ops dump_ops = {
    .disk_open = dump_open,
    .disk_close = dump_close,
    .disk_read = dump_read,
    .disk_size = dump_size,
};

struct dump {
    struct dump_seam seam;
    struct meta meta;
    struct arena arena;
    bool operations;
    uint64_t frame_count, record_count;
};

static void
print_operations(struct dump *dump, const struct wal_record *record)
{
    size_t offset = 0;
    /* Behind parts the bytes may begin in the middle of an operation. */
    if (record->type != WAL_RECORD_TRANSACTION || record->transaction.part_size)
        return;
    while (offset < record->size) {
        struct operation operation;
        size_t used = 0;
        arena_reset(&dump->arena);
        err_t err = operation_decode(
            record->body + offset, record->size - offset, &dump->arena, &operation, &used);
        if (err) {
            printf("      (not an operation at byte %zu)\n", offset);
            return;
        }
        struct text line = operation_print(&operation, &dump->arena);
        printf("      %.*s\n", TEXT_ARGS(line));
        offset += used;
    }
}

static void
print_frame(struct dump *dump, const struct wal_frame_header *header, const uint8_t *payload)
{
    size_t offset = 0;
    printf(
        "  frame lsn %" PRIu64 " bytes %u durable below %" PRIu64 " stable %" PRIu64 " crc %08x\n",
        header->lsn, header->payload_size, header->durable_lsn, header->stable, header->header_crc);
    dump->frame_count++;
    while (offset < header->payload_size) {
        struct wal_record record;
        if (record_decode(payload, header->payload_size, &offset, &record)) {
            printf("    (not a record at byte %zu)\n", offset);
            return;
        }
        arena_reset(&dump->arena);
        struct text line = record_print(&record, &dump->arena);
        printf("    %.*s\n", TEXT_ARGS(line));
        dump->record_count++;
        if (dump->operations)
            print_operations(dump, &record);
    }
}

static err_t
print_slot(struct dump *dump, uint16_t slot, struct refusal *refusal)
{
    const struct meta *meta = &dump->meta;
    struct log_reader reader;
    uint64_t start = 0;
    err_t err = log_reader_create(
        &reader, &dump->seam.seam, memory_heap(), slot, meta->segment_size);
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
        if (range.end > start)
            printf(
                "slot %u incarnation %u from lsn %" PRIu64 "\n", slot, range.identity.incarnation,
                start);
        do {
            err = log_reader_next(&reader, &range, &cursor, &header, &payload, refusal);
            if (!err && payload)
                print_frame(dump, &header, payload);
        } while (!err && payload);
        start = cursor.lsn;
    }
    log_reader_destroy(&reader);
    return err;
}

static int
usage(void)
{
    fprintf(stderr, "usage: quiver-wal DIR [--slot N] [--operations]\n");
    return 2;
}

int
main(int argc, char **argv)
{
    struct dump dump = {.seam = {.seam = {.ops = &dump_ops}}};
    struct refusal refusal = {{0}};
    const char *path = NULL;
    long slot_wanted = -1;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--operations"))
            dump.operations = true;
        else if (!strcmp(argv[i], "--slot") && i + 1 < argc)
            slot_wanted = strtol(argv[++i], NULL, 10);
        else if (argv[i][0] == '-' || path)
            return usage();
        else
            path = argv[i];
    }
    if (!path)
        return usage();
    dump.seam.directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dump.seam.directory < 0) {
        fprintf(stderr, "quiver-wal: %s: %s\n", path, strerror(errno));
        return 1;
    }
    arena_create(&dump.arena, memory_heap(), (size_t)1 << 30);
    err_t err = meta_load(&dump.seam.seam, memory_heap(), &dump.meta, &refusal);
    if (!err) {
        printf(
            "database %016" PRIx64 " incarnation %u shards %u slots %u segment size %" PRIu64 "\n",
            dump.meta.database_id, dump.meta.incarnation, dump.meta.shard_count,
            dump.meta.slot_count, dump.meta.segment_size);
        for (uint16_t slot = 0; slot < dump.meta.slot_count && !err; slot++)
            if (slot_wanted < 0 || slot_wanted == slot)
                err = print_slot(&dump, slot, &refusal);
        printf("%" PRIu64 " frames, %" PRIu64 " records\n", dump.frame_count, dump.record_count);
        meta_destroy(&dump.meta);
    }
    if (err)
        fprintf(
            stderr, "quiver-wal: %s: %s\n", refusal.text[0] ? refusal.text : path,
            err_text(err_code(err)));
    arena_destroy(&dump.arena);
    close(dump.seam.directory);
    return err ? 1 : 0;
}
