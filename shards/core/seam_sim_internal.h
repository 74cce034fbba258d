/* What the three files of the simulator share: seam_sim.c (time, turns, mail, memory), seam_sim_disk.c,
 * seam_sim_net.c. Nobody else includes this. */
#ifndef SHARDS_CORE_SEAM_SIM_INTERNAL_H
#define SHARDS_CORE_SEAM_SIM_INTERNAL_H

#include <setjmp.h>

#include "shards/core/seam_sim.h"

enum { SIM_PATH_SIZE = 128, SIM_RING_COUNT_MAX = 64 };

enum sim_event_kind {
    SIM_EVENT_WAKE,      /* doorbell: `index` = shard */
    SIM_EVENT_DISK,      /* subject = struct sim_request */
    SIM_EVENT_CALL,      /* subject = struct io_op */
    SIM_EVENT_CLOSE,     /* subject = struct io_op */
    SIM_EVENT_ACCEPT,    /* subject = struct sim_connection reaches its listener */
    SIM_EVENT_TO_SERVER, /* subject = struct sim_connection: `index` bytes more have arrived */
    SIM_EVENT_TO_CLIENT,
    SIM_EVENT_RETRY, /* subject = struct sim_connection: look at its pending operations */
    SIM_EVENT_TURN,  /* for the trace only: a shard's turn */
};

struct sim_event {
    uint64_t time_ns;
    uint64_t sequence;
    void *subject;
    uint32_t index;
    uint32_t shard_index;
    uint8_t kind;
};

struct sim_mail {
    struct block *block;
    uint64_t visible_ns;
};

struct sim_ring {
    struct sim_mail entries[SIM_RING_COUNT_MAX];
    uint32_t head, count;
    uint64_t last_visible_ns;
};

struct sim_shard {
    struct seam seam;
    struct shard shard;
    struct sim *sim;
    struct list_link completed; /* I/O that poll will hand over */
    struct list_link allocations;
    uint32_t allocation_countdown;
    uint64_t wake_ns;       /* next turn; UINT64_MAX: asleep */
    uint64_t busy_until_ns; /* end of the last turn */
    bool is_drained;
    bool is_created;
    struct sim_ring *inbound; /* one per sender */
};

enum sim_handle_kind {
    SIM_HANDLE_NONE,
    SIM_HANDLE_FILE,
    SIM_HANDLE_LISTENER,
    SIM_HANDLE_CONNECTION
};

struct sim_handle {
    uint8_t kind;
    bool direct;
    uint32_t shard_index;
    void *object;
};

struct sim_disk;
struct sim_net;

struct sim {
    struct sim_options options;
    uint64_t random_state;
    uint64_t trace_hash;
    uint64_t event_count;
    uint64_t now_ns;
    uint64_t elapsed_ns;      /* of the turn that runs now */
    struct sim_event *events; /* binary heap by (time, sequence) */
    size_t event_capacity, event_total;
    uint64_t event_sequence;
    uint32_t shard_count;
    struct sim_shard *shards;
    bool is_starting, is_draining, is_down;
    uint32_t ring_count;
    struct sim_handle *handles;
    size_t handle_count;
    struct sim_disk *disk;
    struct sim_net *net;
    uint32_t power_cut_countdown;
    uint64_t disk_operation_count;
    bool is_guarded; /* `escape` is valid */
    jmp_buf escape;
    char fatal_line[256];
};

static inline struct sim_shard *
sim_shard_of(struct seam *seam)
{
    return (struct sim_shard *)(void *)((char *)seam - offsetof(struct sim_shard, seam));
}

/* The clock as the running shard sees it. */
static inline uint64_t
sim_local_ns(const struct sim *sim)
{
    return sim->now_ns + sim->elapsed_ns;
}

void *
sim_heap(void *old, size_t size); /* realloc that aborts: the simulator itself must not fail */
void sim_heap_free(void *pointer);
bool sim_chance(struct sim *sim, uint32_t ppm);
/* 1..max, now and then up to max * rare_factor. */
uint64_t sim_delay(struct sim *sim, uint64_t max_ns, uint64_t default_ns, uint32_t rare_factor);
void sim_event_add(
    struct sim *sim,
    uint64_t delay_ns,
    enum sim_event_kind kind,
    uint32_t shard_index,
    void *subject,
    uint32_t index);
void sim_complete(struct sim *sim, uint32_t shard_index, struct io_op *op, int64_t result);
io_handle
sim_handle_new(struct sim *sim, enum sim_handle_kind kind, uint32_t shard_index, void *object);
struct sim_handle *sim_handle_get(struct sim *sim, io_handle handle, enum sim_handle_kind kind);
/* Leaves the running shard's code; the machine is down. */
_Noreturn void sim_escape(struct sim *sim);

struct sim_disk *sim_disk_new(void);
void sim_disk_delete(struct sim_disk *disk);
void sim_disk_submit(struct sim_shard *shard, struct io_op *op);
void sim_disk_complete(struct sim *sim, const struct sim_event *event);
void sim_disk_forget(struct sim *sim, void *request);
void sim_disk_close(struct sim *sim, struct sim_handle *handle);
void sim_disk_crash(struct sim *sim);
int64_t
sim_disk_open(struct seam *seam, const char *path, bool create, bool direct, io_handle *handle);
int64_t sim_disk_close_now(struct seam *seam, io_handle handle);
int64_t
sim_disk_read(struct seam *seam, io_handle handle, void *buffer, size_t size, uint64_t offset);
int64_t sim_disk_write(
    struct seam *seam, io_handle handle, const void *buffer, size_t size, uint64_t offset);
int64_t sim_disk_sync(struct seam *seam, io_handle handle);
int64_t sim_disk_handle_size(struct seam *seam, io_handle handle);
int64_t sim_disk_list(struct seam *seam, const char *path, struct disk_entry *out, size_t max);
int64_t sim_disk_make_directory(struct seam *seam, const char *path);
int64_t sim_disk_remove(struct seam *seam, const char *path);
int64_t sim_disk_rename(struct seam *seam, const char *from, const char *to);
int64_t sim_disk_sync_directory(struct seam *seam, const char *path);

struct sim_net *sim_net_new(void);
void sim_net_delete(struct sim_net *net);
void sim_net_submit(struct sim_shard *shard, struct io_op *op);
void sim_net_event(struct sim *sim, const struct sim_event *event);
void sim_net_close(struct sim *sim, io_handle handle);
void sim_net_crash(struct sim *sim);
err_t sim_net_listen(struct seam *seam, const char *host, uint16_t *port, io_handle *handle);
void sim_net_peer_name(struct seam *seam, io_handle handle, char *out, size_t out_size);

#endif
