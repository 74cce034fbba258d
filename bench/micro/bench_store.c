/* One shard's store by itself, without messages: a uniform random graph is replayed into it, then random
 * batches of 1,024 nodes are expanded and filtered. The plain side does the same over a CSR of 32-bit
 * neighbours and an array of 64-bit properties, with the same prefetch distance, in the same run. */
#include "bench/micro/bench_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "shards/store/store.h"

enum { BATCH = 1024, BATCH_COUNT = 1024, OUT_MAX = 4096, ROUNDS = 5, AHEAD = 16 };

struct bench {
    struct seam seam;
    struct shard shard;
    struct store *store;
    struct arena arena;
    uint64_t node_count, degree;
    uint32_t *csr_offsets, *csr_others; /* by node number */
    int64_t *csr_values;
    uint64_t *ids;     /* by node number */
    uint32_t *numbers; /* by local << PARTITION_BITS | partition: the way back */
    uint64_t random;
    bool json;
};

static uint64_t
now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t
draw(struct bench *bench)
{
    bench->random ^= bench->random << 13;
    bench->random ^= bench->random >> 7;
    bench->random ^= bench->random << 17;
    return bench->random;
}

/* Large blocks on huge pages, as a shard's own memory is. */
static void *
pages_allocate(struct memory *source, size_t size)
{
    source->used_size += size;
    if (size < 1 << 20)
        return malloc(size);
    void *memory = NULL;
    if (posix_memalign(&memory, 2 << 20, size))
        return NULL;
    madvise(memory, size, MADV_HUGEPAGE);
    return memory;
}

static void
pages_release(struct memory *source, void *pointer, size_t size)
{
    source->used_size -= size;
    free(pointer);
}

static err_t
graph_replay(struct bench *bench)
{
    struct operation operation = {.type = OPERATION_NODE_CREATE, .property_count = 1};
    struct property property = {0};
    const uint32_t label = 0;
    operation.properties = &property;
    operation.labels = &label;
    operation.label_count = 1;
    for (uint64_t i = 0; i < bench->node_count; i++) {
        bench->ids[i] = store_node_allocate(bench->store, 0).id;
        bench->csr_values[i] = (int64_t)(draw(bench) % 1000);
        property.value = value_integer(bench->csr_values[i]);
        operation.node.id = bench->ids[i];
        err_t err = store_replay(bench->store, &operation, 2, &bench->arena);
        if (err)
            return err;
        arena_reset(&bench->arena);
    }
    uint64_t *next = calloc(PARTITION_COUNT, sizeof(*next));
    operation = (struct operation){.type = OPERATION_REL_CREATE};
    for (uint64_t i = 0; i < bench->node_count; i++) {
        bench->csr_offsets[i] = (uint32_t)(i * bench->degree);
        for (uint64_t d = 0; d < bench->degree; d++) {
            uint32_t other = (uint32_t)(draw(bench) % bench->node_count);
            uint32_t partition = partition_of(bench->ids[i]);
            bench->csr_others[i * bench->degree + d] = other;
            operation.type = OPERATION_REL_CREATE;
            operation.rel.id = ++next[partition] << PARTITION_BITS | partition;
            operation.start.id = bench->ids[i];
            operation.end.id = bench->ids[other];
            err_t err = store_replay(bench->store, &operation, 3, &bench->arena);
            operation.type = OPERATION_REL_ATTACH;
            if (!err)
                err = store_replay(bench->store, &operation, 3, &bench->arena);
            if (err) {
                free(next);
                return err;
            }
        }
    }
    free(next);
    bench->csr_offsets[bench->node_count] = (uint32_t)(bench->node_count * bench->degree);
    return store_replay_finish(bench->store);
}

static int
order_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double
median(double *values)
{
    qsort(values, ROUNDS, sizeof(*values), order_double);
    return values[ROUNDS / 2];
}

/* What is measured: does one batch, returns how many units it did. */
typedef uint64_t batch_fn(struct bench *bench, const uint32_t *numbers, uint64_t *check);

static uint64_t others_out[OUT_MAX * 8], rels_out[OUT_MAX];
static uint32_t rows_out[OUT_MAX * 8], selected_out[OUT_MAX];

static uint64_t
store_expand_batch(struct bench *bench, const uint32_t *numbers, uint64_t *check)
{
    uint64_t total = 0;
    struct expand_cursor cursor = {0};
    struct view view = {.snapshot = 10};
    const uint64_t *ids = (const uint64_t *)(const void *)numbers;
    while (!cursor.done) {
        struct expand_output out = {.source_rows = rows_out, .others = others_out};
        uint32_t count = store_expand(
            bench->store, view, ids, BATCH, DIRECTION_OUT, NULL, 0, &cursor, &out, OUT_MAX);
        total += count;
        *check += others_out[0] & 1;
    }
    return total;
}

