/* The log and recovery under the simulator: every shard writes records of random sizes, the power goes at
 * random moments, the next life runs with another shard count. What was reported durable must come back, in
 * prefixes of what was appended; what was lost once must never come back.
 *
 *   sim_test_wal [--seed N] [--seeds COUNT]    one seed, or that many from it on */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shards/core/seam_sim.h"
#include "shards/wal/record.h"
#include "shards/wal/recovery.h"
#include "shards/wal/wal.h"

enum {
    SHARDS_MAX = 4,
    ENTRIES_MAX = 4000,
    LIVES = 6,
    SEGMENT_SIZE = 256 << 10,
    SHUFFLE = 4,
    SCRATCH_SIZE = 512 << 10
};

enum fate { APPENDED, DURABLE, LOST };

/* One record the test appended. */
struct entry {
    struct wal_waiter waiter;
    struct world *world;
    uint64_t timestamp;
    uint32_t shard, life;
    uint32_t body_size;
    bool recovered; /* in this life's recovery */
    bool catalog;
    enum fate fate;
};

struct writer {
    struct task task;
    struct timer timer;
    struct shard *shard;
    struct world *world;
    uint32_t left; /* records this life may still append */
};

struct world {
    struct sim *sim;
    struct recovery *recovery;
    uint32_t recovery_users;
    struct refusal refusal;
    struct entry *entries;
    uint32_t entry_count, life;
    uint64_t next_timestamp, last_applied[PARTITION_COUNT];
    uint64_t timestamps[SHUFFLE]; /* handed out in any order */
    uint64_t catalog_seen;
    struct writer writers[SHARDS_MAX];
    uint32_t record_count_max;
    uint8_t *scratch;
    enum wal_sync sync;
};

static uint64_t seed_first = 1, seed_count = 40, seed_now;

/* --- recovery's sink --- */

static err_t
sink_catalog(void *context, const uint8_t *bytes, size_t size)
{
    struct writer *writer = context;
    uint64_t number;
    assert_int_equal(size, sizeof(number));
    memcpy(&number, bytes, sizeof(number));
    assert_true(number < writer->world->entry_count);
    struct entry *entry = &writer->world->entries[number];
    assert_true(entry->catalog && entry->fate != LOST);
    if (writer->shard->index == 0) {
        assert_true(number >= writer->world->catalog_seen);
        writer->world->catalog_seen = number + 1;
        entry->recovered = true;
    }
    return 0;
}

static uint8_t
body_byte(uint64_t timestamp, uint32_t i)
{
    return (uint8_t)(timestamp * 131 + i * 7 + (i >> 8));
}

static err_t
sink_operation(
    void *context, const struct operation *operation, uint64_t timestamp, struct arena *arena)
{
    struct writer *writer = context;
    struct world *world = writer->world;
    uint32_t partition = partition_of(operation->node.id);
    assert_non_null(arena);
    assert_int_equal(operation->type, OPERATION_NODE_PROPERTIES);
    assert_int_equal(partition_owner(writer->shard, partition), writer->shard->index);
    assert_true(timestamp > world->last_applied[partition]);
    world->last_applied[partition] = timestamp;
    uint64_t number = operation->node.id >> PARTITION_BITS;
    assert_true(number > 0 && number <= world->entry_count);
    struct entry *entry = &world->entries[number - 1];
    assert_int_equal(entry->timestamp, timestamp);
    assert_false(entry->recovered);
    assert_true(entry->fate != LOST);
    struct value body = operation->properties[0].value;
    assert_int_equal(body.size, entry->body_size);
    for (uint32_t i = 0; i < body.size; i++)
        assert_int_equal(body.bytes[i], body_byte(timestamp, i));
    entry->recovered = true;
    return 0;
}

/* --- the writers --- */

static void
entry_durable(struct wal_waiter *waiter)
{
    struct entry *entry = list_entry(waiter, struct entry, waiter);
    assert_int_equal(entry->fate, APPENDED);
    entry->fate = DURABLE;
}

