/* quiver-bench: every figure beside its limit, measured in the same run.
 *
 * Machines differ and are noisy, so an absolute number says little. Each row of a benchmark is the
 * engine's figure, the figure of the limit (a plain C loop over a CSR, the device's own durable write, a
 * bare echo) taken in the same process within the same seconds, and their ratio. Figures are medians of
 * `repeat_count` alternating runs. A benchmark is one file with one function, listed in benches.def. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BENCH_REPEAT_MAX = 25 };

struct bench_options {
    bool json;
    const char *data;      /* directory for files; removed afterwards when made by us */
    uint32_t shard_count;  /* 0: as many as cores */
    uint32_t scale;        /* RMAT: 2^scale nodes */
    uint32_t edge_factor;  /* RMAT: relationships per node */
    uint32_t repeat_count; /* odd; medians */
    double seconds;        /* of one measurement */
    uint64_t seed;
    bool scaling;     /* --scale: run for 1..N shards */
    uint32_t clients; /* 0: the benchmark's own list */
};

/* One row: an engine figure against its limit. `per` says what is counted: "edges/s/core". */
struct bench_row {
    char name[64];
    char unit[32];
    char limit_name[64];
    double values[BENCH_REPEAT_MAX], limits[BENCH_REPEAT_MAX];
    uint32_t count;
    bool lower_is_better; /* latencies: ratio = limit / value */
    bool per_core;        /* the value is already divided by the shards */
    uint32_t shard_count;
};

void bench_row_add(struct bench_row *row, double value, double limit);
double bench_median(const double *values, uint32_t count);
/* Prints one row as a line of the table, or as a JSON object. With --scale it adds the efficiency: what each
 * core does here, as a share of what the one core of the row's first run did. */
void bench_row_print(const struct bench_options *options, const struct bench_row *row);
void bench_header_print(const struct bench_options *options, const char *name);

/* Makes a folder of its own below `parent` (NULL: the current one); exits when it cannot. */
void bench_directory_make(const char *parent, char *out, size_t out_size);
/* Removes it with everything inside. */
void bench_directory_remove(const char *path);

uint64_t bench_now_ns(void);
uint64_t bench_random(uint64_t *state);

#define BENCH(name, text) int bench_##name(const struct bench_options *options);
#include "bench/benches.def"
#undef BENCH

#endif
