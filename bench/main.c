/* quiver-bench NAME [options]: see bench.h and bench/README.md. */
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "bench/bench.h"
#include "bench/micro/bench_store.h"

struct bench_entry {
    const char *name, *text;
    int (*run)(const struct bench_options *options);
};

static const struct bench_entry entries[] = {
#define BENCH(name, text) {#name, text, bench_##name},
#include "bench/benches.def"
#undef BENCH
};

uint64_t
bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void
bench_directory_make(const char *parent, char *out, size_t out_size)
{
    int size = snprintf(out, out_size, "%s/quiver-bench-XXXXXX", parent ? parent : ".");
    if (size < 0 || (size_t)size >= out_size || !mkdtemp(out)) {
        perror("quiver-bench: a directory cannot be made");
        exit(1);
    }
}

static int
entry_remove(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

void
bench_directory_remove(const char *path)
{
    if (nftw(path, entry_remove, 16, FTW_DEPTH | FTW_PHYS) != 0)
        fprintf(stderr, "quiver-bench: %s was not removed\n", path);
}

/* splitmix64 (Steele, Lea, Flood 2014). */
uint64_t
bench_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void
bench_row_add(struct bench_row *row, double value, double limit)
{
    assert(row->count < BENCH_REPEAT_MAX);
    row->values[row->count] = value;
    row->limits[row->count] = limit;
    row->count++;
}

static int
double_compare(const void *a, const void *b)
{
    double x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return (x > y) - (x < y);
}

double
bench_median(const double *values, uint32_t count)
{
    assert(count > 0 && count <= BENCH_REPEAT_MAX);
    double sorted[BENCH_REPEAT_MAX] = {0};
    memcpy(sorted, values, count * sizeof(*values));
    qsort(sorted, count, sizeof(*sorted), double_compare);
    return sorted[count / 2];
}

void
bench_header_print(const struct bench_options *options, const char *name)
{
    if (options->json)
        return;
    printf(
        "\n%s\n%-34s %6s %14s  %-30s %14s  %6s %6s  %s\n", name, "figure", "shards", "median",
        "limit", "median", "ratio", "eff.", "unit");
}

/* What one core did for the figure of that name at the first shard count it was measured with. */
static double
efficiency(const struct bench_row *row, double value)
{
    static struct {
        char name[64];
        double per_core;
    } firsts[64];
    static size_t first_count;
    double per_core = row->per_core ? value : value / row->shard_count;
    for (size_t i = 0; i < first_count; i++)
        if (strcmp(firsts[i].name, row->name) == 0)
            return per_core / firsts[i].per_core;
    assert(first_count < sizeof(firsts) / sizeof(*firsts));
    snprintf(firsts[first_count].name, sizeof(firsts[first_count].name), "%s", row->name);
    firsts[first_count++].per_core = per_core;
    return 1;
}

void
bench_row_print(const struct bench_options *options, const struct bench_row *row)
{
    double value = bench_median(row->values, row->count);
    double limit = bench_median(row->limits, row->count);
    double ratios[BENCH_REPEAT_MAX] = {0};
    for (uint32_t i = 0; i < row->count; i++)
        ratios[i] = row->lower_is_better ? row->limits[i] / row->values[i]
                                         : row->values[i] / row->limits[i];
    double ratio = bench_median(ratios, row->count);
    double share = efficiency(row, value);
    if (options->json)
        printf(
            "{\"figure\":\"%s\",\"shards\":%u,\"unit\":\"%s\",\"median\":%.6g,\"limit_name\":\"%"
            "s\",\"limit\":%.6g,"
            "\"ratio\":%.4f,\"efficiency\":%.4f,\"runs\":%u}\n",
            row->name, row->shard_count, row->unit, value, row->limit_name, limit, ratio, share,
            row->count);
    else
        printf(
            "%-34s %6u %14.6g  %-30s %14.6g  %6.3f %5.0f%%  %s\n", row->name, row->shard_count,
            value, row->limit_name, limit, ratio, share * 100, row->unit);
    fflush(stdout);
}

static int
usage(FILE *out)
{
    fprintf(
        out,
        "usage: quiver-bench NAME [--json] [--shards N] [--scale] [--graph-scale S] [--edge-factor "
        "F]\n"
        "                    [--repeat N] [--seconds S] [--clients N] [--data DIR] [--seed N]\n\n");
    for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++)
        fprintf(out, "  %-8s %s\n", entries[i].name, entries[i].text);
    fprintf(out, "  %-8s all of them\n", "all");
    return out == stdout ? 0 : 2;
}

static int
run(const char *name, struct bench_options *options)
{
    bool found = false;
    int result = 0;
    uint32_t shards_max = options->shard_count ? options->shard_count
                                               : (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
    for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
        if (strcmp(name, "all") != 0 && strcmp(name, entries[i].name) != 0)
            continue;
        found = true;
        bench_header_print(options, entries[i].text);
        for (uint32_t shards = options->scaling ? 1 : shards_max; shards <= shards_max; shards++) {
            options->shard_count = shards;
            result |= entries[i].run(options);
        }
    }
    if (!found) {
        fprintf(stderr, "quiver-bench: there is no benchmark called %s\n", name);
        return usage(stderr);
    }
    return result;
}

int
main(int argc, char **argv)
{
    static const struct option longs[] = {
        {"json", no_argument, NULL, 'j'},
        {"shards", required_argument, NULL, 's'},
        {"scale", no_argument, NULL, 'S'},
        {"graph-scale", required_argument, NULL, 'g'},
        {"edge-factor", required_argument, NULL, 'e'},
        {"repeat", required_argument, NULL, 'r'},
        {"seconds", required_argument, NULL, 't'},
        {"clients", required_argument, NULL, 'c'},
        {"data", required_argument, NULL, 'd'},
        {"seed", required_argument, NULL, 'x'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    /* The store by itself has arguments of its own. */
    if (argc > 1 && strcmp(argv[1], "store") == 0)
        return bench_store(argc - 1, argv + 1);
    struct bench_options options = {
        .scale = 18, .edge_factor = 16, .repeat_count = 5, .seconds = 1.0, .seed = 1};
    int letter;
    while ((letter = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (letter) {
        case 'j':
            options.json = true;
            break;
        case 's':
            options.shard_count = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'S':
            options.scaling = true;
            break;
        case 'g':
            options.scale = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'e':
            options.edge_factor = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'r':
            options.repeat_count = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 't':
            options.seconds = strtod(optarg, NULL);
            break;
        case 'c':
            options.clients = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'd':
            options.data = optarg;
            break;
        case 'x':
            options.seed = strtoull(optarg, NULL, 10);
            break;
        case 'h':
            return usage(stdout);
        default:
            return usage(stderr);
        }
    }
    if (optind + 1 != argc || options.repeat_count < 1 || options.repeat_count > BENCH_REPEAT_MAX ||
        options.scale < 4 || options.scale > 28 || options.edge_factor < 1 || options.seconds <= 0)
        return usage(stderr);
    return run(argv[optind], &options);
}