static struct entry *
entry_new(struct writer *writer)
{
    struct world *world = writer->world;
    if (world->entry_count == ENTRIES_MAX)
        return NULL;
    struct entry *entry = &world->entries[world->entry_count++];
    *entry = (struct entry){.world = world, .shard = writer->shard->index, .life = world->life};
    entry->waiter.durable = entry_durable;
    return entry;
}

static bool
writer_append_catalog(struct writer *writer)
{
    uint64_t number = writer->world->entry_count;
    void *out = wal_record_open(writer->shard->wal, WAL_RECORD_CATALOG, sizeof(number));
    if (!out)
        return false;
    struct entry *entry = entry_new(writer);
    if (entry)
        entry->catalog = true;
    memcpy(out, &number, sizeof(number));
    assert_non_null(entry);
    wal_record_close(writer->shard->wal, &entry->waiter);
    return true;
}

/* The bytes of one operation that belongs to the shard. They live in the world: a power cut leaves the code
 * that uses them by longjmp. */
static const uint8_t *
operation_bytes(struct writer *writer, const struct entry *entry, uint64_t number, size_t *size)
{
    uint8_t *body = writer->world->scratch, *bytes = body + SCRATCH_SIZE / 2;
    for (uint32_t i = 0; i < entry->body_size; i++)
        body[i] = body_byte(entry->timestamp, i);
    struct property property = {.key = 1, .value = {.type = VALUE_BYTES, .size = entry->body_size}};
    property.value.bytes = body;
    uint32_t round = (uint32_t)sim_random(writer->world->sim, PARTITION_COUNT / SHARDS_MAX);
    uint32_t partition = round * writer->shard->count + writer->shard->index;
    struct operation operation = {
        .type = OPERATION_NODE_PROPERTIES,
        .node = {(number + 1) << PARTITION_BITS | partition},
        .property_count = 1,
        .properties = &property,
    };
    *size = operation_size(&operation);
    assert_true(*size <= SCRATCH_SIZE / 2);
    operation_encode(&operation, bytes);
    return bytes;
}

static bool
writer_append_part(struct writer *writer, uint64_t txid, const uint8_t *bytes, size_t size)
{
    struct wal_part_header header = {.txid = txid};
    uint8_t *out = wal_record_open(
        writer->shard->wal, WAL_RECORD_TRANSACTION_PART, (uint32_t)(sizeof(header) + size));
    if (!out)
        return false;
    memcpy(out, &header, sizeof(header));
    memcpy(out + sizeof(header), bytes, size);
    wal_record_close(writer->shard->wal, NULL);
    return true;
}

/* False when the log had no room; parts that went out before stay without an end, as after an abort. */
static bool
writer_append_transaction(struct writer *writer)
{
    struct world *world = writer->world;
    uint32_t record_max = wal_record_size_max(writer->shard->wal);
    uint64_t *pooled = &world->timestamps[sim_random(world->sim, SHUFFLE)];
    struct entry draft = {.timestamp = *pooled};
    *pooled = world->next_timestamp++;
    draft.body_size = (uint32_t)sim_random(
        world->sim, sim_random(world->sim, 8) ? 600 : record_max * 3);
    size_t size, sent = 0;
    uint64_t number = world->entry_count;
    const uint8_t *bytes = operation_bytes(writer, &draft, number, &size);
    bool fits = true;
    while (fits && size - sent > record_max / 2) {
        size_t piece = 1 + (size_t)sim_random(world->sim, record_max / 2);
        fits = writer_append_part(writer, draft.timestamp, bytes + sent, piece);
        sent += fits ? piece : 0;
    }
    struct wal_transaction_header header = {
        .timestamp = draft.timestamp,
        .txid = draft.timestamp,
        .participants = UINT64_C(1) << writer->shard->index,
        .part_size = sent,
    };
    uint8_t *out = NULL;
    if (fits)
        out = wal_record_open(
            writer->shard->wal, WAL_RECORD_TRANSACTION, (uint32_t)(sizeof(header) + size - sent));
    if (out) {
        struct entry *entry = entry_new(writer);
        assert_non_null(entry);
        entry->timestamp = draft.timestamp;
        entry->body_size = draft.body_size;
        memcpy(out, &header, sizeof(header));
        memcpy(out + sizeof(header), bytes + sent, size - sent);
        wal_record_close(writer->shard->wal, &entry->waiter);
    }
    return out != NULL;
}