/* As a traversal by type that must tell relationships apart asks for it. */
static uint64_t
store_typed_batch(struct bench *bench, const uint32_t *numbers, uint64_t *check)
{
    uint64_t total = 0;
    struct expand_cursor cursor = {0};
    struct view view = {.snapshot = 10};
    const uint64_t *ids = (const uint64_t *)(const void *)numbers;
    const uint32_t type = 0;
    while (!cursor.done) {
        struct expand_output out = {
            .source_rows = rows_out, .others = others_out, .rels = rels_out};
        uint32_t count = store_expand(
            bench->store, view, ids, BATCH, DIRECTION_OUT, &type, 1, &cursor, &out, OUT_MAX);
        total += count;
        *check += others_out[0] & 1;
    }
    return total;
}

static uint64_t
csr_expand_batch(struct bench *bench, const uint32_t *numbers, uint64_t *check)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < BATCH; i++) {
        if (i + AHEAD < BATCH)
            __builtin_prefetch(&bench->csr_offsets[numbers[i + AHEAD]]);
        if (i + AHEAD / 2 < BATCH)
            __builtin_prefetch(&bench->csr_others[bench->csr_offsets[numbers[i + AHEAD / 2]]]);
        uint32_t from = bench->csr_offsets[numbers[i]], to = bench->csr_offsets[numbers[i] + 1];
        for (uint32_t at = from; at < to; at++) {
            rows_out[total] = i;
            others_out[total++] = bench->csr_others[at];
        }
    }
    *check += others_out[0] & 1;
    return total;
}

static uint64_t
store_select_batch(struct bench *bench, const uint32_t *numbers, uint64_t *check)
{
    *check += store_node_select_property(
        bench->store, (struct view){.snapshot = 10}, (const uint64_t *)(const void *)numbers, BATCH,
        0, COMPARE_LT, value_integer(500), selected_out);
    return BATCH;
}

static uint64_t
csr_select_batch(struct bench *bench, const uint32_t *numbers, uint64_t *check)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < BATCH; i++) {
        if (i + AHEAD * 2 < BATCH)
            __builtin_prefetch(&bench->csr_values[numbers[i + AHEAD * 2]]);
        selected_out[count] = i;
        count += bench->csr_values[numbers[i]] < 500;
    }
    *check += count;
    return BATCH;
}

static uint64_t
store_label_batch(struct bench *bench, const uint32_t *numbers, uint64_t *check)
{
    *check += store_node_select_label(
        bench->store, (struct view){.snapshot = 10}, (const uint64_t *)(const void *)numbers, BATCH,
        0, selected_out);
    return BATCH;
}

/* Two hops from the batch, the ends counted that pass. */
static uint64_t
store_hop_batch(struct bench *bench, const uint32_t *numbers, uint64_t *check)
{
    uint64_t total = 0;
    struct expand_cursor cursor = {0};
    struct view view = {.snapshot = 10};
    const uint64_t *ids = (const uint64_t *)(const void *)numbers;
    while (!cursor.done) {
        struct expand_output out = {.source_rows = rows_out, .others = others_out};
        uint32_t count = store_expand(
            bench->store, view, ids, BATCH, DIRECTION_OUT, NULL, 0, &cursor, &out, BATCH);
        *check += store_node_select_property(
            bench->store, view, others_out, count, 0, COMPARE_LT, value_integer(500), selected_out);
        total += count;
    }
    return total;
}

static uint64_t
csr_hop_batch(struct bench *bench, const uint32_t *numbers, uint64_t *check)
{
    uint64_t total = csr_expand_batch(bench, numbers, check);
    for (uint64_t i = 0; i < total; i++) {
        if (i + AHEAD * 2 < total)
            __builtin_prefetch(&bench->csr_values[others_out[i + AHEAD * 2]]);
        *check += bench->csr_values[others_out[i]] < 500;
    }
    return total;
}

