/* io_uring as Quiver uses it: one ring per shard, created by the thread that starts the shards, used by the
 * shard's thread alone. liburing 2.3 is the floor (Debian 12), Linux 6.1 the kernel; what an older kernel or
 * a container refuses is done without, and `features` says so. */
#ifndef SHARDS_CORE_RING_H
#define SHARDS_CORE_RING_H

#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"

enum { RING_SUBMISSION_COUNT = 256, RING_COMPLETION_COUNT = 4096, RING_FILE_COUNT = 1024 };

struct ring {
    struct io_uring uring;
    bool is_open;
    bool defers;        /* DEFER_TASKRUN: completions appear only when we enter the kernel */
    bool flags_taskrun; /* the ring says when there is such work */
    bool has_files;     /* a table of registered files */
};

/* From the best set-up to the plainest. 0 or -errno of the plainest. */
static inline int
ring_open(struct ring *ring)
{
    static const unsigned setups[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
            IORING_SETUP_SUBMIT_ALL,
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
        IORING_SETUP_SUBMIT_ALL,
        0,
    };
    int result = -EINVAL;
    memset(ring, 0, sizeof(*ring));
    for (size_t i = 0; i < sizeof(setups) / sizeof(setups[0]); i++) {
        struct io_uring_params params = {
            .flags = setups[i] | IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
            .cq_entries = RING_COMPLETION_COUNT};
        result = io_uring_queue_init_params(RING_SUBMISSION_COUNT, &ring->uring, &params);
        if (result == 0) {
            ring->is_open = true;
            ring->defers = setups[i] & IORING_SETUP_DEFER_TASKRUN;
            ring->flags_taskrun = setups[i] & IORING_SETUP_TASKRUN_FLAG;
            return 0;
        }
        if (result != -EINVAL)
            break;
    }
    return result;
}

/* On the shard's thread, once, before anything is submitted: from here on the ring is this thread's. */
static inline int
ring_enable(struct ring *ring)
{
    /* liburing 2.3 has io_uring_enable_rings in its header but not in its shared library. */
    if (syscall(
            __NR_io_uring_register, ring->uring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0)
        return -errno;
    /* Saves a look-up per system call; works without. */
    (void)io_uring_register_ring_fd(&ring->uring);
    ring->has_files = io_uring_register_files_sparse(&ring->uring, RING_FILE_COUNT) == 0;
    return 0;
}

static inline void
ring_close(struct ring *ring)
{
    if (ring->is_open)
        io_uring_queue_exit(&ring->uring);
    ring->is_open = false;
}

static inline bool
ring_has_pending_work(const struct ring *ring)
{
    return ring->flags_taskrun && (IO_URING_READ_ONCE(*ring->uring.sq.kflags) & IORING_SQ_TASKRUN);
}

static inline void
ring_describe(const struct ring *ring, char *out, size_t out_size)
{
    snprintf(
        out, out_size, "io_uring %s%s",
        ring->defers ? "single issuer, deferred task work" : "plain set-up",
        ring->flags_taskrun ? "" : ", no task-work flag");
}

#endif