static void
writer_awake(struct timer *timer)
{
    struct writer *writer = list_entry(timer, struct writer, timer);
    task_ready(writer->shard, &writer->task);
}

static enum task_result
writer_run(struct task *task)
{
    struct writer *writer = list_entry(task, struct writer, task);
    struct sim *sim = writer->world->sim;
    for (uint64_t burst = 1 + sim_random(sim, 6); burst > 0 && writer->left > 0; burst--) {
        if (writer->world->entry_count + 1 >= ENTRIES_MAX)
            return TASK_DONE;
        bool catalog = writer->shard->index == 0 && sim_random(sim, 10) == 0;
        if (!(catalog ? writer_append_catalog(writer) : writer_append_transaction(writer)))
            break;
        writer->left--;
    }
    timer_start(
        writer->shard, &writer->timer, sim_random(sim, 300) * SIM_MICROSECOND, writer_awake);
    return TASK_DONE;
}

/* --- the program --- */

static err_t
world_start(struct shard *shard, void *context)
{
    struct world *world = context;
    struct writer *writer = &world->writers[shard->index];
    err_t err = 0;
    shard->wal = NULL;
    if (shard->index == 0) {
        struct recovery_options options = {
            .shard_count = shard->count,
            .segment_size = SEGMENT_SIZE,
            .database_id = 77,
            .memory = shard_memory(shard)};
        err = recovery_prepare(shard->seam, &options, &world->recovery, &world->refusal);
        world->recovery_users = shard->count;
    }
    if (err)
        return err;
    *writer = (struct writer){.shard = shard, .world = world, .left = world->record_count_max};
    struct recovery_sink sink = {
        .context = writer, .catalog = sink_catalog, .operation = sink_operation};
    err = recovery_apply(world->recovery, shard, &sink, &world->refusal);
    struct wal_start start = recovery_wal_start(world->recovery, shard->index);
    if (!err)
        err = wal_open(shard, &start, world->sync, &shard->wal);
    if (err)
        return err;
    if (--world->recovery_users == 0) {
        if (world->next_timestamp < recovery_first_timestamp(world->recovery))
            world->next_timestamp = recovery_first_timestamp(world->recovery);
        for (uint32_t i = 0; i < SHUFFLE; i++)
            world->timestamps[i] = world->next_timestamp++;
        recovery_delete(world->recovery);
        world->recovery = NULL;
    }
    task_init(&writer->task, TASK_POINT, writer_run);
    task_ready(shard, &writer->task);
    return 0;
}

static bool
world_drain(struct shard *shard, void *context)
{
    struct world *world = context;
    world->writers[shard->index].left = 0;
    return wal_drain(shard->wal);
}

static void
world_finish(struct shard *shard, void *context)
{
    struct world *world = context;
    timer_stop(shard, &world->writers[shard->index].timer);
    if (shard->wal)
        wal_close(shard->wal);
    shard->wal = NULL;
}

/* What the recovery that just ran must have found. */
static void
world_check(struct world *world)
{
    bool gap[SHARDS_MAX] = {false};
    for (uint32_t i = 0; i < world->entry_count; i++) {
        struct entry *entry = &world->entries[i];
        /* Without durable writes the last life may lose what it reported, but nothing older. */
        if (entry->fate == DURABLE && (world->sync == WAL_SYNC_FULL || entry->life != world->life))
            assert_true(entry->recovered);
        if (entry->life == world->life) {
            /* Of the last life a prefix per slot survived. */
            assert_false(entry->recovered && gap[entry->shard]);
            gap[entry->shard] = gap[entry->shard] || !entry->recovered;
        }
        entry->fate = entry->recovered ? DURABLE : LOST;
        entry->recovered = false;
    }
    memset(world->last_applied, 0, sizeof(world->last_applied));
    world->catalog_seen = 0;
}

