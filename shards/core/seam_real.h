/* The real backend: what boot/ needs to make the seams of a process. Everybody else sees `struct seam`. */
#ifndef SHARDS_CORE_SEAM_REAL_H
#define SHARDS_CORE_SEAM_REAL_H

#include "shards/core/seam.h"
#include "shards/core/seam_memory.h"

/* The seams of one process: rings between shards, the auxiliary thread, the data directory. */
struct seam_group;

/* Takes the data directory's descriptor over. On error `why` says what the machine lacks. */
err_t seam_group_create(
    struct seam_group **out, uint32_t shard_count, int directory_fd, char *why, size_t why_size);
/* After every shard thread has ended. */
void seam_group_destroy(struct seam_group *group);
/* What the rings can do, in words. */
const char *seam_group_description(const struct seam_group *group);
void seam_group_log(struct seam_group *group, const char *line);
/* Wakes every shard that sleeps. Async-signal-safe. */
void seam_group_wake_all(struct seam_group *group);

/* The seam of one shard. `range` becomes its memory and must outlive it. */
struct seam *seam_group_shard(struct seam_group *group, uint32_t shard_index);
void seam_memory_set(struct seam_group *group, uint32_t shard_index, struct range *range);
/* On the shard's own thread, before anything else: the ring is that thread's from here on. 0 or -errno. */
int seam_shard_enter(struct seam *seam);
/* On the shard's own thread, at its end: forgets operations that are still pending. */
void seam_shard_leave(struct seam *seam);
/* How often it slept and how often it rang a bell. */
uint64_t seam_shard_sleep_count(const struct seam *seam);

#endif
