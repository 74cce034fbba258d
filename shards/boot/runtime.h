/* The runtime: N pinned shards of one process, each turning its loop on its own thread, and one auxiliary
 * thread. main() calls this; so do benchmarks and tests that want real threads.
 *
 *      struct runtime_options options = {.data_directory = dir, .program = {&server, start, drain, finish}};
 *      struct runtime *runtime;
 *      char why[256];
 *      if (runtime_start(&options, &runtime, why, sizeof(why)))      every program.start has returned
 *          fprintf(stderr, "quiverd: %s\n", why);
 *      ...
 *      runtime_stop(runtime);            from a signal handler, another thread or a shard
 *      runtime_join(runtime);            drained, finished, threads gone, memory and lock given back
 *
 * One runtime per process may exist at a time for one data directory; the lock is flock on DIR/LOCK. */
#ifndef SHARDS_BOOT_RUNTIME_H
#define SHARDS_BOOT_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "shards/core/shard.h"

struct runtime;

struct runtime_options {
    const char *data_directory; /* created when it is not there (its parent must be) */
    uint32_t shard_count;       /* 0 = one per physical core this process may use */
    const char *cpus;           /* "0-3,8": the processors to use; NULL = all that are allowed */
    uint64_t
        memory_size; /* bytes for all shards together; 0 = 60 % of what the machine or cgroup has */
    struct shard_program program;
};

/* Starts everything, or nothing. On error `why` (may be NULL) gets one line for the person who started it.
 * DIRECTORY_IN_USE: another process has the directory. CONFIGURATION: the options or the machine (io_uring)
 * do not allow it. Else what program.start returned. */
err_t runtime_start(
    const struct runtime_options *options, struct runtime **out, char *why, size_t why_size);
/* Asks for the end; returns at once. Async-signal-safe. */
void runtime_stop(struct runtime *runtime);
/* Waits for the end and frees the runtime. */
void runtime_join(struct runtime *runtime);
/* Waits at most that long; true when all shards have ended (runtime_join will not wait). */
bool runtime_wait(struct runtime *runtime, uint64_t timeout_ns);

uint32_t runtime_shard_count(const struct runtime *runtime);
/* A copy of a shard's counters; from any thread. */
struct shard_metrics runtime_metrics(const struct runtime *runtime, uint32_t shard_index);
/* Bytes of the shard's memory that are out, and the limit; from any thread. */
void runtime_memory(
    const struct runtime *runtime, uint32_t shard_index, uint64_t *used_size, uint64_t *limit_size);
/* One line for the log: shards, processors, memory, ring features. */
const char *runtime_description(const struct runtime *runtime);
/* One line to the log, from a thread that is not a shard. */
void runtime_log(struct runtime *runtime, const char *line);

#endif