/* Its memory was the shards', and went with them. */
static void
recovery_forget(struct world *world)
{
    world->recovery = NULL;
    for (uint32_t i = 0; i < world->entry_count; i++)
        world->entries[i].recovered = false;
    memset(world->last_applied, 0, sizeof(world->last_applied));
    world->catalog_seen = 0;
}

static struct sim *
world_create(struct world *world, uint64_t seed, uint32_t shard_count)
{
    struct sim_options options = {
        .program = {
            .context = world, .start = world_start, .drain = world_drain, .finish = world_finish}};
    *world = (struct world){.next_timestamp = 1, .record_count_max = 60};
    world->entries = calloc(ENTRIES_MAX, sizeof(*world->entries));
    world->scratch = malloc(SCRATCH_SIZE);
    world->sim = sim_create(seed, shard_count, &options);
    return world->sim;
}

static void
world_destroy(struct world *world)
{
    sim_delete(world->sim);
    free(world->entries);
    free(world->scratch);
}

static void
seed_run(uint64_t seed)
{
    struct world world;
    struct sim *sim = world_create(&world, seed, 1 + (uint32_t)(seed % SHARDS_MAX));
    world.sync = seed % 5 == 0 ? WAL_SYNC_OFF : WAL_SYNC_FULL;
    assert_int_equal(sim_start(sim), 0);
    for (world.life = 0; world.life < LIVES;) {
        if (sim_random(sim, 3) == 0)
            sim_power_cut_after(sim, 1 + (uint32_t)sim_random(sim, 200));
        sim_run_for(sim, sim_random(sim, 30) * SIM_MILLISECOND);
        sim_power_cut_after(sim, 0);
        bool stopped = !sim_is_down(sim) && sim_random(sim, 4) == 0;
        if (stopped)
            assert_true(sim_stop(sim, 10 * SIM_SECOND));
        else
            sim_crash(sim);
        assert_string_equal(sim_fatal_line(sim), "");
        err_t err;
        do {
            recovery_forget(&world);
            if (sim_random(sim, 2) == 0)
                sim_power_cut_after(sim, 1 + (uint32_t)sim_random(sim, 60));
            err = sim_restart(sim, 1 + (uint32_t)sim_random(sim, SHARDS_MAX));
            sim_power_cut_after(sim, 0);
            if (err && !sim_is_down(sim))
                fail_msg("%s: %s", err_name(err_code(err)), world.refusal.text);
            if (err)
                sim_crash(sim);
        } while (err);
        world_check(&world);
        world.life++;
    }
    world_destroy(&world);
}

static void
what_was_durable_comes_back_and_nothing_lost_returns(void **state)
{
    (void)state;
    for (uint64_t seed = seed_first; seed < seed_first + seed_count; seed++) {
        seed_now = seed;
        seed_run(seed);
    }
    seed_now = 0;
}

/* --- damage --- */

/* One shard, some records, a clean stop; the disk is then changed and started again. */
static struct sim *
stopped_world(struct world *world)
{
    struct sim *sim = world_create(world, 4711, 1);
    assert_int_equal(sim_start(sim), 0);
    sim_run_for(sim, 20 * SIM_MILLISECOND);
    return sim;
}

static void
flip(struct sim *sim, const char *path, uint64_t offset)
{
    uint8_t byte;
    assert_int_equal(sim_disk_peek(sim, path, offset, &byte, 1), 1);
    byte ^= 1;
    sim_disk_poke(sim, path, offset, &byte, 1);
}