/* Millions of units per second; the median of some rounds. `wide`: node ids instead of numbers. */
static double
measure(struct bench *bench, batch_fn *batch, bool wide, uint64_t *check)
{
    double rates[ROUNDS];
    static uint64_t wide_numbers[BATCH_COUNT][BATCH];
    static uint32_t numbers[BATCH_COUNT][BATCH];
    for (int round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < BATCH_COUNT; i++) {
            for (uint32_t j = 0; j < BATCH; j++) {
                numbers[i][j] = (uint32_t)(draw(bench) % bench->node_count);
                wide_numbers[i][j] = bench->ids[numbers[i][j]];
            }
        }
        uint64_t units = 0, begin = now_ns();
        for (uint32_t i = 0; i < BATCH_COUNT; i++)
            units += batch(
                bench, wide ? (const uint32_t *)(const void *)wide_numbers[i] : numbers[i], check);
        rates[round] = (double)units * 1e3 / (double)(now_ns() - begin);
    }
    return median(rates);
}

static void
report(struct bench *bench, const char *what, const char *unit, double ours, double plain)
{
    if (bench->json)
        printf(
            "{\"bench\":\"store\",\"what\":\"%s\",\"unit\":\"%s\",\"value\":%.1f,\"plain\":%.1f,"
            "\"ratio\":%.3f}\n",
            what, unit, ours, plain, plain > 0 ? ours / plain : 0);
    else
        printf(
            "%-34s %8.1f %-10s plain %8.1f  ratio %.2f\n", what, ours, unit, plain,
            plain > 0 ? ours / plain : 0);
}

static err_t
bench_run(struct bench *bench)
{
    uint64_t begin = now_ns(), check = 0;
    err_t err = graph_replay(bench);
    if (err)
        return err;
    double rels = (double)(bench->node_count * bench->degree),
           seconds = (double)(now_ns() - begin) / 1e9;
    report(bench, "replay", "M rels/s", rels / seconds / 1e6, 0);
    report(
        bench, "memory per relationship", "bytes", (double)bench->seam.memory.used_size / rels, 0);
    report(
        bench, "expand", "M edges/s", measure(bench, store_expand_batch, true, &check),
        measure(bench, csr_expand_batch, false, &check));
    report(
        bench, "expand by type, with ids", "M edges/s",
        measure(bench, store_typed_batch, true, &check),
        measure(bench, csr_expand_batch, false, &check));
    report(
        bench, "select by property", "M nodes/s", measure(bench, store_select_batch, true, &check),
        measure(bench, csr_select_batch, false, &check));
    report(
        bench, "select by label", "M nodes/s", measure(bench, store_label_batch, true, &check), 0);
    report(
        bench, "expand, then select the ends", "M edges/s",
        measure(bench, store_hop_batch, true, &check),
        measure(bench, csr_hop_batch, false, &check));
    return check == 1 ? ERR(INTERNAL) : 0; /* the work is not optimised away */
}

int
bench_store(int argc, char **argv)
{
    static struct bench bench;
    bench = (struct bench){.node_count = 1 << 20, .degree = 16, .random = 88172645463325252u};
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json")) {
            bench.json = true;
        } else if (i + 1 < argc && !strcmp(argv[i], "--nodes")) {
            bench.node_count = strtoull(argv[++i], NULL, 10);
        } else if (i + 1 < argc && !strcmp(argv[i], "--degree")) {
            bench.degree = strtoull(argv[++i], NULL, 10);
        } else {
            fprintf(stderr, "usage: quiver-bench store [--nodes N] [--degree D] [--json]\n");
            return 2;
        }
    }
    if (bench.node_count == 0 || bench.degree == 0 || bench.degree > 16 ||
        bench.node_count * bench.degree > UINT32_MAX) {
        fprintf(stderr, "quiver-bench store: 1 <= degree <= 16 and at most 2^32 relationships\n");
        return 2;
    }
    bench.seam.memory = (struct memory){
        .allocate = pages_allocate, .release = pages_release, .limit_size = SIZE_MAX};
    bench.shard = (struct shard){.count = 1, .seam = &bench.seam};
    struct memory pages = bench.seam.memory;
    bench.csr_offsets = memory_allocate(&pages, (bench.node_count + 1) * sizeof(uint32_t));
    bench.csr_others = memory_allocate(&pages, bench.node_count * bench.degree * sizeof(uint32_t));
    bench.csr_values = memory_allocate(&pages, bench.node_count * sizeof(int64_t));
    bench.ids = memory_allocate(&pages, bench.node_count * sizeof(uint64_t));
    arena_create(&bench.arena, memory_heap(), 1 << 20);
    err_t err = store_create(&bench.shard, &bench.store);
    if (!err)
        err = bench_run(&bench);
    if (err)
        fprintf(stderr, "quiver-bench store: %s\n", err_text(err_code(err)));
    store_destroy(bench.store);
    arena_destroy(&bench.arena);
    return err ? 1 : 0;
}
