/* The simulator: N shards on one thread, from one seed.
 *
 *      struct sim_options options = {.program = {.context = &world, .start = world_start}};
 *      struct sim *sim = sim_create(seed, 3, &options);
 *      err = sim_start(sim);
 *      sim_run_until(sim, world_is_done, &world, 10 * SIM_SECOND);
 *      sim_crash(sim);                       every shard's memory is gone, the disk is what a power cut leaves
 *      err = sim_restart(sim, 2);            the same disk, two shards: program.start runs on each
 *      sim_delete(sim);
 *
 * Time is virtual: it moves from event to event, so an hour costs nothing. The same seed, options and calls
 * give the same run: compare sim_trace_hash.
 *
 * What the simulator may do to the program, and what it may not:
 *  - Disk. A write that is not durable survives a crash per 512-byte sector, each by chance, whether it had
 *    completed or not. A durable write that completed survives. Writes complete in any order; overlapping
 *    writes in flight are the program's error (assert). Names (create, rename, remove) survive in order up
 *    to a random point, or all of those in a directory after disk_sync_directory of it.
 *  - Mail is late, but in order for each pair of shards. Nothing wakes a shard but a doorbell, a completion
 *    or its own timer: a missing doorbell shows as a shard that sleeps on.
 *  - Network: any split of the bytes, any delay, order kept; resets by chance.
 *  - Memory: allocations fail by chance, at the n-th, or at the limit.
 *  - `fatal` and power cuts leave the middle of a shard's code by longjmp: nothing of the shard is touched
 *    afterwards but the memory behind it is freed. sim_is_down says so; then call sim_crash and sim_restart.
 *
 * Part of the tests, linked into the library so that all tests share it; the daemon never calls it. */
#ifndef SHARDS_CORE_SEAM_SIM_H
#define SHARDS_CORE_SEAM_SIM_H

#include "shards/core/shard.h"

struct sim;

#define SIM_MICROSECOND UINT64_C(1000)
#define SIM_MILLISECOND UINT64_C(1000000)
#define SIM_SECOND UINT64_C(1000000000)

/* Zeroed is good: no faults, moderate delays. All but `program` may be changed between runs, through
 * sim_options(). Chances are in parts per million. */
struct sim_options {
    struct shard_program program;
    uint64_t memory_limit_size;    /* per shard; 0 = 256 MiB */
    uint32_t allocation_fail_ppm;  /* of each allocation while turning (not in program.start) */
    uint32_t read_error_ppm;       /* -EIO */
    uint32_t write_error_ppm;      /* -EIO; some sectors may have been written */
    uint32_t connection_reset_ppm; /* of each delivery of bytes from a client */
    uint64_t disk_capacity_size;   /* sum of file sizes; beyond it -ENOSPC; 0 = no limit */
    uint32_t mail_ring_count;      /* 0 = by chance, 2..64 */
    uint64_t mail_delay_ns_max;    /* 0 = 5 us; now and then a hundred times longer */
    uint64_t disk_delay_ns_max;    /* 0 = 200 us; now and then fifty times longer */
    uint64_t network_delay_ns_max; /* 0 = 50 us */
    uint32_t turn_cost_ns_max;     /* 0 = 10 us: what a turn takes */
    uint32_t stall_ppm;            /* of each turn: the thread is not scheduled for up to 20 ms */
    bool verbose;                  /* log lines to standard error */
};

struct sim *sim_create(uint64_t seed, uint32_t shard_count, const struct sim_options *options);
/* Frees everything, the disk too. Works in any state. */
void sim_delete(struct sim *sim);
struct sim_options *sim_options(struct sim *sim);

/* Creates the shards and runs program.start on each. On error the shards are gone again. A power cut or
 * `fatal` inside it returns UNAVAILABLE; sim_is_down is true. */
err_t sim_start(struct sim *sim);

typedef bool sim_predicate_fn(void *context);
/* Runs until the predicate holds (asked after each event), `limit_ns` of virtual time passed, nothing can
 * happen any more, or the machine went down. True when the predicate holds. */
bool sim_run_until(struct sim *sim, sim_predicate_fn *predicate, void *context, uint64_t limit_ns);
/* One event: a turn of a shard, a completion, a delivery. False when nothing can happen any more. */
bool sim_step(struct sim *sim);
void sim_run_for(struct sim *sim, uint64_t duration_ns);
/* Asks program.drain until all shards said true, then finishes and destroys them; asserts that their memory
 * came back except what mail blocks of others hold. False when `limit_ns` passed first. */
bool sim_stop(struct sim *sim, uint64_t limit_ns);

/* The machine loses power now. */
void sim_crash(struct sim *sim);
err_t sim_restart(struct sim *sim, uint32_t shard_count);
/* Went down by itself: `fatal` or a power cut. */
bool sim_is_down(const struct sim *sim);
/* The line `fatal` was called with; empty when it was not. */
const char *sim_fatal_line(const struct sim *sim);
/* The power goes at the n-th disk operation from now, before, in the middle of or after it; 0 = never. */
void sim_power_cut_after(struct sim *sim, uint32_t disk_operation_count);
/* The n-th allocation from now of that shard fails, once; 0 = never. */
void sim_allocation_fail_after(struct sim *sim, uint32_t shard_index, uint32_t allocation_count);

struct shard *sim_shard(struct sim *sim, uint32_t index);
uint32_t sim_shard_count(const struct sim *sim);
uint64_t sim_now_ns(const struct sim *sim);
uint64_t sim_event_count(const struct sim *sim);
/* Disk operations so far, over all lives: the range to choose power cuts from. */
uint64_t sim_disk_operation_count(const struct sim *sim);
/* Everything that happened so far, in one word. */
uint64_t sim_trace_hash(const struct sim *sim);
/* The test's own draws, from the same seed; below `bound`. */
uint64_t sim_random(struct sim *sim, uint64_t bound);
/* Makes a test's own doing part of the trace. */
void sim_trace(struct sim *sim, uint64_t word);

/* The disk from outside, without faults. Size is -1 when there is no such file. */
int64_t sim_disk_size(struct sim *sim, const char *path);
/* Returns the bytes read. */
size_t sim_disk_peek(struct sim *sim, const char *path, uint64_t offset, void *out, size_t size);
/* Changes bytes, durably: rot, or a file from another tool. Creates the file and its directories. */
void
sim_disk_poke(struct sim *sim, const char *path, uint64_t offset, const void *data, size_t size);

/* A client of the program's listener. Connects to one of the shards that listen on `port`; -1 when none
 * does. Ids are never used twice. */
int64_t sim_client_connect(struct sim *sim, uint16_t port);
/* Takes as many bytes as the window has room for (64 KiB); the rest later. */
size_t sim_client_send(struct sim *sim, int64_t client, const void *data, size_t size);
/* Bytes that arrived; 0 = none now; -1 = the server closed and all was read. */
int64_t sim_client_receive(struct sim *sim, int64_t client, void *out, size_t size);
void sim_client_close(struct sim *sim, int64_t client);

#endif