static void
damage_below_a_recorded_end_is_refused(void **state)
{
    (void)state;
    struct world world;
    struct sim *sim = stopped_world(&world);
    assert_true(sim_stop(sim, SIM_SECOND));
    assert_int_equal(sim_restart(sim, 1), 0); /* writes the end down */
    recovery_forget(&world);
    assert_true(sim_stop(sim, SIM_SECOND));
    flip(sim, "wal/00/0000000000", 100);
    assert_int_equal(err_code(sim_restart(sim, 1)), ERR_STORAGE_DAMAGE);
    assert_non_null(strstr(world.refusal.text, "wal/00/0000000000: offset 0"));
    world_destroy(&world);
}

/* A flipped bit below the recorded ends: recovery refuses, or nothing of it mattered (the zeroes that fill a
 * page, the unused end of a segment) and every entry is there. */
static void
a_flipped_bit_never_changes_what_is_recovered(void **state)
{
    (void)state;
    uint32_t refused = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct world world;
        struct sim *sim = world_create(&world, seed, 2);
        assert_int_equal(sim_start(sim), 0);
        sim_run_for(sim, 20 * SIM_MILLISECOND);
        assert_true(sim_stop(sim, 10 * SIM_SECOND));
        world.record_count_max = 0;
        assert_int_equal(sim_restart(sim, 2), 0);
        world_check(&world);
        assert_true(sim_stop(sim, 10 * SIM_SECOND));
        const char *path = sim_random(sim, 2) ? "wal/00/0000000000" : "wal/01/0000000000";
        uint64_t written = SEGMENT_SIZE;
        uint8_t byte = 0;
        while (written > 0 && !byte) /* the last byte that is not zero */
            assert_int_equal(sim_disk_peek(sim, path, --written, &byte, 1), 1);
        flip(sim, path, sim_random(sim, written + 1));
        world.life++;
        err_t err = sim_restart(sim, 2);
        if (err) {
            assert_int_equal(err_code(err), ERR_STORAGE_DAMAGE);
            assert_non_null(strstr(world.refusal.text, path));
            refused++;
        } else {
            world_check(&world);
        }
        world_destroy(&world);
    }
    assert_true(refused > 0);
}

static void
damage_that_a_later_frame_knows_durable_is_refused(void **state)
{
    (void)state;
    struct world world;
    struct sim *sim = stopped_world(&world);
    assert_true(sim_stop(sim, SIM_SECOND));
    flip(sim, "wal/00/0000000000", 100);
    assert_int_equal(err_code(sim_restart(sim, 1)), ERR_STORAGE_DAMAGE);
    assert_non_null(strstr(world.refusal.text, "offset 0: a frame that was durable is damaged"));
    world_destroy(&world);
}

static void
a_newer_format_is_refused_by_name(void **state)
{
    (void)state;
    struct world world;
    struct sim *sim = stopped_world(&world);
    assert_true(sim_stop(sim, SIM_SECOND));
    uint32_t version = 99;
    sim_disk_poke(
        sim, "meta", offsetof(struct meta_header, format_version), &version, sizeof(version));
    assert_int_equal(err_code(sim_restart(sim, 1)), ERR_FORMAT_NEWER);
    assert_non_null(strstr(world.refusal.text, "meta: format version 99"));
    world_destroy(&world);
}

static void
a_damaged_meta_file_is_refused(void **state)
{
    (void)state;
    struct world world;
    struct sim *sim = stopped_world(&world);
    assert_true(sim_stop(sim, SIM_SECOND));
    flip(sim, "meta", 40);
    assert_int_equal(err_code(sim_restart(sim, 1)), ERR_STORAGE_DAMAGE);
    assert_non_null(strstr(world.refusal.text, "meta:"));
    world_destroy(&world);
}

static void
a_failed_write_stops_the_process(void **state)
{
    (void)state;
    struct world world;
    struct sim *sim = world_create(&world, 99, 2);
    assert_int_equal(sim_start(sim), 0);
    sim_options(sim)->write_error_ppm = 200000;
    sim_run_for(sim, 200 * SIM_MILLISECOND);
    assert_true(sim_is_down(sim));
    assert_non_null(strstr(sim_fatal_line(sim), "the log of shard"));
    sim_options(sim)->write_error_ppm = 0;
    sim_crash(sim);
    assert_int_equal(sim_restart(sim, 2), 0);
    world_check(&world);
    world_destroy(&world);
}

/* --- a full disk --- */

struct filler {
    struct wal_waiter waiter;
    uint32_t durable_count;
};

static void
filler_durable(struct wal_waiter *waiter)
{
    list_entry(waiter, struct filler, waiter)->durable_count++;
}

/* Reserves and appends one record; the error of the reservation. */
static err_t
fill_once(struct sim *sim, struct filler *filler)
{
    struct shard *shard = sim_shard(sim, 0);
    uint32_t size = 4000, before = filler->durable_count;
    err_t err = wal_reserve(shard->wal, wal_record_charge(size));
    if (err)
        return err;
    uint8_t *out;
    while (!(out = wal_record_open(shard->wal, WAL_RECORD_CATALOG, size)))
        sim_run_for(sim, SIM_MILLISECOND);
    memset(out, 5, size);
    wal_record_close(shard->wal, &filler->waiter);
    wal_flush(shard->wal);
    wal_unreserve(shard->wal, wal_record_charge(size));
    while (filler->durable_count == before)
        assert_true(sim_step(sim));
    return 0;
}

static void
a_full_disk_refuses_new_work_keeps_the_old_and_recovers(void **state)
{
    (void)state;
    struct world world;
    struct sim *sim = world_create(&world, 5, 1);
    world.record_count_max = 0;
    sim_options(sim)->disk_capacity_size = 3 * SEGMENT_SIZE;
    assert_int_equal(sim_start(sim), 0);
    struct filler filler = {.waiter = {.durable = filler_durable}};
    err_t err = 0;
    uint32_t accepted = 0;
    for (; accepted < 1000 && err_code(err) != ERR_DISK_FULL; accepted += !err) {
        err = fill_once(sim, &filler);
        if (err)
            sim_run_for(sim, 10 * SIM_MILLISECOND);
        assert_true(!err || err_code(err) == ERR_BUSY || err_code(err) == ERR_DISK_FULL);
    }
    assert_int_equal(err_code(err), ERR_DISK_FULL);
    assert_int_equal(filler.durable_count, accepted);
    assert_true(accepted * 4096 > SEGMENT_SIZE);
    assert_false(sim_is_down(sim));
    sim_options(sim)->disk_capacity_size = 0;
    sim_run_for(sim, 2 * SIM_SECOND);
    assert_int_equal(fill_once(sim, &filler), 0);
    sim_crash(sim);
    world_destroy(&world);
}

int
main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t number = strtoull(argv[i + 1], NULL, 10);
        if (!strcmp(argv[i], "--seed")) {
            seed_first = number;
            seed_count = 1;
        } else if (!strcmp(argv[i], "--seeds")) {
            seed_count = number;
        }
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_durable_comes_back_and_nothing_lost_returns),
        cmocka_unit_test(damage_below_a_recorded_end_is_refused),
        cmocka_unit_test(a_flipped_bit_never_changes_what_is_recovered),
        cmocka_unit_test(damage_that_a_later_frame_knows_durable_is_refused),
        cmocka_unit_test(a_newer_format_is_refused_by_name),
        cmocka_unit_test(a_damaged_meta_file_is_refused),
        cmocka_unit_test(a_failed_write_stops_the_process),
        cmocka_unit_test(a_full_disk_refuses_new_work_keeps_the_old_and_recovers),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (seed_now)
        fprintf(stderr, "failed with --seed %llu\n", (unsigned long long)seed_now);
    return failed;
}
